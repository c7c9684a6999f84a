"""A precision that the processor cannot multiply is reported before the trainings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from paretune.search.preflight import precision_check
from paretune.search.preflight.preflight import full_check
from paretune.search.study_file.loading import load_study
from support.preflight_studies import STUDY


def notes(file: Path) -> list[tuple[str, str]]:
    spec = load_study(file)
    info = full_check(spec, lambda key: ".".join(map(str, key)))
    return [(f.item, f.text) for f in info.findings if f.check == "precision"]


@pytest.fixture
def halves(study: Callable[..., Path]) -> Path:
    """A study whose finetuning works in bfloat16."""
    assert STUDY.count("finetune: {") == 1
    return study("finetune: {", "finetune: {amp: bfloat16, ")


def test_slow_precision_is_reported(halves: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        precision_check, "_step_seconds", lambda kind: {"bfloat16": 3.0, "off": 1.0}[kind]
    )
    [(item, text)] = notes(halves)
    assert item == "amp bfloat16"
    assert "3.0 times as long in bfloat16 as in float32" in text
    assert "amp: off" in text


def test_fast_precision_is_not_reported(halves: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        precision_check, "_step_seconds", lambda kind: {"bfloat16": 0.5, "off": 1.0}[kind]
    )
    assert notes(halves) == []


def test_study_without_amp_times_nothing(
    study: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision_check, "_step_seconds", lambda kind: pytest.fail(kind))
    assert notes(study()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="oneDNN's limit works on x86 alone")
def test_processor_without_bfloat16_is_seen() -> None:
    """oneDNN emulates bfloat16 there: three times as long is far below what it takes."""
    import platform

    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("oneDNN's limit works on x86 alone")
    code = (
        "from paretune.search.preflight.precision_check import _step_seconds as s\n"
        "print(s('bfloat16') / s('off'))"
    )
    limited = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=limited, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) > precision_check.SLOWER
