"""The entries and texts of `paretune list`."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from paretune.search.interface.catalogue import TABLES, catalogue, catalogue_text, first_line
from paretune.search.study.tables import SAMPLER_NAMES

KINDS = [*TABLES, "samplers"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_has_a_name_and_a_line(kind: str) -> None:
    entries = catalogue(kind)

    assert entries
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9_]+", entry["name"])
        assert 10 < len(entry["text"]) <= 100
        assert entry["text"][-1] == "." or kind == "samplers"
    assert json.loads(json.dumps(entries)) == entries


@pytest.mark.parametrize("kind", list(TABLES))
def test_each_name_of_a_table_is_listed_once(kind: str) -> None:
    names = [(entry["kind"], entry["name"]) for entry in catalogue(kind)]

    assert names == [(table.kind, name) for table in TABLES[kind] for name in table.names]
    assert len(set(names)) == len(names)


def test_study_can_name_every_sampler() -> None:
    names = [entry["name"] for entry in catalogue("samplers")]

    assert sorted(names) == sorted(SAMPLER_NAMES)


def test_objectives_have_unit_and_direction() -> None:
    units = {entry["name"]: (entry["unit"], entry["better"]) for entry in catalogue("objectives")}

    assert units["accuracy"] == ("fraction", "higher")
    assert units["latency"] == ("ms", "lower")
    assert units["size"] == ("bytes", "lower")


def test_objectives_show_further_values_cost_needs_and_why_one_is_unavailable() -> None:
    entries = catalogue("objectives")
    text = catalogue_text(entries)

    assert "accuracy.balanced [fraction, higher is better]: mean of the accuracies" in text
    assert "[MACs, lower is better; from the model alone]" in text
    assert "[ms, lower is better; by running it]" in text
    assert "needs pip install 'paretune[energy]', and RAPL or NVML counters" in text
    why = {entry["name"]: entry["unavailable"] for entry in entries}["energy"]
    assert (f"UNAVAILABLE: {why}" in text) is (why is not None)


def test_runtimes_have_quantizations_batch_and_availability() -> None:
    runtimes = {entry["name"]: entry for entry in catalogue("runtimes")}

    assert runtimes["onnxruntime"]["unavailable"] is None
    assert {"dynamic", "static"} <= set(runtimes["onnxruntime"]["quantizations"])
    assert runtimes["litert"]["dynamic_batch"] is False


def test_runtime_text_shows_formats_batch_and_needs_in_one_line() -> None:
    text = catalogue_text(catalogue("runtimes"))

    assert "float; any batch; needs a C++ compiler (g++ or clang++)" in text
    assert "float, static; any batch; needs pip install 'paretune[executorch]'" in text
    assert "float, dynamic, static; batch 1; needs pip install 'paretune[litert]'; to" in text


@pytest.mark.parametrize(
    ("kind", "name", "parameter", "text"),
    [
        ("architectures", "simple_cnn", "width", "number in (0, 4], default 1.0: "),
        ("architectures", "resnet", "blocks", "integer in [1, 64] or list, default 3: "),
        ("architectures", "resnet", "resolution", "integer in [4, 1024]: "),
        ("architectures", "staged", "stages", "list: stages, from the image"),
        ("architectures", "staged", "stages.N.width", "integer in [4, 2048]: output channels"),
        ("techniques", "structured", "ratio", "number in [0, 1): "),
        ("techniques", "structured", "round_to", "integer in [1, inf), default 8: "),
        ("techniques", "structured", "scope", "uniform | global | sensitivity, default uniform: "),
        ("training", "sgd", "nesterov", "boolean, default False: "),
        ("training", "sgd", "momentum", "number in [0, 1), default 0.9"),
        ("data", "npz", "file", "string: path of the .npz file"),
        ("data", "images", "size", "integer in [1, 4096]: side in pixels"),
        ("data", "python", "args", "object, default {}: "),
    ],
)
def test_parameter_text_has_type_range_and_default(
    kind: str, name: str, parameter: str, text: str
) -> None:
    entry = next(entry for entry in catalogue(kind) if entry["name"] == name)

    assert entry["parameters"][parameter].startswith(text)


def test_text_has_a_line_for_each_entry_and_parameter() -> None:
    entries: list[dict[str, Any]] = [
        {"kind": "a", "name": "one", "text": "First.", "parameters": {"x": "number"}},
        {"kind": "b", "name": "three", "text": "Second.", "parameters": {}, "unavailable": "no"},
        {
            "kind": "b",
            "name": "four",
            "text": "Third.",
            "parameters": {},
            "unit": "ms",
            "better": "lower",
        },
    ]

    assert catalogue_text(entries).splitlines() == [
        "a:",
        "  one    First.",
        "           x: number",
        "b:",
        "  three  Second. UNAVAILABLE: no",
        "  four   Third. [ms, lower is better]",
    ]


def test_entry_text_is_the_first_line_of_its_docstring() -> None:
    class Entry:
        """One line.

        Another.
        """

    assert first_line(Entry) == "One line."
