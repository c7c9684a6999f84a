"""Writes the files of an export: the measured file, other formats, the probe and assets."""

from __future__ import annotations

import math
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.objectives.base import Measurement, Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.base import Artifact
from paretune.search.errors import UserError
from paretune.search.export import probe as probe_file
from paretune.search.export.load_script import script_name
from paretune.search.export.loading_code import script_text
from paretune.search.export.log_script import CALL_LOG, call_log_text
from paretune.search.export.manifest import PROBE, file_entry
from paretune.search.export.picked_artifact import PickedArtifact
from paretune.search.export.probe import probe_of
from paretune.search.files import sha256_of, write_atomically
from paretune.search.measuring.gauge import NEEDS_WEIGHTS, checked_measurements
from paretune.search.study.quantity import SCORE, Quantity, depends_on_artifact
from paretune.search.study.tables import OBJECTIVES, RUNTIMES
from paretune.search.study.units import format_quantity

if TYPE_CHECKING:
    from paretune.search.trial.workbench import Workbench
    from paretune.spaces.base import Candidate

VERIFY = "verify.py"

VERIFY_SOURCE = Path(__file__).with_name("standalone_verify.py")
"""Source of `VERIFY`; no module imports it."""

BASELINE = "baseline"
"""Folder of the baseline's file in an export. Latencies are compared with its latency."""


class ArtifactChanged(Exception):
    """A file of the study has changed since it was measured."""


def write_artifacts(
    workbench: Workbench, pick: PickedArtifact, runtimes: Sequence[str], folder: Path
) -> list[dict[str, Any]]:
    """Writes the file for each runtime and returns their entries for the manifest.

    The measured runtime's file is copied. For another runtime, the network is exported again and
    measured on the validation part.

    Raises:
        UserError: A runtime cannot export the model, or the measured file is gone.
        ArtifactChanged: The measured file has changed.
    """
    entries = []
    for runtime, file in _paths(runtimes, folder).items():
        if runtime == pick.artifact.runtime:
            entries.append(_copy_measured(pick, file))
        else:
            entries.append(_convert(workbench, pick, runtime, file))
    return entries


def write_baseline(pick: PickedArtifact, folder: Path) -> dict[str, Any] | None:
    """Copies the baseline's file and returns its entry; None if the trial is the baseline.

    Raises:
        UserError: The file is gone.
        ArtifactChanged: The file has changed.
    """
    if pick.baseline is None:
        return None
    (folder / BASELINE).mkdir()
    name = f"{BASELINE}/model{RUNTIMES.get(pick.baseline.runtime).suffix}"
    _copy(pick.baseline, folder / name)
    deployment = {"runtime": pick.baseline.runtime, "options": pick.options.model_dump()}
    return file_entry(folder, name, **deployment)


def write_probe(
    workbench: Workbench,
    pick: PickedArtifact,
    entries: Sequence[Mapping[str, Any]],
    folder: Path,
    task: Mapping[str, Any] | None,
) -> None:
    """Writes a few validation examples, the model's inputs for them, and each file's outputs.

    The outputs of the measured file come from the file in the study's folder. It runs in this
    process, as it does in the study.
    """
    probe, outputs = probe_of(workbench.data, task is not None), {}
    for entry in entries:
        runtime = RUNTIMES.get(entry["runtime"])
        path = pick.artifact.path if entry["measured"] else folder / entry["file"]
        session = runtime.load(path, runtime.Params.model_validate(entry["options"]))
        results = session(*probe.inputs)
        outputs[entry["file"]] = results if isinstance(results, tuple) else (results,)
    content = {"task": task} if task is not None else {}
    probe_file.write_probe(replace(probe, outputs=outputs), content, folder)


def write_assets(
    workbench: Workbench, manifest: Mapping[str, Any], folder: Path
) -> list[dict[str, Any]]:
    """Writes code and files that the model needs; returns their entries and the probe's."""
    has_several_files = len(manifest["artifacts"]) > 1
    texts = dict(workbench.data.assets())
    for entry in manifest["artifacts"]:
        texts[script_name(entry["runtime"], has_several_files)] = script_text(entry, manifest)
    texts[CALL_LOG] = call_log_text()
    texts[VERIFY] = VERIFY_SOURCE.read_text(encoding="utf-8")
    for name, text in texts.items():
        write_atomically(folder / name, text)
    return [file_entry(folder, name) for name in (*texts, PROBE)]


