"""Export probe: checks before any training that a runtime computes what an architecture computes.

The network is exported and loaded, and its outputs are compared with those of the file, on batches
of 1, 2 and 5 examples of different content. What an export decides once for its example inputs (a
batch size, a branch on values, a Python number) then shows as a difference.
"""

from __future__ import annotations

import importlib
import inspect
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.base import Compute
from paretune.search.building import agreement
from paretune.search.building.exporting import quietly
from paretune.search.building.file_comparison import file_fault
from paretune.search.building.forward_trace import short_path
from paretune.search.building.module_checks import ModuleOutputs, module_outputs
from paretune.search.building.probe_inputs import ProbeInputs, probe_inputs, sample
from paretune.search.building.spread_weights import spread_weights
from paretune.search.building.undisturbed import undisturbed
from paretune.search.building.watch import Watch
from paretune.search.measuring.host_lock import host_lock
from paretune.search.study.spec import digest
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.base import Candidate

if TYPE_CHECKING:
    from paretune.search.building.stage_cache import StageCache
    from paretune.search.data.dataset import Dataset
    from paretune.search.study.deployment import Deployment

VERSION = 1
"""Raise this if the probe checks more than before."""


class ExportProbe:
    """Exports an untrained float network, once for each architecture and runtime, and compares.

    Neither pruning nor training changes what an exporter does with the code of `forward`; trained
    and pruned networks are compared again when they are deployed. A success is kept in the study's
    folder. A refusal is kept in this process only, as a missing compiler may be installed.

    An exporter that takes long has a method `probe` for the part that mostly fails. It exports the
    first network of each kind (`simple_cnn`, a factory of your own) to the end; the files of
    further networks of that kind are compared when they are deployed, after training.

    Args:
        cache: Keeps the results.
        data: Its validation examples are the inputs.
    """

    def __init__(self, cache: StageCache, data: Dataset) -> None:
        self._cache = cache
        self._data = data
        self._refused: dict[str, str] = {}
        self._last: tuple[str, UntrainedNetwork] | None = None

    def check(
        self,
        architecture: Mapping[str, Any],
        weights: str,
        build: Callable[[], Candidate],
        deployment: Deployment,
        watch: Watch,
    ) -> None:
        """Returns if the architecture can be exported, or cannot be built at all.

        The stage that builds the network reports that it cannot be built.

        Args:
            architecture: {name: {parameters}}.
            weights: Key of a checkpoint's weights; empty for random weights.
            build: Builds it.
            deployment: Runtime and options.
            watch: Watches the stage.

        Raises:
            StageError: The file would compute something else than the network, the runtime refuses
                it (the candidate is infeasible), or the probe fails.
            UserError: The disk is full.
        """
        network = self._key_of(architecture, weights)
        where = [deployment.name, *_options(deployment).items(), *_versions(deployment)]
        key = digest(["export", VERSION, network, where])
        with watch.stage("deploy"), host_lock.working():
            if key in self._refused:
                raise Unmeasurable(self._refused[key])
            try:
                kind = digest(["kind", VERSION, _kind(architecture), where])
                self._check(network, key, kind, build, deployment)
            except _NotBuilt:
                return
            except Unmeasurable as error:
                self._refused[key] = str(error)
                raise

    def _check(
        self,
        network: str,
        key: str,
        kind: str,
        build: Callable[[], Candidate],
        deployment: Deployment,
    ) -> None:
        def probe(complete: bool) -> dict[str, Any]:
            with undisturbed():
                self._untrained(network, build).check(deployment, complete)
            return {"of": key}

        if not hasattr(deployment.runtime, "probe"):
            self._cache.memo(key, lambda: probe(complete=True))
        elif self._cache.memo(f"{kind}.whole", lambda: probe(complete=True))["of"] != key:
            self._cache.memo(key, lambda: probe(complete=False))

    def _untrained(self, key: str, build: Callable[[], Candidate]) -> UntrainedNetwork:
        """Returns the network; several runtimes of a study share its outputs."""
        if self._last is None or self._last[0] != key:
            self._last = (key, UntrainedNetwork(build, self._inputs, self._log))
        return self._last[1]

    @cached_property
    def _inputs(self) -> ProbeInputs:
        return probe_inputs(sample(self._data).inputs, self._data)

    def _log(self, text: str) -> str:
        return self._cache.log(f"probe-{digest(text)[:8]}", text)

    def _key_of(self, architecture: Mapping[str, Any], weights: str) -> str:
        """Returns the digest of what the network's outputs depend on."""
        code = _code_of(architecture)
        parts = [sorted(architecture.items()), code, weights]
        return digest([*parts, self._data.fingerprint, torch.__version__])


