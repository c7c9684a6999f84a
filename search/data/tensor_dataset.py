"""Tensors of any shape, or tokens, in train, validation and test parts, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch

from paretune.inputs import Shape, Tokens
from paretune.search.data.dataset import PARTS, as_arrays, row_order
from paretune.search.data.held_dataset import HeldDataset
from paretune.search.data.params import ArrayDataParams
from paretune.search.data.raw_data import RawData
from paretune.search.data.split import Split, complete_parts
from paretune.search.data.target_rows import TargetRows
from paretune.task import Task

Normalize = Literal["none", "feature", "channel"]

Moments = tuple[np.ndarray | None, np.ndarray | None]
"""Mean and standard deviation, float32 in a shape that fits an example; None for neither."""

DIGITS = 7
"""Digits that are kept of means and deviations: as many as a float32 holds."""


def make_tensor_dataset(
    raw: RawData, params: ArrayDataParams, seed: int, seen: bool, task: Task
) -> TensorDataset:
    """Splits off missing parts and measures the normalization on the remaining training part.

    Args:
        raw: Data as its source gives it.
        params: Options of the data set.
        seed: Seed of the split.
        seen: Whether the study starts from weights that may have seen the training part.
        task: What the outputs of a network mean.

    Raises:
        UserError: There are too few examples to split.
    """
    split = complete_parts(raw, params, seed, seen)
    return TensorDataset(raw, split, task, params.normalize, params.vocabulary)


class TensorDataset(HeldDataset):
    """Numbers of any shape, or token ids, in three parts.

    Args:
        raw: Data as its source gives it.
        split: Its three parts.
        task: What the outputs of a network mean.
        normalize: What is brought to mean 0 and standard deviation 1.
        vocabulary: Number of tokens, for inputs that are token ids; None for numbers.
        measured: Mean and standard deviation that are known; None to measure them.
    """

    def __init__(
        self,
        raw: RawData,
        split: Split,
        task: Task,
        normalize: Normalize = "none",
        vocabulary: int | None = None,
        measured: Moments | None = None,
    ) -> None:
        super().__init__(raw, split, task)
        train = self._raw_inputs("train")
        shape = train.shape[1:]
        self._shape: Shape = Tokens(shape[0], vocabulary) if vocabulary else tuple(shape)
        self._normalize = normalize
        self._mean, self._std = measured or moments(train, normalize)
        self._inputs = {name: self._normalized(self._raw_inputs(name)) for name in self._parts}
        self._moved: dict[tuple[str, str], tuple[torch.Tensor, TargetRows]] = {}
        self._fingerprint = self._digest()

    @property
    def shape(self) -> Shape:
        """Shape of an example; (length, vocabulary) for tokens."""
        return self._shape

    @property
    def fingerprint(self) -> str:
        """Digest of inputs, targets and split; it changes with the content."""
        return self._fingerprint

    def preprocessing(self) -> dict[str, Any]:
        """Returns how an example becomes the model's input, as JSON for an export's manifest."""
        if isinstance(self._shape, Tokens):
            length, vocabulary = self._shape
            return {
                "input": "int64 [B, length]",
                "shape": [length, vocabulary],
                "length": length,
                "vocabulary": vocabulary,
                "formula": "token ids, as they are",
                "class_names": self.class_names,
            }
        assert isinstance(self._shape, tuple)
        axes = ", ".join(map(str, self._shape))
        return {
            "input": f"float32 [B, {axes}]",
            "shape": list(self._shape),
            "normalize": self._normalize,
            "mean": None if self._mean is None else self._mean.tolist(),
            "std": None if self._std is None else self._std.tolist(),
            "formula": "x, as it is" if self._mean is None else "(x - mean) / std",
            "class_names": self.class_names,
        }

    def input_json(self) -> dict[str, Any]:
        """Returns dtype and shape of the model's input, as JSON for an export's manifest."""
        if isinstance(self._shape, Tokens):
            return {"dtype": "int64", "shape": ["batch", self._shape.length]}
        assert isinstance(self._shape, tuple)
        return {"dtype": "float32", "shape": ["batch", *self._shape]}

    def black(self) -> tuple[float, ...]:
        """Returns the smallest value of each channel of [C, H, W]; empty for other shapes."""
        return tuple(self._channels().amin(1).tolist())

    def white(self) -> tuple[float, ...]:
        """Returns the largest value of each channel of [C, H, W]; empty for other shapes."""
        return tuple(self._channels().amax(1).tolist())

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[torch.Tensor, Any]]:
        """Yields one pass as (inputs float32 [B, ...] or token ids int64 [B, T], targets)."""
        if not self.size(part):
            return
        inputs, targets = self._on_device(part, device)
        order = row_order(self.size(part), seed).to(device)
        for rows in order.split(batch_size):  # type: ignore[no-untyped-call]
            yield _wide(inputs[rows]), targets[rows]

    def examples(self, part: str, batch_size: int) -> Iterator[tuple[np.ndarray, Any]]:
        """Yields one ordered pass as (inputs before the normalization, targets)."""
        inputs = self._raw_inputs(part)
        for start in range(0, len(inputs), batch_size):
            rows = slice(start, start + batch_size)
            yield inputs[rows], as_arrays(self._targets[part][rows])

    def calibration(self, count: int, batch_size: int) -> Iterator[np.ndarray]:
        """Yields normalized training inputs, the same ones each time."""
        for rows in row_order(self.size("train"), 0)[:count].split(batch_size):  # type: ignore[no-untyped-call]
            yield _wide(self._inputs["train"][rows]).numpy()

    def _raw_inputs(self, part: str) -> np.ndarray:
        inputs = self._parts[part].inputs
        assert inputs is not None
        return inputs

    def _channels(self) -> torch.Tensor:
        """Returns the training values of each channel of [C, H, W]; none for other shapes."""
        train = self._inputs["train"]
        if train.ndim != 4 or not train.is_floating_point():
            return torch.empty(0, 1)
        return train.transpose(0, 1).flatten(1)

    def _normalized(self, inputs: np.ndarray) -> torch.Tensor:
        if self._mean is None or self._std is None:
            return torch.from_numpy(inputs)
        return torch.from_numpy((inputs - self._mean) / self._std)

    def _on_device(self, part: str, device: str) -> tuple[torch.Tensor, TargetRows]:
        """Returns a part in the memory of a device; it is moved there once."""
        if device == "cpu":
            return self._inputs[part], self._targets[part]
        if (part, device) not in self._moved:
            self._moved[part, device] = (
                self._inputs[part].to(device),
                self._targets[part].to(device),
            )
        return self._moved[part, device]

    def _digest(self) -> str:
        digest = hashlib.sha256(f"tensors {self._shape} {self._normalize}".encode())
        for name in PARTS:
            inputs = self._raw_inputs(name)
            digest.update(f"{name} {inputs.shape} {inputs.dtype}".encode())
            digest.update(np.ascontiguousarray(inputs).data)
            self._add_targets(digest, name)
        return digest.hexdigest()


def moments(inputs: np.ndarray, normalize: Normalize) -> Moments:
    """Returns mean and standard deviation as float32, to subtract and divide by; else None.

    Args:
        inputs: float32 [N, ...].
        normalize: "feature" gives them the shape of an example, "channel" [C, 1, ...].
    """
    if normalize == "none":
        return None, None
    axes = (0,) if normalize == "feature" else (0, *range(2, inputs.ndim))
    # Constant features stay constant; their differences are rounding only.
    mean = inputs.mean(axes, dtype=np.float64, keepdims=True)[0]
    std = inputs.std(axes, dtype=np.float64, keepdims=True)[0]
    std[std <= 1e-6 * np.maximum(np.abs(mean), 1e-30)] = 1.0
    return rounded(mean), rounded(std)


def rounded(values: np.ndarray) -> np.ndarray:
    """Returns values that do not depend on the order of a sum, as float32."""
    listed: Sequence[float] = [float(f"{value:.{DIGITS}g}") for value in values.ravel()]
    return np.array(listed, dtype=np.float32).reshape(values.shape)


def _wide(inputs: torch.Tensor) -> torch.Tensor:
    """Returns token ids as int64; they are kept as int32, which takes half the memory."""
    return inputs if inputs.is_floating_point() else inputs.long()
