"""Plain data and the Params it is meant for -> a tree of the search space.

Every literal, both ends of every domain and every choice are checked against the field they are
for, so that a bad bound fails before the first trial.
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
    ends,
    label_of,
    parameters,
)
from paretune.spaces.table import Option, Slot, Table

DOMAINS = ("choice", "float", "int")
COMBINATIONS = 1000
"""So many are tried, at most, before a space is believed to have a possible one."""

SLOTS = tuple(f"{part}/8" for part in range(1, 9))
"""Eighths of a network, where its layers are not known."""

SETTINGS = {"choice": (), "float": ("log", "step"), "int": ("log", "step")}


class SpaceReader:
    """Reads parts of a study file into trees; mistakes go to `problems`."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self.layers: Callable[[], Sequence[str]] = lambda: SLOTS
        """Names for the layers of the network, for which one domain stands."""

    # -- an option of a table --------------------------------------------------------------------

    def option(self, table: Table, value: Any, key: Key) -> Node:
        """One option, or a choice of several, as {name: {parameters}}."""
        if not (isinstance(value, Mapping) and "choice" in value):
            return self._single(table, value, key)[1]
        for extra in [name for name in value if name != "choice"]:
            self._problems.unknown((*key, extra), ["choice"])
        branches = value["choice"]
        key = (*key, "choice")
        if isinstance(branches, Mapping):
            items = [((*key, name), {name: given}) for name, given in branches.items()]
        elif isinstance(branches, list):
            items = [((*key, str(i)), item) for i, item in enumerate(branches)]
        else:
            self._problems.add(key, f"give a mapping or a list of {table.kind}s, not {branches!r}")
            return Fixed(None)
        found = [
            self._single(table, item, where, inside=isinstance(branches, Mapping))
            for where, item in items
        ]
        return self._choice(found, key)

    def _single(self, table: Table, value: Any, key: Key, inside: bool = False) -> tuple[str, Node]:
        """(label, tree) of one option; `inside`: the key's last step is its name already."""
        if isinstance(value, Mapping) and len(value) == 1:
            [(only, _)] = value.items()
            if only in DOMAINS and only not in table.names:
                self._problems.add(key, f"give choice: [...] of {table.kind}s, not {only}")
                return str(only), Fixed(None)
        try:
            name, given = table.pick(value)
            entry = table.get(name)
        except ValueError as error:
            self._problems.add(key, str(error))
            return label_of(value) if isinstance(value, str) else "?", Fixed(None)
        if not hasattr(entry, "Params"):
            own = f'; your own code is python: "{name}"' if "python" in table.names else ""
            self._problems.add(key, f'"{name}" is no {table.kind}: it has no Params{own}')
            return name, Fixed(None)
        primary = getattr(entry, "primary", None)
        spelled_out = isinstance(value, Mapping) and isinstance(value.get(name), Mapping)
        where = key if inside or not spelled_out else (*key, name)
        record = self.record(entry.Params, given, where, of=name)
        label = str(given[primary]) if primary and isinstance(given.get(primary), str) else name
        return label, Record(((name, record),))

    def _choice(self, found: list[tuple[str, Node]], key: Key) -> Node:
        labels = [label for label, _ in found]
        if not labels:
            self._problems.add(key, "an empty choice; give at least one option")
            return Fixed(None)
        for label in dict.fromkeys(x for x in labels if labels.count(x) > 1):
            self._problems.add(key, f'the option "{label}" is there twice')
        return Choice(tuple(found))

    # -- parameters ------------------------------------------------------------------------------

    def record(self, params: type[BaseModel], value: Any, key: Key, of: str = "") -> Node:
        """A mapping of parameters, defaults filled in."""
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            self._problems.add(key, f"give a mapping of parameters, not {value!r}")
            return Fixed(None)
        fields = params.model_fields
        for name in value:
            if name not in fields:
                self._problems.unknown((*key, str(name)), fields, of)
        before = len(self._problems)
        found: list[tuple[str, Node]] = []
        for name, info in fields.items():
            if name in value:
                found.append((name, self._field(params, name, info, value[name], (*key, name))))
            elif info.is_required():
                self._problems.add(key, f'"{name}" is missing{f" for {of}" if of else ""}')
            else:
                found.append((name, Fixed(_plain(info.get_default(call_default_factory=True)))))
        record = Record(tuple(found))
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
            return self._items(params, name, value, key)
        item = item_of(info)
        if item is not None and isinstance(value, list):
            return self._listed(params, name, item, value, key)
        if not is_domain(value):
            return Fixed(self._literal(params, name, value, key))
        return self._domain(params, name, value, key)

    def _items(self, params: type[BaseModel], name: str, value: Any, key: Key) -> Node:
        """A mapping (a factory's arguments, ratios by layer), each value of which may be a domain.

        One domain in the place of a mapping of numbers is meant for each of the network's layers.
        """
        item = item_params(params, name)
        if is_domain(value) and item is not _Anything:
            value = dict.fromkeys(self.layers(), value)
        if not isinstance(value, Mapping):
            self._literal(params, name, value, key)
            return Fixed(value)
        plain = {part: given for part, given in value.items() if not is_domain(given)}
        self._literal(params, name, plain, key)
        return Record(
            tuple(
                (
                    part,
                    self._domain(item, "value", given, (*key, part))
                    if is_domain(given)
                    else Fixed(given),
                )
                for part, given in value.items()
            )
        )

    def _listed(
        self, params: type[BaseModel], name: str, item: Any, value: list[Any], key: Key
    ) -> Node:
        """A list whose items are parameters of their own, or literals and domains."""
        nested = isinstance(item, type) and issubclass(item, BaseModel)
        before = len(self._problems)
        one = create_model("Item", value=(item, ...))
        found: list[Node] = []
        for place, given in enumerate(value):
            where = (*key, str(place))
            if nested:
                found.append(self.record(item, given, where, of=f"an item of {name}"))
            elif is_domain(given):
                found.append(self._domain(one, "value", given, where))
            else:
                found.append(Fixed(self._literal(one, "value", given, where)))
        items = Items(tuple(found))
        if len(self._problems) == before:  # how many there may be is a rule of the list
            sample = ends(items)
            self._literal(params, name, assign(sample, _asked(next(assignments(sample)))), key)
        return items if list(parameters(items)) else Fixed(assign(items, _nothing_asked))

    def _literal(self, params: type[BaseModel], name: str, value: Any, key: Key) -> Any:
        try:
            return _plain(adapter(params, name).validate_python(value))
        except ValidationError as error:
            self._problems.add(key, message(error, value))
            return value

    def _check_together(self, params: type[BaseModel], record: Record, key: Key) -> None:
        """Rules between fields: refused when no combination of their values is possible.

        Where some are, the others are infeasible trials, each with its reason.
        """
        finite = ends(record)
        first: ValidationError | None = None
        for found in islice(assignments(finite), COMBINATIONS + 1):
            try:
                params.model_validate(assign(finite, _asked(found)))
                return
            except ValidationError as error:
                first = first or error
        if first is not None and count(finite) <= COMBINATIONS:
            several = "no combination is possible; the first: " if count(finite) > 1 else ""
            self._problems.add(key, several + message(first, None))

    # -- domains ---------------------------------------------------------------------------------

    def free_domain(self, value: Mapping[str, Any], key: Key) -> Node:
        """A domain of values that only the user's own code knows."""
        return self._domain(_Anything, "value", value, key)

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
                self._problems.unknown((*key, str(extra)), [kind, *SETTINGS[kind]], kind)
        given = value[kind]
        if kind == "choice":
            return self._literals(params, name, given, (*key, kind))
        return self._range(params, name, kind, given, value, key)

    def _literals(self, params: type[BaseModel], name: str, given: Any, key: Key) -> Node:
        if not isinstance(given, list):
            self._problems.add(key, f"give a list of values, not {given!r}")
            return Fixed(None)
        found = []
        for index, item in enumerate(given):
            checked = self._literal(params, name, item, (*key, str(index)))
            found.append((label_of(checked), Fixed(checked)))
        return self._choice(found, key)  # type: ignore[arg-type]

    def _range(
        self,
        params: type[BaseModel],
        name: str,
        kind: str,
        given: Any,
        value: Mapping[str, Any],
        key: Key,
    ) -> Node:
        where = (*key, kind)
        number = int if kind == "int" else (int, float)
        if (
            not isinstance(given, list)
            or len(given) != 2
            or any(isinstance(x, bool) or not isinstance(x, number) for x in given)
        ):
            of = "two integers" if kind == "int" else "two numbers"
            self._problems.add(where, f"give {of} [low, high], not {given!r}")
            return Fixed(None)
        if not all(math.isfinite(x) for x in given):
            self._problems.add(where, f"both ends must be finite, got {given}")
            return Fixed(None)
        # As floats, so that a field of integers refuses `float: [1, 5]`: 2.7 would follow.
        ends = [float(x) for x in given] if kind == "float" else given
        low, high = (self._literal(params, name, x, where) for x in ends)
        if given[0] > given[1]:
            self._problems.add(where, f"low must not be above high, got {given}")
            return Fixed(None)
        log, step = value.get("log", False), value.get("step")
        if not self._settings_fit(kind, given, log, step, key):
            return Fixed(None)
        if kind == "int":
            return Int(int(low), int(high), log, step or 1)
        return Float(float(low), float(high), log, None if step is None else float(step))

    def _settings_fit(self, kind: str, given: list[Any], log: Any, step: Any, key: Key) -> bool:
        if not isinstance(log, bool):
            self._problems.add((*key, "log"), f"give true or false, not {log!r}")
            return False
        if log and given[0] <= 0:
            self._problems.add(key, f"log needs a low end above 0, got {given[0]}")
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
        steps = (given[1] - given[0]) / step
        if not math.isfinite(steps):
            self._problems.add((*key, "step"), f"{step} is too small for {given}")
            return False
        if abs(steps - round(steps)) > 1e-6:
            last = given[0] + math.floor(steps + 1e-9) * step
            self._problems.add(
                (*key, "step"),
                f"{step} does not lead from {given[0]} to {given[1]}; the last value would be "
                f"{last:g}",
            )
            return False
        return True


