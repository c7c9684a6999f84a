"""Document: the text of a study file as plain data, with the line of each key.

PyYAML's own loader reads `1e-3` as a string and `on` as a boolean, accepts duplicate keys, and can
make Python objects. This one follows YAML 1.2's core schema, and refuses duplicates and all tags.
Merge keys (`<<: *anchor`) work as in YAML 1.1 (https://yaml.org/type/merge.html).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from paretune.search.study_file.problems import Key, Problems, StudyFileError


class _YamlLoader(yaml.SafeLoader):
    """Composes nodes with the scalars of YAML 1.2's core schema."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - PyYAML's own attribute


_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", rf"^(?:{_FLOAT}|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$", "-+0123456789."),
):
    _YamlLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first)
    )

_MERGE = "tag:yaml.org,2002:merge"
_YamlLoader.add_implicit_resolver(_MERGE, re.compile("^<<$"), ["<"])

MAX_DIGITS = 18
"""Most digits of an integer: it goes through JSON, SQL and C, which may be limited to 64 bits."""

_SCALARS = {f"tag:yaml.org,2002:{name}" for name in ("bool", "null", "int", "float", "str")}

_Pair = tuple[yaml.Node, yaml.Node]
"""The nodes of a key and of its value."""


@dataclass
class Document:
    """Plain data with the origin of each key.

    Attributes:
        file: The path that the user typed.
        data: Mappings, lists and scalars.
        lines: Path of a key -> its line, from 1.
        origins: Path of a key -> the command-line option that it comes from.
    """

    file: str
    data: dict[str, Any]
    lines: dict[Key, int] = field(default_factory=dict)
    origins: dict[Key, str] = field(default_factory=dict)

    def where(self, key: Key) -> str:
        """Returns `studies/x.yaml:14`, or the command-line option that a key comes from."""
        for length in range(len(key), -1, -1):
            if key[:length] in self.origins:
                return self.origins[key[:length]]
            if key[:length] in self.lines:
                return f"{self.file}:{self.lines[key[:length]]}"
        return self.file

    def override(self, assignment: str) -> None:
        """Applies a --set option `a.b=c`; the value is YAML, missing mappings are added.

        Raises:
            StudyFileError: It is not an assignment, or a key on its path is not a mapping.
        """
        left, equals, right = assignment.partition("=")
        origin = f"--set {assignment}"
        if not equals or not left.strip():
            raise StudyFileError([f"{origin}: give a key and a value: --set search.seed=1"])
        path = tuple(part.strip() for part in left.split("."))
        value = _parsed(right, origin).data
        mapping: Any = self.data
        for length, step in enumerate(path[:-1], 1):
            if not isinstance(mapping.get(step), dict):
                if mapping.get(step) is not None and not isinstance(mapping[step], str):
                    raise StudyFileError([f"{origin}: {'.'.join(path[:length])} is not a mapping"])
                mapping[step] = {}  # replaces a bare name (`pruning: none`)
                self._set_origin(path[:length], origin)
            mapping = mapping[step]
        mapping[path[-1]] = value["value"]
        self._set_origin(path, origin)

    def _set_origin(self, path: Key, origin: str) -> None:
        """Notes that a key and all below it come from an option."""
        for old in (self.lines, self.origins):
            for key in [key for key in old if key[: len(path)] == path]:
                del old[key]
        self.origins[path] = origin


