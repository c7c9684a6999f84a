"""Compares the recorded properties of a file with those measured now. Pure functions.

The argument `recorded` is the value in the study or the manifest, and `actual` the present one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paretune.objectives.base import Measurement
from paretune.search.export.check_results import CheckResult, Level
from paretune.search.export.latency_ratio import LatencyRatio
from paretune.search.export.manifest import DIGEST, MANIFEST, content_digest
from paretune.search.files import sha256_of
from paretune.search.study.units import format_interval, format_quantity, format_times

FLOAT_TOLERANCE = 2e-3
"""Greatest difference of float32 outputs from the recorded ones, as a share of their range. Another
processor adds up in another order."""

ROUNDED_TOLERANCE = 1e-2
"""Mean difference of outputs in other formats, as a share of their range. Another processor may
round in another way. An int8 file of the digits was 0.001 from its float network in the mean; six
networks of one study, alike in accuracy, were 0.046 to 0.135 from each other."""

AGREEMENT = 0.99
"""Share of examples that must have the recorded class, or of integers that must be equal."""

VALUE_TOLERANCE = 0.01
"""Difference from a recorded value without interval, as a share of the value."""

RATIO_TOLERANCE = 1.1
"""A ratio of latencies counts as the same within this factor of the recorded one's interval."""

RATIO_FAILS = 2.0
"""Beyond this factor a ratio of latencies fails, even on a busy machine. Between the two factors it
is a warning: the file is the measured one, so a busy machine is the likelier reason."""


def check_manifest(content: Mapping[str, Any]) -> CheckResult:
    """Checks that a manifest was not changed."""
    digest, recorded = content_digest(content), content.get(DIGEST)
    if digest == recorded:
        return CheckResult(MANIFEST, "digest", "ok", digest)
    return CheckResult(
        MANIFEST, "digest", "failed", f"was changed: its digest is {digest}, recorded {recorded}"
    )


def check_file(folder: Path, entry: Mapping[str, Any]) -> CheckResult:
    """Checks that a file is there and has its recorded size and digest."""
    name, file = entry["file"], folder / entry["file"]
    if not file.is_file():
        return CheckResult(name, "file", "failed", "is missing")
    size = file.stat().st_size
    if size != entry["bytes"]:
        text = f"{size} bytes, recorded {entry['bytes']}: it is another file"
        return CheckResult(name, "sha256", "failed", text)
    digest = sha256_of(file)
    if digest == entry["sha256"]:
        return CheckResult(name, "sha256", "ok", digest)
    text = f"{digest}, recorded {entry['sha256']}: it is another file"
    return CheckResult(name, "sha256", "failed", text)


def check_opset(name: str, recorded: Mapping[str, Any], actual: Mapping[str, Any]) -> CheckResult:
    """Checks that a file needs the operator sets that were recorded."""
    is_equal = actual == recorded
    text = _opset_text(actual) + ("" if is_equal else f", recorded {_opset_text(recorded)}")
    return CheckResult(
        name, "opset", "ok" if is_equal else "failed", text, {"actual": dict(actual)}
    )


def _opset_text(stamp: Mapping[str, Any]) -> str:
    opset = stamp.get("opset", {})
    return ", ".join(f"{domain} {version}" for domain, version in opset.items()) or "none"


@dataclass(frozen=True)
class OutputRule:
    """What is compared of a file's outputs.

    Attributes:
        file: File name.
        is_float: Whether the file computes in float32.
        classes: Whether the outputs are logits [B, classes] of which the largest is the answer.
    """

    file: str
    is_float: bool
    classes: bool = True

    def allows(self, differences: Mapping[str, float]) -> bool:
        """Returns whether differences are those of the same file on another processor."""
        near = (
            differences["largest"] <= FLOAT_TOLERANCE
            if self.is_float
            else differences["mean"] <= ROUNDED_TOLERANCE
        )
        return near and differences.get("agreement", 1.0) >= AGREEMENT


def distance(
    recorded: Sequence[np.ndarray], actual: Sequence[np.ndarray], classes: bool = True
) -> dict[str, float]:
    """Returns how far outputs [B, ...] are apart: the largest values of all outputs.

    Args:
        recorded: Outputs as they were recorded, in order.
        actual: Outputs now, of the same shapes.
        classes: Whether the first output has logits of classes.

    Returns:
        "largest" and "mean" difference as shares of the range of the recorded output, and
        "agreement", the share of examples with the same class, if there are classes. Integers
        differ by the share of them that are not equal.
    """
    pairs = [_gaps(one, other) for one, other in zip(recorded, actual, strict=True)]
    apart = {
        "largest": max(largest for largest, _ in pairs),
        "mean": max(mean for _, mean in pairs),
    }
    if classes:
        apart["agreement"] = float((actual[0].argmax(1) == recorded[0].argmax(1)).mean())
    return apart


def _gaps(recorded: np.ndarray, actual: np.ndarray) -> tuple[float, float]:
    if not recorded.size:
        return 0.0, 0.0
    if recorded.dtype.kind != "f":
        share = float((recorded != actual).mean())
        return (0.0 if share <= 1 - AGREEMENT else share), share
    span = float(np.ptp(recorded)) or 1.0
    gaps = np.abs(actual.astype(np.float64) - recorded)
    return float(gaps.max()) / span, float(gaps.mean()) / span


