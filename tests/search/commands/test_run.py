"""`paretune run`: the commands that it suggests at the end."""

from __future__ import annotations

import shlex
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from paretune.search.commands.run import RunRequest, next_commands, next_lines
from paretune.search.running.stopping import Ending
from paretune.search.views.front_table import front_info
from support.command_line import Cli

STUDY = "my studies/it's $HOME & co.yaml"

OVER = Ending("all 20 trials are done")


def request(trainer: object = None, **options: Any) -> RunRequest:
    """Returns what a user typed; of the study only the number of trials is needed."""
    return RunRequest(SimpleNamespace(trials=20, trainer=trainer), STUDY, **options)  # type: ignore[arg-type]


def commands(make_record: Any, ending: Ending = OVER, failed: int = 0, **options: Any) -> Any:
    """Returns the suggested commands as a shell splits them."""
    info = front_info(make_record(20, 2))
    return [shlex.split(c) for c in next_commands(request(**options), info, ending, failed)]


def test_next_commands_can_be_pasted_into_a_shell(make_record: Any) -> None:
    assert commands(make_record) == [
        ["paretune", "export", STUDY, "--pick", "knee", "-o", "exported"],
        ["paretune", "run", STUDY, "--trials", "40"],
    ]


def test_next_commands_repeat_the_options_that_the_study_needs(make_record: Any) -> None:
    overrides = ("space.note=a b", "search.seed=2")
    export, run = commands(make_record, overrides=overrides, storage="sqlite:///my file.db")
    storage = ["--storage", "sqlite:///my file.db"]
    assert export == ["paretune", "export", STUDY, *storage, "--pick", "knee", "-o", "exported"]
    sets = ["--set", "space.note=a b", "--set", "search.seed=2"]
    assert run == ["paretune", "run", STUDY, *storage, *sets, "--trials", "40"]


def test_next_commands_say_where_the_password_comes_from(
    make_record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, info = "postgresql://me:sesame@host/db", front_info(make_record(20, 2))
    typed = next_commands(request(storage=url), info, OVER, 0)
    *lines, note = next_lines(typed, url)
    assert lines[1].startswith("  paretune export") and "postgresql://me@host/db" in lines[1]
    assert "sesame" not in "".join(lines) and "PGPASSWORD" in note
    monkeypatch.setenv("PARETUNE_STORAGE", url)  # the shell has it, and the commands read it
    typed = next_commands(request(storage=url), info, OVER, 0)
    assert next_lines(typed, url) == ["next:", *(f"  {text}" for text in typed)]
    assert "--storage" not in "".join(typed)


def test_next_command_shows_the_knee_when_a_custom_trainer_makes_the_models(
    make_record: Any,
) -> None:
    info = front_info(make_record(20, 2))
    show, _ = commands(make_record, trainer=object())
    knee = info.marked("knee")
    assert knee is not None
    assert show == ["paretune", "show", STUDY, str(knee.trial)]


@pytest.mark.parametrize(
    ("ending", "expected"),
    [
        (Ending("all 3 plans are done", exhausted=True), []),
        (Ending("all goals are reached", over=False), []),
        (Ending("the time of 4 s is spent", over=False, again=True), [["paretune", "run", STUDY]]),
        (OVER, [["paretune", "run", STUDY, "--trials", "40"]]),
    ],
)
def test_more_trials_are_suggested_only_when_there_may_be_some(
    make_record: Any, ending: Ending, expected: list[list[str]]
) -> None:
    assert commands(make_record, ending)[1:] == expected


def test_retry_is_suggested_when_trials_failed(make_record: Any) -> None:
    ending = Ending("all 3 plans are done", exhausted=True)
    [_, retry] = commands(make_record, ending, failed=2)
    assert retry == ["paretune", "run", STUDY, "--retry-failed"]


def test_study_whose_name_begins_with_a_dash_is_no_option(make_record: Any) -> None:
    info = front_info(make_record(20, 2))
    typed = replace(request(), study="-x.yaml")
    [export, _] = next_commands(typed, info, OVER, 0)
    assert shlex.split(export)[2] == "./-x.yaml"


@pytest.mark.parametrize("name", ["plain", "a b"])
def test_export_suggests_a_command_that_verifies_its_folder(
    finished: Any, cli: Cli, name: str
) -> None:
    folder = finished.parent / name
    result = cli("export", finished, "--pick", "baseline", "-o", folder, "--no-latency")
    assert result.code == 0, result.out + result.err
    [line] = [line for line in result.out.splitlines() if "paretune verify" in line]
    arguments = shlex.split(line[line.index("paretune verify") :])
    assert arguments == ["paretune", "verify", str(folder)]
