"""Made-up trials of a small space, for the rules of rounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.optimizing.evidence import Evidence
from paretune.search.study.records import Axis, StudyRecord, TrialRecord
from paretune.spaces.domains import Choice, Fixed, Float, Int, Node, Record

AXES = (Axis("accuracy", "fraction", "higher"), Axis("latency", "ms", "lower"))
BASE = {"accuracy": 0.95, "latency": 2.0}

SPACE: dict[str, Any] = {
    "architecture": {"simple_cnn": {"width": {"choice": [0.25, 0.5, 1.0]}}},
    "pruning": {
        "choice": {
            "none": {},
            "structured": {"ratio": {"float": [0.1, 0.5]}, "round_to": 8},
        }
    },
    "finetune": {
        "optimizer": {"adamw": {"lr": {"float": [1e-4, 1e-2], "log": True}}},
        "epochs": 12,
    },
    "quantization": {"choice": ["none", "dynamic", "static"]},
}
"""A section `space` as plain data; TREE is what is read from it."""


def tree(
    widths: tuple[str, ...] = ("0.25", "0.5", "1.0"),
    ratio: tuple[float, float] = (0.1, 0.5),
    formats: tuple[str, ...] = ("none", "dynamic", "static"),
    steps: Node | None = None,
) -> Record:
    """Returns the tree of SPACE, with other domains."""
    structured: tuple[tuple[str, Node], ...] = (("ratio", Float(*ratio)), ("round_to", Fixed(8)))
    if steps is not None:
        structured = (*structured, ("steps", steps))
    width = Choice(tuple((label, Fixed(float(label))) for label in widths))
    return Record(
        (
            ("architecture", Record((("simple_cnn", Record((("width", width),))),))),
            ("pretrain", Fixed(None)),
            (
                "pruning",
                Choice(
                    (
                        ("none", Record((("none", Record(())),))),
                        ("structured", Record((("structured", Record(structured)),))),
                    )
                ),
            ),
            (
                "finetune",
                Record(
                    (
                        ("epochs", Fixed(12)),
                        (
                            "optimizer",
                            Record((("adamw", Record((("lr", Float(1e-4, 1e-2, log=True)),))),)),
                        ),
                    )
                ),
            ),
            (
                "quantization",
                Choice(tuple((f, Record(((f, Record(())),))) for f in formats)),
            ),
        )
    )


TREE = tree()

STEPS = Int(1, 4)


def trial_of(
    number: int,
    chance: float = 0.0,
    best: bool = False,
    impossible: bool = False,
    **params: Any,
) -> Evidence:
    """Returns a finished trial; `__` in a keyword stands for a dot of the parameter's name."""
    named = {name.replace("__", "."): value for name, value in params.items()}
    return Evidence(number, named, chance, epochs=3, impossible=impossible, best=best)


def measured(
    accuracy: float, latency: float, half: float = 0.002, count: int = 400
) -> dict[str, Measurement]:
    """Returns measurements whose accuracy has an interval of +- `half`, and latency 1 %."""
    return {
        "accuracy": Measurement(
            "accuracy", accuracy, "fraction", "higher", accuracy - half, accuracy + half, count
        ),
        "latency": Measurement(
            "latency", latency, "ms", "lower", latency * 0.99, latency * 1.01, count
        ),
    }


def complete(
    number: int,
    accuracy: float,
    latency: float,
    params: Mapping[str, Any] | None = None,
    epochs: int = 3,
    violations: Mapping[str, float] | None = None,
    half: float = 0.002,
) -> TrialRecord:
    """Returns a complete trial."""
    return TrialRecord(
        number,
        "complete",
        params or {},
        [
            {
                "kind": "pretrain",
                "params": {"architecture": {"simple_cnn": {"width": 0.5}}, "recipe": None},
            },
            {"kind": "finetune", "params": {"recipe": {"epochs": epochs}}},
        ],
        {"accuracy": accuracy, "latency": latency},
        measured(accuracy, latency, half),
        violations=violations or {},
        started=10.0 * number,
        finished=10.0 * number + 8,
        seconds={"finetune": 6.0, "deploy": 1.0, "measure": 1.0},
    )


def record_of_trials(*trials: TrialRecord) -> StudyRecord:
    """Returns a study of these trials, with the baseline BASE as trial 0."""
    baseline = complete(0, BASE["accuracy"], BASE["latency"])
    return StudyRecord("made-up", {"study": "made-up"}, AXES, (baseline, *trials))
