"""How what was found is written, in the terminal and in the report alike."""

from __future__ import annotations

import math

from ..network.config import Config, ModuleConfig, Scalar
from .arms import Estimate, difference
from .best import Best
from .winner import Confirmation


def number(value: float | None) -> str:
    """Writes a score with the digits that one compares."""
    return "-" if value is None else f"{value:.5g}"


def clock(seconds: float | None) -> str:
    """Writes seconds as minutes and seconds."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


#: Arguments of a module that are the same in all trials of a study.
_FILLED = ("epochs", "n_inputs", "n_outputs", "task")


def describe(config: Config) -> str:
    """Writes the main values of a config in one line."""
    if isinstance(config, ModuleConfig):
        shown = {name: value for name, value in config.flat().items() if name not in _FILLED}
        return ", ".join(f"{name} {written(value)}" for name, value in shown.items())
    parts = [
        f"{config.depth} x {config.width} {config.activation}",
        "bn" if config.batch_normalization else "no bn",
        f"batch {config.batch_size}",
        f"{config.optimizer} {config.learning_rate:.2g}",
        config.schedule,
    ]
    if config.dropout > 0:
        parts.insert(2, f"dropout {config.dropout:.2f}")
    if config.numeric_embedding != "none":
        parts.insert(1, f"{config.numeric_embedding} inputs")
    if config.class_weight != "none":
        parts.append(f"{config.class_weight} classes")
    return ", ".join(parts)


#: What the preset of this name is, said once wherever it appears.
NOTE = "note: the rules of thumb, taken literally"


def written(value: Scalar | None) -> str:
    """Writes a value of a config."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def origin(best: Best) -> str:
    """Says where a winner comes from: a preset, or a trial."""
    return best.preset or f"trial {best.trial}"


def estimate(found: Estimate | None) -> str:
    """Writes a mean and its standard error, with the digits that the error leaves."""
    if found is None:
        return "-"
    if found.standard_error == 0 or not math.isfinite(found.standard_error):
        return f"{number(found.mean)} ± {found.standard_error:.2g}"
    digits = max(0, 1 - math.floor(math.log10(found.standard_error)))
    return f"{found.mean:.{digits}f} ± {found.standard_error:.{digits}f}"


def _amount(gain: Estimate, metric: str) -> str:
    """Writes the size of a difference with its error, of an accuracy in points.

    Two seeds often differ by the same, which says nothing of a third one: of them no error is told.
    """
    unit, factor = (" points", 100) if "accuracy" in metric else ("", 1)
    mean, told = factor * abs(gain.mean), f"{unit} of {metric}"
    if gain.n == 2:
        return f"{mean:.2g}{told} (too few seeds for an error)"
    return f"{mean:.2g} ± {factor * gain.standard_error:.2g}{told}"


def _compared(gain: Estimate, metric: str, other: str) -> str:
    """Says whether the winner is better than another one, and by how much."""
    if gain.mean == 0:
        return f"as good as the {other} ({_amount(gain, metric)})"
    return f"{'better' if gain.mean > 0 else 'worse'} than the {other} by {_amount(gain, metric)}"


def unconfirmed(best: Best) -> str:
    """Says what the score of a trial is worth that was not confirmed."""
    of = "" if best.rows is None else f", of networks trained on {best.rows:,} rows"
    return f"in the search{of}, and not confirmed over other seeds: expect less"


def over_seeds(best: Best) -> str:
    """Says what the trainings of a confirmed winner differed in, and what its errors are of."""
    confirmed = best.confirmed
    assert confirmed is not None
    n, own = confirmed.validation.n, "initial weights and shuffles"
    if best.facts is None:  # a LightningDataModule of the user's
        rows = f"over {n} seeds, each with {own} of its own, and other rows only where the data "
        rows += "module draws them by the seed"
    else:
        rows = f"over {n} seeds, each with {own} and validation rows of its own"
    if confirmed.epochs not in (None, best.config.epochs):
        rows += f", {confirmed.epochs} epochs of training"
    if confirmed.rows is not None:
        rows += f", each trained on {confirmed.rows:,} rows"
    if confirmed.test is None:
        return rows
    if confirmed.has_rows_error:
        return f"{rows}; the error of the test score is that of other seeds and other test rows"
    return f"{rows}; the error of the test score is that of other seeds, not of other test rows"


