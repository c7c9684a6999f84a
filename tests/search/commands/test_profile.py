"""`paretune profile`: what it prints, writes and refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from paretune.search.profiling.advice.change import SLOWER
from paretune.search.profiling.profile import SCHEMA
from support.command_line import Cli

SMALL = ("--model", "{simple_cnn: {width: 0.25}}", "--shape", "3,32,32")

TOP = {
    *("schema", "subject", "runtime", "options", "shape", "classes", "numbers", "times"),
    *("layers", "operators", "parts", "advice", "host", "formats"),
}
LAYER = {
    *("layer", "kind", "calls", "output", "ms", "macs", "parameters", "activations"),
    *("memory_bytes", "traffic_bytes", "shares"),
}
TIMES = {
    *("source", "note", "batch", "runs", "latency_ms", "outside_ms", "overhead"),
}


@pytest.mark.slow
def test_profile_of_a_named_network_writes_page_and_json(cli: Cli, tmp_path: Path) -> None:
    result = cli("profile", *SMALL, "-o", tmp_path / "out", "--json")
    assert result.code == 0, result.err
    profile = json.loads(result.out)
    assert json.loads((tmp_path / "out" / "profile.json").read_text()) == profile
    assert "Plotly.newPlot" in (tmp_path / "out" / "profile.html").read_text()
    check_json(profile)
    numbers = {m["name"]: m for m in profile["numbers"]}
    assert {"latency", "throughput", "size", "parameters", "macs"} <= set(numbers)
    for name in ("macs", "parameters"):
        assert sum(layer[name] for layer in profile["layers"]) == numbers[name]["value"]
    assert {"p50_ms", "p90_ms", "p99_ms"} <= set(numbers["latency"]["conditions"])
    assert profile["times"]["source"] == "onnxruntime" and profile["times"]["note"] is None
    advised = {change["change"] for advice in profile["advice"] for change in advice["tries"]}
    assert {"pool", "halve_all"} <= advised
    assert profile["times"]["latency_ms"] == numbers["latency"]["value"]


@pytest.mark.slow
def test_formats_that_are_slower_when_tried_are_not_proposed(cli: Cli) -> None:
    result = cli("profile", *SMALL, "--json")
    profile = json.loads(result.out)
    formats = {tried["mode"]: tried for tried in profile["formats"]}
    assert set(formats) == {"static", "dynamic", "float16"}
    slower = {mode for mode, tried in formats.items() if tried["low"] > SLOWER}
    lines = [c["space"] for advice in profile["advice"] for c in advice["tries"]]
    choices = [yaml.safe_load(line) for line in lines if line.startswith("quantization")]
    proposed = {mode for choice in choices for mode in choice["quantization"]["choice"]}
    assert proposed <= {"none", *formats} - slower  # which are slower depends on the host
    text = " ".join(cli("profile", *SMALL).out.split())
    assert text.count("parts of the latency") == 1
    assert "without the profiler" not in text


def check_json(profile: dict[str, Any]) -> None:
    assert profile["schema"] == SCHEMA and set(profile) == TOP and set(profile["times"]) == TIMES
    assert all(set(layer) == LAYER for layer in profile["layers"])
    for name in ("time", "macs", "parameters", "memory"):
        total = sum(layer["shares"][name] for layer in profile["layers"])
        assert total == pytest.approx(1), name
    assert sum(row["share"] for row in profile["operators"]) == pytest.approx(1)
    times = [layer["ms"] for layer in profile["layers"]]
    assert times == sorted(times, reverse=True)
    latency = profile["times"]["latency_ms"]
    assert sum(times) + profile["times"]["outside_ms"] == pytest.approx(latency)
    assert sum(part["ms"] for part in profile["parts"]) == pytest.approx(sum(times))
    for advice in profile["advice"]:
        assert set(advice) == {"layer", "fact", "tries"}
        for change in advice["tries"]:
            assert set(change) == {"change", "text", "stays", "space"}
            assert set(change["stays"]) == {"time", "macs", "parameters", "size", "layer_macs"}


@pytest.mark.slow
def test_profile_of_a_trial_shows_its_accuracies(finished: Path, cli: Cli) -> None:
    result = cli("profile", finished, "--trial", "baseline", "--json")
    assert result.code == 0, result.err
    profile = json.loads(result.out)
    check_json(profile)
    names = [m["name"] for m in profile["numbers"]]
    assert names[:2] == ["accuracy", "accuracy (test)"]
    assert profile["subject"].startswith("tiny, trial 0: ")


@pytest.mark.slow
def test_trial_can_be_profiled_in_another_runtime(finished: Path, cli: Cli) -> None:
    result = cli("profile", finished, "--trial", "1", "--runtime", "torchscript", "--json")
    assert result.code == 0, result.err
    profile = json.loads(result.out)
    assert (profile["runtime"], profile["times"]["source"]) == ("torchscript", "torch")


@pytest.mark.slow
def test_torch_is_profiled_with_a_note_when_the_runtime_has_no_profiler(cli: Cli) -> None:
    architecture = "{text_transformer: {layers: 1, width: 16, heads: 2}}"
    result = cli(
        *("profile", "--model", architecture, "--shape", "8,50"),
        *("--runtime", "torchscript", "--batch", "2"),
    )
    assert result.code == 0, result.err
    text = " ".join(result.out.split())
    assert "Paretune has no profiler for torchscript" in text
    assert "torch's profile" in text and "batch 2, input 8 tokens, vocabulary 50" in text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "give a STUDY, or --model MODEL --shape C,H,W"),
        (("x.yaml", "--model", "vit"), "one of the two"),
        (("--model", "vit"), "--model: give --shape too"),
        (("--model", "vit", "--shape", "3,32"), "vit takes images"),
        (
            ("--model", "vit", "--shape", "big"),
            '--shape: .* C,H,W of images .* not "big"',
        ),
        (("--model", "vit", "--shape", "3,0,32"), "--shape: give the sizes of one input: C,H,W"),
        (("--model", "vitt", "--shape", "3,32,32"), 'did you mean "vit"'),
        (("--model", "torchvision:resnet1", "--shape", "3,32,32"), "no classification model"),
        (("--model", "no_such:net", "--shape", "3,32,32"), "ModuleNotFoundError"),
        (("--model", "{vit: {depth: 0}}", "--shape", "3,32,32"), "depth: .* greater than"),
        (("--model", "{vit: [", "--shape", "3,32,32"), "this is not YAML"),
        ((*SMALL, "--runtime", "onnx"), '--runtime: unknown runtime "onnx"'),
        (("no-such.yaml",), "there is no such study file"),
        (("model.pt",), 'name the network: paretune profile --model "torchvision:mobilenet_v2"'),
        (("model.onnx",), "this is a file of a model or its weights, not a study"),
    ],
)
def test_wrong_input_is_refused_with_what_to_type(
    cli: Cli, arguments: tuple[str, ...], text: str
) -> None:
    result = cli("profile", *arguments)
    assert result.code == 2, result.out
    assert re.search(text, " ".join(result.err.split())), result.err


def test_unknown_trial_is_refused(finished: Path, cli: Cli) -> None:
    assert cli("profile", finished, "--trial", "99").code == 2
