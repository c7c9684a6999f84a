"""Targets of a part as tensors, which batches take rows of."""

from __future__ import annotations

from typing import Any

import torch

from paretune.search.data.targets import BoxTargets, RawTargets

Rows = Any
"""Numbers of examples: a tensor int64 [B], or a slice."""


class TargetRows:
    """The targets of a part, in memory.

    Args:
        targets: Class int64 [N], another array, or boxes.
        device: Device of the tensors that are returned.
    """

    def __init__(self, targets: RawTargets, device: str = "cpu") -> None:
        self._targets = targets
        self._boxes: list[dict[str, torch.Tensor]] | None = None
        self._tensor = torch.empty(0)
        if isinstance(targets, BoxTargets):
            self._boxes = [
                {
                    "boxes": torch.from_numpy(boxes).to(device),
                    "labels": torch.from_numpy(labels).to(device),
                }
                for boxes, labels in zip(targets.boxes, targets.labels, strict=True)
            ]
        else:
            self._tensor = torch.from_numpy(targets).to(device)
        # Masks are kept as bytes; losses take int64.
        self._narrow = not self._tensor.is_floating_point() and self._tensor.dtype != torch.int64

    def __len__(self) -> int:
        return len(self._targets)

    def __getitem__(self, rows: Rows) -> Any:
        """Returns targets of some examples: a tensor [B, ...], or a list of B dicts of boxes."""
        if self._boxes is None:
            taken = self._tensor[rows]
            return taken.long() if self._narrow else taken
        numbers = range(len(self))[rows] if isinstance(rows, slice) else rows.tolist()
        return [self._boxes[number] for number in numbers]

    def to(self, device: str) -> TargetRows:
        """Returns the targets on a device."""
        return self if device == "cpu" else TargetRows(self._targets, device)
