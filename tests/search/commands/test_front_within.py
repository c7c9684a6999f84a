"""`paretune front --within`: table, JSON and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

STUDY = """\
study: within
evaluate: "within_trainer:evaluate"
baseline: {width: 50}
space: {width: {int: [1, 99]}}
objectives: {error: {minimize: fraction}, size: {minimize: bytes}}
first: [{width: 10}, {width: 40}, {width: 90}]
search: {sampler: random, trials: 3}
"""

CODE = """\
def evaluate(plan, report):
    return {"error": 1 / plan["width"], "size": 1000.0 * plan["width"]}
"""


@pytest.fixture
def study(tmp_path: Path, cli: Any) -> Path:
    (tmp_path / "within_trainer.py").write_text(CODE)
    file = tmp_path / "within.yaml"
    file.write_text(STUDY)
    assert cli("run", file).code == 0
    return file


def test_front_within_conditions_is_shown(study: Path, cli: Any) -> None:
    output = cli("front", study, "--within", "size <= 45 KB", "--within", "error <= 5%")
    assert output.code == 0, output.err
    first, *_ = output.out.splitlines()
    assert first == (
        "1 of 4 feasible trials (baseline included) meets "
        '"size <= 45 KB and error <= 5%"; the front among them:'
    )
    assert "2  width 40" in output.out and "3  width 90" not in output.out


def test_json_has_the_conditions_and_the_front(study: Path, cli: Any) -> None:
    output = cli("front", study, "--within", "size <= 0.9 x baseline and error <= 20%", "--json")
    answer = json.loads(output.out)
    assert output.code == 0
    assert answer["within"] == ["size <= 0.9 x baseline", "error <= 20%"]
    assert answer["nearest"] is None
    assert [row["trial"] for row in answer["rows"] if row["on_front"]] == [2, 1]


def test_empty_front_exits_1_and_names_the_nearest_trial(study: Path, cli: Any) -> None:
    output = cli("front", study, "--within", "size <= 9 KB")
    nearest = "trial 1: size 10.0 KB, not <= 9.00 KB"
    assert output.code == 1
    assert output.out == f'no trial meets "size <= 9 KB"; the nearest is {nearest}\n'
    output = cli("front", study, "--within", "size <= 9 KB", "--json")
    assert (output.code, json.loads(output.out)["nearest"]) == (1, nearest)


def test_wrong_condition_exits_2(study: Path, cli: Any) -> None:
    output = cli("front", study, "--within", "sise <= 9 KB")
    assert output.code == 2
    assert "--within: 'sise' is not measured; there is error, size" in output.err
