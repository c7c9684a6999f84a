"""Reads the search space: plain data and the Params that it fills -> a tree.

Literals, choices and both ends of domains are checked against their fields, so that a wrong bound
is refused before the first trial.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo

from paretune.search.study_file.problems import Key, Problems
from paretune.spaces.domains import (
    Choice,
    Domain,
    Fixed,
    Float,
    Int,
    Items,
    Node,
    Record,
    assign,
    assignments,
    count,
    label_of,
    parameters,
    with_ends_only,
)
from paretune.spaces.table import Option, Slot, Table

DOMAINS = ("choice", "float", "int")
MAX_COMBINATIONS = 1000
"""Most combinations that are checked; if there are more, one is assumed to be possible."""

EIGHTHS = tuple(f"{part}/8" for part in range(1, 9))
"""Eighths of a network, used instead of names of layers if these are not known."""

SETTINGS = {"choice": (), "float": ("log", "step"), "int": ("log", "step")}
"""Kind of a domain -> the keys that may stand next to it."""


class SpaceReader:
    """Reads parts of a study file into trees.

    Args:
        problems: Collects the mistakes.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self.layers: Callable[[], Sequence[str]] = lambda: EIGHTHS
        """Returns the names of the network's layers, to repeat one domain for each of them."""
        self.branches: dict[tuple[str, str], Callable[[Any, Key], Node]] = {}
        """(kind of a table, name) -> reads an option that only a space has, from its parameters."""

    # -- an option of a table --------------------------------------------------------------------

    def option(self, table: Table, value: Any, key: Key) -> Node:
        """Reads one option, or a choice of several, as {name: {parameters}}."""
        if not (isinstance(value, Mapping) and "choice" in value):
            return self._single(table, value, key)[1]
        for extra in [name for name in value if name != "choice"]:
            self._problems.unknown_key((*key, extra), ["choice"])
        branches = value["choice"]
        key = (*key, "choice")
        if isinstance(branches, Mapping):
            items = [((*key, name), {name: params}) for name, params in branches.items()]
        elif isinstance(branches, list):
            items = [((*key, str(i)), item) for i, item in enumerate(branches)]
        else:
            self._problems.add(key, f"give a mapping or a list of {table.kind}s, not {branches!r}")
            return Fixed(None)
        options = [
            self._single(table, item, path, inside=isinstance(branches, Mapping))
            for path, item in items
        ]
        return self._choice(options, key)

    def _single(self, table: Table, value: Any, key: Key, inside: bool = False) -> tuple[str, Node]:
        """Reads one option as (label, tree); `inside`: its name is the key's last step already."""
        if isinstance(value, Mapping) and len(value) == 1:
            [(only, _)] = value.items()
            if only in DOMAINS and only not in table.names:
                self._problems.add(key, f"give choice: [...] of {table.kind}s, not {only}")
                return str(only), Fixed(None)
            if (table.kind, only) in self.branches:
                path = key if inside else (*key, only)
                branch = self.branches[table.kind, only](value[only], path)
                return only, Record(((only, branch),)) if isinstance(branch, Record) else branch
        try:
            name, params = table.parse(value)
            entry = table.get(name)
        except ValueError as error:
            self._problems.add(key, str(error))
            return label_of(value) if isinstance(value, str) else "?", Fixed(None)
        if not hasattr(entry, "Params"):
            hint = f'; your own code is python: "{name}"' if "python" in table.names else ""
            kind = f"{'an' if table.kind[0] in 'aeiou' else 'a'} {table.kind}"
            self._problems.add(key, f'"{name}" is not {kind}: it has no Params{hint}')
            return name, Fixed(None)
        primary = getattr(entry, "primary", None)
        spelled_out = isinstance(value, Mapping) and isinstance(value.get(name), Mapping)
        path = key if inside or not spelled_out else (*key, name)
        record = self.record(entry.Params, params, path, owner=name)
        label = str(params[primary]) if primary and isinstance(params.get(primary), str) else name
        return label, Record(((name, record),))

    def _choice(self, options: list[tuple[str, Node]], key: Key) -> Node:
        labels = [label for label, _ in options]
        if not labels:
            self._problems.add(key, "an empty choice; give at least one option")
            return Fixed(None)
        for label in dict.fromkeys(x for x in labels if labels.count(x) > 1):
            self._problems.add(key, f'the option "{label}" occurs twice')
        return Choice(tuple(options))

    # -- parameters ------------------------------------------------------------------------------

    def record(self, params: type[BaseModel], value: Any, key: Key, owner: str = "") -> Node:
        """Reads a mapping of parameters, and adds the defaults.

        Args:
            params: The Params that checks them.
            value: The mapping.
            key: Its path in the study file.
            owner: The option that has these parameters, for error texts.
        """
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            self._problems.add(key, f"give a mapping of parameters, not {value!r}")
            return Fixed(None)
        fields = params.model_fields
        for name in value:
            if name not in fields:
                self._problems.unknown_key((*key, str(name)), fields, owner)
        before = len(self._problems)
        nodes: list[tuple[str, Node]] = []
        for name, info in fields.items():
            if stays_out(info, value.get(name)):
                continue
            if name in value:
                nodes.append((name, self._field(params, name, info, value[name], (*key, name))))
            elif info.is_required():
                self._problems.add(key, f'"{name}" is missing{f" for {owner}" if owner else ""}')
            else:
                nodes.append((name, Fixed(default_of(info))))
        record = Record(tuple(nodes))
        if len(self._problems) == before:
            self._check_together(params, record, key)
        return record

    def _field(
        self, params: type[BaseModel], name: str, info: FieldInfo, value: Any, key: Key
    ) -> Node:
        slot = slot_of(info)
        if slot is not None:
            return self.option(slot.table, value, key)
        nested = nested_of(info)
        if nested is not None:
            return self.record(nested, value, key)
        if takes_mapping(info):
            return self._mapping(params, name, value, key)
        item = item_of(info)
        if item is not None and isinstance(value, list):
            return self._list(params, name, item, value, key)
        if not is_domain(value):
            return Fixed(self._literal(params, name, value, key))
        return self._domain(params, name, value, key)

    def _mapping(self, params: type[BaseModel], name: str, value: Any, key: Key) -> Node:
        """Reads a mapping (a factory's arguments, ratios by layer) of literals and domains.

        One domain instead of a mapping of numbers is repeated for each layer of the network.
        """
        item = item_params(params, name)
        if is_domain(value) and item is not _AnyValue:
            value = dict.fromkeys(self.layers(), value)
        if not isinstance(value, Mapping):
            self._literal(params, name, value, key)
            return Fixed(value)
        literals = {part: child for part, child in value.items() if not is_domain(child)}
        self._literal(params, name, literals, key)
        return Record(
            tuple(
                (
                    part,
                    self._domain(item, "value", child, (*key, part))
                    if is_domain(child)
                    else Fixed(child),
                )
                for part, child in value.items()
            )
        )

    def _list(
        self, params: type[BaseModel], name: str, item: Any, value: list[Any], key: Key
    ) -> Node:
        """Reads a list of mappings of parameters, or of literals and domains."""
        nested = isinstance(item, type) and issubclass(item, BaseModel)
        before = len(self._problems)
        item_model = create_model("Item", value=(item, ...))
        nodes: list[Node] = []
        for index, child in enumerate(value):
            path = (*key, str(index))
            if nested:
                nodes.append(self.record(item, child, path, owner=f"an item of {name}"))
            elif is_domain(child):
                nodes.append(self._domain(item_model, "value", child, path))
            else:
                nodes.append(Fixed(self._literal(item_model, "value", child, path)))
        items = Items(tuple(nodes))
        if len(self._problems) == before:  # the list itself limits the number of its items
            sample = with_ends_only(items)
            self._literal(params, name, assign(sample, _lookup(next(assignments(sample)))), key)
        return items if list(parameters(items)) else Fixed(assign(items, _no_parameter))

    def _literal(self, params: type[BaseModel], name: str, value: Any, key: Key) -> Any:
        try:
            return _plain(adapter(params, name).validate_python(value))
        except ValidationError as error:
            self._problems.add(key, message(error, value))
            return value

    def _check_together(self, params: type[BaseModel], record: Record, key: Key) -> None:
        """Checks rules between fields; notes a mistake if no combination of values is possible.

        If some are possible, each of the others becomes an infeasible trial with its reason.
        """
        finite = with_ends_only(record)
        first: ValidationError | None = None
        for assignment in islice(assignments(finite), MAX_COMBINATIONS + 1):
            try:
                params.model_validate(assign(finite, _lookup(assignment)))
                return
            except ValidationError as error:
                first = first or error
        if first is not None and count(finite) <= MAX_COMBINATIONS:
            prefix = "no combination is possible; the first: " if count(finite) > 1 else ""
            self._problems.add(key, prefix + message(first, None))

    # -- domains ---------------------------------------------------------------------------------

    def free_domain(self, value: Mapping[str, Any], key: Key) -> Node:
        """Reads a domain of values that only the user's own code can check."""
        return self._domain(_AnyValue, "value", value, key)

    def _domain(
        self, params: type[BaseModel], name: str, value: Mapping[str, Any], key: Key
    ) -> Node:
        kinds = [kind for kind in DOMAINS if kind in value]
        if len(kinds) > 1:
            self._problems.add(key, f"give one of choice, float, int; not {' and '.join(kinds)}")
            return Fixed(None)
        [kind] = kinds
        for extra in value:
            if extra != kind and extra not in SETTINGS[kind]:
                self._problems.unknown_key((*key, str(extra)), [kind, *SETTINGS[kind]], kind)
        if kind == "choice":
            return self._literals(params, name, value[kind], (*key, kind))
        return self._range(params, name, kind, value[kind], value, key)

    def _literals(self, params: type[BaseModel], name: str, values: Any, key: Key) -> Node:
        if not isinstance(values, list):
            self._problems.add(key, f"give a list of values, not {values!r}")
            return Fixed(None)
        options: list[tuple[str, Node]] = []
        for index, item in enumerate(values):
            checked = self._literal(params, name, item, (*key, str(index)))
            options.append((label_of(checked), Fixed(checked)))
        return self._choice(options, key)

    def _range(
        self,
        params: type[BaseModel],
        name: str,
        kind: str,
        ends: Any,
        value: Mapping[str, Any],
        key: Key,
    ) -> Node:
        path = (*key, kind)
        number = int if kind == "int" else (int, float)
        if (
            not isinstance(ends, list)
            or len(ends) != 2
            or any(isinstance(x, bool) or not isinstance(x, number) for x in ends)
        ):
            numbers = "two integers" if kind == "int" else "two numbers"
            self._problems.add(path, f"give {numbers} [low, high], not {ends!r}")
            return Fixed(None)
        if not all(math.isfinite(x) for x in ends):
            self._problems.add(path, f"both ends must be finite, got {ends}")
            return Fixed(None)
        # As floats, so that a field of integers refuses `float: [1, 5]`, which may give 2.7.
        bounds = [float(x) for x in ends] if kind == "float" else ends
        low, high = (self._literal(params, name, x, path) for x in bounds)
        if ends[0] > ends[1]:
            self._problems.add(path, f"low must not be above high, got {ends}")
            return Fixed(None)
        log, step = value.get("log", False), value.get("step")
        if not self._settings_fit(kind, ends, log, step, key):
            return Fixed(None)
        if kind == "int":
            return Int(int(low), int(high), log, step or 1)
        return Float(float(low), float(high), log, None if step is None else float(step))

    def _settings_fit(self, kind: str, ends: list[Any], log: Any, step: Any, key: Key) -> bool:
        if not isinstance(log, bool):
            self._problems.add((*key, "log"), f"give true or false, not {log!r}")
            return False
        if log and ends[0] <= 0:
            self._problems.add(key, f"log needs a low end above 0, got {ends[0]}")
            return False
        if step is None:
            return True
        number = isinstance(step, int) or (kind == "float" and isinstance(step, float))
        if isinstance(step, bool) or not number or not math.isfinite(step) or step <= 0:
            what = "a positive integer" if kind == "int" else "a positive number"
            self._problems.add((*key, "step"), f"give {what}, not {step!r}")
            return False
        if log:
            self._problems.add(key, "log and step do not go together; give one of them")
            return False
        steps = (ends[1] - ends[0]) / step
        if not math.isfinite(steps):
            self._problems.add((*key, "step"), f"{step} is too small for {ends}")
            return False
        if abs(steps - round(steps)) > 1e-6:
            last = ends[0] + math.floor(steps + 1e-9) * step
            self._problems.add(
                (*key, "step"),
                f"{step} does not lead from {ends[0]} to {ends[1]}; the last value would be "
                f"{last:g}",
            )
            return False
        return True


