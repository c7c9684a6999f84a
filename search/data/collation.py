"""Puts examples of a user's Dataset into batches, and names the mistakes of its code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils.data import default_collate

from paretune.search.errors import UserError

PAIR = "give (inputs, targets)"


class UnfitExample(Exception):
    """An example of the user's Dataset cannot become part of a batch."""


UNFIT = f"{UnfitExample.__module__}.{UnfitExample.__qualname__}: "
"""Beginning of the last line of a worker's traceback."""


def collate(items: list[Any]) -> tuple[Any, Any]:
    """Returns examples as a batch: torch's default collation, with tuples for tuples."""
    pairs = [_pair(item) for item in items]
    try:
        return (
            tupled(default_collate([inputs for inputs, _ in pairs])),
            tupled(default_collate([targets for _, targets in pairs])),
        )
    except Exception as error:
        raise UnfitExample(
            f"its examples cannot be put into a batch: {error}. Return tensors of one size, or "
            "give a DataLoader with your own collate_fn"
        ) from error


def collate_listed(items: list[Any]) -> tuple[Any, Any]:
    """Returns examples as a batch whose targets are a list of one for each example."""
    inputs, _ = collate([(_pair(item)[0], 0) for item in items])
    return inputs, [_pair(item)[1] for item in items]


def _pair(item: Any) -> tuple[Any, Any]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise UnfitExample(f"__getitem__ returned a {type(item).__name__}; {PAIR} of one example")
    return item[0], item[1]


def tupled(nest: Any) -> Any:
    """Returns a nest with tuples for the lists that torch's default collation makes of them."""
    if isinstance(nest, list | tuple):
        return tuple(tupled(each) for each in nest)
    if isinstance(nest, dict):
        return {key: tupled(value) for key, value in nest.items()}
    return nest


def guarded(where: str, call: Callable[[], Any]) -> Any:
    """Returns the result of the user's code.

    Raises:
        UserError: The code raised an exception.
    """
    try:
        return call()
    except UserError:
        raise
    except UnfitExample as error:
        raise UserError(f"{where}: {_last_line(error).removeprefix(UNFIT)}") from error
    except Exception as error:
        text = _last_line(error)
        name = "" if text != str(error) else f"{type(error).__name__}: "
        raise UserError(f"{where}: {name}{text}") from error


def _last_line(error: Exception) -> str:
    """Returns the text of an exception, without the traceback that a worker adds to it."""
    text = str(error)
    return text.strip().splitlines()[-1] if "Original Traceback" in text else text
