"""`paretune check` describes a study, without heavy imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from paretune.search.study.plan import make_plan
from paretune.search.study.spec import StudySpec
from paretune.search.study_file.check import check_info, domain_text, plans_text
from paretune.search.study_file.loading import load_study
from paretune.spaces.domains import (
    Choice,
    Domain,
    Fixed,
    Float,
    Int,
    Node,
    Record,
    assign,
    assignments,
)

REPOSITORY = Path(__file__).parents[3]

STUDY = """\
study: small
data: {digits: {validation: 0.1}}
baseline:
  architecture: simple_cnn
  pretrain: {epochs: 2}
space:
  architecture:
    choice:
      simple_cnn: {width: {choice: [0.25, 0.5]}}
      separable_cnn: {width: {float: [0.5, 1.0], step: 0.25}}
  pruning:
    choice:
      none: {}
      structured: {ratio: {float: [0.1, 0.8]}}
  distillation: {choice: [none, logits]}
  finetune:
    optimizer: {choice: {sgd: {lr: {float: [1e-3, 1e-1], log: true}}, adamw: {}}}
    epochs: {int: [1, 4]}
  quantization: {choice: [none, dynamic]}
objectives:
  accuracy: maximize
  latency: {minimize: p90, batch: 4}
  size: minimize
