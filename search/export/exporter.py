"""Exports a trial: writes its files, checks them in a clean process, and only then hands them out.

All is written into a folder of its own beside the wanted one, and checked there. What is not what
the study measured never gets the wanted name: it stays as `DIR.unverified`, to be looked at.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.objectives.base import Measurement
from paretune.objectives.host import fingerprint
from paretune.search.database.store import existing_store
from paretune.search.errors import UserError
from paretune.search.export.check_results import Finding, Verification
from paretune.search.export.checks import like_model, same_outputs
from paretune.search.export.clean_process import CleanProcess
from paretune.search.export.export_files import (
    NotTheMeasured,
    write_artifacts,
    write_assets,
    write_baseline,
    write_probe,
)
from paretune.search.export.licence import licences
from paretune.search.export.manifest import CARD, MANIFEST, VERSION, Manifest
from paretune.search.export.model_card import card_of
from paretune.search.export.picked_artifact import PickedArtifact, chosen
from paretune.search.export.raw_examples import AT_HAND, StudyExamples
from paretune.search.export.verifier import Check, checked
from paretune.search.files import write_atomically
from paretune.search.front.final_front import with_final_front
from paretune.search.front.pick import pick
from paretune.search.study.quantity import local_values
from paretune.search.study.tables import RUNTIMES
from paretune.search.views.front_table import ratios_of
from paretune.search.views.plan_text import plan_text
from paretune.spaces.table import did_you_mean

if TYPE_CHECKING:
    from paretune.search.locate import StudyLocation
    from paretune.search.study.records import StudyRecord
    from paretune.search.trial.stage_study import StageStudy

FORMATS = {"onnx": "onnxruntime", **{name: name for name in RUNTIMES.names}}
"""What --to takes -> the runtime that writes it."""

SMALL = 50e6
"""Bytes of a baseline that goes along without being asked for."""

COMPARED = 256
"""Validation examples whose logits are compared with the network's."""


@dataclass(frozen=True)
class Wish:
    """What an export shall hold.

    Attributes:
        query: The trial, as for `search.picks.pick`.
        target: One of the study's; the first where none is named.
        formats: Keys of FORMATS; none for the measured file alone.
        folder: Where it is written; made when it is not there.
        force: Write into a folder that is not empty.
        baseline: Whether the baseline's file goes along; None for when it is SMALL.
        latency: Whether it is run beside the baseline's file before it is handed out.
        strict: Whether a latency that differs a little is off, too.
    """

    query: str
    formats: Sequence[str]
    folder: Path
    force: bool = False
    baseline: bool | None = None
    target: str | None = None
    latency: bool = True
    strict: bool = False


@dataclass(frozen=True)
class Exported:
    """What came of an export.

    Attributes:
        manifest: What was written; None where nothing was.
        verification: What the checks found.
    """

    manifest: Manifest | None
    verification: Verification


def export_trial(location: StudyLocation, wish: Wish) -> Exported:
    """Exports the trial that a query picks.

    Raises:
        UserError: No trial answers the query, a format is unknown or cannot hold the model, the
            measured file is gone, or the folder is not empty.
    """
    for name in wish.formats:
        if name not in FORMATS:
            hint = did_you_mean(name, list(FORMATS)) or "."
            raise UserError(f'--to: unknown format "{name}"{hint} Known: {", ".join(FORMATS)}.')
    with existing_store(location.url) as store:
        record = with_final_front(store.record())
    if "evaluate" in record.source:
        raise UserError(
            "this study's models are made by your own trainer, and Paretune has no file of them; "
            "a trial's plan is in: paretune show STUDY TRIAL --json"
        )
    trial = pick(record, wish.query)
    _check_folder(wish)
    from paretune.search.trial.stage_study import StageStudy

    study = StageStudy(location.spec())
    try:
        return _Exporting(study, record, chosen(study, record, trial, wish.target), wish).done()
    except NotTheMeasured as error:
        finding = Finding("", "sha256", "off", str(error))
        return Exported(None, Verification((finding,)))
    finally:
        study.close()


def _check_folder(wish: Wish) -> None:
    folder = wish.folder
    if folder.exists() and not folder.is_dir():
        raise UserError(f"-o {folder}: this is a file; give a folder")
    if folder.is_dir() and any(folder.iterdir()) and not wish.force:
        raise UserError(f"-o {folder}: the folder is not empty; give another one, or --force")
    rejected = _rejected(folder)
    if rejected.exists() and not (rejected / MANIFEST).is_file():
        raise UserError(f"{rejected}: in the way of an export that fails; move it away")


def _rejected(folder: Path) -> Path:
    absolute = folder.absolute()
    return absolute.with_name(absolute.name + ".unverified")


