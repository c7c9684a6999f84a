"""The reference of study files names every key, and the page in docs/ is up to date."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from paretune.search.study_file.loading import load_study
from paretune.search.study_file.reference import EXAMPLES, TRAINER_EXAMPLES, reference
from paretune.search.study_file.schema import study_schema

PAGE = Path(__file__).parents[3] / "docs" / "study-file.md"

MINIMAL = """\
data: digits
baseline: {architecture: simple_cnn, pretrain: {epochs: 1}}
space: {pruning: {structured: {ratio: {float: [0.1, 0.5]}}}, finetune: {epochs: 1}}
objectives: {accuracy: maximize, latency: minimize, size: minimize}
"""


MASKS = {
    "data": {"masks": "photos"},
    "baseline": {"architecture": "unet", "pretrain": {"epochs": 1}},
    "objectives": {"miou": "maximize", "size": "minimize"},
}
"""What the example of `task` needs."""


def test_page_in_docs_is_generated_from_the_schema() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "run: .venv/bin/paretune schema --markdown > docs/study-file.md"
    )


def test_schema_command_prints_the_page(cli: Any) -> None:
    result = cli("schema", "--markdown")
    assert (result.code, result.out) == (0, reference())


def keys_of(schema: Any) -> set[str]:
    """Returns every key of a study file that the schema names."""
    if isinstance(schema, list):
        return set().union(*map(keys_of, schema))
    if not isinstance(schema, dict):
        return set()
    keys = set(schema.get("properties", {}))
    return keys.union(*(keys_of(value) for value in schema.values()))


def test_page_names_every_key() -> None:
    domains = {"choice", "float", "int", "log", "step"}
    words = set(re.findall(r"[\w.]+", reference()))
    last = {word.rpartition(".")[2] for word in words}
    assert keys_of(study_schema()) - words - last - domains == set()


def test_every_key_has_a_meaning() -> None:
    rows = [line.split(" | ") for line in reference().splitlines() if line.startswith("| `")]
    tables = [row for row in rows if len(row) == 4 and row[1] not in ("maximize", "minimize")]
    assert len(tables) > 300
    assert not [row for row in tables if not row[3].strip("| ")]


@pytest.mark.parametrize("section", EXAMPLES)
def test_example_of_a_section_loads(section: str, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    study = yaml.safe_load(MINIMAL) | (MASKS if section == "task" else {})
    study |= yaml.safe_load(EXAMPLES["space"]) if section in ("first", "prior") else {}
    study |= yaml.safe_load(EXAMPLES[section])
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(study))
    if section in ("targets", "device"):
        pytest.importorskip("executorch" if section == "targets" else "torch")
    load_study(file)


def test_examples_of_your_own_trainer_load(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def train(plan, report):\n    return {}\n\n\ndef count(plan):\n    return {}\n"
    )
    file = tmp_path / "study.yaml"
    file.write_text("\n".join(TRAINER_EXAMPLES.values()) + "\n")
    spec = load_study(file)
    assert spec.trainer is not None and spec.trainer.evaluate == "mine:train"
