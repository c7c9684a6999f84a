"""What the readers of all sections have in common."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field

from paretune.search.study.spec import Selection
from paretune.search.study_file.document import Document
from paretune.search.study_file.problems import Problems, StudyFileError
from paretune.search.study_file.section_reader import SectionReader
from paretune.spaces.domains import Fixed, Int, Node, Record
from paretune.spaces.params import Params


class Limits(Params):
    """Two plain values."""

    trials: int = Field(3, ge=1)
    stop: bool = False


def reader(**data: Any) -> SectionReader:
    document = Document("x.yaml", data)
    return SectionReader(document, Problems(document.where))


def texts(sections: SectionReader) -> list[str]:
    try:
        sections.problems.raise_any()
    except StudyFileError as error:
        return [line.removeprefix("x.yaml: ") for line in error.problems]
    return []


def test_mapping_is_none_when_the_section_is_missing_or_null() -> None:
    sections = reader(empty=None, full={"a": 1})

    assert sections.mapping("missing") is None
    assert sections.mapping("empty") is None
    assert sections.mapping("full") == {"a": 1}
    assert texts(sections) == []


def test_mapping_is_empty_when_the_section_is_wrong() -> None:
    sections = reader(wrong=3)

    assert sections.mapping("wrong") == {}
    assert texts(sections) == ["wrong: give a mapping, not 3"]


def test_keys_are_refused_when_they_are_unknown() -> None:
    sections = reader()

    sections.check_keys({"trials": 1, "trails": 2}, ["trials"], ("budget",))

    assert texts(sections) == ['budget.trails: unknown key; did you mean "trials"? Known: trials.']


@pytest.mark.parametrize(
    ("values", "checked", "problems"),
    [
        ({}, {"trials": 3, "stop": False}, []),
        ({"trials": 5}, {"trials": 5, "stop": False}, []),
        ({"trials": 0}, None, ["budget.trials: must be greater than or equal to 1, got 0"]),
        (
            {"trials": "x", "sotp": True},
            None,
            [
                'budget.sotp: unknown key; did you mean "stop"? Known: trials, stop, time.',
                "budget.trials: must be a valid integer, got 'x'",
            ],
        ),
    ],
)
def test_values_are_checked_with_their_defaults(
    values: dict[str, Any], checked: dict[str, Any] | None, problems: list[str]
) -> None:
    sections = reader()

    assert sections.checked(Limits, values, ("budget",), ["time"]) == checked
    assert texts(sections) == problems


@pytest.mark.parametrize(
    ("node", "selection", "problems"),
    [
        (Record((("sgd", Fixed({"lr": 0.1})),)), Selection("sgd", {"lr": 0.1}), []),
        (
            Record((("sgd", Record((("epochs", Int(1, 3)),))),)),
            None,
            ["runtime: takes fixed values; only `space` is searched"],
        ),
        (Fixed(None), None, []),
    ],
)
def test_fixed_option_is_refused_when_it_has_a_parameter(
    node: Node, selection: Selection | None, problems: list[str]
) -> None:
    sections = reader()

    assert sections.fixed_option(node, ("runtime",)) == selection
    assert texts(sections) == problems
