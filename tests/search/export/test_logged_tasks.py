"""Logs of every built-in task: load.py writes what the reference holds."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from paretune.inputs import Shape, Tokens, shape_json
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.search.export.export_files import write_assets
from paretune.search.export.manifest import Manifest, file_entry
from paretune.search.export.monitoring_reference import monitoring_json
from paretune.search.export.probe import Probe, write_probe
from paretune.search.monitoring.monitor import MonitorRequest, monitor
from support.logged_exports import FILE, code_of

NUMBERS = {"normalize": "feature", "mean": None, "std": None, "input": "float32 [B, 4]"}
IMAGES = {
    "scale": 1 / 255,
    "shape": [3, 8, 12],
    "mean": [0.5] * 3,
    "std": [0.25] * 3,
    "color": "RGB",
    "exif": True,
    "resize": None,
    "crop": None,
    "interpolation": "bilinear",
    "input": "images",
}
TOKENS = {"vocabulary": 7, "input": "int64 [B, 6]"}

CASES: dict[str, tuple[Shape, dict[str, Any], int, set[str]]] = {
    "class": ((4,), NUMBERS, 3, {"class", "confidence", "entropy"}),
    "labels": ((4,), NUMBERS, 3, {"labels", "class", "confidence"}),
    "values": ((4,), NUMBERS, 2, {"value.red", "value.blue"}),
    "mask": ((3, 8, 12), IMAGES, 3, {"share.red", "share.green", "confidence", "entropy"}),
    "boxes": ((3, 8, 12), IMAGES, 6, {"boxes", "class", "confidence"}),
    "next": (Tokens(6, 7), TOKENS, 7, {"confidence", "entropy"}),
}
NAMES = ["red", "blue", "green"]


def write_network(shape: Shape, size: int, file: Path) -> None:
    """Writes a linear network: of numbers, of each pixel, or of each token."""
    random = np.random.default_rng(0)
    if isinstance(shape, Tokens):
        weight = random.normal(size=(shape.vocabulary, size))
        node, kind = helper.make_node("Gather", ["weight", "input"], ["logits"]), TensorProto.INT64
        taken, given = [shape.length], [shape.length, size]
    elif len(shape) == 1:
        weight, kind = random.normal(size=(shape[0], size)), TensorProto.FLOAT
        node, taken, given = (
            helper.make_node("MatMul", ["input", "weight"], ["logits"]),
            [4],
            [size],
        )
    else:
        weight, kind = random.normal(size=(size, shape[0], 1, 1)), TensorProto.FLOAT
        node = helper.make_node("Conv", ["input", "weight"], ["logits"])
        taken, given = list(shape), [size, *shape[1:]]
    graph = helper.make_graph(
        [node],
        "linear",
        [helper.make_tensor_value_info("input", kind, ["batch", *taken])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", *given])],
        [numpy_helper.from_array(weight.astype(np.float32), "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file.write_bytes(model.SerializeToString())


def inputs_of(shape: Shape, count: int) -> np.ndarray:
    random = np.random.default_rng(1)
    if isinstance(shape, Tokens):
        ids = random.integers(1, shape.vocabulary, (count, shape.length))
        ids[np.arange(shape.length) >= random.integers(2, 7, (count, 1))] = 0
        return ids
    return random.normal(size=(count, *shape)).astype(np.float32)


def write_task_export(folder: Path, kind: str) -> np.ndarray:
    """Writes an export of a built-in task; returns its validation inputs."""
    shape, preprocessing, size, _ = CASES[kind]
    folder.mkdir()
    write_network(shape, size, folder / FILE)
    entry = {
        **file_entry(folder, FILE),
        "runtime": "onnxruntime",
        "options": OnnxRuntime.Params().model_dump(),
        "formats": [],
        "info": {},
        "measured": True,
        "expected": {"quantities": {}, "validation": {}, "test": {}, "latency": None},
    }
    task = {"name": "any", "kind": kind, "size": size, "names": NAMES, "shape": shape_json(shape)}
    content: dict[str, Any] = {
        "manifest": 2,
        "study": "s",
        "trial": 1,
        "baseline_artifact": None,
        "task": {**task, "params": {}, "metrics": [], "image": [8, 12], "overlap": 0.5},
        "preprocessing": {"class_names": [], "formula": "", **preprocessing},
        "measurements": {"validation": {}, "test": {}},
        "artifacts": [entry],
    }
    inputs = inputs_of(shape, 60)
    data = SimpleNamespace(
        shape=shape,
        size=lambda part: len(inputs),
        arrays=lambda part, batch: iter([(inputs, np.zeros(60))]),
        assets=dict,
        preprocessing=lambda: content["preprocessing"],
        task=SimpleNamespace(name="any"),
    )
    outputs = OnnxRuntime.load(folder / FILE, OnnxRuntime.Params())(inputs[:16])
    write_probe(Probe(None, [inputs[:16]], {FILE: (outputs,)}), content, folder)
    bench: Any = SimpleNamespace(data=data)
    pick: Any = SimpleNamespace(artifact=SimpleNamespace(path=folder / FILE))
    content["monitoring"] = monitoring_json(bench, pick, content, folder)
    content["assets"] = write_assets(bench, content, folder)
    Manifest(folder, content).write()
    return inputs


@pytest.mark.parametrize("kind", CASES)
def test_task_logs_its_own_statistics_and_is_calm(tmp_path: Path, kind: str) -> None:
    folder, log = tmp_path / "exported", tmp_path / "calls.jsonl"
    inputs = write_task_export(folder, kind)
    model = code_of(folder)["load"](folder / FILE, log=log, sample=1)
    for start in range(0, 60, 20):
        model(inputs[start : start + 20])
    assert model.log.dropped == 0, model.log.error
    result = monitor(MonitorRequest(folder, log))
    names = {name.removeprefix("outputs.") for name in result.records.statistics}
    assert CASES[kind][3] <= names
    assert result.ok and max(row.effect for row in result.drift) < 0.02
    assert result.notes == []
    has_length = "inputs.input.length" in result.records.statistics
    assert has_length == (kind == "next")


def test_error_of_values_is_scored_on_labels(tmp_path: Path) -> None:
    folder, log, labels = (tmp_path / name for name in ("exported", "calls.jsonl", "labels.csv"))
    inputs = write_task_export(folder, "values")
    model = code_of(folder)["load"](folder / FILE, log=log, sample=1)
    values = model(inputs)
    labels.write_text("label\n" + "\n".join(f"{a + 1} {b + 1}" for a, b in values) + "\n")
    rmse, mae = monitor(MonitorRequest(folder, log, labels)).scores
    assert (rmse.name, mae.name) == ("rmse", "mae") and rmse.level == "not compared"
    assert rmse.value == pytest.approx(1, rel=1e-2) and mae.value == pytest.approx(1, rel=1e-2)


def test_task_whose_outputs_are_not_in_the_log_has_no_score(tmp_path: Path) -> None:
    from paretune.search.errors import UserError

    folder, log, labels = (tmp_path / name for name in ("exported", "calls.jsonl", "labels.csv"))
    inputs = write_task_export(folder, "mask")
    code_of(folder)["load"](folder / FILE, log=log, sample=1)(inputs)
    labels.write_text("label\n1\n")
    with pytest.raises(UserError, match="no predictions of this task, only statistics; to score"):
        monitor(MonitorRequest(folder, log, labels))
