"""The latency of a picked artifact beside the baseline's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from paretune.objectives.base import Measurement
from paretune.search.export.picked_artifact import PickedArtifact


def test_baselines_latency_is_not_compared_with_itself(finished: Path, cli: Any) -> None:
    folder = finished.parent / "base"
    result = cli("export", finished, "--pick", "baseline", "-o", folder, "--no-latency")
    assert result.code == 0, result.out + result.err
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["baseline_artifact"] is None
    assert manifest["artifacts"][0]["expected"]["latency"] is None
    assert "latency" not in {check["check"] for check in manifest["verified"]["results"]}


def test_latency_that_the_study_has_dropped_has_no_ratio() -> None:
    measured = {"latency": Measurement("latency", 2.0, "ms", "lower", 1.9, 2.1, 100)}
    nothing = cast(Any, None)
    pick = PickedArtifact(
        nothing, nothing, nothing, nothing, (), measured, {}, cast(Any, object()), measured,
        quantities={"size": {}},
    )  # fmt: skip
    assert pick.latency() is None
