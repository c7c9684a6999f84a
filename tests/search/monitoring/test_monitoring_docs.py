"""docs/monitoring.md: its code and commands run as shown."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.command_line import Cli
from support.markdown import blocks, shown_commands

PAGE = Path(__file__).parents[3] / "docs" / "monitoring.md"

STUDY = """\
data: digits
baseline: {architecture: {simple_cnn: {width: 0.25}}, pretrain: {epochs: 1}}
space: {architecture: {simple_cnn: {width: {choice: [0.0625, 0.125]}}}}
objectives: {accuracy: maximize, latency: minimize}
"""

CODES = {"calls.jsonl": 0, "dark.jsonl": 1}


def normalized(text: str) -> str:
    return " ".join(re.sub(r"[\d.]*\d(e-\d+)?", "0", text).split())


def test_page_runs_as_shown(
    exported: Path,
    tmp_path: Path,
    test_images: Any,
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = np.random.default_rng(0).permutation(len(test_images[0]))[:200]
    np.save(tmp_path / "stream.npy", test_images[0][rows])
    (tmp_path / "labels.csv").write_text("label\n" + "\n".join(map(str, test_images[1][rows])))
    (tmp_path / "tiny.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    codes, page = [], PAGE.read_text(encoding="utf-8")
    for block in blocks(page):
        if block.language == "python":
            command = [sys.executable, "-c", block.text]
            subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        for shown in shown_commands(f"```sh\n{block.text}```") if not block.language else ():
            words = shlex.split(shown.text)
            result = cli(*words[1:])
            assert result.code == CODES[words[4]], f"{shown.text}: {result.out}{result.err}"
            codes.append(result.code)
            for line in shown.output:
                # The linear classifier of the test stays right on dark images.
                other = line.startswith("OFF") or "accuracy" in line
                if line.strip() and not other and not re.search(r"\d", line):
                    wanted = normalized(line.removesuffix("..."))
                    assert wanted in normalized(result.out), f"{line!r} was not printed"
    assert codes == [0, 1, 1]
    assert cli("check", "tiny-next.yaml").code == 0
    assert "images: newer" in (tmp_path / "tiny-next.yaml").read_text()


def test_thresholds_of_the_page_are_those_of_the_code() -> None:
    from paretune.search.monitoring import drift, labels, latency

    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"p-value is below {drift.ALPHA:g}" in text
    assert f"the distance is at least {drift.LEAST_DISTANCE:g}" in text
    assert drift.LEAST_NAN == 0.01 and "one example in a hundred" in text
    assert f"Above {latency.SLOWER:g} times the upper end" in text
    assert f"and {latency.CALL_MS:g} ms, it is off" in text
    assert f"is {100 * labels.LEAST_DROP:g} points lower or the error" in text
    assert f"{100 * labels.LEAST_RISE:g} % larger" in text and labels.ALPHA == drift.ALPHA
