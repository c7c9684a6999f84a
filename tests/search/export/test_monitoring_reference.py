"""The reference of an export, and what load.py writes of calls for it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch import nn

from paretune.inputs import INPUT, Shape, Tokens, random_example, signature_of
from paretune.nests import mapped
from paretune.search.errors import UserError
from paretune.search.export.export_files import write_assets
from paretune.search.export.loading_code import script_text
from paretune.search.export.log_script import calls_for, calls_of, leaf_names
from paretune.search.export.manifest import Manifest, file_entry, read_manifest
from paretune.search.export.monitoring_reference import QUANTILES, mean_of, monitoring_json, sketch
from paretune.search.export.probe import Probe, write_probe
from paretune.search.export.standalone_verify import check_export
from paretune.search.monitoring.monitor import MonitorRequest, monitor
from support.logged_exports import code_of
from support.nest_networks import NETWORKS, TAGGER, Tagger


def test_sketch_has_quantiles_at_even_steps() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    made = sketch("outputs.confidence", [*values, None])
    points = [float(each) for each in made["quantiles"].split()]
    assert made["count"] == 1000 and len(points) == QUANTILES
    assert points == pytest.approx(np.quantile(values, np.linspace(0, 1, QUANTILES)), rel=1e-3)


def test_sketch_of_classes_counts_the_commonest() -> None:
    made = sketch("outputs.class", [*([3] * 5), *range(100), None])
    assert made["count"] == 105 and made["counts"]["3"] == 6 and len(made["counts"]) == 50


def test_sketch_of_nothing_is_empty() -> None:
    assert sketch("outputs.confidence", [None]) == {"count": 0, "quantiles": ""}
    assert mean_of([None]) is None


@pytest.mark.parametrize(
    ("form", "names"),
    [
        (None, ["output"]),
        ({"dict": {"boxes": None, "more": {"tuple": [None, "absent"]}}}, ["boxes", "more.0"]),
        ({"tuple": [None, None]}, ["0", "1"]),
    ],
)
def test_arrays_of_a_form_have_names(form: Any, names: list[str]) -> None:
    assert leaf_names(form) == names


def made_data(shape: Any, assets: Any = None, summary: Any = None) -> Any:
    """Data of a user's task: 40 random examples."""
    inputs = mapped(random_example(shape, 40, seed=4), lambda tensor: tensor.numpy())
    return SimpleNamespace(
        shape=shape,
        size=lambda part: 40,
        arrays=lambda part, batch: iter([(inputs, np.zeros(40))]),
        assets=lambda: assets or {},
        preprocessing=lambda: {"class_names": []},
        task=SimpleNamespace(name="m:Task", object=SimpleNamespace(summary=summary)),
    )


def test_unknown_token_is_that_of_the_tokenizer() -> None:
    tokenizer = {"model": {"unk_token": "[UNK]", "vocab": {"[PAD]": 0, "[UNK]": 1}}}
    data = made_data(Tokens(4, 10), {"tokenizer.json": json.dumps(tokenizer)})
    [about] = calls_of(data, None)["inputs"]
    assert about == {"name": INPUT, "tokens": True, "padding": 0, "unknown": 1}
    assert calls_of(made_data(Tokens(4, 10)), None)["inputs"][0]["unknown"] is None


