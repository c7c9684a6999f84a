"""A user's own techniques: by entry point of an installed package, and by dotted path."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.packages import make_wheel

ROOT = Path(__file__).parents[3]

MODULE = '''\
"""A tiny plugin: a network, a pruning that takes every second neuron, a loss."""

from typing import ClassVar

import torch
from pydantic import Field

from paretune.spaces.base import InfeasibleCandidate, Step
from paretune.spaces.distillation.base import DistillationParams
from paretune.spaces.params import Params as Base


class Perceptron:
    """One hidden layer."""

    version: ClassVar[int] = 1

    class Params(Base):
        hidden: int = Field(32, ge=2, le=1024, description="neurons")

    @staticmethod
    def build(params, shape, classes):
        channels, height, width = shape
        return torch.nn.Sequential(
            torch.nn.Flatten(),
            torch.nn.Linear(channels * height * width, params.hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(params.hidden, classes),
        )


class Halving:
    """Keeps every second neuron of the hidden layer."""

    name: ClassVar[str] = "halving"
    version: ClassVar[int] = 1
    note: ClassVar[str] = "half of the neurons go, whatever they do"

    class Params(Base):
        offset: int = Field(0, ge=0, le=1)

    @staticmethod
    def apply(candidate, params, context):
        if len(candidate.model) != 4:
            raise InfeasibleCandidate("halving needs a perceptron")
        model = Halving.rebuild(_copy(candidate.model), params, {}, candidate.shape)
        step = Step("halving", params.model_dump(), {"hidden": model[1].out_features})
        return candidate.with_step(model.eval(), step)

    @staticmethod
    def rebuild(model, params, info, shape):
        first, last = model[1], model[3]
        keep = torch.arange(params.offset, first.out_features, 2)
        narrow = torch.nn.Linear(first.in_features, len(keep))
        narrow.weight.data, narrow.bias.data = first.weight.data[keep], first.bias.data[keep]
        head = torch.nn.Linear(len(keep), last.out_features)
        head.weight.data, head.bias.data = last.weight.data[:, keep].contiguous(), last.bias.data
        model[1], model[3] = narrow, head
        return model


class Mimic:
    """Learns the teacher's logits by their squared distance."""

    version: ClassVar[int] = 1

    class Params(DistillationParams):
        weight: float = Field(1.0, ge=0, le=100)

    @staticmethod
    def loss(params, lesson):
        differences = lesson.student_logits - lesson.teacher_logits
        return lesson.label_loss + params.weight * differences.square().mean()


def _copy(model):
    import copy

    return copy.deepcopy(model)
