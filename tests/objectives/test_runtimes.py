"""Contract of every runtime: it writes a file, loads it, and answers as the torch model does."""

from __future__ import annotations

import copy
import hashlib
import inspect
import json
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from objectives.base import Unmeasurable
from objectives.params import Params
from objectives.runtimes import RUNTIMES
from objectives.runtimes.base import Artifact
from spaces.base import Candidate, Context, Data
from spaces.pruning.structured import Structured
from spaces.rebuild import start

SHAPE = (1, 8, 8)

ENTRIES = pytest.mark.parametrize("name", list(RUNTIMES))

OPTIONS: dict[str, dict[str, Any]] = {
    "dynamic": {"per_channel": False},
    "static": {"images": 16, "calibration": "minmax", "per_channel": True},
}
"""Options of each quantization mode, as `spaces/quantization` writes them."""


def runtime(name: str) -> Any:
    module, _, attribute = RUNTIMES[name].partition(":")
    return getattr(import_module(module), attribute)


MODES = pytest.mark.parametrize(
    ("name", "mode"), [(name, mode) for name in RUNTIMES for mode in runtime(name).quantizations]
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


def answers(model: nn.Module, images: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        found: np.ndarray = model(torch.from_numpy(images)).numpy()
    return found


def calibration(images: np.ndarray) -> Iterator[np.ndarray]:
    """Batches of 5, and a last one that is smaller."""
    return (images[i : i + 5] for i in range(0, len(images), 5))


def deployed(
    name: str, model: nn.Module, folder: Path, images: np.ndarray, mode: str | None = None
) -> tuple[Artifact, Any]:
    """The artifact and a session on it."""
    entry = runtime(name)
    path = folder / f"net{entry.suffix}"
    quantization = {mode: OPTIONS[mode]} if mode else None
    calibrate = calibration(images) if mode == "static" else None
    artifact = entry.export(model, SHAPE, path, quantization, calibrate)
    return artifact, entry.load(artifact.path, entry.Params())


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """18 images of noise."""
    return np.random.default_rng(1).normal(size=(18, *SHAPE)).astype(np.float32)


# -- what it says of itself --------------------------------------------------------------------


@ENTRIES
def test_runtime_describes_itself(name: str) -> None:
    entry = runtime(name)
    assert entry.name == name
    assert entry.suffix.startswith(".")
    assert set(entry.quantizations) <= set(OPTIONS)
    assert entry.unavailable() is None
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


# -- what it writes and answers ----------------------------------------------------------------


@ENTRIES
def test_artifact_says_what_lies_on_the_disk(
    name: str, model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    artifact, _ = deployed(name, model, tmp_path / "new" / "folder", images)
    content = artifact.path.read_bytes()
    assert artifact.path.suffix == runtime(name).suffix
    assert artifact.runtime == name
    assert artifact.bytes == len(content) == os.path.getsize(artifact.path) > 0
    assert artifact.sha256 == hashlib.sha256(content).hexdigest()
    assert json.loads(json.dumps(artifact.info, allow_nan=False)) == artifact.info
    assert list(artifact.path.parent.iterdir()) == [artifact.path]


@ENTRIES
def test_session_answers_as_the_model_does_for_any_batch(
    name: str, model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    _, session = deployed(name, model, tmp_path, images)
    for batch in (1, 2, 18):
        logits = session(images[:batch])
        assert isinstance(logits, np.ndarray)
        assert (logits.dtype, logits.shape) == (np.float32, (batch, 3))
        np.testing.assert_allclose(logits, answers(model, images[:batch]), rtol=1e-4, atol=1e-5)


@ENTRIES
def test_export_leaves_the_model_as_it_was(
    name: str, model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    before = copy.deepcopy(model.state_dict())
    expected = answers(model, images)
    random = torch.get_rng_state()
    deployed(name, model, tmp_path, images)
    assert torch.equal(torch.get_rng_state(), random)
    assert not model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert all(torch.equal(t, before[n]) for n, t in model.state_dict().items())
    assert np.array_equal(answers(model, images), expected)


@ENTRIES
def test_export_replaces_an_older_file(
    name: str, model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    path = tmp_path / f"net{runtime(name).suffix}"
    path.write_bytes(b"old")
    artifact, session = deployed(name, model, tmp_path, images)
    assert artifact.path == path
    assert session(images).shape == (18, 3)


@MODES
def test_quantized_model_answers_nearly_as_the_float_one_does(
    name: str, mode: str, model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    plain, _ = deployed(name, model, tmp_path / "float", images)
    artifact, session = deployed(name, model, tmp_path / "int8", images, mode)
    expected = answers(model, images)
    spread = expected.max() - expected.min()
    assert np.abs(session(images) - expected).max() < 0.05 * spread
    assert artifact.sha256 != plain.sha256
    assert artifact.info["quantization"] == {mode: OPTIONS[mode]}
    assert list(artifact.path.parent.iterdir()) == [artifact.path]


@pytest.fixture(scope="module")
def pruned() -> Candidate:
    """A residual network of which half is gone."""
    nothing: Any = None
    data: Data = nothing
    whole = start({"resnet": {"stages": 2, "blocks": 1, "width": 8}}, SHAPE, 3, seed=0)
    params = Structured.Params(ratio=0.5, round_to=1)
    return Structured.apply(whole, params, Context(data))


@ENTRIES
def test_pruned_model_is_deployed(
    name: str, pruned: Candidate, tmp_path: Path, images: np.ndarray
) -> None:
    _, session = deployed(name, pruned.model, tmp_path, images)
    expected = answers(pruned.model, images)
    np.testing.assert_allclose(session(images), expected, rtol=1e-4, atol=1e-5)


@MODES
def test_pruned_and_quantized_model_is_deployed(
    name: str, mode: str, pruned: Candidate, tmp_path: Path, images: np.ndarray
) -> None:
    _, session = deployed(name, pruned.model, tmp_path, images, mode)
    expected = answers(pruned.model, images)
    assert np.abs(session(images) - expected).max() < 0.1 * (expected.max() - expected.min())


# -- what it refuses ---------------------------------------------------------------------------


@REFUSED
def test_quantization_that_it_has_not_is_unmeasurable(
    name: str, mode: str, model: nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "net"
    with pytest.raises(Unmeasurable, match=r"quantization mode|is float only"):
        runtime(name).export(model, SHAPE, path, {mode: {}})
    assert list(tmp_path.iterdir()) == []


class Refusing(nn.Module):
    """Runs into an error."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        raise self.error


@ENTRIES
@pytest.mark.parametrize(
    "error",
    [RuntimeError("no luck today"), KeyError("no luck today"), AssertionError("no luck today")],
    ids=lambda error: type(error).__name__,
)
def test_model_that_cannot_be_exported_is_unmeasurable_and_leaves_no_file(
    name: str, error: Exception, tmp_path: Path
) -> None:
    path = tmp_path / f"net{runtime(name).suffix}"
    with pytest.raises(Unmeasurable, match=r"the network.*no luck today"):
        runtime(name).export(Refusing(error), SHAPE, path)
    assert list(tmp_path.iterdir()) == []


@ENTRIES
def test_older_file_stays_when_the_export_fails(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{runtime(name).suffix}"
    path.write_bytes(b"old")
    with pytest.raises(Unmeasurable):
        runtime(name).export(Refusing(ValueError("no")), SHAPE, path)
    assert path.read_bytes() == b"old"


@ENTRIES
def test_file_that_cannot_be_written_is_an_operating_system_s_error(
    name: str, model: nn.Module, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        runtime(name).export(model, SHAPE, tmp_path / "file" / "net")


@ENTRIES
def test_threads_are_checked(name: str) -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        runtime(name).Params(threads=-1)


@pytest.mark.parametrize("name", ["torchscript", "torch_export"])
def test_threads_are_torch_s_and_nought_means_all_cores(
    name: str, model: nn.Module, tmp_path: Path, images: np.ndarray
) -> None:
    from objectives.host import cores

    artifact, _ = deployed(name, model, tmp_path, images)
    entry = runtime(name)
    seen = []
    for options, threads in ((3, None), (3, 1), (1, 0), (0, None)):
        entry.load(artifact.path, entry.Params(threads=options), threads)
        seen.append(torch.get_num_threads())
    assert seen == [3, 1, cores(), cores()]
