"""Native samplers use cheap objectives, stay in the space, resume, and learn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.search.errors import UserError
from paretune.search.sampling.auto import (
    BLOCK,
    EXPECTED_SECONDS,
    FREE_SECONDS,
    PROPOSAL_SECONDS,
    TIME_SHARE,
    SamplerChoice,
    surrogate_of,
)
from paretune.search.sampling.features import ABSENT, FeatureEncoder, RandomAssignments
from paretune.search.sampling.proposer import Outcome, Proposer
from paretune.search.study.spec import Selection, StudySpec
from paretune.search.study_file.loading import load_study
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.domains import parameters

STUDY = """\
study: s
evaluate: "math:sqrt"
space:
  depth: {int: [1, 40], log: true}
  width: {int: [8, 64], step: 8}
  kind:
    choice:
      plain: {}
      cut: {ratio: {float: [0.1, 0.8]}, steps: {float: [0, 1], step: 0.25}}
objectives: {error: minimize, size: minimize, score: maximize}
"""


def spec(folder: Path, sampler: str, **changes: str) -> StudySpec:
    file = folder / "s.yaml"
    file.write_text(STUDY + f"search: {{sampler: {sampler}, trials: 200, seed: 7}}\n")
    return load_study(file, [f"{key}={value}" for key, value in changes.items()])


def cheap(choices: Mapping[str, Any]) -> dict[str, float]:
    cut = choices["kind"].get("cut")
    return {"size": choices["depth"] * choices["width"] * (1 - cut["ratio"] if cut else 1.0)}


def outcome(choices: Mapping[str, Any], seconds: float | None = None) -> Outcome:
    """Returns a result in which a larger network is better up to a point; steps help a cut one."""
    size = cheap(choices)["size"]
    steps = choices["kind"].get("cut", {}).get("steps", 0.0)
    error = 1 / (1 + size**0.5) + 0.02 * abs(choices["depth"] - 12) / 12 - 0.01 * steps
    return Outcome("complete", [error, size, -error], {}, seconds)


# -- the space -----------------------------------------------------------------------------------


def test_row_has_one_hot_choices_and_scaled_or_absent_numbers(tmp_path: Path) -> None:
    features = FeatureEncoder(spec(tmp_path, "thompson").space)
    plain = features.row({"depth": 40, "width": 8, "kind": "plain"})
    cut = {"depth": 1, "width": 36, "kind": "cut", "kind.cut.ratio": 0.45, "kind.cut.steps": 1.0}
    assert features.width == 6
    assert plain.tolist() == [1.0, 0.0, 1.0, 0.0, ABSENT, ABSENT]
    assert features.row(cut).tolist() == pytest.approx([0.0, 0.5, 0.0, 1.0, 0.5, 1.0])


def test_row_has_the_shares_of_labels_that_choices_share(tmp_path: Path) -> None:
    op = "{choice: [conv, pool]}"
    study = spec(tmp_path, "thompson", space=f"{{a: {op}, b: {op}, c: {{choice: [x, y]}}}}")
    rows = [
        FeatureEncoder(study.space, label_counts).row({"a": "pool", "b": "pool", "c": "y"}).tolist()
        for label_counts in (True, False)
    ]
    assert rows[1] == [0.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    assert rows[0] == [*rows[1], 0.0, 1.0]
    branch = "{choice: {no: {}, yes: {b: {choice: [conv, pool]}}}}"  # b may be absent
    study = spec(tmp_path, "thompson", space=f"{{a: {op}, k: {branch}}}")
    assert FeatureEncoder(study.space).row({"a": "conv", "k": "no"}).tolist()[-2:] == [0.5, 0.0]


def test_draws_and_mutations_lie_in_the_space(tmp_path: Path) -> None:
    space = spec(tmp_path, "thompson").space
    random = np.random.default_rng(0)
    domains = {p.name: p.domain for p in parameters(space)}
    assignments = RandomAssignments(space)
    params = assignments.draw(random)
    seen: dict[str, set[Any]] = {name: set() for name in domains}
    for _ in range(600):
        params = assignments.mutate(params, random)
        choices = assignments.choices(params)
        assert ("kind.cut.ratio" in params) == (params["kind"] == "cut")
        assert set(choices["kind"]) == {params["kind"]}
        for name, value in params.items():
            seen[name].add(value)
    assert seen["width"] == set(range(8, 65, 8))
    assert seen["kind.cut.steps"] == {0.0, 0.25, 0.5, 0.75, 1.0}
    assert all(isinstance(v, int) and 1 <= v <= 40 for v in seen["depth"])
    assert all(0.1 <= v <= 0.8 for v in seen["kind.cut.ratio"])


def test_mutation_keeps_most_parameters(tmp_path: Path) -> None:
    space = spec(tmp_path, "thompson").space
    parent = {"depth": 20, "width": 32, "kind": "plain"}
    random = np.random.default_rng(0)
    same = [
        sum(params.get(name) == value for name, value in parent.items())
        for params in (RandomAssignments(space).mutate(parent, random) for _ in range(300))
    ]
    assert np.mean(same) > 1.5


# -- proposals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["thompson", "evolution", "auto"])
def test_resumed_search_proposes_what_an_uninterrupted_one_does(tmp_path: Path, name: str) -> None:
    study = spec(tmp_path, name)
    first, history, expected = Proposer(study, cheap), [], []
    for number in range(1, 25):
        proposal = first.ask(number)
        result = outcome(proposal.choices, 0.001)
        first.tell(number, result)
        history.append((proposal.to_json(), result))
        expected.append(dict(proposal.params))
    second, proposed = Proposer(study, cheap), []
    for proposal_json, result in history[:18]:
        second.replay(proposal_json, result)
    for number in range(19, 25):
        proposal = second.ask(number)
        second.tell(number, outcome(proposal.choices, 0.001))
        proposed.append(dict(proposal.params))
    assert proposed == expected[18:]


def test_no_plan_is_proposed_twice_while_others_are_left(tmp_path: Path) -> None:
    study = spec(tmp_path, "thompson", space="{a: {int: [1, 6]}, b: {choice: [x, y, z]}}")
    proposer = Proposer(study, lambda choices: {"size": float(choices["a"])})
    seen = set()
    for number in range(1, 19):
        proposal = proposer.ask(number)
        seen.add(tuple(proposal.params.values()))
        proposer.tell(number, Outcome("complete", [number % 5, proposal.params["a"], 0.0]))
    assert len(seen) >= 17
    assert proposer.ask(19).params, "the runner counts repeated plans"


def test_assignment_that_breaks_a_constraint_on_a_cheap_objective_is_not_proposed(
    tmp_path: Path,
) -> None:
    for bound in ('["size <= 300"]', '["size <= 0.5 x baseline"]'):
        study = spec(
            tmp_path,
            "thompson",
            constraints=bound,
            baseline="{depth: 20, width: 30, kind: {plain: {}}}",
        )
        proposer = Proposer(study, cheap)
        proposer.set_baseline({"size": 600.0})
        for number in range(1, 31):
            proposal = proposer.ask(number)
            assert cheap(proposal.choices)["size"] <= 300
            proposer.tell(number, outcome(proposal.choices))


def test_infeasible_assignment_is_not_proposed(tmp_path: Path) -> None:
    def shallow(choices: Mapping[str, Any]) -> dict[str, float]:
        if choices["depth"] > 4:
            raise InfeasibleCandidate("too deep")
        return cheap(choices)

    proposer = Proposer(spec(tmp_path, "thompson"), shallow)
    for number in range(1, 26):
        proposal = proposer.ask(number)
        assert proposal.params["depth"] <= 4
        proposer.tell(number, outcome(proposal.choices))


def feasible(folder: Path, sampler: str, cheap: Any) -> list[bool]:
    """Returns which of 50 trials meet a constraint on an objective that needs training."""
    proposer = Proposer(spec(folder, sampler, constraints='["error <= 0.05"]'), cheap)
    met = []
    for number in range(1, 51):
        result = outcome(proposer.ask(number).choices)
        violation = result.values[0] / 0.05 - 1  # type: ignore[index]
        proposer.tell(number, Outcome("complete", result.values, {"error <= 0.05": violation}))
        met.append(violation <= 0)
    return met


def test_constraint_on_an_expensive_objective_is_learned(tmp_path: Path) -> None:
    uniform = np.mean(feasible(tmp_path, "random", None))
    late = np.mean(feasible(tmp_path, "thompson", cheap)[25:])
    assert late > uniform + 0.2


def test_region_of_infeasible_trials_is_avoided(tmp_path: Path) -> None:
    proposer = Proposer(spec(tmp_path, "thompson"), cheap)
    cut = []
    for number in range(1, 61):
        proposal = proposer.ask(number)
        is_cut = proposal.params["kind"] == "cut"
        cut.append(is_cut)
        proposer.tell(number, Outcome("infeasible") if is_cut else outcome(proposal.choices))
    assert np.mean(cut[40:]) < 0.2


@pytest.mark.parametrize(
    "sampler",
    [
        "thompson",
        "{thompson: {acquisition: mean}}",
        "{thompson: {acquisition: thompson}}",
        "{thompson: {rank_transform: false}}",
        "{thompson: {surrogate: gaussian_process}}",
        "{thompson: {surrogate: gaussian_process, acquisition: mean}}",
        "evolution",
    ],
)
def test_sampler_works_without_cheap_objectives(tmp_path: Path, sampler: str) -> None:
    proposer = Proposer(spec(tmp_path, sampler))
    for number in range(1, 20):
        proposal = proposer.ask(number)
        proposer.tell(number, outcome(proposal.choices))
    assert proposer.ask(20).params


@pytest.mark.parametrize(
    ("sampler", "text"),
    [
        ("{thompson: {trees: 0}}", "thompson.trees: must be greater than or equal to 1, got 0"),
        ("{evolution: {foo: 1}}", "sampler.evolution.foo: unknown key"),
        ("{auto: {thompson: 3}}", "auto.thompson: must be a valid boolean, got 3"),
        (
            "{auto: {cost_aware: maybe}}",
            "s.yaml:.*auto.cost_aware: must be a valid boolean, got 'maybe'",
        ),
        ("{auto: {n_startups: 3}}", "search.sampler.auto: it does not take"),
    ],
)
def test_invalid_sampler_option_is_refused(tmp_path: Path, sampler: str, text: str) -> None:
    with pytest.raises(UserError, match=text):
        Proposer(spec(tmp_path, sampler), cheap)


# -- auto ----------------------------------------------------------------------------------------


def samplers_of(sampler: Selection, cheap: bool, seconds: float | None, trials: int) -> list[str]:
    """Returns the sampler of each trial, when each takes these seconds."""
    choice = SamplerChoice(sampler, "random_forest" if cheap else None)
    names = []
    for number in range(1, trials + 1):
        names.append(choice.sampler(number))
        choice.add_trial(seconds)
    return names


@pytest.mark.parametrize(
    ("params", "objectives", "cheap", "cost", "expected"),
    [
        ({}, 2, False, False, "ensemble"),
        ({}, 1, False, False, None),
        ({}, 1, True, False, "ensemble"),
        ({}, 1, False, True, "ensemble"),
        ({"n_startup_trials": 5}, 2, False, False, None),
        ({"n_startup_trials": 5}, 2, True, False, "ensemble"),
        ({"surrogate": "random_forest"}, 1, False, False, "random_forest"),
    ],
)
def test_auto_takes_tpe_for_one_unknown_objective_or_options_of_tpe(
    params: dict[str, Any], objectives: int, cheap: bool, cost: bool, expected: str | None
) -> None:
    assert surrogate_of(Selection("auto", params), objectives, cheap, cost) == expected


def test_auto_uses_thompson_with_a_surrogate_and_tpe_without(tmp_path: Path) -> None:
    assert set(samplers_of(Selection("auto", {}), True, 60.0, 300)) == {"thompson"}
    assert set(samplers_of(Selection("auto", {}), False, 60.0, 300)) == {"auto"}
    assert set(samplers_of(Selection("auto", {"thompson": False}), True, 60.0, 300)) == {"auto"}
    assert set(samplers_of(Selection("tpe", {}), True, 1e-3, 3000)) == {"tpe"}


@pytest.mark.parametrize("cheap", [True, False])
@pytest.mark.parametrize("seconds", [1e-3, 0.1])
def test_auto_spends_the_free_seconds_when_a_twentieth_is_less(cheap: bool, seconds: float) -> None:
    cost = PROPOSAL_SECONDS["random_forest" if cheap else "tpe"]
    quick = samplers_of(Selection("auto", {}), cheap, seconds, 2000)
    good = sum(name != "evolution" for name in quick)
    assert good * cost == pytest.approx(FREE_SECONDS, abs=BLOCK * cost)
    assert quick[-1] == "evolution"


@pytest.mark.parametrize("cheap", [True, False])
def test_auto_never_uses_evolution_when_proposals_take_less_than_a_twentieth(cheap: bool) -> None:
    cost = PROPOSAL_SECONDS["random_forest" if cheap else "tpe"]
    slow = samplers_of(Selection("auto", {}), cheap, 1.01 * cost / TIME_SHARE, 2000)
    assert "evolution" not in slow


def test_auto_uses_evolution_sooner_when_it_proposes_by_the_expected_improvement() -> None:
    choice = SamplerChoice(Selection("auto", {}), "ensemble", expected=True)
    names = []
    for number in range(1, 301):
        names.append(choice.sampler(number))
        choice.add_trial(1e-3)
    good = names.count("thompson")
    assert good * EXPECTED_SECONDS == pytest.approx(FREE_SECONDS, abs=BLOCK * EXPECTED_SECONDS)
    assert names[-1] == "evolution"


# -- several workers -----------------------------------------------------------------------------


@pytest.mark.parametrize("known", [None, cheap])
def test_workers_without_results_are_proposed_different_plans(tmp_path: Path, known: Any) -> None:
    study = spec(tmp_path, "auto")
    plans = {
        (number, attempt): Proposer(study, known).ask(number, attempt).params
        for number, attempt in [(1, 0), (2, 0), (3, 0), (4, 0), (1, 1), (1, 2), (3, 1)]
    }
    first = plans[1, 0]
    assert len({str(plans[number, 0]) for number in (1, 2, 3, 4)}) == 4
    assert first not in (plans[1, 1], plans[1, 2])
    assert plans[3, 1] != plans[3, 0]


def test_single_worker_is_proposed_the_draw_that_is_farthest_from_its_trials(
    tmp_path: Path,
) -> None:
    study = spec(tmp_path, "auto")
    proposer = Proposer(study, None)
    asked = [proposer.ask(1)]
    proposer.tell(1, outcome(asked[0].choices))
    alone = proposer.ask(2)
    other = Proposer(study, None)  # of another worker, while trial 1 runs
    assert other.ask(2).params == alone.params
