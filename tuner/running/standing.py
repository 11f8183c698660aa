"""How a study stands: its trials counted, the best of them, and whether that is good enough."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import metadata

import optuna

from ..network.config import DataFacts, config_from_json
from ..results.arms import Direction
from ..results.best import Best
from ..results.winner import Confirmation, Confirmed
from ..storage import CONFIG, DECLINED, INTERRUPTED, N_PARAMETERS, Counts, StudyStore, count

_VERSION = metadata.version("tuner")
#: How the reason of a trial begins whose numbers were none.
DIVERGED = "diverged: "


class Standing:
    """What is known of a study's trials; told by `recount` after each change.

    Args:
        study: its name.
        metric: what is optimized.
        direction: of the metric.
        facts: sizes of the data, if they are known.
        classes: names of the classes in the order of the outputs.
        store: of the study.
        rows: training rows that trials see; None is all.

    Attributes:
        counts: trials by how they ended.
        best: the best complete trial, if there is one.
    """

    def __init__(
        self,
        study: str,
        metric: str,
        direction: Direction,
        facts: DataFacts | None,
        classes: tuple[str, ...],
        store: StudyStore,
        rows: int | None = None,
    ) -> None:
        self._study, self._metric, self._direction = study, metric, direction
        self._facts, self._classes, self._store = facts, classes, store
        self._rows = rows
        self._missed: set[str] = set()  # configs that were there when a target was missed after all
        self.counts = Counts()
        self.best: Best | None = None
        self._since_best: int | None = None

    def recount(self) -> None:
        """Looks at the trials again."""
        self.counts = count(self._store.trials())
        frozen = self._store.best()
        self.best = None if frozen is None else self._best(frozen)
        self._since_best = None

    def would_be_best(self, value: float) -> bool:
        """Says whether a score is at least as good as that of the best complete trial."""
        return (
            self.best is None or self.best.value is None or self._is_as_good(value, self.best.value)
        )

    def reaches(self, target: float) -> bool:
        """Says whether a trial reaches the target that was not found to miss it."""
        return any(
            trial.value is not None
            and self._is_as_good(trial.value, target)
            and trial.user_attrs[CONFIG] not in self._missed
            for trial in self._complete()
        )

    @property
    def since_best(self) -> int:
        """Trials, complete or pruned, that ended since the best score was first reached."""
        if self._since_best is None:
            score = None if self.best is None else self.best.value
            self._since_best = since(self._store.trials(), score)
        return self._since_best

    def misses(self, target: float, confirmation: Confirmation) -> bool:
        """Says whether the confirmed winner misses a target that a trial reached.

        From then on the trials that are there do not reach it any more: those that were not
        confirmed were not expected to be better.
        """
        if not self.reaches(target):
            return False
        confirmed = confirmation.estimate(confirmation.winning)
        if confirmed is not None and self._is_as_good(confirmed.mean, target):
            return False
        self._missed |= {trial.user_attrs[CONFIG] for trial in self._complete()}
        return True

    @property
    def failure(self) -> str:
        """Why no trial could be trained, where all that were begun diverged or failed; else ""."""
        states = (optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.FAIL)
        ended = [
            trial
            for trial in self._store.trials()
            if trial.state in states and not {INTERRUPTED, DECLINED} & trial.user_attrs.keys()
        ]
        if self.best is not None or not ended or not all(map(_is_untrained, ended)):
            return ""
        if self.counts.waiting:  # as what was cut does, to run again
            return ""
        reason = ended[0].user_attrs.get("reason", "")
        return f"none of {len(ended)} trials could be trained, the first: {reason}"

    def confirmed(self, confirmation: Confirmation) -> Best:
        """Returns the winner of a confirmation."""
        winning, confirmed = confirmation.winning, Confirmed.of(confirmation)
        number = confirmation.search_best if winning.trial is None else winning.trial
        best = self._best(next(each for each in self._store.trials() if each.number == number))
        update: dict[str, object] = {
            "trial": winning.trial,
            "value": winning.search,
            "preset": winning.name if winning.is_preset else "",
            "config": winning.config if confirmation.refit is None else confirmation.refit.config,
            "n_parameters": winning.n_parameters,
            "seed": confirmed.seed,
            "confirmed": confirmed,
        }
        return best.model_copy(update=update)

    def _best(self, trial: optuna.trial.FrozenTrial) -> Best:
        assert trial.value is not None and trial.datetime_complete is not None
        return Best(
            study=self._study,
            trial=trial.number,
            metric=self._metric,
            value=trial.value,
            config=config_from_json(trial.user_attrs[CONFIG]),
            facts=self._facts,
            classes=self._classes,
            n_parameters=trial.user_attrs[N_PARAMETERS],
            seed=trial.user_attrs["seed"],
            finished=trial.datetime_complete,
            tuner=_VERSION,
            rows=self._rows,
        )

    def _complete(self) -> list[optuna.trial.FrozenTrial]:
        complete = optuna.trial.TrialState.COMPLETE
        return [trial for trial in self._store.trials() if trial.state == complete]

    def _is_as_good(self, value: float, other: float) -> bool:
        return value >= other if self._direction == "maximize" else value <= other


def since(trials: Sequence[optuna.trial.FrozenTrial], best: float | None) -> int:
    """Counts the trials, complete or pruned, that ended after a score was first reached.

    Args:
        trials: of a study.
        best: the score; None counts all.
    """
    # Without a zone, two times cannot be compared where the clock is put back between them.
    ended = [
        (trial.datetime_complete.timestamp(), trial)
        for trial in trials
        if trial.datetime_complete is not None
    ]
    complete = optuna.trial.TrialState.COMPLETE
    reached = (when for when, trial in ended if trial.state == complete and trial.value == best)
    first = min(reached, default=-math.inf)
    later = count([trial for when, trial in ended if when > first])
    return later.complete + later.pruned


def _is_untrained(trial: optuna.trial.FrozenTrial) -> bool:
    """Says whether a trial that ended failed or diverged, rather than that it was pruned."""
    is_failed = trial.state == optuna.trial.TrialState.FAIL
    return is_failed or str(trial.user_attrs.get("reason", "")).startswith(DIVERGED)
