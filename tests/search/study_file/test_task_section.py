"""The section `task`: its spellings, its mistakes, and the network that it brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from paretune.search.study.spec import StudySpec
from paretune.search.study_file.loading import load_study
from paretune.search.study_file.problems import StudyFileError
from paretune.search.tasks.python import NETWORK
from paretune.search.trial.resume_check import identity

OWN: dict[str, Any] = {
    "study": "own",
    "task": "plates:Plates",
    "space": {"finetune": {"epochs": 1}},
    "objectives": {"map50": "maximize", "size": "minimize"},
}


def load(tmp_path: Path, **sections: Any) -> StudySpec:
    content = {k: v for k, v in {**OWN, **sections}.items() if v is not None}
    file = tmp_path / "own.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load_study(file)


def problems(tmp_path: Path, **sections: Any) -> str:
    with pytest.raises(StudyFileError) as error:
        load(tmp_path, **sections)
    return "\n".join(error.value.problems)


@pytest.mark.parametrize(
    "spelling",
    [
        "plates:Plates",
        {"factory": "plates:Plates"},
        {"factory": "plates:Plates", "args": {}},
        {"python": "plates:Plates"},
        {"python": {"factory": "plates:Plates"}},
    ],
)
def test_own_task_is_read_in_each_spelling(tmp_path: Path, spelling: Any) -> None:
    spec = load(tmp_path, task=spelling)
    assert (spec.task.name, spec.task.params) == (
        "python",
        {"factory": "plates:Plates", "args": {}},
    )


def test_own_task_brings_the_baseline_s_network(tmp_path: Path) -> None:
    spec = load(tmp_path, task={"factory": "plates:Plates", "args": {"width": 8}})
    options = spec.baseline.architecture["python"]
    assert options["factory"] == NETWORK
    assert options["args"] == {"factory": "plates:Plates", "args": {"width": 8}}


def test_baseline_of_an_own_task_may_be_another_network(tmp_path: Path) -> None:
    baseline = {"architecture": {"python": "nets:Small"}, "pretrain": {"epochs": 2}}
    spec = load(tmp_path, baseline=baseline)
    assert spec.baseline.architecture["python"]["factory"] == "nets:Small"


def test_data_beside_an_own_task_is_refused(tmp_path: Path) -> None:
    assert "data: leave it out: the task python brings its own data" in problems(
        tmp_path, data="digits"
    )


def test_augmentation_of_an_own_task_s_batches_is_refused(tmp_path: Path) -> None:
    space = {"finetune": {"epochs": 1, "augment": {"flip": True}}}
    assert "a task with its own batches augments them itself" in problems(tmp_path, space=space)


def test_unknown_task_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    text = problems(tmp_path, task="segmentations", data="digits")
    assert 'unknown task "segmentations"; did you mean "segmentation"?' in text


def test_searched_task_is_refused(tmp_path: Path) -> None:
    task = {"segmentation": {"ignore": {"choice": [1, 2]}}}
    assert "task: takes fixed values; only `space` is searched" in problems(
        tmp_path, task=task, data="digits"
    )


def test_architecture_with_other_outputs_than_the_task_needs_is_refused(tmp_path: Path) -> None:
    text = problems(
        tmp_path,
        task="segmentation",
        data="digits",
        baseline={"architecture": "simple_cnn", "pretrain": {"epochs": 1}},
        objectives={"miou": "maximize"},
    )
    assert "simple_cnn gives one vector for each example" in text and "unet" in text


def test_identity_has_no_task_for_plain_classification(tmp_path: Path) -> None:
    sections = {
        "data": "digits",
        "baseline": {"architecture": "simple_cnn", "pretrain": {"epochs": 1}},
        "objectives": {"accuracy": "maximize"},
    }
    plain = identity(load(tmp_path, task=None, **sections))
    assert plain == identity(load(tmp_path, task="classification", **sections))
    assert "task" not in plain
    kept = load(tmp_path, task={"classification": {"keep": ["classifier"]}}, **sections)
    assert identity(kept)["task"] == {"classification": {"keep": ["classifier"]}}
