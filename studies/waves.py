"""Series of several channels with a class, for series.yaml: from files, or generated."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def series(folder: str | None = None) -> dict[str, np.ndarray]:
    """Returns series [N, channels, steps] and classes [N] of each part.

    They are those of a folder with .ts files; without it, generated vibrations.
    """
    return archive(Path(folder)) if folder else vibrations()


def archive(folder: Path) -> dict[str, np.ndarray]:
    """Returns the data set of a folder with NAME_TRAIN.ts and NAME_TEST.ts.

    Such files are those of https://www.timeseriesclassification.com. The package sktime brings
    some: sktime/datasets/data/JapaneseVowels, ArrowHead, BasicMotions, ... Shorter series are
    filled with zeros.
    """
    parts = {part: read(folder, ending) for part, ending in (("train", "TRAIN"), ("test", "TEST"))}
    steps = max(len(values[0]) for examples in parts.values() for values, _ in examples)
    names = sorted({label for _, label in parts["train"]})
    arrays: dict[str, np.ndarray] = {}
    for part, examples in parts.items():
        filled = [
            [np.pad(channel, (0, steps - len(channel))) for channel in values]
            for values, _ in examples
        ]
        arrays[f"x_{part}"] = np.array(filled, dtype=np.float32)
        arrays[f"y_{part}"] = np.array([names.index(label) for _, label in examples])
    return arrays


def read(folder: Path, ending: str) -> list[tuple[list[np.ndarray], str]]:
    """Returns the channels and the class of each series in a .ts file."""
    files = sorted(folder.glob(f"*_{ending}.ts"))
    if len(files) != 1:
        raise FileNotFoundError(f"{folder} holds {len(files)} files like NAME_{ending}.ts, not one")
    lines = files[0].read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().lower() == "@data")
    examples = []
    for line in lines[start + 1 :]:
        if line.strip():
            *channels, label = line.strip().split(":")
            values = [np.array(channel.split(","), dtype=np.float32) for channel in channels]
            examples.append((values, label))
    return examples


def vibrations(steps: int = 96) -> dict[str, np.ndarray]:
    """Returns vibrations of a machine in three directions: sound, unbalanced, loose, or worn."""
    numbers = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for part, count in (("train", 600), ("val", 200), ("test", 400)):
        classes = numbers.integers(0, 4, count)
        arrays[f"x_{part}"] = np.stack([vibration(c, steps, numbers) for c in classes])
        arrays[f"y_{part}"] = classes
    return arrays


def vibration(kind: int, steps: int, numbers: np.random.Generator) -> np.ndarray:
    """Returns one series, float32 [3, steps]."""
    turns = numbers.uniform(4, 7)
    angle = 2 * np.pi * (turns * np.arange(steps) / steps + numbers.uniform())
    x, y = np.sin(angle), np.cos(angle)
    z = 0.3 * np.sin(2 * angle)
    if kind == 1:  # unbalanced: one direction swings farther
        x = x * numbers.uniform(1.3, 1.8)
    elif kind == 2:  # loose: harmonics of the rotation
        y = y + numbers.uniform(0.3, 0.6) * np.sin(3 * angle + 1)
    elif kind == 3:  # worn: a knock once in a turn
        z = z + numbers.uniform(0.7, 1.2) * (np.cos(angle) > 0.95)
    wave = np.stack([x, y, z]) * numbers.uniform(0.7, 1.3)
    return (wave + numbers.normal(0, 0.45, (3, steps))).astype(np.float32)
