"""Learning rates that are tried by short trainings."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from paretune.search.starting.facts import TriedRate
from paretune.search.starting.first_recipe import first_recipe
from paretune.search.starting.network_attempts import NetworkAttempts
from paretune.search.starting.rate_attempts import tried_rates
from support.start_facts import structured


class Losses:
    """Stands for trainings whose loss depends on the rate alone."""

    def __init__(self, losses: Mapping[float, float]) -> None:
        self._losses = losses
        self.built: list[dict[str, Any]] = []

    def build(self, **choices: Any) -> Any:
        self.built.append(choices)
        stage = "finetune" if "finetune" in choices else "pretrain"
        lr = choices[stage]["optimizer"]["adamw"]["lr"]
        if lr not in self._losses:
            raise FloatingPointError("the loss is not finite")
        return SimpleNamespace(losses={stage: self._losses[lr]})


def rates(losses: Losses, trained: bool, brief: bool) -> list[TriedRate]:
    recipe = first_recipe(16, None, "random")
    networks = cast(NetworkAttempts, losses)
    return list(tried_rates(networks, recipe, trained, brief, structured(0.5, 0.3)))


def test_all_rates_are_tried_until_one_diverges() -> None:
    losses = Losses({1e-4: 0.9, 3e-4: 0.5, 1e-3: 0.7})
    assert rates(losses, trained=False, brief=False) == [
        TriedRate(1e-4, 0.9), TriedRate(3e-4, 0.5), TriedRate(1e-3, 0.7), TriedRate(3e-3, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("losses", "tried"),
    [({1e-3: 0.5, 3e-3: 0.6, 1e-2: 0.1}, 2), ({1e-3: 0.5, 3e-3: 0.4, 1e-2: 0.6}, 3)],
)
def test_brief_survey_tries_no_rate_beyond_the_lowest_loss(
    losses: dict[float, float], tried: int
) -> None:
    assert len(rates(Losses(losses), trained=False, brief=True)) == tried


def test_trained_network_is_pruned_before_its_finetuning() -> None:
    losses = Losses(dict.fromkeys((1e-4, 3e-4, 1e-3), 0.5))
    assert [rate.lr for rate in rates(losses, trained=True, brief=True)] == [1e-4, 3e-4, 1e-3]
    assert {choices["pruning"]["structured"]["ratio"] for choices in losses.built} == {0.5}
