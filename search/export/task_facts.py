"""What an export says about its task: as JSON in the manifest, and in words on the card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape, Tokens, shape_json, shape_of_json, shape_text
from paretune.search.export.task_script import has_examples
from paretune.search.tasks import CLASSIFICATION

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset

MOST_NAMES = 12
"""Names of classes, labels or values that a card lists."""


def task_json(data: Dataset) -> dict[str, Any] | None:
    """Returns what the network's inputs and outputs mean; None for classes of images and texts.

    Their manifests had no such entry before there were other tasks, and need none.
    """
    task, facts = data.task, data.facts
    preprocessing = data.preprocessing()
    if task.name == CLASSIFICATION and ("scale" in preprocessing or "tokenizer" in preprocessing):
        return None
    image = facts.image if facts else None
    params = getattr(task, "params", None)
    overlap = getattr(params, "overlap", None)
    return {
        "name": task.name,
        "kind": facts.kind if facts else None,
        "size": facts.size if facts else 0,
        "names": list(facts.names) if facts else [],
        "shape": shape_json(data.shape),
        "metrics": list(task.metrics),
        "params": params.model_dump() if params is not None else {},
        **({"image": list(image)} if image else {}),
        **({"overlap": overlap} if overlap is not None else {}),
    }


def input_shape(manifest: Mapping[str, Any]) -> Shape:
    """Returns what the model of a manifest takes."""
    task, preprocessing = manifest.get("task"), manifest["preprocessing"]
    if task is not None:
        return shape_of_json(task["shape"])
    shape = tuple(int(side) for side in preprocessing["shape"])
    return Tokens(*shape) if "tokenizer" in preprocessing else shape


def described(manifest: Mapping[str, Any]) -> str:
    """Returns what the model is: "A classifier with 10 classes", "A detector of 3 classes"."""
    task = manifest.get("task")
    if task is None:
        return f"A classifier with {len(manifest['preprocessing']['class_names'])} classes"
    size = task["size"]
    listed = f" ({', '.join(task['names'])})" if 0 < len(task["names"]) <= MOST_NAMES else ""
    match task["kind"]:
        case "class":
            return f"A classifier with {size} classes{listed}"
        case "labels":
            return (
                f"A classifier with {_counted(size, 'label')}, of which several may apply{listed}"
            )
        case "values":
            return f"A regression of {_counted(size, 'value')}{listed}"
        case "mask":
            return f"A segmentation network with {_counted(size, 'class')}{listed}"
        case "boxes":
            return f"A detector of {_counted(size, 'class')}{listed}"
        case "next":
            return f"A language model with {size} tokens"
        case _:
            return f"A network for the task `{task['name']}`"


OUTPUTS = {
    "class": "logits [B, classes]; the largest is the class",
    "labels": "logits [B, labels]; a label applies if its logit is above 0",
    "values": "the values [B, values], in the units of the targets",
    "mask": "logits [B, classes, H, W]; the largest is the class of a pixel",
    "boxes": "a grid [B, 4 + classes, h, w]; `decode` finds the boxes in it",
    "next": "logits [B, T, tokens] of the token after each position",
}
"""Kind of targets -> what the outputs are."""


def returned(manifest: Mapping[str, Any]) -> str:
    """Returns what the model returns, as the end of "It returns ..."."""
    task = manifest.get("task")
    if task is None:
        return "logits, one per class"
    form = manifest["artifacts"][0]["info"].get("outputs")
    if task["kind"] in OUTPUTS and form is None:
        return OUTPUTS[task["kind"]]
    return f"arrays in the form {form_text(form)}" if form else "an array [B, ...]"


ANSWERS = {
    "class": "the classes",
    "labels": "the labels",
    "values": "the values",
    "mask": "the shares of the classes in the masks",
    "boxes": "the boxes",
    "next": "the likeliest next tokens",
}
"""Kind of targets -> what `load.py` prints."""


def answers(manifest: Mapping[str, Any]) -> str:
    """Returns what `load.py` prints of examples."""
    task = manifest.get("task")
    return "the classes" if task is None else ANSWERS.get(task["kind"], "types and shapes")


def taken(manifest: Mapping[str, Any]) -> str:
    """Returns what the model takes: "float32 [B, 20]", "ids int64 [B, length 12]"."""
    task = manifest.get("task")
    if task is None or has_examples(manifest["preprocessing"]):
        return str(manifest["preprocessing"]["input"])
    return shape_text(input_shape(manifest))


def score_text(manifest: Mapping[str, Any]) -> str:
    """Returns the name of what is measured on data, at the begin of a sentence."""
    task = manifest.get("task")
    if task is None or task["name"] == CLASSIFICATION:
        return "Accuracy"
    parts = manifest["artifacts"][0]["expected"]["validation"]
    names = [name for name in parts if "." not in name][:3]
    return ", ".join(names) or "The score"


def form_text(form: Any) -> str:
    """Returns the form of outputs: "{boxes: array, scores: array}"."""
    if form is None:
        return "array"
    if form == "absent":
        return "None"
    [(kind, members)] = form.items()
    if kind == "dict":
        return f"{{{', '.join(f'{key}: {form_text(value)}' for key, value in members.items())}}}"
    inside = ", ".join(map(form_text, members))
    return f"[{inside}]" if kind == "list" else f"({inside})"


def targets_text(manifest: Mapping[str, Any]) -> str:
    """Returns the targets of the data: "10 classes", "3 values"; empty if only a task knows."""
    data, task = manifest["data"], manifest.get("task")
    if "classes" in data:
        return f"{data['classes']} classes"
    if not task or task["kind"] is None:
        return ""
    words = {"labels": "label", "values": "value", "mask": "class", "boxes": "class"}
    word = words.get(task["kind"])
    return _counted(task["size"], word) if word else f"{task['size']} tokens"


def _counted(count: int, word: str) -> str:
    plural = "es" if word.endswith("s") else "s"
    return f"{count} {word}{plural if count != 1 else ''}"
