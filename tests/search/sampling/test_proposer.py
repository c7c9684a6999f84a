"""Samplers by name: valid proposals, the same ones after a resume, learning from what came."""

from __future__ import annotations

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


def spec(folder: Path, sampler: str, study: str = STUDY) -> StudySpec:
    file = folder / "s.yaml"
    file.write_text(study + f"search: {{sampler: {sampler}, trials: 40, seed: 7}}\n")
    return load_study(file)


def outcome(params: dict[str, Any]) -> Outcome:
    """Small and unpruned is best."""
    ratio = params.get("pruning.structured.ratio", 0.0)
    return Outcome("complete", [1 - ratio, 100 - 50 * ratio], {"c": ratio - 0.7})


CONTINUOUS = [name for name in SAMPLERS if name != "grid"]


@pytest.mark.parametrize("name", CONTINUOUS)
def test_proposals_lie_in_the_space_and_make_plans(tmp_path: Path, name: str) -> None:
    study = spec(tmp_path, name)
    proposer = Proposer(study)
    known = {p.name for p in parameters(study.space)}
    keys = set()
    for number in range(1, 15):
        proposal = proposer.ask(number)
        assert set(proposal.params) <= known
        branch = proposal.params["pruning"]
        assert ("pruning.structured.ratio" in proposal.params) == (branch == "structured")
        assert 0.1 <= proposal.params.get("pruning.structured.ratio", 0.5) <= 0.8
        keys.add(make_plan(proposal.choices, study.runtime).key)
        assert proposer.tell(number, outcome(dict(proposal.params)))
    assert len(keys) > 5


@pytest.mark.parametrize("name", ["auto", "tpe", "nsga2", "nsga3", "random", "qmc"])
def test_resumed_search_proposes_what_an_uninterrupted_one_would(tmp_path: Path, name: str) -> None:
    study = spec(tmp_path, name)
    first = Proposer(study)
    wanted = []
    history = []
    for number in range(1, 21):
        proposal = first.ask(number)
        came = outcome(dict(proposal.params))
        first.tell(number, came)
        wanted.append(dict(proposal.params))
        history.append((proposal.to_json(), came))
    second = Proposer(study)
    for proposed, came in history[:14]:
        second.replay(proposed, came)
    found = []
    for number in range(15, 21):
        proposal = second.ask(number)
        second.tell(number, outcome(dict(proposal.params)))
        found.append(dict(proposal.params))
    assert found == wanted[14:]


def test_other_seed_proposes_other_trials(tmp_path: Path) -> None:
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


def test_tpe_learns_to_avoid_what_breaks_a_constraint(tmp_path: Path) -> None:
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


def test_infeasible_and_failed_trials_are_taken_in(tmp_path: Path) -> None:
    proposer = Proposer(spec(tmp_path, "auto"))
    for number in range(1, 25):
        proposer.ask(number)
        assert proposer.tell(number, Outcome(["infeasible", "failed"][number % 2]))
    assert proposer.ask(25).params


def test_trial_that_was_not_asked_for_here_is_told_by_replay(tmp_path: Path) -> None:
    proposer = Proposer(spec(tmp_path, "auto"))
    assert not proposer.tell(99, Outcome("infeasible"))


def test_memory_of_auto_stays_bounded(tmp_path: Path) -> None:
    from paretune.search.sampling.memory import MEMORY

    proposer = Proposer(spec(tmp_path, "auto"))
    params = {"architecture": "simple_cnn", "architecture.simple_cnn.width": "0.25"}
    params |= {"pruning": "none", "quantization": "none"}
    for value in range(5 * MEMORY):
        told = Outcome("complete", [0.5, float(value)])
        proposer.replay({"params": params, "attributes": {}}, told)
        assert len(proposer.learned_trials) <= 2 * MEMORY
    kept = [t.values[1] for t in proposer.learned_trials]
    assert min(kept) == 0.0, "the best is remembered"
    assert max(kept) == 5 * MEMORY - 1, "the latest is remembered"


