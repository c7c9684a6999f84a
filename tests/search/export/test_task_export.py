"""Exports of tasks without images and texts: arrays in the network's form in, and out."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paretune.inputs import Shape, random_example, shape_json, signature_of
from paretune.nests import leaves, mapped
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.search.export import standalone_verify
from paretune.search.export.loading_code import script_text
from paretune.search.export.manifest import Manifest, file_entry, read_manifest
from paretune.search.export.probe import Probe, read_probe, write_probe
from paretune.search.export.verifier import CheckOptions, run_checks
from support.nest_networks import (
    IMAGE_AND_FACTS,
    NETWORKS,
    TAGGER,
    TWO_HEADS,
    ImageAndFacts,
    Tagger,
    TwoHeads,
)

Code = dict[str, Any]


def write_export(folder: Path, network: type[nn.Module], shape: Shape) -> Path:
    """Writes an export of a network for a user's task, with the files that a check reads."""
    folder.mkdir()
    torch.manual_seed(0)
    artifact = OnnxRuntime.export(network().eval(), shape, folder / "model.onnx")
    entry = {
        **file_entry(folder, "model.onnx"),
        "runtime": "onnxruntime",
        "options": OnnxRuntime.Params().model_dump(),
        "formats": [],
        "info": {key: value for key, value in artifact.info.items() if key == "outputs"},
        "stamp": OnnxRuntime.stamp(folder / "model.onnx"),
        "measured": True,
        "expected": {"quantities": {}, "validation": {}, "test": {}, "latency": None},
    }
    task = {"name": "plates:Plates", "kind": None, "size": 0, "names": [], "params": {}}
    content: dict[str, Any] = {
        "manifest": 2,
        "task": {**task, "shape": shape_json(shape), "metrics": []},
        "preprocessing": {"input": "as the loader gives it", "class_names": []},
        "artifacts": [entry],
        "baseline_artifact": None,
    }
    inputs = mapped(random_example(shape, 16, seed=3), lambda tensor: tensor.numpy())
    flat = list(signature_of(shape).flat(inputs))
    outputs = OnnxRuntime.load(folder / "model.onnx", OnnxRuntime.Params())(*flat)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    write_probe(Probe(None, flat, {"model.onnx": outputs}), content, folder)
    (folder / "load.py").write_text(script_text(entry, content), encoding="utf-8")
    content["assets"] = [file_entry(folder, name) for name in ("load.py", "probe.npz")]
    Manifest(folder, content).write()
    return folder


