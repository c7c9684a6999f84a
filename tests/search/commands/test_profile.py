"""`paretune profile`: what it prints and writes, and how it refuses."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from paretune.objectives.base import Measurement
from paretune.objectives.profiling.base import LayerCosts, NetworkPart, Times
from paretune.search.profiling.advice.findings import Finding
from paretune.search.profiling.advice.gains import Estimate
from paretune.search.profiling.advice.tried import Change, Tried
from paretune.search.profiling.profile_info import SCHEMA, Profile
from paretune.search.profiling.profile_page import profile_html
from paretune.search.profiling.profile_text import profile_view

SMALL = ("--model", "{simple_cnn: {width: 0.25}}", "--shape", "3,32,32")

TOP = {
    *("schema", "subject", "runtime", "options", "shape", "classes", "numbers", "times"),
    *("layers", "operators", "parts", "advice", "host"),
}
LAYER = {
    *("layer", "kind", "calls", "output", "ms", "macs", "parameters", "activations"),
    *("memory_bytes", "traffic_bytes", "shares"),
}
TIMES = {
    *("source", "note", "batch", "runs", "whole_ms", "profiled_ms", "layers_ms", "between_ms"),
    "overhead",
}


def test_profile_of_a_network_writes_page_and_json(cli: Any, tmp_path: Path) -> None:
    said = cli("profile", *SMALL, "-o", tmp_path / "out", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert json.loads((tmp_path / "out" / "profile.json").read_text()) == found
    assert "Plotly.newPlot" in (tmp_path / "out" / "profile.html").read_text()
    check_json(found)
    numbers = {m["name"]: m for m in found["numbers"]}
    assert {"latency", "throughput", "size", "parameters", "macs"} <= set(numbers)
    for name in ("macs", "parameters"):
        assert sum(layer[name] for layer in found["layers"]) == numbers[name]["value"]
    assert {"p50_ms", "p90_ms", "p99_ms"} <= set(numbers["latency"]["conditions"])
    assert found["times"]["source"] == "onnxruntime" and found["times"]["note"] is None
    advised = {t["change"] for finding in found["advice"] for t in finding["tries"]}
    assert {"pool", "halve_all", "int8"} <= advised


def check_json(found: dict[str, Any]) -> None:
    assert found["schema"] == SCHEMA and set(found) == TOP and set(found["times"]) == TIMES
    assert all(set(layer) == LAYER for layer in found["layers"])
    for name in ("time", "macs", "parameters", "memory"):
        total = sum(layer["shares"][name] for layer in found["layers"])
        assert total == pytest.approx(1), name
    assert sum(row["share"] for row in found["operators"]) == pytest.approx(1)
    assert [x["ms"] for x in found["layers"]] == sorted(
        (x["ms"] for x in found["layers"]), reverse=True
    )
    for finding in found["advice"]:
        assert set(finding) == {"layer", "fact", "tries"}
        for t in finding["tries"]:
            assert set(t) == {"change", "text", "stays", "space"}
            assert set(t["stays"]) == {"time", "macs", "parameters", "size", "layer_macs"}


def test_profile_of_a_trial_knows_its_accuracy(finished: Path, cli: Any) -> None:
    said = cli("profile", finished, "--trial", "baseline", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    check_json(found)
    names = [m["name"] for m in found["numbers"]]
    assert names[:2] == ["accuracy", "accuracy (test)"]
    assert found["subject"].startswith("tiny, trial 0: ")


def test_a_trial_is_deployed_to_another_runtime(finished: Path, cli: Any) -> None:
    said = cli("profile", finished, "--trial", "1", "--runtime", "torchscript", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert (found["runtime"], found["times"]["source"]) == ("torchscript", "torch")


def test_a_runtime_without_a_profile_falls_back_and_says_so(cli: Any) -> None:
    architecture = "{text_transformer: {layers: 1, width: 16, heads: 2}}"
    said = cli(
        *("profile", "--model", architecture, "--shape", "8,50"),
        *("--runtime", "torchscript", "--batch", "2"),
    )
    assert said.code == 0, said.err
    joined = " ".join(said.out.split())
    assert "torchscript has no profile of its own here" in joined
    assert "torch's profile" in joined and "batch 2, input 8 tokens of 50" in joined


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((), "give a STUDY, or --model MODEL --shape C,H,W"),
        (("x.yaml", "--model", "vit"), "one of the two"),
        (("--model", "vit"), "--model: give --shape too"),
        (("--model", "vit", "--shape", "3,32"), "vit takes images"),
        (("--model", "vit", "--shape", "big"), '--shape: give C,H,W of images .* not "big"'),
        (("--model", "vit", "--shape", "3,0,32"), "--shape: give C,H,W"),
        (("--model", "vitt", "--shape", "3,32,32"), 'did you mean "vit"'),
        (("--model", "torchvision:resnet1", "--shape", "3,32,32"), "no classification model"),
        (("--model", "no_such:net", "--shape", "3,32,32"), "ModuleNotFoundError"),
        (("--model", "{vit: {depth: 0}}", "--shape", "3,32,32"), "depth: .* greater than"),
        (("--model", "{vit: [", "--shape", "3,32,32"), "this is no YAML"),
        ((*SMALL, "--runtime", "onnx"), '--runtime: unknown runtime "onnx"'),
        (("no-such.yaml",), "there is no such study file"),
    ],
)
def test_wrong_input_is_refused_with_what_to_type(
    cli: Any, given: tuple[str, ...], text: str
) -> None:
    said = cli("profile", *given)
    assert said.code == 2, said.out
    assert re.search(text, " ".join(said.err.split())), said.err


def test_an_unknown_trial_is_refused(finished: Path, cli: Any) -> None:
    assert cli("profile", finished, "--trial", "99").code == 2


# -- views -----------------------------------------------------------------------------------------


def made_up() -> Profile:
    name = "encoder.layers.encoder_layer_11.self_attention.out_proj"
    layers = (
        LayerCosts(name, "NonDynamicallyQuantizableLinear", 900, 9000, 64, 4000, (64,)),
        LayerCosts("act", "ReLU", 0, 0, 64, 512, (64,)),
        LayerCosts("", "Network", 0, 0, 32, 256, (64,)),
    )
    parts = (NetworkPart(name, "FusedMatMul", 3.0), NetworkPart("", "Add", 1.0))
    times = Times("onnxruntime", parts, 0.5, 4.4, 4.6, 12)
    left = Estimate(0.6, 0.5, 0.5, 0.51, 0.5)
    tries = (("pruned by half: </script>", Tried(name, Change.HALVE, left, "pruning: {}")),)
    size = Measurement("size", 4e6, "bytes", "lower", 4e6, 4e6)
    return Profile(
        subject="<b>mine</b>",
        runtime="onnxruntime",
        options={"threads": 1},
        shape=(3, 32, 32),
        classes=10,
        numbers=(size,),
        layers=layers,
        times=times,
        note=None,
        findings=(Finding(name, "it takes 75 % of the time", tries), Finding("", "the whole", ())),
        host={"cpu": "a processor"},
    )


def test_table_fits_80_columns_and_adds_up() -> None:
    console = Console(width=80, file=io.StringIO())
    console.print(profile_view(made_up()))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 80
    [worst] = [line for line in text.splitlines() if "out_proj" in line and "75 %" in line]
    assert worst.split()[0].startswith("…")
    [own] = [line for line in text.splitlines() if line.split()[:1] == ["(network)"]]
    assert "25 %" in own and "100 %" in own
    assert any("act" in line and "fused" in line for line in text.splitlines())
    assert "the whole: nothing here gains 3 % or more" in text


def test_page_escapes_what_comes_from_the_network() -> None:
    page = profile_html(made_up())
    assert "<b>mine</b>" not in page and "&lt;b&gt;mine&lt;/b&gt;" in page
    assert "pruned by half: &lt;/script&gt;" in page
