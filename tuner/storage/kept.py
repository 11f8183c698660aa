"""What a study keeps beside its trials, as attributes: time, answers, what it ran on."""

from __future__ import annotations

from collections.abc import Mapping

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

    @property
    def seconds(self) -> float:
        """Seconds spent on the search so far, by all processes that tuned the study."""
        with translated(self._location, StoreLostError, "reading the time"):
            return float(self.study.user_attrs.get(SECONDS, 0.0))

    @property
    def confirmation_seconds(self) -> float:
        """Seconds spent on confirmations so far, by all processes that tuned the study."""
        with translated(self._location, StoreLostError, "reading the time"):
            return float(self.study.user_attrs.get(CONFIRMATION_SECONDS, 0.0))

    def spend_on_confirmation(self, seconds: float) -> None:
        """Adds seconds to those spent on confirmations."""
        spent = self.confirmation_seconds + seconds
        with translated(self._location, StoreLostError, "keeping the time"):
            self.study.set_user_attr(CONFIRMATION_SECONDS, round(spent, 3))

    def spend(self, seconds: float) -> None:
        """Keeps how many seconds have been spent on the search in all."""
        with translated(self._location, StoreLostError, "keeping the time"):
            self.study.set_user_attr(SECONDS, round(seconds, 3))

    @property
    def confirmation(self) -> str | None:
        """What the last confirmation found, as JSON, if there was one."""
        with translated(self._location, StoreLostError, "reading the confirmation"):
            text: str | None = self.study.user_attrs.get(CONFIRMATION)
            return text

    def keep_confirmation(self, text: str) -> None:
        """Keeps what a confirmation found, as JSON."""
        with translated(self._location, StoreLostError, "keeping the confirmation"):
            self.study.set_user_attr(CONFIRMATION, text)

    def keep_audit(self, text: str) -> None:
        """Keeps what an audit found, as JSON."""
        with translated(self._location, StoreLostError, "keeping the audit"):
            self.study.set_user_attr(AUDIT, text)

    @property
    def evaluation(self) -> str | None:
        """How trials are scored, as JSON, once that is decided."""
        with translated(self._location, StoreLostError, "reading the study"):
            kept: str | None = self.study.user_attrs.get(EVALUATION)
            return kept

    def keep_evaluation(self, text: str) -> None:
        """Keeps how trials are scored, as JSON."""
        with translated(self._location, StoreLostError, "keeping how trials are scored"):
            self.study.set_user_attr(EVALUATION, text)

    @property
    def rate_range(self) -> str | None:
        """What a learning-rate range test found, as JSON, if there was one."""
        with translated(self._location, StoreLostError, "reading the study"):
            kept: str | None = self.study.user_attrs.get(RATE_RANGE)
            return kept

    def keep_rate_range(self, text: str) -> None:
        """Keeps what a learning-rate range test found, as JSON."""
        with translated(self._location, StoreLostError, "keeping the learning-rate range"):
            self.study.set_user_attr(RATE_RANGE, text)

    def keep_ablation(self, text: str) -> None:
        """Keeps the way from the rules to the winner, as JSON."""
        with translated(self._location, StoreLostError, "keeping the ablation"):
            self.study.set_user_attr(ABLATION, text)

    @property
    def test_openings(self) -> int:
        """How often the test part was opened."""
        with translated(self._location, StoreLostError, "reading the study"):
            return int(self.study.user_attrs.get(TEST_OPENINGS, 0))

    def open_test(self) -> int:
        """Counts, before it happens, that the test part is opened; returns how often by now."""
        openings = self.test_openings + 1
        with translated(self._location, StoreLostError, "opening the test part"):
            self.study.set_user_attr(TEST_OPENINGS, openings)
            return openings

    def has_code(self, digest: str) -> bool:
        """Says whether the trials were made by this code of the user's, as far as that is known."""
        with translated(self._location, StoreLostError, "keeping the code"):
            kept = self.study.user_attrs.get(CODE)
            if kept is None or not count(self.study.get_trials(deepcopy=False)).finished:
                self.study.set_user_attr(CODE, digest)
                return True
            return bool(kept == digest)

    def keep_machine(self, machine: Mapping[str, str]) -> None:
        """Keeps what the study runs on."""
        with translated(self._location, StoreLostError, "keeping the machine"):
            if self.study.user_attrs.get(MACHINE) != dict(machine):
                self.study.set_user_attr(MACHINE, dict(machine))

    def set_budget(self, trials: int | None) -> None:
        """Keeps the number of trials that the study was last asked for."""
        with translated(self._location, StoreLostError, "keeping the budget"):
            if self.study.user_attrs.get(BUDGET_TRIALS) != trials:
                self.study.set_user_attr(BUDGET_TRIALS, trials)
