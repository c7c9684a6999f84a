"""Sums up a call of an exported model: a few numbers for each example, with NumPy alone.

`call_log_text` copies the part below the marker into call_log.py. So that part imports nothing of
Paretune. The export computes its reference by the same functions.
"""

import math
from typing import Any

import numpy as np

# -- copied from here ------------------------------------------------------------------------------

SUMMARY_VERSION = 1
"""Raised if the same call gets other numbers than before."""

MOST_EXAMPLES = 256
"""Examples of one call that are summed up, evenly spaced in its batch."""

MOST_VALUES = 1024
"""Values of an input, or pixels of a mask, that count; a larger one is sampled evenly."""

MOST_NAMED = 8
"""Values of a regression, classes of a mask or outputs that have statistics of their own."""

MOST_POSITIONS = 32
"""Positions of a text at which a language model's next token is summed up."""

MOST_BOXES = 100
"""Cells of a detector's grid that may become boxes: the surest ones."""

BOX_THRESHOLD = 0.25
"""Least score of a box."""


def rows_of(batch: int) -> Any:
    """Returns the numbers of the examples of a batch that are summed up."""
    if batch <= MOST_EXAMPLES:
        return np.arange(batch)
    return np.arange(MOST_EXAMPLES) * batch // MOST_EXAMPLES


def summarize(about: Any, inputs: Any, outputs: Any, rows: Any) -> dict[str, dict[str, list[Any]]]:
    """Returns the statistics of a call: {"inputs": {name: values}, "outputs": {name: values}}.

    Each list has a number for each row, or None where no number exists.

    Args:
        about: What the model takes and gives, as CALLS in load.py.
        inputs: Arrays [B, ...] in order.
        outputs: Arrays [B, ...] in order.
        rows: Numbers of the examples that count.
    """
    if len(rows) < len(inputs[0]):
        inputs = [each[rows] for each in inputs]
        outputs = [each[rows] for each in outputs]
    taken: dict[str, Any] = {}
    with np.errstate(all="ignore"):  # a warning may be an error in the user's program
        for each, array in zip(about["inputs"], inputs, strict=True):
            for key, values in input_statistics(array, each).items():
                taken[f"{each['name']}.{key}"] = values
        statistics = output_statistics(about, inputs, outputs)
    return {
        "inputs": {name: listed(values) for name, values in taken.items()},
        "outputs": {name: listed(values) for name, values in statistics.items()},
    }


def listed(values: Any) -> list[Any]:
    """Returns statistics as a list of numbers with four digits; None stands for what is no number.

    Whole numbers stay whole.
    """
    values = np.asarray(values)
    if values.dtype.kind in "iub":
        return [int(value) for value in values.tolist()]
    return [float(f"{x:.4g}") if math.isfinite(x) else None for x in values.tolist()]


def input_statistics(array: Any, about: Any) -> dict[str, Any]:
    """Returns the statistics of one input [n, ...]."""
    array = np.asarray(array)
    if not about.get("tokens"):
        return number_statistics(array)
    used = array.reshape(len(array), -1) != about.get("padding", 0)
    lengths = used.sum(1)
    statistics = {"length": lengths}
    if about.get("unknown") is not None:
        count = (array.reshape(len(array), -1) == about["unknown"]).sum(1)
        statistics["unknown"] = count / np.maximum(lengths, 1)
    return statistics


def number_statistics(array: Any) -> dict[str, Any]:
    """Returns mean, std, min and max of each example, and the share of NaN.

    An infinite value counts as NaN. The other numbers leave both out.
    """
    flat = array.reshape(len(array), -1)
    flat = flat[:, :: step_of(flat.shape[1])]
    if flat.dtype != np.float32:
        flat = flat.astype(np.float64)
    size = flat.shape[1]
    if not size:
        return {"nan": np.zeros(len(flat))}
    total = flat.sum(1)
    if np.isfinite(total).all():
        mean = total / size
        spread = flat - mean[:, None]
        std = np.sqrt(np.einsum("ij,ij->i", spread, spread) / size)
        low, high, nan = flat.min(1), flat.max(1), np.zeros(len(flat))
    else:
        finite = np.isfinite(flat)
        nan, count = 1 - finite.mean(1), finite.sum(1)
        with np.errstate(all="ignore"):
            kept = np.where(finite, flat, 0).astype(np.float64)
            mean = kept.sum(1) / count
            std = np.sqrt(np.where(finite, (kept - mean[:, None]) ** 2, 0).sum(1) / count)
        low = np.where(finite, flat, np.inf).min(1)
        high = np.where(finite, flat, -np.inf).max(1)
    return {"mean": mean, "std": std, "min": low, "max": high, "nan": nan}


