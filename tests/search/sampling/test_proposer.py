"""Every sampler proposes valid trials, the same ones after a resume, and learns from results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from paretune.search.errors import UserError
from paretune.search.sampling.proposer import Exhausted, Outcome, Proposer
from paretune.search.sampling.samplers import SAMPLERS
from paretune.search.study.plan import make_plan
from paretune.search.study.spec import StudySpec
from paretune.search.study_file.loading import load_study
from paretune.spaces.domains import parameters

STUDY = """\
study: s
data: digits
baseline: {architecture: simple_cnn, pretrain: {epochs: 1, optimizer: adam}}
space:
  architecture:
    choice:
      simple_cnn: {width: {choice: [0.25, 0.5]}}
      separable_cnn: {width: {choice: [0.5, 1.0]}}
  pruning: {choice: {none: {}, structured: {ratio: {float: [0.1, 0.8]}}}}
  quantization: {choice: [none, dynamic]}
objectives: {accuracy: maximize, size: minimize}
"""


def spec(folder: Path, sampler: str, study: str = STUDY, seed: int = 7) -> StudySpec:
    file = folder / "s.yaml"
    file.write_text(study + f"search: {{sampler: {sampler}, trials: 40, seed: {seed}}}\n")
    return load_study(file)


def outcome(params: dict[str, Any]) -> Outcome:
    """Returns a result in which accuracy and size fall with the pruning ratio."""
    ratio = params.get("pruning.structured.ratio", 0.0)
    return Outcome("complete", [1 - ratio, 100 - 50 * ratio], {"c": ratio - 0.7})


CONTINUOUS = [name for name in SAMPLERS if name != "grid"]


@pytest.mark.parametrize("name", CONTINUOUS)
def test_proposals_lie_in_the_space_and_make_plans(tmp_path: Path, name: str) -> None:
    study = spec(tmp_path, name)
    proposer = Proposer(study)
    names = {p.name for p in parameters(study.space)}
    keys = set()
    for number in range(1, 15):
        proposal = proposer.ask(number)
        assert set(proposal.params) <= names
        branch = proposal.params["pruning"]
        assert ("pruning.structured.ratio" in proposal.params) == (branch == "structured")
        assert 0.1 <= proposal.params.get("pruning.structured.ratio", 0.5) <= 0.8
        keys.add(make_plan(proposal.choices, study.runtime).key)
        assert proposer.tell(number, outcome(dict(proposal.params)))
    assert len(keys) > 5


@pytest.mark.parametrize("name", ["auto", "tpe", "nsga2", "nsga3", "random", "qmc"])
def test_resumed_search_proposes_what_an_uninterrupted_one_does(tmp_path: Path, name: str) -> None:
    study = spec(tmp_path, name)
    first = Proposer(study)
    expected = []
    history = []
    for number in range(1, 21):
        proposal = first.ask(number)
        result = outcome(dict(proposal.params))
        first.tell(number, result)
        expected.append(dict(proposal.params))
        history.append((proposal.to_json(), result))
    second = Proposer(study)
    for proposal_json, result in history[:14]:
        second.replay(proposal_json, result)
    proposed = []
    for number in range(15, 21):
        proposal = second.ask(number)
        second.tell(number, outcome(dict(proposal.params)))
        proposed.append(dict(proposal.params))
    assert proposed == expected[14:]


def test_another_seed_proposes_other_trials(tmp_path: Path) -> None:
    def ratios(seed: int) -> list[Any]:
        study = load_study(spec(tmp_path, "random").file, [f"search.seed={seed}"])
        proposer = Proposer(study)
        return [dict(proposer.ask(n).params) for n in range(1, 6)]

    assert ratios(1) == ratios(1)
    assert ratios(1) != ratios(2)


def test_grid_tries_every_plan_once_then_is_exhausted(tmp_path: Path) -> None:
    study = spec(tmp_path, "grid", STUDY.replace("{float: [0.1, 0.8]}", "{choice: [0.2, 0.4]}"))
    proposer = Proposer(study)
    plans = {make_plan(proposer.ask(n).choices, study.runtime).key for n in range(1, 25)}
    assert len(plans) == 4 * 3 * 2
    with pytest.raises(Exhausted):
        proposer.ask(25)


def test_auto_learns_to_avoid_broken_constraints(tmp_path: Path) -> None:
    proposer = Proposer(spec(tmp_path, "auto"))
    late = []
    for number in range(1, 41):
        params = dict(proposer.ask(number).params)
        ratio = params.get("pruning.structured.ratio", 0.0)
        broken = Outcome("complete", [1 - ratio, 1 - ratio], {"c": 0.5 - ratio})
        proposer.tell(number, broken)
        if number > 25:
            late.append(ratio >= 0.5)
    assert sum(late) > len(late) / 2, "random draws would give about 3 of 14"


def test_infeasible_and_failed_trials_are_accepted(tmp_path: Path) -> None:
    proposer = Proposer(spec(tmp_path, "auto"))
    for number in range(1, 25):
        proposer.ask(number)
        assert proposer.tell(number, Outcome(["infeasible", "failed"][number % 2]))
    assert proposer.ask(25).params


def test_tell_returns_false_for_a_trial_that_was_not_proposed_here(tmp_path: Path) -> None:
    proposer = Proposer(spec(tmp_path, "auto"))
    assert not proposer.tell(99, Outcome("infeasible"))


def test_auto_learns_from_a_bounded_number_of_trials(tmp_path: Path) -> None:
    from paretune.search.sampling.memory import MEMORY

    proposer = Proposer(spec(tmp_path, "{auto: {thompson: false}}"))
    params = {"architecture": "simple_cnn", "architecture.simple_cnn.width": "0.25"}
    params |= {"pruning": "none", "quantization": "none"}
    for value in range(5 * MEMORY):
        result = Outcome("complete", [0.5, float(value)])
        proposer.replay({"params": params, "attributes": {}}, result)
        assert len(proposer.learned_trials) <= 2 * MEMORY
    kept = [t.values[1] for t in proposer.learned_trials]
    assert min(kept) == 0.0, "the best is kept"
    assert max(kept) == 5 * MEMORY - 1, "the latest is kept"


@pytest.mark.parametrize("sampler", ["{tpe: {foo: 1}}", "{auto: {foo: 1}}", "{random: {foo: 1}}"])
def test_unknown_option_of_optuna_is_refused_at_once(tmp_path: Path, sampler: str) -> None:
    with pytest.raises(UserError, match="foo"):
        Proposer(spec(tmp_path, sampler))


def test_option_of_optuna_is_passed_on(tmp_path: Path) -> None:
    assert Proposer(spec(tmp_path, "{tpe: {n_startup_trials: 3}}")).ask(1).params


SMALL = STUDY.replace("structured: {ratio: {float: [0.1, 0.8]}}", "structured: {ratio: 0.5}")
"""A space of 16 plans."""


# -- the cost of training -------------------------------------------------------------------------


def widths(choices: Any) -> float:
    """Returns the width of the network, as the cost of its training."""
    [params] = choices["architecture"].values()
    return float(params["width"])


def width_price(choices: Any) -> Callable[[], float]:
    """Returns the cost as the sampler asks for it: no training makes it smaller."""
    return lambda: widths(choices)


def mean_width(proposer: Proposer, count: int = 40) -> float:
    """Returns the mean width of proposals; the sampler gets no results of them."""
    return sum(widths(proposer.ask(n).choices) for n in range(1, count + 1)) / count


def test_auto_begins_with_the_cheapest_of_several_draws(tmp_path: Path) -> None:
    cost_aware = mean_width(Proposer(spec(tmp_path, "auto"), None, width_price))
    # Random proposals have a mean of .5625, the cheapest networks .25. Unpruned ones of width .25
    # are soon used up, but twenty draws nearly always contain a pruned one.
    assert cost_aware == pytest.approx(0.265, abs=0.02)
    assert mean_width(Proposer(spec(tmp_path, "auto"))) == pytest.approx(0.5625, abs=0.1)


def test_costs_below_the_overhead_of_a_trial_are_equal_at_first(tmp_path: Path) -> None:
    overhead = Proposer(spec(tmp_path, "auto"), None, width_price, overhead=10.0)
    assert mean_width(overhead) == pytest.approx(0.5625, abs=0.1)


def late_widths(folder: Path, sampler: str, overhead: float = 0.0) -> list[float]:
    """Returns the widths from the tenth proposal on; all widths above .25 are equally accurate."""
    studies = [spec(folder, sampler, seed=seed) for seed in range(6)]
    return [width for study in studies for width in _late_widths(study, overhead)]


def _late_widths(study: StudySpec, overhead: float) -> list[float]:
    def cost(choices: Any) -> Callable[[], float]:
        return lambda: widths(choices) ** 4

    proposer, proposed = Proposer(study, None, cost, overhead=overhead), []
    for number in range(1, 41):
        proposal = proposer.ask(number)
        width, size = widths(proposal.choices), 1.0 - 0.1 * (number % 7)
        result = Outcome("complete", [0.4 if width == 0.25 else 0.8, size])
        proposer.tell(number, result)
        proposed.append(width)
    return proposed[9:]


def test_gain_is_divided_by_the_cost_of_training(tmp_path: Path) -> None:
    cost_aware = late_widths(tmp_path, "auto")
    free = late_widths(tmp_path, "{auto: {cost_aware: false}}")
    assert cost_aware.count(1.0) < 0.75 * free.count(1.0)
    assert cost_aware.count(0.5) > cost_aware.count(0.25), "a low cost alone adds nothing"


def test_cost_of_training_counts_little_beside_a_large_overhead(tmp_path: Path) -> None:
    alone = late_widths(tmp_path, "auto").count(1.0)
    assert late_widths(tmp_path, "auto", overhead=10.0).count(1.0) > 1.25 * alone


def test_gain_of_a_network_includes_that_of_its_format_variants(tmp_path: Path) -> None:
    """Only the format `dynamic` is small, and every trained network is measured in it."""
    study = replace(spec(tmp_path, "auto"), format_variants=True)
    proposer = Proposer(study, None, lambda choices: lambda: 1.0)
    networks: list[tuple[tuple[str, Any], ...]] = []
    for number in range(1, 41):
        params = dict(proposer.ask(number).params)
        network = {k: v for k, v in params.items() if k != "quantization"}
        networks.append(tuple(sorted(network.items())))
        for index, quantization in enumerate([params["quantization"], "none", "dynamic"]):
            size = 10.0 if quantization == "dynamic" else 40.0
            result = Outcome("complete", [0.5 + 0.01 * (number % 9), size])
            if index == 0:
                proposer.tell(number, result)
            else:
                variant = {"params": {**network, "quantization": quantization}, "attributes": {}}
                proposer.replay(variant, result)
    assert len(set(networks)) == len(networks), "no network is proposed again in another format"


@pytest.mark.parametrize("sampler", ["{auto: {cost_aware: false}}", "tpe", "random"])
def test_other_samplers_ignore_the_cost_of_training(tmp_path: Path, sampler: str) -> None:
    study = spec(tmp_path, sampler)
    costs = [lambda choices: lambda: 1.0, width_price]
    assert len({mean_width(Proposer(study, None, cost), 10) for cost in costs}) == 1


def test_cheapest_plans_are_not_proposed_twice(tmp_path: Path) -> None:
    proposer = Proposer(spec(tmp_path, "auto", SMALL), None, width_price)
    proposed = [tuple(sorted(proposer.ask(n).params.items())) for n in range(1, 9)]
    assert len(set(proposed)) == 8  # of 16 plans


def test_cost_is_asked_for_again_after_trials_that_may_have_trained_some_of_it(
    tmp_path: Path,
) -> None:
    priced, trained = [], set[str]()

    def cost(choices: Any) -> Callable[[], float]:
        [family] = choices["architecture"]
        priced.append(choices)
        return lambda: 0.0 if family in trained else 1.0

    proposer = Proposer(spec(tmp_path, "auto", SMALL), None, cost)
    proposer.ask(1)
    once = len(priced)
    trained.add("separable_cnn")
    assert "separable_cnn" in {proposer.ask(n).params["architecture"] for n in (2, 3)}
    assert once <= len(priced) <= 16, "no plan is priced twice"


def test_resumed_cost_aware_search_proposes_what_an_uninterrupted_one_does(tmp_path: Path) -> None:
    study = spec(tmp_path, "auto")
    first, second = (Proposer(study, None, width_price) for _ in range(2))
    expected = []
    for number in range(1, 25):
        proposal = first.ask(number)
        result = outcome(dict(proposal.params))
        first.tell(number, result)
        if number < 18:
            second.replay(proposal.to_json(), result)
        else:
            expected.append(dict(proposal.params))
    proposed = []
    for number in range(18, 25):
        proposal = second.ask(number)
        second.tell(number, outcome(dict(proposal.params)))
        proposed.append(dict(proposal.params))
    assert proposed == expected


def test_constraint_on_a_quantity_that_is_no_objective_is_learned(tmp_path: Path) -> None:
    """Separable networks break the constraint; their accuracy and size are as good as others'."""
    bounded = STUDY + 'constraints: ["latency <= 1 ms"]\n'
    proposer, chosen = Proposer(spec(tmp_path, "auto", bounded), None, width_price), []
    for number in range(1, 41):
        params = dict(proposer.ask(number).params)
        separable = params["architecture"] == "separable_cnn"
        values = [0.5 + 0.01 * (number % 9), 40.0 - (number % 7)]
        broken = {"latency <= 1 ms": 0.5 if separable else -0.5}
        proposer.tell(number, Outcome("complete", values, broken))
        chosen.append(separable)
    assert sum(chosen[20:]) <= 5  # by chance half of them


