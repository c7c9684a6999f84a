"""Scores of tasks: which there are, with their units, and the functions that compute them.

This file imports nothing heavy: it is read to check a study file.
"""

from __future__ import annotations

from collections.abc import Mapping

from paretune.task import Metric

MULTILABEL: Mapping[str, Metric] = {
    "macro_f1": Metric("fraction", "higher", "mean of the F1 scores of the labels"),
    "map": Metric("fraction", "higher", "mean of the average precisions of the labels"),
    "auroc": Metric("fraction", "higher", "mean of the areas under the labels' ROC curves"),
    "exact": Metric("fraction", "higher", "share of examples with every label correct"),
    "hamming": Metric("fraction", "lower", "share of wrong labels"),
}

REGRESSION: Mapping[str, Metric] = {
    "rmse": Metric("", "lower", "root mean squared error, in the unit of the target"),
    "mae": Metric("", "lower", "mean absolute error, in the unit of the target"),
    "r2": Metric("fraction", "higher", "explained share of the variance; below 0 if none is"),
}

SEGMENTATION: Mapping[str, Metric] = {
    "miou": Metric("fraction", "higher", "mean intersection over union of the classes"),
    "dice": Metric("fraction", "higher", "mean Dice coefficient of the classes"),
    "pixel_accuracy": Metric("fraction", "higher", "share of pixels with the right class"),
}

DETECTION: Mapping[str, Metric] = {
    "map50": Metric("fraction", "higher", "mean average precision, IoU 0.5 (COCO)"),
    "map50_95": Metric("fraction", "higher", "mean average precision, IoU 0.5 to 0.95 (COCO)"),
}

LANGUAGE: Mapping[str, Metric] = {
    "perplexity": Metric("", "lower", "exp of the mean nats of a token"),
    "token_accuracy": Metric("fraction", "higher", "share of tokens with the largest logit"),
}

FURTHER: Mapping[str, Metric] = {
    "acc": Metric("fraction", "higher", "share of correct examples"),
    "accuracy": Metric("fraction", "higher", "share of correct examples"),
    "balanced_accuracy": Metric("fraction", "higher", "mean of the accuracies of the classes"),
    "f1": Metric("fraction", "higher", "F1 score"),
    "micro_f1": Metric("fraction", "higher", "F1 score of all labels together"),
    "precision": Metric("fraction", "higher", "precision"),
    "recall": Metric("fraction", "higher", "recall"),
    "map75": Metric("fraction", "higher", "mean average precision, IoU 0.75 (COCO)"),
    "iou": Metric("fraction", "higher", "intersection over union"),
    "mse": Metric("", "lower", "mean squared error, in the square of the target's unit"),
    "mape": Metric("fraction", "lower", "mean absolute error relative to the target"),
    "loss": Metric("", "lower", "loss"),
    "wer": Metric("fraction", "lower", "word error rate"),
    "cer": Metric("fraction", "lower", "character error rate"),
    "psnr": Metric("dB", "higher", "peak signal-to-noise ratio"),
    "ssim": Metric("fraction", "higher", "structural similarity"),
}
"""Well-known scores that no built-in task has, but the user's own task may."""

METRICS: Mapping[str, Metric] = {
    **MULTILABEL,
    **REGRESSION,
    **SEGMENTATION,
    **DETECTION,
    **LANGUAGE,
    **FURTHER,
}
"""Name -> unit and direction of every score with a known meaning."""

UNBOUNDED = frozenset({"r2", "mape", "wer", "cer"})
"""Fractions that may be outside [0, 1]: an error can be larger than what it is compared with."""

PLAIN = (METRICS["r2"],)
"""Fractions that are shown as plain numbers, as their field writes them."""

PER_CENT = "%"
"""Unit of a score that the user's code gives in per cent; it is kept as a fraction."""

PREFIXES = ("val_", "val/", "valid_", "validation_", "eval_", "test_")
"""Beginnings of the names that training frameworks give to scores."""


def metric_of(name: str) -> Metric | None:
    """Returns the score with this name, also behind a prefix such as `val_`; None if unknown."""
    if name in METRICS:
        return METRICS[name]
    prefix = next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")
    return METRICS.get(name[len(prefix) :]) if prefix else None
