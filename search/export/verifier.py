"""Checks an exported model against its manifest, on any machine.

Nothing is unpickled: arrays are read without, a TorchScript archive by `torch.jit.load` alone,
whose own reader makes tensors and no objects, and a program of torch.export is looked through
first. The code in the folder is not run either, but the same code made anew. A file that is not the
recorded one is not loaded at all. What `torch_compile` writes is native code: verify only your own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paretune.objectives.base import Measurement, Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.base import Artifact
from paretune.search.errors import UserError
from paretune.search.export.check_results import Finding, Verification
from paretune.search.export.checks import (
    same_file,
    same_latency,
    same_manifest,
    same_outputs,
    same_stamp,
    same_value,
)
from paretune.search.export.clean_process import CleanFailure, CleanProcess, CleanRuntime
from paretune.search.export.latency_ratio import LATENCY, ProbeData, Ratio, beside_baseline
from paretune.search.export.load_script import script_name, script_of
from paretune.search.export.manifest import PROBE, Manifest, read_manifest
from paretune.search.export.raw_examples import Examples, StudyExamples, at_hand, given
from paretune.search.measuring.gauge import answered
from paretune.search.study.tables import OBJECTIVES, RUNTIMES

PREPARED = 1e-5
"""How far inputs may be from the recorded ones: normalizing adds up in another order."""

Beside = Callable[[Mapping[str, Any], CleanProcess], list[Finding]]
"""(a file's entry in the manifest, the process that has it loaded) -> what else there is to say."""


def verify_export(
    folder: Path, data: str | None = None, latency: bool = True, strict: bool = False
) -> Verification:
    """Digests, operator sets, outputs, accuracy and latency of every file.

    Args:
        folder: What `paretune export` wrote.
        data: Labelled examples to measure accuracy on; None for those of the study where they are
            at hand by name.
        latency: Whether to run the file beside the baseline's.
        strict: A latency that differs a little is off, too.

    Raises:
        UserError: There is no manifest, it cannot be read, or the data cannot.
    """
    manifest = read_manifest(folder)
    for artifact in manifest.artifacts:
        if ":" in str(artifact["runtime"]):
            raise UserError(
                f"{folder}: {artifact['file']} is for {artifact['runtime']}, code of a user's own: "
                "it is not imported because a manifest says so"
            )
    examples = given(manifest.content, Path(data)) if data else at_hand(manifest.content)
    found = checked(manifest, Check(examples, latency, strict))
    return Verification((same_manifest(manifest.content), *found))


@dataclass(frozen=True)
class Check:
    """What to check, besides digests and outputs.

    Attributes:
        examples: To measure on; None for no accuracy.
        latency: Whether to run the files beside the baseline's.
        strict: A latency that differs a little is off, too.
        beside: What else to do with each file while it is loaded.
    """

    examples: Examples | StudyExamples | None
    latency: bool
    strict: bool = False
    beside: Beside = lambda artifact, process: []


def checked(manifest: Manifest, check: Check) -> list[Finding]:
    """Everything but the manifest's own digest."""
    findings = [same_file(manifest.folder, entry) for entry in manifest.files()]
    off = {finding.file for finding in findings if not finding.ok}
    needed = {PROBE, manifest.content["preprocessing"].get("tokenizer")}
    if off & needed:
        return findings  # without them the right answers are not known
    for artifact in manifest.artifacts:
        if artifact["file"] not in off:
            findings += _Checking(manifest, check, artifact, off).findings()
    return findings


class _Checking:
    """One file of an export, whose digest is right.

    Args:
        manifest: Of the export.
        check: What to check.
        artifact: The file's entry.
        off: Files that are not what they were.
    """

    def __init__(
        self, manifest: Manifest, check: Check, artifact: Mapping[str, Any], off: set[str]
    ) -> None:
        self._folder, self._content = manifest.folder, manifest.content
        self._check, self._artifact, self._off = check, artifact, off
        self._name: str = artifact["file"]
        self._path = manifest.folder / self._name

    def findings(self) -> list[Finding]:
        """Whatever can be found; the first failure ends it."""
        found: list[Finding] = []
        try:
            entry = RUNTIMES.get(self._artifact["runtime"])
            if hasattr(entry, "refuse"):
                entry.refuse(self._path)
            if hasattr(entry, "stamp"):
                stamp = entry.stamp(self._path)
                found.append(same_stamp(self._name, self._artifact["stamp"], stamp))
            with CleanProcess() as process:
                found += self._run(process)
            if self._check.latency and all(finding.ok for finding in found):
                found += self._latency()
        except (Unmeasurable, CleanFailure, ValueError, OSError, KeyError) as error:
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            found.append(Finding(self._name, "runs", "off", text))
        return found

    def _run(self, process: CleanProcess) -> list[Finding]:
        """What the code of the card does with the file, in a process without Paretune."""
        script = self._folder / script_name(
            self._artifact["runtime"], len(self._content["artifacts"]) > 1
        )
        source = script_of(self._artifact, self._content)
        process.start(source, script, self._path)
        with np.load(self._folder / PROBE, allow_pickle=False) as probe:
            examples, inputs, recorded = (probe[key] for key in ("examples", "inputs", self._name))
        found = [self._prepared(inputs, process.prepared(examples))]
        found.append(same_outputs(self._name, self._plain, recorded, process(examples)))
        found += self._check.beside(self._artifact, process)
        if all(finding.ok for finding in found):
            found += self._measured(process)
        process.demonstrated(source, script)
        ours = process.ours()
        if ours:
            text = f"its process imported {', '.join(ours)} of Paretune"
            found.append(Finding(self._name, "clean process", "off", text))
        return found

    @property
    def _plain(self) -> bool:
        return not self._artifact["formats"]

    def _prepared(self, recorded: np.ndarray, found: np.ndarray) -> Finding:
        name, what = self._name, "preprocessing"
        if recorded.shape != found.shape or recorded.dtype != found.dtype:
            text = f"{found.dtype} {list(found.shape)}, recorded {recorded.dtype}"
            return Finding(name, what, "off", f"{text} {list(recorded.shape)}")
        apart = float(np.abs(found.astype(np.float64) - recorded).max())
        scale = max(1.0, float(np.abs(recorded).max()))
        text = f"of {len(found)} examples, inputs differ by at most {apart:.2g}"
        return Finding(name, what, "ok" if apart <= PREPARED * scale else "off", text)

    def _measured(self, process: CleanProcess) -> list[Finding]:
        """The quantities that depend on data, on the test part.

        On the validation part too where that is all that the study measured.
        """
        examples, expected = self._check.examples, self._artifact["expected"]
        if examples is None:
            text = "not measured: no labelled examples; give some with --data"
            return [Finding(self._name, "accuracy", "warning", text)]
        parts = ("test",) if expected["test"] else ("validation", "test")
        found = []
        for part in parts:
            if examples.size(part):
                for name, options in expected["quantities"].items():
                    found += self._quantity(process, examples, name, options, part)
        return found

    def _quantity(
        self, process: CleanProcess, examples: Any, name: str, options: Any, part: str
    ) -> list[Finding]:
        if name not in OBJECTIVES.names:
            return []  # no code is imported because a manifest names it
        objective = OBJECTIVES.get(name)
        subject = Subject(
            Artifact(self._path, self._artifact["runtime"], "", 0),
            CleanRuntime(process, self._artifact["runtime"]),  # type: ignore[arg-type]
            None,
            None,  # type: ignore[arg-type]  # what is measured is the file alone
            examples,
        )
        params = objective.Params.model_validate(dict(options))
        measured = answered(name, objective.measure(subject, params, part), set())
        expected = self._artifact["expected"][part]
        return [
            same_value(self._name, part, _recorded(expected.get(m.name)), m, examples.same)
            for m in measured
            if m.name in expected or math.isfinite(m.value)
        ]

    def _latency(self) -> list[Finding]:
        expected = self._artifact["expected"][LATENCY]
        if expected is None:
            return []
        baseline = self._content["baseline_artifact"]
        if baseline is None or baseline["file"] in self._off:
            why = "was not exported" if baseline is None else "is not the recorded one"
            text = f"not measured: the baseline's file {why}"
            return [Finding(self._name, LATENCY, "warning", text)]
        with np.load(self._folder / PROBE, allow_pickle=False) as probe:
            how = self._content["preprocessing"]
            inputs, labels = probe["inputs"], probe["labels"]
        data = ProbeData(inputs, labels, tuple(how["shape"]), len(how["class_names"]))
        recorded, reference = Ratio(**expected["ratio"]), Measurement(**expected["reference"])
        finding = None
        for times in (1.0, 2.0):  # what seems to differ is looked at again, and longer
            measured = beside_baseline(self._folder, self._artifact, baseline, data, times)
            ratio = Ratio.of(measured, reference)
            finding = same_latency(self._name, recorded, ratio, measured, self._check.strict)
            if finding.level == "ok":
                break
        assert finding is not None
        return [finding]


def _recorded(found: Mapping[str, Any] | None) -> Measurement | None:
    return Measurement(**found) if found else None
