"""The sections `first` and `prior`: what they mean, and mistakes with line and nearest name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.study.beliefs import NumberBelief, OptionBelief
from paretune.search.study_file.loading import load_study
from paretune.search.trial.resume_check import identity
from support.studies import problems


def study(small: Path, text: str) -> Path:
    small.write_text(small.read_text().replace("sampler: random, ", "") + text)
    return small


def test_first_holds_the_parameters_that_each_plan_decides(small: Path) -> None:
    text = """\
first:
  - {pruning: {structured: {ratio: 0.4}}, quantization: dynamic}
  - architecture.simple_cnn.width: 0.5
"""
    assert load_study(study(small, text)).first == (
        {"pruning": "structured", "pruning.structured.ratio": 0.4, "quantization": "dynamic"},
        {"architecture": "simple_cnn", "architecture.simple_cnn.width": "0.5"},
    )


def test_prior_holds_a_belief_for_each_parameter(small: Path) -> None:
    text = """\
prior:
  pruning: {structured: {ratio: 0.45 +- 0.07}, }
  finetune.optimizer.sgd.lr: 1e-2 x/ 10
  quantization: {dynamic: 3, none: 1}
  architecture: simple_cnn
"""
    assert load_study(study(small, text)).prior == {
        "pruning.structured.ratio": NumberBelief(pytest.approx(0.5), pytest.approx(0.1)),
        "finetune.optimizer.sgd.lr": NumberBelief(pytest.approx(0.5), pytest.approx(0.5)),
        "quantization": OptionBelief({"none": 0.25, "dynamic": 0.75}),
        "architecture": OptionBelief({"simple_cnn": 1.0, "separable_cnn": 0.0}),
    }


@pytest.mark.parametrize("text", ["first: []\n", "prior: {}\n", "first:\n", "prior:\n"])
def test_empty_section_is_no_belief(small: Path, text: str) -> None:
    spec = load_study(study(small, text))
    assert (spec.first, dict(spec.prior)) == ((), {})


@pytest.mark.parametrize(
    ("text", "key", "rule"),
    [
        ("first: 3\n", "first", "give a list of plans"),
        ("first: [static]\n", "first.0", "give values of parameters"),
        ("first: [{}]\n", "first.0", "give values of parameters"),
        (
            "first:\n  - quantization: none\n  - pruning: {structured: {ratoi: 0.4}}\n",
            "first.1.pruning.structured.ratoi",
            'did you mean "pruning.structured.ratio"?',
        ),
        ("first: [{quantization: statc}]\n", "first.0.quantization", "Known: none, dynamic."),
        ("prior: 3\n", "prior", "give a mapping"),
        ("prior: {ratio: 0.4}\n", "prior.ratio", "there is no such parameter"),
        (
            "prior: {pruning.structured.ratio: 0.9 +- 0.1}\n",
            "prior.pruning.structured.ratio",
            "must be from 0.1 to 0.8, got 0.9",
        ),
        (
            "prior: {pruning.structured.ratio: many}\n",
            "prior.pruning.structured.ratio",
            "give a number with its spread",
        ),
        (
            "prior: {pruning.structured.round_to: 4}\n",
            "prior.pruning.structured.round_to",
            "is not searched",
        ),
        ("prior: {quantization: {dynamic: -1}}\n", "prior.quantization.dynamic", "at least 0"),
        ("prior: {quantization: {dynamic: 0}}\n", "prior.quantization", "a weight above 0"),
        ("prior: {quantization: {dinamic: 1}}\n", "prior.quantization.dinamic", '"dynamic"?'),
        (
            "prior: {pruning.structured.ratio: 0.4, pruning: {structured: {ratio: 0.5}}}\n",
            "prior.pruning.structured.ratio",
            "is given twice",
        ),
    ],
)
def test_mistake_is_reported_with_its_line(small: Path, text: str, key: str, rule: str) -> None:
    file = study(small, text)
    [problem] = problems(file)
    lines = file.read_text().splitlines()
    last = key.rpartition(".")[2]
    where, _, rest = problem.removeprefix(f"{file}:").partition(": ")
    assert rest.startswith(f"{key}: ") and rule in rest
    assert last.isdigit() or last in lines[int(where) - 1]


@pytest.mark.parametrize("sampler", ["random", "qmc", "grid"])
def test_sampler_that_cannot_use_a_prior_is_named(small: Path, sampler: str) -> None:
    file = study(small, "prior: {quantization: dynamic}\n")
    found = problems(file, f"search.sampler={sampler}")
    assert any(f"prior: the sampler {sampler} " in problem for problem in found)


def test_beliefs_may_change_between_two_runs(small: Path) -> None:
    before = identity(load_study(study(small, "")))
    text = "first: [{quantization: none}]\nprior: {quantization: dynamic}\n"
    assert identity(load_study(study(small, text))) == before


def test_check_shows_first_and_prior(small: Path, cli: Any) -> None:
    file = study(
        small,
        "first: [{quantization: none}]\n"
        "prior: {quantization: {dynamic: 3, none: 1}, pruning.structured.ratio: 0.4 +- 0.1}\n",
    )
    output = cli("check", file)
    assert output.code == 0, output.err
    assert "quantization: none" in output.out
    assert "quantization: dynamic 75 %, none 25 %" in output.out
    assert "pruning.structured.ratio: 0.4, mostly from 0.3 to 0.5" in output.out
