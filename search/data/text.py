"""Texts in a folder for each class, or in a table of texts and labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field, model_validator

from paretune.search.data.class_folders import (
    PART_NAMES,
    class_folders,
    files_by_class,
    part_folders,
)
from paretune.search.data.csv_table import ENDINGS, Rows, read_rows
from paretune.search.data.params import SplitParams
from paretune.search.data.raw_data import RawData, RawPart, classes_of
from paretune.search.errors import UserError
from paretune.spaces.table import did_you_mean

TOKENIZERS = ("bpe", "words", "characters")
"""What can be trained here; the same texts give the same tokenizer in every process. (The WordPiece
trainer of `tokenizers` does not: another vocabulary each time. Load such a tokenizer as a file.)"""

DEFAULT_VOCABULARY = 8000


class TextData:
    """Texts by class: a folder of .txt files for each, or a .csv or .tsv with two columns."""

    primary = "path"
    holds = "text"

    class Params(SplitParams):
        """Options of text."""

        path: str = Field(
            description="a .csv or .tsv file, a folder with a folder of .txt files for each class, "
            "or one with train, val and test of either kind; relative to the study file"
        )
        text: str = Field("text", description="column of a table that holds the texts")
        label: str = Field("label", description="column that holds the classes")
        tokenizer: str = Field(
            "bpe",
            description="bpe, words or characters, trained on the training part; or the path of a "
            "tokenizer.json of the library tokenizers",
        )
        vocabulary: int | None = Field(
            None, ge=8, le=1_000_000, description="most tokens; 8000 if not given"
        )
        length: int | None = Field(
            None,
            ge=4,
            le=8192,
            description="tokens of a text, longer ones are cut; if not given, what 99 % of the "
            "training texts need, at most 512",
        )
        lowercase: bool = Field(True, description="of the tokenizer trained here")

        @model_validator(mode="after")
        def _known_tokenizer(self) -> TextData.Params:
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
    def load(params: Params, base: Path) -> RawData:
        """The parts that the folder or the table holds.

        Raises:
            UserError: There is no such path, a file cannot be read, a column is missing, or there
                is nothing to classify.
        """
        place = (base / params.path).resolve()
        if place.is_file():
            return _from_tables({"train": place}, place.name, params)
        if not place.is_dir():
            raise UserError(f"data: {place}: there is no such file or folder")
        tables = {
            part: place / f"{name}{ending}"
            for part, names in PART_NAMES.items()
            for name in names
            for ending in ENDINGS
            if (place / f"{name}{ending}").is_file()
        }
        if "train" in tables:
            return _from_tables(tables, place.name, params)
        return _from_folders(place)


def _from_tables(tables: dict[str, Path], name: str, params: TextData.Params) -> RawData:
    rows = {part: read_rows(file, params.text, params.label) for part, file in tables.items()}
    names = _sorted_labels(rows["train"])
    numbers = {label: number for number, label in enumerate(names)}
    for part, (_, labels) in rows.items():
        strange = sorted(set(labels) - set(names))
        if strange:
            raise UserError(
                f"data: {tables[part]} has classes that train has not: {', '.join(strange[:5])}"
            )
    parts = {
        part: RawPart(np.array([numbers[x] for x in labels], dtype=np.int64), texts=tuple(texts))
        for part, (texts, labels) in rows.items()
    }
    return RawData(name, parts, classes_of(f"data: {name}", parts, len(names)), tuple(names))


def _sorted_labels(rows: Rows) -> list[str]:
    """The classes in order: as numbers where all of them are such."""
    names = set(rows[1])
    try:
        return sorted(names, key=lambda name: (float(name), name))
    except ValueError:
        return sorted(names)


def _from_folders(folder: Path) -> RawData:
    roots = part_folders(folder)
    names = class_folders(roots["train"])
    if not names:
        raise UserError(
            f"data: {roots['train']} has no folders and no train.csv; put each class's .txt files "
            "into a folder, or give a table"
        )
    parts = {part: _read(root, names) for part, root in roots.items()}
    empty = [name for label, name in enumerate(names) if label not in parts["train"].labels]
    if empty:
        raise UserError(f"data: {roots['train'] / empty[0]} holds no .txt files")
    classes = classes_of(f"data: {folder.name}", parts, len(names))
    return RawData(folder.name, parts, classes, tuple(names))


def _read(root: Path, names: list[str]) -> RawPart:
    labels, files = files_by_class(root, names, (".txt",), "texts")
    texts = []
    for file in files:
        try:
            texts.append(file.read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError as error:
            raise UserError(
                f"data: {file} is not UTF-8 at byte {error.start}; save it so"
            ) from error
    return RawPart(labels, texts=tuple(texts))
