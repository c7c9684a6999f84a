"""Checks inputs of an exported model and gives its outputs their form, with NumPy alone.

`task_script` copies the part below the marker into load.py, with the values of one model. So that
part imports nothing of Paretune.
"""

import time
from typing import Any

import numpy as np

INPUTS: list[tuple[str, str, list[Any]]] = [("input", "float32", [3, 32, 32])]
FORM: Any = None


def load_session(path: str) -> Any:
    """Returns a function of arrays; the runtime's own code defines it in load.py."""
    raise NotImplementedError


def recorder(path: str, log: Any, options: Any) -> Any:
    """Returns the log of the calls, or None; `log_script` defines it in load.py."""
    raise NotImplementedError


# -- copied from here ------------------------------------------------------------------------------


def load(path: Any, log: Any = None, **options: Any) -> Any:
    """Returns the model: arrays of its inputs [B, ...] -> its outputs, in the network's form.

    Several inputs come one by one, by their names, or as a tuple or dict. `log` names a file that
    gets a line for each call, and `log_ids=[...]` names the examples in it. Options: sample, limit,
    inputs, summary.
    """
    session, record = load_session(str(path)), recorder(str(path), log, options)

    def model(*inputs: Any, log_ids: Any = None, **named: Any) -> Any:
        arrays = arrays_of(inputs, named)
        start = time.perf_counter()
        outputs = session(*arrays)
        seconds = time.perf_counter() - start
        leaves = list(outputs) if isinstance(outputs, tuple) else [outputs]
        answer = nest_of(FORM, list(leaves))
        if record is not None:
            record(seconds, arrays, leaves, answer, log_ids)
        return answer

    model.log = record  # type: ignore[attr-defined]
    return model


def arrays_of(inputs: Any, named: Any) -> list[Any]:
    """Returns the inputs of a call as arrays in order, or raises ValueError with what to give."""
    names = [name for name, _, _ in INPUTS]
    if len(inputs) == 1 and isinstance(inputs[0], dict):
        inputs, named = (), inputs[0]
    elif len(inputs) == 1 and len(names) > 1 and isinstance(inputs[0], (list, tuple)):
        inputs = inputs[0]
    values = {**dict(zip(names, inputs, strict=False)), **named}
    if len(inputs) + len(named) != len(names) or set(values) != set(names):
        came = [*(f"input {i}" for i in range(len(inputs))), *named]
        raise ValueError(f"give {', '.join(names)}; these are {', '.join(came) or 'none'}")
    arrays = [checked(values[name], *each) for name, each in zip(names, INPUTS, strict=True)]
    if len({len(array) for array in arrays}) > 1:
        sizes = ", ".join(f"{name} {len(array)}" for name, array in zip(names, arrays, strict=True))
        raise ValueError(f"all inputs have the same number of examples; these have {sizes}")
    return arrays


def checked(value: Any, name: str, dtype: str, sizes: Any) -> Any:
    """Returns an input in its type, or raises ValueError with the shape to give."""
    array = np.asarray(value)
    same_kind = array.dtype == dtype or {array.dtype.kind, np.dtype(dtype).kind} in ({"f"}, {"i"})
    fits = len(array.shape) == len(sizes) + 1 and all(
        isinstance(size, str) or size == array.shape[axis]
        for axis, size in enumerate(sizes, start=1)
    )
    if not (same_kind and fits and len(array)):
        shape = ", ".join(["B", *map(str, sizes)])
        raise ValueError(
            f"give {name} as {dtype} [{shape}]; this is {array.dtype} {list(array.shape)}"
        )
    return np.ascontiguousarray(array.astype(dtype, copy=False))


def nest_of(form: Any, leaves: Any) -> Any:
    """Returns the outputs in the network's form; `leaves` is a list that is used up."""
    if form is None:
        return leaves.pop(0)
    if form == "absent":
        return None
    [(kind, members)] = form.items()
    if kind == "dict":
        return {key: nest_of(member, leaves) for key, member in members.items()}
    values = [nest_of(member, leaves) for member in members]
    return values if kind == "list" else tuple(values)
