"""The command line: help, printed texts and JSON, and exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from paretune.search.cli import COMMANDS, NAMES, main
from support.command_line import Cli

ROOT = Path(__file__).parents[2]

HUGE = "999999999999999999999"


def command_of(name: str) -> click.Command:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    return command


# -- help --------------------------------------------------------------------------------------


def test_help_groups_the_commands_in_the_order_of_their_use(cli: Cli) -> None:
    result = cli("--help")
    assert result.code == 0
    lines = [line.split() for line in result.out.splitlines()]
    assert [words[0] for words in lines if words and words[0] in NAMES] == list(NAMES)
    for title in COMMANDS:
        assert f"\n{title}:\n" in result.out


def test_help_imports_no_command() -> None:
    code = (
        "import sys\nfrom paretune.search.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith('paretune.search.commands.')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert result.stdout.splitlines()[-1] == "['paretune.search.commands.shared']", result.stderr


def test_every_command_has_its_own_file() -> None:
    assert sorted(main.list_commands(click.Context(main))) == sorted(NAMES)
    for name in NAMES:
        assert (ROOT / "search" / "commands" / f"{name}.py").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_command_has_help(cli: Cli, name: str) -> None:
    [line] = [commands[name] for commands in COMMANDS.values() if name in commands]
    command = command_of(name)
    assert command.name == name
    assert command.help is not None
    assert command.help.splitlines()[0] == line
    assert cli(name, "--help").code == 0
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.name}"


# -- output ------------------------------------------------------------------------------------


def test_check_prints_the_space(tiny: Path, cli: Cli) -> None:
    result = cli("check", tiny)
    assert result.code == 0
    for text in ("pruning.structured.ratio", "if pruning = structured", "pretrain (1 epoch)"):
        assert text in result.out
    assert not tiny.with_suffix("").exists(), "check must write nothing"


@pytest.mark.parametrize("command", ["check", "status", "front"])
def test_json_option_prints_json(finished: Path, cli: Cli, command: str) -> None:
    result = cli(command, finished, "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["study"] == "tiny"


def test_front_as_json_has_the_columns_of_the_table(finished: Path, cli: Cli) -> None:
    rows = json.loads(cli("front", finished, "--json").out)["rows"]
    assert rows[0]["trial"] == 0
    assert {"validation", "test", "ratios", "marks", "plan"} <= set(rows[1])


def test_show_prints_plan_measurements_and_artifact(finished: Path, cli: Cli) -> None:
    result = cli("show", finished, 1)
    for text in ("trial 1: complete", "validation", "accuracy", "pretrain", "sha256"):
        assert text in result.out
    assert json.loads(cli("show", finished, 1, "--json").out)["number"] == 1


def test_study_can_be_named_by_its_folder(finished: Path, cli: Cli) -> None:
    by_file = cli("status", finished)
    assert cli("status", finished.with_suffix("")).out == by_file.out
    assert by_file.out.startswith("tiny: 6 of 6 trials done")


def test_study_can_be_read_when_its_file_is_gone(finished: Path, cli: Cli) -> None:
    finished.unlink()
    assert cli("front", finished.with_suffix("")).code == 0


def test_report_is_written_to_the_output_option(finished: Path, cli: Cli, tmp_path: Path) -> None:
    result = cli("report", finished, "-o", tmp_path / "here" / "page.html")
    assert result.code == 0, result.err
    assert (tmp_path / "here" / "page.html").is_file()


@pytest.mark.parametrize(
    "kind",
    ["architectures", "techniques", "objectives", "runtimes", "samplers", "data", "training"],
)
def test_list_prints_names_and_json(cli: Cli, kind: str) -> None:
    result = cli("list", kind)
    assert result.code == 0
    assert len(result.out.splitlines()) >= 2
    assert json.loads(cli("list", kind, "--json").out)


# -- wrong input -------------------------------------------------------------------------------

WRONG = [
    (["run", "no-such.yaml"], "no such study file"),
    (["status", "no-such"], "no such study file"),
    (["status", "{tiny}"], "there is no study database; start it with"),
    (["show", "16", "{tiny}"], "STUDY comes before TRIAL; type: paretune show /"),
    (["show", "{tiny}", "many"], "'many' is not a valid integer"),
    (["run", "{tiny}", "--trials", "0"], "--trials"),
    (["run", "{tiny}", "--time", "soon"], "soon"),
    (["run", "{tiny}", "--set", "nonsense"], "nonsense"),
    (["run", "{tiny}", "--storage", "mysql+nothing://x"], "storage"),
    (["run", "{tiny}", "--set", "device=cuda"], "device"),
    (["export", "{tiny}", "-o", "x"], "there is no study database"),
    (["verify", "no-such-folder"], "no-such-folder"),
    (["nonsense"], "nonsense"),
    (["check", "{tiny}", "--set", "data={npz: gone.npz}"], "gone.npz"),
]


@pytest.mark.parametrize(("arguments", "text"), WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_wrong_input_exits_with_2_and_names_the_mistake(
    tiny: Path, cli: Cli, arguments: list[str], text: str
) -> None:
    if "device=cuda" in arguments:
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a GPU")
    result = cli(*(a.replace("{tiny}", str(tiny)) for a in arguments))
    if arguments[0] == "check" and result.code == 0:  # check opens no data: run does
        result = cli("run", tiny, *arguments[2:])
    assert result.code == 2, result
    assert text in result.err
    assert "Traceback" not in result.err


def integer_parameters() -> list[tuple[str, str, click.IntRange]]:
    """Returns (command, option or argument, range) of every parameter that is an integer."""
    integers = []
    for name in NAMES:
        for parameter in command_of(name).params:
            if isinstance(parameter.type, click.types.IntParamType):
                assert isinstance(parameter.type, click.IntRange), f"{name} {parameter.name}"
                integers.append((name, parameter.opts[0], parameter.type))
    return integers


@pytest.mark.parametrize(
    ("command", "parameter", "allowed"),
    [pytest.param(*row, id=f"{row[0]} {row[1]}") for row in integer_parameters()],
)
@pytest.mark.parametrize("side", ["below", "above", "huge"])
def test_integer_out_of_range_exits_with_2_and_prints_the_range(
    tiny: Path, cli: Cli, command: str, parameter: str, allowed: click.IntRange, side: str
) -> None:
    assert allowed.min is not None and allowed.max is not None
    value = {"below": int(allowed.min) - 1, "above": int(allowed.max) + 1, "huge": int(HUGE)}[side]
    is_option = parameter.startswith("-")
    arguments = [f"{parameter}={value}"] if is_option else ["--", str(tiny), str(value)]
    result = cli(command, *([str(tiny)] if is_option else []), *arguments)
    assert result.code == 2, result
    assert f"{value} is not in the range {allowed.min}<=x<={allowed.max}" in result.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "{tiny}", "--trials", HUGE),
        ("run", "{tiny}", "--set", f"search.trials={HUGE}"),
        ("run", "{tiny}", "--set", f"search.seed={HUGE}"),
        ("show", "{finished}", HUGE),
        ("show", "{finished}", str(2**40)),
        ("export", "{finished}", "--pick", HUGE, "-o", "x"),
        ("retarget", "{finished}", "--trials", HUGE),
        ("retarget", "{finished}", "--option", f"threads={HUGE}"),
        ("profile", "{finished}", "--trial", HUGE),
        ("profile", "--model", "vit", "--shape", f"3,{HUGE},32"),
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_huge_number_exits_with_2_without_a_traceback(
    finished: Path, cli: Cli, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    tiny = tmp_path / "other.yaml"
    tiny.write_text(finished.read_text())
    names = {"{tiny}": str(tiny), "{finished}": str(finished)}
    result = cli(*(names.get(a, a) for a in arguments))
    assert result.code == 2, result
    assert "Traceback" not in result.err


def test_file_that_is_no_database_is_refused_and_kept(tiny: Path, cli: Cli) -> None:
    letter = tiny.parent / "letter.db"
    letter.write_text("Dear database, " * 100)
    result = cli("run", tiny, "--storage", f"sqlite:///{letter}")
    assert result.code == 2
    assert "letter.db" in result.err
    assert letter.read_text().startswith("Dear database")


def test_database_of_another_study_is_refused(finished: Path, cli: Cli) -> None:
    other = finished.with_name("other.yaml")
    other.write_text(finished.read_text().replace("study: tiny", "study: other"))
    result = cli("run", other, "--storage", f"sqlite:///{finished.with_suffix('') / 'study.db'}")
    assert result.code == 2
    assert 'the database of another study, "tiny"' in result.err


@pytest.mark.slow
def test_full_disk_stops_the_run_and_finished_work_is_kept(tiny: Path, cli: Cli) -> None:
    """A limit of 800 KB for each file makes writes fail as on a full disk."""
    wide = tiny.read_text().replace("width: {choice: [0.0625, 0.125]}", "width: 1.0")
    tiny.write_text(wide)
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (800_000, 800_000))\n"
        f"sys.argv = ['paretune', 'run', {str(tiny)!r}, '--trials', '2']\n"
        "from paretune.search.cli import main\nmain()\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=os.environ
    )
    assert process.returncode == 2, process.stderr
    assert "make room and type the same command again" in process.stderr
    assert "Traceback" not in process.stderr
    stages = tiny.with_suffix("") / "stages"
    assert not [f for f in stages.iterdir() if f.name.startswith(".") and f.stat().st_size]
    again = cli("run", tiny, "--trials", 1)
    assert again.code == 0, again.err


def test_internal_error_exits_with_1_and_debug_shows_the_traceback(
    finished: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("paretune.search.views.status.status_info", broken)
    result = cli("status", finished)
    assert result.code == 1
    assert "an internal error of Paretune: ZeroDivisionError" in result.err
    assert "--debug" in result.err
    for arguments in (["--debug", "status", finished], ["status", finished, "--debug"]):
        with pytest.raises(ZeroDivisionError):
            cli(*arguments)