class _NotBuilt(Exception):
    """The network cannot be built; the stage that builds it says why."""


@dataclass
class UntrainedNetwork:
    """An untrained network on the probe inputs.

    Attributes:
        build: Builds it.
        inputs: The probe inputs.
        log: Stores a text and returns its file.
    """

    build: Callable[[], Candidate]
    inputs: ProbeInputs
    log: Callable[[str], str]

    @cached_property
    def candidate(self) -> Candidate:
        """The network; raises _NotBuilt."""
        try:
            candidate = self.build()
        except Exception as error:
            raise _NotBuilt from error
        candidate.model.cpu().eval()
        return candidate

    @cached_property
    def expected(self) -> ModuleOutputs:
        """Outputs of the network."""
        spread_weights(self.candidate.model, self.inputs.examples)
        return module_outputs(self.candidate.model, self.inputs)

    def check(self, deployment: Deployment, complete: bool) -> None:
        """Exports the network and compares outputs.

        Args:
            deployment: Runtime and options.
            complete: Whether to export it to the end, or only the part that `probe` does.

        Raises:
            Unmeasurable: It cannot be exported, or the file computes something else.
        """
        expected = self.expected
        if not expected.comparable:
            raise Unmeasurable("; ".join(expected.faults))
        try:
            fault = self._file_fault(deployment) if complete else self._probe(deployment)
        except Unmeasurable as error:
            if not expected.faults:
                raise with_log(error, self.log) from None
            fault = str(error)
        faults = [*expected.faults, *([f"{deployment.name}: {fault}"] if fault else [])]
        if faults:
            raise Unmeasurable("; and ".join(faults))

    def _probe(self, deployment: Deployment) -> str:
        candidate = self.candidate
        compute = quietly(
            lambda: deployment.runtime.probe(candidate.model, candidate.shape),
            candidate.model,
            self._example,
        )
        return self._fault(compute, agreement.EXACT) if compute is not None else ""

    def _file_fault(self, deployment: Deployment) -> str:
        """Returns how the exported file differs from the network."""
        candidate, entry = self.candidate, deployment.runtime
        with tempfile.TemporaryDirectory(prefix="paretune-") as folder:
            path = Path(folder) / f"probe{entry.suffix}"

            def compute() -> Any:
                entry.export(candidate.model, candidate.shape, path)
                return entry.load(path, deployment.options, threads=0)

            session = quietly(compute, candidate.model, self._example)
            allowed = agreement.tolerance(None, deployment.options.model_dump())
            assert allowed is not None
            return self._fault(session, allowed)

    def _fault(self, compute: Compute, allowed: float) -> str:
        return file_fault(compute, self.candidate, self.inputs, self.expected, allowed)

    def _example(self) -> Any:
        return self.inputs.batch((0, 1))


def with_log(error: Unmeasurable, log: Callable[[str], str]) -> Unmeasurable:
    """Returns the error with the file, or URL, that holds what the exporter printed."""
    notes = getattr(error, "__notes__", [])
    if not notes:
        return error
    file = log("\n".join(notes))
    file = file if "://" in file else short_path(file)
    logged = Unmeasurable(f"{error} (details: {file})")
    for note in notes:
        logged.add_note(note)
    return logged


def _kind(architecture: Mapping[str, Any]) -> list[str]:
    """Returns the name of an architecture, with the path of a factory: what runs in `forward`."""
    name, options = ARCHITECTURES.parse(architecture)
    return [name, *(str(options[key]) for key in ("factory", "name", "model") if key in options)]


def _code_of(architecture: Mapping[str, Any]) -> str:
    """Returns the digest of the file with the user's factory; empty for a built-in network."""
    _, options = ARCHITECTURES.parse(architecture)
    name = str(options.get("factory", "")).partition(":")[0]
    if not name:
        return ""
    try:
        file = inspect.getsourcefile(importlib.import_module(name))
        return digest(Path(file).read_text(encoding="utf-8")) if file else ""
    except Exception:  # whatever the user's module raises; the stage that builds it reports it
        return ""


def _options(deployment: Deployment) -> dict[str, Any]:
    """Returns the options that change what a runtime computes."""
    options: dict[str, Any] = deployment.options.model_dump()
    return {name: value for name, value in options.items() if name != "threads"}


def _versions(deployment: Deployment) -> list[str]:
    """Returns the versions of the packages that run the file."""
    versions = []
    for package in getattr(deployment.runtime, "packages", ()):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(package)
    return versions