def step_of(size: int) -> int:
    """Returns the step between the values that count; it does not stay in columns of an image."""
    step = -(-size // MOST_VALUES) or 1
    while math.gcd(step, size) > 1:
        step += 1
    return step


def output_statistics(about: Any, inputs: Any, outputs: Any) -> dict[str, Any]:
    """Returns the statistics of the outputs: those of the task, or of each array [n, ...]."""
    kind = about.get("kind")
    if kind not in STATISTICS or len(outputs) != 1:
        return array_statistics(about, outputs, len(inputs[0]))
    array = np.asarray(outputs[0])
    finite = np.isfinite(array).reshape(len(array), -1)
    good = finite.all(1)
    if not good.all():
        array = np.where(good.reshape(-1, *[1] * (array.ndim - 1)), array, 0)
    statistics: dict[str, Any] = STATISTICS[kind](array, about, inputs)
    if not good.all():
        for name, values in statistics.items():
            statistics[name] = np.where(good, values, np.nan)
    return {**statistics, "nan": 1 - finite.mean(1)}


def array_statistics(about: Any, outputs: Any, batch: int) -> dict[str, Any]:
    """Returns the statistics of outputs whose meaning only the user's code knows."""
    statistics: dict[str, Any] = {}
    names = about.get("outputs") or [str(number) for number in range(len(outputs))]
    for name, array in list(zip(names, map(np.asarray, outputs), strict=False))[:MOST_NAMED]:
        if array.ndim and len(array) == batch and array.dtype.kind in "fiub":
            for key, values in number_statistics(array).items():
                statistics[f"{name}.{key}"] = values
    return statistics


def class_statistics(logits: Any, about: Any, inputs: Any) -> dict[str, Any]:
    """Returns class, confidence and entropy of logits [n, classes]."""
    logits = logits.reshape(len(logits), -1)
    best = logits.argmax(1)
    confidence, entropy = sureness(logits)
    return {"class": best, "confidence": confidence, "entropy": entropy}


def sureness(logits: Any) -> tuple[Any, Any]:
    """Returns the largest probability and the entropy in nats along the second axis."""
    shifted = logits - logits.max(1, keepdims=True)
    weights = np.exp(shifted)
    total = weights.sum(1)
    return 1 / total, np.log(total) - (weights * shifted).sum(1) / total


def label_statistics(logits: Any, about: Any, inputs: Any) -> dict[str, Any]:
    """Returns the number of labels, the surest one (-1: none) and the mean confidence."""
    chances = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -60, 60)))
    best = np.where(logits.max(1) > 0, logits.argmax(1), -1)
    confidence = np.maximum(chances, 1 - chances).mean(1)
    return {"labels": (logits > 0).sum(1), "class": best, "confidence": confidence}


def value_statistics(values: Any, about: Any, inputs: Any) -> dict[str, Any]:
    """Returns each value of an example; mean, std, min and max of many."""
    values = values.reshape(len(values), -1)
    if values.shape[1] > MOST_NAMED:
        statistics = number_statistics(values)
        return {key: statistics[key] for key in ("mean", "std", "min", "max")}
    return {f"value.{name_at(about, i)}": values[:, i] for i in range(values.shape[1])}


