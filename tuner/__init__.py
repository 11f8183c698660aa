"""Finds the best settings of a neural network, fast, with answers one can trust."""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import heuristics as heuristics
    from .answers.ablation import Ablation as Ablation
    from .answers.ablation import ablate as ablate
    from .answers.auditing import Audit as Audit
    from .answers.auditing import audit as audit
    from .answers.sizes import front as front
    from .errors import StopSearch as StopSearch
    from .errors import TunerError as TunerError
    from .estimators import Exported as Exported
    from .estimators import Predictor as Predictor
    from .estimators import export as export
    from .estimators import predictor as predictor
    from .estimators.tuned import TunedMLPClassifier as TunedMLPClassifier
    from .estimators.tuned import TunedMLPRegressor as TunedMLPRegressor
    from .network.config import DataFacts as DataFacts
    from .network.config import MLPConfig as MLPConfig
    from .network.config import ModuleConfig as ModuleConfig
    from .reporting import report as report
    from .results.best import Best as Best
    from .results.best import best as best
    from .results.best import best_config as best_config
    from .results.best import confirmation as confirmation
    from .results.best import load_ensemble as load_ensemble
    from .results.best import load_model as load_model
    from .results.compared import Compared as Compared
    from .results.compared import compare as compare
    from .results.front import Front as Front
    from .results.leaderboard import leaderboard as leaderboard
    from .results.result import TuneResult as TuneResult
    from .running.given import Study as Study
    from .running.planning import Plan as Plan
    from .running.planning import plan as plan
    from .running.progress import Observer as Observer
    from .search import tune as tune

#: Public names and where they live. Each is loaded when it is first used, torch with it.
_HOMES = {
    "Ablation": "answers.ablation",
    "Audit": "answers.auditing",
    "Best": "results.best",
    "Compared": "results.compared",
    "DataFacts": "network.config",
    "Exported": "estimators",
    "Front": "results.front",
    "MLPConfig": "network.config",
    "ModuleConfig": "network.config",
    "Observer": "running.progress",
    "Plan": "running.planning",
    "Predictor": "estimators",
    "StopSearch": "errors",
    "Study": "running.given",
    "TuneResult": "results.result",
    "TunedMLPClassifier": "estimators.tuned",
    "TunedMLPRegressor": "estimators.tuned",
    "TunerError": "errors",
    "ablate": "answers.ablation",
    "audit": "answers.auditing",
    "best": "results.best",
    "best_config": "results.best",
    "compare": "results.compared",
    "confirmation": "results.best",
    "export": "estimators",
    "front": "answers.sizes",
    "heuristics": "heuristics",
    "leaderboard": "results.leaderboard",
    "load_ensemble": "results.best",
    "load_model": "results.best",
    "plan": "running.planning",
    "predictor": "estimators",
    "report": "reporting",
    "tune": "search",
}

__all__ = [
    "Ablation",
    "Audit",
    "Best",
    "Compared",
    "DataFacts",
    "Exported",
    "Front",
    "MLPConfig",
    "ModuleConfig",
    "Observer",
    "Plan",
    "Predictor",
    "StopSearch",
    "Study",
    "TuneResult",
    "TunedMLPClassifier",
    "TunedMLPRegressor",
    "TunerError",
    "ablate",
    "audit",
    "best",
    "best_config",
    "compare",
    "confirmation",
    "export",
    "front",
    "heuristics",
    "leaderboard",
    "load_ensemble",
    "load_model",
    "plan",
    "predictor",
    "report",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tuner' has no attribute {name!r}")
    with warnings.catch_warnings():
        # In a notebook tqdm, which Optuna loads, asks for widgets that nothing here needs.
        warnings.filterwarnings("ignore", "IProgress not found")
        module = import_module(f".{_HOMES[name]}", __name__)
    value = module if name == _HOMES[name] else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
