"""scikit-learn estimators: a search inside `fit`, predictions by its winner."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import (
    Tags,
    assert_all_finite,
    check_array,
    check_consistent_length,
    check_random_state,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from .. import heuristics
from ..data import Wanted, frame_of, is_frame, merged, table_in_memory, text_of, uncut
from ..errors import InputError
from ..network.config import MLPConfig, Task
from ..network.ensemble import Ensemble
from ..results.best import Best
from ..running.given import Study
from ..search import tune
from ..system import paths
from ..training.fleet import Fleet
from .predictor import Answers, Array, Predictor, predictor

#: Networks of a config that is given, which predict together.
_NETWORKS = 4
#: Minutes of a search that nothing else limits.
_MINUTES = 1.0
#: Rows, and rows of each class, below which configs cannot be compared.
_LEAST_ROWS, _LEAST_OF_CLASS = 30, 6
#: Trials at once of a search that is to give the same result again.
_AT_ONCE = 4


class _Tuned(BaseEstimator):  # type: ignore[misc]  # scikit-learn tells no types
    """What both estimators share."""

    _task: Task

    def __init__(
        self,
        *,
        trials: int | None = None,
        minutes: float | None = None,
        search: Mapping[str, Any] | None = None,
        metric: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        workers: int | None = None,
        study: str | None = None,
        config: MLPConfig | None = None,
    ) -> None:
        self.trials = trials
        self.minutes = minutes
        self.search = search
        self.metric = metric
        self.random_state = random_state
        self.workers = workers
        self.study = study
        self.config = config

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def report(self) -> Path:
        """Writes the report of the search; returns its path.

        Raises:
            ValueError: the last fit searched nothing, or kept it under no name (`study`).
        """
        from ..reporting import report

        check_is_fitted(self)
        if self.study_ is None:
            raise ValueError(
                "a report needs a search that was kept: name it, study='...'; a config that is "
                "given, and few rows, are not searched"
            )
        with _told():
            return report(self.study_)

    def _fit(self, X: Any, y: Array, weights: Array | None) -> Self:
        """Searches, or trains the config that is given, for rows and encoded targets."""
        is_kept = self.study is not None and self.config is None
        # The same rows go on with what is kept, whose cuts and weights the seed decides.
        state = 0 if is_kept and self.random_state is None else self.random_state
        seed = int(check_random_state(state).randint(2**31))
        frame = self._frame(X, reset=True)
        self._columns = list(frame.columns)
        counted = y if weights is None else y[weights > 0]
        rows = (frame, y) if weights is None else (frame, y, weights)
        with _told():
            if self.config is not None:
                self._train(rows, seed, self.config)
            elif not self._can_compare(counted):
                self._train(rows, seed, None)
            elif self.study is not None:
                self._search(rows, seed, self.study)
            else:
                with (
                    tempfile.TemporaryDirectory(prefix="tuner") as folder,
                    paths.results_in(Path(folder)),
                ):
                    self._search(rows, seed, "fit")
        return self

    def _search(self, rows: tuple[Any, ...], seed: int, name: str) -> None:
        minutes = _MINUTES if self.minutes is None and self.trials is None else self.minutes
        objective = {} if self.metric is None else {"metric": f"val_{self.metric}"}
        study = Study(
            rows,
            name=name,
            data={"test": 0, "task": self._task},
            objective=objective,
            search=dict(self.search or {}),
            start={"history": self.study is not None},
            study={"seed": seed},
        )
        result = tune(
            study,
            trials=self.trials,
            minutes=minutes,
            workers=self.workers,
            fleet=_AT_ONCE if self.workers == 1 else None,
            progress=False,
        )
        assert result.best is not None and isinstance(result.best.config, MLPConfig)
        self.best_: Best | None = result.best
        self.study_ = result.study if self.study is not None else None
        self.best_config_ = result.best.config
        self._predictor = predictor(result.study)

    def _train(self, rows: tuple[Any, ...], seed: int, config: MLPConfig | None) -> None:
        """Trains networks of one config on all rows."""
        dataset = uncut(table_in_memory(rows, "rows", Wanted(embeds=True)), task=self._task)
        config = config or heuristics.modern_default(
            dataset.facts, heuristics.full_epochs(dataset.facts.n_rows)
        )
        is_sum = not config.batch_normalization and config.dropout == 0  # over rows, its loss
        if is_sum and len(dataset.known) <= config.batch_size:
            # Each step sees all rows, so that one of weight 2 and two of them are the same.
            dataset = merged(dataset)
        self.best_, self.study_, self.best_config_ = None, None, config
        with Fleet(dataset, hands=self.workers) as fleet:
            for number in range(_NETWORKS):
                fleet.join(number, config, seed=seed + number, shuffle_seed=seed + number)
            for _ in range(config.epochs):
                for outcome in fleet.run_epoch():
                    if outcome.error is not None:
                        raise outcome.error
                    if outcome.diverged:
                        raise ValueError(f"the training diverged: {outcome.diverged}")
            networks = [fleet.leave(number) for number in range(_NETWORKS)]
        self._predictor = Predictor("fit", Ensemble(networks).cpu(), dataset.meaning)

    def _can_compare(self, y: Array) -> bool:
        """Says whether there are rows enough to compare configs."""
        if len(y) < _LEAST_ROWS:
            return False
        counts = np.unique(y, return_counts=True)[1]
        return self._task == "regression" or counts.min() >= _LEAST_OF_CLASS

    def _frame(self, X: Any, *, reset: bool) -> pd.DataFrame:
        """Returns inputs as a frame, checked as scikit-learn does it."""
        if is_frame(X):
            validate_data(self, X, reset=reset, skip_check_array=True)
            if reset and len(X) < 2:
                raise ValueError(f"n_samples = {len(X)}, a minimum of 2 is required")
            return frame_of(X, "X")
        array = np.asarray(X) if not hasattr(X, "toarray") else X
        kind = None if array.dtype.kind == "O" else "numeric"
        array = validate_data(
            self,
            array,
            reset=reset,
            dtype=kind,
            ensure_all_finite="allow-nan",
            ensure_min_samples=2 if reset else 1,
        )
        names = list(map(str, range(array.shape[1]))) if reset else self._columns
        frame = pd.DataFrame(array, columns=names)
        return frame.infer_objects() if array.dtype == object else frame

    def _answers(self, X: Any) -> Answers:
        check_is_fitted(self)
        with _told():
            return self._predictor.answer(self._frame(X, reset=False))


@contextmanager
def _told() -> Iterator[None]:
    """Raises what is wrong with the input as scikit-learn does.

    Raises:
        ValueError: the input is wrong.
    """
    try:
        yield
    except InputError as error:
        raise ValueError(str(error)) from error


class TunedMLPClassifier(ClassifierMixin, _Tuned):  # type: ignore[misc]  # as above
    """A multi-layer perceptron for classes, whose settings `fit` searches.

    Rows may be frames with numbers, categories, dates and gaps, or arrays of numbers with NaN. Of
    fewer than 30 rows, or of a class with fewer than 6, the modern default is trained without a
    search.

    Args:
        trials: of the search.
        minutes: that it takes, in all; 1 if `trials` is left out, too.
        search: the `[search]` of a study file.
        metric: "accuracy", "loss", "balanced_accuracy", "f1", "roc_auc", "log_loss" or "brier";
            None is the accuracy, or the loss where classes are not balanced.
        random_state: decides cuts, sampler, initial weights and shuffles. With a number of trials
            and one worker the same one gives the same result again.
        workers: processes that train; 1 trains in this one. None is one for each core or GPU.
        study: keeps the search under a name in the folder of all results, where another `fit` of
            the same rows goes on; None leaves nothing on the disk.
        config: trains this one, and searches nothing.

    Attributes:
        classes_: `(classes,)`, sorted.
        n_features_in_: columns.
        feature_names_in_: their names, if rows are frames.
        best_config_: an `MLPConfig`.
        best_: what is known of it (`Best`); None without a search.
        study_: name of the study; None if it was not kept.
    """

    _task: Task = "classification"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Searches for the best settings, and trains with them.

        Args:
            X: `(rows, columns)`, a frame or an array.
            y: `(rows,)`, classes.
            sample_weight: `(rows,)`, at least 0, what each row counts in the loss and in all
                scores; None lets all count alike.

        Raises:
            ValueError: rows that cannot be learned from, or settings that cannot be.
        """
        y = column_or_1d(y, warn=True)
        _check_lengths(X, y)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        weights = _weights(X, sample_weight)
        self.classes_ = np.unique(y if weights is None else y[weights > 0])
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class only, {self.classes_[0]!r}; expected at least 2")
        return self._fit(X, y, weights)

    def predict(self, X: Any) -> Array:
        """Returns the most likely class of each row, `(rows,)`."""
        probabilities = self.predict_proba(X)
        classes: Array = self.classes_
        likely: Array = classes[probabilities.argmax(1)]
        return likely

    def predict_proba(self, X: Any) -> Array:
        """Returns the probability of each class, `(rows, classes)`."""
        probabilities = self._answers(X).probabilities
        assert probabilities is not None
        place = {name: index for index, name in enumerate(self._predictor.class_names)}
        return probabilities[:, [place[text_of(label)] for label in self.classes_]]


