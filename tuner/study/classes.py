"""The user's classes: found, checked, and which searched value goes to which constructor.

A name in `[search]` goes to each constructor that spells it out. A name that none spells out goes
to each constructor that takes `**kwargs`.
"""

from __future__ import annotations

import difflib
import hashlib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..network.config import DataFacts, ModuleConfig, Scalar
from ..network.nested import Holder
from ..system.imports import class_named
from ..system.quiet import quiet
from . import ModuleStudySpec

#: Rows of a training batch of a source, unless the study file says it.
BATCH_SIZE = 64

#: Arguments of the Trainer that a study file cannot give, and what to do instead.
_RESERVED = {
    "barebones": "it logs no metrics",
    "callbacks": "return them from the module's configure_callbacks",
    "default_root_dir": "files go below the study's folder",
    "devices": "each worker trains on one device",
    "enable_checkpointing": "the best network is kept as best.ckpt",
    "enable_model_summary": "trials share one terminal",
    "enable_progress_bar": "trials share one terminal",
    "fast_dev_run": "it ends a trial after one batch; limit_train_batches shortens epochs",
    "max_epochs": "objective.epochs says it",
    "max_steps": "objective.epochs says how long a trial is",
    "max_time": "objective.epochs says how long a trial is",
    "min_epochs": "objective.epochs says how long a trial is",
    "min_steps": "objective.epochs says how long a trial is",
    "model_registry": "the best network is kept as best.ckpt",
    "num_nodes": "each worker trains on one device",
    "plugins": "a study file has no word for them; trainer.precision sets the precision",
    "strategy": "each worker trains on one device",
    "sync_batchnorm": "each worker trains on one device",
    "use_distributed_sampler": "each worker trains on one device",
}


@dataclass(frozen=True)
class Constructor:
    """What the constructor of a class takes.

    Attributes:
        name: the class, without its module.
        names: parameters that it spells out.
        required: those without a default.
        defaults: those of the others that a study file can write.
        is_open: it takes `**kwargs`.
        made: the class itself; None of what is none.
    """

    name: str
    names: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    defaults: Mapping[str, Scalar] = field(default_factory=dict)
    is_open: bool = False
    made: type[Any] | None = None

    @classmethod
    def of(cls, made: type[Any]) -> Constructor:
        """Reads the signature of a class's constructor."""
        if _is_bare(made.__init__):
            return cls(made.__name__)
        _, *parameters = inspect.signature(made.__init__).parameters.values()
        variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        named = [each for each in parameters if each.kind not in variable]
        return cls(
            name=made.__name__,
            names=tuple(each.name for each in named),
            required=tuple(each.name for each in named if each.default is each.empty),
            defaults={
                each.name: each.default for each in named if isinstance(each.default, Scalar)
            },
            is_open=any(each.kind == each.VAR_KEYWORD for each in parameters),
            made=made,
        )

    def holder(self, name: str) -> tuple[Holder | None, str]:
        """Returns what holds the field of a dotted name, and the field; None if nothing does."""
        head, *inner, field = name.split(".")
        found = None if self.made is None else Holder.of(self.made, head)
        for each in inner:
            found = None if found is None else found.field(each)
        return found, field

    def __str__(self) -> str:
        words = [*self.names, *(["**kwargs"] if self.is_open else [])]
        return f"{self.name}({', '.join(words)})"


_ROWS = Constructor("rows of a source", ("batch_size",), (), {"batch_size": BATCH_SIZE})


