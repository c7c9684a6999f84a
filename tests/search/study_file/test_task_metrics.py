"""Scores of tasks in study files: names, units, directions, and mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from paretune.search.measuring.gauge import Gauge
from paretune.search.study_file.loading import load_study
from paretune.task import Metric
from support.studies import problems

REGRESSION = """\
task: regression
data: {npz: values.npz}
baseline: {architecture: mlp, pretrain: {epochs: 1}}
space: {quantization: {choice: [none, dynamic]}}
objectives: {rmse: {minimize: mm}, size: minimize}
"""

OWN = """\
task: "plates:Plates"
baseline: {pretrain: {epochs: 1}}
space: {quantization: {choice: [none, dynamic]}}
objectives: {map50: maximize, cost: {minimize: EUR}, val/acc: maximize, size: minimize}
quantities: {gap: mm}
constraints: ["map50 >= baseline - 1%", "gap <= 3 mm", "rmse <= 1.1 x baseline"]
"""

TARGETS = "targets: {a: {onnxruntime: {}}, b: {onnxruntime: {threads: 2}}}\n"


@pytest.fixture
def study(tmp_path: Path) -> Any:
    """`study(text)` writes a study file, beside `plates.py`, and returns its path."""
    (tmp_path / "plates.py").write_text("class Plates:\n    pass\n")

    def write(text: str) -> Path:
        file = tmp_path / "study.yaml"
        file.write_text(text)
        return file

    return write


def test_scores_of_a_built_in_task_have_units_and_directions(study: Any) -> None:
    spec = load_study(study(REGRESSION + 'constraints: ["r2 >= baseline - 2%"]\n'))
    assert [(o.name, o.direction, o.unit) for o in spec.objectives] == [
        ("rmse", "minimize", "mm"),
        ("size", "minimize", "bytes"),
    ]
    assert {name: (m.unit, m.better) for name, m in spec.metrics.items()} == {
        "rmse": ("mm", "lower"),
        "r2": ("fraction", "higher"),
    }
    [constraint] = spec.constraints
    assert (constraint.quantity, constraint.bound.offset) == ("r2", -0.02)


def test_per_cent_of_a_score_that_is_no_fraction_is_relative(study: Any) -> None:
    spec = load_study(study(REGRESSION + 'constraints: ["rmse <= baseline + 2%"]\n'))
    assert spec.constraints[0].bound.factor == pytest.approx(1.02)
    assert spec.constraints[0].bound.offset == 0


def test_own_task_may_name_any_score(study: Any) -> None:
    spec = load_study(study(OWN))
    assert {n: Metric(m.unit, m.better) for n, m in spec.metrics.items()} == {
        "map50": Metric("fraction", "higher"),
        "cost": Metric("EUR", "lower"),
        "val/acc": Metric("fraction", "higher"),
        "gap": Metric("mm", "lower"),
        "rmse": Metric("", "lower"),
    }
    assert [o.name for o in spec.objectives] == ["map50", "cost", "val/acc", "size"]


def test_score_in_per_cent_is_bounded_and_shown_as_a_fraction(study: Any) -> None:
    text = OWN.replace("map50: maximize", 'map50: {maximize: "%"}').replace("gap: mm", 'gap: "%"')
    spec = load_study(study(text.replace("gap <= 3 mm", "gap <= 3%")))
    assert spec.objectives[0].unit == "fraction"
    assert [c.bound.offset for c in spec.constraints[:2]] == [-0.01, 0.03]
    assert Gauge.of(spec).metrics["map50"].unit == "%"


def test_accuracy_of_an_own_task_is_its_score(study: Any) -> None:
    spec = load_study(study(OWN.replace("map50: maximize", "accuracy: maximize")))
    gauge = Gauge.of(spec)
    assert "accuracy" not in dict(gauge.quantities)
    assert dict(gauge.quantities)["score"]["metrics"]["accuracy"] == {
        "unit": "fraction",
        "better": "higher",
    }


def test_score_is_measured_on_each_target(study: Any) -> None:
    text = TARGETS + REGRESSION.replace("rmse:", "rmse@b: minimize, rmse:").replace("mm", "")
    spec = load_study(study(text + 'constraints: ["mae@a <= 3"]\n'))
    assert [o.name for o in spec.objectives] == ["rmse@b", "rmse@a", "size@a"]
    for target, names in (("a", {"rmse", "mae"}), ("b", {"rmse"})):
        gauge = Gauge.of(spec, target, target == "a")
        assert set(dict(gauge.quantities)["score"]["metrics"]) == names


def test_one_measurement_gives_all_scores_of_a_study(study: Any) -> None:
    gauge = Gauge.of(load_study(study(OWN)))
    assert [name for name, _ in gauge.quantities].count("score") == 1
    assert [name for name, _ in gauge.quantities][-1] == "score"  # needs trained weights
    fixed, trained = gauge.split_by_training(["map50", "size"])
    assert [name for name, _ in fixed.quantities] == ["size"]
    assert [name for name, _ in trained.quantities] == ["score"]


MISTAKES = {
    "unknown": (
        REGRESSION,
        "objectives.rmsee=minimize",
        'unknown objective "rmsee"; did you mean "rmse"? Known: rmse, mae, r2, latency',
    ),
    "accuracy": (
        REGRESSION,
        "objectives.accuracy=maximize",
        "objectives.accuracy: accuracy needs task: classification; task regression has rmse, mae",
    ),
    "accuracy bound": (
        REGRESSION,
        'constraints=["accuracy.f1 >= 50%"]',
        "constraints.0: accuracy.f1 needs task: classification; task regression has rmse",
    ),
    "other task": (
        REGRESSION,
        "objectives.miou=maximize",
        "miou needs task: segmentation; task regression has rmse, mae, r2",
    ),
    "direction": (REGRESSION, "objectives.r2=minimize", "r2 is better when higher: write maximize"),
    "unit": (
        REGRESSION,
        'objectives.r2={"maximize":"mm"}',
        "objectives.r2.maximize: is measured in fraction: write maximize",
    ),
    "option": (
        REGRESSION,
        'objectives.mae={"minimize":null,"seconds":3}',
        "objectives.mae.seconds: unknown key. Known: minimize.",
    ),
    "target": (REGRESSION, "objectives.mae@b=minimize", 'there is no target "b"'),
    "quantities": (
        REGRESSION,
        'quantities={"gap":"mm"}',
        'quantities: is allowed only with evaluate: "pkg.mod:function", or with a task of your own',
    ),
    "word": (
        OWN,
        "objectives.cost=minimise",
        "objectives.cost: give a direction, maximize or {maximize: UNIT}, not 'minimise'",
    ),
    "own unit": (
        OWN,
        'objectives.cost={"minimize":3}',
        "objectives.cost.minimize: give a unit such as mm, not 3",
    ),
    "own name": (OWN, 'objectives={"my cost":"minimize"}', "give a name of letters, digits, _"),
    "own bound": (
        OWN,
        'constraints=["gapp <= 3"]',
        'unknown objective "gapp"; did you mean "gap"?',
    ),
    "own bound's unit": (
        OWN,
        'constraints=["depth <= 3"]',
        "If your score gives depth, name its unit: quantities: {depth: mm}",
    ),
    "own accuracy": (
        OWN,
        "objectives.accuracy.f1=maximize",
        "accuracy.f1 needs task: classification; here you name what the score of your task gives",
    ),
    "own quantities": (OWN, 'quantities={"gap":5}', "quantities.gap: give a unit such as mm"),
    "wrong unit": (OWN, 'constraints=["gap <= 3 ms"]', 'wrong unit "ms"; give mm'),
}


@pytest.mark.parametrize(("text", "override", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_mistake_is_named_with_what_to_type(
    study: Any, text: str, override: str, expected: str
) -> None:
    file = study(text)
    if override.startswith("objectives.accuracy.f1"):  # the dot would be a key of --set
        content = yaml.safe_load(text)
        content["objectives"]["accuracy.f1"] = "maximize"
        file, override = study(yaml.safe_dump(content)), "study=again"
    assert expected in "\n".join(problems(file, override))


def test_score_of_another_task_is_named_in_a_study_of_classification(study: Any) -> None:
    text = REGRESSION.replace("task: regression\n", "").replace("npz: values.npz", "digits: {}")
    text = text.replace("architecture: mlp", "architecture: simple_cnn")
    lines = problems(study(text), "search.seed=1")
    assert "rmse needs task: regression; task classification has accuracy" in "\n".join(lines)


def test_score_on_two_targets_has_one_unit(study: Any) -> None:
    text = TARGETS + REGRESSION.replace("rmse:", "rmse@b: {minimize: cm}, rmse:")
    lines = "\n".join(problems(study(text), "search.seed=1"))
    assert "give rmse the same unit and direction on every target" in lines