@pytest.mark.parametrize("sampler", ["{tpe: {foo: 1}}", "{auto: {foo: 1}}", "{random: {foo: 1}}"])
def test_option_that_no_sampler_has_is_refused_before_any_work(
    tmp_path: Path, sampler: str
) -> None:
    with pytest.raises(UserError, match="foo"):
        Proposer(spec(tmp_path, sampler))


def test_option_of_a_sampler_is_taken(tmp_path: Path) -> None:
    assert Proposer(spec(tmp_path, "{tpe: {n_startup_trials: 3}}")).ask(1).params


# -- what is left to train -----------------------------------------------------------------------


def widths(choices: Any) -> float:
    """As if a network's training took as long as it is wide."""
    [params] = choices["architecture"].values()
    return float(params["width"])


def mean_width(proposer: Proposer, count: int = 40) -> float:
    """Of so many proposals, none of which is ever told."""
    return sum(widths(proposer.ask(n).choices) for n in range(1, count + 1)) / count


def test_auto_begins_with_the_cheapest_of_several(tmp_path: Path) -> None:
    cost_aware = mean_width(Proposer(spec(tmp_path, "auto"), None, widths))
    # By chance .5625. Half of the cheapest ones, those not pruned, are soon known; of the others
    # one is nearly always among twenty.
    assert cost_aware == pytest.approx(0.265, abs=0.02)
    assert mean_width(Proposer(spec(tmp_path, "auto"))) == pytest.approx(0.5625, abs=0.1)


def trained(folder: Path, sampler: str) -> list[float]:
    """Widths of the proposals from the tenth on, where those above .25 gain the same."""

    def price(choices: Any) -> float:
        return widths(choices) ** 4

    proposer, found = Proposer(spec(folder, sampler), None, price), []
    for number in range(1, 41):
        proposal = proposer.ask(number)
        width, size = widths(proposal.choices), 1.0 - 0.1 * (number % 7)
        came = Outcome("complete", [0.4 if width == 0.25 else 0.8, size])
        proposer.tell(number, came)
        found.append(width)
    return found[9:]


def test_what_is_gained_is_weighed_against_its_price(tmp_path: Path) -> None:
    cost_aware = trained(tmp_path, "auto")
    free = trained(tmp_path, "{auto: {cost_aware: false}}")
    assert cost_aware.count(1.0) < 0.5 * free.count(1.0)
    assert cost_aware.count(0.5) > cost_aware.count(0.25), (
        "being cheap is not worth anything by itself"
    )


def test_network_is_worth_what_all_its_formats_add(tmp_path: Path) -> None:
    """Small is what only the dynamic format is, which every trained network comes in."""
    study = replace(spec(tmp_path, "auto"), format_variants=True)
    proposer = Proposer(study, None, lambda choices: 1.0)
    networks: list[tuple[tuple[str, Any], ...]] = []
    for number in range(1, 41):
        params = dict(proposer.ask(number).params)
        network = {k: v for k, v in params.items() if k != "quantization"}
        networks.append(tuple(sorted(network.items())))
        for place, quantization in enumerate([params["quantization"], "none", "dynamic"]):
            size = 10.0 if quantization == "dynamic" else 40.0
            came = Outcome("complete", [0.5 + 0.01 * (number % 9), size])
            if place == 0:
                proposer.tell(number, came)
            else:
                said = {"params": {**network, "quantization": quantization}, "attributes": {}}
                proposer.replay(said, came)
    assert len(set(networks)) == len(networks), "no network is proposed again in another format"


@pytest.mark.parametrize("sampler", ["{auto: {cost_aware: false}}", "tpe", "random"])
def test_sampler_that_was_asked_for_proposes_what_it_likes(tmp_path: Path, sampler: str) -> None:
    study = spec(tmp_path, sampler)
    costs = [lambda choices: 1.0, widths]
    assert len({mean_width(Proposer(study, None, cost), 10) for cost in costs}) == 1


