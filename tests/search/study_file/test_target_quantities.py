"""Names of quantities in a study with targets."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.study.quantity import Quantity
from paretune.search.study_file.loading import load_study
from paretune.search.study_file.target_quantities import TargetQuantities
from support.studies import problems
from support.study_texts import TWO_TARGETS


def test_short_names_mean_the_first_target(two_targets: Path) -> None:
    spec = load_study(two_targets)

    names = [o.name for o in spec.objectives]
    assert names == ["accuracy@a", "latency@a", "latency@b", "size@a"]
    assert [c.quantity for c in spec.constraints] == ["size@b", "accuracy@a", "parameters"]
    assert spec.goals[0].quantity == "size@a"
    assert spec.goals[0].text == "size <= 0.9 x baseline"


def test_units_contain_those_of_every_target() -> None:
    local_units = {"latency": "ms", "macs": "MACs"}

    assert TargetQuantities([]).units(local_units) == local_units
    assert TargetQuantities(["a", "b"]).units(local_units) == {
        "latency@a": "ms",
        "latency@b": "ms",
        "macs": "MACs",
    }


def test_full_name_has_no_target_when_the_model_alone_decides() -> None:
    quantities = TargetQuantities(["a", "b"])

    for name, full_name in (("latency", "latency@a"), ("latency@b", "latency@b"), ("macs", "macs")):
        quantity = Quantity.of(name)
        assert quantities.name(quantity, quantity.entry()) == full_name


@pytest.mark.parametrize(
    ("override", "key", "text"),
    [
        (
            "objectives.latency@c=minimize",
            "objectives.latency@c",
            'unknown target "c". Known: a, b.',
        ),
        (
            "objectives.macs@a=minimize",
            "objectives.macs@a",
            "macs is the same for every target, as the model alone decides it; write macs",
        ),
        (
            "objectives.latency@a=minimize",
            "objectives.latency@a",
            "is latency@a, which is given already",
        ),
        (
            'constraints=["latency@nowhere <= 1 ms"]',
            "constraints.0",
            'unknown target "nowhere". Known: a, b.',
        ),
        (
            'goals=["parameters@a <= 1 M"]',
            "goals.0",
            "parameters is the same for every target",
        ),
        ('constraints=["latncy@a <= 1 ms"]', "constraints.0", 'unknown objective "latncy@a"'),
        ('constraints=["size.nonsense@a <= 1 KB"]', "constraints.0", 'no "nonsense"'),
    ],
)
def test_mistake_is_refused_with_its_key(
    two_targets: Path, override: str, key: str, text: str
) -> None:
    lines = "\n".join(problems(two_targets, override))

    assert f": {key}: " in lines
    assert text in lines


def test_mistake_is_refused_with_its_line(two_targets: Path) -> None:
    old = "  latency@b: {minimize: p50, seconds: 0.1, references: false}"
    line = TWO_TARGETS.splitlines().index(old) + 1
    two_targets.write_text(TWO_TARGETS.replace("latency@b:", "latency@nowhere:"))

    lines = "\n".join(problems(two_targets))

    assert f"two.yaml:{line}: objectives.latency@nowhere: unknown target" in lines


def test_target_is_refused_when_the_study_has_one_runtime(tiny: Path) -> None:
    lines = "\n".join(problems(tiny, "objectives.latency@phone=minimize"))

    assert (
        'there is no target "phone", as the study has one runtime; write latency, or give' in lines
    )
