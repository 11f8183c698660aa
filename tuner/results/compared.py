"""Studies of the same data side by side: what each found, and how sure a difference is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..network.config import Config
from ..storage import StudySummary, locate, summaries
from ..storage.reading import stored_fingerprint
from ..system import paths
from . import html
from .arms import Estimate, difference
from .best import Best, best, confirmation, study_name
from .winner import Confirmation
from .wording import clock, describe, estimate, number


@dataclass(frozen=True)
class Compared:
    """A study beside others.

    Attributes:
        study: its name.
        metric: that the studies are compared by.
        config: of its winner.
        validation: the confirmed mean with its error for other rows; None if it is not confirmed.
        search: the winner's score in the search; None of a preset that it did not complete.
        gain: over the first study, above 0 if this one is better; None of the first one, and where
            either is not confirmed.
        is_paired: the gain is the mean of differences over the same cuts of the same rows, which is
            surer; else that of two means.
        test: of the winner over its seeds, on the test rows; None if those were not opened.
        handed_over: score on the test rows of all networks that are handed over together.
        networks: how many those are.
        n_parameters: of one of them.
        megabytes: of their file.
        trials: that ended; None where the store does not know the study.
        seconds: of search and confirmation, likewise.
        has_same_data: its rows and columns are those of the first study, as far as that is known.
    """

    study: str
    metric: str
    config: Config
    validation: Estimate | None
    search: float | None
    gain: Estimate | None
    is_paired: bool
    test: Estimate | None
    handed_over: float | None
    networks: int
    n_parameters: int
    megabytes: float
    trials: int | None
    seconds: float | None
    has_same_data: bool


class Comparison(tuple[Compared, ...]):
    """Studies side by side, the first one being what the others are compared with."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        rows = [
            (
                each.study,
                estimate(each.validation) if each.validation else number(each.search),
                estimate(each.gain),
                estimate(each.test),
                number(each.handed_over),
                f"{each.n_parameters:,}",
                clock(each.seconds),
                describe(each.config),
            )
            for each in self
        ]
        names = (self[0].metric, "gain", "test rows", "handed over", "parameters", "time", "")
        return html.table(("", *names), rows)


def compare(*studies: str | Path, storage: str | None = None) -> Comparison:
    """Puts studies side by side, the first one being what the others are compared with.

    Where studies have the same data and the same seed in their files, their winners were trained
    over the same cuts of the rows, and so are compared pair by pair.

    Args:
        studies: two or more, each its name or its file.
        storage: as `tune` takes it.

    Raises:
        InputError: fewer than two, one twice, one that has no complete trial, or studies of
            different metrics.
    """
    names = [study_name(study) for study in studies]
    if len(set(names)) < max(2, len(names)):
        raise InputError("compare takes two studies or more, each once")
    location = locate(storage)
    found = [best(name) for name in names]
    first = found[0]
    for each in found[1:]:
        if each.metric != first.metric:
            raise InputError(
                f"{each.study} is searched by {each.metric}, and {first.study} by {first.metric}: "
                "objective.metric of both must be the same"
            )
    confirmed = [confirmation(name) for name in names]
    known = {summary.name: summary for summary in summaries(location)}
    prints = [stored_fingerprint(name, location) for name in names]
    rows = []
    for own, told, fingerprint in zip(found, confirmed, prints, strict=True):
        is_known = own is first or fingerprint != ""
        has_same_data = is_known and fingerprint == prints[0] and own.facts == first.facts
        gain, is_paired = None, False
        if own is not first and told is not None and confirmed[0] is not None:
            gain, is_paired = _gain(told, confirmed[0], has_same_data=has_same_data)
        summary = known.get(own.study)
        rows.append(_row(own, gain, is_paired, summary, has_same_data))
    return Comparison(rows)


def _gain(
    ours: Confirmation, theirs: Confirmation, *, has_same_data: bool
) -> tuple[Estimate | None, bool]:
    """Returns what one winner gains over another, and whether that is pair by pair."""
    n = min(len(ours.winning.scores), len(theirs.winning.scores))
    if has_same_data and n >= 2 and ours.seeds[:n] == theirs.seeds[:n] and ours.rows == theirs.rows:
        overlap = max(ours.overlap, theirs.overlap)
        return difference(ours.winning, theirs.winning, ours.direction, overlap=overlap), True
    one, other = ours.estimate(ours.winning), theirs.estimate(theirs.winning)
    if one is None or other is None:
        return None, False
    sign = 1 if ours.direction == "maximize" else -1
    error = math.hypot(one.standard_error, other.standard_error)
    mean = sign * (one.mean - other.mean)
    return Estimate(mean=mean, standard_error=error, n=min(one.n, other.n)), False


def _row(
    own: Best,
    gain: Estimate | None,
    is_paired: bool,
    summary: StudySummary | None,
    has_same_data: bool,
) -> Compared:
    confirmed = own.confirmed
    network = paths.study_folder(own.study) / "best.ckpt"
    together = None
    if confirmed is not None:
        together = confirmed.ensemble_test
        together = confirmed.network_test if together is None else together
    return Compared(
        study=own.study,
        metric=own.metric,
        config=own.config,
        validation=None if confirmed is None else confirmed.validation,
        search=own.value,
        gain=gain,
        is_paired=is_paired,
        test=None if confirmed is None else confirmed.test,
        handed_over=together,
        networks=1 if confirmed is None else confirmed.members,
        n_parameters=own.n_parameters,
        megabytes=network.stat().st_size / 1e6 if network.exists() else 0.0,
        trials=None if summary is None else summary.counts.finished,
        seconds=None if summary is None else summary.seconds + summary.confirmation_seconds,
        has_same_data=has_same_data,
    )