def handed_over(best: Best) -> str:
    """Says what the networks in `best.ckpt` are of a winner that was trained once more, or ""."""
    confirmed = best.confirmed
    if confirmed is None or not confirmed.is_refit:
        return ""

    def scored(value: float | None) -> str:
        return "" if value is None else f" ({confirmed.test_metric} {number(value)})"

    of = "all rows but the test rows"
    if confirmed.refit_rows is not None:
        of = f"{confirmed.refit_rows:,} training rows and of the validation rows the same share, "
        of += "for which there was time"
    told = f"{best.config.epochs} epochs on {of}"
    if confirmed.members == 1:
        return f"best.ckpt was trained for {told}{scored(confirmed.network_test)}."
    return (
        f"best.ckpt has {confirmed.members} networks of this config, trained for {told}: "
        f"tuner.load_ensemble averages what they predict{scored(confirmed.ensemble_test)}, "
        f"tuner.load_model is the first of them{scored(confirmed.network_test)}."
    )


def all_metrics(best: Best) -> str:
    """Says what the networks that are handed over have on the test rows by all metrics, or ""."""
    if best.confirmed is None or not best.confirmed.metrics:
        return ""
    told = [
        f"{name.replace('_', ' ')} {number(value)}"
        for name, value in best.confirmed.metrics.items()
    ]
    return f"On the test rows: {', '.join(told)}."


def in_the_search(best: Best) -> str:
    """Says what a confirmed winner had in the search, if it was a trial there."""
    confirmed = best.confirmed
    assert confirmed is not None
    if best.value is None:
        return ""
    told = f"In the search it had {number(best.value)}"
    if confirmed.optimism is None:
        return f"{told}, after fewer epochs."
    if confirmed.optimism == 0:
        return f"{told}, too."
    word = "better" if confirmed.optimism > 0 else "worse"
    return f"{told}, and looked {word} by {abs(confirmed.optimism):.2g} than over these seeds."


def _times(size: float) -> str:
    """Writes how many times as large something is."""
    return f"{size:,.0f} times" if size >= 10 else f"{size:.2g} times"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.2g}%"


def comparisons(confirmation: Confirmation) -> list[str]:
    """Says why the winner won, what the search gained, and how often the test part was opened."""
    winning, lines = confirmation.winning, []
    best = next(arm for arm in confirmation.arms if arm.is_allowed)
    if confirmation.select == "one_se" and best.scores and best.name != winning.name:
        lines.append(
            f"{winning.name} won: within one standard error of the best mean ({best.name}), "
            "and the smallest network there."
        )
    if confirmation.select == "proven" and best.scores and best.name != winning.name:
        gain = difference(best, winning, confirmation.direction, overlap=confirmation.overlap)
        assert gain is not None
        lines.append(
            f"{best.name} had the best mean, by {_amount(gain, confirmation.metric)}: not "
            f"enough to be better than the {winning.name} on other rows."
        )
    smaller = confirmation.smaller
    if smaller is not None:
        loss = confirmation.gain(smaller)
        assert loss is not None
        lines.append(
            f"{smaller.name} has {_share(smaller.n_parameters, winning.n_parameters)} of the "
            f"parameters, and the winner is {_compared(loss, confirmation.metric, 'smaller one')}."
        )
    for arm in confirmation.presets:
        gain = confirmation.gain(arm)
        if arm.name == winning.name or arm.config == winning.config:
            lines.append(f"The winner is the {arm.name}: the search found nothing better.")
        elif gain is not None:
            size = winning.n_parameters / max(1, arm.n_parameters)
            seeds = "" if gain.n == len(winning.scores) else f" over {gain.n} seeds"
            lines.append(
                f"{_compared(gain, confirmation.metric, arm.name)}{seeds}, with {_times(size)} "
                "the parameters"
            )
            if not arm.is_allowed:
                lines.append(f"The {arm.name} could not win: the study file does not allow it.")
    if confirmation.test_openings and not confirmation.test_metric:
        name = confirmation.metric.replace("val", "test", 1)
        lines.append(f"The test part was opened, and the module logged no {name} there.")
    elif confirmation.test_openings:
        n = confirmation.test_openings
        times = "once" if n == 1 else f"{n} times: its score flatters a little more each time"
        lines.append(f"The test part was opened {times}.")
    return lines
