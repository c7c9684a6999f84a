"""Values of some parameters, in the words of the section `space`, against a space."""

from __future__ import annotations

from typing import Any

import pytest

from paretune.search.study.partial_assignment import AssignmentError, SpaceNames
from paretune.spaces.domains import Choice, Fixed, Float, Int, Items, Record

STRUCTURED = Record((("ratio", Float(0.1, 0.8)), ("round_to", Fixed(4))))
SPACE = Record(
    (
        (
            "architecture",
            Choice(
                (
                    (
                        "small",
                        Record((("small", Record((("width", Float(0.25, 1.0, step=0.25)),))),)),
                    ),
                    ("mobilenet_v2", Record((("torchvision", Record((("x", Int(1, 9)),))),))),
                    ("resnet18", Record((("torchvision", Record((("y", Int(1, 9)),))),))),
                )
            ),
        ),
        (
            "pruning",
            Choice(
                (
                    ("none", Fixed({"none": {}})),
                    ("structured", Record((("structured", STRUCTURED),))),
                )
            ),
        ),
        ("finetune", Record((("epochs", Int(1, 9, step=2)), ("ema", Fixed(None))))),
        ("quantization", Fixed({"static": {}})),
        ("kernels", Items((Choice((("3", Fixed(3)), ("5", Fixed(5)))), Fixed(7)))),
        ("stages", Items((Record((("width", Int(1, 9)),)),))),
    )
)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (
            {"pruning": {"structured": {"ratio": 0.4}}},
            {"pruning": "structured", "pruning.structured.ratio": 0.4},
        ),
        (
            {"pruning.structured.ratio": 0.4},
            {"pruning": "structured", "pruning.structured.ratio": 0.4},
        ),
        ({"pruning": "structured"}, {"pruning": "structured"}),
        ({"pruning": {"structured": None}}, {"pruning": "structured"}),
        ({"pruning": None}, {"pruning": "none"}),
        ({"pruning": {"structured": {"round_to": 4}}}, {"pruning": "structured"}),
        (
            {"architecture.small.width": 1},
            {"architecture": "small", "architecture.small.width": 1.0},
        ),
        ({"architecture": {"torchvision": "resnet18"}}, {"architecture": "resnet18"}),
        ({"architecture": "resnet18"}, {"architecture": "resnet18"}),
        (
            {"architecture": "resnet18", "architecture.torchvision": {"y": 3}},
            {"architecture": "resnet18", "architecture.torchvision.y": 3},
        ),
        ({"finetune": {"epochs": 3, "ema": None}}, {"finetune.epochs": 3}),
        ({"quantization": "static"}, {}),
        ({"kernels.0": 5}, {"kernels.0": "5"}),
        ({"stages": [{"width": 2}]}, {"stages.0.width": 2}),
    ],
)
def test_assignment_has_the_typed_values_and_the_options_they_imply(
    typed: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert SpaceNames(SPACE).assignment(typed) == expected


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ({"prunning.structured.ratio": 0.4}, 'did you mean "pruning.structured.ratio"'),
        ({"pruning": "structred"}, '"structred" is not an option; did you mean "structured"'),
        ({"pruning.structured.ratio": 0.9}, "must be from 0.1 to 0.8, got 0.9"),
        ({"pruning.structured.ratio": "0.4"}, "give a number from 0.1 to 0.8, not '0.4'"),
        ({"pruning.structured.ratio": True}, "give a number from 0.1 to 0.8, not True"),
        ({"pruning.structured.round_to": 8}, "is fixed at 4 in the space, got 8"),
        ({"quantization": "dynamic"}, "is fixed at static in the space, got dynamic"),
        ({"architecture.small.width": 0.3}, "steps of 0.25 from 0.25; give 0.25"),
        ({"finetune.epochs": 4}, "steps of 2 from 1"),
        ({"finetune.epochs": 2.5}, "give an integer from 1 to 9"),
        ({"finetune.epochs": 11}, "must be from 1 to 9, got 11"),
        (
            {"pruning": "none", "pruning.structured.ratio": 0.4},
            "contradicts pruning: this one needs pruning: structured, that one pruning: none",
        ),
        ({"pruning": {"structured": 3}}, "is an option; give its parameters as a mapping, not 3"),
    ],
)
def test_value_outside_the_space_is_refused(typed: dict[str, Any], text: str) -> None:
    with pytest.raises(AssignmentError) as error:
        SpaceNames(SPACE).assignment(typed)
    assert text in str(error.value)


def test_refusal_has_the_keys_as_they_were_typed() -> None:
    with pytest.raises(AssignmentError) as error:
        SpaceNames(SPACE).assignment({"pruning": {"structured": {"ratio": 9}}})
    assert error.value.path == ("pruning", "structured", "ratio")
