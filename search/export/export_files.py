"""Writes an export's files: the measured one, other formats, the probe, and what lies beside."""

from __future__ import annotations

import math
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.objectives.base import Measurement, Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.base import Artifact
from paretune.search.errors import UserError
from paretune.search.export.load_script import script_name, script_of
from paretune.search.export.manifest import PROBE, file_entry
from paretune.search.export.picked_artifact import PickedArtifact
from paretune.search.files import sha256_of, write_atomically
from paretune.search.measuring.gauge import NEEDS_WEIGHTS, checked_measurements
from paretune.search.study.quantity import Quantity, of_artifact
from paretune.search.study.tables import OBJECTIVES, RUNTIMES
from paretune.search.study.units import format_value

if TYPE_CHECKING:
    from paretune.search.trial.stage_study import StageStudy
    from paretune.spaces.base import Candidate

PROBE_EXAMPLES = 16

BASELINE = "baseline"
"""Folder of the baseline's file in an export: its latency is what the other's is compared with."""


class NotTheMeasured(Exception):
    """A file of the study is not the one that was measured any more."""


def write_artifacts(
    study: StageStudy, pick: PickedArtifact, runtimes: Sequence[str], folder: Path
) -> list[dict[str, Any]]:
    """The file for each runtime, as its entry in the manifest.

    Raises:
        UserError: A runtime cannot hold the model, or the measured file is gone.
        NotTheMeasured: It changed.
    """
    entries = []
    for runtime, file in _files(runtimes, folder).items():
        if runtime == pick.artifact.runtime:
            entries.append(_copied(pick, file))
        else:
            entries.append(_converted(study, pick, runtime, file))
    return entries


def write_baseline(pick: PickedArtifact, folder: Path) -> dict[str, Any] | None:
    """The baseline's file, as its entry; None where the trial is the baseline.

    Raises:
        UserError: The file is gone.
        NotTheMeasured: It changed.
    """
    if pick.baseline is None:
        return None
    (folder / BASELINE).mkdir()
    name = f"{BASELINE}/model{RUNTIMES.get(pick.baseline.runtime).suffix}"
    _copy(pick.baseline, folder / name)
    more = {"runtime": pick.baseline.runtime, "options": pick.options.model_dump()}
    return file_entry(folder, name, **more)


def write_probe(
    study: StageStudy, pick: PickedArtifact, entries: Sequence[Mapping[str, Any]], folder: Path
) -> None:
    """A few validation examples, what the model takes of them, and each file's logits.

    The measured file's are those of the file in the study's folder, run in this process as the
    study ran it.
    """
    [examples, labels] = next(study.workbench.data.examples("validation", PROBE_EXAMPLES))
    inputs, _ = next(study.workbench.data.arrays("validation", PROBE_EXAMPLES))
    arrays = {"examples": np.asarray(examples), "inputs": inputs, "labels": labels}
    for entry in entries:
        runtime = RUNTIMES.get(entry["runtime"])
        path = pick.artifact.path if entry["measured"] else folder / entry["file"]
        session = runtime.load(path, runtime.Params.model_validate(entry["options"]))
        arrays[entry["file"]] = session(inputs)
    with (folder / PROBE).open("wb") as out:
        np.savez(out, **arrays)  # type: ignore[arg-type]  # numpy stub: any keyword is an array


def write_assets(
    study: StageStudy, manifest: Mapping[str, Any], folder: Path
) -> list[dict[str, Any]]:
    """Probe, code that loads each file, and what the model needs (a tokenizer), as entries."""
    several = len(manifest["artifacts"]) > 1
    texts = dict(study.workbench.data.assets())
    for entry in manifest["artifacts"]:
        texts[script_name(entry["runtime"], several)] = script_of(entry, manifest)
    for name, text in texts.items():
        write_atomically(folder / name, text)
    return [file_entry(folder, name) for name in (*texts, PROBE)]


def _files(runtimes: Sequence[str], folder: Path) -> dict[str, Path]:
    """The file for each runtime: `model.onnx`, or `model.openvino.onnx` where two would clash."""
    suffixes = [RUNTIMES.get(name).suffix for name in runtimes]
    return {
        name: folder / (f"model.{name}{end}" if suffixes.count(end) > 1 else f"model{end}")
        for name, end in zip(runtimes, suffixes, strict=True)
    }


def _copy(artifact: Artifact, file: Path) -> None:
    if not artifact.path.is_file():
        raise UserError(f"{artifact.path}: the measured file is gone; run the study again")
    shutil.copyfile(artifact.path, file)
    digest = sha256_of(file)
    if digest != artifact.sha256:
        raise NotTheMeasured(
            f"{artifact.path}: sha256 {digest} is another file than the one that was measured, "
            f"{artifact.sha256}; nothing was written"
        )


