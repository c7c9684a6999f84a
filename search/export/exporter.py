"""Exports a trial: writes its files, checks them in a clean process, and only then hands them out.

The files are written to a temporary folder next to the output folder, and checked there. If a check
fails, they never get the name of the output folder: they stay in `DIR.unverified` for inspection.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.inputs import INPUT, signature_of
from paretune.nests import mapped
from paretune.objectives.base import Measurement
from paretune.objectives.host import fingerprint
from paretune.search.database.store import existing_store
from paretune.search.errors import UserError
from paretune.search.export.check_results import CheckResult, Verification
from paretune.search.export.checks import OutputRule, check_network, check_outputs
from paretune.search.export.clean_process import CleanProcess
from paretune.search.export.device_facts import device_json
from paretune.search.export.export_files import (
    ArtifactChanged,
    write_artifacts,
    write_assets,
    write_baseline,
    write_probe,
)
from paretune.search.export.licence import licences
from paretune.search.export.log_script import MONITORING
from paretune.search.export.manifest import CARD, MANIFEST, VERSION, Manifest
from paretune.search.export.model_card import card_text
from paretune.search.export.monitoring_reference import monitoring_json
from paretune.search.export.picked_artifact import PickedArtifact, pick_artifact
from paretune.search.export.raw_examples import PORTABLE, StudyExamples
from paretune.search.export.task_facts import task_json
from paretune.search.export.verifier import CheckOptions, run_checks
from paretune.search.files import write_atomically
from paretune.search.front.final_front import with_final_front
from paretune.search.front.pick import pick
from paretune.search.front.seed_means import without_seed_means
from paretune.search.shell import command_text
from paretune.search.study.quantity import local_values
from paretune.search.study.tables import RUNTIMES
from paretune.search.trial.study_data import data_params
from paretune.search.views.front_table import ratios_of
from paretune.search.views.plan_text import trial_plan_text
from paretune.search.views.trial_comparison import comparison_lines
from paretune.spaces.table import did_you_mean

if TYPE_CHECKING:
    from paretune.search.locate import StudyLocation
    from paretune.search.study.records import StudyRecord, TrialRecord
    from paretune.search.trial.workbench import Workbench

FORMATS = {"onnx": "onnxruntime", **{name: name for name in RUNTIMES.names}}
"""Format name for --to -> the runtime that writes it."""

SMALL_BASELINE = 50e6
"""Bytes below which the baseline's file is exported by default."""

COMPARED_EXAMPLES = 256
"""Number of validation examples on which logits are compared with the network's."""


@dataclass(frozen=True)
class ExportOptions:
    """Options of an export.

    Attributes:
        query: The trial, as for `search.front.pick.pick`.
        formats: Keys of FORMATS; empty for the measured file alone.
        folder: Output folder; made if it is not there.
        force: Write into a folder that is not empty.
        baseline: Whether to export the baseline's file; None exports it below SMALL_BASELINE.
        target: Target of the study; None for the first one.
        latency: Whether to compare the latency with the baseline's before the export is handed out.
        strict: Fail at small differences in latency, too.
        report: Receives a line as each step begins.
    """

    query: str
    formats: Sequence[str]
    folder: Path
    force: bool = False
    baseline: bool | None = None
    target: str | None = None
    latency: bool = True
    strict: bool = False
    report: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class ExportResult:
    """The result of an export.

    Attributes:
        manifest: Manifest of the files; None if nothing was written.
        verification: Results of the checks.
    """

    manifest: Manifest | None
    verification: Verification

    def to_json(self) -> dict[str, Any]:
        """Returns the folder, its files, the trial and the results of the checks."""
        content = self.manifest.content if self.manifest else {}
        entries = list(self.manifest.files()) if self.manifest else []
        return {
            "folder": str(self.manifest.folder) if self.manifest else None,
            "study": content.get("study"),
            "trial": content.get("trial"),
            "target": content.get("target"),
            "measurements": content.get("measurements", {}),
            "files": [{key: each[key] for key in ("file", "sha256", "bytes")} for each in entries],
            **self.verification.to_json(),
        }


def export_trial(location: StudyLocation, options: ExportOptions) -> ExportResult:
    """Exports the trial that a query picks.

    Raises:
        UserError: No trial answers the query, a format is unknown or cannot hold the model, the
            measured file is gone, or the folder is not empty.
    """
    for name in options.formats:
        if name not in FORMATS:
            hint = did_you_mean(name, list(FORMATS)) or "."
            raise UserError(f'--to: unknown format "{name}"{hint} Known: {", ".join(FORMATS)}.')
    with existing_store(location.url) as store:
        record = with_final_front(store.record())
    if "evaluate" in record.source:
        raise UserError(
            "this study's models are made by your own trainer, so Paretune has no files of them; "
            f"for a trial's plan: {command_text('show', location.folder, 0, '--json')}"
        )
    trial = pick(record, options.query)
    _check_folder(options)
    options.report(f"trial {trial.number}: {trial_plan_text(trial)}")
    from paretune.search.trial.stage_study import StageStudy

    study = StageStudy(location.spec())
    try:
        own = without_seed_means(trial)
        picked = pick_artifact(study.workbench, record, own, options.target)
        return _TrialExport(study.workbench, record, picked, options, trial).run()
    except ArtifactChanged as error:
        result = CheckResult("", "sha256", "failed", str(error))
        return ExportResult(None, Verification((result,)))
    finally:
        study.close()