def read_document(path: Path, overrides: Sequence[str] = ()) -> Document:
    """Reads a study file and applies --set options.

    Raises:
        StudyFileError: It cannot be read, is not YAML, or has contents that are not allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise StudyFileError([f"{path}: cannot be read: {reason}"]) from error
    document = _parsed(text, str(path), is_file=True)
    for assignment in overrides:
        document.override(assignment)
    return document


def document_of(text: str, name: str) -> Document:
    """Returns the text of a study file as a document.

    Args:
        text: The text.
        name: Path of the file, for errors.

    Raises:
        StudyFileError: It is not YAML, or has contents that are not allowed.
    """
    return _parsed(text, name, is_file=True)


def value_of(text: str, origin: str) -> Any:
    """Returns one value in YAML as plain data.

    Args:
        text: The text of the value.
        origin: Where it comes from, such as a command-line option, for errors.

    Raises:
        StudyFileError: It is not YAML, or has contents that are not allowed.
    """
    return _parsed(text, origin).data["value"]


def _parsed(text: str, name: str, is_file: bool = False) -> Document:
    """Returns the text as a document; unless `is_file`, it is one value, under the key "value"."""
    document = Document(name, {})
    problems = Problems(document.where if is_file else lambda key: name)
    try:
        node = yaml.compose(text, Loader=_YamlLoader)
        value: Any = None if node is None else _NodeReader(document, problems).read(node, ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark and is_file else name
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise StudyFileError([f"{where}: this is not YAML: {reason}"]) from error
    except RecursionError as error:
        raise StudyFileError([f"{name}: this is nested too deeply for a study"]) from error
    problems.raise_any()
    if not is_file:
        return Document(name, {"value": value})
    if not isinstance(value, dict):
        raise StudyFileError(
            [f"{name}:1: a study file is a mapping of sections (data:, space:, ...)"]
        )
    document.data = value
    return document


class _NodeReader:
    """Converts YAML nodes to plain data, and notes their lines."""

    def __init__(self, document: Document, problems: Problems) -> None:
        self._document = document
        self._problems = problems
        self._open: set[int] = set()

    def read(self, node: yaml.Node, key: Key) -> Any:
        self._document.lines.setdefault(key, node.start_mark.line + 1)
        if id(node) in self._open:
            self._problems.add(key, "an alias leads back to itself")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, key)
            if isinstance(node, yaml.SequenceNode):
                self._check_tag(node, key, "seq")
                return [self.read(child, (*key, str(i))) for i, child in enumerate(node.value)]
            return self._scalar(node, key)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        self._check_tag(node, key, "map")
        mapping: dict[str, Any] = {}
        for name_node, child in self._pairs(node, key):
            if not isinstance(name_node, yaml.ScalarNode):
                self._problems.add(key, "a key must be a word, not a list or a mapping")
                continue
            name = str(name_node.value)
            path = (*key, name)
            if name in mapping:
                first = self._document.lines[path]
                self._document.lines[path] = name_node.start_mark.line + 1
                self._problems.add(path, f"duplicate key; the first one is in line {first}")
                self._document.lines[path] = first
                continue
            self._document.lines[path] = name_node.start_mark.line + 1
            mapping[name] = self.read(child, path)
        return mapping

    def _pairs(self, node: yaml.MappingNode, key: Key) -> list[_Pair]:
        """Returns the pairs of a mapping without its merge key; those that it merges come first."""
        merges = [pair for pair in node.value if _is_merge(pair[0])]
        if not merges:
            return list(node.value)
        path = (*key, "<<")
        if len(merges) > 1:
            self._document.lines[path] = merges[1][0].start_mark.line + 1
            self._problems.add(path, "duplicate key; merge several mappings with <<: [*a, *b]")
        self._document.lines[path] = merges[0][0].start_mark.line + 1
        pairs = [pair for pair in node.value if not _is_merge(pair[0])]
        taken = _names(pairs)
        merged: list[_Pair] = []
        for source in self._sources(merges[0][1], path):
            new = [pair for pair in source if not _names([pair]) & taken]
            taken |= _names(new)
            merged += new
        return merged + pairs

    def _sources(self, node: yaml.Node, key: Key) -> Iterator[list[_Pair]]:
        """Yields the pairs of each mapping that a merge key names; the first one has precedence."""
        if isinstance(node, yaml.SequenceNode):
            self._check_tag(node, key, "seq")
        for child in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(child, yaml.MappingNode):
                self._problems.add(key, "merges a mapping or a list of mappings: <<: *anchor")
            elif id(child) in self._open:
                self._problems.add(key, "an alias leads back to itself")
            else:
                self._check_tag(child, key, "map")
                self._open.add(id(child))
                yield self._pairs(child, key)
                self._open.discard(id(child))

    def _scalar(self, node: yaml.Node, key: Key) -> Any:
        if _is_merge(node):  # as a value, it is text
            return str(node.value)
        if node.tag not in _SCALARS:
            self._problems.add(key, f"the tag {_short(node.tag)} is not allowed; give plain values")
            return None
        text = str(node.value)
        match node.tag.rpartition(":")[2]:
            case "bool":
                return text.lower() == "true"
            case "null":
                return None
            case "int" | "float" as kind:
                return self._number(text, kind, key)
            case _:
                return text

    def _number(self, text: str, kind: str, key: Key) -> float | None:
        try:
            value = (
                int(text) if kind == "int" and len(text.lstrip("+-")) <= MAX_DIGITS else float(text)
            )
        except ValueError:  # .inf, .nan, or a word after a tag: !!int many
            value = math.nan
        if math.isfinite(value) and (kind == "float" or isinstance(value, int)):
            return value
        self._problems.add(
            key, f"give a finite number of at most {MAX_DIGITS} digits, not {text[:30]}"
        )
        return None

    def _check_tag(self, node: yaml.Node, key: Key, kind: str) -> None:
        if node.tag != f"tag:yaml.org,2002:{kind}":
            self._problems.add(key, f"the tag {_short(node.tag)} is not allowed; give plain values")


def _is_merge(node: yaml.Node) -> bool:
    return bool(node.tag == _MERGE and node.value == "<<")


def _names(pairs: Sequence[_Pair]) -> set[str]:
    return {str(name.value) for name, _ in pairs if isinstance(name, yaml.ScalarNode)}


def _short(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")
