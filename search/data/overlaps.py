"""Finds examples that two parts or classes of a data set share, byte for byte.

A network may remember the examples that it was trained on, so its accuracy on them is too high.
Only equal examples are found: a photo that was saved twice is not equal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path

from paretune.search.data.raw_data import RawPart
from paretune.search.tasks.target_facts import TargetKind

PAIRS = (("test", "train"), ("test", "validation"), ("validation", "train"))
"""Parts that must not share examples: the part that is measured on, and the other one."""

WORDS = {"train": "training"}
"""Names of parts in sentences, if they differ."""

MOST_BYTES = 500_000_000
"""Streamed files are compared if those to read have at most this size in all."""


def overlap_notes(parts: Mapping[str, RawPart], kind: TargetKind = "class") -> tuple[str, ...]:
    """Returns a sentence for each pair of parts that share examples, and one for shared classes.

    Examples in memory and texts are always compared. Streamed files are compared if this is cheap.

    Args:
        parts: The three parts.
        kind: What the targets are.
    """
    contents = _contents(parts)
    notes = []
    for part, other in PAIRS:
        if part not in contents or other not in contents:
            continue
        others = set(contents[other])
        shared = sum(content in others for content in contents[part])
        if shared:
            notes.append(_note(part, other, shared, parts[part], kind))
    return (*notes, *(_class_note(parts, contents) if kind == "class" else ()))


def _note(part: str, other: str, shared: int, examples: RawPart, kind: TargetKind) -> str:
    name = _name(examples)
    scores = "accuracies" if kind == "class" else "scores"
    verb = "is" if shared == 1 else "are"
    return (
        f"{shared} of {len(examples)} {WORDS.get(part, part)} {name} {verb} also in the "
        f"{WORDS.get(other, other)} part, byte for byte, so {scores} on them may be too high."
    )


def _name(examples: RawPart) -> str:
    if examples.inputs is not None:
        return "examples"
    return "texts" if examples.texts else "images"


def _class_note(
    parts: Mapping[str, RawPart], contents: Mapping[str, list[Hashable]]
) -> Iterator[str]:
    """Yields a sentence if examples are in two classes."""
    labels: dict[Hashable, int] = {}
    twice: set[Hashable] = set()
    for name, of_part in contents.items():
        for content, label in zip(of_part, parts[name].labels.tolist(), strict=True):
            if labels.setdefault(content, label) != label:
                twice.add(content)
    if twice:
        kind = _name(parts["train"])[:-1]
        subject = f"1 {kind} is" if len(twice) == 1 else f"{len(twice)} {kind}s are"
        yield f"{subject} in more than one class, byte for byte, so no network can be right there."


def _contents(parts: Mapping[str, RawPart]) -> dict[str, list[Hashable]]:
    """Returns part -> content or digest of each example; without parts that are not compared."""
    streamed = {name: part for name, part in parts.items() if part.files and part.images is None}
    held = {name: list(_held(part)) for name, part in parts.items() if name not in streamed}
    return {**held, **_file_contents(streamed)}


def _held(part: RawPart) -> Iterator[Hashable]:
    """Yields the content of each example in memory."""
    arrays = part.images if part.inputs is None else part.inputs
    if arrays is None:
        yield from part.texts
        return
    for array in arrays:
        yield hashlib.blake2b(array.tobytes(), digest_size=16).digest()


def _file_contents(parts: Mapping[str, RawPart]) -> dict[str, list[Hashable]]:
    """Returns part -> size and digest of each file. Only files of equal size are read."""
    sizes = {name: [file.stat().st_size for file in part.files] for name, part in parts.items()}
    common = {
        size
        for part, other in PAIRS
        if part in sizes and other in sizes
        for size in set(sizes[part]) & set(sizes[other])
    }
    if sum(size for of_part in sizes.values() for size in of_part if size in common) > MOST_BYTES:
        return {}
    return {
        name: [
            (size, _digest(file) if size in common else str(file))
            for file, size in zip(part.files, sizes[name], strict=True)
        ]
        for name, part in parts.items()
    }


def _digest(file: Path) -> bytes:
    return hashlib.blake2b(file.read_bytes(), digest_size=16).digest()