'''

ENTRY_POINTS = """\
[paretune.architecture]
perceptron = tiny_plugin:Perceptron

[paretune.pruning]
halving = tiny_plugin:Halving

[paretune.distillation]
mimic = tiny_plugin:Mimic
"""

STUDY = """\
data: digits
baseline: {{architecture: {network}, pretrain: {{epochs: 1}}}}
space:
  architecture: {{{network}: {{hidden: {{choice: [16, 24]}}}}}}
  pruning: {{choice: [none, {pruning}]}}
  distillation: {{{loss}: {{weight: 0.1}}}}
  finetune: {{epochs: 1}}
objectives: {{accuracy: maximize, size: minimize}}
search: {{trials: 4, sampler: grid}}
"""


def study(network: str, pruning: str, loss: str = "mimic") -> str:
    """Returns a study file that uses the plugin."""
    return STUDY.format(network=network, pruning=pruning, loss=loss)


def installed(folder: Path, *wheels: Path) -> Path:
    """Returns the folder into which pip installs the wheels."""
    site = folder / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(site), *map(str, wheels)], check=True)
    return site


def environment_with(site: Path) -> dict[str, str]:
    """Returns the environment of a process that can import the packages in `site`."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(site)])}


def paretune(site: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process that can import the packages in `site`."""
    return subprocess.run(
        [sys.executable, "-m", "paretune", *map(str, arguments)],
        env=environment_with(site),
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugin")
    return installed(
        folder, make_wheel(folder, "tiny_plugin", {"tiny_plugin.py": MODULE}, ENTRY_POINTS)
    )


Results = dict[str, dict[str, Any]]
"""Command -> the fields of its CommandResult."""

INVOKE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from support.command_line import invoke
print(json.dumps([vars(invoke(*command)) for command in json.loads(sys.argv[2])]))
"""


@pytest.fixture(scope="module")
def results(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Results of commands that train nothing, in one process where the plugin is installed."""
    folder = tmp_path_factory.mktemp("results")
    right, wrong = folder / "plugged.yaml", folder / "misspelt.yaml"
    right.write_text(study("perceptron", "halving"))
    wrong.write_text(study("perceptron", "halvin"))
    commands = {
        "check": ["check", str(right)],
        "list": ["list", "techniques"],
        "misspelt": ["check", str(wrong)],
    }
    done = subprocess.run(
        [sys.executable, "-c", INVOKE, str(ROOT / "tests"), json.dumps([*commands.values()])],
        env=environment_with(site),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(zip(commands, json.loads(done.stdout), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "pruning", "loss"),
    [
        pytest.param("perceptron", "halving", "mimic", id="by-name"),
        pytest.param(
            '"tiny_plugin:Perceptron"',
            '"tiny_plugin:Halving"',
            '"tiny_plugin:Mimic"',
            id="by-dotted-path",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_plugin_is_searched_like_a_built_in_technique(
    network: str, pruning: str, loss: str, site: Path, tmp_path: Path
) -> None:
    file = tmp_path / "plugged.yaml"
    file.write_text(study(network, pruning, loss))
    result = paretune(site, "run", file)
    assert result.returncode == 0, result.stderr
    states, halved = trials_of(file)
    assert states == ["complete"] * 5
    out = tmp_path / "exported"  # goes through the stage cache, and so through `rebuild`
    how = ["--pick", halved, "--to", "onnx,torchscript", "--no-latency", "-o", out]
    result = paretune(site, "export", file, *how)
    assert result.returncode == 0, result.stderr
    manifest = json.loads((out / "manifest.json").read_text())
    assert next(iter(manifest["plan"][1]["params"]["pruning"])) == pruning.strip('"')
    assert next(iter(manifest["plan"][2]["params"]["distillation"])) == loss.strip('"')


def trials_of(file: Path) -> tuple[list[str], int]:
    """Returns the states of the trials, and the number of a trial that was halved."""
    connection = sqlite3.connect(file.with_suffix("") / "study.db")
    rows = connection.execute("select number, state, plan from paretune_trials").fetchall()
    connection.close()
    return [row[1] for row in rows], next(row[0] for row in rows if "alving" in row[2])


def test_check_shows_the_note_of_a_plugin(results: Results) -> None:
    result = results["check"]
    assert result["code"] == 0, result["err"]
    assert "halving: half of the neurons go, whatever they do" in result["out"]


def test_list_shows_the_techniques_of_plugins(results: Results) -> None:
    assert "Keeps every second neuron of the hidden layer." in results["list"]["out"]


def test_misspelt_plugin_is_refused_with_the_nearest_name(
    results: Results,
) -> None:
    result = results["misspelt"]
    assert result["code"] == 2
    assert 'unknown pruning "halvin"; did you mean "halving"?' in result["err"]


def test_name_is_refused_when_two_packages_provide_it(tmp_path: Path) -> None:
    wheels = [
        make_wheel(
            tmp_path, name, {f"{name}.py": MODULE}, ENTRY_POINTS.replace("tiny_plugin", name)
        )
        for name in ("first_plugin", "second_plugin")
    ]
    file = tmp_path / "plugged.yaml"
    file.write_text(study("perceptron", "none"))
    result = paretune(installed(tmp_path, *wheels), "check", file)
    assert result.returncode == 2
    assert (
        'the architecture "perceptron" is provided by first_plugin (first_plugin:Perceptron) and '
        "second_plugin (second_plugin:Perceptron); give the dotted path of one"
    ) in result.stderr


def test_technique_is_loaded_from_the_folder_of_the_study_file(tmp_path: Path, cli: Any) -> None:
    (tmp_path / "local_module.py").write_text(MODULE)
    file = tmp_path / "plugged.yaml"
    names = (f'"local_module:{name}"' for name in ("Perceptron", "Halving", "Mimic"))
    file.write_text(study(*names))
    result = cli("check", file)
    assert result.code == 0, result.err
