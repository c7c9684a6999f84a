"""Compares what a deployed file computes with what its network computes."""

from __future__ import annotations

import re
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.jit._fuser import optimized_execution

from paretune.inputs import Shape, signature_of
from paretune.nests import mapped
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.base import Compute
from paretune.search.building import agreement
from paretune.search.building.baked_values import baked_text
from paretune.search.building.captured_output import captured
from paretune.search.building.forward_trace import Call, trace
from paretune.search.building.module_checks import ModuleOutputs
from paretune.search.building.network_outputs import (
    OutputsError,
    flat_arrays,
    named_results,
    run,
)
from paretune.search.building.probe_contents import SIZES, resized
from paretune.search.building.probe_inputs import Batch, ProbeInputs, Sample, sample
from paretune.search.building.undisturbed import undisturbed

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.data.dataset import Dataset
    from paretune.search.study.deployment import Deployment
    from paretune.spaces.base import Candidate
    from paretune.task import Per

MOST = 200
"""Characters of a runtime's message that a reason repeats."""

FIRST, FEW, SLOW = 4, 16, 2.0
"""If the first examples take more than these seconds, only a few are compared."""

FIRST_BATCHES = (1, 2, 5)
"""Sizes of the first batches; a file that was exported for one size fails, or differs."""


def file_fault(
    compute: Compute,
    candidate: Candidate,
    inputs: ProbeInputs,
    expected: ModuleOutputs,
    allowed: float,
) -> str:
    """Returns how a file differs from its network on the probe inputs; empty if it does not.

    Args:
        compute: The loaded file.
        candidate: The network.
        inputs: Batches of different size and content.
        expected: Outputs of the network.
        allowed: Largest difference of a correct file, as a share of the outputs' spread.
    """
    failing: dict[Batch, str] = {}
    differing: dict[Batch, str] = {}
    for batch, outputs in expected.outputs.items():
        result, text = _run_batch(compute, candidate.shape, inputs.batch(batch), outputs)
        if result is None:
            failing[batch] = text
            continue
        apart, name = agreement.largest_difference(outputs, result, expected.scales)
        if apart > allowed:
            differing[batch] = (
                f"computes something else than the network: {agreement.outputs_text(name)} differ "
                f"by {agreement.share_text(apart)}"
            )
    if not failing and not differing:
        return ""
    wrong = {len(batch) for batch in failing or differing}
    right = {len(batch) for batch in expected.outputs} - wrong
    # One size that runs, and others that do not with any content: the size is to blame.
    fixed = f"the export fixes the batch at {min(right)}" if len(right) == 1 else ""
    texts = [fixed] if fixed else []
    calls: list[Call] = []
    for batch, text in (*_first(failing), *_first(differing)):
        texts.append(f"for {inputs.text(batch)}, the file {text}")
        calls += trace(candidate.model, inputs.batch(batch))
    about_sizes = bool(fixed) or bool(failing)
    baked = baked_text(calls, about_sizes, about_values=bool(differing) or not about_sizes)
    return "; ".join([*texts, baked]) if baked else "; ".join(texts)


def _first(texts: dict[Batch, str]) -> list[tuple[Batch, str]]:
    return list(texts.items())[:1]


def _run_batch(
    compute: Compute, shape: Shape, inputs: Any, expected: agreement.Flat
) -> tuple[dict[str, np.ndarray] | None, str]:
    """Returns the outputs of a file; or None and what it does wrong, as the end of "it ..."."""
    try:
        with captured(), without_tuning():
            outputs = named_results(compute(*flat_arrays(shape, inputs)), list(expected))
    except OutputsError as error:
        return None, str(error)
    except Exception as error:  # runtimes have no common class of exceptions
        return None, f"fails: {_brief(error)}"
    for name, wanted in expected.items():
        if outputs[name].shape != wanted.shape:
            of = f' "{name}"' if name else "s"
            return None, f"gives output{of} of shape {list(outputs[name].shape)}, not " + str(
                list(wanted.shape)
            )
    return outputs, ""


