"""Who draws where small networks are a goal: what Optuna itself draws for two goals."""

import math
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from tuner.errors import InputError
from tuner.storage.samplers import make_sampler
from tuner.storage.two_goals import SizeSampler, check_two_goals, for_two_goals

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


def of_one_goal(
    sampler: optuna.samplers.BaseSampler, n: int, *, direction: str = "maximize", in_flight: int = 1
) -> optuna.Study:
    """A study of one goal, as ours are, with so many trials under way at once."""
    study = optuna.create_study(direction=direction, sampler=for_two_goals(sampler))
    sign = 1 if direction == "maximize" else -1
    under_way = []
    for _ in range(n):
        trial = study.ask()
        params = drawn(trial)
        trial.set_user_attr("n_parameters", size(params))
        under_way.append((trial, sign * score(params)))
        if len(under_way) == in_flight:
            study.tell(*under_way.pop(0))
    for left in under_way:
        study.tell(*left)
    return study


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("name", ["tpe", "random", "qmc", "gp"])
def test_the_same_as_optuna_for_two_goals(name: str, direction: str, in_flight: int) -> None:
    """Else a goal is told and something else is looked for, or trials under way are not seen."""
    n = 7 if name == "gp" else 30
    both = optuna.create_study(directions=[direction, "minimize"], sampler=make_sampler(name, 0))
    sign = 1 if direction == "maximize" else -1
    under_way = []
    for _ in range(n):
        trial = both.ask()
        params = drawn(trial)
        under_way.append((trial, [sign * score(params), math.log(size(params))]))
        if len(under_way) == in_flight:
            both.tell(*under_way.pop(0))
    one = of_one_goal(make_sampler(name, 0), n, direction=direction, in_flight=in_flight)
    assert [trial.params for trial in one.trials] == [trial.params for trial in both.trials]


def test_samplers_that_look_at_no_score_are_left_alone() -> None:
    """Else one that counts its trials in the store begins anew with each process."""
    for name in ("random", "qmc"):
        sampler = make_sampler(name, 0)
        assert for_two_goals(sampler) is sampler


def test_a_sampler_of_one_goal_is_refused() -> None:
    for name in ("tpe", "random", "qmc"):
        check_two_goals(make_sampler(name, 0))
    check_two_goals(make_sampler("optuna.samplers:NSGAIISampler", 0))
    with pytest.raises(InputError, match="does not draw for several goals"):
        check_two_goals(OfOne())


class OfOne(optuna.samplers.RandomSampler):
    def sample_independent(self, study: optuna.Study, *more: Any) -> Any:
        if len(study.directions) > 1:
            raise ValueError("one goal alone")
        return super().sample_independent(study, *more)


def test_small_networks_are_looked_for() -> None:
    """That are good for their size: more of them than where the score is all."""
    small = sum(
        size(trial.params) < 100 for trial in of_one_goal(make_sampler("tpe", 0), 60).trials
    )
    alone = optuna.create_study(direction="maximize", sampler=make_sampler("tpe", 0))
    alone.optimize(lambda trial: score(drawn(trial)), n_trials=60)
    assert small > 2 * sum(size(trial.params) < 100 for trial in alone.trials)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_every_trial_is_told_once(direction: str) -> None:
    """Of an earlier process, too; one without a score as the worst, failed ones not at all."""
    study = of_one_goal(make_sampler("tpe", 0), 3, direction=direction)
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
    complete = twin.get_trials(states=[TrialState.COMPLETE])
    scores = [trial.value for trial in study.trials[:3] if trial.value is not None]
    worst = sign * min(sign * each for each in (*scores, sign * 0.25))
    largest = math.log(max(200, *(size(trial.params) for trial in study.trials[:3])))
    assert [trial.values for trial in complete] == [
        *([trial.value, math.log(size(trial.params))] for trial in study.trials[:3]),
        [sign * 0.25, math.log(200)],
        *[[worst, largest]] * 3,
    ]
    # One from before, and one that was asked for last but one; the last one is being drawn.
    assert len(twin.get_trials(states=[TrialState.RUNNING])) == 3


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
    assert {each[1] for each in values[:2]} == {max(each[1] for each in values)}


def test_a_point_that_waits_is_taken_as_it_is() -> None:
    study = optuna.create_study(direction="maximize", sampler=SizeSampler(make_sampler("tpe", 0)))
    params = {"width": 3.0, "depth": 1, "activation": "silu"}
    study.enqueue_trial(params)
    assert drawn(study.ask()) == params
    assert drawn(study.ask()) != params
