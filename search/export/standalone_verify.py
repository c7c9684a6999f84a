"""Checks the exported model in this folder. Run it: python verify.py.

It needs NumPy and the packages that the load script imports. It checks

- the digest of the manifest, and size and SHA-256 of every file that the manifest names,
- the preprocessing: the load script must make the recorded inputs of the examples in probe.npz,
- the outputs for these examples.

The exit code is 1 if a check fails. `paretune verify FOLDER` also measures accuracy and latency.
"""

# `paretune export` copies this file to an export as verify.py. So it imports nothing of Paretune,
# and no module of Paretune imports it.

import hashlib
import json
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

INPUT_TOLERANCE = 1e-5
"""Greatest difference of inputs from the recorded ones, as a share of the greatest input."""

FLOAT_TOLERANCE = 2e-3
"""Greatest difference of float32 outputs from the recorded ones, as a share of their range."""

ROUNDED_TOLERANCE = 1e-2
"""Mean difference of outputs in other number formats, as a share of their range."""

AGREEMENT = 0.99
"""Share of examples that must have the recorded class, or of integers that must be equal."""

CheckLine = tuple[str, str]
"""What is wrong, empty if nothing is; and the line to print."""


def main() -> int:
    """Prints a line for each check; returns 1 if one of them fails, else 0."""
    folder = Path(__file__).resolve().parent
    os.environ.pop("PARETUNE_LOG", None)  # a check is no call of a deployed model
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        lines = list(check_export(folder, manifest))
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"FAILED  manifest.json: cannot be read: {type(error).__name__}: {error}")
        return 1
    for fault, line in lines:
        print(f"{'FAILED' if fault else 'ok    '}  {line}{': ' * bool(fault)}{fault}")
    failures = sum(bool(fault) for fault, _ in lines)
    print("all checks passed" if not failures else f"{failures} of {len(lines)} checks failed")
    return 1 if failures else 0


def check_export(folder: Path, manifest: dict[str, Any]) -> Iterator[CheckLine]:
    """Yields the checks of an export. Code and models with a wrong digest are not run."""
    recorded = manifest.get("digest")
    digest = manifest_digest(manifest)
    yield (
        ("" if digest == recorded else f"its digest is {digest}, recorded {recorded}"),
        ("manifest.json: digest"),
    )
    entries = [*manifest["artifacts"], *manifest["assets"]]
    if manifest["baseline_artifact"]:
        entries.append(manifest["baseline_artifact"])
    faults = {entry["file"]: file_fault(folder, entry) for entry in entries}
    for name, fault in faults.items():
        yield fault, f"{name}: size and SHA-256"
    wrong = sorted(name for name, fault in faults.items() if fault)
    several = len(manifest["artifacts"]) > 1
    for artifact in manifest["artifacts"]:
        script = f"load_{artifact['runtime']}.py" if several else "load.py"
        preprocessing = manifest["preprocessing"]
        tokenizer = preprocessing.get("tokenizer") or preprocessing.get("text_tokenizer")
        needed = {artifact["file"], script, "probe.npz", tokenizer}
        blocked = [name for name in wrong if name in needed]
        if blocked:
            yield f"not run, because {', '.join(blocked)} changed", artifact["file"]
        else:
            yield from check_outputs(folder, artifact, script)