def write_export(folder: Path, network: type[nn.Module], shape: Shape, summary: Any = None) -> Any:
    """Writes an export of a user's task with its reference."""
    import torch

    from paretune.inputs import shape_json
    from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

    folder.mkdir()
    torch.manual_seed(0)
    artifact = OnnxRuntime.export(network().eval(), shape, folder / "model.onnx")
    entry = {
        **file_entry(folder, "model.onnx"),
        "runtime": "onnxruntime",
        "options": OnnxRuntime.Params().model_dump(),
        "formats": [],
        "info": {key: value for key, value in artifact.info.items() if key == "outputs"},
        "measured": True,
        "expected": {"quantities": {}, "validation": {}, "test": {}, "latency": None},
    }
    task = {"name": "m:Task", "kind": None, "size": 0, "names": [], "params": {}, "metrics": []}
    content: dict[str, Any] = {
        "manifest": 2,
        "study": "s",
        "trial": 1,
        "task": {**task, "shape": shape_json(shape)},
        "preprocessing": {"input": "as the loader gives it", "class_names": []},
        "measurements": {"validation": {}, "test": {}},
        "artifacts": [entry],
        "baseline_artifact": None,
    }
    data = made_data(shape, summary=summary)
    nest, _ = next(data.arrays("validation", 64))
    flat = [each[:16] for each in signature_of(shape).flat(nest)]
    outputs = OnnxRuntime.load(folder / "model.onnx", OnnxRuntime.Params())(*flat)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    write_probe(Probe(None, flat, {"model.onnx": outputs}), content, folder)
    bench: Any = SimpleNamespace(data=data)
    pick: Any = SimpleNamespace(artifact=SimpleNamespace(path=folder / "model.onnx"))
    content["monitoring"] = monitoring_json(bench, pick, content, folder)
    content["assets"] = write_assets(bench, content, folder)
    Manifest(folder, content).write()
    return nest


@pytest.mark.parametrize("pair", NETWORKS, ids=lambda pair: pair[0].__name__)
def test_any_network_logs_its_calls_and_is_calm_on_its_own_data(tmp_path: Path, pair: Any) -> None:
    folder, log = tmp_path / "exported", tmp_path / "calls.jsonl"
    nest = write_export(folder, *pair)
    assert [
        fault for fault, _ in check_export(folder, read_manifest(folder).content) if fault
    ] == []
    model = code_of(folder)["load"](folder / "model.onnx", log=log, sample=1)
    model(mapped(nest, lambda array: array[:20]), log_ids=[f"id {n}" for n in range(20)])
    model(mapped(nest, lambda array: array[20:]))
    assert model.log.dropped == 0, model.log.error
    result = monitor(MonitorRequest(folder, log))
    assert result.ok and result.records.examples == 40
    assert max(row.effect for row in result.drift) < 0.02  # of the sketch alone
    assert {name.partition(".")[0] for name in result.records.statistics} == {"inputs", "outputs"}
    assert not any("probe" in note or "not in" in note for note in result.notes)


def test_summary_of_a_users_task_is_compared_if_the_log_has_it(tmp_path: Path) -> None:
    def summary(outputs: Any) -> Any:
        scores, best = outputs
        return {"best": best.mean(1), "top": scores.max((1, 2))}

    folder, log = tmp_path / "exported", tmp_path / "calls.jsonl"
    nest = write_export(folder, Tagger, TAGGER, summary)
    code = code_of(folder)
    code["load"](folder / "model.onnx", log=log, sample=1, summary=summary)(nest)
    names = {row.name for row in monitor(MonitorRequest(folder, log)).drift}
    assert {"outputs.summary.best", "outputs.summary.top"} <= names
    log.unlink()
    code["load"](folder / "model.onnx", log=log, sample=1)(nest)
    notes = monitor(MonitorRequest(folder, log)).notes
    assert "not in the log: outputs.summary.best, outputs.summary.top" in notes


def test_broken_summary_of_a_task_is_refused_at_the_export(tmp_path: Path) -> None:
    def summary(outputs: Any) -> Any:
        return {"best": [1.0]}

    with pytest.raises(UserError, match=r"task m:Task: summary raised ValueError: .*one per ex"):
        write_export(tmp_path / "exported", Tagger, TAGGER, summary)


def test_older_manifest_gives_code_without_a_log(tmp_path: Path) -> None:
    write_export(tmp_path / "exported", Tagger, TAGGER)
    content = dict(read_manifest(tmp_path / "exported").content)
    del content["monitoring"]
    entry = content["artifacts"][0]
    assert calls_for(entry, content) is None
    code: dict[str, Any] = {"__name__": "load", "__file__": str(tmp_path / "exported/load.py")}
    exec(compile(script_text(entry, content), "load.py", "exec"), code)
    code["load"](tmp_path / "exported" / "model.onnx")
    with pytest.raises(ValueError, match="this export has no log; export the trial again"):
        code["load"](tmp_path / "exported" / "model.onnx", log="calls.jsonl")
