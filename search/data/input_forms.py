"""Tells whether arrays are pixels of images, other tensors, or tokens, and checks the latter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from paretune.search.data.params import ArrayDataParams
from paretune.search.data.raw_data import CHANNELS, ROUNDING
from paretune.search.errors import UserError

InputForm = Literal["pixels", "tensors", "tokens"]

PIXEL_OPTIONS = ("resize", "crop", "interpolation", "mean", "std", "preset")
"""Options that only pixels have."""


def input_form(name: str, arrays: Mapping[str, np.ndarray], params: ArrayDataParams) -> InputForm:
    """Returns what the inputs of all parts are.

    Bytes, integers from 0 to 255 and floats from 0 to 1 in the form of images are pixels, anything
    else is a tensor that stays as it is. `inputs` in the study file decides otherwise.

    Args:
        name: Name of the source, for messages.
        arrays: Part -> inputs [N, ...].
        params: Options of the data set.

    Raises:
        UserError: An option does not fit what they are.
    """
    if params.vocabulary is not None:
        form: InputForm = "tokens"
    elif params.inputs is not None:
        form = params.inputs
    else:
        pixels = all(map(_may_be_pixels, arrays.values())) or _are_bytes(arrays["train"])
        form = "pixels" if pixels else "tensors"
    _refuse_options(name, form, arrays["train"], params)
    return form


def checked_tensors(
    name: str, part: str, inputs: np.ndarray, params: ArrayDataParams
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns inputs as float32 [N, ...], and sentences about what was changed.

    Args:
        name: Name of the source, for messages.
        part: "train", "validation" or "test".
        inputs: Numbers [N, ...].
        params: Options of the data set.

    Raises:
        UserError: They are no numbers, or not finite.
    """
    where = f"{name}: {part}: inputs"
    if inputs.dtype.kind not in "buif" or inputs.size == 0 or inputs.ndim == 0:
        raise UserError(f"{where} are {inputs.dtype} of shape {list(inputs.shape)}; give numbers")
    with np.errstate(over="ignore"):
        tensors = inputs.astype(np.float32)
    finite = np.isfinite(tensors.reshape(len(tensors), -1)).all(1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise UserError(
            f"{where} of example {row} are not finite in float32; replace NaN and infinite values"
        )
    tensors, notes = _images_first(tensors, params)
    if tensors.ndim == 1:
        tensors = tensors[:, None]
    return np.ascontiguousarray(tensors), notes


def checked_tokens(name: str, part: str, inputs: np.ndarray, vocabulary: int) -> np.ndarray:
    """Returns tokens as int32 [N, T].

    Args:
        name: Name of the source, for messages.
        part: "train", "validation" or "test".
        inputs: Integers [N, T]; 0 is padding.
        vocabulary: Number of tokens.

    Raises:
        UserError: They are no integers of the vocabulary.
    """
    where = f"{name}: {part}: tokens"
    if inputs.dtype.kind not in "iu" or inputs.ndim != 2 or inputs.size == 0:
        raise UserError(
            f"{where} are {inputs.dtype} of shape {list(inputs.shape)}; give integers [N, T], or "
            "leave vocabulary out"
        )
    low, high = int(inputs.min()), int(inputs.max())
    if low < 0 or high >= vocabulary:
        raise UserError(
            f"{where} are {low} to {high}, but vocabulary: {vocabulary} has 0 to {vocabulary - 1}; "
            f"type vocabulary: {high + 1}"
        )
    return np.ascontiguousarray(inputs.astype(np.int32))


def _in_image_form(array: np.ndarray) -> bool:
    channels = (
        array.shape[1] in CHANNELS or array.shape[3] in CHANNELS if array.ndim == 4 else False
    )
    return array.ndim == 3 or channels


def _are_bytes(array: np.ndarray) -> bool:
    return array.dtype == np.uint8 and _in_image_form(array)


def _may_be_pixels(array: np.ndarray) -> bool:
    """Returns whether an array is read as pixels, or refused as pixels that are damaged."""
    if not _in_image_form(array):
        return False
    kind = array.dtype.kind
    if kind not in "iuf" or array.size == 0 or array.dtype in (np.uint8, np.uint16):
        return True  # sixteen bits of a camera may mean anything: the user must say it
    low, high = float(array.min()), float(array.max())
    top = 1 + ROUNDING if kind == "f" else 255
    return low >= (-ROUNDING if kind == "f" else 0) and high <= top


def _images_first(
    tensors: np.ndarray, params: ArrayDataParams
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Returns tensors that look like images [N, H, W, C] as [N, C, H, W], and a sentence about it.

    `inputs: tensors` keeps the order.
    """
    if params.inputs is not None or tensors.ndim != 4:
        return tensors, ()
    notes: list[str] = []
    if tensors.shape[3] in CHANNELS and tensors.shape[1] not in CHANNELS:
        tensors = tensors.transpose(0, 3, 1, 2)
        notes.append(
            "The inputs are taken as [N, H, W, C] and turned to [N, C, H, W]. Type inputs: tensors "
            "to keep their order."
        )
    if tensors.shape[1] in CHANNELS and tensors.min() >= 0 and 1 < tensors.max() <= 255:
        notes.append(
            "The inputs are floats from 0 to 255 and are taken as they are. If they are pixels, "
            "give x / 255 or uint8."
        )
    return tensors, tuple(notes)


def _refuse_options(name: str, form: InputForm, train: np.ndarray, params: ArrayDataParams) -> None:
    """Refuses options that the form of the inputs does not have.

    Raises:
        UserError: There is one.
    """
    if form == "pixels":
        if params.normalize != "none":
            raise UserError(
                f"{name}: normalize is for tensors, but the inputs are pixels, which mean and std "
                "normalize; leave normalize out, or type inputs: tensors"
            )
        return
    wrong = [key for key in PIXEL_OPTIONS if getattr(params, key) is not None]
    if wrong:
        raise UserError(
            f"{name}: {wrong[0]} is for pixels, but the inputs are {form} ({train.dtype} of shape "
            f"{list(train.shape)}); leave {wrong[0]} out, or give uint8 or floats from 0 to 1"
        )
    if form == "tokens" and params.normalize != "none":
        raise UserError(
            f"{name}: normalize is for numbers, but the inputs are tokens; leave it out"
        )