def manifest_digest(manifest: dict[str, Any]) -> str:
    """Returns the SHA-256 of a manifest without its digest, as canonical JSON."""
    rest = {key: value for key, value in manifest.items() if key != "digest"}
    return hashlib.sha256(
        json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def file_fault(folder: Path, entry: dict[str, Any]) -> str:
    """Returns what is wrong with a file of the manifest; empty if nothing is."""
    file = (folder / entry["file"]).resolve()
    if folder not in file.parents:
        return "this file is outside the folder"
    if not file.is_file():
        return "there is no such file"
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != entry["sha256"] or file.stat().st_size != entry["bytes"]:
        return f"it is another file: its SHA-256 is {digest}, recorded {entry['sha256']}"
    return ""


def check_outputs(folder: Path, artifact: dict[str, Any], script: str) -> Iterator[CheckLine]:
    """Yields the checks of inputs and outputs for the recorded examples."""
    name = artifact["file"]
    with np.load(folder / "probe.npz", allow_pickle=False) as probe:
        stored = dict(probe)
    recorded = [stored[name]] if name in stored else in_order(stored, f"{name}:")
    inputs = [stored["inputs"]] if "inputs" in stored else named(stored, "inputs.")
    is_float, count = not artifact["formats"], len(inputs[0])
    try:
        code = runpy.run_path(str(folder / script), run_name="load")
        prepared = inputs
        if "examples" in stored:
            prepared = [np.asarray(code["prepare"](stored["examples"]))]
        outputs = leaves_of(code["load"](str(folder / name))(*prepared))
    except Exception as error:  # a runtime may raise anything
        yield f"{type(error).__name__}: {error}", f"{name}: runs by {script}"
        return
    if "examples" in stored:
        yield input_fault(inputs[0], prepared[0]), f"{name}: inputs of {count} examples"
    if len(outputs) != len(recorded):
        fault = f"there are {len(outputs)}, recorded {len(recorded)}"
    elif "inputs" in stored:
        fault = output_fault(recorded[0], outputs[0], is_float)
    else:
        pairs = zip(recorded, outputs, strict=True)
        faults = [output_fault(one, other, is_float, False) for one, other in pairs]
        fault = next((fault for fault in faults if fault), "")
    yield fault, f"{name}: outputs for {count} examples"


def named(stored: dict[str, np.ndarray], begin: str) -> list[np.ndarray]:
    """Returns the arrays whose names begin like this, in their order."""
    return [array for key, array in stored.items() if key.startswith(begin)]


def in_order(stored: dict[str, np.ndarray], begin: str) -> list[np.ndarray]:
    """Returns the arrays begin + "0", begin + "1", ..."""
    return [stored[f"{begin}{number}"] for number in range(len(named(stored, begin)))]


def leaves_of(nest: Any) -> list[np.ndarray]:
    """Returns the arrays of a nest of dicts, lists and tuples in order."""
    if isinstance(nest, dict):
        nest = list(nest.values())
    if isinstance(nest, list | tuple):
        return [leaf for member in nest if member is not None for leaf in leaves_of(member)]
    return [np.asarray(nest)]


def input_fault(recorded: np.ndarray, actual: np.ndarray) -> str:
    """Returns how prepared inputs differ from the recorded ones; empty if they agree."""
    if actual.shape != recorded.shape or actual.dtype != recorded.dtype:
        return (
            f"they are {actual.dtype} {list(actual.shape)}, recorded {recorded.dtype} "
            f"{list(recorded.shape)}"
        )
    difference = float(np.abs(actual.astype(np.float64) - recorded).max())
    scale = max(1.0, float(np.abs(recorded).max()))
    return "" if difference <= INPUT_TOLERANCE * scale else f"they differ by {difference:.2g}"


def output_fault(
    recorded: np.ndarray, actual: np.ndarray, is_float: bool, classes: bool = True
) -> str:
    """Returns how outputs [B, ...] differ from the recorded ones; empty if they agree.

    Args:
        recorded: Outputs in the export.
        actual: Outputs now.
        is_float: Whether the file computes in float32.
        classes: Whether they are logits [B, classes], of which the largest is the answer.
    """
    if actual.shape != recorded.shape:
        return f"their shape is {list(actual.shape)}, recorded {list(recorded.shape)}"
    if not np.isfinite(actual).all():
        return "some are not finite"
    if recorded.dtype.kind != "f":
        equal = float((actual == recorded).mean()) if recorded.size else 1.0
        return "" if equal >= AGREEMENT else f"{100 * equal:.4g} % of them are equal"
    if not recorded.size:
        return ""
    span = float(np.ptp(recorded)) or 1.0
    gaps = np.abs(actual.astype(np.float64) - recorded) / span
    apart, limit = (
        (float(gaps.max()), FLOAT_TOLERANCE)
        if is_float
        else (float(gaps.mean()), ROUNDED_TOLERANCE)
    )
    if apart > limit:
        return f"they differ by {apart:.2g} of their range; {limit:g} is allowed"
    if not classes:
        return ""
    agreement = float((actual.argmax(1) == recorded.argmax(1)).mean())
    return "" if agreement >= AGREEMENT else f"{100 * agreement:.4g} % of the classes agree"


if __name__ == "__main__":
    sys.exit(main())
