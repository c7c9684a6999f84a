"""Contract of every runtime: it writes a file, loads it, and has the torch model's logits."""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from paretune.inputs import Shape, Tokens
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.params import Params
from paretune.objectives.runtimes import RUNTIMES
from paretune.objectives.runtimes.base import Artifact
from paretune.search.data import load_data
from paretune.spaces.base import Candidate, Context, Data
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe

SHAPE = (1, 8, 8)

ENTRIES = pytest.mark.parametrize("name", list(RUNTIMES))

OPTIONS: dict[str, dict[str, Any]] = {
    "dynamic": {"per_channel": False},
    "static": {"images": 16, "calibration": "minmax", "per_channel": True},
    "qat": {"images": 16, "per_channel": True, "reduce_range": True},
    "float16": {},
    "bfloat16": {},
    "weight_only": {"bits": 8, "block": 16},
}
"""Options of each quantization mode, as `spaces/quantization` writes them."""

HEAVY = ("executorch", "litert", "mnn", "ncnn", "openvino", "tensorrt", "torch_compile")
"""Runtimes that need an extra or a compiler; some take seconds for a network."""


def runtime(name: str) -> Any:
    module, _, attribute = RUNTIMES[name].partition(":")
    return getattr(import_module(module), attribute)


def marked(name: str, *more: str, slow: bool = False) -> Any:
    """Returns parameters with marks: not in a plain pytest, or skipped without the runtime."""
    marks = [pytest.mark.slow] if slow else []
    marks += [pytest.mark.heavy] if name in HEAVY else []
    reason = runtime(name).unavailable()
    if reason:
        marks.append(pytest.mark.skip(reason=reason))
    return pytest.param(name, *more, marks=marks)


HERE = pytest.mark.parametrize("name", [marked(name) for name in RUNTIMES])

MODES = pytest.mark.parametrize(
    ("name", "mode"),
    [marked(name, mode) for name in RUNTIMES for mode in runtime(name).quantizations],
)

REFUSED = pytest.mark.parametrize(
    ("name", "mode"),
    [
        (name, mode)
        for name in RUNTIMES
        for mode in (*OPTIONS, "int3")
        if mode not in runtime(name).quantizations
    ],
)