class TunedMLPRegressor(RegressorMixin, _Tuned):  # type: ignore[misc]  # as above
    """A multi-layer perceptron for numbers, whose settings `fit` searches.

    As `TunedMLPClassifier`, but for `metric`, which is "loss" (None), "r2", "rmse", "mae" or
    "median_absolute_error", and `classes_`.
    """

    _task: Task = "regression"

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Searches for the best settings, and trains with them.

        Args:
            X: `(rows, columns)`, a frame or an array.
            y: `(rows,)`, numbers.
            sample_weight: `(rows,)`, at least 0, what each row counts in the loss and in all
                scores; None lets all count alike.

        Raises:
            ValueError: rows that cannot be learned from, or settings that cannot be.
        """
        y = column_or_1d(y, warn=True, dtype=np.float64)
        _check_lengths(X, y)
        assert_all_finite(y, input_name="y")
        return self._fit(X, y, _weights(X, sample_weight))

    def predict(self, X: Any) -> Array:
        """Returns the value of each row, `(rows,)`."""
        return self._answers(X).values.astype(np.float64)


def _weights(X: Any, sample_weight: Any) -> Array | None:
    """Returns what rows count, `(rows,)` float64; None if all count alike.

    Raises:
        ValueError: they are not as many as rows, or not all at least 0, or all 0.
    """
    if sample_weight is None:
        return None
    weights: Array = check_array(
        sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight"
    )
    if weights.ndim != 1:
        raise ValueError(f"Sample weights must be 1D, got the shape {weights.shape}")
    check_consistent_length(X, weights)
    if weights.min() < 0 or not weights.any():
        raise ValueError("Sample weights must not be negative, nor all be zero")
    return weights


def _check_lengths(X: Any, y: Array) -> None:
    """Looks whether there are rows, and as many targets.

    Raises:
        ValueError: there are not.
    """
    check_consistent_length(X, y)
    if not len(y):
        raise ValueError("Found array with 0 sample(s), a minimum of 2 is required")
