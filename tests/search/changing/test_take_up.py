"""A changed study goes on: its trials stay, and mean what the new file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest

from paretune.search.database.reader import study_reader
from paretune.search.errors import UserError
from paretune.search.running.version_start import begin_version
from paretune.search.study.records import TrialRecord
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import Event, TrialStarted
from support.studies import url_of
from support.trainers import TrainerStudyFile, trainer_study

OPTIONS = "{depth: {int: [1, 9]}, mode: {choice: [a, b]}}"

COST = "constraints=[cost <= 4]"

BOUND = {"objectives": "objectives={error: minimize}", "quantities": "quantities={cost: ''}"}


@pytest.fixture
def study(tmp_path: Path) -> TrainerStudyFile:
    """A study with five trials."""
    study = trainer_study(tmp_path, OPTIONS, trials=5)
    study.run()
    return study


def versions_of(study: TrainerStudyFile) -> list[tuple[int, tuple[str, ...]]]:
    with study_reader(url_of(study.file)) as reader:
        return [(version.number, version.changes.texts) for version in reader.versions()]


def version_of(study: TrainerStudyFile, number: int) -> int:
    with study_reader(url_of(study.file)) as reader:
        return reader.version_of(number)


def front_of(study: TrainerStudyFile) -> set[int]:
    return set(study.record.members)


def expected_front(trials: tuple[TrialRecord, ...]) -> set[int]:
    """Returns the trials that no other feasible trial dominates, by their definition."""
    feasible = [t for t in trials if t.feasible and t.repeat_of is None]

    def beats(one: TrialRecord, other: TrialRecord) -> bool:
        pairs = [(one.values[name], other.values[name]) for name in one.values]
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    return {t.number for t in feasible if not any(beats(other, t) for other in feasible)}


def test_unchanged_study_has_no_versions(study: TrainerStudyFile) -> None:
    study.run("search.trials=6", "goals=[cost <= 3]")
    assert versions_of(study) == []
    assert study.notices == []


def test_wider_range_is_told_and_searched(study: TrainerStudyFile) -> None:
    before = {t.number: (t.state, t.values) for t in study.record.trials}
    study.run("space.depth={int: [1, 30]}", "search.trials=12")
    [text] = study.notices
    assert text == "version 2: depth 1 .. 9 -> 1 .. 30; 5 of 5 trials still belong to the space"
    after = {t.number: (t.state, t.values) for t in study.record.trials}
    assert before.items() <= after.items()
    assert max(t.params["depth"] for t in study.record.trials) > 9
    assert [number for number, _ in versions_of(study)] == [1, 2]
    assert (version_of(study, 1), version_of(study, 6)) == (1, 2)
    assert front_of(study) == expected_front(study.record.trials)


def test_trial_outside_the_space_stays_on_the_front(study: TrainerStudyFile, cli: Any) -> None:
    lost = next(t for t in study.record.front if t.params["mode"] == "b")
    study.run("space.mode={choice: [a, c]}", "space.depth={int: [2, 5]}", "search.trials=9")
    assert "mode: new option c; mode: option b dropped" in study.notices[0]
    assert "still belong" in study.notices[0]
    record = study.record
    assert lost.number in record.members
    assert {t.params["mode"] for t in record.trials if t.number > 5} <= {"a", "c"}
    out = cli("show", study.file, lost.number)
    assert "of version 1 of the study, outside the present space" in out.out
    assert "Versions" in Path(cli("report", study.file).out.strip()).read_text()


@pytest.mark.parametrize(
    "sampler",
    [
        "auto",
        "tpe",
        "nsga2",
        "random",
        "grid",
        "evolution",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("gp", "qmc", "nsga3")),
    ],
)
def test_sampler_goes_on_and_optuna_opens_the_study(tmp_path: Path, sampler: str) -> None:
    space = "{depth: {int: [1, 4]}, mode: {choice: [a, b]}, size: 3}"
    study = trainer_study(tmp_path, space, sampler, trials=6)
    study.run()
    changed = "space={depth: {int: [1, 6]}, mode: {choice: [b, c, a]}, size: {int: [1, 3]}}"
    study.run(changed, "search.trials=11")
    assert [t.state for t in study.record.trials] == ["complete"] * len(study.record.trials)
    assert sum(t.repeat_of is None for t in study.record.trials) == 11
    stored = optuna.load_study(study_name="depths", storage=url_of(study.file))
    assert [t.params["size"] for t in stored.trials[:6]] == [3] * 6
    assert {tuple(t.distributions["mode"].choices) for t in stored.trials} == {("b", "c", "a")}
    trial = stored.ask()
    assert trial.suggest_categorical("mode", ["b", "c", "a"]) in ("a", "b", "c")


def test_repeat_is_recognized_across_versions(tmp_path: Path) -> None:
    study = trainer_study(tmp_path, "{depth: {int: [1, 4]}}", "grid", trials=4)
    study.run()
    study.run("space.depth={int: [1, 6]}", "search.trials=6")
    assert sorted(study.calls) == [1, 2, 3, 4, 5, 6]


def test_changed_constraint_decides_again(study: TrainerStudyFile) -> None:
    free = front_of(study)
    study.run(COST)
    record = study.record
    assert [t.feasible for t in record.trials] == [t.values["cost"] <= 4 for t in record.trials]
    assert front_of(study) == expected_front(record.trials)
    assert record.growth[-1].members == tuple(sorted(record.growth[-1].members))
    assert "new constraint cost <= 4; " in study.notices[0]
    assert "meet the constraints, 5 before" in study.notices[0]
    study.run()
    assert "constraint cost <= 4 dropped" in study.notices[0]
    assert front_of(study) == free
    assert [number for number, _ in versions_of(study)] == [1, 2, 3]


def test_dropped_and_new_objective_need_no_training(study: TrainerStudyFile) -> None:
    both = front_of(study)
    study.run(*BOUND.values())
    assert "objective cost dropped" in study.notices[0]
    assert front_of(study) == {min(study.record.trials, key=lambda t: t.values["error"]).number}
    calls = len(study.calls)
    study.run()
    assert "new objective cost: minimize" in study.notices[0]
    assert len(study.calls) == calls
    assert front_of(study) == both
    stored = optuna.load_study(study_name="depths", storage=url_of(study.file))
    assert stored.metric_names == ["error", "cost"]
    assert all(len(trial.values) == 2 for trial in stored.trials)


def test_objective_that_only_training_knows_is_refused(study: TrainerStudyFile) -> None:
    before = study.record.trials
    with pytest.raises(UserError, match="loss is not known of any earlier trial") as error:
        study.run("objectives.loss=minimize")
    assert "paretune run NEW.yaml --from depths.yaml" in str(error.value)
    assert study.record.trials == before
    assert versions_of(study) == []


def test_worse_bound_and_order_are_taken_up(study: TrainerStudyFile) -> None:
    study.run("objectives={cost: {minimize: '', worst: 20}, error: {minimize: '', worst: 2}}")
    assert "cost: worst none -> 20" in study.notices[0]
    assert [axis.name for axis in study.record.axes] == ["cost", "error"]
    assert all(list(t.values) == ["cost", "error"] for t in study.record.trials)
    assert study.record.growth[-1].hypervolume is not None


# -- screening -----------------------------------------------------------------------------------

CHEAP = """

