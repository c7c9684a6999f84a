"""Checks an exported model against its manifest, on any machine.

Nothing is unpickled. Arrays are read without pickle. A TorchScript archive is read by
`torch.jit.load` alone, which makes tensors and no other objects. A program of torch.export is
searched for pickles first. The code in the folder is not run: the same code is generated again. A
file with another digest is not loaded. `torch_compile` writes native code: verify only your own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paretune.objectives.base import Measurement, Subject
from paretune.objectives.calm import was_calm
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.base import Artifact
from paretune.search.errors import UserError
from paretune.search.export.check_results import CheckResult, Level, Verification
from paretune.search.export.checks import (
    OutputRule,
    check_file,
    check_latency,
    check_manifest,
    check_opset,
    check_outputs,
    check_value,
)
from paretune.search.export.clean_process import CleanFailure, CleanProcess, CleanRuntime
from paretune.search.export.device_facts import device_text
from paretune.search.export.export_files import is_built_in
from paretune.search.export.latency_ratio import (
    LATENCY,
    LatencyRatio,
    ProbeData,
    measure_latency,
)
from paretune.search.export.load_script import script_name
from paretune.search.export.loading_code import script_text
from paretune.search.export.manifest import PROBE, Manifest, read_manifest
from paretune.search.export.probe import read_probe
from paretune.search.export.raw_examples import (
    StudyExamples,
    UserExamples,
    load_study_examples,
    load_user_examples,
)
from paretune.search.export.task_examples import load_task_examples
from paretune.search.export.task_facts import input_shape
from paretune.search.measuring.gauge import checked_measurements
from paretune.search.measuring.targets import NO_MODEL
from paretune.search.study.tables import OBJECTIVES, RUNTIMES

INPUT_TOLERANCE = 1e-5
"""Greatest difference of inputs from the recorded ones, as a share of the greatest input: another
processor adds up in another order."""

FurtherChecks = Callable[[Mapping[str, Any], CleanProcess], list[CheckResult]]
"""(a file's entry in the manifest, the process that has loaded it) -> results."""


def verify_export(
    folder: Path, data: str | None = None, latency: bool = True, strict: bool = False
) -> Verification:
    """Checks digests, operator sets, outputs, accuracy and latency of every file.

    Args:
        folder: Folder that `paretune export` wrote.
        data: Path of labelled examples to measure accuracy on; None takes the study's data if this
            machine has it.
        latency: Whether to run each file in turn with the file of the baseline.
        strict: Fail at small differences in latency, too.

    Raises:
        UserError: There is no manifest, or manifest or data cannot be read.
    """
    manifest = read_manifest(folder)
    for artifact in manifest.artifacts:
        if ":" in str(artifact["runtime"]):
            raise UserError(
                f"{folder}: {artifact['file']} needs {artifact['runtime']}, a user's own code, "
                "which is not imported because a manifest names it"
            )
    content = manifest.content
    read = load_task_examples if "task" in content else load_user_examples
    examples = read(content, Path(data)) if data else load_study_examples(content)
    results = run_checks(manifest, CheckOptions(examples, latency, strict))
    return Verification((check_manifest(content), *results))


@dataclass(frozen=True)
class CheckOptions:
    """Options of the checks. Digests and outputs are always checked.

    Attributes:
        examples: Examples to measure accuracy on; None measures none.
        latency: Whether to run the files in turn with the file of the baseline.
        strict: Fail at small differences in latency, too.
        further: Further checks of each file while it is loaded.
    """

    examples: UserExamples | StudyExamples | None
    latency: bool
    strict: bool = False
    further: FurtherChecks = lambda artifact, process: []


def run_checks(manifest: Manifest, options: CheckOptions) -> list[CheckResult]:
    """Runs all checks except the one of the manifest's digest."""
    results = [check_file(manifest.folder, entry) for entry in manifest.files()]
    wrong = {result.file for result in results if not result.ok}
    preprocessing = manifest.content["preprocessing"]
    needed = {PROBE, *(preprocessing.get(key) for key in ("tokenizer", "text_tokenizer"))}
    if wrong & needed:
        return results  # the expected outputs are not known
    for artifact in manifest.artifacts:
        if artifact["file"] not in wrong:
            results += _FileChecks(manifest, options, artifact, wrong).run()
    return results


class _FileChecks:
    """The checks of one model file with the right digest.

    Args:
        manifest: Manifest of the export.
        options: Options of the checks.
        artifact: The file's entry.
        wrong: Names of files that are missing or have another digest.
    """

    def __init__(
        self,
        manifest: Manifest,
        options: CheckOptions,
        artifact: Mapping[str, Any],
        wrong: set[str],
    ) -> None:
        self._folder, self._content = manifest.folder, manifest.content
        self._options, self._artifact, self._wrong = options, artifact, wrong
        self._name: str = artifact["file"]
        self._path = manifest.folder / self._name
        self._is_task = "task" in manifest.content

    def run(self) -> list[CheckResult]:
        """Runs the checks; the first error ends them."""
        results: list[CheckResult] = []
        try:
            runtime = RUNTIMES.get(self._artifact["runtime"])
            if hasattr(runtime, "refuse"):
                runtime.refuse(self._path)
            if hasattr(runtime, "stamp"):
                stamp = runtime.stamp(self._path)
                results.append(check_opset(self._name, self._artifact["stamp"], stamp))
            with CleanProcess() as process:
                results += self._run_code(process)
            if self._options.latency and all(result.ok for result in results):
                results += self._check_latency()
        except (Unmeasurable, CleanFailure, ValueError, OSError, KeyError) as error:
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            results.append(CheckResult(self._name, "runs", "failed", text))
        return results

    def _run_code(self, process: CleanProcess) -> list[CheckResult]:
        """Runs the file by the code of the card, in a process without Paretune."""
        script = self._folder / script_name(
            self._artifact["runtime"], len(self._content["artifacts"]) > 1
        )
        source = script_text(self._artifact, self._content)
        process.start(source, script, self._path)
        probe = read_probe(self._folder, self._content, self._name)
        results = []
        if self._is_task:
            if probe.examples is not None:
                prepared = process.prepare_arrays(probe.examples)
                results.append(self._check_inputs(probe.inputs[0], prepared[0]))
            outputs = process.run_arrays(probe.inputs)
        else:
            results.append(self._check_inputs(probe.inputs[0], process.prepare(probe.examples)))
            outputs = [process(probe.examples)]
        rule = OutputRule(self._name, not self._artifact["formats"], not self._is_task)
        results.append(check_outputs(rule, probe.outputs[self._name], outputs))
        results += self._options.further(self._artifact, process)
        if all(result.ok for result in results):
            results += self._check_values(process)
        process.run_as_program(source, script)
        modules = process.paretune_modules()
        if modules:
            text = f"the code imported modules of Paretune: {', '.join(modules)}"
            results.append(CheckResult(self._name, "clean process", "failed", text))
        return results

    def _check_inputs(self, recorded: np.ndarray, actual: np.ndarray) -> CheckResult:
        """Checks that the code makes the recorded inputs of the probe's examples."""
        check = "preprocessing"
        if recorded.shape != actual.shape or recorded.dtype != actual.dtype:
            text = (
                f"inputs are {actual.dtype} {list(actual.shape)}, recorded {recorded.dtype} "
                f"{list(recorded.shape)}"
            )
            return CheckResult(self._name, check, "failed", text)
        apart = float(np.abs(actual.astype(np.float64) - recorded).max())
        scale = max(1.0, float(np.abs(recorded).max()))
        text = f"inputs of {len(actual)} examples differ by at most {apart:.2g}"
        level: Level = "ok" if apart <= INPUT_TOLERANCE * scale else "failed"
        return CheckResult(self._name, check, level, text)

    def _check_values(self, process: CleanProcess) -> list[CheckResult]:
        """Checks the quantities that depend on data, on the test part.

        If the study measured them on the validation part only, that part is checked as well.
        """
        examples, expected = self._options.examples, self._artifact["expected"]
        if examples is None:
            task = self._content.get("task")
            check = "accuracy" if task is None else "score"
            text = "not measured: there are no labelled examples; give some with --data"
            if task is not None and task["kind"] is None:
                text = f"not measured: only the study has the task {task['name']} that scores it"
            return [CheckResult(self._name, check, "warning", text)]
        parts = ("test",) if expected["test"] else ("validation", "test")
        results = []
        for part in parts:
            if examples.size(part):
                for name, options in expected["quantities"].items():
                    results += self._check_quantity(process, examples, name, options, part)
        return results

    def _check_quantity(
        self, process: CleanProcess, examples: Any, name: str, options: Any, part: str
    ) -> list[CheckResult]:
        if not is_built_in(name):
            return []  # no code is imported because a manifest names it
        objective = OBJECTIVES.get(name)
        subject = Subject(
            Artifact(self._path, self._artifact["runtime"], "", 0, self._artifact["info"]),
            CleanRuntime(process, self._artifact["runtime"], self._is_task),  # type: ignore[arg-type]
            None,
            NO_MODEL,
            examples,
        )
        params = objective.Params.model_validate(dict(options))
        measured = checked_measurements(name, objective.measure(subject, params, part), set())
        expected = self._artifact["expected"][part]
        return [
            check_value(self._name, part, _measurement(expected.get(m.name)), m, examples.same)
            for m in measured
            if m.name in expected or math.isfinite(m.value)
        ]

    def _check_latency(self) -> list[CheckResult]:
        expected = self._artifact["expected"][LATENCY]
        if expected is None:
            return []
        device = self._content.get("device")
        if device:
            text = f"not compared here: it was measured on {device_text(device)}"
            return [CheckResult(self._name, LATENCY, "ok", text)]
        baseline = self._content["baseline_artifact"]
        if baseline is None or baseline["file"] in self._wrong:
            fault = "was not exported" if baseline is None else "is not the recorded one"
            text = f"not measured: the baseline's file {fault}"
            return [CheckResult(self._name, LATENCY, "warning", text)]
        inputs = read_probe(self._folder, self._content, self._name).inputs
        data = ProbeData(inputs, input_shape(self._content))
        recorded = LatencyRatio(**expected["ratio"])
        reference = Measurement(**expected["reference"])
        result = None
        for times in (1.0, 2.0):  # a difference is measured again, for a longer time
            measured = measure_latency(self._folder, self._artifact, baseline, data, times)
            actual = LatencyRatio.of(measured, reference)
            result = check_latency(self._name, recorded, actual, measured, self._options.strict)
            if result.level == "ok":
                break
            if result.level == "warning" and not was_calm(measured.conditions):
                break  # more time would not tell the difference from that of the busy host
        assert result is not None
        return [result]


def _measurement(recorded: Mapping[str, Any] | None) -> Measurement | None:
    return Measurement(**recorded) if recorded else None
