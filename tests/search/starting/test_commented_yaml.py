"""Plain data as YAML with comments."""

from __future__ import annotations

from typing import Any

import pytest

from paretune.search.starting.commented_yaml import commented_yaml, scalar
from paretune.search.study_file.document import document_of

DATA: dict[str, Any] = {
    "study": "plates",
    "data": {"images": "photos, new", "size": 64},
    "space": {
        "pruning": {"choice": {"none": {}, "structured": {"ratio": {"float": [0.1, 0.8]}}}},
        "finetune": {"optimizer": {"adamw": {"lr": {"float": [3e-4, 1e-2], "log": True}}}},
    },
    "goals": ["latency <= 0.5 x baseline"],
}


@pytest.mark.parametrize(
    "value",
    [
        *(0, 1, -3, 0.1, 3e-4, 1e-12, 123456.0, 1.0, 100000.0, True, False, None),
        *("", "a", "no", "1e3", "null", "true", "3", "10m", "a: b", "# c", 'say "x"', "ü", "a\nb"),
        *("~", "-", "*x", "&x", "{a", "[", "0.5 x", " a", "1_000", "0x10", "a,b", "@", "%"),
        *([1, [2, "x: y"]], {"a": {}, "b c": []}, {"1": 2}),
    ],
)
def test_scalar_reads_as_the_same_value(value: Any) -> None:
    text = f"value: {scalar(value)}"
    assert document_of(text, "x.yaml").data == {"value": value}


def test_commented_yaml_reads_as_the_same_data() -> None:
    comments = {
        ("data",): "why " * 40,
        ("space", "pruning", "choice", "structured", "ratio"): "short",
        ("goals", "0"): "of an item",
        ("study",): "a name",
    }
    text = commented_yaml(DATA, comments)
    assert document_of(text, "x.yaml").data == DATA
    assert max(map(len, text.splitlines())) <= 100
    assert "ratio: {float: [0.1, 0.8]}  # short" in text


def test_commented_yaml_takes_one_line_for_what_has_no_comment_inside() -> None:
    lines = commented_yaml(DATA, {}).splitlines()
    assert 'data: {images: "photos, new", size: 64}' in lines
    assert 'goals: ["latency <= 0.5 x baseline"]' in lines


def test_comments_of_a_section_begin_in_one_column() -> None:
    data = {"a": {"short": 1, "a_longer_key": 2}}
    text = commented_yaml(data, {("a", "short"): "one", ("a", "a_longer_key"): "two"})
    columns = {line.index("#") for line in text.splitlines() if "#" in line}
    assert len(columns) == 1


def test_long_comment_stands_above_its_line() -> None:
    text = commented_yaml({"a": {"b": 1}}, {("a", "b"): "word " * 30})
    lines = text.splitlines()
    assert lines[1].startswith("  # word") and lines[-1] == "  b: 1"


def test_alias_repeats_an_earlier_value() -> None:
    recipe = {"epochs": 3, "optimizer": "adam"}
    data = {"baseline": {"pretrain": recipe}, "space": {"pretrain": recipe}}
    origin = ("baseline", "pretrain")
    text = commented_yaml(data, {}, {("space", "pretrain"): origin})
    assert "pretrain: &pretrain {epochs: 3" in text and "pretrain: *pretrain" in text
    assert document_of(text, "x.yaml").data == data
