"""Requests that cannot be right are refused before anything is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.command_line import invoke
from support.preflight_studies import STUDY

GOAL = ("--goal", "latency <= 0.5 x baseline")
TIME = ("--time", "10m")


@pytest.fixture(name="study")
def study_fixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Writes small.yaml into the current folder."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "small.yaml"
    file.write_text(STUDY)
    return file


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (("small.yaml", *TIME), ["there is no goal", "--goal"]),
        (("small.yaml", *GOAL), ["give --time, for example --time 1h"]),
        (("small.yaml", *GOAL, "--time", "soon"), ["--time soon", "give a time such as 2h"]),
        (("small.yaml", *TIME, "--goal", "speed <= 2"), ['--goal "speed <= 2"', "speed"]),
        (("small.yaml", *TIME, "--goal", "latency <= 2 kg"), ['"latency <= 2 kg"', "unit"]),
        (("small.yaml", *TIME, "--goal", "faster"), ['"faster" is not a constraint']),
        (
            ("small.yaml", *TIME, *GOAL, "--goal", "latency >= 0.6 x baseline"),
            ["contradict each other"],
        ),
        (("small.yaml", *TIME, *GOAL, "--data", "digits"), ["--data: the study file names it"]),
        (("small.yaml", *TIME, *GOAL, "--task", "t:T"), ["--task: the study file names it"]),
        (("gone.yaml", *TIME, *GOAL), ["gone.yaml: there is no such study file"]),
        (("net.pt", *TIME, *GOAL), ["net.pt: this is a file of weights", "--checkpoint net.pt"]),
        ((".", *TIME, *GOAL), ["this is a folder"]),
        ((*TIME, *GOAL), ["give a MODEL such as torchvision:mobilenet_v2"]),
        (("simple_cnn", "--data", "digits", *TIME), ["give at least one --goal"]),
        (("simple_cnn", "--data", "digits", *GOAL), ["give --time"]),
        (
            ("simple_cnn", "--data", "digits", *GOAL, *TIME, "--goal", "latency >= 2 x baseline"),
            ["contradict each other"],
        ),
        (("simple_cnn", "--data", "digits", *GOAL, "--time", "x"), ["--time x", "give a time"]),
        (("simple_cnn", "--data", "digits", *TIME, "--goal", "fast"), ["is not a constraint"]),
        (("simple_cmn", "--data", "digits", *GOAL, *TIME), ["simple_cmn", "simple_cnn"]),
        (("simple_cnn", "--data", "digit", *GOAL, *TIME), ["digit", "digits"]),
    ],
)
def test_request_is_refused_with_what_to_type(
    study: Path, arguments: tuple[str, ...], texts: list[str]
) -> None:
    before = study.read_text()
    result = invoke("optimize", *arguments, "-o", "out")
    assert result.code == 2, result.err
    for text in texts:
        assert text in result.err
    assert "Traceback" not in result.err
    assert study.read_text() == before
    assert sorted(path.name for path in study.parent.iterdir()) == ["small.yaml"]


def test_output_that_is_not_empty_is_refused(study: Path) -> None:
    (study.parent / "out").mkdir()
    (study.parent / "out" / "mine.txt").write_text("mine")
    result = invoke("optimize", study, *GOAL, *TIME, "-o", "out")
    assert result.code == 2
    assert "-o out: the folder is not empty" in result.err
    result = invoke("optimize", "simple_cnn", "--data", "digits", *GOAL, *TIME, "-o", "out")
    assert result.code == 2
    assert "-o out: the folder is not empty" in result.err
    (study.parent / "file").write_text("")
    result = invoke("optimize", study, *GOAL, *TIME, "-o", "file")
    assert result.code == 2
    assert "-o file: this is a file; give a folder" in result.err


def test_study_with_an_own_trainer_is_refused(study: Path) -> None:
    (study.parent / "trainer.py").write_text("def evaluate(plan, report):\n    return {'e': 1.0}\n")
    study.write_text(
        'study: own\nevaluate: "trainer:evaluate"\nspace: {x: {float: [0, 1]}}\n'
        "objectives: {e: {minimize: mm, worst: 2}}\ngoals: ['e <= 1']\n"
    )
    result = invoke("optimize", study, *TIME, "-o", "out")
    assert result.code == 2
    assert "own trainer" in result.err and "paretune run" in result.err


def test_short_time_is_refused_with_the_figure_before_the_baseline(study: Path) -> None:
    result = invoke("optimize", study, *GOAL, "--time", "3s", "-o", "out")
    assert result.code == 2
    assert "--time 3s is too short for the baseline and one trial" in result.err
    assert "give at least --time" in result.err
    assert not (study.parent / "small" / "study.db").exists()


def test_study_of_another_model_in_the_place_is_refused(study: Path) -> None:
    from paretune.search.optimizing.request import OptimizeRequest
    from paretune.search.optimizing.working_study import _write_request

    request = OptimizeRequest("resnet", Path("out"), ("size <= 1 MB",), "1h", data="digits")
    _write_request(request, 1.0)
    request.file.write_text(STUDY)
    result = invoke(
        "optimize", "simple_cnn", "--data", "digits", *GOAL, *TIME, "-o", study.parent / "out"
    )
    assert result.code == 2
    assert "is a study of model resnet, not simple_cnn" in result.err
    (study.parent / "out.study" / "optimize.json").unlink()
    result = invoke("optimize", "simple_cnn", "--data", "digits", *GOAL, *TIME, "-o", "out")
    assert result.code == 2
    assert "is not of `paretune optimize`" in result.err