@dataclass(frozen=True)
class DeployedComparison:
    """Compares deployed files with their networks on validation examples.

    Attributes:
        data: The study's data.
    """

    data: Dataset

    @cached_property
    def _sample(self) -> Sample:
        return sample(self.data)

    def checked(self, artifact: Artifact, candidate: Candidate, deployment: Deployment) -> Artifact:
        """Returns the artifact with info["agreement"].

        The reference is the candidate's network. After quantization-aware training that is the
        network with its rounding, as it was trained.

        Raises:
            Unmeasurable: The file cannot run, differs from the network by more than its number
                format allows, or is broken.
        """
        model, quantization = candidate.model, candidate.quantization
        options = deployment.options.model_dump()
        allowed = agreement.tolerance(quantization, options)
        with undisturbed():
            taken = self._affordable(model)
            network = _network_outputs(model, taken.inputs)
            files = _LoadedFile(artifact, deployment, candidate.shape)
            file = files.outputs(taken.inputs, list(network))
            fault = agreement.fault(network, file, self._classes(taken), allowed)
            fault = fault or self._size_fault(files, candidate, taken, allowed)
        if fault:
            text = f"the file for {deployment.name} {fault}"
            few = _first_rows(taken.inputs, 5)
            baked = "" if allowed is None else baked_text(trace(model, few), True, True)
            raise Unmeasurable(f"{text}; {baked}" if baked else text)
        compared = agreement.agreement(network, file, allowed, self._per)
        return replace(artifact, info={**artifact.info, "agreement": compared.to_json()})

    @property
    def _per(self) -> Per | None:
        """What has one vector of class scores; None for other outputs."""
        task = self.data.task
        return task.outputs.per if task.class_scores and task.outputs.per != "any" else None

    def _classes(self, taken: Sample) -> np.ndarray | None:
        """Returns the true classes [N] if each example has one; else None."""
        targets = taken.targets
        if self._per != "example" or targets is None or targets.ndim != 1:
            return None
        return None if targets.is_floating_point() else targets.cpu().numpy()

    def _affordable(self, model: torch.nn.Module) -> Sample:
        """Returns the examples to compare; fewer if the network is slow."""
        taken = self._sample
        begun = time.perf_counter()
        _network_outputs(model, _first_rows(taken.inputs, FIRST), check=False)
        if time.perf_counter() - begun <= SLOW:
            return taken
        targets = taken.targets
        return Sample(
            _first_rows(taken.inputs, FEW), targets[:FEW] if targets is not None else None
        )

    def _size_fault(
        self, files: _LoadedFile, candidate: Candidate, taken: Sample, allowed: float | None
    ) -> str:
        """Returns how the file fails for other sizes of the axes that vary; mostly empty.

        A size that the network itself does not take is not tried.
        """
        signature = signature_of(candidate.shape)
        if not any(each.dynamic for each in signature.inputs):
            return ""
        for factor in SIZES:
            inputs, text = resized(_first_rows(taken.inputs, FIRST), signature, factor)
            try:
                network = run(candidate.model, mapped(inputs, lambda x: x.clone()))
            except Exception:  # whatever the user's code raises
                continue
            file = files.outputs(inputs, list(network), text)
            fault = agreement.form_fault(network, file)
            apart, name = agreement.largest_difference(network, file)
            if not fault and allowed is not None and apart > allowed:
                fault = (
                    f"computes something else than the network: {agreement.outputs_text(name)} "
                    f"differ by up to {agreement.share_text(apart)}, and {allowed:g} is allowed"
                )
            if fault:
                return f"{fault} ({text})"
        return ""


@dataclass(frozen=True)
class _LoadedFile:
    """A deployed file that runs on examples."""

    artifact: Artifact
    deployment: Deployment
    shape: Shape

    def outputs(self, inputs: Any, names: list[str], which: str = "") -> dict[str, np.ndarray]:
        """Returns the file's outputs by name for batches of 1, 2, 5 and the rest.

        Raises:
            Unmeasurable: The file does not run.
        """
        flat = flat_arrays(self.shape, inputs)
        ends = [sum(FIRST_BATCHES[: i + 1]) for i in range(len(FIRST_BATCHES))]
        split = zip(*(np.split(array.copy(), ends) for array in flat), strict=True)
        parts = [part for part in split if len(part[0])]
        deployment = self.deployment
        with captured(), without_tuning():
            try:
                compute = deployment.runtime.load(self.artifact.path, deployment.options, threads=0)
                results = [
                    named_results(compute(*(np.ascontiguousarray(a) for a in part)), names)
                    for part in parts
                ]
                return {name: np.concatenate([r[name] for r in results]) for name in names}
            except Unmeasurable:
                raise
            except OutputsError as error:
                raise Unmeasurable(f"the file for {deployment.name} {error}") from error
            except Exception as error:  # runtimes have no common class of exceptions
                raise Unmeasurable(
                    f"{deployment.name} cannot run the file{' ' * bool(which)}{which}: "
                    f"{_brief(error)}"
                ) from error


def _network_outputs(
    model: torch.nn.Module, inputs: Any, check: bool = True
) -> dict[str, np.ndarray]:
    """Returns the network's outputs by name.

    Raises:
        Unmeasurable: They are not finite, or have no form that a file can have.
    """
    try:
        network = run(model, mapped(inputs, lambda tensor: tensor.clone()))
    except OutputsError as error:
        raise Unmeasurable(f"the network: {error}") from error
    for name, values in network.items() if check else ():
        count = int((~agreement.finite_rows(values)).sum())
        if count:
            of = f'values of output "{name}"' if name else "outputs"
            raise Unmeasurable(
                f"the network's {of} are not finite for {count} of {len(values)} validation "
                "examples"
            )
    return network


def _first_rows(inputs: Any, count: int) -> Any:
    return mapped(inputs, lambda tensor: tensor[:count])


def without_tuning() -> AbstractContextManager[None]:
    """Keeps TorchScript from compiling for each size of a batch, which takes seconds."""
    context: AbstractContextManager[None] = optimized_execution(False)
    return context


def _brief(error: Exception) -> str:
    """Returns the type and the message of a runtime's exception, without its sources and paths."""
    lines = str(error).strip().splitlines() or [""]
    # TorchScript tells the reason last, after its own call stack.
    text = lines[-1 if "TorchScript interpreter" in lines[0] else 0]
    text = re.sub(r".*Status Message: ", "", text)
    text = re.sub(r"/\S+:\d+ .*?\) ", "", text)  # a file, a line and a C++ function
    text = text if len(text) <= MOST else f"{text[:MOST]}..."
    return f"{type(error).__name__}: {text}"
