"""MNN: number formats, failures of its converter, and what its files and its process hold."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paretune.inputs import Input, Signature
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes import mnn_conversion
from paretune.objectives.runtimes.mnn import Mnn
from paretune.objectives.runtimes.mnn_file import MnnNotes, read_notes
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from support.nested_networks import VARIED

SHAPE = (4, 10, 10)
INT8: dict[str, Any] = {"dynamic": {"per_channel": True}}

TASKS = "/proc/self/task"
"""Folder of this process's threads."""

HERE = [
    pytest.mark.heavy,
    pytest.mark.skipif(Mnn.unavailable() is not None, reason=str(Mnn.unavailable())),
]


def here(test: Any) -> Any:
    """Marks a test that needs MNN."""
    for mark in HERE:
        test = mark(test)
    return test


class Layers(nn.Module):
    """A convolution of each kind, attention with GELU, and linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(4, 8, 3, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=8)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.up = nn.ConvTranspose2d(8, 6, 2, stride=2)
        self.query, self.key, self.head = nn.Linear(100, 16), nn.Linear(100, 16), nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.depthwise(torch.relu(self.first(x))))
        x = self.up(torch.relu(self.grouped(x))).flatten(2)
        query, key = nn.functional.gelu(self.query(x)), self.key(x)
        weights = torch.softmax(query @ key.transpose(1, 2), -1)
        scores: torch.Tensor = self.head((weights @ key).mean(1))
        return scores


class Applying(nn.Module):
    """Applies a function."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.function(x)
        return outputs


@pytest.fixture(scope="module")
def network() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Layers().eval()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(8, *SHAPE)).astype(np.float32)


