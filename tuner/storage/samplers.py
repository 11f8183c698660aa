"""Who draws the next trial: samplers of Optuna's, by name, and any other one by its class."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import optuna
from optuna.exceptions import ExperimentalWarning

from ..errors import InputError
from ..system.imports import class_named

#: Finished trials, starting points among them, from which on a sampler models what it has seen.
STARTUP_TRIALS = 5
#: Samplers by name, and the arguments that they are made with, besides the seed.
_NAMED: dict[str, tuple[str, dict[str, object]]] = {
    # As Optuna has it for one goal; for two, values that were drawn one by one found smaller
    # networks later on recorded curves (docs/benchmarks.md).
    "tpe": ("TPESampler", {"n_startup_trials": STARTUP_TRIALS, "multivariate": True}),
    "gp": ("GPSampler", {"n_startup_trials": STARTUP_TRIALS, "warn_independent_sampling": False}),
    "cmaes": (
        "CmaEsSampler",
        {"n_startup_trials": STARTUP_TRIALS, "warn_independent_sampling": False},
    ),
    "qmc": ("QMCSampler", {"warn_independent_sampling": False}),
    "random": ("RandomSampler", {}),
}
#: Packages that some of them need, beside what is there in any case.
_NEEDS = {"cmaes": "cmaes"}


def _class_of(name: str, folders: Iterable[Path] = ()) -> type[optuna.samplers.BaseSampler]:
    """Returns the class of a sampler.

    Args:
        name: `tpe`, `gp`, `cmaes`, `qmc` or `random`, or a class as `package.module:Class`, which
            is imported.
        folders: where its module may be, beside the current folder.

    Raises:
        InputError: a package that it needs is missing, there is no such class, or it is none of
            Optuna's kind.
    """
    if name in _NAMED:
        package = _NEEDS.get(name)
        if package is not None and find_spec(package) is None:
            raise InputError(f"{name!r} needs a package that is missing: pip install {package}")
        found: type[optuna.samplers.BaseSampler] = getattr(optuna.samplers, _NAMED[name][0])
        return found
    found = class_named(name, folders)
    if not issubclass(found, optuna.samplers.BaseSampler):
        raise InputError(f"must be a sampler, an optuna.samplers.BaseSampler, and {name} is none")
    return found


def make_sampler(name: str, seed: int, folders: Iterable[Path] = ()) -> optuna.samplers.BaseSampler:
    """Makes a sampler; one of the user's takes `seed` if its constructor has such an argument.

    Args:
        name: as `_class_of` takes it.
        seed: of what it draws, in [0, 2 ** 32).
        folders: as `_class_of` takes them.

    Raises:
        InputError: as `_class_of` raises it, or its constructor fails.
    """
    found, arguments = _class_of(name, folders), _NAMED.get(name, ("", {}))[1]
    if "seed" in inspect.signature(found).parameters:
        arguments = {"seed": seed, **arguments}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        try:
            return found(**arguments)
        except Exception as error:  # it may be the user's code
            raise InputError(f"{name} cannot be made: {type(error).__name__}: {error}") from error
