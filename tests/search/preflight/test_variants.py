"""Variants take every branch of a section and both ends of each number, once."""

from __future__ import annotations

from typing import Any

from paretune.search.preflight.variants import Variant, random_choices, variants
from paretune.spaces.domains import Choice, Fixed, Float, Int, Record

ACTIVATIONS = Choice((("relu", Fixed("relu")), ("gelu", Fixed("gelu"))))
PLAIN = Record((("plain", Record((("width", Float(0.5, 2.0)),))),))
DEEP = Record((("deep", Record((("depth", Int(2, 9, step=3)), ("act", ACTIVATIONS)))),))
CUT = Choice((("cut", Record((("cut", Fixed({})),))), ("none", Fixed({"none": {}}))))
SPACE = Record((("architecture", Choice((("plain", PLAIN), ("deep", DEEP)))), ("pruning", CUT)))


def architectures() -> list[Any]:
    return [v.choices(SPACE)["architecture"] for v in variants(SPACE, "architecture")]


def test_every_branch_and_both_ends_of_each_number_are_taken_once() -> None:
    found = architectures()
    widths = [a["plain"]["width"] for a in found if "plain" in a]
    deep = [a["deep"] for a in found if "deep" in a]
    assert sorted(widths) == [0.5, 1.25, 2.0]
    assert {d["act"] for d in deep} == {"relu", "gelu"}
    assert {2, 8} <= {d["depth"] for d in deep}
    assert len(found) == len({str(a) for a in found})


def test_other_sections_take_none_while_one_is_tried() -> None:
    assert all(v.choices(SPACE)["pruning"] == {"none": {}} for v in variants(SPACE, "architecture"))


def test_section_without_a_choice_has_one_variant() -> None:
    space = Record((("pruning", Fixed({"none": {}})),))
    [variant] = variants(space, "pruning")
    assert variant == Variant()


def test_numbers_are_left_in_the_middle_when_not_asked_for() -> None:
    tried = variants(SPACE, "architecture", lambda name: False)
    widths = [
        a["plain"]["width"] for v in tried if "plain" in (a := v.choices(SPACE)["architecture"])
    ]
    assert widths == [1.25]


def test_values_stay_on_the_grid_of_their_domain() -> None:
    space = Record((("a", Int(1, 10, step=4)), ("b", Float(0.1, 0.85, step=0.2)),
                    ("c", Float(1e-4, 1e-2, log=True))))  # fmt: skip
    low, middle, high = (Variant(level=level).choices(space) for level in ("low", "middle", "high"))
    assert low == {"a": 1, "b": 0.1, "c": 1e-4}
    assert high == {"a": 9, "b": 0.7, "c": 1e-2}
    assert middle["a"] == 5
    assert middle["b"] in (0.3, 0.5)
    assert abs(middle["c"] - 1e-3) < 1e-9


def test_random_choices_are_the_same_for_the_same_seed_and_stay_in_their_domains() -> None:
    first, again = random_choices(SPACE, 40, seed=3), random_choices(SPACE, 40, seed=3)
    assert first == again
    assert first != random_choices(SPACE, 40, seed=4)
    assert {next(iter(c["architecture"])) for c in first} == {"plain", "deep"}
    for choices in first:
        match choices["architecture"]:
            case {"plain": {"width": width}}:
                assert 0.5 <= width <= 2.0
            case {"deep": {"depth": depth}}:
                assert depth in (2, 5, 8)
