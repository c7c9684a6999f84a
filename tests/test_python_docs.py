"""docs/python.md: its blocks run in order, and its table names what exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import paretune
from paretune.search.cli import NAMES
from support.markdown import blocks
from support.warm_process import run_python

PAGE = Path(__file__).parents[1] / "docs" / "python.md"


def test_table_names_existing_commands_and_functions() -> None:
    rows = re.findall(r"^\| `paretune (\w+).*?\| (.+) \|$", PAGE.read_text(), re.M)
    assert len(rows) >= 13
    for command, python in rows:
        assert command in NAMES
        for name in re.findall(r"paretune\.(\w+)", python):
            assert name in paretune.__all__
        for name in re.findall(r"study\.(\w+)", python):
            assert hasattr(paretune.Study, name)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_blocks_run_in_order(tmp_path: Path) -> None:
    code = [block.text for block in blocks(PAGE.read_text()) if block.language == "python"]
    assert len(code) >= 9
    script = tmp_path / "page.py"
    script.write_text("\n".join(code))
    done = run_python([str(script)], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all 3 trials are done; report: " in done.stdout
    assert "3 of 3 trials done" in done.stdout
    assert re.search(r"^\d+ complete$", done.stdout, re.M)  # printed by the reporter
    assert re.search(r"all \d+ checks passed", done.stdout)
    assert "no trial of the front meets it" in done.stdout