@pytest.mark.parametrize("surrogate", ["gaussian_process", "random_forest"])
def test_size_of_a_trial_that_was_screened_out_is_learned(tmp_path: Path, surrogate: str) -> None:
    """Separable networks are too large. Their size is measured, but not their accuracy."""
    text = "size <= 50 bytes"
    study = spec(
        tmp_path, f"{{auto: {{surrogate: {surrogate}}}}}", f'{STUDY}constraints: ["{text}"]\n'
    )
    first, second = (Proposer(study, None, width_price) for _ in range(2))
    chosen = []
    for number in range(1, 41):
        proposal = first.ask(number)
        separable = proposal.params["architecture"] == "separable_cnn"
        size = 80.0 + number % 7 if separable else 40.0 - number % 7
        values = None if separable else [0.5 + 0.01 * (number % 9), size]
        result = Outcome("infeasible" if separable else "complete", values, {text: size / 50 - 1})
        if number > 20:
            assert second.ask(number).params == proposal.params, "a resumed run learns the same"
            second.tell(number, result)
        else:
            second.replay(proposal.to_json(), result)
        first.tell(number, result)
        chosen.append(separable)
    assert sum(chosen[20:]) <= 4  # by chance half of them


def test_infeasible_trial_counts_as_a_failure_though_it_meets_its_constraints(
    tmp_path: Path,
) -> None:
    """The size of separable networks does not show that they cannot be trained."""
    text = "size <= 50 bytes"
    study = spec(tmp_path, "auto", f'{STUDY}constraints: ["{text}"]\n')
    proposer, chosen = Proposer(study, None, width_price), []
    for number in range(1, 41):
        separable = proposer.ask(number).params["architecture"] == "separable_cnn"
        size = 40.0 - number % 7
        values = None if separable else [0.5 + 0.01 * (number % 9), size]
        result = Outcome("infeasible" if separable else "complete", values, {text: size / 50 - 1})
        proposer.tell(number, result)
        chosen.append(separable)
    assert sum(chosen[20:]) <= 5  # by chance half of them
