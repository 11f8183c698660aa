"""Trains listed configs as a fleet: the arm of `throughput` that is ours."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from tuner.data import load
from tuner.network.config import MLPConfig
from tuner.workers import Failed, Finished, Job, Pool, Staff, fleets

from .arm import peak_bytes


def main() -> None:
    """Trains every config of the list to its last epoch, and notes when it began and ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", help="data, as a study names them")
    parser.add_argument("log", type=Path)
    parser.add_argument("--configs", type=Path, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--members", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--precision", default="32-true")
    args = parser.parse_args()
    configs = [MLPConfig(**fields) for fields in json.loads(args.configs.read_text())]
    jobs = [
        Job(number, config.model_copy(update={"epochs": args.epochs}), number, 0)
        for number, config in enumerate(configs)
    ]
    dataset = load(args.source, Path())
    ended = under_way = 0
    facts = dataset.facts
    largest = max(configs, key=lambda c: c.n_parameters(facts.n_inputs, facts.n_outputs))
    staff = Staff.choose(
        workers=args.workers, devices=None, cluster=None, at_most=args.members, epoch_seconds=3600
    )
    with fleets(
        dataset,
        staff,
        largest=largest,
        members=args.members,
        precision=args.precision,
    ) as worker:
        while isinstance(worker, Pool) and not worker.is_complete:
            worker.events(0.1)
        begin = time.time()
        while ended < len(configs):
            while jobs and under_way < worker.capacity:
                worker.submit(jobs.pop(0))
                under_way += 1
            for event in worker.events(1.0):
                if isinstance(event, Failed) and not event.diverged:
                    raise SystemExit(event.traceback)
                if isinstance(event, Finished | Failed):
                    ended, under_way = ended + 1, under_way - 1
        entries = [{"time": begin}, {"time": time.time(), "peak": peak_bytes()}]
    args.log.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


if __name__ == "__main__":
    main()
