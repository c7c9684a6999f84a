"""Tables of options, imported on demand, and Slot: a field that takes an option of a table."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema

from paretune.spaces.params import Params
from paretune.spaces.plugins import plugins_of


class UnknownName(ValueError):
    """A name is in no table. The text lists the names that exist."""


def did_you_mean(name: str, names: list[str]) -> str:
    """Returns `; did you mean "x"?` for the most similar name, or "" if none is similar."""
    matches = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f'; did you mean "{matches[0]}"?' if matches else ""


def first_line(entry: Any) -> str:
    """Returns the description of an entry: the first line of its docstring."""
    return (inspect.getdoc(entry) or "").splitlines()[0]


class Table:
    """An explicit table of options of one kind.

    Args:
        kind: Kind of the entries ("optimizer"), for error texts and the entry-point group.
        entries: Name -> "module:Class". A module is imported when its entry is requested, so that
            a list of names costs no import.
        hidden: Further entries, which only Paretune itself asks for: they are not listed.
    """

    def __init__(
        self, kind: str, entries: Mapping[str, str], hidden: Mapping[str, str] | None = None
    ) -> None:
        self.kind = kind
        self._entries = dict(entries)
        self._hidden = dict(hidden or {})

    @property
    def names(self) -> list[str]:
        """Names of the built-in entries, in the table's order."""
        return list(self._entries)

    @property
    def plugins(self) -> list[str]:
        """Names that installed packages add. A built-in entry wins over a plugin of its name."""
        return [name for name in plugins_of(self.kind) if name not in self._entries]

    def accepts(self, name: str) -> bool:
        """Returns whether `get` takes this name: built in, a plugin's, or a dotted path."""
        return name in self._entries or ":" in name or name in self.plugins

    def get(self, name: str) -> Any:
        """Returns the entry of a name: built in, a plugin's, or a dotted path "pkg.mod:Class".

        Raises:
            UnknownName: The name or the class behind a path does not exist, or two packages
                provide the name.
        """
        path = self._entries.get(name) or self._hidden.get(name) or self._path(name)
        module, _, attribute = path.partition(":")
        try:
            return getattr(_imported(module), attribute)
        except Exception as error:  # a user's module can raise anything
            if name in {
                **self._entries,
                **self._hidden,
            }:  # built in: a bug of Paretune, or a missing dependency
                raise
            raise UnknownName(f'{self.kind} "{name}": {type(error).__name__}: {error}') from error

    def _path(self, name: str) -> str:
        """Returns the dotted path of a name that is not built in."""
        if ":" in name:
            return name
        plugins = plugins_of(self.kind).get(name, ())
        if len(plugins) == 1:
            return plugins[0].path
        if plugins:
            owners = " and ".join(f"{p.owner} ({p.path})" for p in plugins)
            raise UnknownName(
                f'the {self.kind} "{name}" is provided by {owners}; give the dotted path of one'
            )
        names = [*self.names, *self.plugins]
        hint = did_you_mean(name, names) or "."
        raise UnknownName(f'unknown {self.kind} "{name}"{hint} Known: {", ".join(names)}.')

    def parse(self, value: Any) -> tuple[str, dict[str, Any]]:
        """Returns the name and the parameters of an option as it is written in a study file.

        Spellings: `sgd`, `{sgd: {lr: 0.1}}`, `{torchvision: resnet18, weights: DEFAULT}`. In the
        last one the value of the name is the option's `primary` parameter, and the other parameters
        are keys of the same mapping.

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
            names = [key for key in value if self.accepts(str(key))]
            if len(names) != 1:
                keys = ", ".join(map(str, value))
                raise ValueError(
                    f"give one {self.kind}: a name, or {{name: parameters}}, not {keys}"
                )
            name, params = names[0], value[names[0]]
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
        """Returns `{name: {parameters}}` as in a study file, with defaults."""
        return {self.name: self.params.model_dump()}


def _imported(name: str) -> Any:
    """Returns a module; one that is loaded is asked for thousands of times in a search."""
    module = sys.modules.get(name)
    if module is None or getattr(getattr(module, "__spec__", None), "_initializing", False):
        return importlib.import_module(name)  # waits for a thread that imports it
    return module


class Slot:
    """Marks a field of a Params that takes an option of a table.

    `optimizer: Annotated[Option, Slot(OPTIMIZERS)]` accepts "sgd", {"sgd": {"lr": 0.1}}, and an
    Option.

    Args:
        table: The options.
        optional: Whether the field may stay unset, None. Plans then do not have it at all, so a
            new field of this kind does not change the keys of older studies.
    """

    def __init__(self, table: Table, optional: bool = False) -> None:
        self.table = table
        self.optional = optional

    def option(self, value: Any) -> Option:
        """Returns the Option of a concrete value, one without domains.

        Raises:
            ValueError: The value names no option (UnknownName), or its parameters do not fit
                (pydantic.ValidationError).
        """
        if isinstance(value, Option):
            return value
        name, params = self.table.parse(value)
        return Option(name, self.table.get(name).Params.model_validate(params))

    def _field(self, value: Any) -> Option | None:
        return None if self.optional and value is None else self.option(value)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._field,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda option: option and option.dump()
            ),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Returns a loose schema for lists of parameters; the study file's schema is exact."""
        return {"anyOf": [{"type": "string"}, {"type": "object"}]}