def logits_of(model: nn.Module, inputs: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        logits: np.ndarray = model(torch.from_numpy(inputs)).numpy()
    return logits


def calibration(images: np.ndarray) -> Iterator[np.ndarray]:
    """Returns batches of 5 and a smaller last one."""
    return (images[i : i + 5] for i in range(0, len(images), 5))


class TextNetwork(nn.Module):
    """Token ids [B, length] -> logits [B, 3], from the mean embedding of tokens except padding."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 16, padding_idx=0)
        self.first = nn.Linear(16, 32)
        self.last = nn.Linear(32, 3)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        used = (tokens != 0).unsqueeze(-1).float()
        mean = (self.embedding(tokens) * used).sum(1) / used.sum(1).clamp(min=1)
        logits: torch.Tensor = self.last(torch.relu(self.first(mean)))
        return logits


Deploy = Callable[..., tuple[Artifact, Any]]


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> Deploy:
    """`deploy(name, label, model, shape, inputs, mode)` -> artifact, session; once per label."""
    artifacts: dict[tuple[str, str, str | None], Artifact] = {}

    def export(
        name: str,
        label: str,
        model: nn.Module,
        shape: Shape,
        inputs: np.ndarray,
        mode: str | None = None,
    ) -> tuple[Artifact, Any]:
        entry = runtime(name)
        key = (name, label, mode)
        if key not in artifacts:
            path = tmp_path_factory.mktemp(f"{name}-{label}") / "new" / f"net{entry.suffix}"
            quantization = {mode: OPTIONS[mode]} if mode else None
            calibrate = calibration(inputs) if mode in ("static", "qat") else None
            artifacts[key] = entry.export(model, shape, path, quantization, calibrate)
        return artifacts[key], entry.load(artifacts[key].path, entry.Params())

    return export


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """18 images of noise."""
    return np.random.default_rng(1).normal(size=(18, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """200 images of the dataset `digits`, and 64 to calibrate with."""
    data = load_data("digits", {}, Path())
    [validation, _] = next(iter(data.arrays("validation", 200)))
    return validation, np.concatenate(list(data.calibration(64, 32)))


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """A network that classifies more than 90 % of the digits correctly."""
    data: Any = load_data("digits", {}, Path())
    recipe = Recipe.model_validate(
        {"epochs": 3, "batch_size": 32, "optimizer": {"adam": {"lr": 3e-3}}}
    )
    unpruned = initial_candidate({"simple_cnn": {"width": 0.125}}, SHAPE, 10, seed=0)
    return train(unpruned, recipe, Context(data), stage="pretrain").model.eval()


# -- what it declares --------------------------------------------------------------------------


@ENTRIES
def test_runtime_describes_itself(name: str) -> None:
    entry = runtime(name)
    assert entry.name == name
    assert entry.suffix.startswith(".")
    assert set(entry.quantizations) <= set(OPTIONS)
    reason = entry.unavailable()
    assert reason is None or ("\n" not in reason and len(reason) > 10)
    assert isinstance(entry.dynamic_batch, bool)
    assert entry.needs
    assert entry.packages and isinstance(entry.packages, tuple)
    first, *rest = inspect.cleandoc(entry.__doc__ or "").splitlines()
    assert 10 < len(first) <= 100
    assert first.endswith(".")
    assert not rest or rest[0] == ""


@ENTRIES
def test_runtime_has_params_that_refuse_unknown_keys_and_changes(name: str) -> None:
    params = runtime(name).Params
    assert issubclass(params, Params)
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        params.model_validate({"no_such_key": 1})
    for field in [*params.model_fields, "another"]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(params(), field, 1)
    assert params.model_validate(json.loads(json.dumps(params().model_dump()))) == params()


# -- files and logits --------------------------------------------------------------------------


@HERE
def test_artifact_describes_the_file_on_disk(
    name: str, model: nn.Module, deploy: Deploy, images: np.ndarray
) -> None:
    artifact, _ = deploy(name, "toy", model, SHAPE, images)
    content = artifact.path.read_bytes()
    assert artifact.path.name.endswith(runtime(name).suffix)
    assert artifact.runtime == name
    assert artifact.bytes == len(content) == os.path.getsize(artifact.path) > 0
    assert artifact.sha256 == hashlib.sha256(content).hexdigest()
    assert json.loads(json.dumps(artifact.info, allow_nan=False)) == artifact.info
    assert list(artifact.path.parent.iterdir()) == [artifact.path]


@HERE
def test_session_has_the_model_s_logits_for_any_batch_and_each_time(
    name: str, model: nn.Module, deploy: Deploy, images: np.ndarray
) -> None:
    _, session = deploy(name, "toy", model, SHAPE, images)
    for batch in (1, 2, 18):
        logits = session(images[:batch])
        assert isinstance(logits, np.ndarray)
        assert (logits.dtype, logits.shape) == (np.float32, (batch, 3))
        np.testing.assert_allclose(logits, logits_of(model, images[:batch]), rtol=1e-4, atol=1e-5)
        copied = logits.copy()
        assert np.array_equal(session(images[:batch]), copied)
        session(images[::-1][:batch].copy())
        assert np.array_equal(logits, copied)  # the next call does not overwrite the last result


@HERE
def test_session_has_a_trained_model_s_logits_for_real_images(
    name: str, trained: nn.Module, deploy: Deploy, digits: tuple[np.ndarray, np.ndarray]
) -> None:
    inputs, calibrate = digits
    _, session = deploy(name, "digits", trained, SHAPE, calibrate)
    expected, logits = logits_of(trained, inputs), session(inputs)
    assert np.abs(logits - expected).max() < 1e-4 * np.ptp(expected)
    assert np.array_equal(logits.argmax(1), expected.argmax(1))


@HERE
def test_session_has_the_model_s_logits_for_text(name: str, deploy: Deploy) -> None:
    generator = np.random.default_rng(2)
    tokens = generator.integers(0, 50, (9, 12)).astype(np.int64)
    tokens[:, 8:] = 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = TextNetwork(50).eval()
    _, session = deploy(name, "text", model, Tokens(12, 50), tokens)
    for batch in (1, 9):
        expected = logits_of(model, tokens[:batch])
        np.testing.assert_allclose(session(tokens[:batch]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *(marked(name, "", slow="torch" in name) for name in RUNTIMES),
        *(marked(name, "static") for name in ("onnxruntime", "litert", "executorch", "ncnn")),
    ],
)
def test_standalone_code_loads_the_file_in_a_new_process(
    name: str, mode: str, model: nn.Module, deploy: Deploy, images: np.ndarray, tmp_path: Path
) -> None:
    artifact, session = deploy(name, "toy", model, SHAPE, images, mode or None)
    np.save(tmp_path / "x.npy", images)
    entry = runtime(name)
    code = f"""
import sys
import numpy as np
{entry.standalone(entry.Params())}
np.save("y.npy", load({str(artifact.path)!r})(np.load("x.npy")))
assert "paretune" not in {{name.partition(".")[0] for name in sys.modules}}
"""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    process = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, env=environment, capture_output=True
    )
    assert process.returncode == 0, process.stderr.decode()
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), session(images), rtol=1e-5, atol=1e-5)


@ENTRIES
def test_standalone_code_is_valid_for_all_thread_counts(name: str) -> None:
    entry = runtime(name)
    for options in (
        {},
        *({"threads": n} for n in (0, 3) if "threads" in entry.Params.model_fields),
    ):
        code = entry.standalone(entry.Params.model_validate(options))
        assert "def load(path):" in code and "paretune" not in code
        compile(code, name, "exec")


@HERE
def test_export_does_not_change_the_model_and_replaces_an_older_file(
    name: str, model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    before = copy.deepcopy(model.state_dict())
    expected = logits_of(model, images)
    path = tmp_path / f"net{runtime(name).suffix}"
    path.write_bytes(b"old")
    random = torch.get_rng_state()
    artifact = runtime(name).export(model, SHAPE, path)
    assert torch.equal(torch.get_rng_state(), random)
    assert not model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    assert np.array_equal(logits_of(model, images), expected)
    assert artifact.path == path
    assert hashlib.sha256(path.read_bytes()).hexdigest() == artifact.sha256
    assert list(tmp_path.iterdir()) == [path]


@MODES
def test_quantized_logits_are_close_to_the_trained_model_s(
    name: str,
    mode: str,
    trained: nn.Module,
    deploy: Deploy,
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    inputs, calibrate = digits
    plain, _ = deploy(name, "digits", trained, SHAPE, calibrate)
    artifact, session = deploy(name, "digits", trained, SHAPE, calibrate, mode)
    expected, logits = logits_of(trained, inputs), session(inputs)
    assert np.abs(logits - expected).mean() < 0.02 * np.ptp(expected)
    assert (logits.argmax(1) == expected.argmax(1)).mean() >= 0.97
    assert artifact.sha256 != plain.sha256
    assert artifact.bytes < plain.bytes
    assert artifact.info["quantization"] == {mode: OPTIONS[mode]}
    assert list(artifact.path.parent.iterdir()) == [artifact.path]
    assert session(inputs[:1]).shape == (1, 10)
    assert np.array_equal(session(inputs), logits)


@pytest.fixture(scope="module")
def pruned() -> Candidate:
    """A residual network without half of its channels."""
    nothing: Any = None
    data: Data = nothing
    unpruned = initial_candidate(
        {"resnet": {"stages": 2, "blocks": 1, "width": 8}}, SHAPE, 3, seed=0
    )
    params = Structured.Params(ratio=0.5, round_to=1)
    return Structured.apply(unpruned, params, Context(data))


@HERE
def test_pruned_model_is_deployed(
    name: str, pruned: Candidate, deploy: Deploy, images: np.ndarray
) -> None:
    _, session = deploy(name, "pruned", pruned.model, SHAPE, images)
    expected = logits_of(pruned.model, images)
    np.testing.assert_allclose(session(images), expected, rtol=1e-4, atol=1e-5)


@MODES
def test_pruned_and_quantized_model_is_deployed(
    name: str, mode: str, pruned: Candidate, deploy: Deploy, images: np.ndarray
) -> None:
    if mode == "weight_only":
        pytest.skip("its linear layer has fewer inputs than a block")
    _, session = deploy(name, "pruned", pruned.model, SHAPE, images, mode)
    expected = logits_of(pruned.model, images)
    assert np.abs(session(images) - expected).max() < 0.1 * (expected.max() - expected.min())


# -- errors ------------------------------------------------------------------------------------


@REFUSED
def test_quantization_mode_that_a_runtime_lacks_is_unmeasurable(
    name: str, mode: str, model: nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "net"
    with pytest.raises(Unmeasurable, match=r"quantization mode|is float only"):
        runtime(name).export(model, SHAPE, path, {mode: {}})
    assert list(tmp_path.iterdir()) == []


class FailingNetwork(nn.Module):
    """A network that raises an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise self.error


@HERE
@pytest.mark.parametrize(
    "error",
    [RuntimeError("no luck today"), KeyError("no luck today"), AssertionError("no luck today")],
    ids=lambda error: type(error).__name__,
)
def test_failing_model_is_unmeasurable_and_leaves_no_file(
    name: str, error: Exception, tmp_path: Path
) -> None:
    path = tmp_path / f"net{runtime(name).suffix}"
    with pytest.raises(Unmeasurable, match=r"the network.*no luck today"):
        runtime(name).export(FailingNetwork(error), SHAPE, path)
    assert list(tmp_path.iterdir()) == []


@HERE
def test_older_file_stays_when_the_export_fails(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{runtime(name).suffix}"
    path.write_bytes(b"old")
    with pytest.raises(Unmeasurable):
        runtime(name).export(FailingNetwork(ValueError("no")), SHAPE, path)
    assert path.read_bytes() == b"old"


@HERE
def test_unwritable_file_raises_oserror(name: str, model: nn.Module, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        runtime(name).export(model, SHAPE, tmp_path / "file" / "net")


@pytest.mark.parametrize("name", [name for name in RUNTIMES if name != "tensorrt"])
def test_negative_thread_counts_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        runtime(name).Params(threads=-1)


@pytest.mark.parametrize("name", ["executorch", "litert", "mnn", "ncnn", "openvino", "tensorrt"])
def test_error_shows_what_to_type_when_a_runtime_is_not_installed(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = runtime(name)
    monkeypatch.setattr(import_module(entry.__module__), "find_spec", lambda name: None)
    reason = rf"not installed; pip install 'paretune\[{name}\]'"
    with pytest.raises(Unmeasurable, match=reason):
        entry.load(tmp_path / "net", entry.Params())
    assert re.search(reason, entry.unavailable())


def test_error_names_the_missing_compiler(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(Unmeasurable, match=r"no C\+\+ compiler \(g\+\+ or .* install g\+\+"):
        runtime("torch_compile").export(model, SHAPE, tmp_path / "net.pt2")


def test_error_names_the_missing_converter_of_litert(
    model: nn.Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("paretune.objectives.runtimes.litert._no_interpreter", lambda: None)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    missing = str(tmp_path / "no" / "python")
    for python, reason in (
        ("", "type paretune setup litert"),
        (missing, "/no/python, which cannot"),
    ):
        monkeypatch.setenv("PARETUNE_LITERT_PYTHON", python)
        with pytest.raises(Unmeasurable, match=reason):
            runtime("litert").export(model, SHAPE, tmp_path / "net.tflite")
    assert list(tmp_path.iterdir()) == []


@HERE
@pytest.mark.parametrize("content", [b"", b"damaged", b"PK\x03\x04 damaged"], ids=repr)
def test_damaged_file_is_unmeasurable(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"net{runtime(name).suffix}"
    path.write_bytes(content)
    with pytest.raises(Unmeasurable, match=rf"cannot load {path.name}"):
        runtime(name).load(path, runtime(name).Params())


@pytest.mark.parametrize("name", ["torchscript", "torch_export", "torch"])
def test_threads_are_set_in_torch_and_0_means_all_cores(
    name: str, model: nn.Module, deploy: Deploy, images: np.ndarray
) -> None:
    from paretune.objectives.host import cores

    artifact, _ = deploy(name, "toy", model, SHAPE, images)
    entry = runtime(name)
    counts = []
    for options, threads in ((3, None), (3, 1), (1, 0), (0, None)):
        entry.load(artifact.path, entry.Params(threads=options), threads)
        counts.append(torch.get_num_threads())
    assert counts == [3, 1, cores(), cores()]


def test_listing_runtimes_imports_none_of_them() -> None:
    code = """
import sys
from paretune.search.interface.catalogue import catalogue
catalogue("runtimes")
heavy = {"torch", "onnxruntime", "openvino", "executorch", "ai_edge_litert", "tensorrt"}
print(sorted(heavy & set(sys.modules)))
"""
    command = [sys.executable, "-c", code]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout == "[]\n"
