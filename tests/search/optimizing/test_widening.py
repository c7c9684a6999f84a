"""Ranges and numbers that grow where the best trials lie at the border."""

from __future__ import annotations

import pytest

from paretune.search.optimizing.evidence import Evidence
from paretune.search.optimizing.space_edits import AddValue, SetRange
from paretune.search.optimizing.widening import widening_edits
from paretune.spaces.domains import Choice, Fixed, Float, Int, Record
from support.optimizing import tree, trial_of

RATIO = "pruning.structured.ratio"


def best_at(*values: float, name: str = RATIO) -> list[Evidence]:
    return [Evidence(n, {name: v, "other": n}, 0.5, 3, best=True) for n, v in enumerate(values)]


def new_range(edits: list[object]) -> tuple[float, float]:
    [edit] = edits
    assert isinstance(edit, SetRange)
    return edit.new


def test_range_grows_by_half_where_the_best_trials_lie_at_its_end() -> None:
    edits = widening_edits(tree(ratio=(0.1, 0.5)), best_at(0.48, 0.5, 0.47, 0.2, 0.3))
    assert new_range([*edits]) == pytest.approx((0.1, 0.7))
    assert edits[0].reason == "3 of the 5 best networks lie at its end"


@pytest.mark.parametrize("values", [(0.5,), (0.5, 0.2, 0.3, 0.3, 0.2), (0.5, 0.49, 0.2, 0.3, 0.2)])
def test_range_stays_after_few_trials_at_its_end(values: tuple[float, ...]) -> None:
    assert widening_edits(tree(ratio=(0.1, 0.5)), best_at(*values)) == []


def test_pruning_ratio_stays_below_one() -> None:
    edits = widening_edits(tree(ratio=(0.1, 0.9)), best_at(0.9, 0.89, 0.88))
    assert new_range([*edits]) == (0.1, 0.95)
    assert widening_edits(tree(ratio=(0.1, 0.95)), best_at(0.95, 0.94)) == []


def test_range_does_not_grow_towards_candidates_that_cannot_exist() -> None:
    impossible = [trial_of(9, impossible=True, pruning__structured__ratio=0.5)]
    trials = best_at(0.48, 0.49, 0.47)
    assert widening_edits(tree(ratio=(0.1, 0.5)), [*trials, *impossible]) == []
    elsewhere = [trial_of(9, impossible=True, pruning__structured__ratio=0.2)]
    assert widening_edits(tree(ratio=(0.1, 0.5)), [*trials, *elsewhere]) != []


def test_logarithmic_range_grows_on_its_own_scale() -> None:
    space = Record((("x", Record((("lr", Float(1e-3, 1e-1, log=True)),))),))
    edits = widening_edits(space, best_at(1e-3, 1.1e-3, name="x.lr"))
    assert new_range([*edits]) == pytest.approx((1e-4, 1e-1))


def test_integers_grow_in_steps_and_stay_positive() -> None:
    space = Record((("steps", Int(1, 4)),))
    assert widening_edits(space, best_at(1, 1, name="steps")) == []
    assert new_range([*widening_edits(space, best_at(4, 4, name="steps"))]) == (1, 6)
    space = Record((("depth", Int(8, 16, step=4)),))
    assert new_range([*widening_edits(space, best_at(8, 8, name="depth"))]) == (4, 16)


@pytest.mark.parametrize(
    ("widths", "at", "added"),
    [
        (("0.25", "0.5", "1.0"), "0.25", 0.125),
        (("0.25", "0.5", "1.0"), "1.0", 2.0),
        (("0.0625", "0.125"), "0.0625", 0.0312),
        (("0.5", "0.75", "1.0"), "0.5", 0.333),
        (("8", "16", "32"), "8", 4),
    ],
)
def test_choice_of_numbers_gets_the_next_one(
    widths: tuple[str, ...], at: str, added: float
) -> None:
    name = "units" if "8" in widths else "width"
    options = tuple((w, Fixed(float(w))) for w in widths)
    space = Record(((name, Choice(options)),))
    trials = [Evidence(n, {name: at, "other": n}, 0.5, 3, best=True) for n in range(3)]
    [edit] = widening_edits(space, trials)
    assert isinstance(edit, AddValue)
    assert edit.value == added


def test_architecture_gets_smaller_but_not_larger() -> None:
    name = "architecture.simple_cnn.width"
    small, large = (
        [Evidence(n, {name: label, "other": n}, 0.5, 3, best=True) for n in range(3)]
        for label in ("0.25", "1.0")
    )
    assert [edit.text for edit in widening_edits(tree(), small)] == [
        f"{name}: 0.125 comes in: 3 of the 3 best networks have 0.25"
    ]
    assert widening_edits(tree(), large) == []


def test_number_formats_of_one_network_count_once() -> None:
    name = "architecture.simple_cnn.width"
    formats = [
        Evidence(n, {name: "0.25", "quantization": label}, 0.5, 3, best=True)
        for n, label in enumerate(("none", "static", "float16"))
    ]
    assert widening_edits(tree(), formats) == []
    other = Evidence(9, {name: "0.25", "pruning": "structured"}, 0.5, 3, best=True)
    [edit] = widening_edits(tree(), [*formats, other])
    assert edit.reason == "2 of the 2 best networks have 0.25"


def test_choice_of_names_does_not_grow() -> None:
    trials = [trial_of(n, best=True, quantization="static") for n in range(5)]
    assert widening_edits(tree(), trials) == []


def test_width_does_not_grow_where_it_was_impossible() -> None:
    name = "architecture.simple_cnn.width"
    trials = [Evidence(n, {name: "0.25", "other": n}, 0.5, 3, best=True) for n in range(3)]
    impossible = Evidence(9, {name: "0.25"}, 0.0, 3, impossible=True)
    assert len(widening_edits(tree(), trials)) == 1
    assert widening_edits(tree(), [*trials, impossible]) == []


def test_value_that_was_tried_and_went_does_not_come_back() -> None:
    name = "architecture.simple_cnn.width"
    trials = [Evidence(n, {name: "0.25", "other": n}, 0.5, 3, best=True) for n in range(3)]
    went = Evidence(9, {name: "0.125"}, 0.0, 3)
    assert widening_edits(tree(), [*trials, went]) == []
