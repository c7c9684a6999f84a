"""The section `search.racing`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paretune.search.study.racing_options import RacingParams
from paretune.search.study_file.loading import load_study
from support.studies import problems

WITH_STEPS = "search.racing={steps: 9}"
BUILT_IN = ["space.finetune.epochs=4", "search.racing={}"]


def test_racing_is_off_unless_it_is_given(tiny: Path) -> None:
    assert load_study(tiny).racing is None
    assert load_study(tiny, BUILT_IN).racing == RacingParams()


# -- with the user's own trainer -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("search.racing=3", "search.racing: give a mapping, {steps: 27}, not 3"),
        ("search.racing={stps: 3}", 'unknown key; did you mean "steps"'),
        ("search.racing={eta: 3}", "search.racing.steps: field required"),
        ("search.racing.eta=1", "search.racing.eta: must be greater than or equal to 2"),
        ("search.racing.first=9", "search.racing.first: must be at most half of steps (9), got 9"),
    ],
)
def test_mistake_is_refused(trainer: Path, override: str, text: str) -> None:
    assert text in "\n".join(problems(trainer, WITH_STEPS, override))


def test_check_shows_the_steps_of_the_rungs(trainer: Path, cli: Any) -> None:
    result = cli("check", trainer, "--set", WITH_STEPS)

    assert result.code == 0
    assert "at steps 1, 3 of 9, 1 of 3 trials goes on" in result.out


# -- with the built-in stages --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (["search.racing=3"], "search.racing: give a mapping, {first: 1, eta: 3}, not 3"),
        (["search.racing.steps=9"], "search.racing.steps: is for your own trainer"),
        (
            ["search.racing.first=4"],
            "search.racing.first: must be at most half of finetune's epochs (4), got 4",
        ),
        (
            ["space.finetune=null"],
            "search.racing.first: must be at most half of pretrain's epochs (1), got 1",
        ),
        (["objectives={size: minimize}"], "search.racing: compares what training changes"),
    ],
)
def test_mistake_is_refused_when_there_are_built_in_stages(
    tiny: Path, overrides: list[str], text: str
) -> None:
    assert text in "\n".join(problems(tiny, *BUILT_IN, *overrides))


def options(*overrides: str) -> list[str]:
    return [text for override in (*BUILT_IN, *overrides) for text in ("--set", override)]


def test_check_shows_the_epochs_of_the_rungs(tiny: Path, cli: Any) -> None:
    result = cli("check", tiny, *options())

    assert result.code == 0
    assert "at epoch 1 of 4 of finetune, 1 of 3 trials goes on" in result.out
    info = json.loads(cli("check", tiny, *options(), "--json").out)
    assert info["racing"].startswith("at epoch 1 of 4")


def test_check_notes_when_racing_has_too_few_trials_to_complete_one(tiny: Path, cli: Any) -> None:
    assert "to its end" not in cli("check", tiny, *options()).out

    result = cli("check", tiny, *options("search.trials=2"))

    text = "racing trains no trial to its end before 3 have begun, and there are only 2"
    assert text in result.out
