"""Turns nests of a network's inputs into flat arrays, in the order and types of its signature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paretune.inputs import Input, Shape, Signature, signature_of
from paretune.nests import Nest, is_group
from paretune.objectives.errors import Unmeasurable

if TYPE_CHECKING:
    import numpy as np

FLOAT = "float32"


def flat_arrays(shape: Shape, nest: Nest) -> tuple[np.ndarray, ...]:
    """Returns a batch of inputs as arrays, one for each input of a network.

    Floats of other widths become float32; any other type must be the declared one.

    Args:
        shape: What the network takes.
        nest: A batch in the network's form: arrays or tensors, alone or in a tuple or dict.

    Raises:
        Unmeasurable: The batch does not fit the shape: number, names, types or sizes of inputs.
    """
    signature = signature_of(shape)
    values = _ordered(signature, nest)
    arrays = tuple(
        _checked(_label(signature, index), each, _array(value))
        for index, (each, value) in enumerate(zip(signature.inputs, values, strict=True))
    )
    _check_sizes(signature, arrays)
    return arrays


def _ordered(signature: Signature, nest: Nest) -> Sequence[Any]:
    """Returns the inputs of a nest in the order of the signature."""
    names = signature.names
    if isinstance(nest, Mapping):
        if set(nest) != set(names):
            raise Unmeasurable(
                f"inputs {', '.join(names)} expected, {', '.join(map(str, nest)) or 'none'} came"
            )
        return [nest[name] for name in names]
    if not is_group(nest):
        nest = [nest]
    if len(nest) != len(names):
        inputs = "input" if len(names) == 1 else "inputs"
        raise Unmeasurable(f"{len(names)} {inputs} expected ({', '.join(names)}), {len(nest)} came")
    return nest  # type: ignore[no-any-return]


def _label(signature: Signature, index: int) -> str:
    """Returns "input", or "input 1, tokens" for one of several."""
    name = signature.inputs[index].name
    return name if len(signature.inputs) == 1 else f"input {index}, {name}"


def _array(value: Any) -> np.ndarray | None:
    """Returns an array or tensor as an array on the host; None if it is neither."""
    import numpy as np

    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    if not hasattr(value, "detach"):
        return None
    tensor = value.detach().cpu()
    array: np.ndarray = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    return array


def _checked(label: str, each: Input, array: np.ndarray | None) -> np.ndarray:
    """Returns an array in the declared type, or refuses it."""
    import numpy as np

    if array is None:
        raise Unmeasurable(f"{label}: {_expected(each)} expected, no array or tensor came")
    if each.dtype == FLOAT and array.dtype.kind == "f":
        array = array.astype(np.float32, copy=False)
    free = {axis for axis, _ in each.dynamic}
    fits = len(array.shape) == len(each.shape) + 1 and all(
        axis in free or size == array.shape[axis + 1] for axis, size in enumerate(each.shape)
    )
    if not fits or array.dtype.name != each.dtype or 0 in array.shape:
        came = f"{array.dtype.name} {list(array.shape)}"
        raise Unmeasurable(f"{label}: {_expected(each)} expected, {came} came")
    return np.ascontiguousarray(array)


def _expected(each: Input) -> str:
    """Returns "int64 [B, 16]", with the names of axes that vary."""
    names = dict(each.dynamic)
    sizes = [names.get(axis, str(size)) for axis, size in enumerate(each.shape)]
    return f"{each.dtype} [{', '.join(['B', *sizes])}]"


def _check_sizes(signature: Signature, arrays: Sequence[np.ndarray]) -> None:
    """Refuses inputs whose batch, or whose axis of one name, has several sizes."""
    axes: dict[str, dict[str, int]] = {}
    for index, (each, array) in enumerate(zip(signature.inputs, arrays, strict=True)):
        for axis, name in ((-1, "batch"), *each.dynamic):
            axes.setdefault(name, {})[_label(signature, index)] = array.shape[axis + 1]
    for name, sizes in axes.items():
        if len(set(sizes.values())) > 1:
            came = "; ".join(f"{size} in {label}" for label, size in sizes.items())
            raise Unmeasurable(f"the axis {name} has one size in all inputs; {came} came")
