"""Who draws where small networks are a goal: what Optuna itself draws for two goals."""

import math
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from tuner.storage.samplers import make_sampler
from tuner.storage.two_goals import SizeSampler

SPACE = {
    "width": optuna.distributions.FloatDistribution(0.1, 10, log=True),
    "depth": optuna.distributions.IntDistribution(1, 4),
    "activation": optuna.distributions.CategoricalDistribution(("relu", "silu")),
}


def drawn(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "width": trial.suggest_float("width", 0.1, 10, log=True),
        "depth": trial.suggest_int("depth", 1, 4),
        "activation": trial.suggest_categorical("activation", ("relu", "silu")),
    }


def size(params: dict[str, Any]) -> int:
    return math.ceil(100 * params["width"] * params["depth"])


def score(params: dict[str, Any]) -> float:
    """More is better: larger networks are, up to a point."""
    return 1 - 1 / params["width"] ** 0.5 - 0.1 * abs(params["depth"] - 2)


def of_one_goal(name: str, n: int, *, seed: int = 0, direction: str = "maximize") -> optuna.Study:
    """A study of one goal, as ours are."""
    sampler = SizeSampler(make_sampler(name, seed))
    study = optuna.create_study(direction=direction, sampler=sampler)
    sign = 1 if direction == "maximize" else -1
    for _ in range(n):
        trial = study.ask()
        params = drawn(trial)
        trial.set_user_attr("n_parameters", size(params))
        study.tell(trial, sign * score(params))
    return study


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("name", ["tpe", "random", "qmc", "gp"])
def test_the_same_as_optuna_for_two_goals(name: str, direction: str) -> None:
    """Else a goal is told and something else is looked for."""
    n = 7 if name == "gp" else 30
    both = optuna.create_study(directions=[direction, "minimize"], sampler=make_sampler(name, 0))
    sign = 1 if direction == "maximize" else -1
    for _ in range(n):
        trial = both.ask()
        params = drawn(trial)
        both.tell(trial, [sign * score(params), math.log(size(params))])
    one = of_one_goal(name, n, direction=direction)
    assert [trial.params for trial in one.trials] == [trial.params for trial in both.trials]


def test_small_networks_are_looked_for() -> None:
    """That are good for their size: more of them than where the score is all."""
    small = sum(size(trial.params) < 100 for trial in of_one_goal("tpe", 60).trials)
    alone = optuna.create_study(direction="maximize", sampler=make_sampler("tpe", 0))
    alone.optimize(lambda trial: score(drawn(trial)), n_trials=60)
    assert small > 2 * sum(size(trial.params) < 100 for trial in alone.trials)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_every_trial_is_told_once(direction: str) -> None:
    """Of an earlier process, too; one without a score as the worst, failed ones not at all."""
    study = of_one_goal("tpe", 3, direction=direction)
    params = {"width": 1.0, "depth": 2, "activation": "relu"}
    sign = 1 if direction == "maximize" else -1
    for state, values, kept in (
        (TrialState.PRUNED, {1: sign * 0.2, 2: sign * 0.25}, {}),
        (TrialState.PRUNED, {}, {}),  # diverged
        (TrialState.PRUNED, {1: sign * math.nan}, {}),
        (TrialState.PRUNED, {}, {"declined": True}),
        (TrialState.FAIL, {1: sign * 0.9}, {}),
        (TrialState.RUNNING, {1: sign * 0.9}, {}),
    ):
        study.add_trial(
            optuna.trial.create_trial(
                state=state,
                params=params,
                distributions=SPACE,
                intermediate_values=values,
                user_attrs={"n_parameters": 200, **kept},
            )
        )
    study.sampler = SizeSampler(make_sampler("tpe", 1))
    for _ in range(2):
        drawn(study.ask())
    twin = study.sampler._twin
    assert twin is not None
    told = [trial.values for trial in twin.get_trials(states=[TrialState.COMPLETE])]
    scores = [trial.value for trial in study.trials[:3] if trial.value is not None]
    worst = sign * min(sign * each for each in (*scores, sign * 0.25))
    expected = [
        *([trial.value, math.log(size(trial.params))] for trial in study.trials[:3]),
        *([each, math.log(200)] for each in (sign * 0.25, worst, worst, worst)),
    ]
    assert told == expected


def test_nothing_is_told_before_there_is_a_score() -> None:
    study = optuna.create_study(direction="maximize", sampler=SizeSampler(make_sampler("tpe", 0)))
    for _ in range(2):
        trial = study.ask()
        trial.set_user_attr("n_parameters", size(drawn(trial)))
        study.tell(trial, state=TrialState.PRUNED)
    last = study.ask()
    params = drawn(last)
    last.set_user_attr("n_parameters", size(params))
    study.tell(last, score(params))
    drawn(study.ask())
    assert isinstance(study.sampler, SizeSampler) and study.sampler._twin is not None
    values = [
        trial.values for trial in study.sampler._twin.get_trials(states=[TrialState.COMPLETE])
    ]
    assert [each[0] for each in values] == [score(params)] * 3


def test_a_point_that_waits_is_taken_as_it_is() -> None:
    study = optuna.create_study(direction="maximize", sampler=SizeSampler(make_sampler("tpe", 0)))
    params = {"width": 3.0, "depth": 1, "activation": "silu"}
    study.enqueue_trial(params)
    assert drawn(study.ask()) == params
    assert drawn(study.ask()) != params