constraints: ["accuracy >= baseline - 3%"]
goals: ["macs <= 0.5 x baseline"]
search: {sampler: random, seed: 7}
budget: {trials: 10, time: 1h}
"""

FINITE = [
    "space.pruning={choice: {none: {}, structured: {ratio: {float: [0.1, 0.5], step: 0.2}}}}",
    "space.finetune.optimizer={choice: [sgd, adamw]}",
]


def study(tmp_path: Path, *overrides: str) -> StudySpec:
    file = tmp_path / "small.yaml"
    file.write_text(STUDY)
    return load_study(file, overrides)


def test_parameters_show_domain_and_condition(tmp_path: Path) -> None:
    info = check_info(study(tmp_path))

    assert [(p.name, p.domain, p.condition) for p in info.parameters] == [
        ("architecture", "simple_cnn | separable_cnn", ""),
        ("architecture.simple_cnn.width", "0.25 | 0.5", "architecture = simple_cnn"),
        ("architecture.separable_cnn.width", "0.5 .. 1, step 0.25", "architecture = separable_cnn"),
        ("pruning", "none | structured", ""),
        ("pruning.structured.ratio", "0.1 .. 0.8", "pruning = structured"),
        ("distillation", "none | logits", ""),
        ("finetune.epochs", "int 1 .. 4", ""),
        ("finetune.optimizer", "sgd | adamw", ""),
        ("finetune.optimizer.sgd.lr", "0.001 .. 0.1, log", "finetune.optimizer = sgd"),
        ("quantization", "none | dynamic", ""),
    ]


def test_facts_are_shown_with_their_units(tmp_path: Path) -> None:
    info = check_info(study(tmp_path))

    assert info.study == "small"
    assert info.data.startswith("digits (validation 0.1")
    assert "unseen" not in info.data  # nothing is typed
    assert info.baseline == "simple_cnn (width 1.0), trained 2 epochs"
    assert info.objectives[0].startswith("maximize accuracy [fraction]")
    assert info.objectives[1].startswith("minimize latency [ms] (statistic p90, batch 4")
    assert info.objectives[2] == "minimize size [bytes]"
    assert info.constraints == ("accuracy >= baseline - 3%",)
    assert info.goals == ("macs <= 0.5 x baseline",)
    assert info.runtime == "onnxruntime (provider cpu, threads 1)"
    assert info.sampler == "random, seed 7"
    assert info.budget == "10 trials, 3600 s per run"
    assert info.folder == str(tmp_path / "small")
    assert info.storage == f"sqlite:///{tmp_path}/small/study.db"
    assert info.notes == ("measured for constraints or goals only: macs",)


def test_info_can_be_written_as_json(tmp_path: Path) -> None:
    info = check_info(study(tmp_path))

    again = json.loads(json.dumps(info.to_json()))

    assert again["parameters"][0]["name"] == "architecture"
    unchanged = {"change", "files"}  # a study that is new, and has no store
    assert set(again) == set(info.__dataclass_fields__) - unchanged


ALL = ("pretrain (2 epochs)", "prune", "finetune, distilled", "quantize")
END = ("deploy to onnxruntime", "measure")


@pytest.mark.parametrize(
    ("overrides", "stages"),
    [
        ([], ALL),
        (["space.finetune.epochs=3"], (*ALL[:2], "finetune (3 epochs), distilled", ALL[3])),
        (["space.distillation=none"], (*ALL[:2], "finetune", ALL[3])),
        (["space.distillation="], (*ALL[:2], "finetune", ALL[3])),
        (["space.distillation={choice: [none]}"], (*ALL[:2], "finetune", ALL[3])),
        (["space.pruning=none"], (ALL[0], *ALL[2:])),
        (["space.pruning="], (ALL[0], *ALL[2:])),
        (["space.pruning={structured: {ratio: 0.5}}"], ALL),
        (["space.quantization=none"], ALL[:3]),
        (["space.quantization=dynamic"], ALL),
        (["space.finetune=", "space.distillation="], (*ALL[:2], ALL[3])),
        (["space.finetune.epochs=0"], (*ALL[:2], ALL[3])),
        (["space.pretrain={epochs: 5}"], ("pretrain (5 epochs)", *ALL[1:])),
        (["space.pretrain={epochs: {int: [1, 2]}}"], ("pretrain", *ALL[1:])),
    ],
)
def test_stages_include_those_of_every_plan(
    tmp_path: Path, overrides: list[str], stages: tuple[str, ...]
) -> None:
    assert check_info(study(tmp_path, *overrides)).stages == (*stages, *END)


def test_stages_are_the_union_of_all_plans(tmp_path: Path) -> None:
    spec = study(tmp_path, *FINITE)

    kinds = {stage.kind for plan in plans(spec) for stage in plan.stages}

    shown = {text.split(" ")[0].split(",")[0] for text in check_info(spec).stages}
    assert kinds == shown - {"measure"}


def plans(spec: StudySpec) -> list[Any]:
    return [
        make_plan(assign(spec.space, lambda name, domain, a=a: a[name]), spec.runtime)
        for a in assignments(spec.space)
    ]


def test_number_of_plans_is_that_of_all_distinct_plans(tmp_path: Path) -> None:
    spec = study(tmp_path, *FINITE)

    keys = {plan.key for plan in plans(spec)}

    # (2 + 3 widths) x (none + 3 ratios) x 2 distillations x 2 optimizers x 4 epochs x 2
    assert len(keys) == 5 * 4 * 2 * 2 * 4 * 2
    assert check_info(spec).plans == "640 distinct plans"


def test_number_of_plans_is_unbounded_when_a_parameter_is_continuous(tmp_path: Path) -> None:
    info = check_info(study(tmp_path))

    # With ratio and learning rate fixed: 5 x 2 x 2 x 2 x 4 x 2.
    assert info.plans == "unbounded: 2 continuous parameters, 320 combinations of the others"


def test_number_of_plans_is_one_when_nothing_is_searched(tmp_path: Path) -> None:
    info = check_info(study(tmp_path, "space={}"))

    assert info.plans == "1 distinct plan"
    assert info.parameters == ()
    assert "the space has no parameter: its only plan is compared with the baseline" in info.notes


@pytest.mark.parametrize(
    ("space", "text"),
    [
        (Fixed(3), "1 distinct plan"),
        (Int(1, 5), "5 distinct plans"),
        (Int(0, 10, step=5), "3 distinct plans"),
        (Float(0.1, 0.3, step=0.1), "3 distinct plans"),
        (Float(0.5, 0.5), "1 distinct plan"),
        (Record((("a", Int(1, 1000)), ("b", Int(1, 1000)))), "1,000,000 distinct plans"),
        (Float(0, 1), "unbounded: 1 continuous parameter, 1 combinations of the others"),
        (
            Choice((("a", Float(0, 1)), ("b", Int(1, 4)))),
            "unbounded: 1 continuous parameter, 5 combinations of the others",
        ),
    ],
)
def test_number_of_plans_is_shown(space: Node, text: str) -> None:
    assert plans_text(space) == text


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        (Float(0.1, 0.8), "0.1 .. 0.8"),
        (Float(1e-4, 0.1, log=True), "0.0001 .. 0.1, log"),
        (Float(0.5, 1.0, step=0.25), "0.5 .. 1, step 0.25"),
        (Int(1, 4), "int 1 .. 4"),
        (Int(1, 64, log=True), "int 1 .. 64, log"),
        (Int(0, 10, step=5), "int 0 .. 10, step 5"),
        (Choice((("a", Fixed(1)), ("b", Fixed(2)))), "a | b"),
    ],
)
def test_domain_is_shown_in_words(domain: Domain, text: str) -> None:
    assert domain_text(domain) == text


HEAVY = {"torch", "torchvision", "optuna", "sqlalchemy", "onnx", "onnxruntime", "plotly", "scipy"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["check", "studies/quickstart.yaml"], "quickstart"), (["--help"], "paretune check")],
)
def test_command_imports_nothing_heavy(arguments: list[str], text: str) -> None:
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "paretune", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )

    imported = {
        line.rpartition("|")[2].strip().partition(".")[0]
        for line in process.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert process.returncode == 0
    assert text in process.stdout
    assert "click" in imported
    assert not imported & HEAVY


@pytest.mark.parametrize(
    ("runtime", "shown"),
    [
        ("runtime: onnxruntime", True),
        ("runtime: ncnn", False),
        ("targets: {pi: {ncnn: {}}, server: {onnxruntime: {}}}", True),
    ],
)
def test_note_of_a_format_is_shown_in_studies_of_its_runtime(
    small: Path, runtime: str, shown: bool
) -> None:
    text = small.read_text(encoding="utf-8").replace("runtime: onnxruntime", runtime)
    text = text.replace("[none, dynamic]", "[none, float16]")
    small.write_text(text.replace("size <= 20 KB", "macs <= 1e9"), encoding="utf-8")
    notes = check_info(load_study(small)).notes
    note = "float16: float16 halves the file; ONNX Runtime casts to float32 and is not faster"
    assert (note in notes) == shown
