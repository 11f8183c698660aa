"""A study from Python: of rows in memory, or of a file, with the keys of a study file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from ..errors import InputError, StudyFileError
from ..study.base import StudySpec
from ..study.loading import AnyStudySpec, check_name, load_study, parse_study
from ..study.mlp import MLPStudySpec
from ..study.module import ModuleStudySpec
from ..study.of_table import study_of_table
from ..system.formats import is_table

#: Columns as they are given: by name, or by number.
Label = str | int | Sequence[str] | Sequence[int]

#: What a study says of its source, when that is no file.
SOURCE = "in memory"


class Study:
    """What is tuned, and how.

    Args:
        rows: a frame with a label; a pair `(x, y)` of arrays, or of a frame and targets; or the
            name or path of a study file.
        label: name of the column that is predicted, or its number if columns have no names, or
            several, for a frame.
        name: of the study, under which its results are found again; if left out it is `rows-`
            and a hash of the rows, so that the same rows go on where an earlier call ended.
        sections: tables of a study file by their names, such as `search={"depth": [1, 2]}` and
            `data={"drop": ["id"]}`.

    Raises:
        StudyFileError: a key is unknown or wrong.
        InputError: rows are none of these.

    Attributes:
        spec: all that it says, with the defaults.
    """

    spec: AnyStudySpec

    def __init__(
        self,
        rows: object,
        *,
        label: Label | None = None,
        name: str | None = None,
        **sections: Mapping[str, Any],
    ) -> None:
        if isinstance(rows, str | Path):
            if label is not None or name is not None or sections:
                raise InputError(f"{rows}: a study file says all itself; edit it, or copy it")
            self.spec = load_study(rows)
            return
        data = {"source": SOURCE, **sections.get("data", {})}
        if label is not None:
            data["label"] = _names(label)
        if data["source"] != SOURCE:
            raise InputError("data.source belongs to a study file; these rows are in memory")
        name = name or f"rows-{_digest(rows)}"
        check_name(Path(name), name)
        try:
            text = tomli_w.dumps({**sections, "data": data})
        except (TypeError, AttributeError) as error:
            raise StudyFileError(
                f"{name}: sections are tables of plain values ({error})"
            ) from error
        spec = parse_study(Path(f"{name}.toml"), text)
        self.spec = spec.model_copy(update={"rows": rows})

    @property
    def name(self) -> str:
        """Under which its results are found."""
        return self.spec.name

    def to_toml(self) -> str:
        """Returns it as a study file, but for rows that are in memory."""
        return self.spec.text


def spec_of(
    study: object,
    *,
    label: Label | None = None,
    name: str | None = None,
    **sections: Mapping[str, Any],
) -> AnyStudySpec:
    """Returns what a study says, however it is given.

    Args:
        study: a name or a path of a study file, the path of a table, a `Study`, or rows in memory.
        label: column or columns of a table that are predicted.
        name: of a study of rows in memory, as `Study` takes it, like what follows.
        sections: tables of a study file.

    Raises:
        InputError: it is none of these, or something belongs to another of them.
    """
    if isinstance(study, str | Path) and is_table(str(study)):
        if name is not None or sections:
            raise InputError(f"{study}: its study file says all else; read it, and use tuner.Study")
        names = () if label is None else _names(label)
        return study_of_table(str(study), (names,) if isinstance(names, str) else names)
    if not isinstance(study, StudySpec | Study):
        return Study(study, label=label, name=name, **sections).spec
    if label is not None or name is not None or sections:
        raise InputError("a Study says itself what else it is made with")
    spec = study.spec if isinstance(study, Study) else study
    assert isinstance(spec, MLPStudySpec | ModuleStudySpec)
    return spec


def _names(label: Label) -> str | list[str]:
    """Returns the name of a column, or names, as text, which those of frames become, too."""
    if isinstance(label, str) or not isinstance(label, Iterable):
        return str(label)
    return [str(each) for each in label]


def _digest(rows: object) -> str:
    """Returns a hash of rows in memory.

    Raises:
        InputError: they are no rows.
    """
    import numpy as np
    import pandas as pd

    digest = hashlib.sha256()
    for part in rows if isinstance(rows, tuple | list) else (rows,):
        try:
            values = part if isinstance(part, pd.DataFrame | pd.Series) else np.asarray(part)
            if isinstance(values, np.ndarray):
                values = pd.DataFrame(values.reshape(len(values), -1))
            digest.update(pd.util.hash_pandas_object(values, index=False).to_numpy().tobytes())
        except (TypeError, ValueError) as error:
            raise InputError(
                f"rows must be a frame, or a pair (x, y) of arrays: {error}"
            ) from error
    return digest.hexdigest()[:8]
