"""Plans as rows of numbers."""

from __future__ import annotations

import numpy as np

from paretune.search.views.plan_features import ABSENT, PlanFeatures


def plan(ratio: float | None, lr: float, name: str = "magnitude") -> list[dict[str, object]]:
    stages: list[dict[str, object]] = [{"kind": "pretrain", "params": {"lr": lr, "epochs": 3}}]
    if ratio is not None:
        options = {"ratio": ratio, "criterion": name}
        stages.append({"kind": "prune", "params": {"pruning": {"structured": options}}})
    return stages


def test_numbers_are_scaled_and_words_are_one_hot() -> None:
    rows = PlanFeatures([plan(0.2, 1e-3), plan(0.4, 1e-2, "taylor"), plan(0.3, 1e-1)]).rows
    assert np.allclose(rows[:, 0], [0, 0.5, 1])  # the logarithm of a range over decades
    assert np.allclose(rows[:, 1], [0, 1, 0.5])
    assert rows[:, 2:].tolist() == [[1, 0], [0, 1], [1, 0]]


def test_absent_number_lies_in_the_middle_and_its_stage_has_columns() -> None:
    rows = PlanFeatures([plan(0.2, 1e-3), plan(0.4, 1e-3), plan(None, 1e-3)]).rows
    assert ABSENT in rows[2]
    assert not np.array_equal(rows[2], rows[0])


def test_equal_plans_have_no_columns() -> None:
    assert PlanFeatures([plan(0.2, 1e-3)] * 3).rows.shape == (3, 0)
