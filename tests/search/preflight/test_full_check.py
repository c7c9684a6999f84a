"""`paretune check --full`: its output, its exit codes, and what it leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.command_line import Cli

Study = Callable[..., Path]

OWN = """\
evaluate: "MODULE:evaluate"
cheap: "MODULE:cheap"
baseline: {depth: 2}
space: {depth: {int: [1, 4]}}
objectives: {error: minimize, size: {minimize: bytes}}
"""


@pytest.fixture
def own(tmp_path: Path, module: str) -> Callable[..., Path]:
    """Returns `own(old, new)`: a study with the user's own trainer, one part replaced."""

    def write(old: str = "", new: str = "") -> Path:
        file = tmp_path / "own.yaml"
        file.write_text(OWN.replace("MODULE", module).replace(old, new))
        return file

    return write


@pytest.mark.slow
def test_full_check_shows_all_checks_and_an_estimate_and_leaves_nothing(
    study: Study, cli: Cli
) -> None:
    file = study()
    before = sorted(file.parent.rglob("*.*"))
    result = cli("check", file, "--full")
    assert result.code == 0, result.err
    for name in (
        *("data", "baseline", "architecture", "objectives", "pruning", "training"),
        *("quantization", "disk"),
    ):
        assert f"\n  {name} " in result.out
    assert "per trial" in result.out
    assert "of it training" in result.out
    assert "for 4 trials" in result.out
    assert [p for p in sorted(file.parent.rglob("*.*")) if "__pycache__" not in p.parts] == before
    assert not file.with_suffix("").exists()


@pytest.mark.slow
def test_full_check_as_json_has_checks_and_an_estimate_in_seconds(study: Study, cli: Cli) -> None:
    result = cli("check", study(), "--full", "--json")
    assert result.code == 0, result.err
    info = json.loads(result.out)
    assert info["study"] == "small"
    full = info["full"]
    assert {"check", "item", "state", "text", "key", "count"} == set(full["checks"][0])
    estimate = full["estimate"]
    assert estimate["trials"] == 4
    assert 0 < estimate["trial"] < estimate["total"]
    assert sum(estimate["shares"].values()) == pytest.approx(1)


def test_mistakes_exit_with_2_and_come_after_what_was_tried(
    study: Study, module: str, cli: Cli
) -> None:
    file = study("size: minimize}", f'size: minimize, "{module}:BadObjective": minimize}}')
    result = cli("check", file, "--full", "--json")
    assert result.code == 2
    assert any(c["state"] == "mistake" for c in json.loads(result.out)["full"]["checks"])
    assert result.err.startswith(f"{file}:12: objectives.{module}:BadObjective: ")
    assert "Traceback" not in result.err


def test_mistake_names_the_option_that_it_comes_from(study: Study, cli: Cli) -> None:
    override = 'space.pruning={"structured": {"ratio": 0.5, "ignore": ["no_such_layer"]}}'
    result = cli("check", study(), "--full", "--set", override)
    assert result.code == 2
    assert result.err.startswith(f"--set {override}: space.pruning: ")


def test_functions_of_an_own_trainer_are_called_without_training(
    own: Callable[..., Path], cli: Cli
) -> None:
    result = cli("check", own(), "--full")
    assert result.code == 0, result.err
    assert "it was not called" in result.out
    assert "was called for 5 plans" in result.out


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (":evaluate", ":evaluate_without_report", "must take the arguments (plan, report)"),
        (":evaluate", ":no_such_function", "no_such_function"),
        (":cheap", ":bad_cheap", "KeyError: 'no_such_key'"),
    ],
)
def test_function_of_an_own_trainer_with_a_mistake_is_refused(
    own: Callable[..., Path], cli: Cli, old: str, new: str, text: str
) -> None:
    file = own(old, new)
    result = cli("check", file, "--full")
    assert result.code == 2
    assert result.err.startswith(f"{file}:{1 if 'evaluate' in old else 2}: ")
    assert text in result.err
