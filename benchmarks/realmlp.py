"""RealMLP with tuned defaults on rows in a file; run by `rivals` in an environment of its own.

`python realmlp.py ROWS ANSWER KIND SEED SECONDS THREADS EPOCHS FOLDS`
"""

import json
import sys
import time
from typing import Any

import numpy as np
import torch
from pytabkit import (  # type: ignore[import-not-found]  # of the other environment
    RealMLP_TD_Classifier,
    RealMLP_TD_Regressor,
)

#: Epochs of two trainings that tell how long one epoch takes.
PROBES = (2, 6)


def main() -> None:
    """Trains as many epochs and folds as there is time for, and writes predictions."""
    rows, answer, kind, *numbers = sys.argv[1:]
    seed, seconds, threads, epochs, folds = (float(each) for each in numbers)
    began = time.monotonic()
    torch.set_num_threads(int(threads))
    given = np.load(rows)
    make = RealMLP_TD_Classifier if kind == "classification" else RealMLP_TD_Regressor

    def fit(n_epochs: int, n_cv: int) -> Any:
        model = make(
            device="cpu",
            random_state=int(seed),
            n_threads=int(threads),
            n_epochs=n_epochs,
            n_cv=n_cv,
        )
        return model.fit(given["x"], given["y"])

    took = []
    for n_epochs in PROBES:
        start = time.monotonic()
        fit(n_epochs, 1)
        took.append(time.monotonic() - start)
    epoch = max(1e-3, (took[1] - took[0]) / (PROBES[1] - PROBES[0]))
    left = 0.95 * (seconds - (time.monotonic() - began)) - took[0]
    n_cv = int(folds) if folds * epochs * epoch <= left else 1
    n_epochs = int(min(epochs, max(PROBES[1], left / (n_cv * epoch))))
    model = fit(n_epochs, n_cv)
    np.savez(answer, predicted=model.predict(given["x_test"]))
    print(json.dumps({"epochs": n_epochs, "folds": n_cv, "whole": time.monotonic() - began}))


if __name__ == "__main__":
    main()
