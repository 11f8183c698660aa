"""`audit`: judges the rules on the data of one study."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from ... import heuristics
from ...network.config import DataFacts, MLPConfig, config_from_json
from ...results.winner import Confirmation
from ...running.arguments import check_audit
from ...running.given import spec_of
from ...running.open_study import OpenStudy, opened
from ...running.progress import Observer
from ...running.repeats import Repeats
from ...running.watching import watched
from ...storage import CONFIG, EPOCH_SECONDS
from ...system import paths
from ...system.devices import Devices
from . import cost
from .auditor import Auditor
from .found import Audit
from .judging import NO_TIME
from .margins import one_row, trivial_score
from .sample import KeptSamples, Sample, fitting

#: Networks are timed on so many rows, for so many epochs.
_TIMED_ROWS, _TIMED_EPOCHS = 4_096, 3
#: Share of what is left from which on nothing is timed twice.
_TIMED = 0.05
#: Share of the minutes that trainings are planned for; what surrounds them, and timings of single
#: networks, take the rest. And of all, that which the smaller of two samples may take.
_PLANNED, _FOR_SMALLER = 0.7, 0.35


def audit(
    study: object,
    *,
    rules: Sequence[str] = (),
    pairs: int = 12,
    seed: int = 0,
    tolerance: float | None = None,
    margin: float = 0.1,
    minutes: float | None = None,
    workers: int | None = None,
    devices: Devices | None = None,
    cluster: str | None = None,
    storage: str | None = None,
    progress: bool | None = None,
    observer: Observer | None = None,
) -> Audit:
    """Judges the rules of thumb on the data of a study, around its best config.

    That is the confirmed winner; else the best trial; else the modern default. What an earlier call
    with the same seed did is not done again.

    Args:
        study: name of a file in `studies/`, or the path of one; of multi-layer perceptrons.
        rules: ids of the rules to judge, such as "S7"; () is all.
        pairs: seeds that both sides of each comparison are trained over, at least 2. With n of
            them the smallest p-value is 2 / 2 ** n, before Holm; beyond a dozen they tell little
            more, since all are cut from the same rows.
        seed: of the audit; another one judges by other seeds.
        tolerance: difference in the metric that does not matter to you, at least 0; None follows
            from `margin`.
        margin: share of the error that is left, or of what is learned if that is less, whose loss
            does not matter to you, from 0 to 1.
        minutes: that it may take, about; then it is of fewer epochs, smaller networks and fewer
            rows, as far as it has to be, and where rows are left out, it is done once more with
            a third of them. None judges on all rows, around the config as it is.
        workers: as `tune` takes it, like what follows.
        devices: to use.
        cluster: of Ray's, to use.
        storage: of all studies.
        progress: as `tune` takes it.
        observer: is told what happens, instead of showing it.

    Raises:
        InputError: an argument is out of its range, or the study is one of another network.
        TunerError: as `tune` raises it.
    """
    spec = spec_of(study)
    check_audit(spec, rules, pairs, seed, tolerance, margin, minutes)
    with (
        watched(progress, observer) as observer,
        opened(
            spec,
            workers=workers,
            devices=devices,
            cluster=cluster,
            storage=storage,
            observer=observer,
        ) as open_study,
    ):
        began = time.monotonic()
        dataset, facts = open_study.dataset, open_study.facts
        assert facts is not None and dataset is not None
        base, origin, epoch_seconds = _base(open_study)
        repeats = open_study.repeats(observer)

        def audited(sample: Sample, end: float = math.inf, *, looks_inside: bool = True) -> Audit:
            return Auditor(
                spec.name,
                open_study.metric,
                spec.direction(open_study.metric),
                dataset,
                sample,
                origin,
                repeats,
                study_seed=spec.study.seed,
                seed=seed,
                n_pairs=pairs,
                tolerance=tolerance,
                share=margin,
                trivial=trivial_score(open_study.metric, dataset),
                least=one_row(open_study.metric, dataset) * facts.n_rows / sample.rows,
                rules=rules,
                epoch_seconds=epoch_seconds,
                end=end,
                looks_inside=looks_inside,
                observer=observer,
            ).run()

        if minutes is None:
            found = audited(Sample(facts.n_rows, facts.n_rows, base))
        else:
            asked = f"{minutes:g} min, {pairs} pairs, {','.join(rules) or 'all'}, seed {seed}"
            chosen = KeptSamples(paths.study_folder(spec.name), base, facts)
            sample = chosen.find(asked)
            if sample is None:
                sample = _fitting(base, facts, began + 60 * minutes, pairs, rules, repeats)
                chosen.keep(asked, sample)
            observer.begin(f"judging on {sample}")
            if sample.base != base:
                origin = f"{origin}, with {sample.base.epochs} epochs, {sample.base.width} wide"
            end = began + 60 * minutes
            if sample.is_whole:
                found = audited(sample, end)
            else:
                soon = began + _FOR_SMALLER * 60 * minutes
                smaller = audited(sample.smaller, soon, looks_inside=False)
                found = audited(sample, end).beside(smaller)
        _keep(found, open_study, observer)
        return found


def _keep(found: Audit, open_study: OpenStudy, observer: Observer) -> None:
    """Keeps what was found, unless that is nothing, and something is known."""
    path = paths.study_folder(found.study) / "audit.json"
    if path.exists() and all(each.kind is None for each in found.findings):
        observer.remark(f"no rule has a verdict: what was found before stays in {path}")
        return
    open_study.store.keep_audit(found.model_dump_json())
    paths.write(path, found.model_dump_json(indent=2))
    verdicts = {
        f"{each.rule} {each.name}": each.verdict
        for each in found.findings
        if each.remark != NO_TIME
    }
    heuristics.remember_verdicts(found.study, verdicts)


def _fitting(
    base: MLPConfig,
    facts: DataFacts,
    end: float,
    n_pairs: int,
    rules: Sequence[str],
    repeats: Repeats,
) -> Sample:
    """Returns the sample whose audit ends in time."""
    rows, copies = min(_TIMED_ROWS, facts.n_rows), repeats.side_by_side
    epoch, whole = 0.0, 0.0
    for _ in range(2):  # the first time all is new, and longer than it will be
        began = time.monotonic()
        epoch = repeats.epoch_seconds(base, (0,), n=copies, epochs=_TIMED_EPOCHS, rows=rows)
        whole = time.monotonic() - began
        if whole > _TIMED * (end - began):
            break
    surrounds = max(0.0, whole / copies - _TIMED_EPOCHS * epoch)  # a cut, the begin and the end

    def seconds(sample: Sample) -> float:
        wanted = sample.facts(facts)
        todo = cost.trainings(sample.base, wanted, n_pairs, lambda r: not rules or r in rules)
        epochs = cost.seconds(todo, base, wanted, epoch * sample.rows / rows)
        return epochs + surrounds * len(todo)

    return fitting(base, facts, _PLANNED * (end - time.monotonic()), seconds)


def _base(open_study: OpenStudy) -> tuple[MLPConfig, str, float | None]:
    """The config around which rules are judged, where it is from, and how long an epoch took."""
    store, sees_all = open_study.store, open_study.evaluation.rows is None
    confirmation, best = Confirmation.kept(store.confirmation), store.best()
    if confirmation is not None:
        winning = confirmation.winning
        assert isinstance(winning.config, MLPConfig)
        timed = {
            each.number: each.user_attrs.get(EPOCH_SECONDS) for each in open_study.store.trials()
        }
        return (
            winning.config,
            winning.name,
            timed.get(-1 if winning.trial is None else winning.trial) if sees_all else None,
        )
    if best is not None:
        config = config_from_json(best.user_attrs[CONFIG])
        assert isinstance(config, MLPConfig)
        timed_as = best.user_attrs.get(EPOCH_SECONDS) if sees_all else None
        return config, f"trial {best.number}", timed_as
    assert open_study.facts is not None
    epochs = open_study.evaluation.final_epochs
    return heuristics.modern_default(open_study.facts, epochs), "modern default", None