@pytest.fixture(scope="module", params=NETWORKS, ids=lambda pair: pair[0].__name__)
def export(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(tmp_path_factory.mktemp("task") / "exported", *request.param)


@pytest.fixture(scope="module")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_export(tmp_path_factory.mktemp("tagger") / "exported", Tagger, TAGGER)


def code_of(folder: Path) -> Code:
    return runpy.run_path(str(folder / "load.py"), run_name="load")


def faults_of(folder: Path) -> list[str]:
    """Returns what verify.py finds wrong."""
    manifest = json.loads((folder / "manifest.json").read_text())
    return [fault for fault, _ in standalone_verify.check_export(folder, manifest) if fault]


def test_export_of_any_network_passes_its_own_check(export: Path) -> None:
    assert faults_of(export) == []


def test_export_of_any_network_passes_in_a_clean_process(export: Path) -> None:
    results = run_checks(read_manifest(export), CheckOptions(None, latency=False))
    assert [result.line() for result in results if not result.ok] == []
    checks = {result.check: result for result in results}
    assert checks["outputs"].text == "on 16 examples, outputs are equal"
    assert "only the study has the task plates:Plates" in checks["score"].text


def test_probe_is_read_as_it_was_written(export: Path) -> None:
    manifest = json.loads((export / "manifest.json").read_text())
    probe = read_probe(export, manifest, "model.onnx")
    assert probe.examples is None and probe.labels is None
    session = OnnxRuntime.load(export / "model.onnx", OnnxRuntime.Params())
    outputs = session(*probe.inputs)
    for one, other in zip(leaves(outputs), probe.outputs["model.onnx"], strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("network", "shape", "form"),
    [
        (TwoHeads, TWO_HEADS, {"boxes": (5, 4, 16), "scores": (5, 3, 16)}),
        (ImageAndFacts, IMAGE_AND_FACTS, (5, 2)),
        (Tagger, TAGGER, ((5, 12, 4), (5, 12))),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_model_returns_the_form_of_the_network(
    tmp_path: Path, network: type[nn.Module], shape: Shape, form: Any
) -> None:
    folder = write_export(tmp_path / "exported", network, shape)
    model = code_of(folder)["load"](folder / "model.onnx")
    inputs = mapped(random_example(shape, 5, seed=1), lambda tensor: tensor.numpy())
    outputs = model(inputs)
    assert mapped(outputs, lambda array: array.shape) == form or outputs.shape == form
    torch.manual_seed(0)
    with torch.no_grad():
        expected = network().eval()(*map(torch.from_numpy, signature_of(shape).flat(inputs)))
    for one, other in zip(leaves(outputs), leaves(expected), strict=True):
        assert np.allclose(one, other.numpy(), atol=1e-4)


def test_several_inputs_come_in_any_of_the_usual_ways(tagger: Path) -> None:
    model = code_of(tagger)["load"](str(tagger / "model.onnx"))
    ids, mask = np.ones((2, 12), np.int64), np.ones((2, 12), np.float32)
    expected = model(ids, mask)[0]
    for scores, _ in (
        model((ids, mask)),
        model({"mask": mask, "ids": ids}),
        model(ids=ids, mask=mask),
        model(ids, mask=mask),
        model(ids.astype(np.int32), mask.astype(np.float64)),
    ):
        assert np.array_equal(scores, expected)


@pytest.mark.parametrize("length", [1, 7, 40])
def test_axis_that_varies_takes_any_size(tagger: Path, length: int) -> None:
    model = code_of(tagger)["load"](str(tagger / "model.onnx"))
    scores, best = model(np.ones((3, length), np.int64), np.ones((3, length), np.float32))
    assert scores.shape == (3, length, 4) and best.shape == (3, length)


IDS, MASK = np.ones((2, 12), np.int64), np.ones((2, 12), np.float32)


@pytest.mark.parametrize(
    ("inputs", "named", "words"),
    [
        ((IDS,), {}, "give ids, mask; these are input 0"),
        ((), {}, "give ids, mask; these are none"),
        ((IDS,), {"mesk": MASK}, "give ids, mask; these are input 0, mesk"),
        ((IDS, MASK[:1]), {}, "the same number of examples; these have ids 2, mask 1"),
        ((IDS.astype(float), MASK), {}, r"give ids as int64 \[B, length\]; this is float64"),
        ((IDS[0], MASK), {}, r"give ids as int64 \[B, length\]; this is int64 \[12\]"),
        ((IDS[:0], MASK[:0]), {}, r"this is int64 \[0, 12\]"),
    ],
)
def test_wrong_inputs_are_refused_with_what_to_give(
    tagger: Path, inputs: Any, named: Any, words: str
) -> None:
    model = code_of(tagger)["load"](str(tagger / "model.onnx"))
    with pytest.raises(ValueError, match=words):
        model(*inputs, **named)


def test_script_prints_types_and_shapes(
    tagger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setattr("sys.argv", ["load.py"])
    runpy.run_path(str(tagger / "load.py"), run_name="__main__")
    assert capsys.readouterr().out.splitlines() == [
        "output[0]: float32 [16, 12, 4]",
        "output[1]: int64 [16, 12]",
    ]
    np.savez(tmp_path / "mine.npz", ids=np.ones((2, 5), np.int64), mask=np.ones((2, 5), np.float32))
    monkeypatch.setattr("sys.argv", ["load.py", str(tmp_path / "mine.npz")])
    runpy.run_path(str(tagger / "load.py"), run_name="__main__")
    assert "output[0]: float32 [2, 5, 4]" in capsys.readouterr().out


def test_changed_output_is_found_by_both_checks(tmp_path: Path) -> None:
    folder = write_export(tmp_path / "exported", TwoHeads, TWO_HEADS)
    with np.load(folder / "probe.npz") as stored:
        arrays = dict(stored)
    arrays["model.onnx:1"] = arrays["model.onnx:1"] + np.float32(0.1)
    np.savez(folder / "probe.npz", **arrays)
    content = json.loads((folder / "manifest.json").read_text())
    content["assets"] = [file_entry(folder, name) for name in ("load.py", "probe.npz")]
    Manifest(folder, content).write()
    [fault] = faults_of(folder)
    assert "of their range; 0.002 is allowed" in fault
    results = run_checks(read_manifest(folder), CheckOptions(None, latency=False))
    [failed] = [result for result in results if not result.ok]
    assert failed.check == "outputs"


def test_names_of_a_manifest_cannot_add_code(tagger: Path) -> None:
    content = json.loads((tagger / "manifest.json").read_text())
    bad = '"; import os; os.abort()  #{x}'
    for each in content["task"]["shape"]["inputs"]:
        each["name"] = bad + each["name"]
        each["dynamic"] = [[0, bad]]
    content["task"]["names"] = [bad]
    content["artifacts"][0]["info"]["outputs"] = {"dict": {bad: None}}
    code: Code = {"__name__": "load", "__file__": str(tagger / "load.py")}
    exec(compile(script_text(content["artifacts"][0], content), "load.py", "exec"), code)
    assert code["INPUTS"][0] == [f"{bad}ids", "int64", [bad]]
    assert code["FORM"] == {"dict": {bad: None}}