def mask_statistics(logits: Any, about: Any, inputs: Any) -> dict[str, Any]:
    """Returns the share of each class in a mask, and the mean confidence of its pixels."""
    flat = logits.reshape(*logits.shape[:2], -1)
    flat = flat[:, :, :: step_of(flat.shape[2])]
    best = flat.argmax(1)
    statistics = {
        f"share.{name_at(about, number)}": (best == number).mean(1)
        for number in range(min(flat.shape[1], MOST_NAMED))
    }
    confidence, entropy = sureness(flat)
    return {**statistics, "confidence": confidence.mean(1), "entropy": entropy.mean(1)}


def next_statistics(logits: Any, about: Any, inputs: Any) -> dict[str, Any]:
    """Returns mean confidence and entropy of the next token at positions of each text."""
    tokens = np.asarray(inputs[0])
    used = (tokens != about["inputs"][0].get("padding", 0)).sum(1)
    confidence, entropy = np.zeros(len(logits)), np.zeros(len(logits))
    for row, length in enumerate(np.minimum(np.maximum(used, 1), logits.shape[1])):
        count = min(int(length), MOST_POSITIONS)
        at = np.arange(count) * int(length) // count
        chances = sureness(logits[row, at].astype(np.float32))
        confidence[row], entropy[row] = chances[0].mean(), chances[1].mean()
    return {"confidence": confidence, "entropy": entropy}


def box_statistics(grids: Any, about: Any, inputs: Any) -> dict[str, Any]:
    """Returns the number of boxes, the class of the surest one (-1: none) and its score."""
    counts, classes, scores = [], [], []
    for grid in grids:
        labels, boxes, sure = boxes_above(grid, about)
        counts.append(count_of_boxes(labels, boxes, about.get("overlap", 0.6)))
        classes.append(int(labels[0]) if len(labels) else -1)
        scores.append(sure)
    return {"boxes": np.array(counts), "class": np.array(classes), "confidence": np.array(scores)}


def boxes_above(grid: Any, about: Any) -> tuple[Any, Any, float]:
    """Returns labels and boxes of the cells above the threshold, the surest first.

    The third value is the largest score of all cells.
    """
    logits = grid[4:].reshape(len(grid) - 4, -1).astype(np.float64)
    scores = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
    labels, cells = np.nonzero(scores >= BOX_THRESHOLD)
    order = np.argsort(-scores[labels, cells], kind="stable")[:MOST_BOXES]
    height, width = grid.shape[1:]
    high, wide = (
        2.0 ** max(0, math.ceil(math.log2(pixels / count)))
        for pixels, count in zip(about.get("image", (height, width)), (height, width), strict=True)
    )
    labels, cells = labels[order], cells[order]
    left, top, right, bottom = np.exp(np.minimum(grid[:4].reshape(4, -1)[:, cells], 8.0))
    y, x = cells // width + 0.5, cells % width + 0.5
    sides = [(x - left) * wide, (y - top) * high, (x + right) * wide, (y + bottom) * high]
    limits = np.array([about.get("image", (height, width))[i] for i in (1, 0, 1, 0)])
    return labels, np.clip(np.stack(sides, 1), 0, limits), float(scores.max(initial=0.0))


def count_of_boxes(labels: Any, boxes: Any, overlap: float) -> int:
    """Returns how many boxes stay if those that overlap a surer one of their class are left out."""
    if not len(labels):
        return 0
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    inside = np.clip(high - low, 0, None).prod(2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    union = areas[:, None] + areas[None] - inside
    near = (inside > overlap * union) & (labels[:, None] == labels[None])
    kept = np.ones(len(labels), dtype=bool)
    for row in range(len(labels)):
        if kept[row]:
            kept[row + 1 :] &= ~near[row, row + 1 :]
    return int(kept.sum())


def name_at(about: Any, number: int) -> str:
    """Returns the name of a class or value; its number if it has none."""
    names = about.get("names") or []
    return str(names[number]) if number < len(names) else str(number)


STATISTICS = {
    "class": class_statistics,
    "labels": label_statistics,
    "values": value_statistics,
    "mask": mask_statistics,
    "next": next_statistics,
    "boxes": box_statistics,
}
