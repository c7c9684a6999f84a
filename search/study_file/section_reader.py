"""What all sections of a study file have in common."""

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
    """Reads sections of one document; mistakes are noted, and None stands for what is wrong.

    Args:
        document: The study file.
        problems: Where mistakes are noted.
    """

    def __init__(self, document: Document, problems: Problems) -> None:
        self.document = document
        self.data = document.data
        self.problems = problems

    def mapping(self, section: str) -> Mapping[str, Any] | None:
        """A section that is a mapping; None where it is not given."""
        value = self.data.get(section)
        if value is None or isinstance(value, Mapping):
            return value
        self.problems.add((section,), f"give a mapping, not {value!r}")
        return {}

    def known(self, section: Mapping[str, Any], known: Sequence[str], key: Key) -> None:
        """Notes the keys that nobody knows."""
        for name in section:
            if name not in known:
                self.problems.unknown((*key, str(name)), known)

    def plain(
        self,
        params: type[Any],
        values: Mapping[str, Any],
        key: Key,
        besides: Sequence[str] = (),
    ) -> dict[str, Any] | None:
        """Literal values checked against a Params; None when something is wrong."""
        fields = params.model_fields
        unknown = [name for name in values if name not in fields]
        for name in unknown:
            self.problems.unknown((*key, str(name)), [*fields, *besides])
        known = {name: value for name, value in values.items() if name in fields}
        try:
            checked = params.model_validate(known)
            return None if unknown else dict(checked.model_dump())
        except ValidationError as error:
            for one in error.errors(include_url=False):
                where = (*key, *(str(step) for step in one["loc"]))
                single = ValidationError.from_exception_data(error.title, [_line(one)])
                self.problems.add(where, message(single, one["input"]))
            return None

    def concrete(self, node: Node, key: Key) -> Selection | None:
        """The single option of a tree, which must have no parameters to search."""
        searched = [p.name for p in parameters(node)]
        if searched:
            self.problems.add(key, "takes fixed values; only `space` is searched")
            return None
        value = assign(node, lambda name, domain: None)
        if not isinstance(value, Mapping):
            return None  # a mistake that is noted already
        [(name, params)] = value.items()
        return Selection(name, params)


def _line(error: Any) -> Any:
    """An error's details in the form that makes a ValidationError of it."""
    return {key: error[key] for key in ("type", "loc", "input", "ctx") if key in error}
