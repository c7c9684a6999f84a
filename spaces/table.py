"""Table: name -> option, imported only when asked for; and Slot, a field that picks from one."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from paretune.spaces.params import Params
from paretune.spaces.plugins import plugins_of


class UnknownName(ValueError):
    """A name that is in no table; the text says which names there are."""


def did_you_mean(name: str, known: list[str]) -> str:
    """`; did you mean "x"?` for the nearest of `known`, or an empty string."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f'; did you mean "{found[0]}"?' if found else ""


def first_line(entry: Any) -> str:
    """An entry's description: the first line of its docstring."""
    return (inspect.getdoc(entry) or "").splitlines()[0]


class Table:
    """An explicit table of options of one kind.

    Args:
        kind: What the entries are ("optimizer"), for messages.
        entries: Name -> "module:Class". A module is imported when its entry is asked for, so that
            naming a technique costs nothing.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    @property
    def names(self) -> list[str]:
        """The names of the built-in entries, in the table's order."""
        return list(self._entries)

    @property
    def plugins(self) -> list[str]:
        """The names that installed packages add; a built-in entry keeps its name."""
        return [name for name in plugins_of(self.kind) if name not in self._entries]

    def accepts(self, name: str) -> bool:
        """Whether this is the name of a built-in entry, of a plugin, or a dotted path."""
        return name in self._entries or ":" in name or name in self.plugins

    def get(self, name: str) -> Any:
        """The entry of this name: built in, by entry point, or a dotted path "pkg.mod:Class".

        Raises:
            UnknownName: There is no such entry, two packages bring it, or the path does not lead
                to one.
        """
        path = self._entries.get(name) or self._path(name)
        module, _, attribute = path.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:  # a user's module raises whatever it likes
            if name in self._entries:  # ours: a bug, or a missing dependency
                raise
            raise UnknownName(f'{self.kind} "{name}": {type(error).__name__}: {error}') from error

    def _path(self, name: str) -> str:
        """The dotted path of a name that is not built in."""
        if ":" in name:
            return name
        found = plugins_of(self.kind).get(name, ())
        if len(found) == 1:
            return found[0].path
        if found:
            both = " and ".join(f"{p.owner} ({p.path})" for p in found)
            raise UnknownName(
                f'the {self.kind} "{name}" is brought by {both}; give the dotted path of one'
            )
        names = [*self.names, *self.plugins]
        hint = did_you_mean(name, names) or "."
        raise UnknownName(f'unknown {self.kind} "{name}"{hint} Known: {", ".join(names)}.')

    def parse(self, value: Any) -> tuple[str, dict[str, Any]]:
        """The name and the parameters that a spelling of the study file means.

        `sgd` | `{sgd: {lr: 0.1}}` | `{torchvision: resnet18, weights: DEFAULT}`: in the last the
        name carries its option's `primary` parameter and the others stand beside it.

        Raises:
            ValueError: The value is none of these (UnknownName for a name in no table).
        """
        if isinstance(value, str):
            self.get(value)
            return value, {}
        if not isinstance(value, Mapping) or not value:
            raise ValueError(f"give one {self.kind}: a name, or {{name: parameters}}")
        if len(value) == 1:
            [(name, params)] = value.items()
        else:
            named = [key for key in value if self.accepts(str(key))]
            if len(named) != 1:
                keys = ", ".join(map(str, value))
                raise ValueError(
                    f"give one {self.kind}: a name, or {{name: parameters}}, not {keys}"
                )
            name, params = named[0], value[named[0]]
        rest = {key: child for key, child in value.items() if key != name}
        entry = self.get(str(name))
        if params is None or isinstance(params, Mapping):
            return str(name), {**(params or {}), **rest}
        primary = getattr(entry, "primary", None)
        if primary is None:
            raise ValueError(f"{name} takes a mapping of parameters, not {params!r}")
        return str(name), {primary: params, **rest}


@dataclass(frozen=True)
class Option:
    """An entry of a table with its parameters."""

    name: str
    params: Params

    def dump(self) -> dict[str, Any]:
        """`{name: {parameters}}`: the spelling of the study file, defaults included."""
        return {self.name: self.params.model_dump()}


class Slot:
    """Marks a field of a Params that holds an Option of a table.

    `optimizer: Annotated[Option, Slot(OPTIMIZERS)]` accepts "sgd", {"sgd": {"lr": 0.1}}, an Option.
    """

    def __init__(self, table: Table) -> None:
        self.table = table

    def option(self, value: Any) -> Option:
        """The Option that a concrete value (no domains) names.

        Raises:
            ValueError: The value names no option (UnknownName), or its parameters do not fit
                (pydantic.ValidationError).
        """
        if isinstance(value, Option):
            return value
        name, params = self.table.parse(value)
        return Option(name, self.table.get(name).Params.model_validate(params))

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.option,
            serialization=core_schema.plain_serializer_function_ser_schema(Option.dump),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """For lists of parameters; an editor's schema of a study file spells the options out."""
        return {"anyOf": [{"type": "string"}, {"type": "object"}]}
