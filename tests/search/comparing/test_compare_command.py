"""`paretune compare`: studies that were run, the page, JSON and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

STUDY = """\
study: NAME
evaluate: "compare_trainer:evaluate"
baseline: {width: 50}
space: {width: {int: [1, 99]}}
objectives: {error: {minimize: fraction}, size: {minimize: bytes}}
first: FIRST
search: {sampler: random, trials: 2}
"""

CODE = """\
def evaluate(plan, report):
    return {"error": 1 / plan["width"], "size": 1000.0 * plan["width"]}
"""


@pytest.fixture(scope="module")
def _ran(tmp_path_factory: pytest.TempPathFactory, cli: Any) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    (folder / "compare_trainer.py").write_text(CODE)
    plans = {"left": (10, 40), "right": (20, 90)}
    for name, (first, second) in plans.items():
        text = STUDY.replace("NAME", name)
        text = text.replace("FIRST", f"[{{width: {first}}}, {{width: {second}}}]")
        (folder / f"{name}.yaml").write_text(text)
        assert cli("run", folder / f"{name}.yaml").code == 0
    return folder


def test_compare_prints_fronts_and_differences(_ran: Path, cli: Any) -> None:
    output = cli("compare", _ran / "left.yaml", _ran / "right")
    assert output.code == 0, output.err
    text = " ".join(output.out.split())
    assert "best size: left (trial 1) beats right (trial 1) by 2.0x" in text
    assert "best error: right (trial 2) beats left (baseline) by 0.89" in text
    assert "hypervolume on error and size: left" in text


def test_compare_writes_a_page_that_needs_no_network(_ran: Path, tmp_path: Path, cli: Any) -> None:
    page = tmp_path / "compare.html"
    output = cli("compare", _ran / "left.yaml", _ran / "right.yaml", "-o", page)
    assert output.code == 0 and output.out.splitlines()[-1] == str(page)
    text = page.read_text()
    assert "left / right" in text and "error against size" in text
    assert 'src="http' not in text and "<link" not in text


def test_compare_as_json(_ran: Path, cli: Any) -> None:
    output = cli("compare", _ran / "left.yaml", _ran / "right.yaml", "--json")
    answer = json.loads(output.out)
    assert [study["name"] for study in answer["studies"]] == ["left", "right"]
    assert [len(study["front"]) for study in answer["studies"]] == [3, 3]
    volumes = [study["hypervolume"] for study in answer["studies"]]
    assert all(0 < volume < 1 for volume in volumes)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["left.yaml"], "give two studies or more, not 1"),
        (["left.yaml", "left"], "are the same study"),
        (["left.yaml", "nowhere.yaml"], "there is no such study file"),
    ],
)
def test_wrong_studies_exit_2(_ran: Path, cli: Any, names: list[str], text: str) -> None:
    output = cli("compare", *(_ran / name for name in names))
    assert output.code == 2
    assert text in output.err
