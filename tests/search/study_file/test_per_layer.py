"""Ratios by layer: literals and domains, and one domain for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.study_file.check import domain_text
from paretune.search.study_file.loading import load_study
from paretune.search.study_file.problems import StudyFileError
from paretune.spaces.domains import parameters

STUDIES = Path(__file__).parents[3] / "studies"

PER_LAYER = "space.pruning={structured: {per_layer: %s}}"


def layer_domains(override: list[str]) -> dict[str, str]:
    spec = load_study(STUDIES / "quickstart.yaml", override)
    head = "pruning.structured.per_layer."
    return {
        p.name.removeprefix(head): domain_text(p.domain)
        for p in parameters(spec.space)
        if p.name.startswith(head)
    }


def test_ratios_of_layers_may_be_domains() -> None:
    given = PER_LAYER % '{"3": {float: [0, 0.8]}, "2/4": {choice: [0.25, 0.5]}, "0": 0.5}'
    assert layer_domains([given]) == {"3": "0 .. 0.8", "2/4": "0.25 | 0.5"}


def test_one_domain_stands_for_every_layer_of_the_one_architecture() -> None:
    override = ["space.architecture={resnet: {blocks: 1}}", PER_LAYER % "{float: [0, 0.8]}"]
    assert layer_domains(override) == dict.fromkeys(
        ["0", "3.conv1", "4.conv1", "4.conv2", "5.conv1", "5.conv2"], "0 .. 0.8"
    )


def test_one_domain_stands_for_eighths_of_several_architectures() -> None:
    override = [
        "space.architecture={choice: [simple_cnn, separable_cnn]}",
        PER_LAYER % "{float: [0, 0.8]}",
    ]
    assert layer_domains(override) == {f"{part}/8": "0 .. 0.8" for part in range(1, 9)}


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ('{"3": {float: [0, 1.5]}}', "must be less than 1"),
        ('{"3": {choice: [0.5, much]}}', "must be a valid number"),
        ('{"3": 1.5}', "must be less than 1"),
        ("{float: [0, 1.5]}", "must be less than 1"),
        ("7", "valid dictionary"),
    ],
    ids=str,
)
def test_ratios_of_layers_are_checked_at_load(given: str, problem: str) -> None:
    with pytest.raises(StudyFileError, match=problem):
        load_study(STUDIES / "quickstart.yaml", [PER_LAYER % given])


def test_one_domain_for_every_layer_needs_the_data(tmp_path: Path) -> None:
    override = ["space.architecture=simple_cnn", f"data={{npz: {tmp_path}/none.npz}}"]
    with pytest.raises(StudyFileError, match=r"every layer needs the data.*none.npz"):
        load_study(STUDIES / "quickstart.yaml", [*override, PER_LAYER % "{float: [0, 0.8]}"])
