"""How a config is scored: the epochs and cuts of a trial, and the epochs of what comes after it.

What a study file leaves out follows from the rows, and from the budget, too: where it holds only a
few full trainings the search learns more from shorter ones, and where it does not even hold short
ones, from trainings on a part of the rows. The best are then confirmed by longer ones, and the
winner is trained to the end.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from .. import heuristics
from ..data import Cut
from ..network.config import DataFacts, MLPConfig
from ..study import BudgetSpec, ModuleStudySpec, StudySpec

#: Full trials that a search holds at least, and trainings that its confirmation holds, if epochs
#: can be saved for it.
_TRIALS, _CONFIRMED = 15, 15
#: Trainings that a confirmation holds where each of them still sees so many rows (epochs times
#: rows): from there on a third cut, of which an error can be told, is worth more than epochs.
_MORE, _LONG = 30, 240_000
#: Trainings one after the other that a confirmation holds at least, for two cuts: few arms on many
#: cores take as long as would keep all of them busy.
_WAVES = 2
#: Epochs that are not saved: a part of the rows is trained on instead.
LEAST_EPOCHS = 3
#: Trials of so many epochs of all rows that a search holds, if rows are not saved.
_FEW = 10
#: Training rows that are not saved.
LEAST_ROWS = 10_000
#: Shares of the time that are planned for the search, for the confirmation, and for the training of
#: what is handed over. Where that takes its share, fewer than `_CONFIRMED` are confirmed: what new
#: rows are scored by is the network that is handed over.
_SEARCH, _CONFIRMATION, _LAST = 0.5, 0.3, 0.3
#: Share of the minutes that is kept for networks of each size, where they are a goal.
_FRONT = 1 / 7


def for_sizes(spec: StudySpec, budget: BudgetSpec) -> float:
    """Returns the seconds that are kept for networks of each size, where they are a goal."""
    if budget.minutes is None or not spec.objective.finds_sizes:
        return 0.0
    return _FRONT * 60 * budget.minutes


class Evaluation(BaseModel):
    """How each config of a study is scored; kept with the study, so that all are scored alike.

    Attributes:
        epochs: of a trial.
        folds: cuts that a trial is trained over, side by side; its score is the mean. 1 takes the
            parts of the data as they are.
        confirm_epochs: of the trainings of the confirmation; at least those of a trial.
        final_epochs: of the training of the winner that is handed over; at least as many again.
        rows: training rows of a trial and of a training of the confirmation, and of the validation
            rows the same share; None is all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: Annotated[int, Field(ge=1)]
    folds: Annotated[int, Field(ge=1)]
    confirm_epochs: Annotated[int, Field(ge=1)]
    final_epochs: Annotated[int, Field(ge=1)]
    rows: Annotated[int, Field(ge=1)] | None = None

    def seen(self, facts: DataFacts) -> DataFacts:
        """Returns the sizes of what a trial sees of the data."""
        return facts if self.rows is None else facts.model_copy(update={"n_rows": self.rows})

    def cuts(self, seed: int) -> tuple[Cut | None, ...]:
        """Returns the cut of each training of a trial; None takes the parts as they are.

        Args:
            seed: decides where rows go, the same for all trials of a study.
        """
        if self.folds > 1:
            return tuple(Cut(seed, fold, rows=self.rows) for fold in range(self.folds))
        return (None if self.rows is None else Cut(seed, rows=self.rows),)

    def __str__(self) -> str:
        said = f"{self.epochs} epoch{'s' if self.epochs > 1 else ''}"
        if self.rows is not None:
            said += f" of {self.rows:,} rows"
        if self.folds > 1:
            said += f", the mean over {self.folds} cuts"
        if self.final_epochs > self.epochs:
            said += (
                f"; confirmed by {self.confirm_epochs}, trained to the end by {self.final_epochs}"
            )
        return said


def full_evaluation(spec: StudySpec, facts: DataFacts | None) -> Evaluation:
    """Returns how a trial is scored where time is no matter.

    Args:
        spec: the study file, whose word counts.
        facts: sizes of the data, if they are known.
    """
    folds, epochs = spec.data.folds, spec.objective.epochs
    if facts is None or isinstance(spec, ModuleStudySpec):
        assert epochs is not None
        return _alike(epochs, folds or 1)
    folds = folds or heuristics.full_folds(facts.n_rows)
    return _alike(epochs or heuristics.full_epochs(facts.n_rows), folds)


def _alike(epochs: int, folds: int) -> Evaluation:
    return Evaluation(epochs=epochs, folds=folds, confirm_epochs=epochs, final_epochs=epochs)


def planned(
    full: Evaluation,
    spec: StudySpec,
    config: MLPConfig,
    facts: DataFacts,
    budget: BudgetSpec,
    *,
    pace: float,
    at_once: int,
    least_rows: int = LEAST_ROWS,
) -> Evaluation:
    """Shortens trainings as `affordable` does, unless there is time or the file says their length.

    Args:
        full: how configs are scored where time is no matter.
        spec: the study file.
        config: a usual network.
        facts: sizes of the data.
        budget: where the search ends.
        pace: as `affordable` takes it, like what follows.
        at_once: trainings that share the machine.
        least_rows: training rows that a trial sees at least.
    """
    if budget.minutes is None or spec.objective.epochs is not None:
        return full
    seconds = 60 * budget.minutes - for_sizes(spec, budget)
    return affordable(
        full,
        config,
        facts,
        pace=pace,
        seconds=seconds,
        trials=budget.trials,
        at_once=at_once,
        least_rows=least_rows,
    )


def affordable(
    full: Evaluation,
    config: MLPConfig,
    facts: DataFacts,
    *,
    pace: float,
    seconds: float,
    trials: int | None,
    at_once: int,
    least_rows: int = LEAST_ROWS,
) -> Evaluation:
    """Shortens trainings until the time holds enough of them, if need be by leaving rows out.

    Args:
        full: how configs are scored where time is no matter.
        config: a usual network.
        facts: sizes of the data.
        pace: seconds that a unit of work (`heuristics.work`) takes, above 0.
        seconds: that search and confirmation have.
        trials: that the search is to have, if they are limited.
        at_once: trainings that share the machine when it is busy; a single one is no faster.
        least_rows: training rows that a trial sees at least.
    """
    n = _TRIALS if trials is None else min(_TRIALS, trials)
    whole = pace * heuristics.work(config, facts)
    held = _SEARCH * seconds / (full.folds * LEAST_EPOCHS * whole)
    rows = None
    if held < min(_FEW, n):
        rows = max(least_rows, int(facts.n_rows * held / n))
        rows = None if rows >= facts.n_rows else rows
    full = full.model_copy(update={"rows": rows})
    epoch = pace * heuristics.work(config, full.seen(facts))
    confirm, more = (
        _within(full.epochs, _CONFIRMATION * seconds / (max(n_trainings, _WAVES * at_once) * epoch))
        for n_trainings in (_CONFIRMED, _MORE)
    )
    confirm = max(more, min(confirm, math.ceil(_LONG / full.seen(facts).n_rows)))
    epochs = min(confirm, _within(full.epochs, _SEARCH * seconds / (n * full.folds * epoch)))
    final = max(confirm, _within(full.epochs, _LAST * seconds / (at_once * whole)))
    return full.model_copy(
        update={"epochs": epochs, "confirm_epochs": confirm, "final_epochs": final}
    )


def _within(most: int, epochs: float) -> int:
    return min(most, max(LEAST_EPOCHS, int(epochs)))
