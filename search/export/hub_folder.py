"""Lays an export out as the Hugging Face Hub wants a model repository.

The card is README.md with metadata in front: https://huggingface.co/docs/hub/model-cards.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from paretune.search.errors import UserError
from paretune.search.export.manifest import CARD, Manifest

README = "README.md"

LIBRARIES = {
    "onnxruntime": "onnx",
    "openvino": "openvino",
    "executorch": "executorch",
    "litert": "litert",
    "tensorrt": "tensorrt",
}
"""Runtime -> `library_name`; that of any other is pytorch."""

PIPELINES = {
    ("class", 3): "image-classification",
    ("class", 1): "tabular-classification",
    ("values", 1): "tabular-regression",
    ("mask", 3): "image-segmentation",
    ("boxes", 3): "object-detection",
    ("next", 1): "text-generation",
}
"""(Targets, number of axes of an example) -> `pipeline_tag`."""

ENDINGS = ("onnx", "onnx.data", "bin", "pte", "tflite", "pt", "pt2", "engine", "npz")
"""Ends of the names of files that the Hub keeps outside git."""


def write_hub_folder(manifest: Manifest, folder: Path) -> None:
    """Writes a folder that can be pushed to the Hub: `hf upload NAME FOLDER`.

    Args:
        manifest: A verified export.
        folder: Folder to write; it is empty or does not exist.

    Raises:
        UserError: The folder is a file, or is not empty.
    """
    refuse_hub_folder(folder)
    target = folder.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        draft.chmod(0o755)  # mkdtemp's 0700 would stay with the folder
        shutil.copytree(manifest.folder, draft, dirs_exist_ok=True)
        card = (draft / CARD).read_text(encoding="utf-8")
        (draft / README).write_text(f"{front_matter(manifest.content)}\n{card}", encoding="utf-8")
        lines = [f"*.{ending} filter=lfs diff=lfs merge=lfs -text" for ending in ENDINGS]
        (draft / ".gitattributes").write_text("\n".join([*lines, ""]), encoding="utf-8")
        if target.is_dir():
            target.rmdir()
        draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def refuse_hub_folder(folder: Path, export: Path | None = None) -> None:
    """Refuses a folder that would be overwritten, before the export begins.

    Args:
        folder: The folder for the Hub.
        export: The folder of the export.

    Raises:
        UserError: It is a file, is not empty, or lies in the folder of the export.
    """
    if export is not None and folder.resolve().is_relative_to(export.resolve()):
        raise UserError(
            f"--hub {folder}: lies in the folder of the export, {export}; give a folder beside it"
        )
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--hub {folder}: this is a file; give a folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"--hub {folder}: the folder is not empty; give another one")


def front_matter(content: Mapping[str, Any]) -> str:
    """Returns the metadata of the card between two lines of `---`.

    The licence is left out: Paretune does not know under which licence you publish.
    """
    text = yaml.safe_dump(metadata(content), sort_keys=False, allow_unicode=True)
    return f"---\n{text}---\n"


def metadata(content: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the metadata of a manifest's content, as the Hub reads it."""
    artifact = content["artifacts"][0]
    library = LIBRARIES.get(artifact["runtime"], "pytorch")
    pipeline = _pipeline(content)
    tags = ["paretune", *dict.fromkeys(_techniques(content))]
    facts: dict[str, Any] = {"library_name": library, "tags": tags}
    if pipeline is not None:
        facts["pipeline_tag"] = pipeline
    results = _results(content, pipeline)
    if results:
        name = f"{content['study']}, trial {content['trial']}"
        facts["model-index"] = [{"name": name, "results": results}]
    return facts


def _pipeline(content: Mapping[str, Any]) -> str | None:
    task = content.get("task")
    targets = "class" if task is None else task.get("kind")
    named = content["input"]
    if not isinstance(named, Mapping):  # several inputs
        return None
    if targets == "class" and str(named.get("dtype", "")).startswith("int"):
        return "text-classification"
    return PIPELINES.get((str(targets), len(named.get("shape") or ()) - 1))


def _techniques(content: Mapping[str, Any]) -> list[str]:
    """Returns what was done to the network: `pruned`, `distilled`, `int8`."""
    words = []
    for stage in content["plan"]:
        params = stage["params"]
        words += ["elastic"] if stage["kind"] == "subnet" else []
        words += ["pruned"] if stage["kind"] == "prune" else []
        words += ["distilled"] if params.get("distillation") else []
        if stage["kind"] == "quantize":
            words += ["quantized", *params["quantization"]]
    return words


def _results(content: Mapping[str, Any], pipeline: str | None) -> list[dict[str, Any]]:
    """Returns the scores on the test part; without one, on the validation part."""
    measured = content["measurements"]
    expected = content["artifacts"][0]["expected"]
    part = "test" if measured["test"] or expected["test"] else "validation"
    values = {**measured[part], **expected.get(part, {})}
    scores = {name: m for name, m in values.items() if _is_score(m)}
    if not scores:
        return []
    data = content["data"]
    source = str(data["source"] if data["name"] in ("none", "python") else data["name"])
    metrics = [
        {"type": name, "value": score["value"], "name": f"{name} ({part})"}
        for name, score in scores.items()
    ]
    return [
        {
            "task": {"type": pipeline or "other"},
            "dataset": {"type": source, "name": source, "split": part},
            "metrics": metrics,
        }
    ]


def _is_score(measurement: Mapping[str, Any]) -> bool:
    return measurement["unit"] == "fraction" or "part" in measurement["conditions"]
