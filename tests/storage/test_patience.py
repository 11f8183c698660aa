"""Waiting for a store, and what is worth waiting for."""

from __future__ import annotations

import time

import pytest
import sqlalchemy

from tuner.storage.patience import Patience, is_gone


def gone() -> sqlalchemy.exc.OperationalError:
    return sqlalchemy.exc.OperationalError("SELECT 1", {}, Exception("the server is away"))


class Store:
    """Is away for some calls."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.failures, self.error = failures, error or gone()
        self.told: list[bool] = []

    def __call__(self, is_again: bool) -> str:
        self.told.append(is_again)
        if len(self.told) <= self.failures:
            raise self.error
        return "done"


def test_tries_again_and_says_so() -> None:
    store = Store(2)
    assert Patience(5)(store) == "done"
    assert store.told == [False, True, True]


def test_ends() -> None:
    begin = time.monotonic()
    with pytest.raises(sqlalchemy.exc.OperationalError):
        Patience(0.5)(Store(1000))
    assert 0.2 < time.monotonic() - begin < 2


def test_a_refusal_is_no_absence() -> None:
    store = Store(1, KeyError("no such trial"))
    with pytest.raises(KeyError):
        Patience(5)(store)
    assert store.told == [False]


def test_a_signal_ends_it() -> None:
    store = Store(1000)
    with pytest.raises(sqlalchemy.exc.OperationalError):
        Patience(60, is_cut=lambda: len(store.told) == 2)(store)


def test_the_lock_comes_first() -> None:
    """Where it cannot be taken, nothing is done."""
    store = Store(0)
    locks = iter([gone(), None])

    def ensure() -> None:
        error = next(locks)
        if error is not None:
            raise error

    assert Patience(5, ensure)(store) == "done"
    assert store.told == [True]


def test_a_cause_counts() -> None:
    error = RuntimeError("Optuna's own")
    error.__cause__ = gone()
    assert is_gone(error)
    assert is_gone(ConnectionResetError())
    assert not is_gone(RuntimeError())
    assert not is_gone(OSError(28, "No space left on device"))
