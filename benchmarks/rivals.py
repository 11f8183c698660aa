"""What users of tables would train instead, given the same rows and the same time."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import venv
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import ParameterSampler
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tuner.data import Part
from tuner.data.rulers import Array
from tuner.system import paths

#: Iterations of boosting between two looks at the clock, and at most.
STEP, MOST = 50, 1000
#: Of what is RealMLP, which has an environment of its own.
PYTABKIT = "pytabkit==1.7.3"
#: What scikit-learn's networks are searched over, at random: about what its users write.
_NETWORKS = {
    "hidden_layer_sizes": [(64,), (128,), (256,), (64, 64), (128, 128), (256, 256)],
    "alpha": list(np.logspace(-6, 0, 13)),
    "learning_rate_init": list(np.logspace(-4, -2, 9)),
    "batch_size": [32, 64, 128],
    "activation": ["relu", "tanh"],
}
#: Of an answer of RealMLP: 256 epochs are its default.
_EPOCHS, _FOLDS = 256, 5
_REALMLP = Path(__file__).parent / "realmlp.py"


def trees(is_classification: bool, seed: int, **arguments: Any) -> Any:
    """Makes scikit-learn's boosted trees for the task."""
    kinds = (HistGradientBoostingRegressor, HistGradientBoostingClassifier)
    return kinds[is_classification](random_state=seed, **arguments)


def tuned_trees(
    train: Part, validation: Part, known: Part, x: Array, seed: int, budget: float, classes: bool
) -> tuple[Array, dict[str, Any]]:
    """Tunes boosted trees for so many seconds; returns predictions of the best, and what it is.

    Args:
        train: rows that a trial is fitted on.
        validation: rows that score it.
        known: rows that the best one is fitted on.
        x: inputs of the test rows.
        seed: of the trees and the sampler.
        budget: seconds.
        classes: it is a classification.
    """
    deadline = time.monotonic() + budget

    def objective(trial: optuna.Trial) -> float:
        model = trees(
            classes,
            seed,
            learning_rate=trial.suggest_float("learning_rate", 0.01, 0.5, log=True),
            max_leaf_nodes=trial.suggest_int("max_leaf_nodes", 8, 256, log=True),
            min_samples_leaf=trial.suggest_int("min_samples_leaf", 1, 100, log=True),
            l2_regularization=trial.suggest_float("l2_regularization", 1e-3, 10, log=True),
            early_stopping=True,
            warm_start=True,
        )
        for most in range(STEP, MOST + 1, STEP):
            model.set_params(max_iter=most).fit(train.x, train.y.ravel())
            if model.n_iter_ < most or time.monotonic() > deadline:
                break
        trial.set_user_attr("max_iter", model.n_iter_)
        return _loss(model.predict(validation.x), validation.y.ravel(), classes)

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    # The defaults first, so that a short search is not one of bad luck.
    study.enqueue_trial(
        {
            "learning_rate": 0.1,
            "max_leaf_nodes": 31,
            "min_samples_leaf": 20,
            "l2_regularization": 1e-3,
        }
    )
    study.optimize(objective, timeout=budget)
    best = {**study.best_params, **study.best_trial.user_attrs}
    model = trees(classes, seed, **best, early_stopping=False).fit(known.x, known.y.ravel())
    told = {"trials": len(study.trials), "validation": study.best_value, **best}
    return model.predict(x), told


def searched_networks(
    train: Part, validation: Part, known: Part, x: Array, seed: int, budget: float, classes: bool
) -> tuple[Array, dict[str, Any]]:
    """Searches scikit-learn's networks at random, and fits the best again; as `tuned_trees`.

    The search ends early enough for the last fit, which takes about as long as the best one took.
    """
    began, trials = time.monotonic(), 0
    best: tuple[float, dict[str, Any], float] = (np.inf, {}, 0.0)
    drawn = ParameterSampler(_NETWORKS, 1_000_000, random_state=seed)
    warnings.simplefilter("ignore", ConvergenceWarning)  # 200 epochs are what there is time for
    for values in drawn:
        start = time.monotonic()
        model = _network(classes, seed, values).fit(train.x, _targets(train))
        loss = _loss(model.predict(validation.x), validation.y.ravel(), classes)
        seconds, trials = time.monotonic() - start, trials + 1
        if loss < best[0]:
            best = (loss, values, seconds)
        if time.monotonic() - began + 1.3 * best[2] + seconds > budget:
            break
    model = _network(classes, seed, best[1]).fit(known.x, _targets(known))
    told = {"trials": trials, "validation": best[0], **{k: str(v) for k, v in best[1].items()}}
    return model.predict(x), told


def realmlp(
    known: Part, x: Array, seed: int, budget: float, classes: bool, threads: int
) -> tuple[Array, dict[str, Any]]:
    """Trains RealMLP with tuned defaults for so many seconds; returns predictions.

    As many epochs and folds as there is time for: its default of 256 epochs over five folds, whose
    networks are averaged, or over one, or fewer epochs.

    Args:
        known: rows that it is fitted on, part of which it validates on by itself.
        x: inputs of the test rows.
        seed: of the training.
        budget: seconds.
        classes: it is a classification.
        threads: of the processor.
    """
    with tempfile.TemporaryDirectory() as folder:
        rows, answer = Path(folder) / "rows.npz", Path(folder) / "answer.npz"
        np.savez(rows, x=known.x, y=known.y.ravel(), x_test=x)
        kind = "classification" if classes else "regression"
        limits = [str(each) for each in (seed, budget, threads, _EPOCHS, _FOLDS)]
        command = [str(_environment()), str(_REALMLP), str(rows), str(answer), kind, *limits]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        told = json.loads(done.stdout.splitlines()[-1])
        with np.load(answer) as found:
            return found["predicted"], told


def _environment() -> Path:
    """Returns Python of an environment with pytabkit, made once, beside the fetched tables."""
    folder = paths.cache() / PYTABKIT.replace("==", "-")
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True)
        constraints = Path(__file__).parents[1] / "constraints.txt"
        command = [str(python), "-m", "pip", "install", "--quiet", "-c", str(constraints), PYTABKIT]
        subprocess.run(command, check=True, stdout=sys.stderr)
        (folder / "ready").touch()
    return python


def _network(classes: bool, seed: int, values: dict[str, Any]) -> Any:
    kind = MLPClassifier if classes else MLPRegressor
    network = kind(random_state=seed, early_stopping=True, max_iter=200, **values)
    if not classes:  # whose rates mean nothing beside targets as they are
        network = TransformedTargetRegressor(network, transformer=StandardScaler())
    return make_pipeline(StandardScaler(), network)


def _targets(part: Part) -> Array:
    return part.y.ravel()


def _loss(predicted: Array, y: Array, classes: bool) -> float:
    if classes:
        return float(np.mean(predicted != y))
    return float(np.sqrt(np.mean((predicted - y) ** 2)))
