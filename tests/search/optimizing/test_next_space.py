"""The space of the next round: all edits together, and only those that are valid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.search.optimizing.evidence import Evidence
from paretune.search.optimizing.first_plans import MOST_FIRST, first_plans
from paretune.search.optimizing.next_space import next_space
from paretune.search.optimizing.space_edits import SetEpochs, SetRange
from support.optimizing import SPACE, TREE, trial_of

RATIO = "pruning.structured.ratio"
EPOCHS = [SetEpochs("finetune.epochs", (3, 6), "half")]


def high_ratios() -> list[Evidence]:
    """Returns good trials at the upper end of the ratio, and bad ones at the lower end."""
    good = [Evidence(n, {RATIO: 0.46 + 0.01 * n}, 0.5, 3, best=n < 4) for n in range(5)]
    return [*good, *(Evidence(9 + n, {RATIO: 0.12}, 0.0, 3) for n in range(3))]


def test_range_narrows_at_one_end_and_widens_at_the_other() -> None:
    result = next_space(SPACE, TREE, high_ratios(), EPOCHS)
    [edit] = [edit for edit in result.edits if isinstance(edit, SetRange)]
    assert edit.new == (0.36, 0.7)
    assert "good trials lie in" in edit.reason and "lie at its end" in edit.reason
    structured = result.space["pruning"]["choice"]["structured"]
    assert structured["ratio"] == {"float": [0.36, 0.7]}
    assert result.space["finetune"]["epochs"] == {"choice": [3, 6]}


def test_edit_that_the_study_file_refuses_is_left_out() -> None:
    def accepts(space: Mapping[str, Any]) -> bool:
        structured = space["pruning"]["choice"]["structured"]
        return structured["ratio"]["float"][1] <= 0.5

    result = next_space(SPACE, TREE, high_ratios(), EPOCHS, accepts)
    [edit] = [edit for edit in result.edits if isinstance(edit, SetRange)]
    assert edit.new == (0.36, 0.5)


def test_space_stays_without_evidence() -> None:
    result = next_space(SPACE, TREE, [], [])
    assert result.space == SPACE and result.edits == ()


def test_domain_that_stands_for_every_layer_stays() -> None:
    per_layer = {"structured": {"per_layer": {"float": [0.1, 0.5]}}}
    space = {**SPACE, "pruning": {"choice": {"none": {}, **per_layer}}}
    assert next_space(space, TREE, high_ratios(), []).space == space


def promising(number: int, ratio: float, **options: Any) -> Evidence:
    return trial_of(
        number,
        0.5,
        architecture__simple_cnn__width="0.5",
        pruning="structured",
        pruning__structured__ratio=ratio,
        finetune__optimizer__adamw__lr=1e-3,
        quantization="static",
        **options,
    )


def test_promising_trials_are_tried_first_with_more_epochs() -> None:
    trials = [promising(n, 0.2 + 0.01 * n, best=n == 5) for n in range(9)]
    plans = first_plans(TREE, trials, EPOCHS)
    assert len(plans) == MOST_FIRST
    assert plans[0][RATIO] == 0.25  # the one near the goals
    assert plans[0]["quantization"] == "static"


def test_trials_outside_the_next_space_are_not_tried_again() -> None:
    assert first_plans(TREE, [promising(1, 0.7)], EPOCHS) == []
    assert len(first_plans(TREE, [promising(1, 0.4)], EPOCHS)) == 1


def test_nothing_is_tried_again_without_more_epochs() -> None:
    same = [SetEpochs("finetune.epochs", (12,), "all")]
    assert first_plans(TREE, [promising(1, 0.4)], same) == []
