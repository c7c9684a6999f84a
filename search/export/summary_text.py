"""What an export says when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.search.export.exporter import Exported
from paretune.search.export.manifest import CARD, MANIFEST
from paretune.search.study.records import Axis
from paretune.search.study.units import format_value
from paretune.search.views.headline import times_text


def exported_text(exported: Exported) -> str:
    """The trial, its files, and what the checks found, for people."""
    manifest, found = exported.manifest, exported.verification
    shown = [f.line() for f in found.findings if f.what != "sha256" or not f.ok]
    if manifest is None:
        return "\n".join([*(f.text for f in found.findings), "not what the study measured"])
    content = manifest.content
    lines = [f"trial {content['trial']}: {content['plan_text']}"]
    measured = content["measurements"]["validation"]
    wide = max(10, *map(len, measured)) + 2
    for name, m in measured.items():
        test = content["measurements"]["test"].get(name)
        times = content["times_better_than_baseline"].get(name)
        lines.append(
            f"  {name:<{wide}}{format_value(m['value'], m['unit'])}"
            + (f" (test {format_value(test['value'], m['unit'])})" if test else "")
            + (f", {_times(m, times)} than the baseline" if times else "")
        )
    lines += [f"{manifest.folder / a['file']}  {a['note']}" for a in content["artifacts"]]
    lines += [f"{manifest.folder / a['file']}" for a in content["assets"]]
    lines += [f"{manifest.folder / CARD}", f"{manifest.folder / MANIFEST}"]
    lines += ["in a clean process, without Paretune:", *shown]
    if found.ok:
        lines.append(f"check it anywhere: paretune verify {manifest.folder}")
    else:
        lines.append(f"not what the study measured: it stays in {manifest.folder}")
    return "\n".join(lines)


def _times(measurement: Mapping[str, Any], ratio: float) -> str:
    axis = Axis(measurement["name"], measurement["unit"], measurement["better"])
    return times_text(ratio, axis)