def _asked(found: Mapping[str, Any]) -> Callable[[str, Domain], Any]:
    """Answers with the values of one assignment."""
    return lambda name, domain: found[name]


# -- what a field of a Params is -----------------------------------------------------------------


def slot_of(info: FieldInfo) -> Slot | None:
    """The slot of a field that picks an option, or None."""
    return next((m for m in info.metadata if isinstance(m, Slot)), None)


def nested_of(info: FieldInfo) -> type[BaseModel] | None:
    """The Params of a field that is a mapping of its own, or None."""
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


class _Anything(BaseModel):
    """What is only known to the user's own code."""

    value: Any


def item_of(info: FieldInfo) -> Any | None:
    """What a list in this field holds, a Params or a plain type; None when it takes no list."""
    for option in _options(info.annotation):
        if typing.get_origin(option) is list:
            return typing.get_args(option)[0]
    return None


def _options(annotation: Any) -> Iterator[Any]:
    """The members of a union, without the bounds around them."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _options(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for member in typing.get_args(annotation):
            yield from _options(member)
    else:
        yield annotation


def takes_mapping(info: FieldInfo) -> bool:
    """Whether a field's value is itself a mapping, of which each value may be a domain."""
    return typing.get_origin(info.annotation) is dict


@cache
def item_params(params: type[BaseModel], name: str) -> type[BaseModel]:
    """A Params whose field `value` is what a mapping in this field holds."""
    _, kind = typing.get_args(params.model_fields[name].annotation)
    return _Anything if kind is Any else create_model("Item", value=(kind, ...))


