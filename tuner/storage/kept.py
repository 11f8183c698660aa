"""What a study keeps beside its trials, as attributes: time, answers, what it ran on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna

from ..errors import StoreLostError
from ..system.closing import Closing
from .location import Location
from .reading import (
    ABLATION,
    AUDIT,
    BUDGET_TRIALS,
    CODE,
    CONFIRMATION,
    CONFIRMATION_SECONDS,
    EVALUATION,
    FRONT,
    MACHINE,
    RATE_RANGE,
    SECONDS,
    TEST_OPENINGS,
    count,
    translated,
)


class Kept(Closing):
    """The attributes of an owned study.

    Attributes:
        study: of Optuna.
    """

    study: optuna.Study
    _location: Location
    _confirmation_seconds: float | None = None  # once they are known: no one else spends any

    @property
    def seconds(self) -> float:
        """Seconds spent on the search so far, by all processes that tuned the study."""
        return float(self._kept(SECONDS) or 0.0)

    def spend(self, seconds: float) -> None:
        """Keeps how many seconds have been spent on the search in all."""
        self._keep(SECONDS, round(seconds, 3))

    @property
    def confirmation_seconds(self) -> float:
        """Seconds spent on confirmations and fronts so far, by all processes of the study."""
        if self._confirmation_seconds is None:
            self._confirmation_seconds = float(self._kept(CONFIRMATION_SECONDS) or 0.0)
        return self._confirmation_seconds

    def spend_on_confirmation(self, seconds: float) -> None:
        """Adds seconds to those spent on confirmations and fronts."""
        spent = round(self.confirmation_seconds + seconds, 3)
        self._keep(CONFIRMATION_SECONDS, spent)
        self._confirmation_seconds = spent

    @property
    def confirmation(self) -> str | None:
        """What the last confirmation found, as JSON, if there was one."""
        text: str | None = self._kept(CONFIRMATION)
        return text

    def keep_confirmation(self, text: str) -> None:
        """Keeps what a confirmation found, as JSON."""
        self._keep(CONFIRMATION, text)

    def keep_audit(self, text: str) -> None:
        """Keeps what an audit found, as JSON."""
        self._keep(AUDIT, text)

    def keep_ablation(self, text: str) -> None:
        """Keeps the way from the rules to the winner, as JSON."""
        self._keep(ABLATION, text)

    @property
    def front(self) -> str | None:
        """The best network of each size, as JSON, if they were looked for."""
        text: str | None = self._kept(FRONT)
        return text

    def keep_front(self, text: str) -> None:
        """Keeps the best network of each size, as JSON."""
        self._keep(FRONT, text)

    @property
    def evaluation(self) -> str | None:
        """How trials are scored, as JSON, once that is decided."""
        text: str | None = self._kept(EVALUATION)
        return text

    def keep_evaluation(self, text: str) -> None:
        """Keeps how trials are scored, as JSON."""
        self._keep(EVALUATION, text)

    @property
    def rate_range(self) -> str | None:
        """What a learning-rate range test found, as JSON, if there was one."""
        text: str | None = self._kept(RATE_RANGE)
        return text

    def keep_rate_range(self, text: str) -> None:
        """Keeps what a learning-rate range test found, as JSON."""
        self._keep(RATE_RANGE, text)

    @property
    def test_openings(self) -> int:
        """How often the test part was opened."""
        return int(self._kept(TEST_OPENINGS) or 0)

    def open_test(self) -> int:
        """Counts, before it happens, that the test part is opened; returns how often by now."""
        openings = self.test_openings + 1
        self._keep(TEST_OPENINGS, openings)
        return openings

    def has_code(self, digest: str) -> bool:
        """Says whether the trials were made by this code of the user's, as far as that is known."""
        kept = self._kept(CODE)
        if kept is None or not self._has_finished:
            self._keep(CODE, digest)
            return True
        return bool(kept == digest)

    def keep_machine(self, machine: Mapping[str, str]) -> None:
        """Keeps what the study runs on."""
        if self._kept(MACHINE) != dict(machine):
            self._keep(MACHINE, dict(machine))

    def set_budget(self, trials: int | None) -> None:
        """Keeps the number of trials that the study was last asked for."""
        if self._kept(BUDGET_TRIALS) != trials:
            self._keep(BUDGET_TRIALS, trials)

    @property
    def _has_finished(self) -> bool:
        with translated(self._location, StoreLostError, "reading the trials"):
            return count(self.study.get_trials(deepcopy=False)).finished > 0

    def _kept(self, name: str) -> Any:
        """Returns an attribute; None if it was never kept."""
        with translated(self._location, StoreLostError, f"reading {_in_words(name)}"):
            return self.study.user_attrs.get(name)

    def _keep(self, name: str, value: Any) -> None:
        """Keeps an attribute; reads nothing, which a store that went away could not answer."""
        with translated(self._location, StoreLostError, f"keeping {_in_words(name)}"):
            self.study.set_user_attr(name, value)


def _in_words(name: str) -> str:
    return name.replace("_", " ")
