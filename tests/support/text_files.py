"""Texts that name a colour, which decides their class; in tables and folders."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from paretune.search.data import load_data
from paretune.search.data.text_dataset import TextDataset

COLOURS = {"warm": ["red", "orange", "crimson"], "cold": ["blue", "cyan", "azure"]}


def sentences(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Returns (text, label) pairs: the colour in a sentence decides its label."""
    random = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        label = sorted(COLOURS)[index % 2]
        colour = COLOURS[label][random.integers(3)]
        rest = " ".join(random.choice(["a", "the", "old", "Door", "house", "sea"], size=4))
        rows.append((f"{rest} is {colour}.", label))
    return rows


def write_table(
    file: Path, rows: list[tuple[str, str]], header: tuple[str, str] = ("text", "label")
) -> Path:
    """Writes a .csv or .tsv file and returns it."""
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, dialect="excel-tab" if file.suffix == ".tsv" else "excel")
        writer.writerows([header, *rows])
    return file


def write_folders(root: Path, rows: list[tuple[str, str]]) -> Path:
    """Writes one folder of .txt files per class and returns their folder."""
    for index, (text, label) in enumerate(rows):
        (root / label).mkdir(parents=True, exist_ok=True)
        (root / label / f"{index:04d}.txt").write_text(text, encoding="utf-8")
    return root


def load_texts(path: Path, seed: int = 0, **options: Any) -> TextDataset:
    """Loads a table or folder as a text data set."""
    data = load_data("text", {"path": path.name, **options}, path.parent, seed)
    assert isinstance(data, TextDataset)
    return data
