"""Options that go, and ranges that shrink; never after one bad draw, and never to nothing."""

from __future__ import annotations

from typing import Any

import pytest

from paretune.search.optimizing.evidence import Evidence
from paretune.search.optimizing.narrowing import LEAST_TRIALS, narrowing_edits
from paretune.search.optimizing.space_edits import DropOption, SetRange
from paretune.spaces.domains import Choice, Fixed, Float, Int, Record
from support.optimizing import TREE, tree, trial_of

RATIO = "pruning.structured.ratio"


def formats(bad: int, good: int = 2, best: bool = False) -> list[Evidence]:
    """Returns trials of which `bad` took dynamic, without a chance."""
    trials = [trial_of(n, 0.0, quantization="dynamic") for n in range(bad)]
    trials += [trial_of(50 + n, 0.5, quantization="static") for n in range(good)]
    return [*trials, trial_of(90, 0.0, best=best, quantization="dynamic")] if best else trials


def ratios(values: list[float], chance: float = 0.5, first: int = 0) -> list[Evidence]:
    return [
        trial_of(first + n, chance, pruning="structured", pruning__structured__ratio=value)
        for n, value in enumerate(values)
    ]


def test_option_goes_after_enough_trials_without_a_chance() -> None:
    [edit] = narrowing_edits(TREE, formats(LEAST_TRIALS))
    assert isinstance(edit, DropOption)
    assert (edit.name, edit.label) == ("quantization", "dynamic")
    assert edit.reason == "its 3 trials have no chance for the front"


@pytest.mark.parametrize("bad", range(LEAST_TRIALS))
def test_option_stays_after_few_bad_draws(bad: int) -> None:
    assert narrowing_edits(TREE, formats(bad)) == []


def test_option_stays_if_one_of_its_trials_has_a_chance() -> None:
    lucky = trial_of(99, 0.06, quantization="dynamic")
    assert narrowing_edits(TREE, [*formats(9), lucky]) == []


def test_option_of_a_trial_near_the_goals_stays() -> None:
    assert narrowing_edits(TREE, formats(9, best=True)) == []


def test_all_options_stay_if_none_has_a_chance() -> None:
    trials = [
        trial_of(n, 0.0, quantization=label)
        for n, label in enumerate(["none", "dynamic", "static"] * 5)
    ]
    assert narrowing_edits(TREE, trials) == []


def test_one_option_of_a_choice_goes_at_a_time() -> None:
    trials = [trial_of(n, 0.01, quantization="none") for n in range(4)]
    trials += [trial_of(10 + n, 0.0, quantization="dynamic") for n in range(4)]
    trials += [trial_of(20, 0.5, quantization="static")]
    [edit] = narrowing_edits(TREE, trials)
    assert isinstance(edit, DropOption) and edit.label == "dynamic"


def test_only_option_stays() -> None:
    trials = [trial_of(n, 0.0, quantization="dynamic") for n in range(9)]
    assert narrowing_edits(tree(formats=("dynamic",)), trials) == []


def test_range_shrinks_to_its_good_trials_and_a_quarter() -> None:
    trials = [*ratios([0.2, 0.22, 0.25]), *ratios([0.4, 0.45, 0.5], chance=0.0, first=20)]
    [edit] = narrowing_edits(TREE, trials)
    assert isinstance(edit, SetRange) and edit.name == RATIO
    assert edit.old == (0.1, 0.5)
    assert edit.new == pytest.approx((0.1, 0.35))
    assert edit.reason == "the 3 good trials lie in 0.2 .. 0.25"


@pytest.mark.parametrize(
    "values",
    [
        ([0.2, 0.22], [0.4, 0.45, 0.5]),  # too few trials
        ([0.2, 0.22], [0.4, 0.45, 0.5, 0.44]),  # too few good ones
        ([0.12, 0.3, 0.45], [0.4, 0.45, 0.5]),  # it would hardly shrink
    ],
)
def test_range_stays_without_enough_evidence(values: tuple[list[float], list[float]]) -> None:
    good, bad = values
    trials = [*ratios(good), *ratios(bad, chance=0.0, first=20)]
    assert narrowing_edits(TREE, trials) == []


def test_range_never_shrinks_to_nothing() -> None:
    domain: Any = Float(0.1, 0.9)
    for _ in range(30):
        space = tree(ratio=(domain.low, domain.high))
        bad = ratios([domain.low, domain.high, domain.low], chance=0.0, first=20)
        edits = narrowing_edits(space, [*ratios([0.5, 0.5, 0.5]), *bad])
        if not edits:
            break
        [edit] = edits
        assert isinstance(edit, SetRange)
        domain = Float(*edit.new)
        assert domain.low < 0.5 < domain.high


def test_logarithmic_range_shrinks_on_its_own_scale() -> None:
    name = "finetune.optimizer.adamw.lr"
    good = [Evidence(n, {name: lr}, 0.5, 3) for n, lr in enumerate([1e-3, 1.5e-3, 2e-3])]
    bad = [Evidence(9 + n, {name: 1e-4}, 0.0, 3) for n in range(3)]
    [edit] = narrowing_edits(TREE, [*good, *bad])
    assert isinstance(edit, SetRange)
    assert edit.new == pytest.approx((3.16e-4, 6.32e-3), rel=0.01)


def test_ends_stay_on_the_grid_of_a_step() -> None:
    space = Record((("a", Float(0.0, 1.0, step=0.1)), ("b", Int(2, 32, step=2))))
    good = [Evidence(n, {"a": 0.5, "b": 8}, 0.5, 3) for n in range(3)]
    bad = [Evidence(9 + n, {"a": 1.0, "b": 32}, 0.0, 3) for n in range(3)]
    first, second = narrowing_edits(space, [*good, *bad])
    assert isinstance(first, SetRange) and isinstance(second, SetRange)
    assert first.new == (0.2, 0.8)
    assert second.new == (2, 16)
    assert all(isinstance(end, int) for end in second.new)


def test_epochs_are_left_to_the_rounds() -> None:
    space = Record((("epochs", Choice((("3", Fixed(3)), ("6", Fixed(6))))), ("x", Int(1, 2))))
    trials = [Evidence(n, {"epochs": "3"}, 0.0, 3) for n in range(9)]
    assert narrowing_edits(space, [*trials, Evidence(99, {"epochs": "6"}, 0.9, 6)]) == []
