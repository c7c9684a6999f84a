"""`paretune run`: the commands that it suggests at the end."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from paretune.search.commands.run import next_commands
from paretune.search.views.front_table import front_info
from support.command_line import Cli

STUDY = "my studies/it's $HOME & co.yaml"


def test_next_commands_can_be_pasted_into_a_shell(make_record: Any) -> None:
    info = front_info(make_record(20, 2))
    export, run = next_commands(STUDY, info, trials=20, exportable=True)
    assert shlex.split(export) == [
        *("paretune", "export", STUDY, "--pick", "knee", "-o", "exported"),
    ]
    assert shlex.split(run) == ["paretune", "run", STUDY, "--trials", "40"]


def test_next_command_shows_the_knee_when_a_custom_trainer_makes_the_models(
    make_record: Any,
) -> None:
    info = front_info(make_record(20, 2))
    show, _ = next_commands(STUDY, info, trials=20, exportable=False)
    knee = info.marked("knee")
    assert knee is not None
    assert shlex.split(show) == ["paretune", "show", STUDY, str(knee.trial)]


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
