"""Reads the option --shape of `paretune profile`."""

from __future__ import annotations

import math
import re

from paretune.inputs import INPUT, Input, Shape, Signature, Tokens
from paretune.search.errors import UserError

MOST_NUMBERS = 100_000_000
"""Most numbers of one input, and the largest vocabulary."""

TYPES = ("float32", "int64", "int32", "int16", "int8", "uint8", "bool")

ITEM = re.compile(
    rf"(?:(?P<name>[^\W\d]\w*)=)?(?:(?P<type>{'|'.join(TYPES)}):)?"
    r"(?P<sizes>\d+(?:[x,]\d+)*)(?::(?P<limit>\d+))?"
)
"""One input: `image=float32:3x32x32`; integers end with the first number above them."""

RULE = (
    "--shape: give the sizes of one input: C,H,W of images (3,32,32), LENGTH,VOCABULARY of texts "
    "(128,8000), 13 for 13 values, 2x128 for float32 of any other shape, or int64:16:1000 for 16 "
    'integers below 1000. Write several inputs with spaces: "3x32x32 13" for a tuple, '
    '"image=3x32x32 meta=13" for a dict'
)


def read_shape(text: str) -> Shape:
    """Returns the shape that --shape describes.

    Raises:
        UserError: It is no shape, or one input has too many numbers.
    """
    matches = [ITEM.fullmatch(part) for part in text.split()]
    if not matches or not all(matches):
        raise UserError(f'{RULE}; not "{text}"')
    items = [match for match in matches if match is not None]
    names = [item["name"] for item in items]
    if None in names and any(names):
        raise UserError(f'--shape: name each input, or none, not "{text}"')
    if len(set(names)) < len(names) and any(names):
        raise UserError(f'--shape: the names of inputs must differ, not "{text}"')
    if len(items) == 1 and names == [None]:
        return _single(text, items[0])
    inputs = tuple(
        _input(text, item, item["name"] or f"{INPUT}_{index}") for index, item in enumerate(items)
    )
    return Signature(inputs, "dict" if any(names) else "tuple")


def _single(text: str, item: re.Match[str]) -> Shape:
    """Returns the shape of a single input."""
    plain = item["type"] is None and item["limit"] is None
    sizes = _sizes(text, item["sizes"])
    if plain and item["sizes"].count(",") == 1:
        _check_numbers(text, sizes[:1], sizes[1])
        return Tokens(*sizes)
    if plain or (item["type"] == "float32" and item["limit"] is None):
        _check_numbers(text, sizes)
        return sizes
    return Signature((_input(text, item, INPUT),))


def _input(text: str, item: re.Match[str], name: str) -> Input:
    sizes, dtype = _sizes(text, item["sizes"]), item["type"] or "float32"
    limit = int(item["limit"]) if item["limit"] else None
    if limit is not None and (dtype in ("float32", "bool") or limit < 1):
        raise UserError(f'--shape: only integers end with a number above them, not "{text}"')
    _check_numbers(text, sizes, limit or 1)
    return Input(name, sizes, dtype, limit)


def _sizes(text: str, sizes: str) -> tuple[int, ...]:
    values = tuple(int(size) for size in re.split("[x,]", sizes))
    if min(values) < 1:
        raise UserError(f'{RULE}; not "{text}"')
    return values


def _check_numbers(text: str, sizes: tuple[int, ...], limit: int = 1) -> None:
    if math.prod(sizes) > MOST_NUMBERS or limit > MOST_NUMBERS:
        raise UserError(
            f"--shape: one input has at most {MOST_NUMBERS:,} numbers, and a vocabulary as many "
            f"words, not {text[:60]}"
        )
