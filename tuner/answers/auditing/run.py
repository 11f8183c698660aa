"""`audit`: judges the rules on the data of one study."""

from __future__ import annotations

from collections.abc import Sequence

from ... import heuristics
from ...network.config import MLPConfig, config_from_json
from ...results.winner import Confirmation
from ...running.arguments import check_audit
from ...running.given import spec_of
from ...running.open_study import OpenStudy, opened
from ...running.progress import Observer
from ...storage import CONFIG, EPOCH_SECONDS
from ...system import paths
from ...system.devices import Devices
from .auditor import Auditor
from .found import Audit
from .margins import one_row, trivial_score


def audit(
    study: object,
    *,
    rules: Sequence[str] = (),
    pairs: int = 12,
    seed: int = 0,
    tolerance: float | None = None,
    margin: float = 0.1,
    workers: int | None = None,
    devices: Devices | None = None,
    cluster: str | None = None,
    storage: str | None = None,
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
        workers: as `tune` takes it, like what follows.
        devices: to use.
        cluster: of Ray's, to use.
        storage: of all studies.
        observer: is told what happens.

    Raises:
        InputError: an argument is out of its range, or the study is one of another network.
        TunerError: as `tune` raises it.
    """
    observer = observer or Observer()
    spec = spec_of(study)
    check_audit(spec, rules, pairs, seed, tolerance, margin)
    with opened(
        spec, workers=workers, devices=devices, cluster=cluster, storage=storage, observer=observer
    ) as open_study:
        dataset = open_study.dataset
        assert open_study.facts is not None and dataset is not None
        base, origin, epoch_seconds = _base(open_study)
        auditor = Auditor(
            spec.name,
            open_study.metric,
            spec.direction(open_study.metric),
            open_study.facts,
            base,
            origin,
            open_study.repeats(observer),
            study_seed=spec.study.seed,
            seed=seed,
            n_pairs=pairs,
            overlap=len(dataset.validation_rows) / len(dataset.train_rows),
            tolerance=tolerance,
            share=margin,
            trivial=trivial_score(open_study.metric, dataset),
            least=one_row(open_study.metric, dataset),
            rules=rules,
            epoch_seconds=epoch_seconds,
            observer=observer,
        )
        found = auditor.run()
        open_study.store.keep_audit(found.model_dump_json())
        path = paths.study_folder(spec.name) / "audit.json"
        paths.write(path, found.model_dump_json(indent=2))
        verdicts = {f"{each.rule} {each.name}": each.verdict for each in found.findings}
        heuristics.remember_verdicts(spec.name, verdicts)
        return found


def _base(open_study: OpenStudy) -> tuple[MLPConfig, str, float | None]:
    """The config around which rules are judged, where it is from, and how long an epoch took."""
    store = open_study.store
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
            timed.get(-1 if winning.trial is None else winning.trial),
        )
    if best is not None:
        config = config_from_json(best.user_attrs[CONFIG])
        assert isinstance(config, MLPConfig)
        return config, f"trial {best.number}", best.user_attrs.get(EPOCH_SECONDS)
    assert open_study.facts is not None
    epochs = open_study.evaluation.final_epochs
    return heuristics.modern_default(open_study.facts, epochs), "modern default", None
