"""Rules of thumb as objects: where a search starts, and what it may overrule.

Each rule has the id of its item in the note that this project grew from (`docs/rules.md`
tells them all), a claim, a source, and what it says for given `DataFacts`: one value, a
range, or a choice. Nothing here needs torch or optuna:

    >>> from tuner import heuristics
    >>> heuristics.two_thirds(784, 10)
    533
    >>> heuristics.recommend(n_inputs=784, n_outputs=10, n_rows=60_000).width
    533
"""

from .history import (
    SGD_RATE,
    Experience,
    history,
    history_file,
    rate_factor,
    remember,
    remember_verdicts,
    to_json,
)
from .recommend import (
    LATE_POINTS,
    Preset,
    Reason,
    Recommendation,
    modern_default,
    note,
    recommend,
    starting_points,
    variants,
)
from .rules import (
    ITEMS,
    REFERENCE_BATCH_SIZE,
    RULES,
    SCALING_RULES,
    Contradiction,
    Rule,
    ScalingRule,
    below_twice,
    between,
    contradictions,
    mean,
    rule,
    scale_linear,
    scale_square_root,
    two_thirds,
)
from .training import embeds, full_epochs, full_folds, n_steps, total_decay, weight_decay, work

__all__ = [
    "ITEMS",
    "LATE_POINTS",
    "REFERENCE_BATCH_SIZE",
    "RULES",
    "SCALING_RULES",
    "SGD_RATE",
    "Contradiction",
    "Experience",
    "Preset",
    "Reason",
    "Recommendation",
    "Rule",
    "ScalingRule",
    "below_twice",
    "between",
    "contradictions",
    "embeds",
    "full_epochs",
    "full_folds",
    "history",
    "history_file",
    "mean",
    "modern_default",
    "n_steps",
    "note",
    "rate_factor",
    "recommend",
    "remember",
    "remember_verdicts",
    "rule",
    "scale_linear",
    "scale_square_root",
    "starting_points",
    "to_json",
    "total_decay",
    "two_thirds",
    "variants",
    "weight_decay",
    "work",
]
