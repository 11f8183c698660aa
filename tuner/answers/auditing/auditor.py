"""Runs an audit: tunes each side of each claim, compares them over fresh seeds, judges."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, stdev

from ...data import Cut, Dataset
from ...network.config import MLPConfig
from ...results.arms import Direction
from ...running.progress import Observer
from ...running.rate_range import RateRange, lr_range
from ...running.repeats import Repeats
from ...running.trainings import seeds
from . import cost, exponents, inside
from .claims import Claim, Side
from .found import Audit, Finding
from .judging import NO_TIME, Yardstick, whole, without_time
from .margins import margin
from .quantities import Quantities
from .sample import Sample
from .verdicts import Evidence, judge, least_pairs

#: Seconds of an epoch below which more of them are timed.
_SHORT = 0.5
#: Rules that are proposed where all of them take long.
_FEW = ("S7", "S24")


class Auditor:
    """Audits the rules on one data set.

    Args:
        study: its name.
        metric: that sides are compared by.
        direction: which way it is better.
        dataset: all of the data.
        sample: of the rows, and the config around which rules are judged.
        origin: where that is from.
        repeats: of the study.
        study_seed: of the study file.
        seed: of the audit.
        n_pairs: seeds that both sides of a comparison are trained over, at least 2.
        tolerance: difference in the metric that does not matter, at least 0; None follows from
            `share`.
        share: of the error that the base config leaves, whose loss does not matter.
        trivial: score of a network that knows no input.
        least: difference below which no two scores can be told apart.
        rules: ids of the rules to judge; () is all.
        epoch_seconds: of the base config among others, as the search timed it; None has it timed.
        end: of the time, on the clock of `time.monotonic`; then fewer pairs are compared.
        looks_inside: the networks of S2 and S3 are looked into.
        observer: is told what happens.
    """

    def __init__(
        self,
        study: str,
        metric: str,
        direction: Direction,
        dataset: Dataset,
        sample: Sample,
        origin: str,
        repeats: Repeats,
        *,
        study_seed: int,
        seed: int,
        n_pairs: int,
        tolerance: float | None,
        share: float,
        trivial: float,
        least: float,
        rules: Sequence[str],
        epoch_seconds: float | None,
        end: float = math.inf,
        looks_inside: bool = True,
        observer: Observer,
    ) -> None:
        self._study, self._metric, self._direction = study, metric, direction
        self._sign = 1 if direction == "maximize" else -1
        self._dataset, self._sample = dataset, sample
        self._facts = sample.facts(dataset.facts)
        self._base, self._origin, self._end = sample.base, origin, end
        self._repeats, self._observer = repeats, observer
        self._epoch_seconds = epoch_seconds
        self._seed, self._tolerance, self._rules = seed, tolerance, tuple(rules)
        self._share, self._trivial, self._least = share, trivial, least
        # Validation rows over training rows of each seed's cut.
        self._overlap = len(dataset.validation_rows) / len(dataset.train_rows)
        words = f"audit {seed}" if sample.is_whole else f"audit {seed} of {sample.rows} rows"
        self._select = seeds(study_seed, f"{words}: tuning", cost.SELECTION)
        self._pairs = seeds(study_seed, f"{words}: pairs", n_pairs)
        # Where trials see some of the rows it is said that these see all.
        own = (*self._select, *self._pairs) if repeats.rows or not sample.is_whole else ()
        repeats.cut_by({each: Cut(each, rows=sample.rows) for each in own})
        self._trained: set[tuple[MLPConfig, int]] = set()
        self._n_range, self._is_range_cut = 0, False
        self._looks_inside = looks_inside

    def run(self) -> Audit:
        """Audits; what an earlier call did is not done again.

        Raises:
            InterruptedStudyError: a signal came; what ended is kept.
            StoreLostError: the disk is full or gone.
        """
        began = time.monotonic()
        if math.isinf(self._end):
            self._announce()
            self._warn_of_few_pairs()
        base = self._tuned_base()
        allowed = self._margin(base)
        self._observer.remark(self._stated(allowed))
        found_range = self._range(base)
        range_rate = None if found_range is None else found_range.suggested
        wanted = cost.wanted(base, self._facts, range_rate, self._is_wanted)
        sides = list(dict.fromkeys(side for claim in wanted for side in (claim.ours, claim.theirs)))
        chosen = self._chosen(sides)
        grid = exponents.grid(base) if self._is_wanted("S12") else {}
        compared = [base, *chosen.values(), *(each for row in grid.values() for each in row)]
        self._run((config, seed) for seed in self._pairs for config in compared)
        self._keep_complete(compared)
        self._trained = {pair for pair in self._trained if self._repeats.find(*pair)}
        if len(self._pairs) > 1:
            quantities = Quantities(
                self._repeats, self._pairs, self._metric, self._sign, self._trained
            )
            deviation = stdev(quantities.scores(base))
            yardstick = Yardstick(
                self._metric, self._sign, allowed, self._share, deviation, self._overlap
            )
            findings = self._judged(wanted, chosen, grid, yardstick, quantities)
        else:
            deviation, findings = 0.0, self._without_time(wanted)
        looked_into = self._inside(wanted, chosen)
        return Audit(
            study=self._study,
            metric=self._metric,
            direction=self._direction,
            base=base,
            origin=self._origin,
            facts=self._facts,
            n_pairs=len(self._pairs),
            seed=self._seed,
            deviation=deviation,
            tolerance=self._tolerance,
            share=self._share,
            margin=allowed,
            findings=tuple(sorted(findings, key=lambda each: int(each.rule[1:]))),
            rate_range=found_range,
            n_trainings=len(self._trained) + self._n_range,
            seconds=time.monotonic() - began,
            n_known=self._sample.of_rows,
            inside=looked_into,
        )

    def _inside(
        self, wanted: Sequence[Claim], chosen: dict[Side, MLPConfig]
    ) -> tuple[inside.Inside, ...]:
        """What goes on inside the networks of S2 and S3, over the seeds of the tuning."""
        claims = [claim for claim in wanted if claim.rule in inside.RULES and self._looks_inside]
        sides = {side.name: chosen[side] for claim in claims for side in (claim.ours, claim.theirs)}
        if not sides:
            return ()
        self._observer.begin("looking inside the networks of S2 and S3")
        cuts = {seed: self._repeats.cut(seed) for seed in self._select}
        return inside.look_into(
            sides, self._dataset, cuts, self._end, self._repeats.look_for_signals
        )

    def _keep_complete(self, compared: Sequence[MLPConfig]) -> None:
        """Leaves out the pairs for which the time was too short; the first ones come first."""
        n = 0
        while n < len(self._pairs) and all(
            self._repeats.find(config, self._pairs[n]) for config in compared
        ):
            n += 1
        if n < len(self._pairs):
            self._pairs = self._pairs[:n]
            self._warn_of_few_pairs()

    @property
    def _until(self) -> float | None:
        return None if math.isinf(self._end) else self._end

    @property
    def _is_over(self) -> bool:
        """Whether the time is."""
        return time.monotonic() >= self._end

    def _is_wanted(self, rule: str) -> bool:
        return not self._rules or rule in self._rules

    # Training

    def _run(self, pairs: Iterable[tuple[MLPConfig, int]]) -> None:
        pairs = list(dict.fromkeys(pairs))
        self._trained.update(pairs)
        self._repeats.run(pairs, end=self._until, observer=self._observer)

    def _tuned_base(self) -> MLPConfig:
        side = Side("the base config", (self._base,))
        return self._chosen([side])[side]

    def _range(self, base: MLPConfig) -> RateRange | None:
        if not self._is_wanted("S16"):
            return None
        found = lr_range(
            base,
            self._repeats,
            n_rows=self._facts.n_rows,
            seed=self._select[0],
            observer=self._observer,
            end=self._until,
        )
        self._is_range_cut = found is None and self._is_over
        self._n_range = 0 if found is None else len(found.rates)
        return found

    def _chosen(self, sides: Sequence[Side]) -> dict[Side, MLPConfig]:
        """Picks each side's config: of its candidates the one with the best mean over the seeds."""
        self._run(
            (candidate, seed)
            for side in sides
            if side.is_tuned
            for candidate in side.candidates
            for seed in self._select
        )
        return {
            side: max(side.candidates, key=self._selection_score)
            if side.is_tuned
            else side.variants[0]
            for side in sides
        }

    def _selection_score(self, config: MLPConfig) -> tuple[float, float]:
        """The mean score, and where it ties (small validation parts) the lower loss."""
        repeats = [self._repeats.find(config, seed) for seed in self._select]
        if any(each is None or each.reason for each in repeats):
            return -math.inf, -math.inf
        metrics = [each.metrics for each in repeats if each is not None]
        score = sum(self._sign * each[self._metric] for each in metrics)
        return score, -sum(each["val_loss"] for each in metrics)

    def _announce(self) -> None:
        """Says what is to come and how long it will take, where that is more than a minute."""
        copies = self._repeats.side_by_side
        pace = self._pace(copies)
        n, minutes = self._estimate(self._is_wanted, len(self._pairs), pace)
        message = f"{n} trainings over {len(self._pairs)} pairs of seeds"
        if minutes >= 1:
            message += f", about {_time(minutes)}"
        if minutes >= 10:
            pairs = least_pairs(self._n_tests(_FEW.__contains__))
            _, fewer = self._estimate(_FEW.__contains__, pairs, pace)
            message += f" (--rules {','.join(_FEW)} --pairs {pairs}: about {_time(fewer)})"
        self._observer.begin(message)

    def _n_tests(self, is_wanted: Callable[[str], bool]) -> int:
        """How many tests an audit makes at most."""
        judged = cost.wanted(self._base, self._facts, self._base.learning_rate, is_wanted)
        return len(judged) + (exponents.N_TESTS if is_wanted("S12") else 0)

    def _warn_of_few_pairs(self) -> None:
        """Says so where there are too few pairs for any test to be significant."""
        least = least_pairs(self._n_tests(self._is_wanted))
        if 1 < len(self._pairs) < least:
            self._observer.remark(
                f"{self._study}: {len(self._pairs)} pairs are too few for a verdict that is held "
                f"or refuted; it takes {least} for as many rules as are asked for"
            )

    def _pace(self, copies: int) -> float:
        """Seconds that an epoch of the base config adds where so many train at once."""
        if self._epoch_seconds is not None:
            return self._epoch_seconds / copies
        pace = self._repeats.epoch_seconds(self._base, self._select, n=copies, epochs=2)
        if pace * copies < _SHORT:  # one epoch says little
            pace = self._repeats.epoch_seconds(self._base, self._select, n=copies, epochs=20)
        return pace

    def _estimate(
        self, is_wanted: Callable[[str], bool], n_pairs: int, pace: float
    ) -> tuple[int, float]:
        """How many trainings an audit has, and the minutes that they take."""
        todo = cost.trainings(self._base, self._facts, n_pairs, is_wanted)
        return len(todo), cost.seconds(todo, self._base, self._facts, pace) / 60

    # Judging

    def _margin(self, base: MLPConfig) -> float:
        """What may be lost without mattering, known before any claim is compared.

        It follows from the mean of the tuned base config over the seeds of the tuning.
        """
        if self._tolerance is not None:
            return self._tolerance
        found = [self._repeats.find(base, seed) for seed in self._select]
        scores = [each.metrics[self._metric] for each in found if each is not None and each.metrics]
        if not scores:
            return 0.0
        return margin(fmean(scores), self._trivial, self._sign, self._share, self._least)

    def _stated(self, allowed: float) -> str:
        if self._tolerance is not None:
            return f"{self._study}: a difference of {allowed:.2g} in {self._metric} does not matter"
        return (
            f"{self._study}: a difference of {allowed:.2g} in {self._metric} does not matter, "
            f"{self._share:.0%} of the error that is left or of what is learned (--margin, or "
            "--tolerance, overrules)"
        )

    def _judged(
        self,
        wanted: Sequence[Claim],
        chosen: dict[Side, MLPConfig],
        grid: exponents.Grid,
        yardstick: Yardstick,
        quantities: Quantities,
    ) -> list[Finding]:
        begun: list[tuple[Finding, Evidence]] = []
        untimed: list[Finding] = []
        for claim in wanted:
            if claim.quantity == "seconds" and self._is_over:
                untimed.append(without_time(claim))
                continue
            sides = chosen[claim.ours], chosen[claim.theirs]
            begun.append(yardstick.compare(claim, *sides, quantities))
        if grid:
            begun += exponents.judged(grid, self._repeats, self._pairs, self._overlap)
        judgements = judge([evidence for _, evidence in begun])
        found = [
            finding.model_copy(update=vars(judgement))
            for (finding, _), judgement in zip(begun, judgements, strict=True)
        ]
        return self._whole(found + untimed)

    def _without_time(self, wanted: Sequence[Claim]) -> list[Finding]:
        """Says of each claim that there was no time for it, and of others why there never is."""
        found = [without_time(claim) for claim in wanted]
        if self._is_wanted("S12"):
            found.append(Finding(rule="S12", name="S12", claim="", remark=NO_TIME))
        return self._whole(found)

    def _whole(self, found: list[Finding]) -> list[Finding]:
        return whole(found, self._is_wanted, is_range_cut=self._is_range_cut)


def _time(minutes: float) -> str:
    return f"{max(1.0, minutes):.0f} min" if minutes < 120 else f"{minutes / 60:.0f} hours"
