"""The prior: densities relative to uniform draws, draws, and weights that fade."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from paretune.search.sampling.prior import BETA, STARTUP, UNIFORM, Prior
from paretune.search.sampling.proposer import Outcome, Proposer
from paretune.search.study.beliefs import NumberBelief, OptionBelief
from paretune.search.study.spec import StudySpec
from paretune.search.study_file.loading import load_study
from paretune.spaces.domains import Choice, Fixed, Float, Record

SPACE = Record(
    (
        ("mode", Choice((("a", Fixed(1)), ("b", Record((("rate", Float(0, 1)),)))))),
        ("width", Float(0, 1)),
    )
)
BELIEFS = {
    "mode": OptionBelief({"a": 0.25, "b": 0.75}),
    "mode.rate": NumberBelief(0.5, 0.1),
    "width": NumberBelief(0.9, 0.05),
}

STUDY = """\
study: beliefs
evaluate: "beliefs_module:evaluate"
space: {width: {float: [0, 1]}, mode: {choice: [a, b, c, d]}}
objectives: {error: minimize, size: minimize}
prior: {width: 0.8 +- 0.05, mode: c}
"""

WIDTHS = [0.854258, 0.288525, 0.065743, 0.649285, 0.550019, 0.218275, 0.350162, 0.73604]
"""The first proposals of `evolution` without beliefs, with seed 3."""


def spec(folder: Path, sampler: str, text: str = STUDY) -> StudySpec:
    (folder / "beliefs_module.py").write_text("def evaluate(plan, report): ...\n")
    file = folder / "beliefs.yaml"
    file.write_text(text + f"search: {{sampler: {sampler}, seed: 3}}\n")
    return load_study(file)


def test_density_is_relative_to_uniform_draws() -> None:
    prior = Prior(SPACE, {"width": NumberBelief(0.9, 0.05)})
    positions = np.linspace(0, 1, 20_001)
    densities = [math.exp(prior.log_density({"width": x})) for x in positions]
    assert np.mean(densities) == pytest.approx(1, abs=1e-3)
    assert min(densities) == pytest.approx(UNIFORM, rel=1e-6), "a wrong belief hides nothing"


def test_parameter_of_another_branch_does_not_count() -> None:
    prior = Prior(SPACE, BELIEFS)
    only_mode = Prior(SPACE, {"mode": BELIEFS["mode"]})
    assert prior.log_density({"mode": "a"}) == only_mode.log_density({"mode": "a"})


def test_draws_follow_the_beliefs_with_a_share_of_uniform_ones() -> None:
    prior, random = Prior(SPACE, BELIEFS), np.random.default_rng(0)
    draws = [prior.draw(random) for _ in range(2000)]
    share = np.mean([draw["mode"] == "b" for draw in draws])
    assert share == pytest.approx(0.75 * 0.75 + 0.25 * 0.5, abs=0.04)
    near = np.mean([abs(draw["width"] - 0.9) < 0.1 for draw in draws])
    assert 0.65 < near < 0.9
    assert all(("mode.rate" in draw) == (draw["mode"] == "b") for draw in draws)


def test_draw_keeps_decided_values() -> None:
    prior = Prior(SPACE, BELIEFS)
    draw = prior.draw(np.random.default_rng(0), {"mode": "b", "width": 0.1})
    assert (draw["mode"], draw["width"]) == ("b", 0.1)
    assert set(draw) == {"mode", "mode.rate", "width"}


def test_weights_fade_with_the_number_of_trials() -> None:
    prior = Prior(SPACE, BELIEFS)
    params = [{"mode": "a", "width": 0.1}, {"mode": "a", "width": 0.9}]
    early, later = (prior.weights(params, n) for n in (round(BETA), 100 * round(BETA)))
    assert early[1] == later[1] == 1
    assert early[0] < 0.1 < 0.9 < later[0]
    ratio = math.exp(prior.log_density(params[0]) - prior.log_density(params[1]))
    assert early[0] == pytest.approx(ratio)


@pytest.mark.parametrize("sampler", ["auto", "thompson", "evolution", "tpe", "nsga2", "gp"])
def test_first_draws_come_from_the_beliefs(tmp_path: Path, sampler: str) -> None:
    proposer = Proposer(spec(tmp_path, sampler))
    near = []
    for number in range(1, STARTUP + 1):
        params = proposer.ask(number).params
        near.append(params["mode"] == "c" or abs(params["width"] - 0.8) < 0.1)
        proposer.tell(number, Outcome("complete", [params["width"], 1 - params["width"]]))
    assert sum(near) >= 7, "uniform draws would give four"


@pytest.mark.parametrize("sampler", ["thompson", "tpe", "nsga2"])
def test_resumed_search_with_beliefs_proposes_what_an_uninterrupted_one_does(
    tmp_path: Path, sampler: str
) -> None:
    study = spec(tmp_path, sampler)
    first, second = Proposer(study), Proposer(study)
    told = []
    for number in range(1, 19):
        proposal = first.ask(number)
        result = Outcome("complete", [proposal.params["width"], len(proposal.params["mode"])])
        first.tell(number, result)
        told.append((proposal, result))
    for proposal, result in told[:12]:
        second.replay(proposal.to_json(), result)
    for number in range(13, 19):
        proposal = second.ask(number)
        assert proposal.params == told[number - 1][0].params
        second.tell(number, told[number - 1][1])


def test_wrong_belief_hides_no_better_region(tmp_path: Path) -> None:
    proposer = Proposer(spec(tmp_path, "{thompson: {startup_trials: 5}}"))
    late = []
    for number in range(1, 31):
        params = proposer.ask(number).params
        error = (params["width"] - 0.2) ** 2
        proposer.tell(number, Outcome("complete", [error, error]))
        late.append(abs(params["width"] - 0.2) < 0.1)
    assert sum(late[20:]) >= 5


def test_proposals_without_beliefs_stay_as_they_were(tmp_path: Path) -> None:
    text = STUDY.replace("prior: {width: 0.8 +- 0.05, mode: c}\n", "")
    proposer = Proposer(spec(tmp_path, "evolution", text))
    widths = []
    for number in range(1, 9):
        proposal = proposer.ask(number)
        assert set(proposal.to_json()) == {"params", "attributes"}
        widths.append(round(proposal.params["width"], 6))
        proposer.tell(number, Outcome("complete", [proposal.params["width"], 1.0]))
    assert widths == WIDTHS