def test_known_plan_is_not_proposed_for_costing_nothing(tmp_path: Path) -> None:
    few = STUDY.replace("structured: {ratio: {float: [0.1, 0.8]}}", "structured: {ratio: 0.5}")
    proposer = Proposer(spec(tmp_path, "auto", few), None, widths)
    asked = [tuple(sorted(proposer.ask(n).params.items())) for n in range(1, 9)]
    assert len(set(asked)) == 8  # of 16


def test_resumed_search_is_as_thrifty_as_an_uninterrupted_one(tmp_path: Path) -> None:
    study = spec(tmp_path, "auto")
    first, second = (Proposer(study, None, widths) for _ in range(2))
    wanted = []
    for number in range(1, 25):
        proposal = first.ask(number)
        came = outcome(dict(proposal.params))
        first.tell(number, came)
        if number < 18:
            second.replay(proposal.to_json(), came)
        else:
            wanted.append(dict(proposal.params))
    found = []
    for number in range(18, 25):
        proposal = second.ask(number)
        second.tell(number, outcome(dict(proposal.params)))
        found.append(dict(proposal.params))
    assert found == wanted


def test_constraint_on_what_is_no_objective_is_learnt(tmp_path: Path) -> None:
    """Separable networks break it, whose accuracy and size look as good as the others'."""
    bounded = STUDY + 'constraints: ["latency <= 1 ms"]\n'
    proposer, found = Proposer(spec(tmp_path, "auto", bounded), None, widths), []
    for number in range(1, 41):
        params = dict(proposer.ask(number).params)
        wrong = params["architecture"] == "separable_cnn"
        values = [0.5 + 0.01 * (number % 9), 40.0 - (number % 7)]
        broken = {"latency <= 1 ms": 0.5 if wrong else -0.5}
        proposer.tell(number, Outcome("complete", values, broken))
        found.append(wrong)
    assert sum(found[20:]) <= 5  # by chance half of them


@pytest.mark.parametrize("surrogate", ["gaussian_process", "random_forest"])
def test_size_of_a_trial_that_ends_before_its_training_is_learnt(
    tmp_path: Path, surrogate: str
) -> None:
    """Separable networks are too large; it is told of them how large, and no accuracy."""
    text = "size <= 50 bytes"
    study = spec(
        tmp_path, f"{{auto: {{surrogate: {surrogate}}}}}", f'{STUDY}constraints: ["{text}"]\n'
    )
    first, second = (Proposer(study, None, widths) for _ in range(2))
    found = []
    for number in range(1, 41):
        proposal = first.ask(number)
        screened = proposal.params["architecture"] == "separable_cnn"
        size = 80.0 + number % 7 if screened else 40.0 - number % 7
        values = None if screened else [0.5 + 0.01 * (number % 9), size]
        came = Outcome("infeasible" if screened else "complete", values, {text: size / 50 - 1})
        if number > 20:
            assert second.ask(number).params == proposal.params, "a resumed run learns the same"
            second.tell(number, came)
        else:
            second.replay(proposal.to_json(), came)
        first.tell(number, came)
        found.append(screened)
    assert sum(found[20:]) <= 4  # by chance half of them


def test_trial_that_cannot_be_is_a_failure_though_it_holds_its_bounds(tmp_path: Path) -> None:
    """What is known of it tells nothing of why separable networks cannot be trained."""
    text = "size <= 50 bytes"
    study = spec(tmp_path, "auto", f'{STUDY}constraints: ["{text}"]\n')
    proposer, found = Proposer(study, None, widths), []
    for number in range(1, 41):
        wrong = proposer.ask(number).params["architecture"] == "separable_cnn"
        size = 40.0 - number % 7
        values = None if wrong else [0.5 + 0.01 * (number % 9), size]
        came = Outcome("infeasible" if wrong else "complete", values, {text: size / 50 - 1})
        proposer.tell(number, came)
        found.append(wrong)
    assert sum(found[20:]) <= 5  # by chance half of them
