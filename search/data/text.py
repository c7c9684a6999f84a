"""Texts in one folder per class, or in a table of texts and labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field, model_validator

from paretune.search.data.class_folders import (
    class_folders,
    files_by_class,
    other_folders,
    part_folders,
    paths_by_part,
)
from paretune.search.data.csv_table import ENDINGS, read_table
from paretune.search.data.facts_of_targets import class_facts
from paretune.search.data.file_tree import Skipped, read_utf8, shown, visible
from paretune.search.data.params import SplitParams
from paretune.search.data.raw_data import RawData, RawPart
from paretune.search.data.targets import TargetsWanted
from paretune.search.errors import UserError
from paretune.spaces.table import did_you_mean

TOKENIZERS = ("bpe", "words", "characters")
"""Tokenizers that can be trained: the same texts give the same tokenizer in every process.

The WordPiece trainer of `tokenizers` gives another vocabulary each time; load such a tokenizer from
a file."""

DEFAULT_VOCABULARY = 8000


class TextData:
    """Texts by class, in folders of .txt files or a table; or any texts, for a language model."""

    primary = "path"
    holds = "text"
    reads: ClassVar = ("class", "next")

    class Params(SplitParams):
        """Options of text."""

        path: str = Field(
            description="a .csv or .tsv table, a folder with a subfolder of .txt files for each "
            "class, or a folder with train, val and test of either kind. For a language model: a "
            ".txt or .md file, or a folder of them. Relative to the study file"
        )
        text: str = Field("text", description="column of a table with the texts")
        label: str = Field("label", description="column of a table with the classes")
        tokenizer: str = Field(
            "bpe",
            description="bpe, words or characters, trained on the training part; or the path of a "
            "tokenizer.json of the library tokenizers",
        )
        vocabulary: int | None = Field(
            None,
            ge=8,
            le=1_000_000,
            description="most tokens of a trained tokenizer; 8000 if not given",
        )
        length: int | None = Field(
            None,
            ge=4,
            le=8192,
            description="tokens of a text, longer ones are cut; if not given, what 99 % of the "
            "training texts need, at most 512. For a language model: tokens that it sees at once, "
            "128 if not given",
        )
        lowercase: bool = Field(True, description="a trained tokenizer ignores the case of letters")

        @model_validator(mode="after")
        def _check_tokenizer(self) -> TextData.Params:
            if self.tokenizer.endswith(".json"):
                if self.vocabulary is not None:
                    raise ValueError("a tokenizer.json has its own vocabulary; leave it out")
            elif self.tokenizer not in TOKENIZERS:
                hint = did_you_mean(self.tokenizer, list(TOKENIZERS)) or "."
                raise ValueError(
                    f'unknown tokenizer "{self.tokenizer}"{hint} Known: {", ".join(TOKENIZERS)}, '
                    "or the path of a tokenizer.json"
                )
            return self

    @staticmethod
    def load(params: Params, base: Path, wanted: TargetsWanted | None = None) -> RawData:
        """Returns the parts of the folder or the table.

        Raises:
            UserError: There is no such path, a file cannot be read, a column is missing, or there
                is nothing to classify.
        """
        path = (base / params.path).resolve()
        if wanted is not None and wanted.kind == "next":
            from paretune.search.data.language_texts import read_language_texts

            return read_language_texts(path, params.text)
        if path.is_file():
            return _from_tables({"train": path}, path.name, params)
        if not path.is_dir():
            raise UserError(f"data: {path}: there is no such file or folder")
        tables = paths_by_part(
            file for file in visible(path) if file.suffix.lower() in ENDINGS and file.is_file()
        )
        if "train" in tables:
            return _from_tables(tables, path.name, params)
        return _from_folders(path)


def _from_tables(tables: dict[str, Path], name: str, params: TextData.Params) -> RawData:
    rows = {part: read_table(file, params.text, params.label) for part, file in tables.items()}
    names = sorted_classes(rows["train"][1])
    numbers = {label: number for number, label in enumerate(names)}
    for part, (_, labels) in rows.items():
        unknown = sorted(set(labels) - set(names))
        if unknown:
            raise UserError(
                f"data: {tables[part]} has classes that the training part lacks: "
                f"{', '.join(unknown[:5])}"
            )
    parts = {
        part: RawPart(np.array([numbers[x] for x in labels], dtype=np.int64), texts=tuple(texts))
        for part, (texts, labels) in rows.items()
    }
    return RawData(name, parts, class_facts(f"data: {name}", parts, names))


def sorted_classes(labels: Sequence[str]) -> list[str]:
    """Returns the classes in order: by value if all of them are numbers, else by name.

    Raises:
        UserError: Two names are the same number, such as 1 and 1.0.
    """
    names = sorted(set(labels))
    try:
        values = {name: float(name) for name in names}
    except ValueError:
        return names
    if not all(map(math.isfinite, values.values())):
        return names
    in_order = sorted(names, key=lambda name: (values[name], name))
    for one, other in pairwise(in_order):
        if values[one] == values[other]:
            raise UserError(f"data: the classes {one} and {other} are the same number; write one")
    return in_order


def _from_folders(folder: Path) -> RawData:
    roots = part_folders(folder)
    folders = class_folders(roots["train"])
    names = tuple(folders)
    if not names:
        raise UserError(
            f"data: {shown(roots['train'])} has no folders and no train.csv; put each class's .txt "
            "files into a folder, or give a table"
        )
    skipped = Skipped()
    parts = {part: _read_texts(root, names, skipped) for part, root in roots.items()}
    for label, name in enumerate(names):
        if label not in parts["train"].labels:
            raise UserError(f"data: {shown(folders[name][0])} holds no .txt files")
    facts = class_facts(f"data: {folder.name}", parts, names)
    others = other_folders(folder, roots)
    ignored = f"Skipped folders that are no part of the data: {', '.join(others[:5])}."
    notes = [skipped.note(), ignored if others else None]
    return RawData(folder.name, parts, facts, notes=tuple(n for n in notes if n))


def _read_texts(root: Path, names: tuple[str, ...], skipped: Skipped) -> RawPart:
    labels, files = files_by_class(root, names, (".txt",), "texts", skipped)
    return RawPart(labels, texts=tuple(read_utf8(file) for file in files))
