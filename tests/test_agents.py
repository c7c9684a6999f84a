"""docs/agents.md: each command's --json has the documented form, and its exit codes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

from paretune.search.cli import NAMES, main
from support.command_line import Cli
from support.logged_exports import digits, part_of, run_stream, write_logged_export

PAGE = Path(__file__).parents[1] / "docs" / "agents.md"
FORMS = PAGE.parent / "json"
SHARED = {"resume": "pause", "stop": "pause"}
"""Command -> the command whose form it has."""

WITHOUT_FORM = {"schema", "serve", "setup"}


def form_of(command: str) -> Any:
    name = SHARED.get(command, command)
    return json.loads((FORMS / f"{name}.schema.json").read_text(encoding="utf-8"))


def checked(cli: Cli, code: int, command: str, *arguments: object) -> Any:
    """Runs a command with --json, and returns its value in the documented form."""
    result = cli(command, *arguments, "--json")
    assert result.code == code, result.out + result.err
    value = json.loads(result.out)
    jsonschema.validate(value, form_of(command))
    return value


def test_every_command_is_documented_and_has_json() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in NAMES:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        options = {option for each in command.params for option in each.opts}
        assert ("--json" in options) == (name not in WITHOUT_FORM), name
        assert re.search(rf"`paretune {name}\b|`{name}`", page), name
        assert name in WITHOUT_FORM or f"(json/{SHARED.get(name, name)}.schema.json)" in page


@pytest.mark.parametrize("file", sorted(FORMS.glob("*.json")), ids=lambda file: file.stem)
def test_form_is_a_json_schema_that_refuses_another_version(file: Path) -> None:
    schema = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert not jsonschema.Draft202012Validator(schema).is_valid({})
    if file.stem != "list.schema":
        assert schema["required"][0] == "schema"
        assert schema["properties"]["schema"]["const"] >= 1
    assert f"json/{file.name}" in PAGE.read_text(encoding="utf-8")


def test_results_of_a_study_have_their_forms(cli: Cli, finished: Path) -> None:
    assert checked(cli, 0, "check", finished)["study"] == "tiny"
    end = checked(cli, 0, "run", finished)
    assert end["ok"] and end["over"] and end["goals"][0]["goal"] == "size <= 0.2 x baseline"
    assert Path(end["report"]).is_file() and all(c.startswith("paretune ") for c in end["next"])
    front = checked(cli, 0, "front", finished)
    assert [row["trial"] for row in front["rows"]] == end["front"]
    assert set(checked(cli, 0, "status", finished)["front"]) - {0} == set(end["front"]) - {0}
    trial = checked(cli, 0, "show", finished, end["front"][-1])
    assert trial["measurements"]["accuracy"]["unit"] == "fraction"
    assert Path(checked(cli, 0, "report", finished)["report"]).is_file()
    assert checked(cli, 1, "pause", finished)["workers"] == 0
    assert checked(cli, 1, "stop", finished)["action"] == "stop"


def test_studies_beside_each_other_have_their_form(
    cli: Cli, finished: Path, tmp_path: Path
) -> None:
    other = tmp_path / "copied"
    shutil.copytree(finished.with_suffix(""), other / "tiny")
    shutil.copy(finished, other / "tiny.yaml")
    value = checked(cli, 0, "compare", finished, other / "tiny.yaml")
    assert len(value["studies"]) == 2


@pytest.mark.parametrize("kind", ["samplers", "runtimes"])
def test_names_have_their_form(cli: Cli, kind: str) -> None:
    assert checked(cli, 0, "list", kind)


def test_schema_of_study_files_is_a_json_schema(cli: Cli) -> None:
    schema = json.loads(cli("schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "schema" not in schema


@pytest.mark.parametrize("code", [0, 1])
def test_comparison_with_a_log_has_its_form(cli: Cli, tmp_path: Path, code: int) -> None:
    exported, log = write_logged_export(tmp_path / "exported"), tmp_path / "calls.jsonl"
    images, _ = part_of(digits(), "test")
    run_stream(exported, log, images[:100] // (1 + code), batch=10)
    value = checked(cli, code, "monitor", exported, "--log", log)
    assert value["ok"] == (code == 0) and bool(value["next"]) == (code == 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "{file}", "--set", "search.trials=none"],
        ["run", "{file}", "--set", "search.trials=none"],
        ["worker", "{file}", "--set", "search.trials=none"],
        ["status", "{folder}/no.yaml"],
        ["front", "{folder}/no.yaml"],
        ["show", "{file}", "1"],
        ["report", "{folder}/no.yaml"],
        ["compare", "{folder}/no.yaml", "{file}"],
        ["export", "{folder}/no.yaml", "-o", "{folder}/out"],
        ["verify", "{folder}"],
        ["monitor", "{folder}", "--log", "{file}"],
        ["profile"],
        ["retarget", "{folder}/no.yaml"],
        ["track", "{file}"],
        ["pause", "{folder}/no.yaml"],
        ["resume", "{folder}/no.yaml"],
        ["stop", "{folder}/no.yaml"],
        ["list", "nothing"],
        ["init", "-o", "{folder}/new.yaml"],
        ["optimize", "{folder}/no.yaml", "-o", "{folder}/out"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_wrong_input_exits_with_2_and_prints_no_json(
    cli: Cli, tiny: Path, arguments: list[str]
) -> None:
    words = [word.format(file=tiny, folder=tiny.parent) for word in arguments]
    result = cli(*words, "--json")
    assert (result.code, result.out) == (2, ""), result.out + result.err
    assert result.err.strip() and "Traceback" not in result.err


@pytest.mark.parametrize("command", ["front", "status", "report"])
def test_interruption_exits_with_130_and_prints_no_json(
    cli: Cli, tiny: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("paretune.search.locate.locate", interrupt)
    result = cli(command, tiny, "--json")
    assert (result.code, result.out) == (130, "")
    assert "what is done is kept" in result.err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_commands_that_take_longer_have_their_forms(
    cli: Cli, finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "exported"
    export = checked(cli, 0, "export", finished, "--pick", "knee", "-o", folder, "--no-latency")
    assert export["ok"] and Path(export["folder"]) == folder
    assert {"model.onnx", "load.py", "call_log.py"} <= {each["file"] for each in export["files"]}
    assert checked(cli, 0, "verify", folder, "--no-latency")["ok"]
    checked(cli, 0, "retarget", finished, "--runtime", "torchscript")
    checked(cli, 0, "profile", "--model", "{simple_cnn: {width: 0.25}}", "--shape", "1,8,8")
    checked(cli, 0, "worker", finished, "--trials", 7)
    assert checked(cli, 0, "run", finished, "--trials", 8, "--workers", 2)["trials"] >= 9


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_commands_that_begin_a_study_have_their_forms(cli: Cli, tiny: Path, tmp_path: Path) -> None:
    file = tmp_path / "new.yaml"
    options = ("--model", "simple_cnn", "--data", "digits", "--time", "5m", "-o", file)
    assert Path(checked(cli, 0, "init", *options)["file"]) == file
    folder = tmp_path / "exported"
    goal = ("--goal", "size <= 0.9 x baseline", "--time", "60s", "--stop-at-goal")
    end = checked(cli, 0, "optimize", tiny, *goal, "-o", folder)
    assert end["ok"] and end["goals"][0]["met"]


@pytest.mark.slow
def test_empty_front_exits_with_1_and_says_why(cli: Cli, tiny: Path) -> None:
    impossible = ("--set", 'constraints=["size <= 1 B"]', "--trials", 1)
    end = checked(cli, 1, "run", tiny, *impossible)
    assert not end["ok"] and end["over"]
    assert end["front"] == [0], "the baseline alone, for comparison"
    assert end["reason"] == "all 1 trials are done"
    assert any("size <= 1 B" in command for command in end["next"])