def _copied(pick: PickedArtifact, file: Path) -> dict[str, Any]:
    """The measured file, byte for byte."""
    _copy(pick.artifact, file)
    return {
        **_entry(file, pick.artifact.runtime, pick.options, pick.formats),
        "measured": True,
        "info": dict(pick.artifact.info),
        "expected": {
            "quantities": _on_data(pick),
            "validation": _json(pick.validation, pick),
            "test": _json(pick.test, pick),
            "latency": pick.latency(),
        },
        "note": "the file that was measured",
    }


def _converted(study: StageStudy, pick: PickedArtifact, runtime: str, file: Path) -> dict[str, Any]:
    """The trial's network in another format, measured anew on the validation part.

    It is quantized as in the trial where the format's own quantizer has that mode; else computed in
    float, where a network trained in int8 still rounds as it was trained to.
    """
    from paretune.search.building.pipeline import export
    from paretune.search.building.watch import StageError, Watch
    from paretune.spaces.quantization.fake_quantization import has_fake_quantization

    entry = RUNTIMES.get(runtime)
    try:
        candidate = study.workbench.pipeline.candidate(pick.plan, Watch())
        modes = candidate.quantization or {}
        if not set(modes) <= set(entry.quantizations):
            candidate = replace(candidate, quantization=None)
        artifact = export(candidate, runtime, file, study.workbench.data)
    except (StageError, Unmeasurable) as error:
        raise UserError(f"--to {runtime}: {error}") from error
    options = entry.Params()
    subject = Subject(artifact, entry, options, candidate.model, study.workbench.data)
    measured: dict[str, Measurement] = {}
    for name, given in _on_data(pick).items():
        objective = OBJECTIVES.get(name)
        params = objective.Params.model_validate(dict(given))
        found = checked_measurements(name, objective.measure(subject, params, "validation"), set())
        measured |= {m.name: m for m in found if math.isfinite(m.value)}
    said = "".join(
        f"; {m.name} {format_value(m.value, m.unit)}"
        for m in measured.values()
        if Quantity.of(m.name).value is None
    )
    formats = candidate.quantization or (("simulated int8",) if has_fake_quantization(candidate.model) else ())
    return {
        **_entry(file, runtime, options, formats),
        "measured": False,
        "info": dict(artifact.info),
        "expected": {
            "quantities": _on_data(pick),
            "validation": {name: m.to_json() for name, m in measured.items()},
            "test": {},
            "latency": None,
        },
        "note": f"{_conversion(candidate, modes)}{said}{' on validation' * bool(said)}",
    }


def _entry(file: Path, runtime: str, options: Any, formats: Collection[str]) -> dict[str, Any]:
    entry = RUNTIMES.get(runtime)
    return {
        **file_entry(file.parent, file.name),
        "runtime": runtime,
        "options": options.model_dump(),
        "formats": list(formats),
        "packages": {name: version(name) for name in ("numpy", *entry.packages)},
        "stamp": entry.stamp(file) if hasattr(entry, "stamp") else {},
    }


def _on_data(pick: PickedArtifact) -> dict[str, Mapping[str, Any]]:
    """Quantities that depend on data, with their options.

    Not those of a user's own: they may ask for the network, which is not there elsewhere.
    """
    return {
        name: options
        for name, options in pick.quantities.items()
        if name in OBJECTIVES.names
        and OBJECTIVES.get(name).cost == NEEDS_WEIGHTS
        and of_artifact(OBJECTIVES.get(name))  # and so not of its training
    }


def _json(measured: Mapping[str, Any], pick: PickedArtifact) -> dict[str, Any]:
    """Measurements of the quantities that depend on data."""
    names = set(_on_data(pick))
    return {name: m.to_json() for name, m in measured.items() if name.partition(".")[0] in names}


def _conversion(candidate: Candidate, modes: Collection[str]) -> str:
    """What became of the trial's number format, in a few words.

    Args:
        candidate: As it was exported.
        modes: Of the trial's quantization.
    """
    from paretune.spaces.quantization.fake_quantization import has_fake_quantization

    if not modes:
        return "converted"
    names = ", ".join(modes)
    if candidate.quantization is not None:
        return f"{names}, quantized anew"
    if has_fake_quantization(candidate.model):
        return f"{names}, simulated: rounds as it was trained to, computed in float32"
    return "float32: not quantized here"
