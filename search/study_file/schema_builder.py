"""Builds JSON Schemas from tables, Params and domains; each once, as a definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from paretune.search.study_file.space import default_of, item_of, nested_of, slot_of, takes_mapping
from paretune.spaces.table import Table, first_line

Schema = dict[str, Any]

PATH = r"^[\w.]+:[\w.]+$"
"""Pattern of the dotted path of a user's own entry."""


class SchemaBuilder:
    """Builds each table's, Params' and domain's schema once, as a definition to refer to."""

    def __init__(self) -> None:
        self.definitions: dict[str, Schema] = {}

    def option(self, table: Table, searched: bool = True) -> Schema:
        """Returns the schema of one option of a table; if `searched`, also of a choice of them."""
        return self._defined(table.kind, searched, lambda: self._option(table, searched))

    def record(self, params: type[BaseModel], searched: bool = True) -> Schema:
        """Returns the schema of a mapping of parameters; if `searched`, they may be domains."""
        name = f"{params.__module__}.{params.__qualname__}"
        return self._defined(name, searched, lambda: self._record(params, searched))

    def _defined(self, name: str, searched: bool, make: Callable[[], Schema]) -> Schema:
        key = name.replace(" ", "_") + ("" if searched else ".fixed")
        if key not in self.definitions:
            self.definitions[key] = {}  # reserves the name while its parts are made
            self.definitions[key] = make()
        return {"$ref": f"#/$defs/{key}"}

    def _option(self, table: Table, searched: bool) -> Schema:
        single = self._spellings(table, searched)
        if not searched:
            return {"anyOf": single}
        about = f"one of several: each {table.kind} with its parameters"
        choice = {
            "description": about,
            "anyOf": [
                {**self._branches(table), "minProperties": 1},
                {"type": "array", "minItems": 1, "items": {"anyOf": single}},
            ],
        }
        return {"anyOf": [*single, object_schema({"choice": choice}, about, ["choice"])]}

    def _spellings(self, table: Table, searched: bool) -> list[Schema]:
        """Returns the schemas of an option: name, {name: ...}, or {name: primary, other: ...}."""
        bare = [name for name in table.names if not _required(table.get(name).Params)]
        about = "; ".join(f"{name}: {first_line(table.get(name))}" for name in bare)
        spellings: list[Schema] = [{"enum": bare, "description": about}]
        for name in table.names:
            entry = table.get(name)
            about = first_line(entry)
            record = {**or_null(self.record(entry.Params, searched)), "description": about}
            spellings.append(object_schema({name: record}, about, [name]))
            primary = getattr(entry, "primary", None)
            if primary is not None:
                rest = self.properties(entry.Params, searched)
                spelled = {name: rest.pop(primary), **rest}
                spellings.append(object_schema(spelled, about, [name]))
        return [*spellings, *_by_path(table)]

    def _branches(self, table: Table) -> Schema:
        records = {
            name: {
                **or_null(self.record(table.get(name).Params)),
                "description": first_line(table.get(name)),
            }
            for name in table.names
        }
        return {
            "type": "object",
            "additionalProperties": False,
            "properties": records,
            "patternProperties": {PATH: {}},
        }

    def _record(self, params: type[BaseModel], searched: bool) -> Schema:
        about = (params.__doc__ or "").splitlines()[0]
        return object_schema(self.properties(params, searched), about, _required(params) or None)

    def properties(self, params: type[BaseModel], searched: bool) -> Schema:
        """Returns name -> schema of the parameters, each with its description and default."""
        return {
            name: {**self._field(info, searched), **_about(info)}
            for name, info in params.model_fields.items()
        }

    def _field(self, info: FieldInfo, searched: bool) -> Schema:
        slot, nested = slot_of(info), nested_of(info)
        if slot is not None:
            option = self.option(slot.table, searched)
            return or_null(option) if slot.optional else option
        if nested is not None:
            return self.record(nested, searched)
        leaf = TypeAdapter(info.rebuild_annotation()).json_schema()
        self._fill_lists(leaf, item_of(info), searched)
        if not searched:
            return leaf
        if not takes_mapping(info):
            return self._searched(leaf)
        if leaf.get("additionalProperties") is True:
            return leaf
        literal_or_domain = self._searched(leaf["additionalProperties"])
        domains = literal_or_domain["anyOf"][1:]  # one domain for each layer
        return {"anyOf": [*domains, {"type": "object", "additionalProperties": literal_or_domain}]}

    def _fill_lists(self, leaf: Schema, item: Any, searched: bool) -> None:
        """Replaces the schema of a list's items by parameters, or by a literal or domain."""
        leaf.pop("$defs", None)
        for part in leaf.get("anyOf", [leaf]):
            if part.get("type") != "array" or item is None:
                continue
            if isinstance(item, type) and issubclass(item, BaseModel):
                part["items"] = self.record(item, searched)
            elif searched:
                part["items"] = self._searched(part["items"])

    def _searched(self, literal: Schema) -> Schema:
        """Returns the schema of a literal or a domain of it."""
        kinds = {part.get("type") for part in literal.get("anyOf", [literal])}
        values = {
            "type": "array",
            "description": "the values to choose from",
            "minItems": 1,
            "items": literal,
        }
        options = [literal, object_schema({"choice": values}, "one of these values", ["choice"])]
        if "number" in kinds:
            options.append(self._range("float", "number"))
        if kinds & {"integer", "number"}:
            options.append(self._range("int", "integer"))
        return {"anyOf": options}

    def _range(self, kind: str, number: str) -> Schema:
        """Returns the schema of a domain of numbers."""
        ends = {
            "type": "array",
            "description": "[low, high], both included",
            "minItems": 2,
            "maxItems": 2,
            "items": {"type": number},
        }
        log = {
            "type": "boolean",
            "description": "search the logarithm of the number; low must be above 0",
            "default": False,
        }
        step = {
            "type": number,
            "description": "distance between the values; it must lead from low to high",
            "exclusiveMinimum": 0,
        }
        domain = object_schema(
            {kind: ends, "log": log, "step": step}, f"{kind}: a {number} from a range", [kind]
        )
        return self._defined(f"domain.{kind}", True, lambda: domain)


def _by_path(table: Table) -> list[Schema]:
    """Returns the schemas of a user's own entry: its path, or {path: parameters}."""
    about = f"your own {table.kind}, by its dotted path"
    mapping = {
        "type": "object",
        "description": about,
        "additionalProperties": False,
        "patternProperties": {PATH: {}},
        "minProperties": 1,
        "maxProperties": 1,
    }
    return [{"type": "string", "pattern": PATH, "description": about}, mapping]


def _about(info: FieldInfo) -> Schema:
    """Returns the description of a field, and its default if it has one."""
    slot = slot_of(info)
    text = info.description or (f"{slot.table.kind}: a name, or {{name: options}}" if slot else "")
    about: Schema = {"description": text} if text else {}
    return about if info.is_required() else {**about, "default": default_of(info)}


def or_null(schema: Schema) -> Schema:
    """Returns the schema of a value that may also be null."""
    return {"anyOf": [schema, {"type": "null"}]}


def _required(params: type[BaseModel]) -> list[str]:
    return [name for name, info in params.model_fields.items() if info.is_required()]


def object_schema(
    properties: Schema, description: str, required: list[str] | None = None
) -> Schema:
    """Returns the schema of a mapping with these keys and no others."""
    schema: Schema = {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": properties,
    }
    return {**schema, "required": required} if required else schema