def _lookup(assignment: Mapping[str, Any]) -> Callable[[str, Domain], Any]:
    """Returns a function for `assign` that looks values up in one assignment."""
    return lambda name, domain: assignment[name]


# -- the fields of a Params ----------------------------------------------------------------------


def slot_of(info: FieldInfo) -> Slot | None:
    """Returns the slot of a field that picks an option, or None."""
    return next((m for m in info.metadata if isinstance(m, Slot)), None)


def stays_out(info: FieldInfo, value: Any) -> bool:
    """Returns whether a field is an optional option that is not set; a plan leaves it out."""
    slot = slot_of(info)
    return slot is not None and slot.optional and value is None


def nested_of(info: FieldInfo) -> type[BaseModel] | None:
    """Returns the Params of a field that is a mapping of parameters itself, or None."""
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


class _AnyValue(BaseModel):
    """A value that only the user's own code can check."""

    value: Any


def item_of(info: FieldInfo) -> Any | None:
    """Returns the type of a list's items, a Params or a plain type; None if it takes no list."""
    for option in _options(info.annotation):
        if typing.get_origin(option) is list:
            return typing.get_args(option)[0]
    return None


def _options(annotation: Any) -> Iterator[Any]:
    """Yields the members of a union, without the bounds around them."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _options(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from _options(member)
    else:
        yield annotation


def default_of(info: FieldInfo) -> Any:
    """Returns the default of a field that is not required, as plain data."""
    return _plain(info.get_default(call_default_factory=True))


def takes_mapping(info: FieldInfo) -> bool:
    """Returns whether a field takes a mapping, with domains as possible values."""
    return typing.get_origin(info.annotation) is dict


@cache
def item_params(params: type[BaseModel], name: str) -> type[BaseModel]:
    """Returns a Params with one field `value`, for the values of a mapping field."""
    _, kind = typing.get_args(params.model_fields[name].annotation)
    return _AnyValue if kind is Any else create_model("Item", value=(kind, ...))


@cache
def adapter(params: type[BaseModel], name: str) -> TypeAdapter[Any]:
    """Returns a strict check of one field: a string is not a number, true is not an integer."""
    annotation = params.model_fields[name].rebuild_annotation()
    return TypeAdapter(annotation, config=ConfigDict(strict=True))


def message(error: ValidationError, value: Any) -> str:
    """Returns the first of pydantic's errors in the words of a study file."""
    errors = error.errors(include_url=False)
    lengths = [detail for detail in errors if detail["type"] in ("too_long", "too_short")]
    first = (lengths or errors)[0]  # for a field that takes a number or a list: the list's error
    text = first["msg"].replace("Input should be", "must be").replace("Value error, ", "")
    if first["type"] == "none_required" or "valid dictionary" in text:
        return text
    got = "" if value is None else f", got {value!r}"
    return f"{text[0].lower()}{text[1:]}{got}"


def is_domain(value: Any) -> bool:
    """Returns whether a value of a study file is a domain, not a literal."""
    return isinstance(value, Mapping) and any(kind in value for kind in DOMAINS)


def _plain(value: Any) -> Any:
    if isinstance(value, Option):
        return value.dump()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.model_dump() if isinstance(value, BaseModel) else value


def _no_parameter(name: str, domain: Any) -> Any:
    raise AssertionError(f"{name} is a parameter of a tree that has none")
