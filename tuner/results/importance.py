"""What mattered: the share of each parameter in the spread of the scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import optuna

#: Complete trials from which on importances are told.
ENOUGH_FOR_IMPORTANCES = 20


def importances(study: optuna.Study) -> dict[str, float]:
    """Returns each parameter's share in the spread of the scores (Hutter et al. 2014, fANOVA).

    The largest comes first; {} where there are too few complete trials, or all score the same.
    """
    import optuna

    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if len(complete) < ENOUGH_FOR_IMPORTANCES or not complete[0].params:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    try:
        return optuna.importance.get_param_importances(study, evaluator=evaluator)
    except RuntimeError:  # Optuna's word for scores that are all the same
        return {}
