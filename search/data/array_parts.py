"""Makes the parts of a data set from arrays: x_train, y_train, x_val, ..."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from paretune.search.data.class_folders import PART_NAMES, part_of
from paretune.search.data.facts_of_targets import facts_of
from paretune.search.data.input_forms import checked_tensors, checked_tokens, input_form
from paretune.search.data.params import ArrayDataParams
from paretune.search.data.raw_data import (
    RawData,
    RawPart,
    checked_images,
    checked_labels,
    notes_of,
)
from paretune.search.data.targets import (
    BoxTargets,
    RawTargets,
    TargetsWanted,
    checked_targets,
    refuse_bad_boxes,
)
from paretune.search.errors import UserError
from paretune.search.tasks.target_facts import TargetFacts


def raw_from_arrays(
    name: str,
    arrays: Mapping[str, Any],
    params: ArrayDataParams | None = None,
    wanted: TargetsWanted | None = None,
) -> RawData:
    """Returns the parts of x_ and y_ arrays: x_train, y_train, x_val, ...

    Args:
        name: Name of the source, for messages.
        arrays: Array name -> array. Other names are ignored.
        params: How the arrays are read.
        wanted: The targets that the task needs; None for classes.

    Raises:
        UserError: x_train or y_train is missing, a part has only one of the two, or the arrays do
            not fit.
    """
    pairs = _pairs(name, arrays)
    wanted = wanted or TargetsWanted()
    for pair in pairs.values():
        if len(pair) == 1 and not (wanted.kind == "next" and "x" in pair):
            [(axis, key)] = pair.items()
            other = {"x": "y", "y": "x"}[axis]
            raise UserError(f"{name}: the array {other}{key[1:]} is missing")
    if "train" not in pairs:
        present = ", ".join(map(str, arrays)) or "none"
        raise UserError(f"{name}: x_train and y_train are missing; arrays found: {present}")
    inputs = {part: np.asarray(arrays[pair["x"]]) for part, pair in pairs.items()}
    targets = {part: arrays[pair["y"]] for part, pair in pairs.items() if "y" in pair}
    return raw_from_pairs(name, inputs, targets, params or ArrayDataParams(), wanted)


def raw_from_pairs(
    name: str,
    inputs: Mapping[str, np.ndarray],
    targets: Mapping[str, Any],
    params: ArrayDataParams,
    wanted: TargetsWanted,
) -> RawData:
    """Returns parts of inputs and targets.

    Args:
        name: Name of the source, for messages.
        inputs: Part -> inputs [N, ...], the training part among them.
        targets: Part -> targets [N, ...]; tokens need none.
        params: How the inputs are read.
        wanted: The targets that the task needs.

    Raises:
        UserError: They do not fit.
    """
    reader = _PartReader(name, inputs, params, wanted)
    parts = {part: reader.read(part, x, targets.get(part)) for part, x in inputs.items()}
    _refuse_different_shapes(name, parts)
    facts = reader.facts(parts)
    return RawData(
        name.removeprefix("data: "), parts, facts, notes=notes_of(parts), tensors=reader.tensors
    )


class _PartReader:
    """Reads the inputs and targets of parts.

    Args:
        name: Name of the source, for messages.
        inputs: Part -> inputs [N, ...].
        params: How the inputs are read.
        wanted: The targets that the task needs.
    """

    def __init__(
        self,
        name: str,
        inputs: Mapping[str, np.ndarray],
        params: ArrayDataParams,
        wanted: TargetsWanted,
    ) -> None:
        self._name = name
        self._params = params
        self._wanted = wanted
        self._form = input_form(name, inputs, params)
        if wanted.kind == "next" and self._form != "tokens":
            raise UserError(
                f"{name}: a language model needs tokens; give integers [N, T], and vocabulary: N"
            )
        if wanted.kind in ("mask", "boxes") and self._form == "tokens":
            raise UserError(f"{name}: task segmentation and detection need images, not tokens")
        self.tensors = self._form != "pixels"

    def read(self, part: str, inputs: np.ndarray, targets: Any) -> RawPart:
        """Returns a part.

        Raises:
            UserError: The arrays do not fit.
        """
        name, kind = self._name, self._wanted.kind
        if inputs.ndim and len(inputs) == 0:
            raise UserError(f"{name}: {part}: there are no examples")
        if kind == "class":  # first, so that an old message stays the first one
            labels = checked_labels(name, part, np.asarray(targets), inputs.shape)
            return self._with_inputs(part, inputs, labels)
        if inputs.ndim == 0:
            raise UserError(f"{name}: {part}: the inputs are a single number; give [N, ...]")
        if targets is None:
            return self._shifted(part, inputs)
        checked = checked_targets(name, part, targets, len(inputs), kind)
        return self._in_image(part, self._with_inputs(part, inputs, checked))

    def facts(self, parts: Mapping[str, RawPart]) -> TargetFacts:
        """Returns what the targets of the parts are.

        Raises:
            UserError: There is nothing to learn, or the parts differ.
        """
        if self._wanted.kind == "next":
            assert self._params.vocabulary
            return TargetFacts("next", self._params.vocabulary)
        facts = facts_of(self._name, parts, self._wanted)
        return replace(facts, image=self._size(parts["train"])) if facts.kind == "boxes" else facts

    def _size(self, part: RawPart) -> tuple[int, int]:
        """Returns (H, W) of the prepared images of a part."""
        array = part.images if part.inputs is None else part.inputs
        assert array is not None
        height, width = array.shape[2:]
        if not self._params.reshapes:
            return height, width
        from paretune.search.data.image_preparation import COLORS

        return self._params.preparation(COLORS[array.shape[1]]).size(height, width)

    def _with_inputs(self, part: str, inputs: np.ndarray, targets: RawTargets) -> RawPart:
        if self._form == "tokens":
            tokens = checked_tokens(self._name, part, inputs, self._params.vocabulary or 0)
            return RawPart(targets, inputs=tokens)
        if self._form == "tensors":
            tensors, notes = checked_tensors(self._name, part, inputs, self._params)
            return RawPart(targets, inputs=tensors, notes=notes)
        pixels, notes = checked_images(self._name, part, inputs)
        return RawPart(targets, pixels, notes=notes)

    def _shifted(self, part: str, inputs: np.ndarray) -> RawPart:
        """Returns tokens whose targets are the tokens after them."""
        if inputs.ndim != 2 or inputs.shape[1] < 2:
            raise UserError(
                f"{self._name}: {part}: tokens of shape {list(inputs.shape)}; give [N, T + 1]"
            )
        tokens = checked_tokens(self._name, part, inputs, self._params.vocabulary or 0)
        return RawPart(tokens[:, 1:].astype(np.int64), inputs=np.ascontiguousarray(tokens[:, :-1]))

    def _in_image(self, part: str, read: RawPart) -> RawPart:
        """Returns a part whose masks and boxes lie in its images, resized and cropped with them.

        Raises:
            UserError: A mask has another size, a box lies outside, or tokens have another length.
        """
        where, kind = f"{self._name}: {part}", self._wanted.kind
        array = read.images if read.inputs is None else read.inputs
        assert array is not None
        targets = read.targets
        if kind == "next" and targets.shape != array.shape:
            raise UserError(
                f"{where}: tokens of shape {list(array.shape)} and next tokens of shape "
                f"{list(targets.shape)}; give as many, or leave them out"
            )
        if kind not in ("mask", "boxes"):
            return read
        if array.ndim != 4:
            raise UserError(
                f"{where}: inputs of shape {list(array.shape)}; this task needs images [N, C, H, W]"
            )
        height, width = array.shape[2:]
        if isinstance(targets, BoxTargets):
            for row, boxes in enumerate(targets.boxes):
                refuse_bad_boxes(f"{where}: example {row}", boxes, (height, width))
        elif targets.shape[1:] != (height, width):
            raise UserError(
                f"{where}: masks of {targets.shape[1]} x {targets.shape[2]} pixels, but images of "
                f"{height} x {width}; give one class for each pixel"
            )
        if not self._params.reshapes:
            return read
        from paretune.search.data.image_preparation import COLORS
        from paretune.search.data.target_preparation import prepared_targets

        preparation = self._params.preparation(COLORS[array.shape[1]])
        prepared, notes = prepared_targets(
            where, targets, preparation, (height, width), self._wanted
        )
        return replace(read, targets=prepared, notes=(*read.notes, *notes))


def _refuse_different_shapes(name: str, parts: Mapping[str, RawPart]) -> None:
    """Refuses parts whose inputs differ in shape.

    Raises:
        UserError: They do.
    """
    arrays = {
        part: read.images if read.inputs is None else read.inputs for part, read in parts.items()
    }
    shapes = {part: array.shape[1:] for part, array in arrays.items() if array is not None}
    if len(set(shapes.values())) > 1:
        kind = "images" if parts["train"].inputs is None else "inputs"
        shapes_text = ", ".join(f"{part} {list(shape)}" for part, shape in shapes.items())
        raise UserError(f"{name}: the parts' {kind} differ in shape: {shapes_text}")


def _pairs(name: str, arrays: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Returns part -> {"x": name of its inputs, "y": name of its targets}; case does not count.

    Raises:
        UserError: Two arrays are the inputs, or the targets, of the same part.
    """
    pairs: dict[str, dict[str, str]] = {}
    for key in arrays:
        axis, underscore, ending = str(key).lower().partition("_")
        part = part_of(ending)
        if axis not in ("x", "y") or not underscore or part is None:
            continue
        other = pairs.setdefault(part, {}).setdefault(axis, key)
        if other != key:
            raise UserError(f"{name}: {other} and {key} are the same array of {part}; leave one")
    return {part: pairs[part] for part in PART_NAMES if part in pairs}