def cheap(plan):
    return {"cost": plan["depth"]}
"""


def test_trial_that_a_dropped_constraint_ended_is_tried_again(tmp_path: Path) -> None:
    study = trainer_study(tmp_path, "{depth: {int: [1, 6]}}", "grid", trials=6)
    [code] = study.file.parent.glob("depths_*.py")
    code.write_text(code.read_text() + CHEAP)
    study.file.write_text(study.file.read_text() + f'cheap: "{code.stem}:cheap"\n')
    study.run("constraints=[cost <= 2]")
    assert study.calls == [1, 2]
    study.run("constraints=[cost <= 4]", "search.trials=8")
    assert "2 trials that ended before training may be tried again" in study.notices[0]
    assert sorted(study.calls) == [1, 2, 3, 4]
    record = study.record
    assert {t.values["cost"] for t in record.trials if t.feasible} == {1.0, 2.0, 3.0, 4.0}
    screened = [t for t in record.trials if t.state == "infeasible"]
    assert [t.violations.get("cost <= 4", 0) > 0 for t in screened].count(True) == 2


# -- several processes ---------------------------------------------------------------------------


def test_worker_of_an_old_version_ends_and_its_trial_is_completed(tmp_path: Path) -> None:
    study = trainer_study(tmp_path, OPTIONS, trials=5)
    changed = ("space.depth={int: [1, 20]}", COST)

    def report(event: Event) -> None:
        study.events.append(event)
        if isinstance(event, TrialStarted) and event.trial == 3:
            begin_version(load_study(study.file, changed), lambda _: None)

    from paretune.search.running.runner import Runner

    end = Runner(load_study(study.file), report).run()
    assert "the study has version 2 now, and this process runs version 1" in end.reason
    assert not end.over
    record = study.record
    assert [t.number for t in record.trials] == [1, 2, 3]
    assert record.trials[2].state == "complete" and not record.trials[2].feasible
    assert 3 not in record.members  # nothing is known of it in version 2 yet
    calls = study.calls
    study.run(*changed)
    third = study.record.trials[2]
    assert third.values["cost"] == third.params["depth"]
    assert set(third.violations) == {"cost <= 4"}
    assert study.calls[:3] == calls
    assert [number for number, _ in versions_of(study)] == [1, 2]
    assert front_of(study) == expected_front(study.record.trials)


def test_process_that_joins_does_not_change_the_study(study: TrainerStudyFile) -> None:
    with pytest.raises(UserError, match="the study has version 1, and this file is not that"):
        study.run(COST, joins=True)
    study.run(COST)
    with pytest.raises(UserError, match="the study has version 2, and this file is of version 1"):
        study.run(joins=True)
    assert [number for number, _ in versions_of(study)] == [1, 2]


def test_old_file_does_not_bring_its_version_back_while_others_run(tmp_path: Path) -> None:
    study = trainer_study(tmp_path, OPTIONS, trials=3)
    study.run()
    study.run(COST)
    refused: list[str] = []

    def report(event: Event) -> None:
        if isinstance(event, TrialStarted) and not refused:
            with pytest.raises(UserError) as error:
                begin_version(load_study(study.file), lambda _: None)
            refused.append(str(error.value))

    from paretune.search.running.runner import Runner

    Runner(load_study(study.file, [COST, "search.trials=4"]), report).run()
    assert "this file is of version 1 of the study, and other processes run version 2" in refused[0]


# -- check ---------------------------------------------------------------------------------------


def test_check_says_the_same_and_writes_nothing(study: TrainerStudyFile, cli: Any) -> None:
    content = (study.file.parent / "depths" / "study.db").read_bytes()
    changed = ("--set", "space.depth={int: [1, 4]}", "--set", COST)
    output = cli("check", study.file, *changed)
    study_text = " ".join(output.out.split())
    assert (study.file.parent / "depths" / "study.db").read_bytes() == content
    study.run(changed[1], changed[3])
    assert f"a run makes {study.notices[0]}" in study_text
    assert "a run makes" not in cli("check", study.file, *changed).out
    refused = cli("check", study.file, "--set", "study=another")
    assert refused.code == 2
    assert "study: was depths, now another" in refused.err
