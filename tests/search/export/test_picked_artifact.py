"""The picked artifact: the baseline's own latency has no ratio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def test_baselines_latency_is_not_compared_with_itself(finished: Path, cli: Any) -> None:
    folder = finished.parent / "base"
    result = cli("export", finished, "--pick", "baseline", "-o", folder, "--no-latency")
    assert result.code == 0, result.out + result.err
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["baseline_artifact"] is None
    assert manifest["artifacts"][0]["expected"]["latency"] is None
    assert "latency" not in {check["check"] for check in manifest["verified"]["results"]}
