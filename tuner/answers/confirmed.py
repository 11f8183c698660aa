"""What answers about a winner begin with: a study of perceptrons whose winner is confirmed."""

from __future__ import annotations

from ..errors import InputError, StoreUnreadableError
from ..results.winner import Confirmation
from ..running.given import spec_of
from ..storage import CONFIRMATION, locate, read_study, translated
from ..study import MLPStudySpec, ModuleStudySpec


def confirmed(study: object, storage: str | None, why: str) -> tuple[MLPStudySpec, Confirmation]:
    """Returns a study and its confirmation.

    Args:
        study: as `tune` takes it.
        storage: of all studies.
        why: what a study of another network cannot have this for.

    Raises:
        InputError: the study has no confirmed winner, or is one of another network.
        StoreUnreadableError: the store cannot be read.
    """
    spec = spec_of(study)
    if isinstance(spec, ModuleStudySpec):
        raise InputError(f"{spec.path}: {why}, and [model] names another network")
    location = locate(storage)
    stored = read_study(spec.name, location)
    with translated(location, StoreUnreadableError, "reading the study"):
        confirmation = Confirmation.kept(stored.user_attrs.get(CONFIRMATION))
    if confirmation is None:
        raise InputError(
            f"{spec.path}: the study has no confirmed winner yet (tuner tune {spec.name})"
        )
    return spec, confirmation
