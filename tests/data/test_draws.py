"""Rows that are drawn, compared with scikit-learn's."""

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from tuner.data.draws import drawn


@pytest.mark.parametrize("n_classes", [0, 1, 2, 3, 10, 26])
@pytest.mark.parametrize("size", [0.1, 0.2, 1 / 3, 30, 101])
def test_rows_are_those_of_train_test_split(n_classes: int, size: int | float) -> None:
    """Else a study that began with it goes on with other rows: what it found no longer compares."""
    generator = np.random.default_rng(n_classes)
    for n in (150, 203, 1_000):
        y = np.zeros((n, 1))
        if n_classes:  # some of them rare, with numbers that are not next to each other
            shares = generator.dirichlet(np.ones(n_classes))
            y = np.concatenate([[each] * 8 for each in range(n_classes)])[: n // 2]
            y = 3 * np.concatenate([y, generator.choice(n_classes, n - len(y), p=shares)])
        for seed in (0, 7, 2**32 - 1):
            strata = y if n_classes else None
            try:
                theirs = train_test_split(
                    np.arange(n), test_size=size, random_state=seed, stratify=strata
                )
            except ValueError:  # too few rows for the classes
                with pytest.raises(ValueError, match="row"):
                    drawn(y, size, seed)
                continue
            for ours, rows in zip(drawn(y, size, seed), theirs, strict=True):
                np.testing.assert_array_equal(ours, np.sort(rows))


@pytest.mark.parametrize(
    ("y", "size", "why"),
    [
        (np.array([0, 0, 0, 1]), 2, "a class has one row"),
        (np.array([0, 0, 1, 1, 2, 2]), 2, "2 rows, for 3 classes"),
        (np.zeros((3, 1)), 3, "3 of 3 rows leave none"),
        (np.zeros((3, 1)), 0, "0 of 3 rows leave none"),
    ],
)
def test_rows_that_cannot_be_drawn(y: np.ndarray, size: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        drawn(y, size, 0)