class _Exporting:
    """An export that is being made.

    Args:
        study: Open.
        record: Its record.
        pick: What is exported.
        wish: How.
    """

    def __init__(
        self, study: StageStudy, record: StudyRecord, pick: PickedArtifact, wish: Wish
    ) -> None:
        self._study, self._record, self._pick, self._wish = study, record, pick, wish

    def done(self) -> Exported:
        """Writes, checks, and moves to where it belongs."""
        target = self._wish.folder.absolute()
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            draft.chmod(0o755)  # mkdtemp's 0700 would stay with the folder
            manifest = self._written(draft)
            data = StudyExamples(self._study.workbench.data)
            check = Check(data, self._wish.latency, self._wish.strict, self._like_model)
            found = Verification(tuple(checked(manifest, check)))
            manifest = self._finished(manifest, found)
            return Exported(self._moved(manifest, found.ok), found)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _written(self, folder: Path) -> Manifest:
        measured = self._pick.artifact
        wanted = dict.fromkeys(FORMATS[name] for name in self._wish.formats)
        artifacts = write_artifacts(
            self._study, self._pick, list(wanted or {measured.runtime: None}), folder
        )
        write_probe(self._study, self._pick, artifacts, folder)
        # For the check it is always there; what is not to go along is taken out afterwards.
        baseline = write_baseline(self._pick, folder)
        content = {**self._content(), "artifacts": artifacts, "baseline_artifact": baseline}
        content["assets"] = write_assets(self._study, content, folder)
        return Manifest(folder, content)

    def _content(self) -> dict[str, Any]:
        """What the manifest says besides the files."""
        study, record, trial = self._study, self._record, self._pick.trial
        data = study.spec.data
        baseline = record.baseline
        return {
            "manifest": VERSION,
            "paretune": record.info.get("versions", {}).get("paretune"),
            "study": record.name,
            "trial": trial.number,
            "target": self._pick.target.name,
            "plan_text": plan_text(trial.plan),
            "plan": trial.plan,
            "seed": study.spec.seed,
            "data": {
                "name": data.name,
                # Those of others are the user's own files: of no use elsewhere.
                "params": dict(data.params) if data.name in AT_HAND else {},
                "seed": study.spec.seed,
                "fingerprint": study.workbench.data.fingerprint,
                **study.workbench.data.info(),
            },
            "preprocessing": study.workbench.data.preprocessing(),
            "input": {"name": "input", **study.workbench.data.input_json()},
            "output": {"name": "logits", "dtype": "float32"},
            "measurements": {
                "validation": _json(self._pick.validation),
                "test": _json(self._pick.test),
            },
            "baseline": {
                "plan_text": plan_text(baseline.plan) if baseline else None,
                "validation": _json(self._pick.reference),
                "test": _json(self._local(baseline.test)) if baseline else {},
            },
            "times_better_than_baseline": self._local(ratios_of(trial, record)),
            "versions": record.info.get("versions", {}),
            "hosts": record.info.get("hosts", {}),
            "licences": licences(trial.plan),
        }

    def _local(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Of things by quantity, those of the target."""
        return local_values(found, self._pick.target.name)

    def _finished(self, manifest: Manifest, found: Verification) -> Manifest:
        """With what the check found, and without the baseline's file where it stays away."""
        content = dict(manifest.content)
        keep = self._wish.baseline
        baseline = content["baseline_artifact"]
        if baseline and not (baseline["bytes"] < SMALL if keep is None else keep):
            shutil.rmtree((manifest.folder / baseline["file"]).parent)
            content["baseline_artifact"] = None
        content["artifacts"] = [_with_test(entry, found) for entry in content["artifacts"]]
        content["verified"] = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": fingerprint(),
            **found.to_json(),
        }
        finished = Manifest(manifest.folder, content)
        write_atomically(manifest.folder / CARD, card_of(content, manifest.folder))
        finished.write()
        return finished

    def _moved(self, manifest: Manifest, ok: bool) -> Manifest:
        """The files where they belong; a rejected export under a name that says so."""
        target, rejected = self._wish.folder, _rejected(self._wish.folder)
        if rejected.exists():
            shutil.rmtree(rejected)  # of an earlier export: it has a manifest
        if not ok:
            manifest.folder.rename(rejected)
            return Manifest(rejected, manifest.content)
        target.mkdir(exist_ok=True)
        for file in sorted(manifest.folder.iterdir()):
            there = target / file.name
            if there.is_dir():
                shutil.rmtree(there)
            file.replace(there)
        return Manifest(target, manifest.content)

    def _like_model(self, artifact: Mapping[str, Any], process: CleanProcess) -> list[Finding]:
        """The file in the clean process beside the study's own file, and the float network."""
        from paretune.search.building.watch import Watch

        name, data = artifact["file"], self._study.workbench.data
        examples, _ = next(data.examples("validation", COMPARED))
        inputs, _ = next(data.arrays("validation", COMPARED))
        logits, found = process(examples), []
        if artifact["measured"]:
            deployment = self._pick.target.deployment
            session = deployment.runtime.load(self._pick.artifact.path, deployment.options)
            plain = not artifact["formats"]
            same = same_outputs(name, plain, session(inputs), logits)
            found.append(replace(same, what="the study's file"))
        pipeline, plan = self._study.workbench.pipeline, self._pick.plan
        if pipeline.dropped(plan):
            text = "not compared with the network: its trained stages are gone from the study"
            return [*found, Finding(name, "model", "warning", text)]
        candidate = pipeline.candidate(plan, Watch())
        if artifact["measured"]:
            candidate, _ = pipeline.suited(plan, candidate, self._pick.target.deployment)
        answers = _answers(candidate.model, inputs)
        return [*found, like_model(name, not artifact["formats"], answers, logits)]


def _answers(model: Any, inputs: np.ndarray) -> np.ndarray:
    import torch

    with torch.inference_mode():
        answers: np.ndarray = model.cpu().eval()(torch.from_numpy(inputs)).numpy()
    return answers


def _with_test(entry: Mapping[str, Any], found: Verification) -> dict[str, Any]:
    """A file's entry, with what was measured on the test part where the study had not."""
    expected = dict(entry["expected"])
    if not expected["test"]:
        expected["test"] = {
            finding.what: finding.numbers["found"]
            for finding in found.findings
            if finding.file == entry["file"] and finding.numbers.get("part") == "test"
        }
    return {**entry, "expected": expected}


def _json(measured: Mapping[str, Measurement]) -> dict[str, Any]:
    return {name: asdict(m) for name, m in measured.items()}
