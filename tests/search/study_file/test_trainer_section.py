"""The sections of a study with the user's own trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.errors import UserError
from paretune.search.study_file.check import check_info
from paretune.search.study_file.loading import load_study
from support.studies import problems


def test_trainer_has_functions_quantities_and_baseline(trainer: Path) -> None:
    baseline = "baseline={width: 3, lr: 0.1, optimizer: {adam: {}}}"

    spec = load_study(trainer, [baseline])

    assert spec.trainer is not None
    assert (spec.trainer.evaluate, spec.trainer.cheap) == (
        "my_trainer:evaluate",
        "my_trainer:cheap",
    )
    assert spec.trainer.quantities == {"memory": "bytes"}
    assert spec.trainer.baseline == {"steps": 3, "width": 3, "lr": 0.1, "optimizer": {"adam": {}}}


MISTAKES = [
    ("evaluate=3", 'evaluate: give a function, "pkg.mod:function", not 3'),
    ("evaluate=no.such:thing", "there is no module no, neither installed nor in"),
    ("data=digits", "data: is for the built-in stages"),
    ("device=cpu", "device: is for the built-in stages"),
    ("objectives=", "objectives: is missing; name what your trainer returns"),
    ("objectives={a-b: minimize}", "give a name of letters, digits and _"),
    ("objectives.error=lower", "objectives.error: give a direction"),
    ("objectives.error={minimize: 3}", "give a unit such as ms, not 3"),
    ("objectives.error={minimize: ms, wrst: 3}", 'unknown key; did you mean "worst"'),
    ("objectives.error={minimize: ms, worst: x}", "worst: give a number, not 'x'"),
    ("quantities={error: ms}", "quantities.error: is an objective already"),
    ("quantities={a-b: ms}", "give a name of letters, digits and _"),
    ("quantities={memory: 3}", "give a unit such as ms, not 3"),
    ('constraints=["memry <= 3"]', 'unknown objective "memry"; did you mean "memory"'),
    ('constraints=["error <= 0.5 x baseline"]', "refers to the baseline, and there is none"),
    ('constraints=["latency <= 3 MB"]', 'wrong unit "MB"; give'),
    ("baseline={width: 3, lr: 1}", "baseline: give optimizer as well"),
    ("baseline={widht: 3}", 'unknown key; did you mean "width"'),
    ("baseline={width: {int: [1, 2]}, lr: 1, optimizer: a}", "takes fixed values"),
]


@pytest.mark.parametrize(("override", "text"), MISTAKES)
def test_mistake_is_refused(trainer: Path, override: str, text: str) -> None:
    assert text in "\n".join(problems(trainer, override))


@pytest.mark.parametrize("override", ["cheap=a:b", "quantities={a: ms}"])
def test_section_is_refused_when_there_is_no_evaluate(tiny: Path, override: str) -> None:
    with pytest.raises(UserError, match="is allowed only with evaluate"):
        load_study(tiny, [override])


def test_check_shows_the_functions_and_the_space(trainer: Path, cli: Any) -> None:
    info = check_info(load_study(trainer))

    assert info.stages == ("cheap my_trainer:cheap", "evaluate my_trainer:evaluate")
    assert info.objectives == ("minimize error [fraction]", "minimize latency [ms], worst 8")
    assert [p.name for p in info.parameters] == [
        "width",
        "lr",
        "optimizer",
        "optimizer.sgd.momentum",
    ]
    result = cli("check", trainer)
    assert result.code == 0, "the trainer, which raises an error, is not imported"
    assert "evaluate" in result.out and "runtime" not in result.out


def test_check_notes_settings_that_are_easily_overlooked(trainer: Path) -> None:
    def notes(override: str) -> str:
        return " / ".join(check_info(load_study(trainer, [override])).notes)

    without_scale = "objectives.latency={minimize: ms}"
    assert "give a baseline, or worst: to latency" in notes(without_scale)
    assert "give a baseline" not in notes("goals=[]")
    assert "quantities without a constraint or goal: memory" in notes("constraints=[]")
    assert "measured for constraints or goals only: memory" in notes("goals=[]")
