"""A data set to search on in simulated time: any config of the space, as if it were trained.

A config that was recorded scores what it did. Of another one, trees fitted to the recorded configs
say the course of its curves, and a recorded config that is much like it lends what the trees do not
know of it: how far it was from what trees that had not seen it said. So neighbours differ as much
as they do in truth, and validation rows mislead as much. None is better than the best that was
trained.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import KFold, cross_val_predict

from tuner import heuristics
from tuner.data.rulers import Array
from tuner.network.config import Activation, NumericEmbedding, Optimizer, Schedule

from .curves import Curves, space_of

#: Recorded configs that may lend what is not known, the nearest ones.
_LENDERS = 8
#: Errors from here down are the same: one row of a few thousands.
_FLOOR = 1e-3
#: Fields of a config that say what it is, as numbers; the others are words.
_NUMBERS = ("depth", "batch_normalization", "dropout", "momentum", "final_ratio", "warmup", "drops")
_LOGARITHMS = ("width", "learning_rate", "batch_size")
_WORDS = {
    "activation": get_args(Activation),
    "optimizer": get_args(Optimizer),
    "schedule": get_args(Schedule),
    "numeric_embedding": get_args(NumericEmbedding),
}


@dataclass(frozen=True)
class Trained:
    """What a config scores.

    Attributes:
        errors: `(cuts, epochs)` on the validation rows.
        test: error on the test rows after the last epoch, the mean over the cuts.
        seconds: that an epoch takes on one core.
    """

    errors: Array
    test: float
    seconds: float


class World:
    """One data set.

    Args:
        curves: that were recorded on it.
    """

    def __init__(self, curves: Curves) -> None:
        self.curves = curves
        self.space = space_of(curves.facts, curves.epochs)
        self._known = {_key(params): index for index, params in enumerate(curves.params)}
        self._inputs = np.stack([self._features(params) for params in curves.params])
        n = len(curves)
        # Infinite errors, of configs that diverged, are as bad as the worst.
        errors, tests = curves.errors.copy(), curves.tests.copy()
        errors[~np.isfinite(errors)] = np.nanmax(errors[np.isfinite(errors)])
        tests[~np.isfinite(tests)] = np.nanmax(tests[np.isfinite(tests)])
        self._course = np.log(errors + _FLOOR)
        self._test = np.log(tests + _FLOOR).mean(1)
        self._targets: Array = np.concatenate(
            [self._course.mean(1).reshape(n, -1), self._test[:, None]], axis=1
        )
        self._pace = float(np.median(curves.seconds / self._work(curves.params)))

    def _features(self, params: Mapping[str, Any]) -> Array:
        """Returns what trees see of a config."""
        values = self.space.config(params).model_dump()
        numbers = [float(values[name] or 0) for name in _NUMBERS]
        logs = [np.log(values[name]) for name in _LOGARITHMS]
        decay = np.log(params.get("total_decay", 1e-3))
        base = np.log(params["base_learning_rate"])
        told = [float(values[name] == word) for name, words in _WORDS.items() for word in words]
        return np.array([*numbers, *logs, decay, base, *told])

    def _work(self, params: tuple[dict[str, Any], ...]) -> Array:
        facts = self.space.facts
        return np.array([heuristics.work(self.space.config(each), facts) for each in params])

    @cached_property
    def _trees(self) -> ExtraTreesRegressor:
        return _trees().fit(self._inputs, self._targets)

    @cached_property
    def held_out(self) -> Array:
        """What trees that had not seen a config say of it, `(configs, epochs + 1)` logarithms."""
        folds = KFold(10, shuffle=True, random_state=0)
        found: Array = cross_val_predict(_trees(), self._inputs, self._targets, cv=folds)
        return found

    @property
    def targets(self) -> Array:
        """What they should say: `(configs, epochs + 1)`, the last column of the test rows."""
        return self._targets

    @cached_property
    def _scale(self) -> Array:
        found: Array = self._inputs.std(0) + 1e-9
        return found

    def trained(self, params: Mapping[str, Any]) -> Trained:
        """Returns what a config scores."""
        curves, index = self.curves, self._known.get(_key(params))
        if index is not None:
            errors = np.exp(self._course[index]) - _FLOOR
            return Trained(
                errors, float(np.exp(self._test[index]) - _FLOOR), float(curves.seconds[index])
            )
        inputs = self._features(params)
        said = self._trees.predict(inputs[None])[0]
        far = (((self._inputs - inputs) / self._scale) ** 2).sum(1)
        nearest = np.argsort(far)[:_LENDERS]
        lender = nearest[zlib.crc32(_key(params).encode()) % _LENDERS]
        lent = self.held_out[lender]
        course = said[:-1] + self._course[lender] - lent[:-1]
        test = said[-1] + self._test[lender] - lent[-1]
        work = heuristics.work(self.space.config(params), self.space.facts)
        return Trained(
            np.maximum(np.exp(course) - _FLOOR, 0.0),
            max(float(np.exp(test) - _FLOOR), self.best),
            self._pace * work,
        )

    @cached_property
    def usual_seconds(self) -> float:
        """What a training takes on one core, the median of those that were drawn."""
        return float(np.median(self.curves.seconds)) * self.curves.epochs

    @cached_property
    def best(self) -> float:
        """The lowest test error of all recorded configs."""
        return float((np.exp(self._test) - _FLOOR).min())

    def regret(self, found: Trained, view: int) -> float:
        """Returns how far a config is from the best ones, on rows that did not choose it.

        Those are the test rows and the validation rows of the other cuts, by the logarithm of the
        error. 0 is the best hundredth of the recorded configs (the very best has luck with these
        rows, too), 1 a drawn one in the median. It ends at 1.5 and -0.5: how much worse a config
        is that nobody would take says nothing of a search.

        Args:
            found: what the config scores.
            view: cut that it is chosen by.
        """
        best, middle = self._ends[view]
        others = np.delete(found.errors[:, -1], view)
        error = (np.log(found.test + _FLOOR) + np.log(others + _FLOOR).mean()) / 2
        return float(np.clip((error - best) / (middle - best), -0.5, 1.5))

    @cached_property
    def _ends(self) -> list[tuple[float, float]]:
        """What regrets of 0 and 1 mean, for each cut that may choose."""
        drawn = np.array([source.startswith("draw") for source in self.curves.sources])
        found = []
        for view in range(self._course.shape[1]):
            others = np.delete(self._course[:, :, -1], view, axis=1).mean(1)
            errors = (self._test + others) / 2
            found.append((float(np.quantile(errors, 0.01)), float(np.median(errors[drawn]))))
        return found


def _trees() -> ExtraTreesRegressor:
    return ExtraTreesRegressor(100, min_samples_leaf=2, max_features=0.6, random_state=0, n_jobs=1)


def _key(params: Mapping[str, Any]) -> str:
    return json.dumps(dict(sorted(params.items())))
