"""The base of the classes that read sections of a study file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from paretune.search.study.spec import Selection
from paretune.search.study_file.document import Document
from paretune.search.study_file.problems import Key, Problems
from paretune.search.study_file.space import message
from paretune.spaces.domains import Node, assign, parameters


class SectionReader:
    """Reads sections of one document; notes mistakes, and returns None for a wrong value.

    Args:
        document: The study file.
        problems: Collects the mistakes.
    """

    def __init__(self, document: Document, problems: Problems) -> None:
        self.document = document
        self.data = document.data
        self.problems = problems

    def mapping(self, section: str) -> Mapping[str, Any] | None:
        """Returns a section that is a mapping; None if the file does not have it."""
        value = self.data.get(section)
        if value is None or isinstance(value, Mapping):
            return value
        self.problems.add((section,), f"give a mapping, not {value!r}")
        return {}

    def check_keys(self, section: Mapping[str, Any], names: Sequence[str], key: Key) -> None:
        """Notes the keys of a section at `key` that are not among `names`."""
        for name in section:
            if name not in names:
                self.problems.unknown_key((*key, str(name)), names)

    def checked(
        self,
        params: type[Any],
        values: Mapping[str, Any],
        key: Key,
        other_keys: Sequence[str] = (),
    ) -> dict[str, Any] | None:
        """Returns literal values checked against a Params; None if something is wrong.

        Args:
            params: The Params that checks them.
            values: Name -> literal.
            key: Their path in the study file.
            other_keys: Keys of the same mapping that are read elsewhere, for the error texts.
        """
        fields = params.model_fields
        unknown = [name for name in values if name not in fields]
        for name in unknown:
            self.problems.unknown_key((*key, str(name)), [*fields, *other_keys])
        valid_keys = {name: value for name, value in values.items() if name in fields}
        try:
            valid = params.model_validate(valid_keys)
            return None if unknown else dict(valid.model_dump())
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                path = (*key, *(str(step) for step in detail["loc"]))
                single = ValidationError.from_exception_data(error.title, [_line(detail)])
                self.problems.add(path, message(single, detail["input"]))
            return None

    def fixed_option(self, node: Node, key: Key) -> Selection | None:
        """Returns the single option of a tree; notes a mistake if it has parameters to search."""
        if list(parameters(node)):
            self.problems.add(key, "takes fixed values; only `space` is searched")
            return None
        value = assign(node, lambda name, domain: None)
        if not isinstance(value, Mapping):
            return None  # its mistake is noted already
        [(name, params)] = value.items()
        return Selection(name, params)


def _line(error: Any) -> Any:
    """Returns an error's details in the form that makes a ValidationError of it."""
    return {key: error[key] for key in ("type", "loc", "input", "ctx") if key in error}
