"""The text that `paretune export` prints."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from paretune.search.export.check_results import CheckResult, Verification
from paretune.search.export.summary_text import summary_text
from paretune.search.views.shown_measurements import headline_measurements, without_repeats


def measurement(name: str, value: float, unit: str = "fraction") -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "better": "lower"}


VALUES = {
    "size": measurement("size", 1500.0, "bytes"),
    "accuracy": measurement("accuracy", 0.9),
    "accuracy.top1": measurement("accuracy.top1", 0.9),
    "accuracy.top5": measurement("accuracy.top5", 0.99),
    "accuracy@phone": measurement("accuracy@phone", 0.8),
    "accuracy.top1@phone": measurement("accuracy.top1@phone", 0.8),
}

FILES = {
    "model.onnx": "the file that was measured",
    "baseline/model.onnx": "the baseline, to compare latencies with",
    "load.py": "Python code that runs the model",
    "verify.py": "checks digests and outputs without Paretune",
    "probe.npz": "examples with the outputs that the model must give",
    "MODEL_CARD.md": "measurements, usage, licence and limits",
    "manifest.json": "all of this as JSON",
}


def result(*levels: str) -> Any:
    """Returns the result of an export whose checks have these levels."""
    content = {
        "trial": 3,
        "plan_text": "simple_cnn width 0.5",
        "measurements": {"validation": VALUES, "test": {"accuracy": VALUES["accuracy"]}},
        "times_better_than_baseline": {"size": 4.0},
        "artifacts": [{"file": "model.onnx", "note": FILES["model.onnx"], "measured": True}],
        "baseline_artifact": {"file": "baseline/model.onnx"},
        "assets": [{"file": "load.py"}, {"file": "verify.py"}, {"file": "probe.npz"}],
    }
    checks = [
        CheckResult("model.onnx", f"check {n}", level, "text") for n, level in enumerate(levels)
    ]  # type: ignore[arg-type]
    manifest = SimpleNamespace(content=content, folder=Path("my export"))
    return SimpleNamespace(manifest=manifest, verification=Verification(tuple(checks)))


def test_summary_is_short_when_all_checks_passed() -> None:
    assert summary_text(result("ok", "ok", "ok")).splitlines() == [
        "trial 3: simple_cnn width 0.5",
        "  size            1.50 KB, 4.0x smaller than the baseline",
        "  accuracy        90.00 % (test 90.00 %)",
        "  accuracy@phone  80.00 %",
        "my export/model.onnx  the file that was measured",
        "my export/  with baseline/model.onnx, load.py, verify.py, probe.npz, MODEL_CARD.md, "
        "manifest.json",
        "all 3 checks passed; to repeat: paretune verify 'my export'",
    ]


def test_failed_checks_and_warnings_are_always_listed() -> None:
    text = summary_text(result("ok", "warning", "failed"))
    assert "check 0" not in text
    assert "warn model.onnx: check 1: text\nFAIL model.onnx: check 2: text" in text
    assert text.endswith("1 check failed; the files are in my export")


def test_verbose_summary_lists_measurements_files_and_checks() -> None:
    text = summary_text(result("ok", "warning"), verbose=True)
    lines = text.splitlines()
    assert "  accuracy.top5   99.00 %" in lines
    assert not any("accuracy.top1" in line for line in lines)
    assert all(f"my export/{name}  {note}" in lines for name, note in FILES.items())
    assert "ok   model.onnx: check 0: text" in lines


def test_summary_of_an_export_names_files_and_the_command_to_verify(printed: str) -> None:
    lines = printed.splitlines()
    assert re.match(r"trial \d+: simple_cnn width ", lines[0])
    assert any(re.match(r"  accuracy +\d+\.\d\d % \(test \d+\.\d\d %\)$", line) for line in lines)
    assert any(re.match(r"  size .* than the baseline$", line) for line in lines)
    assert "model.onnx  the file that was measured" in printed
    assert "sha256" not in printed
    last = shlex.split(lines[-1].partition("; to repeat: ")[2])
    assert last[:2] == ["paretune", "verify"]


def test_statistic_that_repeats_accuracy_is_left_out() -> None:
    assert list(without_repeats(VALUES)) == ["size", "accuracy", "accuracy.top5", "accuracy@phone"]
    other = {**VALUES, "accuracy": measurement("accuracy", 0.7)}
    assert "accuracy.top1" in without_repeats(other)


def test_headline_keeps_a_statistic_that_stands_alone() -> None:
    alone = {"accuracy.f1": VALUES["accuracy"], "size": VALUES["size"]}
    assert headline_measurements(alone) == alone
