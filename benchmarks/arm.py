"""A process that trains what a user would pick instead: the stock script, or a plain loop."""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from pathlib import Path

import numpy as np
import optuna
import torch

from . import loop, stock


def peak_bytes() -> int:
    """Returns the most memory that this process and those below it have held, added up.

    Pages that they share count for each of them.
    """
    files = [Path(f"/proc/{pid}/status") for pid in _family("self")]
    lines = (line for file in files for line in file.read_text().splitlines())
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _family(pid: str) -> list[str]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [child for task in tasks for child in task.read_text().split()]
    return [pid, *(each for child in children for each in _family(child))]


def claim(path: Path) -> bool:
    """Says whether this process is the first that wants what the file stands for."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def main() -> None:
    """Runs one worker process: a search until a deadline, or what it gets of a list of configs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("arrays", type=Path)
    parser.add_argument("log", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--storage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--configs", type=Path)
    parser.add_argument("--loop", action="store_true", help="a plain loop in place of a Trainer")
    parser.add_argument("--claims", type=Path, help="folder where processes claim configs")
    parser.add_argument("--epochs", type=int, default=10)
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    with np.load(args.arrays) as file:
        arrays = {name: file[name] for name in file.files}
    with args.log.open("w") as log:
        print(json.dumps({"time": time.time(), "begin": True}), file=log, flush=True)
        if args.configs:
            configs = json.loads(args.configs.read_text())
            mine = (params for i, params in enumerate(configs) if claim(args.claims / str(i)))
            if args.loop:
                device = "cuda" if torch.cuda.is_available() else "cpu"
                tensors = {name: torch.tensor(each, device=device) for name, each in arrays.items()}
                scores = [loop.fit(params, tensors, args.epochs) for params in mine]
            else:
                scores = [stock.fit(params, arrays, args.epochs, None, None) for params in mine]
            entry = {"time": time.time(), "scores": scores, "peak": peak_bytes()}
            print(json.dumps(entry), file=log, flush=True)
            return
        study = optuna.create_study(
            study_name="stock",
            storage=args.storage,
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=args.seed),
            pruner=optuna.pruners.HyperbandPruner(1, args.epochs, 3),
            load_if_exists=True,
        )
        study.optimize(
            lambda trial: stock.fit(stock.suggest(trial), arrays, args.epochs, trial, log),
            timeout=args.seconds,
        )


if __name__ == "__main__":
    main()
