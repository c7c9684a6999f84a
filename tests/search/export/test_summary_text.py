"""The text that `paretune export` prints."""

from __future__ import annotations

import re


def test_summary_lists_measurements_files_and_checks(printed: str) -> None:
    lines = printed.splitlines()
    assert re.match(r"trial \d+: simple_cnn width ", lines[0])
    assert any(re.match(r"  accuracy +\d+\.\d\d % \(test \d+\.\d\d %\)$", line) for line in lines)
    assert any(re.match(r"  size .* than the baseline$", line) for line in lines)
    notes = dict(
        line.split("exported/")[1].split("  ")
        for line in lines
        if re.search(r"exported/\S+  ", line)
    )
    assert notes == {
        "model.onnx": "the file that was measured",
        "baseline/model.onnx": "the baseline, to compare latencies with",
        "load.py": "Python code that runs the model",
        "verify.py": "checks digests and outputs without Paretune",
        "probe.npz": "examples with the outputs that the model must give",
        "MODEL_CARD.md": "measurements, usage, licence and limits",
        "manifest.json": "all of this as JSON",
    }
    assert not any("sha256" in line for line in lines)