def _paths(runtimes: Sequence[str], folder: Path) -> dict[str, Path]:
    """Returns runtime -> file: `model.onnx`, or `model.openvino.onnx` if two names would clash."""
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
        raise ArtifactChanged(
            f"{artifact.path} has changed since it was measured: its sha256 is {digest}, recorded "
            f"{artifact.sha256}"
        )


def _copy_measured(pick: PickedArtifact, file: Path) -> dict[str, Any]:
    """Copies the measured file, byte for byte, and returns its entry."""
    _copy(pick.artifact, file)
    return {
        **_entry(file, pick.artifact.runtime, pick.options, pick.formats),
        "measured": True,
        "info": dict(pick.artifact.info),
        "expected": {
            "quantities": _data_quantities(pick),
            "validation": _data_measurements(pick.validation, pick),
            "test": _data_measurements(pick.test, pick),
            "latency": pick.latency(),
        },
        "note": "the file that was measured",
    }


def _convert(
    workbench: Workbench, pick: PickedArtifact, runtime: str, file: Path
) -> dict[str, Any]:
    """Exports the trial's network to another format, and returns the entry.

    It is quantized as in the trial if the format's own quantizer has that mode. If not, it computes
    in float; a network trained in int8 still rounds as in training.
    """
    from paretune.search.building.exporting import export
    from paretune.search.building.watch import StageError, Watch
    from paretune.spaces.quantization.fake_quantization import has_fake_quantization

    entry = RUNTIMES.get(runtime)
    try:
        candidate = workbench.pipeline.candidate(pick.plan, Watch())
        modes = candidate.quantization or {}
        if not set(modes) <= set(entry.quantizations):
            candidate = replace(candidate, quantization=None)
        artifact = export(candidate, runtime, file, workbench.data)
    except (StageError, Unmeasurable) as error:
        raise UserError(f"--to {runtime}: {error}") from error
    options = entry.Params()
    subject = Subject(artifact, entry, options, candidate.model, workbench.data)
    measured: dict[str, Measurement] = {}
    for name, values in _data_quantities(pick).items():
        objective = OBJECTIVES.get(name)
        params = objective.Params.model_validate(dict(values))
        try:
            answer = objective.measure(subject, params, "validation")
        except Unmeasurable as error:
            raise UserError(f"--to {runtime}: {error}") from error
        measurements = checked_measurements(name, answer, set())
        measured |= {m.name: m for m in measurements if math.isfinite(m.value)}
    shown = "".join(
        f"; {m.name} {format_quantity(m.value, m)}"
        for m in measured.values()
        if not Quantity.of(m.name).further
    )
    formats = candidate.quantization or (
        ("simulated int8",) if has_fake_quantization(candidate.model) else ()
    )
    return {
        **_entry(file, runtime, options, formats),
        "measured": False,
        "info": dict(artifact.info),
        "expected": {
            "quantities": _data_quantities(pick),
            "validation": {name: m.to_json() for name, m in measured.items()},
            "test": {},
            "latency": None,
        },
        "note": f"{_conversion(candidate, modes)}{shown}{' on validation' * bool(shown)}",
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


def _data_quantities(pick: PickedArtifact) -> dict[str, Mapping[str, Any]]:
    """Returns the quantities that depend on data, with their options.

    A user's own objectives are left out: they may need the network, which only the study has.
    """
    return {
        name: options
        for name, options in pick.quantities.items()
        if is_built_in(name)
        and OBJECTIVES.get(name).cost == NEEDS_WEIGHTS
        and depends_on_artifact(OBJECTIVES.get(name))  # the training time does not
    }


def is_built_in(name: str) -> bool:
    """Returns whether an objective is Paretune's own; the scores of tasks are one, too."""
    return name == SCORE or name in OBJECTIVES.names


def _data_measurements(measured: Mapping[str, Any], pick: PickedArtifact) -> dict[str, Any]:
    """Returns the measurements of quantities that depend on data, as JSON."""
    names = set(_data_quantities(pick))
    return {n: m.to_json() for n, m in measured.items() if Quantity.of(n).objective in names}


def _conversion(candidate: Candidate, modes: Collection[str]) -> str:
    """Returns the number format of a converted file in a few words.

    Args:
        candidate: Candidate that was exported.
        modes: Modes of the trial's quantization.
    """
    from paretune.spaces.quantization.fake_quantization import has_fake_quantization

    if not modes:
        return "converted"
    names = ", ".join(modes)
    if candidate.quantization is not None:
        return f"{names}, quantized for this format"
    if has_fake_quantization(candidate.model):
        return f"{names}, simulated: it rounds as in training and computes in float32"
    return "float32, not quantized"
