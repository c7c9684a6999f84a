"""The baseline's own architecture starts from its checkpoint; others need a recipe or weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.study.plan import Plan, make_plan
from paretune.search.study_file.check import check_info
from paretune.search.study_file.loading import load_study
from paretune.search.study_file.starting_weights import may_be
from paretune.spaces.domains import Choice, Fixed, Float, Int, Items, Record, assign, assignments
from support.studies import problems

STUDY = """\
data: digits
baseline: {architecture: BASELINE, checkpoint: net.pt}
space:
  architecture: SEARCHED
  quantization: {choice: [none, dynamic]}
objectives: {accuracy: maximize, size: minimize}
"""

OWN = '{python: "net:Net", args: {width: 8, drop: 0.1}}'


@pytest.fixture
def study(tmp_path: Path) -> Any:
    (tmp_path / "net.pt").write_bytes(b"")

    def make(searched: str, baseline: str = OWN, more: str = "") -> Path:
        file = tmp_path / "study.yaml"
        text = STUDY.replace("BASELINE", baseline).replace("SEARCHED", searched)
        file.write_text(text.replace("space:\n", f"space:\n{more}"))
        return file

    return make


def plans(file: Path) -> list[Plan]:
    spec = load_study(file)
    return [
        make_plan(assign(spec.space, lambda name, _, a=a: a[name]), spec.runtime)  # type: ignore[misc]
        for a in assignments(spec.space)
    ]


def starts(file: Path) -> list[tuple[str, Any]]:
    """Returns (architecture, checkpoint) of every plan that is not quantized."""
    first = [plan.stages[0].params for plan in plans(file) if plan.stage("quantize") is None]
    return [(next(iter(params["architecture"])), params["checkpoint"]) for params in first]


@pytest.mark.parametrize(
    ("searched", "expected"),
    [
        (OWN, [("python", "net.pt")]),
        ('{python: {factory: "net:Net", args: {drop: 0.1, width: 8}}}', [("python", "net.pt")]),
        (f"{{choice: [{OWN}]}}", [("python", "net.pt")]),
        (
            f"{{choice: [{OWN}, {{torchvision: resnet18, weights: DEFAULT}}]}}",
            [("python", "net.pt"), ("torchvision", None)],
        ),
        (f'{{choice: [{OWN}, {{python: "other:Net"}}]}}', [("python", "net.pt"), ("python", None)]),
        ('{python: "net:Net", args: {width: {choice: [8]}, drop: 0.1}}', [("python", "net.pt")]),
        (
            '{python: "net:Net", args: {width: {int: [8, 8]}, drop: {float: [0.1, 0.1]}}}',
            [("python", "net.pt")],
        ),
    ],
)
def test_equal_architecture_starts_from_the_checkpoint(
    study: Any, searched: str, expected: list[tuple[str, Any]]
) -> None:
    assert starts(study(searched)) == expected


def test_built_in_architecture_is_equal_after_its_defaults(study: Any) -> None:
    file = study("{simple_cnn: {width: 1}}", baseline="simple_cnn")
    assert starts(file) == [("simple_cnn", "net.pt")]


def test_one_set_of_weights_in_a_file_reaches_the_plans(study: Any) -> None:
    file = study(OWN)
    file.write_text(file.read_text().replace("net.pt", "{file: net.pt, key: .ema.}"))
    assert starts(file) == [("python", {"file": "net.pt", "key": "ema"})]


@pytest.mark.parametrize(
    ("searched", "network"),
    [
        ("resnet", "resnet"),
        (
            '{python: "net:Net", args: {width: {choice: [8, 16]}, drop: 0.1}}',
            "python with args {'width': 16, 'drop': 0.1}, the baseline's is {'width': 8, "
            "'drop': 0.1}",
        ),
        ('{python: "net:Net"}', "python with args {}, the baseline's is"),
        ('{python: "net:Net", args: {width: 8, drop: {float: [0.1, 0.5]}}}', "python with args"),
        (f"{{choice: [{OWN}, {{torchvision: resnet18}}]}}", "torchvision"),
        ("{torchvision: resnet18, weights: {choice: [null, DEFAULT]}}", "torchvision"),
    ],
)
def test_architecture_without_weights_is_refused(study: Any, searched: str, network: str) -> None:
    [problem] = problems(study(searched))
    assert "space.architecture: other architectures need training; give space.pretrain" in problem
    assert f"there are no weights for {network}" in problem


def test_searched_architectures_are_trained_from_their_first_weights_by_a_recipe(
    study: Any,
) -> None:
    file = study(OWN, more="  pretrain: {epochs: 1}\n")
    assert starts(file) == [("python", None)]
    [note] = [n for n in check_info(load_study(file)).notes if "space.pretrain" in n]
    assert "leave architecture out to start from the checkpoint" in note


def test_recipe_continues_from_the_checkpoint_when_no_architecture_is_searched(
    study: Any,
) -> None:
    file = study("", more="  pretrain: {epochs: 1}\n")
    assert starts(file) == [("python", "net.pt")]
    assert any("continues the training" in note for note in check_info(load_study(file)).notes)


def test_space_without_a_checkpoint_is_stored_as_before(study: Any) -> None:
    file = study("simple_cnn", baseline="simple_cnn", more="  pretrain: {epochs: 1}\n")
    space = load_study(file, ["baseline={architecture: simple_cnn, pretrain: {epochs: 1}}"]).space
    assert isinstance(space, Record)
    assert dict(space.fields)["checkpoint"] == Fixed(None)


@pytest.mark.parametrize(
    ("node", "value", "expected"),
    [
        (Fixed(1), 1, True),
        (Float(0.1, 0.5), 0.3, True),
        (Int(1, 3), 4, False),
        (Items((Fixed(1), Int(2, 3))), [1, 3], True),
        (Items((Fixed(1),)), [1, 2], False),
        (Record((("a", Fixed(1)),)), {"a": 1, "b": 2}, False),
        (Choice((("x", Fixed("x")), ("y", Float(0, 1)))), 0.5, True),
        (Float(0, 1), "half", False),
    ],
)
def test_may_be(node: Any, value: Any, expected: bool) -> None:
    assert may_be(node, value) is expected


# -- paths -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("net.pt", "net.pt"),
        ("./net.pt", "net.pt"),
        ("../FOLDER/net.pt", "net.pt"),
        ("FULL/net.pt", "net.pt"),
        ("../other.pt", "../other.pt"),
        ("PARENT/other.pt", "PARENT/other.pt"),
    ],
)
def test_path_is_relative_to_the_study_file_where_possible(
    tmp_path: Path, written: str, stored: str
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "net.pt").write_bytes(b"")
    (tmp_path / "other.pt").write_bytes(b"")
    names = {"FOLDER": "study", "FULL": str(folder), "PARENT": str(tmp_path)}
    for name, path in names.items():
        written, stored = written.replace(name, path), stored.replace(name, path)
    file = folder / "study.yaml"
    file.write_text(
        STUDY.replace("BASELINE", OWN).replace("SEARCHED", "null").replace("net.pt", written)
    )
    assert load_study(file).baseline.checkpoint == stored


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("{file: net.pt}", "baseline.checkpoint: give the keys that lead to the weights"),
        ("{key: ema}", '"file" is missing'),
        ("{file: no.pt, key: ema}", "baseline.checkpoint.file: "),
        ("{file: net.pt, key: 3}", "baseline.checkpoint.key: give the keys"),
        (".", "is a folder; give the file with the weights"),
    ],
)
def test_mistake_in_a_checkpoint_is_refused(study: Any, value: str, text: str) -> None:
    file = study(OWN)
    file.write_text(file.read_text().replace("net.pt", value))
    [problem] = problems(file)
    assert text in problem