def _check_folder(options: ExportOptions) -> None:
    folder = options.folder
    if folder.exists() and not folder.is_dir():
        raise UserError(f"-o {folder}: this is a file; give a folder")
    if folder.is_dir() and any(folder.iterdir()) and not options.force:
        raise UserError(f"-o {folder}: the folder is not empty; give another one, or --force")
    unverified = _unverified(folder)
    if unverified.exists() and not (unverified / MANIFEST).is_file():
        raise UserError(
            f"{unverified}: this folder is for a failed export, but holds something else; move it "
            "away"
        )


def _unverified(folder: Path) -> Path:
    absolute = folder.absolute()
    return absolute.with_name(absolute.name + ".unverified")


class _TrialExport:
    """The export of one trial.

    Args:
        workbench: Workbench of the study.
        record: Record of the study.
        picked: Artifact to export.
        options: Options of the export.
        mean: The trial with its means over seeds, if it was trained more than once.
    """

    def __init__(
        self,
        workbench: Workbench,
        record: StudyRecord,
        picked: PickedArtifact,
        options: ExportOptions,
        mean: TrialRecord,
    ) -> None:
        self._workbench, self._record, self._mean = workbench, record, mean
        self._picked, self._options = picked, options

    def run(self) -> ExportResult:
        """Writes the files, checks them and moves them to their folder."""
        target = self._options.folder.absolute()
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            draft.chmod(0o755)  # mkdtemp's 0700 would stay with the folder
            report = self._options.report
            report("the files are written")
            manifest = self._write(draft)
            prepared = task_json(self._workbench.data) is not None
            data = StudyExamples(self._workbench.data, prepared)
            checks = CheckOptions(
                data, self._options.latency, self._options.strict, self._compare_with_study
            )
            report("the files are checked in a process of their own")
            verification = Verification(tuple(run_checks(manifest, checks)))
            report(verification.summary())
            manifest = self._finish(manifest, verification)
            return ExportResult(self._move(manifest, verification.ok), verification)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _write(self, folder: Path) -> Manifest:
        measured = self._picked.artifact
        runtimes = dict.fromkeys(FORMATS[name] for name in self._options.formats)
        artifacts = write_artifacts(
            self._workbench, self._picked, list(runtimes or {measured.runtime: None}), folder
        )
        task = task_json(self._workbench.data)
        write_probe(self._workbench, self._picked, artifacts, folder, task)
        # The checks need the baseline; if it is not wanted, it is removed afterwards.
        baseline = write_baseline(self._picked, folder)
        content = {**self._content(), "artifacts": artifacts, "baseline_artifact": baseline}
        content[MONITORING] = monitoring_json(self._workbench, self._picked, content, folder)
        content["assets"] = write_assets(self._workbench, content, folder)
        return Manifest(folder, content)

    def _content(self) -> dict[str, Any]:
        """Returns the content of the manifest, without the files."""
        spec, data = self._workbench.spec, self._workbench.data
        record, trial, baseline = self._record, self._picked.trial, self._record.baseline
        device = device_json(self._workbench, self._picked.target)
        return {
            "manifest": VERSION,
            "paretune": record.info.get("versions", {}).get("paretune"),
            "study": record.name,
            "trial": trial.number,
            "target": self._picked.target.name,
            **({"device": device} if device else {}),
            "plan_text": trial_plan_text(trial),
            "plan": trial.plan,
            "seed": spec.seed,
            "data": {
                "name": spec.data.name,
                # Params of other data sets are paths of the user's files, useless elsewhere.
                "params": data_params(spec) if spec.data.name in PORTABLE else {},
                "seed": spec.seed,
                "fingerprint": data.fingerprint,
                **data.info(),
            },
            "preprocessing": data.preprocessing(),
            **self._interface(),
            "measurements": {
                "validation": _json(self._picked.validation),
                "test": _json(self._picked.test),
            },
            "baseline": {
                "plan_text": trial_plan_text(baseline) if baseline else None,
                "validation": _json(self._picked.reference),
                "test": _json(self._local(baseline.test)) if baseline else {},
            },
            "times_better_than_baseline": self._local(ratios_of(trial, record)),
            **({"seeds": seeds} if (seeds := self._seeds()) else {}),
            "compared_with_baseline": [
                " ".join(line.split()) for line in comparison_lines(trial, baseline)
            ],
            "versions": record.info.get("versions", {}),
            "hosts": record.info.get("hosts", {}),
            "licences": licences(trial.plan),
        }

    def _seeds(self) -> dict[str, Any]:
        """Returns part -> quantity -> mean over trainings with different seeds; or nothing."""
        trial, target = self._mean, self._picked.target.name
        parts = {"validation": trial.measurements, "test": trial.test}
        return {
            part: _json(local_values({n: measured[n] for n in trial.single[part]}, target))
            for part, measured in parts.items()
            if part in trial.single
        }

    def _interface(self) -> dict[str, Any]:
        """Returns inputs and outputs of the model, and the task if it needs one to be read."""
        data, task = self._workbench.data, task_json(self._workbench.data)
        inputs = data.input_json()
        named = inputs if "inputs" in inputs else {"name": INPUT, **inputs}
        if task is None:
            return {"input": named, "output": {"name": "logits", "dtype": "float32"}}
        form = self._picked.artifact.info.get("outputs")
        return {"input": named, "output": {"form": form}, "task": task}

    def _local(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the values of the target, by quantity without target."""
        return local_values(values, self._picked.target.name)

    def _finish(self, manifest: Manifest, verification: Verification) -> Manifest:
        """Adds the results to manifest and card, and removes the baseline if it is not wanted."""
        content = dict(manifest.content)
        keep = self._options.baseline
        baseline = content["baseline_artifact"]
        if baseline and not (baseline["bytes"] < SMALL_BASELINE if keep is None else keep):
            shutil.rmtree((manifest.folder / baseline["file"]).parent)
            content["baseline_artifact"] = None
        content["artifacts"] = [_with_test(entry, verification) for entry in content["artifacts"]]
        content["verified"] = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": fingerprint(),
            **verification.to_json(),
        }
        finished = Manifest(manifest.folder, content)
        write_atomically(manifest.folder / CARD, card_text(content))
        finished.write()
        return finished

    def _move(self, manifest: Manifest, ok: bool) -> Manifest:
        """Moves the files to the output folder, or to DIR.unverified if a check failed."""
        target, unverified = self._options.folder, _unverified(self._options.folder)
        if unverified.exists():
            shutil.rmtree(unverified)  # an earlier export: it has a manifest
        if not ok:
            manifest.folder.rename(unverified)
            return Manifest(unverified, manifest.content)
        target.mkdir(exist_ok=True)
        for file in sorted(manifest.folder.iterdir()):
            destination = target / file.name
            if destination.is_dir():
                shutil.rmtree(destination)
            file.replace(destination)
        return Manifest(target, manifest.content)

    def _compare_with_study(
        self, artifact: Mapping[str, Any], process: CleanProcess
    ) -> list[CheckResult]:
        """Compares a file in the clean process with the study's own file and the float network."""
        from paretune.search.building.watch import Watch

        name, data = artifact["file"], self._workbench.data
        is_task = task_json(data) is not None
        inputs, _ = next(data.arrays("validation", COMPARED_EXAMPLES))
        flat = signature_of(data.shape).flat(inputs)
        results = []
        if is_task:
            actual: Sequence[np.ndarray] = process.run_arrays(flat)
        else:
            examples, _ = next(data.examples("validation", COMPARED_EXAMPLES))
            actual = [process(examples)]
        rule = OutputRule(name, not artifact["formats"], classes=not is_task)
        if artifact["measured"]:
            deployment = self._picked.target.deployment
            session = deployment.runtime.load(self._picked.artifact.path, deployment.options)
            outputs = session(*flat)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            results.append(replace(check_outputs(rule, outputs, actual), check="measured file"))
        pipeline, plan = self._workbench.pipeline, self._picked.plan
        if pipeline.dropped(plan):
            text = "not compared: the trained stages of the network are gone from the study"
            return [*results, CheckResult(name, "network", "warning", text)]
        candidate = pipeline.candidate(plan, Watch())
        if artifact["measured"]:
            candidate, _ = pipeline.suited(plan, candidate, self._picked.target.deployment)
        expected = _network_outputs(candidate.model, inputs)
        return [*results, check_network(rule, expected, actual)]


def _network_outputs(model: Any, inputs: Any) -> list[np.ndarray]:
    import torch

    from paretune.search.building.network_outputs import run

    tensors = mapped(inputs, lambda array: torch.from_numpy(array.copy()))
    return list(run(model.cpu().eval(), tensors).values())


def _with_test(entry: Mapping[str, Any], verification: Verification) -> dict[str, Any]:
    """Returns a file's entry; the checks' values on the test part are added if it has none."""
    expected = dict(entry["expected"])
    if not expected["test"]:
        expected["test"] = {
            result.check: result.numbers["actual"]
            for result in verification.results
            if result.file == entry["file"] and result.numbers.get("part") == "test"
        }
    return {**entry, "expected": expected}


def _json(measurements: Mapping[str, Measurement]) -> dict[str, Any]:
    return {name: m.to_json() for name, m in measurements.items()}
