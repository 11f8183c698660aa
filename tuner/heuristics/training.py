"""How long a full training is, over how many cuts it is scored, and what a decay amounts to."""

from __future__ import annotations

import math

from ..network.config import DataFacts, MLPConfig
from .rules import REFERENCE_BATCH_SIZE

#: Optimizer steps at the reference batch size that a full training has, about.
_STEPS = 4_000
#: Epochs of a full training at least, for many rows and for few, and at most.
_LEAST_EPOCHS, _LEAST_OF_FEW, _MOST_EPOCHS = 10, 20, 150
#: Rows for each epoch: a network that sees few rows many times learns them by heart.
_ROWS_AN_EPOCH = 25
#: Folds of a trial by the training rows that there are below each number, and above all of them.
_FOLDS = ((3_000, 5), (10_000, 2))
#: Parameters whose arithmetic takes as long as all else that a step of a small network does.
_OVERHEAD = 20_000
#: Steps of an epoch that are few beside the data's own, of which a batch of 32 has the most.
_REFERENCE_BATCH = 32
#: Share of a weight that decay may take in one step: at 1 it would be gone, and beyond turn round.
_MOST_DECAY = 0.5

#: Numbers among the inputs up to which a search tries to embed them, unless its file says.
_MOST_EMBEDDED = 128


def embeds(facts: DataFacts) -> bool:
    """Says whether a search tries to embed numbers: where there are some, and not too many.

    What an embedding costs goes by how many there are.
    """
    return 0 < facts.n_numeric <= _MOST_EMBEDDED


def full_epochs(n_rows: int) -> int:
    """Returns the epochs of a full training, 10 to 150.

    About 4,000 steps of 128 rows; of few rows an epoch for each 25 of them, and 20 at least. On the
    tables of docs/benchmarks.md 300 rows do best with 10 to 20 epochs, and 3,000 gain up to 200.

    Args:
        n_rows: training rows, at least 1.
    """
    epochs = round(_STEPS * REFERENCE_BATCH_SIZE / n_rows)
    most = min(max(round(n_rows / _ROWS_AN_EPOCH), _LEAST_OF_FEW), _MOST_EPOCHS)
    return min(max(epochs, _LEAST_EPOCHS), most)


def full_folds(n_rows: int) -> int:
    """Returns over how many cuts a trial is to be scored: more of them the fewer rows there are.

    Args:
        n_rows: training rows, at least 1.
    """
    return next((folds for limit, folds in _FOLDS if n_rows < limit), 1)


def n_steps(n_rows: int, config: MLPConfig) -> int:
    """Returns the optimizer steps of a training."""
    return config.epochs * math.ceil(n_rows / config.batch_size)


def total_decay(config: MLPConfig, n_rows: int) -> float:
    """Returns how far weight decay alone would shrink a weight over a training.

    At the initial rate, `exp(-total)` of a weight without gradient would be left. One step of AdamW
    takes the share `rate * decay` of it (Loshchilov and Hutter 2019, arXiv:1711.05101, alg. 2); of
    SGD, whose decay is part of the gradient, momentum makes that `rate * decay / (1 - momentum)`.

    Args:
        config: the network and its training.
        n_rows: training rows.
    """
    return config.weight_decay * _reach(config, n_rows)


def weight_decay(config: MLPConfig, total: float, n_rows: int) -> float:
    """Returns the `weight_decay` that amounts to a total, as `total_decay` has it.

    It takes no more than half of a weight in one step.

    Args:
        config: the network and its training; its own decay does not count.
        total: at least 0.
        n_rows: training rows.
    """
    total = min(total, _MOST_DECAY * n_steps(n_rows, config))
    return total / _reach(config, n_rows)


def _reach(config: MLPConfig, n_rows: int) -> float:
    reach = config.learning_rate * n_steps(n_rows, config)
    return reach / (1 - config.momentum) if config.optimizer == "sgd" else reach


def work(config: MLPConfig, facts: DataFacts) -> float:
    """Returns how long an epoch takes beside that of another network, in a unit of no name.

    Arithmetic goes by the rows; the optimizer, and what else a step does, by the steps.

    Args:
        config: the network and its training.
        facts: sizes of the data.
    """
    size = config.size(facts) + _OVERHEAD
    return facts.n_rows * size * (0.5 + 0.5 * _REFERENCE_BATCH / config.batch_size)