def expected_of(network: nn.Module, inputs: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        outputs: np.ndarray = network(torch.from_numpy(inputs)).numpy()
    return outputs


def error_of(runtime: Any, artifact: Any, network: nn.Module, inputs: np.ndarray) -> float:
    """Returns the mean error as a share of the range."""
    expected = expected_of(network, inputs)
    outputs = runtime.load(artifact.path, runtime.Params())(inputs)
    return float(np.abs(outputs - expected).mean() / np.ptp(expected))


@here
@pytest.mark.parametrize("quantization", [INT8, {"float16": {}}], ids=["int8", "float16"])
def test_error_is_about_that_of_onnx_runtime(
    network: nn.Module, images: np.ndarray, tmp_path: Path, quantization: Any
) -> None:
    errors = [
        error_of(
            runtime, runtime.export(network, SHAPE, tmp_path / name, quantization), network, images
        )
        for runtime, name in ((Mnn, "net.mnn"), (OnnxRuntime, "net.onnx"))
    ]
    assert 0 < errors[0] < 2 * errors[1]


@here
@pytest.mark.parametrize(
    "function",
    [
        lambda x: nn.functional.max_pool2d(x, 2),
        nn.PReLU(8),
        lambda x: torch.where(x > 0, x, 2 * x),
        lambda x: nn.functional.interpolate(x, scale_factor=2, mode="bilinear"),
    ],
    ids=["max pooling", "prelu", "where", "interpolation"],
)
def test_int8_is_right_around_operators_that_mnn_s_static_int8_computes_wrongly(
    function: Any, images: np.ndarray, tmp_path: Path
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        first, last = nn.Conv2d(4, 8, 3, padding=1), nn.Conv2d(8, 4, 3)
    between = nn.Sequential(first, Applying(function), last).eval()
    artifact = Mnn.export(between, SHAPE, tmp_path / "net.mnn", INT8)
    assert 0 < error_of(Mnn, artifact, between, images) < 0.005


@here
@pytest.mark.parametrize(
    ("options", "share", "error"),
    [((8, 16), 0.5, 0.01), ((4, 32), 0.35, 0.1)],
    ids=["int8", "int4"],
)
def test_few_bits_shrink_the_file(
    options: tuple[int, int], share: float, error: float, tmp_path: Path
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        wide = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 8)).eval()
    inputs = np.random.default_rng(0).normal(size=(8, 64)).astype(np.float32)
    weight_only = {"weight_only": {"bits": options[0], "block": options[1]}}
    plain = Mnn.export(wide, (64,), tmp_path / "plain.mnn")
    small = Mnn.export(wide, (64,), tmp_path / "small.mnn", weight_only)
    assert small.bytes < share * plain.bytes
    assert 0 < error_of(Mnn, small, wide, inputs) < error


@here
@pytest.mark.parametrize("quantization", [None, INT8], ids=["float", "int8"])
def test_equal_networks_have_equal_files(
    network: nn.Module, tmp_path: Path, quantization: Any
) -> None:
    first, second = (
        Mnn.export(network, SHAPE, tmp_path / name, quantization).sha256
        for name in ("a.mnn", "b.mnn")
    )
    assert first == second


@here
def test_new_process_gives_the_same_outputs_and_prints_nothing(
    network: nn.Module, images: np.ndarray, tmp_path: Path
) -> None:
    for name, quantization in (("float", None), ("int8", INT8)):
        Mnn.export(network, SHAPE, tmp_path / f"{name}.mnn", quantization)
    np.save(tmp_path / "x.npy", images)
    code = """
import sys
from pathlib import Path
import numpy as np
from paretune.objectives.runtimes.mnn import Mnn
for name in ("float", "int8"):
    outputs = Mnn.load(Path(f"{name}.mnn"), Mnn.Params())(np.load("x.npy"))
    np.save(f"{name}.npy", outputs)
assert not [name for name in sys.modules if name.startswith("MNN.tools")]  # it sends a log
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")  # MNN's own line is hidden
    for name in ("float", "int8"):
        outputs = Mnn.load(tmp_path / f"{name}.mnn", Mnn.Params())(images)
        assert np.array_equal(np.load(tmp_path / f"{name}.npy"), outputs)


@here
def test_integers_come_back_in_the_types_of_the_network(tmp_path: Path) -> None:
    class Best(nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            flat = x.flatten(1)
            return {"best": flat.argmax(1), "positive": flat > 0, "scores": flat}

    path = tmp_path / "net.mnn"
    inputs = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    Mnn.export(Best(), SHAPE, path)
    best, positive, scores = Mnn.load(path, Mnn.Params())(inputs)
    assert (best.dtype, positive.dtype, scores.dtype) == (np.int64, np.bool_, np.float32)
    assert np.array_equal(best, inputs.reshape(3, -1).argmax(1))
    assert np.array_equal(positive, inputs.reshape(3, -1) > 0)


@here
def test_int8_file_takes_every_size_of_a_dynamic_axis(tmp_path: Path) -> None:
    case = VARIED["image of any size"]
    network = case.network()
    artifact = Mnn.export(network, case.shape, tmp_path / "net.mnn", INT8)
    for batch, size in ((1, 8), (5, 20)):
        inputs = np.random.default_rng(0).normal(size=(batch, 3, size, 12)).astype(np.float32)
        assert error_of(Mnn, artifact, network, inputs) < 0.02


@here
def test_kept_layers_are_refused(network: nn.Module, tmp_path: Path) -> None:
    kept = {"dynamic": {**INT8["dynamic"], "kept": ["head"]}}
    with pytest.raises(Unmeasurable, match="mnn quantizes all layers, and keep_float keeps head"):
        Mnn.export(network, SHAPE, tmp_path / "net", kept)


@here
def test_large_outputs_are_copied_before_mnn_frees_them(tmp_path: Path) -> None:
    """MNN returns arrays that do not own their memory."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Conv2d(4, 64, 3, padding=1).eval()
    shape = (4, 96, 96)
    artifact = Mnn.export(network, shape, tmp_path / "net.mnn")
    inputs = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    scope: dict[str, Any] = {"np": np}
    exec(Mnn.standalone(Mnn.Params()), scope)
    for run in (Mnn.load(artifact.path, Mnn.Params()), scope["load"](str(artifact.path))):
        outputs = [run(inputs[row : row + 1]) for row in range(3)]
        expected = expected_of(network, inputs)
        np.testing.assert_allclose(np.concatenate(outputs), expected, rtol=1e-4, atol=1e-5)


# -- failures of the converter -----------------------------------------------------------------


@here
def test_operator_that_mnn_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable, match="MNN has no operator for IsNaN, which the network"):
        Mnn.export(Applying(lambda x: x.isnan().float()), SHAPE, tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


@here
def test_network_that_only_takes_one_example_is_refused(tmp_path: Path) -> None:
    def fixed(x: torch.Tensor) -> torch.Tensor:
        token = torch.ones(1, 1, *x.shape[2:])  # traced with a batch of 1, which it then has
        return torch.cat([token.expand(len(x), -1, -1, -1), x], 1)

    with pytest.raises(Unmeasurable, match=r"MNN cannot run .* on a batch of 2"):
        Mnn.export(Applying(fixed), SHAPE, tmp_path / "net")


def worker_of(folder: Path, lines: str) -> Path:
    """Writes a worker that does something else, and returns its path."""
    path = folder / "mnn_worker.py"
    path.write_text(f"import os, signal, sys, time\n{lines}\n")
    return path


@here
@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            "sys.stderr.write('step: convert\\nbad luck\\n'); sys.stderr.flush()\n"
            "os.kill(os.getpid(), signal.SIGSEGV)",
            r"MNN cannot convert the network \(exit code -11\): bad luck",
        ),
        ("os.abort()", r"MNN cannot start its converter \(exit code -6\)"),
        ("time.sleep(600)", "MNN's converter did not end within 1 s"),
    ],
    ids=["crash", "abort", "hang"],
)
def test_converter_that_ends_or_hangs_makes_the_trial_infeasible(
    lines: str, reason: str, network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, outside = tmp_path / "out", tmp_path / "worker"
    folder.mkdir()
    outside.mkdir()
    monkeypatch.setattr(mnn_conversion, "WORKER", worker_of(outside, lines))
    monkeypatch.setattr(mnn_conversion, "PATIENCE", 1 if "sleep" in lines else 600)
    with pytest.raises(Unmeasurable, match=reason):
        Mnn.export(network, SHAPE, folder / "net.mnn")
    assert list(folder.iterdir()) == []


def test_type_that_mnn_lacks_is_refused_before_it_is_converted(tmp_path: Path) -> None:
    shape = Signature((Input("x", (4,), "int16", 5),))
    with pytest.raises(Unmeasurable, match="mnn has no type for the input x, which is int16"):
        mnn_conversion.convert(nn.Identity(), shape, tmp_path / "net", {})


# -- files -------------------------------------------------------------------------------------


@here
def test_file_that_paretune_did_not_write_or_that_is_cut_off_is_unmeasurable(
    network: nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "net.mnn"
    Mnn.export(network, SHAPE, path, {"float16": {}})
    assert read_notes(path) == MnnNotes(("input",), {"logits": "float32"}, float16=True)
    content = path.read_bytes()
    for damaged in (
        content[:-64],
        content[: len(content) // 2],
        content.replace(b'"outputs"', b'"someone"'),
    ):
        path.write_bytes(damaged)
        with pytest.raises(Unmeasurable, match=r"mnn cannot load net\.mnn"):
            Mnn.load(path, Mnn.Params())


@here
@pytest.mark.skipif(
    not os.path.isdir(TASKS) or (os.cpu_count() or 1) < 2, reason="needs Linux and two cores"
)
def test_second_thread_is_started(network: nn.Module, tmp_path: Path) -> None:
    artifact = Mnn.export(network, SHAPE, tmp_path / "net.mnn")
    code = f"""
import os
from importlib import import_module
from pathlib import Path
import numpy as np
session = import_module("paretune.objectives.runtimes.mnn_running").MnnSession
counts = []
for threads in (1, 2):
    session(Path({str(artifact.path)!r}), threads)(np.zeros((1, *{SHAPE}), np.float32))
    counts.append(len(os.listdir({TASKS!r})))
print(counts[1] - counts[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_worker_does_not_import_what_sends_a_log() -> None:
    worker = mnn_conversion.WORKER.read_text()
    assert not re.search(r"(import|from) MNN\.tools", worker)


def test_notes_are_json_that_other_programs_read() -> None:
    outputs = {"scores": "float32", "best": "int64"}
    notes = json.loads(MnnNotes(("a", "b"), outputs, low_memory=True).text)
    modes = {"float16": False, "low_memory": True}
    assert notes == {"inputs": ["a", "b"], "outputs": outputs, **modes}
