"""An export of a small classifier of digits, made without a study, whose calls can be logged."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from paretune.objectives.classification_scores import wilson
from paretune.objectives.host import fingerprint
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.search.data import load_data
from paretune.search.export.export_files import write_assets
from paretune.search.export.manifest import Manifest, file_entry
from paretune.search.export.monitoring_reference import monitoring_json
from paretune.search.export.probe import Probe, write_probe

FILE = "model.onnx"


def digits() -> Any:
    """The digits, as a study has them."""
    return load_data("digits", {}, Path.cwd())


def part_of(data: Any, part: str) -> tuple[np.ndarray, np.ndarray]:
    """All images uint8 [N, 1, 8, 8] of a part, and their classes."""
    images, labels = zip(*data.examples(part, 512), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def write_classifier(data: Any, file: Path) -> None:
    """Writes a linear classifier of digits by least squares, without the slow export of torch."""
    inputs, labels = zip(*data.arrays("train", 512), strict=True)
    flat = np.concatenate(inputs).reshape(-1, 64)
    columns = np.c_[flat, np.ones(len(flat))]
    classes = np.eye(10)[np.concatenate(labels)]
    solved = np.linalg.solve(columns.T @ columns + 10 * np.eye(65), columns.T @ classes)
    fitted = (8 * solved).astype(np.float32)  # so that the softmax is sure of most examples
    weights = [
        numpy_helper.from_array(np.ascontiguousarray(fitted[:64].T), "weight"),
        numpy_helper.from_array(fitted[64], "bias"),
    ]
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"], transB=1),
    ]
    taken = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 1, 8, 8])
    given = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])
    graph = helper.make_graph(nodes, "digits", [taken], [given], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file.write_bytes(model.SerializeToString())


def write_logged_export(folder: Path, latency_ms: float = 50.0) -> Path:
    """Writes an export with a reference; its recorded latency is that of a made-up slow run.

    Args:
        folder: Folder to write.
        latency_ms: The recorded latency, on this host.
    """
    folder.mkdir(parents=True)
    data = digits()
    write_classifier(data, folder / FILE)
    options = OnnxRuntime.Params(threads=1)
    entry: dict[str, Any] = {
        **file_entry(folder, FILE),
        "runtime": "onnxruntime",
        "options": options.model_dump(),
        "formats": [],
        "packages": {},
        "stamp": OnnxRuntime.stamp(folder / FILE),
        "info": {},
        "measured": True,
    }
    session = OnnxRuntime.load(folder / FILE, options)
    measured = {"accuracy.top1": _accuracy(session, data)}
    entry["expected"] = {"quantities": {}, "validation": {}, "test": measured, "latency": None}
    content: dict[str, Any] = {
        "manifest": 2,
        "study": "tiny",
        "trial": 4,
        "target": None,
        "data": {"name": "made-up"},
        "preprocessing": data.preprocessing(),
        "measurements": {"validation": {"latency": _latency(latency_ms)}, "test": measured},
        "artifacts": [entry],
        "baseline_artifact": None,
    }
    examples, labels = next(data.examples("validation", 16))
    inputs, _ = next(data.arrays("validation", 16))
    probe = Probe(np.asarray(examples), [inputs], {FILE: (session(inputs),)}, labels)
    write_probe(probe, content, folder)
    pick: Any = SimpleNamespace(artifact=SimpleNamespace(path=folder / FILE))
    bench: Any = SimpleNamespace(data=data)
    content["monitoring"] = monitoring_json(bench, pick, content, folder)
    content["assets"] = write_assets(bench, content, folder)
    Manifest(folder, content).write()
    return folder


def _accuracy(session: Any, data: Any) -> dict[str, Any]:
    correct = count = 0
    for inputs, labels in data.arrays("test", 512):
        correct += int((session(inputs).argmax(1) == labels).sum())
        count += len(labels)
    low, high = wilson(correct, count)
    value = {"name": "accuracy.top1", "value": correct / count, "unit": "fraction"}
    return {**value, "better": "higher", "low": low, "high": high, "count": count, "conditions": {}}


def _latency(ms: float) -> dict[str, Any]:
    host = {key: fingerprint()[key] for key in ("host", "cpu")}
    conditions = {"statistic": "p50", "batch": 1, **host}
    value = {"name": "latency", "value": ms, "unit": "ms", "better": "lower"}
    return {**value, "low": ms, "high": ms, "count": 99, "conditions": conditions}


def code_of(folder: Path) -> dict[str, Any]:
    """The names that load.py defines."""
    return runpy.run_path(str(folder / "load.py"), run_name="load")


def run_stream(folder: Path, log: Path, images: np.ndarray, batch: int = 1, **options: Any) -> Any:
    """Runs images through load.py with a log; returns the model."""
    code = code_of(folder)
    model = code["load"](folder / FILE, log=log, sample=1, **options)
    for start in range(0, len(images), batch):
        model(code["prepare"](images[start : start + batch]))
    assert model.log.dropped == 0, model.log.error
    return model
