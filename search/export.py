"""Hands out a trial: the measured file itself, other formats on request, and a manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from objectives.base import Measurement, Subject
from objectives.runtimes.base import Artifact
from search.database.store import reading
from search.errors import UserError
from search.files import sha256_of, written_whole
from search.picks import pick
from search.plugins import RUNTIMES
from search.records import Axis, StudyRecord, TrialRecord
from search.settling import settled
from search.views.answer import times_text
from search.views.format import format_value
from search.views.front import ratios_of
from search.views.plantext import plan_text
from spaces.table import nearest

if TYPE_CHECKING:
    from search.locating import Located
    from search.study import OpenStudy
    from spaces.base import Candidate

FORMATS = {"onnx": "onnxruntime", **{name: name for name in RUNTIMES.names}}
"""What --to takes -> the runtime that writes it."""

MANIFEST = "manifest.json"
PROBE = "probe.npz"
PROBE_EXAMPLES = 16


@dataclass(frozen=True)
class Manifest:
    """What is known of an exported model; `content` is the JSON beside it."""

    folder: Path
    content: Mapping[str, Any]

    def text(self) -> str:
        """What was written, for people."""
        content = self.content
        lines = [f"trial {content['trial']}: {content['plan_text']}"]
        for name, m in content["measurements"]["validation"].items():
            test = content["measurements"]["test"].get(name)
            times = content["times_better_than_baseline"].get(name)
            lines.append(
                f"  {name:<12}{format_value(m['value'], m['unit'])}"
                + (f" (test {format_value(test['value'], m['unit'])})" if test else "")
                + (f", {_times(m, times)} than the baseline" if times else "")
            )
        lines += [f"{self.folder / a['file']}  {a['note']}" for a in content["artifacts"]]
        lines += [f"{self.folder / a['file']}" for a in content["assets"]]
        lines.append(f"{self.folder / MANIFEST}")
        lines.append(f"check it anywhere: paretune verify {self.folder}")
        return "\n".join(lines)


def _times(measurement: Mapping[str, Any], ratio: float) -> str:
    axis = Axis(measurement["name"], measurement["unit"], measurement["better"])
    return times_text(ratio, axis)


def export_trial(
    place: Located, query: str, formats: Sequence[str], folder: Path, force: bool = False
) -> Manifest:
    """Exports the trial that a query picks.

    Args:
        place: The study.
        query: As for `search.picks.pick`.
        formats: Keys of FORMATS; none for the measured file alone.
        folder: Where it is written; made when it is not there.
        force: Write into a folder that is not empty.

    Raises:
        UserError: No trial answers the query, a format is unknown or cannot hold the model, the
            measured file is gone or changed, or the folder is not empty.
    """
    for name in formats:
        if name not in FORMATS:
            hint = nearest(name, list(FORMATS)) or "."
            raise UserError(f'--to: unknown format "{name}"{hint} Known: {", ".join(FORMATS)}.')
    with reading(place.url) as store:
        record = settled(store.record())
    if "evaluate" in record.source:
        raise UserError(
            "this study's models are made by your own trainer, and Paretune has no file of them; "
            "a trial's plan is in: paretune show STUDY TRIAL --json"
        )
    trial = pick(record, query)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"-o {folder}: this is a file; give a folder")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise UserError(f"-o {folder}: the folder is not empty; give another one, or --force")
    folder.mkdir(parents=True, exist_ok=True)
    return _written(place, record, trial, formats, folder)


def _written(
    place: Located,
    record: StudyRecord,
    trial: TrialRecord,
    formats: Sequence[str],
    folder: Path,
) -> Manifest:
    from search.study import OpenStudy, stored_artifact

    study = OpenStudy(place.spec())
    try:
        measured = stored_artifact(trial, place.folder)
        artifacts = []
        wanted = dict.fromkeys(FORMATS[name] for name in formats) or {measured.runtime: None}
        files = _files(list(wanted), folder)
        for runtime, file in files.items():
            if runtime == measured.runtime:
                artifacts.append(_copied(measured, file, study))
            else:
                artifacts.append(_converted(study, trial, runtime, file))
        _write_probe(study, [folder / a["file"] for a in artifacts], artifacts, folder)
        assets = _write_assets(study, folder)
        preprocessing = study.data.preprocessing()
    finally:
        study.close()
    content = {
        "paretune": record.info.get("versions", {}).get("paretune"),
        "study": record.name,
        "trial": trial.number,
        "plan_text": plan_text(trial.plan),
        "plan": trial.plan,
        "artifacts": artifacts,
        "assets": assets,
        "preprocessing": preprocessing,
        "input": {"name": "input", **study.data.input_json()},
        "output": {"name": "logits", "dtype": "float32"},
        "measurements": {
            "validation": _json(trial.measurements),
            "test": _json(trial.test),
        },
        "baseline": {
            "validation": _json(record.baseline.measurements) if record.baseline else {},
            "test": _json(record.baseline.test) if record.baseline else {},
        },
        "times_better_than_baseline": ratios_of(trial, record),
        "versions": record.info.get("versions", {}),
        "hosts": record.info.get("hosts", {}),
    }
    written_whole(folder / MANIFEST, json.dumps(content, indent=2) + "\n")
    return Manifest(folder, content)


def _files(runtimes: Sequence[str], folder: Path) -> dict[str, Path]:
    """The file for each runtime: `model.onnx`, or `model.openvino.onnx` where two would clash."""
    suffixes = [RUNTIMES.get(name).suffix for name in runtimes]
    return {
        name: folder / (f"model.{name}{end}" if suffixes.count(end) > 1 else f"model{end}")
        for name, end in zip(runtimes, suffixes, strict=True)
    }


def _copied(measured: Artifact, file: Path, study: OpenStudy) -> dict[str, Any]:
    """The measured file, byte for byte."""
    if not measured.path.is_file():
        raise UserError(f"{measured.path}: the measured file is gone; run the study again")
    if sha256_of(measured.path) != measured.sha256:
        raise UserError(f"{measured.path}: the file is not the one that was measured any more")
    shutil.copyfile(measured.path, file)
    return {
        "file": file.name,
        "runtime": measured.runtime,
        "options": study.options.model_dump(),
        "sha256": measured.sha256,
        "bytes": measured.bytes,
        "measured": True,
        "note": "the file that was measured",
    }


def _converted(study: OpenStudy, trial: TrialRecord, runtime: str, file: Path) -> dict[str, Any]:
    """The trial's network in another format, its accuracy measured anew.

    It is quantized as in the trial where the format's own quantizer has that mode; else computed in
    float, where a network trained in int8 still rounds as it was trained to.
    """
    from objectives.accuracy import Accuracy
    from objectives.base import Unmeasurable
    from search.pipeline import export
    from search.plan import Plan
    from search.watch import StageError, Watch

    plan = Plan.from_json(trial.plan)
    entry = RUNTIMES.get(runtime)
    try:
        candidate = study.pipeline.candidate(plan, Watch())
        modes = candidate.quantization or {}
        if not set(modes) <= set(entry.quantizations):
            candidate = replace(candidate, quantization=None)
        artifact = export(candidate, runtime, file, study.data)
    except (StageError, Unmeasurable) as error:
        raise UserError(f"--to {runtime}: {error}") from error
    options = entry.Params()
    subject = Subject(artifact, entry, options, candidate.model, study.data)
    measured = Accuracy.measure(subject, Accuracy.Params(), "validation")[0]
    return {
        "file": file.name,
        "runtime": runtime,
        "options": options.model_dump(),
        "sha256": artifact.sha256,
        "bytes": artifact.bytes,
        "measured": False,
        "accuracy": measured.to_json(),
        "note": f"{_conversion(candidate, modes)}; accuracy "
        f"{format_value(measured.value, measured.unit)} on validation",
    }


def _conversion(candidate: Candidate, modes: Collection[str]) -> str:
    """What became of the trial's number format, in a few words.

    Args:
        candidate: As it was exported.
        modes: Of the trial's quantization.
    """
    from spaces.quantization.fake import rounds

    if not modes:
        return "converted"
    names = ", ".join(modes)
    if candidate.quantization is not None:
        return f"{names}, quantized anew"
    if rounds(candidate.model):
        return f"{names}, simulated: rounds as it was trained to, computed in float32"
    return "float32: not quantized here"


def _write_assets(study: OpenStudy, folder: Path) -> list[dict[str, Any]]:
    """What the model needs beside it (a tokenizer), each with its digest."""
    assets = []
    for name, text in study.data.assets().items():
        file = folder / name
        written_whole(file, text)
        assets.append({"file": name, "sha256": sha256_of(file), "bytes": file.stat().st_size})
    return assets


def _write_probe(
    study: OpenStudy, files: Sequence[Path], artifacts: Sequence[Mapping[str, Any]], folder: Path
) -> None:
    """A few validation examples with each file's logits, so that another machine can compare."""
    inputs, labels = next(study.data.arrays("validation", PROBE_EXAMPLES))
    arrays = {"inputs": inputs, "labels": labels}
    for file, artifact in zip(files, artifacts, strict=True):
        entry = RUNTIMES.get(artifact["runtime"])
        session = entry.load(file, entry.Params.model_validate(artifact["options"]))
        arrays[file.name] = session(inputs)
    with (folder / PROBE).open("wb") as out:
        np.savez(out, **arrays)  # type: ignore[arg-type]  # numpy stub: any keyword is an array


def _json(measured: Mapping[str, Measurement]) -> dict[str, Any]:
    return {name: asdict(m) for name, m in measured.items()}
