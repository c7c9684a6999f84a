"""The text that `paretune export` prints at its end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from paretune.search.export.check_results import CheckResult, Verification
from paretune.search.export.export_files import VERIFY
from paretune.search.export.exporter import ExportResult
from paretune.search.export.manifest import CARD, MANIFEST, PROBE, conversion_note
from paretune.search.shell import command_text
from paretune.search.study.records import Axis
from paretune.search.study.units import format_value
from paretune.search.views.change_text import times_text
from paretune.search.views.shown_measurements import headline_measurements, without_repeats


def summary_text(result: ExportResult, verbose: bool = False) -> str:
    """Returns the trial, its headline figures, where its files are, and whether the checks passed.

    Args:
        result: Result of the export.
        verbose: Lists every measurement, file and check. A check that failed is always listed.
    """
    manifest, verification = result.manifest, result.verification
    if manifest is None:
        reasons = [check.text for check in verification.results]
        return "\n".join([*reasons, "nothing was exported"])
    content = manifest.content
    lines = [f"trial {content['trial']}: {content['plan_text']}"]
    measured = content["measurements"]["validation"]
    measurements = without_repeats(measured) if verbose else headline_measurements(measured)
    width = max(10, *map(len, measurements)) + 2
    for name, measurement in measurements.items():
        test = content["measurements"]["test"].get(name)
        times = content["times_better_than_baseline"].get(name)
        unit, mean = measurement["unit"], content.get("seeds", {}).get("validation", {}).get(name)
        lines.append(
            f"  {name:<{width}}{format_value(measurement['value'], unit, name)}"
            + (f" (test {format_value(test['value'], unit, name)})" if test else "")
            + (f", {_mean_text(mean)}" if mean else "")
            + (f", {_times(measurement, times)} than the baseline" if times else "")
        )
    note = conversion_note(content)
    if note:
        lines.append(f"  ({note})")
    files = dict(_files(content))
    listed = files if verbose else {entry["file"]: entry["note"] for entry in content["artifacts"]}
    lines += [f"{manifest.folder / name}  {note}" for name, note in listed.items()]
    if not verbose:
        others = ", ".join(name for name in files if name not in listed)
        lines.append(f"{manifest.folder}{os.sep}  with {others}")
    checks = _shown_checks(verification, verbose)
    if checks:
        lines += ["checks in a process without Paretune:", *(check.line() for check in checks)]
    if verification.ok:
        command = command_text("verify", manifest.folder)
        lines.append(f"{verification.summary()}; to repeat: {command}")
    else:
        lines.append(f"{verification.summary()}; the files are in {manifest.folder}")
    return "\n".join(lines)


def _shown_checks(verification: Verification, verbose: bool) -> list[CheckResult]:
    """Returns the checks to list: those that did not pass, or all but the passed digests."""
    if verbose:
        return [check for check in verification.results if check.check != "sha256" or not check.ok]
    return [check for check in verification.results if check.level != "ok"]


def _files(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields each file of an export with a note."""
    for entry in content["artifacts"]:
        yield entry["file"], entry["note"]
    if content["baseline_artifact"]:
        yield content["baseline_artifact"]["file"], "the baseline, to compare latencies with"
    for entry in content["assets"]:
        if entry["file"] == PROBE:
            yield PROBE, "examples with the outputs that the model must give"
        elif entry["file"] == VERIFY:
            yield VERIFY, "checks digests and outputs without Paretune"
        elif entry["file"].endswith(".py"):
            yield entry["file"], "Python code that runs the model"
        else:
            yield entry["file"], "needed by the model"
    yield CARD, "measurements, usage, licence and limits"
    yield MANIFEST, "all of this as JSON"


def _mean_text(mean: Mapping[str, Any]) -> str:
    """Returns `mean of 3 seeds 91.67 %`."""
    value = format_value(mean["value"], mean["unit"], mean["name"])
    return f"mean of {mean['conditions']['seeds']['count']} seeds {value}"


def _times(measurement: Mapping[str, Any], ratio: float) -> str:
    axis = Axis(measurement["name"], measurement["unit"], measurement["better"])
    return times_text(ratio, axis)