@dataclass(frozen=True)
class UserClasses:
    """The classes of a study, and what each is made with.

    Attributes:
        spec: the study.
        module: of the LightningModule.
        data: of the LightningDataModule; `batch_size` alone where the rows are a source's.
    """

    spec: ModuleStudySpec
    module: Constructor
    data: Constructor

    @property
    def digest(self) -> str:
        """Hash of the files that define the classes."""
        names = (self.spec.model.module, self.spec.data.module)
        modules = {class_named(name).__module__ for name in names if name is not None}
        digest = hashlib.sha256()
        for module in sorted(modules):
            file = getattr(sys.modules[module], "__file__", None)
            digest.update(Path(file).read_bytes() if file else module.encode())
        return digest.hexdigest()[:16]

    @classmethod
    def of(cls, spec: ModuleStudySpec) -> UserClasses:
        """Imports the classes of a study, which runs their files, and checks what goes where.

        Raises:
            StudyFileError: a class cannot be had, a searched name is none of an argument, an
                argument has no value, or Lightning's Trainer does not take what is given for it.
        """
        import lightning.pytorch as lightning  # for seconds: not to check any other study

        module = _constructor(spec, "model.module", spec.model.module, lightning.LightningModule)
        data = _ROWS
        if spec.data.module is not None:
            kind = lightning.LightningDataModule
            data = _constructor(spec, "data.module", spec.data.module, kind)
        classes = cls(spec, module, data)
        classes._check_names()
        _check_trainer(spec)
        return classes

    def config(self, values: Mapping[str, Scalar], facts: DataFacts | None) -> ModuleConfig:
        """Returns the config that values of all searched names mean.

        Args:
            values: by name.
            facts: sizes of the data, if they are known.
        """
        filled: dict[str, Scalar] = {"epochs": self.spec.objective.epochs}
        if facts is not None:
            filled |= {
                "n_inputs": facts.n_inputs,
                "n_outputs": facts.n_outputs,
                "task": facts.task,
            }
        arguments = []
        for made in (self.module, self.data):
            mine = {name: value for name, value in filled.items() if name in made.names}
            mine |= {name: value for name, value in values.items() if made in self._takers(name)}
            arguments.append(mine)
        if self.data is _ROWS:
            arguments[1].setdefault("batch_size", BATCH_SIZE)
        return ModuleConfig(
            module=self.spec.model.module,
            values=arguments[0],
            data_module=self.spec.data.module,
            data_values=arguments[1],
            epochs=self.spec.objective.epochs,
        )

    def defaults(self) -> dict[str, Scalar]:
        """Returns the constructors' own values, the module's before those of the data."""
        found = {**self.data.defaults, **self.module.defaults}
        for name in self.spec.search:
            if "." in name:
                holder, field = self._takers(name)[0].holder(name)
                value = None if holder is None else holder.default_of(field)
                if isinstance(value, Scalar):
                    found[name] = value
        return found

    def _takers(self, name: str) -> list[Constructor]:
        both, head = [self.module, self.data], name.partition(".")[0]
        return [made for made in both if head in made.names] or [
            made for made in both if made.is_open
        ]

    def _check_names(self) -> None:
        known = {*self.module.names, *self.data.names} - {"epochs"}
        for name in self.spec.search:
            if not self._takers(name):
                near = difflib.get_close_matches(name, sorted(known), 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                both = self.module if self.data is _ROWS else f"{self.module} or {self.data}"
                raise self.spec.error(f"search.{name}", f"is no argument of {both}{hint}")
            if "." in name:
                self._check_dotted(name)
        filled = {"epochs"}
        if self.spec.data.source is not None:
            filled |= {"n_inputs", "n_outputs", "task"}
        for made in (self.module, self.data):
            for name in made.required:
                if name in self.spec.conditions:
                    raise self.spec.error(
                        f"search.{name}.when", f"leaves it out, and {made} has no default for it"
                    )
                if name not in filled and not self._has_fields(name):
                    raise self.spec.error(
                        f"search.{name}", f"is missing: {made} has no default for it"
                    )

    def _check_dotted(self, name: str) -> None:
        """Looks whether a dotted name is a field, and all that must be said is.

        Raises:
            StudyFileError: it is none.
        """
        made, above = self._takers(name)[0], name.rpartition(".")[0]
        holder, field = made.holder(name)
        parts = name.split(".")
        for n in range(1, len(parts)):
            if (prefix := ".".join(parts[:n])) in self.spec.search:
                raise self.spec.error(f"search.{name}", f"and search.{prefix} say the same")
        if holder is None:
            raise self.spec.error(
                f"search.{name}",
                f"is no field: {above} of {made.name} is no dataclass, no pydantic model and no "
                "dictionary",
            )
        if holder.names is not None and field not in holder.names:
            near = difflib.get_close_matches(field, holder.names, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise self.spec.error(f"search.{name}", f"is no field of {holder.kind.__name__}{hint}")
        for other in (f"{above}.{each}" for each in holder.required):
            reason = f"{holder.kind.__name__} has no default for it"
            if not self._has_fields(other):
                raise self.spec.error(f"search.{other}", f"is missing: {reason}")
            if other in self.spec.conditions:
                raise self.spec.error(f"search.{other}.when", f"leaves it out, and {reason}")

    def _has_fields(self, name: str) -> bool:
        """Says whether the study file says a value, or fields of it."""
        return any(each == name or each.startswith(f"{name}.") for each in self.spec.search)


def _is_bare(constructor: object) -> bool:
    """Says whether a constructor takes anything and does nothing with it."""
    import lightning.pytorch as lightning
    from torch import nn

    return constructor in (
        lightning.LightningModule.__init__,
        lightning.LightningDataModule.__init__,
        nn.Module.__init__,
    )


def _constructor(spec: ModuleStudySpec, key: str, name: str, kind: type[Any]) -> Constructor:
    try:
        made = class_named(name, [spec.path.parent])
    except InputError as error:
        raise spec.error(key, str(error)) from error
    if not issubclass(made, kind):
        hint = ""
        if any(base.__module__.startswith("pytorch_lightning.") for base in made.__mro__):
            hint = '; import lightning.pytorch in place of "pytorch_lightning"'
        raise spec.error(key, f"must name a {kind.__name__}, and {name} is none{hint}")
    if inspect.isabstract(made):
        raise spec.error(key, f"must name a class that can be made, and {name} is abstract")
    return Constructor.of(made)


def _check_trainer(spec: ModuleStudySpec) -> None:
    import lightning.pytorch as lightning

    known = [*inspect.signature(lightning.Trainer.__init__).parameters][1:]
    allowed = [name for name in known if name not in _RESERVED]
    for name in spec.trainer:
        if name in _RESERVED:
            raise spec.error(f"trainer.{name}", f"cannot be set: {_RESERVED[name]}")
        if name not in known:
            near = difflib.get_close_matches(name, allowed, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(allowed)}"
            raise spec.error(f"trainer.{name}", f"is no argument of Lightning's Trainer{hint}")
    packages = ("tensorboard", "tensorboardX")
    if "tensorboard" in spec.loggers and not any(find_spec(name) for name in packages):
        raise spec.error(
            "trainer.logger",
            'needs a package that is missing for "tensorboard": pip install tensorboard',
        )
    every = spec.trainer.get("check_val_every_n_epoch", 1)
    if isinstance(every, int) and every > 0 and spec.objective.epochs % every:
        raise spec.error(
            "trainer.check_val_every_n_epoch",
            f"must divide objective.epochs = {spec.objective.epochs}, got {every}: a trial's value "
            "is that of its last epoch",
        )
    try:
        with quiet():
            lightning.Trainer(
                **spec.trainer_arguments,
                logger=False,
                enable_checkpointing=False,
                enable_progress_bar=False,
                enable_model_summary=False,
                devices=1,
            )
    except Exception as error:  # Lightning raises many kinds for values that it does not take
        what = " ".join(str(error).split())
        raise spec.error("trainer", f"is not what Lightning's Trainer takes: {what}") from error
