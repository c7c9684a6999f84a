"""The files of the front that trackers receive: deployed files, and a card for each trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from paretune.objectives.base import Measurement
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.units import format_interval, format_quantity
from paretune.search.trial.study_store import INFO, bring_artifact
from paretune.search.trial.workbench import artifact_of
from paretune.search.views.plan_text import trial_plan_text
from paretune.search.views.plan_yaml import plan_lines
from paretune.search.views.shown_measurements import without_repeats
from paretune.search.views.trial_comparison import comparison_lines

CARD = """\
# {study}, trial {number}

{plan_text}

| | validation | test | baseline, validation | baseline, test |
|---|---|---|---|---|
{rows}

Values are of the deployed file in its runtime; intervals are 95 %.
{differences}
## Plan

```yaml
{plan}
```

## Licence and checks

This card describes a file that the study measured; nothing was verified here. To get the model with
its checks, its probe and the script that loads it:

    paretune export {file} --pick {number} -o exported
"""


def card(trial: TrialRecord, record: StudyRecord, file: Path) -> str:
    """Returns the card of a trial in Markdown.

    Args:
        trial: The trial.
        record: The study, with its final front.
        file: The study file.
    """
    differences = comparison_lines(trial, record.baseline)
    return CARD.format(
        study=record.name,
        number=trial.number,
        plan_text=trial_plan_text(trial),
        rows="\n".join(_rows(trial, record.baseline)),
        differences="".join(f"- {line}\n" for line in differences),
        plan="\n".join(plan_lines(trial.plan)),
        file=file.name,
    )


def front_files(
    trial: TrialRecord, record: StudyRecord, file: Path, folder: Path, scratch: Path
) -> list[Path]:
    """Returns a trial's deployed files and its card, which is written to `scratch`.

    Args:
        trial: The trial.
        record: The study, with its final front.
        file: The study file.
        folder: The study's folder.
        scratch: Folder for the card.
    """
    artifacts = list(trial.artifacts.values() or filter(None, [trial.artifact]))
    if INFO in record.info:
        for artifact in artifacts:
            bring_artifact(artifact_of(artifact, folder), record.info)
    paths = [folder / str(artifact["path"]) for artifact in artifacts]
    written = scratch / f"trial-{trial.number}.md"
    written.write_text(card(trial, record, file), encoding="utf-8")
    return [*(path for path in paths if path.is_file()), written]


def _rows(trial: TrialRecord, baseline: TrialRecord | None) -> Iterator[str]:
    parts: Sequence[dict[str, Measurement]] = [
        _validation(trial),
        dict(trial.test),
        _validation(baseline) if baseline else {},
        dict(baseline.test) if baseline else {},
    ]
    for name in dict.fromkeys([*without_repeats(parts[0]), *without_repeats(parts[1])]):
        yield f"| {name} | {' | '.join(_cell(part.get(name)) for part in parts)} |"


def _validation(trial: TrialRecord) -> dict[str, Measurement]:
    return {**trial.measurements, **trial.final}


def _cell(measurement: Measurement | None) -> str:
    if measurement is None:
        return ""
    text = format_quantity(measurement.value, measurement)
    interval = format_interval(measurement)
    return f"{text} ({interval})" if interval else text
