"""The probe of an export: a few validation examples with the outputs that each file must give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paretune.inputs import shape_of_json, signature_of
from paretune.nests import mapped
from paretune.search.export.manifest import PROBE
from paretune.search.export.task_script import has_examples

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset

EXAMPLES = 16

INPUTS = "inputs."
"""Begin of the keys of the inputs of a task: "inputs.ids". Classifiers have "inputs" alone."""


@dataclass(frozen=True)
class Probe:
    """Examples, the model's inputs for them, and the outputs of each file.

    Attributes:
        examples: Images or texts before the preprocessing; None if there is none.
        inputs: The model's inputs [N, ...], in order.
        outputs: File -> its outputs [N, ...], in order.
        labels: Classes [N]; None for other tasks.
    """

    examples: np.ndarray | None
    inputs: Sequence[np.ndarray]
    outputs: Mapping[str, Sequence[np.ndarray]] = field(default_factory=dict)
    labels: np.ndarray | None = None


def probe_of(data: Dataset, is_task: bool) -> Probe:
    """Returns the first validation examples of a data set, without outputs."""
    if not is_task:
        [examples, labels] = next(data.examples("validation", EXAMPLES))
        inputs, _ = next(data.arrays("validation", EXAMPLES))
        return Probe(np.asarray(examples), [inputs], labels=labels)
    nest, _ = next(data.arrays("validation", EXAMPLES))
    flat = signature_of(data.shape).flat(mapped(nest, lambda array: array[:EXAMPLES]))
    raw = None
    if has_examples(data.preprocessing()):
        raw = np.asarray(next(data.examples("validation", EXAMPLES))[0])
    return Probe(raw, list(flat))


def write_probe(probe: Probe, manifest: Mapping[str, Any], folder: Path) -> None:
    """Writes a probe in the layout that the manifest's task decides.

    The outputs of a file are under its name, or `name:0`, `name:1` if there are several.
    """
    arrays: dict[str, np.ndarray] = {}
    if probe.examples is not None:
        arrays["examples"] = probe.examples
    if "task" in manifest:
        names = signature_of(shape_of_json(manifest["task"]["shape"])).names
        arrays |= {INPUTS + name: x for name, x in zip(names, probe.inputs, strict=True)}
    else:
        arrays |= {"inputs": probe.inputs[0], "labels": np.asarray(probe.labels)}
    for file, outputs in probe.outputs.items():
        several = len(outputs) > 1
        arrays |= {f"{file}:{i}" if several else file: x for i, x in enumerate(outputs)}
    with (folder / PROBE).open("wb") as out:
        np.savez(out, **arrays)  # type: ignore[arg-type]  # numpy stub: any keyword is an array


def read_probe(folder: Path, manifest: Mapping[str, Any], file: str) -> Probe:
    """Reads a probe with the outputs of one file.

    Raises:
        KeyError: It lacks an array.
        ValueError: It cannot be read, or an array is pickled.
    """
    with np.load(folder / PROBE, allow_pickle=False) as stored:
        if "task" in manifest:
            names = signature_of(shape_of_json(manifest["task"]["shape"])).names
            inputs = [stored[INPUTS + name] for name in names]
        else:
            inputs = [stored["inputs"]]
        several = [key for key in stored.files if key.startswith(f"{file}:")]
        outputs = [stored[f"{file}:{i}"] for i in range(len(several))] or [stored[file]]
        examples = stored["examples"] if "examples" in stored.files else None
        labels = stored["labels"] if "labels" in stored.files else None
    return Probe(examples, inputs, {file: outputs}, labels)
