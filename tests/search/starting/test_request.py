"""Options of a request, as a study file has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.errors import UserError
from paretune.search.starting.request import InitRequest


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("simple_cnn", "simple_cnn"),
        ("resnet, width=32, blocks=2", {"resnet": {"width": 32, "blocks": 2}}),
        ("torchvision:mobilenet_v2", {"torchvision": "mobilenet_v2"}),
        ("timm:resnet18, pretrained=true", {"timm": "resnet18", "pretrained": True}),
        ("{resnet: {width: 8}}", {"resnet": {"width": 8}}),
    ],
)
def test_model_option_is_as_in_a_study_file(text: str, option: Any) -> None:
    assert InitRequest(model=text).model_option() == option


def test_model_option_of_own_code_takes_arguments() -> None:
    Path("net.py").write_text("class Net: ...\n")
    option = {"python": "net:Net", "args": {"width": 8}}
    assert InitRequest(model="net:Net, width=8").model_option() == option


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("digits", "digits"),
        ("torchvision:CIFAR10", {"torchvision": "CIFAR10"}),
        ("table:rents.csv, target=rent", {"table": "rents.csv", "target": "rent"}),
        ("python:pkg.mod:make", {"python": "pkg.mod:make"}),
        ("{images: photos, size: 96}", {"images": "photos", "size": 96}),
    ],
)
def test_data_option_is_as_in_a_study_file(text: str, option: Any) -> None:
    assert InitRequest(data=text).data_option() == option


@pytest.mark.parametrize(
    ("name", "reader"), [("a.npz", "npz"), ("photos", "images"), ("scenes", "masks")]
)
def test_data_option_of_a_path_tells_the_reader(name: str, reader: str) -> None:
    if "." in name:
        Path(name).write_bytes(b"")
    else:
        (Path(name) / "train" / ("masks" if reader == "masks" else "a")).mkdir(parents=True)
    assert InitRequest(data=name).data_option() == {reader: name}


def test_paths_become_relative_to_the_study_file() -> None:
    Path("photos").mkdir()
    Path("net.pt").write_bytes(b"")
    Path("studies").mkdir()
    request = InitRequest(data="images:photos", checkpoint="net.pt", output=Path("studies/a.yaml"))
    assert request.data_option() == {"images": "../photos"}
    assert request.checkpoint_option() == "../net.pt"


def test_targets_are_runtimes_by_name() -> None:
    request = InitRequest(targets=("phone=executorch", "server=onnxruntime, threads=2"))
    assert request.target_options() == {
        "phone": {"executorch": {}},
        "server": {"onnxruntime": {"threads": 2}},
    }


@pytest.mark.parametrize(
    ("task", "brings"),
    [(None, False), ("segmentation", False), ("plates:Plates", True),
     ("{lightning: {module: 'a:B'}}", True)],
)  # fmt: skip
def test_own_task_brings_its_data(task: str | None, brings: bool) -> None:
    assert InitRequest(task=task).brings_data is brings


@pytest.mark.parametrize(
    ("request_", "ask", "text"),
    [
        (InitRequest(), "model_option", r"--model: is missing; give torchvision:mobilenet_v2"),
        (InitRequest(), "data_option", r"--data: is missing; give images:FOLDER"),
        (InitRequest(model="tochvision:resnet18"), "model_option",
         r'there is no architecture "tochvision", and no module .*did you mean "torchvision"'),
        (InitRequest(data="imags:photos"), "data_option", r'did you mean "images"'),
        (InitRequest(model="{resnet"), "model_option", r"--model \{resnet: this is not YAML"),
        (InitRequest(targets=("phone",)), "target_options", r"give NAME=RUNTIME"),
        (InitRequest(targets=("a=torch",), runtime="torch"), "target_options", r"not both"),
        (InitRequest(task="a:B", checkpoint="x.pt"), "checkpoint_option", r"leave it out"),
        (InitRequest(output=Path("no/a.yaml")), "check_output", r"there is no folder .*no; make"),
        (InitRequest(output=Path("a.txt")), "check_output", r"give a file that ends with .yaml"),
        (InitRequest(output=Path()), "check_output", r"is a folder; give a file"),
    ],
)  # fmt: skip
def test_wrong_option_is_refused(request_: InitRequest, ask: str, text: str) -> None:
    with pytest.raises(UserError, match=text):
        getattr(request_, ask)()


def test_table_without_a_target_is_refused_with_its_columns() -> None:
    Path("a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(UserError, match=r"--data 'table:a.csv, target=y'. Its columns are x, y"):
        InitRequest(data="a.csv").data_option()


def test_existing_file_is_refused_without_force() -> None:
    Path("study.yaml").write_text("mine")
    with pytest.raises(UserError, match="the file exists; add --force"):
        InitRequest().check_output()
    InitRequest(force=True).check_output()


def test_unknown_task_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(UserError, match=r'did you mean "segmentation"\? Known: classification'):
        InitRequest(task="segmentatoin").task_option()
    with pytest.raises(UserError, match=r"--task \{bla: \{\}\}: there is no such task\. Known: "):
        InitRequest(task="{bla: {}}").task_option()
    assert InitRequest(task="plates:Plates").task_option() == "plates:Plates"
    assert InitRequest(task="segmentation, ignore=4").task_option() == {
        "segmentation": {"ignore": 4}
    }
