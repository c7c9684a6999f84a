"""Is a file what was measured? Pure: what was recorded, what was found -> a finding."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from paretune.objectives.base import Measurement
from paretune.search.export.check_results import Finding, Level
from paretune.search.export.latency_ratio import Ratio
from paretune.search.export.manifest import DIGEST, MANIFEST, content_digest
from paretune.search.files import sha256_of
from paretune.search.study.units import format_interval, format_times, format_value

FLOAT, ROUNDED = 2e-3, 1e-2
"""How far logits may be from the recorded ones, as a share of their span: of float32, where another
processor adds up in another order (the largest difference), and of other formats, where it may
round another way (the mean). An int8 file of the digits was 0.001 from its float network in the
mean, and six networks of one study, alike in accuracy, 0.046 to 0.135 from each other."""

AGREEMENT = 0.99
"""Share of examples whose class has to be the recorded one, besides."""

SLACK = 0.01
"""Of a value: how far outside of an interval it may lie, for quantities without one."""

TOLERATED = 1.1
"""A ratio of latencies within this factor of the recorded one's interval counts as the same..."""

FAR = 2.0
"""...and beyond this one it is off, whatever else the machine does. What lies between is a warning:
the bytes are the measured ones, and a busy machine is the likelier reason."""


def same_manifest(content: Mapping[str, Any]) -> Finding:
    """Whether the manifest is as it was written."""
    digest, said = content_digest(content), content.get(DIGEST)
    if digest == said:
        return Finding(MANIFEST, "digest", "ok", digest)
    return Finding(
        MANIFEST, "digest", "off", f"was changed: its content has {digest}, it says {said}"
    )


def same_file(folder: Path, entry: Mapping[str, Any]) -> Finding:
    """Whether a file is there and has its recorded digest."""
    name, file = entry["file"], folder / entry["file"]
    if not file.is_file():
        return Finding(name, "file", "off", "is missing")
    size = file.stat().st_size
    if size != entry["bytes"]:
        return Finding(
            name, "sha256", "off", f"{size} bytes, recorded {entry['bytes']}: it is another file"
        )
    digest = sha256_of(file)
    if digest == entry["sha256"]:
        return Finding(name, "sha256", "ok", digest)
    return Finding(name, "sha256", "off", f"{digest} is another file, recorded {entry['sha256']}")


def same_stamp(name: str, recorded: Mapping[str, Any], found: Mapping[str, Any]) -> Finding:
    """Whether a file asks for the operator sets that it was recorded with."""
    told = found == recorded
    text = _stamp_text(found) + ("" if told else f", recorded {_stamp_text(recorded)}")
    return Finding(name, "opset", "ok" if told else "off", text, {"found": dict(found)})


def _stamp_text(stamp: Mapping[str, Any]) -> str:
    opset = stamp.get("opset", {})
    return ", ".join(f"{domain} {version}" for domain, version in opset.items()) or "none"


def distance(recorded: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Largest and mean difference of logits as a share of their span, and how many classes agree.

    Args:
        recorded: [B, classes].
        found: The same shape.
    """
    span = float(np.ptp(recorded)) or 1.0
    gaps = np.abs(found.astype(np.float64) - recorded)
    return {
        "largest": float(gaps.max()) / span,
        "mean": float(gaps.mean()) / span,
        "agreement": float((found.argmax(1) == recorded.argmax(1)).mean()),
    }


def same_outputs(name: str, plain: bool, recorded: np.ndarray, found: np.ndarray) -> Finding:
    """Whether logits are the recorded ones.

    Args:
        name: Of the file.
        plain: Whether it computes in float32.
        recorded: [B, classes].
        found: What came out now.
    """
    what = "outputs"
    if found.shape != recorded.shape:
        text = f"of shape {list(found.shape)}, recorded {list(recorded.shape)}"
        return Finding(name, what, "off", text)
    if not np.isfinite(found).all():
        return Finding(name, what, "off", "are not finite")
    apart = distance(recorded, found)
    near = apart["largest"] <= FLOAT if plain else apart["mean"] <= ROUNDED
    level: Level = "ok" if near and apart["agreement"] >= AGREEMENT else "off"
    text = (
        f"on {len(found)} examples {_percent(apart['agreement'])} of the classes agree, logits "
        f"differ by {apart['mean']:.2g} of their span (at most {apart['largest']:.2g})"
    )
    return Finding(name, what, level, text, apart)


def like_model(name: str, plain: bool, model: np.ndarray, found: np.ndarray) -> Finding:
    """How far a file's logits are from the float network's that it was made from.

    Off only for a file that computes in float32; what int8 costs is what the accuracy says.
    """
    apart = distance(model, found)
    good = not plain or (apart["largest"] <= FLOAT and apart["agreement"] >= AGREEMENT)
    text = (
        f"{_percent(apart['agreement'])} of the classes are those of the float network on "
        f"{len(found)} validation examples, logits differ by {apart['mean']:.2g} of their span"
    )
    return Finding(name, "model", "ok" if good else "off", text, apart)


def same_value(
    name: str, part: str, recorded: Measurement | None, found: Measurement, same_data: bool
) -> Finding:
    """Whether a quantity that was measured on data lies in its recorded interval.

    Args:
        name: Of the file.
        part: Of the data.
        recorded: None where it was not measured; then nothing is off.
        found: Measured now.
        same_data: On the same examples. On others the intervals have to overlap.
    """
    shown = f"{format_value(found.value, found.unit)} on {found.count} {part} examples"
    numbers = {"found": found.to_json(), "part": part}
    if recorded is None:
        return Finding(name, found.name, "ok", f"{shown}; nothing to compare it with", numbers)
    slack = SLACK * abs(recorded.value) if recorded.low == recorded.high else 1e-9
    low, high = (found.value, found.value) if same_data else (found.low, found.high)
    fits = low <= recorded.high + slack and high >= recorded.low - slack
    within = format_interval(recorded)
    interval = f" (95 % interval {within})" if within else ""
    text = f"{shown}, recorded {format_value(recorded.value, recorded.unit)}{interval}"
    numbers["recorded"] = recorded.to_json()
    return Finding(name, found.name, "ok" if fits else "off", text, numbers)


def same_latency(
    name: str, recorded: Ratio, found: Ratio, measured: Measurement, strict: bool
) -> Finding:
    """Whether a file is as fast beside the baseline as it was.

    Args:
        name: Of the file.
        recorded: Its latency over the baseline's, in the study.
        found: The same now.
        measured: What says so.
        strict: What would be a warning is off.
    """
    apart = max(found.low / recorded.high, recorded.low / found.high, 1.0)
    level: Level = "ok"
    if apart > TOLERATED:
        level = "off" if strict or apart > FAR else "warning"
    text = f"{found.text()} the baseline's, recorded {recorded.text()}"
    if level != "ok":
        text += f"; {format_times(apart)} beyond both 95 % intervals"
        then, now = recorded.cpu, measured.conditions.get("cpu")
        if then != now:
            text += f"; recorded on {then}, this is {now}"
        elif measured.conditions.get("disturbed_host"):
            text += "; this machine is busy: most runs were interrupted"
    numbers = {"found": found.to_json(), "recorded": recorded.to_json(), "apart": apart}
    numbers["measured"] = measured.to_json()
    return Finding(name, measured.name, level, text, numbers)


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
