"""A study file's text as plain data: scalars, lines, what is refused, --set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paretune.search.study_file.document import Document, read_document
from paretune.search.study_file.problems import StudyFileError


def document(tmp_path: Path, text: str, *overrides: str) -> Document:
    file = tmp_path / "study.yaml"
    file.write_text(text, encoding="utf-8")
    return read_document(file, overrides)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E-3", 0.001),
        ("1.5e+2", 150.0),
        (".5", 0.5),
        ("-3.", -3.0),
        ("3", 3),
        ("+3", 3),
        ("007", 7),
        ("-0", 0),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("no", "no"),
        ("NO", "NO"),
        ("y", "y"),
        ("0x10", "0x10"),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("'1e-3'", "1e-3"),
        ('"true"', "true"),
        ("[1, 1e-3, a]", [1, 0.001, "a"]),
        ("{b: {c: 1e-2}}", {"b": {"c": 0.01}}),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_scalar_follows_yaml_1_2(tmp_path: Path, text: str, value: Any) -> None:
    actual = document(tmp_path, f"a: {text}\n").data["a"]

    assert actual == value
    assert type(actual) is type(value)


def test_alias_has_the_value_of_its_anchor(tmp_path: Path) -> None:
    data = document(tmp_path, "a: &recipe {epochs: 3}\nb: *recipe\n").data

    assert data == {"a": {"epochs": 3}, "b": {"epochs": 3}}


MERGED = {
    "one mapping": ("{<<: *r, lr: 2}", {"epochs": 3, "lr": 2}),
    "own key first": ("{lr: 2, <<: *r}", {"epochs": 3, "lr": 2}),
    "list": ("{<<: [*s, *r], x: 0}", {"epochs": 5, "batch": 8, "lr": 1, "x": 0}),
    "empty list": ("{<<: [], x: 0}", {"x": 0}),
    "plain mapping": ("{<<: {epochs: 7, x: {y: 1}}}", {"epochs": 7, "x": {"y": 1}}),
    "merged again": ("{<<: *t}", {"epochs": 3, "lr": 9}),
    "quoted": ('{"<<": 1}', {"<<": 1}),
    "value": ("<<", "<<"),
}


@pytest.mark.parametrize(("text", "value"), MERGED.values(), ids=MERGED)
def test_merge_key_takes_the_keys_that_a_mapping_lacks(
    tmp_path: Path, text: str, value: Any
) -> None:
    anchors = "r: &r {epochs: 3, lr: 1}\ns: &s {epochs: 5, batch: 8}\nt: &t {<<: *r, lr: 9}\n"

    data = document(tmp_path, f"{anchors}a: {text}\n").data

    assert data["a"] == value
    assert data["r"] == {"epochs": 3, "lr": 1}


def test_merged_mappings_are_changed_apart(tmp_path: Path) -> None:
    data = document(tmp_path, "a: &a {b: {c: 1}}\nd: {<<: *a}\n", "d.b.c=2").data

    assert data == {"a": {"b": {"c": 1}}, "d": {"b": {"c": 2}}}


def test_where_is_the_line_in_which_a_merged_value_stands(tmp_path: Path) -> None:
    text = "a: &a\n  b: 1\n  c:\n    d: 2\nd:\n  <<: *a\n  b: 3\n"
    parsed = document(tmp_path, text)

    assert parsed.where(("d", "b")) == f"{parsed.file}:7"
    assert parsed.where(("d", "c", "d")) == f"{parsed.file}:4"
    assert parsed.where(("d", "missing")) == f"{parsed.file}:5"


def test_where_is_the_line_of_the_nearest_key_above(tmp_path: Path) -> None:
    parsed = document(tmp_path, "a: 1\nb:\n  c: 2\n  d: [x,\n      y]\n")

    assert parsed.where(("b", "c")) == f"{parsed.file}:3"
    assert parsed.where(("b", "d", "1")) == f"{parsed.file}:5"
    assert parsed.where(("b", "missing", "deeper")) == f"{parsed.file}:2"
    assert parsed.where(("missing",)) == f"{parsed.file}:1"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "a study file is a mapping of sections"),
        ("# nothing but a comment\n", 1, "a study file is a mapping of sections"),
        ("- a\n- b\n", 1, "a study file is a mapping of sections"),
        ("just a word\n", 1, "a study file is a mapping of sections"),
        ("a: 1\na: b: c\n", 2, "this is not YAML: mapping values are not allowed here"),
        ("a: 1\nb: [1, 2\n", 3, "this is not YAML: "),
        ("a: 1\n\tb: 2\n", 2, "this is not YAML: found character '\\t'"),
        ("a: *nowhere\n", 1, "this is not YAML: found undefined alias 'nowhere'"),
        ("a: 1\n---\nb: 2\n", 2, "this is not YAML: but found another document"),
        ("a: 1\nb: 2\na: 3\n", 3, "a: duplicate key; the first one is in line 1"),
        ("a:\n  b: 1\n  b: 2\n", 3, "a.b: duplicate key; the first one is in line 2"),
        ("a: 1\nb: !!python/object:os.system {}\n", 2, "b: the tag !!python/object:os.system "),
        ("a: 1\nb: !!python/object/apply:os.getcwd []\n", 2, "b: the tag !!python/object/apply:"),
        ("a: !!python/name:os.system\n", 1, "a: the tag !!python/name:os.system is not allowed"),
        ("a: !!python/tuple [1]\n", 1, "a: the tag !!python/tuple is not allowed"),
        ("a: !own 3\n", 1, "a: the tag !own is not allowed; give plain values"),
        ("a: !!set {b, c}\n", 1, "a: the tag !!set is not allowed"),
        ("a: !!binary aGk=\n", 1, "a: the tag !!binary is not allowed"),
        ("a: !!int many\n", 1, "a: give a finite number of at most 18 digits, not many"),
        (f"a: -{'9' * 19}\n", 1, f"a: give a finite number of at most 18 digits, not -{'9' * 19}"),
        ("b: 1\na: .inf\n", 2, "a: give a finite number of at most 18 digits, not .inf"),
        ("a: .nan\n", 1, "a: give a finite number of at most 18 digits, not .nan"),
        ("a: 1e999\n", 1, "a: give a finite number of at most 18 digits, not 1e999"),
        (f"a: {'9' * 19}\n", 1, f"a: give a finite number of at most 18 digits, not {'9' * 19}"),
        (f"a: {'9' * 5000}\n", 1, "a: give a finite number of at most 18 digits, not 999"),
        ("a: 1\n? [b, c]\n: 3\n", 1, "a key must be a word, not a list or a mapping"),
        ("b: 1\na: &x [*x]\n", 2, "a.0: an alias leads back to itself"),
        ("b: 1\na: &x {<<: *x}\n", 2, "a.<<: an alias leads back to itself"),
        ("b: 1\na: &x {<<: {c: *x}}\n", 2, "a.c: an alias leads back to itself"),
        ("a:\n  <<: 3\n", 2, "a.<<: merges a mapping or a list of mappings: <<: *anchor"),
        ("a: 1\n<<: [{b: 1}, c]\n", 2, "<<: merges a mapping or a list of mappings"),
        ("a:\n  <<: {b: 1}\n  <<: {c: 1}\n", 3, "a.<<: duplicate key; merge several mappings"),
        ("a:\n  <<:\n    b: 1\n    b: 2\n", 4, "a.b: duplicate key; the first one is in line 3"),
        ("a:\n  <<: !!set {b}\n", 2, "a.<<: the tag !!set is not allowed"),
        ("a:\n  <<: {b: !x 1}\n", 2, "a.b: the tag !x is not allowed"),
    ],
)
def test_text_is_refused_with_its_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(StudyFileError) as error:
        document(tmp_path, text)

    [problem] = error.value.problems
    assert problem.startswith(f"{tmp_path / 'study.yaml'}:{line}: {message}")


def test_text_is_refused_when_it_is_nested_without_end(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match="nested too deeply"):
        document(tmp_path, "a: " + "[" * 600)


def test_control_character_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match="this is not YAML: unacceptable character"):
        document(tmp_path, "a: \x01")


def test_file_is_refused_when_it_is_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(StudyFileError, match=r"cannot be read: it is not UTF-8 text"):
        read_document(file)


def test_file_is_refused_when_it_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError, match=r"cannot be read: Is a directory"):
        read_document(tmp_path)


def test_all_tags_and_duplicates_are_reported_together(tmp_path: Path) -> None:
    with pytest.raises(StudyFileError) as error:
        document(tmp_path, "a: !x 1\nb: 1\nb: 2\nc: [!y 3]\n")

    assert [line.split(": ", 1)[1].split(":")[0] for line in error.value.problems] == [
        "a",
        "b",
        "c.0",
    ]


# -- --set ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "data"),
    [
        ("a.b=2", {"a": {"b": 2, "c": [1]}, "d": "none"}),
        ("a.b=1e-3", {"a": {"b": 0.001, "c": [1]}, "d": "none"}),
        ("a.new=x", {"a": {"b": 1, "c": [1], "new": "x"}, "d": "none"}),
        (
            "e.f.g={h: [1, 2]}",
            {"a": {"b": 1, "c": [1]}, "d": "none", "e": {"f": {"g": {"h": [1, 2]}}}},
        ),
        ("a={b: 5}", {"a": {"b": 5}, "d": "none"}),
        ("d.ratio=0.5", {"a": {"b": 1, "c": [1]}, "d": {"ratio": 0.5}}),
        ("d=", {"a": {"b": 1, "c": [1]}, "d": None}),
        ("d=x=y", {"a": {"b": 1, "c": [1]}, "d": "x=y"}),
        (" a . b =3", {"a": {"b": 3, "c": [1]}, "d": "none"}),
    ],
)
def test_override_sets_the_value(tmp_path: Path, override: str, data: dict[str, Any]) -> None:
    text = "a: {b: 1, c: [1]}\nd: none\n"

    assert document(tmp_path, text, override).data == data


def test_later_override_wins(tmp_path: Path) -> None:
    assert document(tmp_path, "a: 1\n", "a=2", "a=3").data == {"a": 3}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("search.seed", "--set search.seed: give a key and a value: --set search.seed=1"),
        ("=3", "--set =3: give a key and a value: --set search.seed=1"),
        ("a.b.c=3", "--set a.b.c=3: a.b is not a mapping"),
        ("l.0=3", "--set l.0=3: l is not a mapping"),
        ("a.b=[1", "--set a.b=[1: this is not YAML: "),
        ("a.b={x: 1, x: 2}", "--set a.b={x: 1, x: 2}: x: duplicate key"),
        (
            "a.b=!!python/object/apply:os.getcwd []",
            "--set a.b=!!python/object/apply:os.getcwd []: the tag !!python/object/apply:os.getcwd"
            " is not allowed; give plain values",
        ),
        ("a.b=.inf", "--set a.b=.inf: give a finite number"),
    ],
)
def test_wrong_override_is_named_in_its_mistake(
    tmp_path: Path, override: str, message: str
) -> None:
    with pytest.raises(StudyFileError) as error:
        document(tmp_path, "a: {b: 1}\nl: [1]\n", override)

    [problem] = error.value.problems
    assert problem.startswith(message)


@pytest.mark.parametrize(
    ("overrides", "key", "origin"),
    [
        (["a.b=2"], ("a", "b"), "--set a.b=2"),
        (["a={b: 2}"], ("a", "b"), "--set a={b: 2}"),
        (["a={b: {c: 1}}"], ("a", "b", "c"), "--set a={b: {c: 1}}"),
        (["a.b=2", "a={b: 3}"], ("a", "b"), "--set a={b: 3}"),
        (["n.x.y=2"], ("n",), "--set n.x.y=2"),
        (["d.x=2"], ("d",), "--set d.x=2"),
    ],
)
def test_where_is_the_override_that_a_value_comes_from(
    tmp_path: Path, overrides: list[str], key: tuple[str, ...], origin: str
) -> None:
    parsed = document(tmp_path, "a: {b: {c: 1}}\nd: none\n", *overrides)

    assert parsed.where(key) == origin


def test_where_is_the_file_for_a_key_next_to_an_override(tmp_path: Path) -> None:
    parsed = document(tmp_path, "a:\n  b: 1\n  c: 2\n", "a.b=2")

    assert parsed.where(("a", "c")) == f"{parsed.file}:3"


# -- properties ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("document") / "study.yaml"


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abcxyz_", min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=60, deadline=None)
@given(data=st.dictionaries(st.text("abcxyz_", min_size=1, max_size=4), plain, max_size=4))
def test_json_is_read_unchanged(file: Path, data: Any) -> None:
    file.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")

    assert read_document(file).data == data


@settings(max_examples=100, deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_float_in_python_spelling_is_read_exactly(file: Path, value: float) -> None:
    file.write_text(f"a: {value!r}\n", encoding="utf-8")

    actual = read_document(file).data["a"]

    assert isinstance(actual, float)
    assert actual == value
