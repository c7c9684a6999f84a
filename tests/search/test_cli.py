"""The command line: what is printed, as text and as JSON, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def test_every_command_has_help(cli: Any) -> None:
    from paretune.search.cli import main

    for name, command in main.commands.items():
        assert command.help, name
        assert cli(name, "--help").code == 0
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert parameter.help, f"{name} {parameter.name}"


def test_check_prints_the_space(tiny: Path, cli: Any) -> None:
    said = cli("check", tiny)
    assert said.code == 0
    for text in ("pruning.structured.ratio", "if pruning = structured", "pretrain (1 epochs)"):
        assert text in said.out
    assert not tiny.with_suffix("").exists(), "check must do nothing"


@pytest.mark.parametrize("command", ["check", "status", "front"])
def test_json_is_json(finished: Path, cli: Any, command: str) -> None:
    said = cli(command, finished, "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["study"] == "tiny"


def test_front_as_json_holds_the_table(finished: Path, cli: Any) -> None:
    rows = json.loads(cli("front", finished, "--json").out)["rows"]
    assert rows[0]["trial"] == 0
    assert {"validation", "test", "ratios", "marks", "plan"} <= set(rows[1])


def test_show_tells_plan_measurements_and_artifact(finished: Path, cli: Any) -> None:
    said = cli("show", finished, 1)
    for text in ("trial 1: complete", "validation", "accuracy", "pretrain", "sha256"):
        assert text in said.out
    assert json.loads(cli("show", finished, 1, "--json").out)["number"] == 1


def test_folder_names_a_study_as_well_as_its_file(finished: Path, cli: Any) -> None:
    by_file = cli("status", finished)
    assert cli("status", finished.with_suffix("")).out == by_file.out
    assert by_file.out.startswith("tiny: 6 of 6 trials done")


def test_study_is_read_after_its_file_is_gone(finished: Path, cli: Any) -> None:
    finished.unlink()
    assert cli("front", finished.with_suffix("")).code == 0


def test_report_goes_where_it_is_told(finished: Path, cli: Any, tmp_path: Path) -> None:
    said = cli("report", finished, "-o", tmp_path / "here" / "page.html")
    assert said.code == 0, said.err
    assert (tmp_path / "here" / "page.html").is_file()


@pytest.mark.parametrize(
    "what",
    ["architectures", "techniques", "objectives", "runtimes", "samplers", "data", "training"],
)
def test_list_names_and_explains(cli: Any, what: str) -> None:
    said = cli("list", what)
    assert said.code == 0
    assert len(said.out.splitlines()) >= 2
    assert json.loads(cli("list", what, "--json").out)


WRONG = [
    (["run", "no-such.yaml"], "no such study file"),
    (["status", "no-such"], "no such study file"),
    (["status", "{tiny}"], "there is no study database; start it with"),
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
def test_wrong_input_is_said_with_exit_2(
    tiny: Path, cli: Any, arguments: list[str], text: str
) -> None:
    if "device=cuda" in arguments:
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a GPU")
    said = cli(*(a.replace("{tiny}", str(tiny)) for a in arguments))
    if arguments[0] == "check" and said.code == 0:  # check opens no data: run does
        said = cli("run", tiny, *arguments[2:])
    assert said.code == 2, said
    assert text in said.err
    assert "Traceback" not in said.err


def test_file_that_is_no_database_is_refused_and_left_alone(tiny: Path, cli: Any) -> None:
    letter = tiny.parent / "letter.db"
    letter.write_text("Dear database, " * 100)
    said = cli("run", tiny, "--storage", f"sqlite:///{letter}")
    assert said.code == 2
    assert "letter.db" in said.err
    assert letter.read_text().startswith("Dear database")


def test_database_of_another_study_is_refused(finished: Path, cli: Any) -> None:
    other = finished.with_name("other.yaml")
    other.write_text(finished.read_text().replace("study: tiny", "study: other"))
    said = cli("run", other, "--storage", f"sqlite:///{finished.with_suffix('') / 'study.db'}")
    assert said.code == 2
    assert 'the database of another study, "tiny"' in said.err


def test_disk_full_stops_the_run_and_keeps_what_is_done(tiny: Path, cli: Any) -> None:
    """Files may not grow beyond 800 KB here: what a full disk does, at the same place."""
    wide = tiny.read_text().replace("width: {choice: [0.0625, 0.125]}", "width: 1.0")
    tiny.write_text(wide)
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (800_000, 800_000))\n"
        f"sys.argv = ['paretune', 'run', {str(tiny)!r}, '--trials', '2']\n"
        "from paretune.search.cli import main\nmain()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=os.environ
    )
    assert done.returncode == 2, done.stderr
    assert "make room and type the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    stages = tiny.with_suffix("") / "stages"
    assert not [f for f in stages.iterdir() if f.name.startswith(".") and f.stat().st_size]
    again = cli("run", tiny, "--trials", 1)
    assert again.code == 0, again.err


def test_bug_of_ours_is_told_apart_and_debug_shows_the_traceback(
    finished: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("paretune.search.views.status.status_info", broken)
    said = cli("status", finished)
    assert said.code == 1
    assert "a bug of ours" in said.err and "--debug" in said.err
    for arguments in (["--debug", "status", finished], ["status", finished, "--debug"]):
        with pytest.raises(ZeroDivisionError):
            cli(*arguments)