@cache
def adapter(params: type[BaseModel], name: str) -> TypeAdapter[Any]:
    """Checks one field's value, strictly: no number from a string, no integer from a boolean."""
    annotation = params.model_fields[name].rebuild_annotation()
    return TypeAdapter(annotation, config=ConfigDict(strict=True))


def message(error: ValidationError, value: Any) -> str:
    """What pydantic found, in a study file's words."""
    found = error.errors(include_url=False)
    lengths = [one for one in found if one["type"] in ("too_long", "too_short")]
    first = (lengths or found)[0]  # of a field that takes a number or a list, what a list says
    text = first["msg"].replace("Input should be", "must be").replace("Value error, ", "")
    if first["type"] == "none_required" or "valid dictionary" in text:
        return text
    got = "" if value is None else f", got {value!r}"
    return f"{text[0].lower()}{text[1:]}{got}"


def is_domain(value: Any) -> bool:
    """Whether a value of a study file is a domain rather than a literal."""
    return isinstance(value, Mapping) and any(kind in value for kind in DOMAINS)


def _plain(value: Any) -> Any:
    if isinstance(value, Option):
        return value.dump()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.model_dump() if isinstance(value, BaseModel) else value


def _nothing_asked(name: str, domain: Any) -> Any:
    raise AssertionError(f"{name} is a parameter of a tree that has none")