def check_outputs(
    rule: OutputRule, recorded: Sequence[np.ndarray], actual: Sequence[np.ndarray]
) -> CheckResult:
    """Checks that a file gives the recorded outputs.

    Args:
        rule: What is compared.
        recorded: Outputs [B, ...], in order.
        actual: Outputs for the same examples, now.
    """
    name, check = rule.file, "outputs"
    shapes, recorded_shapes = ([list(x.shape) for x in each] for each in (actual, recorded))
    if shapes != recorded_shapes:
        text = f"their shape is {_listed(shapes)}, recorded {_listed(recorded_shapes)}"
        return CheckResult(name, check, "failed", text)
    if not all(np.isfinite(each).all() for each in actual):
        return CheckResult(name, check, "failed", "some are not finite")
    differences = distance(recorded, actual, rule.classes)
    level: Level = "ok" if rule.allows(differences) else "failed"
    count = len(actual[0])
    if rule.classes:
        text = f"{_percent(differences['agreement'])} of the classes agree on {count} examples; "
        text += "logits "
    else:
        text = f"on {count} examples, outputs "
    if differences["largest"]:
        text += f"differ by {differences['mean']:.2g} of their range on average, "
        text += f"{differences['largest']:.2g} at most"
    else:
        text += "are equal"
    return CheckResult(name, check, level, text, differences)


def check_network(
    rule: OutputRule, network: Sequence[np.ndarray], actual: Sequence[np.ndarray]
) -> CheckResult:
    """Compares a file's outputs with those of the float network that it was made from.

    Only a float32 file can fail. For int8, the score shows what the rounding costs.
    """
    differences = distance(network, actual, rule.classes)
    are_equal = rule.allows(differences) if rule.is_float else True
    count, mean = len(actual[0]), differences["mean"]
    if rule.classes:
        text = (
            f"{_percent(differences['agreement'])} of the classes agree with the float network on "
            f"{count} validation examples; logits differ by {mean:.2g} of their range on average"
        )
    else:
        text = (
            f"outputs differ from the float network's by {mean:.2g} of their range on average, on "
            f"{count} validation examples"
        )
    return CheckResult(rule.file, "network", "ok" if are_equal else "failed", text, differences)


def _listed(shapes: Sequence[list[int]]) -> str:
    return ", ".join(map(str, shapes))


def check_value(
    name: str, part: str, recorded: Measurement | None, actual: Measurement, same_data: bool
) -> CheckResult:
    """Checks that a quantity measured on data lies in its recorded interval.

    Args:
        name: File name.
        part: Part of the data.
        recorded: None if it was not measured; then the check passes.
        actual: The quantity measured now.
        same_data: Whether the examples are those of the study. If not, the intervals must overlap.
    """
    value = f"{format_quantity(actual.value, actual)} on {actual.count} {part} examples"
    numbers = {"actual": actual.to_json(), "part": part}
    if recorded is None:
        return CheckResult(name, actual.name, "ok", f"{value}; none was recorded", numbers)
    slack = VALUE_TOLERANCE * abs(recorded.value) if recorded.low == recorded.high else 1e-9
    low, high = (actual.value, actual.value) if same_data else (actual.low, actual.high)
    fits = low <= recorded.high + slack and high >= recorded.low - slack
    recorded_interval = format_interval(recorded)
    interval = f" (95 % interval {recorded_interval})" if recorded_interval else ""
    text = f"{value}, recorded {format_quantity(recorded.value, recorded)}{interval}"
    numbers["recorded"] = recorded.to_json()
    return CheckResult(name, actual.name, "ok" if fits else "failed", text, numbers)


def check_latency(
    name: str, recorded: LatencyRatio, actual: LatencyRatio, measured: Measurement, strict: bool
) -> CheckResult:
    """Checks that a file is as fast as in the study, relative to the baseline.

    Args:
        name: File name.
        recorded: Its latency divided by that of the baseline, in the study.
        actual: The same ratio now.
        measured: Latency that `actual` comes from.
        strict: Fail instead of warning.
    """
    factor = max(actual.low / recorded.high, recorded.low / actual.high, 1.0)
    level: Level = "ok"
    if factor > RATIO_TOLERANCE:
        level = "failed" if strict or factor > RATIO_FAILS else "warning"
    text = f"{actual.text()} the baseline's, recorded {recorded.text()}"
    if level != "ok":
        text += f"; the 95 % intervals are {format_times(factor)} apart"
        recorded_cpu, cpu = recorded.cpu, measured.conditions.get("cpu")
        if recorded_cpu != cpu:
            text += f"; recorded on {recorded_cpu}, this is {cpu}"
        elif measured.conditions.get("disturbed_host"):
            text += "; this machine is busy: most runs were interrupted"
        elif measured.conditions.get("alone") is False:
            text += "; other Paretune processes worked on this machine meanwhile"
    numbers = {"actual": actual.to_json(), "recorded": recorded.to_json(), "apart": factor}
    numbers["measured"] = measured.to_json()
    return CheckResult(name, measured.name, level, text, numbers)


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
