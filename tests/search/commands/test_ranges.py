"""Every number and time of the command line has a range; beyond it, exit code 2 names the range."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.front.pick import trial_number
from support.command_line import Cli

HUGE = "999999999999999999999"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("run", "STUDY", "--trials", HUGE), "is not in the range 1<=x<=1000000000"),
        (("run", "STUDY", "--trials", "9" * 5000), "is not a valid integer range"),
        (("run", "STUDY", "--workers", HUGE), "is not in the range 1<=x<=256"),
        (("run", "STUDY", "--time", f"{HUGE}h"), "give a time of at most 876000h (100 years)"),
        (("run", "STUDY", "--time", f"{'9' * 5000}s"), "give a time of at most 876000h"),
        (("run", "STUDY", "--time", "0s"), "give a time such as 2h"),
        (("worker", "STUDY", "--trials", HUGE), "is not in the range 1<=x<=1000000000"),
        (("worker", "STUDY", "--threads", HUGE), "is not in the range 1<=x<=1024"),
        (("worker", "STUDY", "--time", f"{HUGE}m"), "give a time of at most 876000h"),
        (("show", "STUDY", HUGE), "is not in the range 0<=x<=1000000000"),
        (("retarget", "STUDY", "--threads", HUGE), "is not in the range 0<=x<=1024"),
        (("profile", "STUDY", "--threads", HUGE), "is not in the range 0<=x<=1024"),
        (("profile", "STUDY", "--batch", HUGE), "is not in the range 1<=x<=65536"),
        (("profile", "--model", "simple_cnn", "--shape", "1,8,8", "--classes", HUGE), "1000000"),
        (("profile", "--model", "simple_cnn", "--shape", f"1,8,{HUGE}"), "at most 100,000,000"),
        (("profile", "--model", "simple_cnn", "--shape", "1,99999,99999"), "at most 100,000,000"),
        (("check", "STUDY", "--set", "search.trials=999999999999999999"), "equal to 1000000000"),
        (("check", "STUDY", "--set", "search.max_failures=99999999999"), "equal to 1000000000"),
        (("check", "STUDY", "--set", "budget.time=999999999999999999h"), "at most 876000h"),
        (("check", "STUDY", "--set", "budget.final=1e30"), "at most 876000h"),
        (("check", "STUDY", "--set", "search.cache=9999999999 TB"), "at most 1000000 TB"),
        (("check", "STUDY", "--set", f"search.cache={'9' * 400} TB"), "at most 1000000 TB"),
    ],
)
def test_number_beyond_its_range_exits_with_2_and_names_the_range(
    tiny: Path, cli: Cli, arguments: tuple[str, ...], text: str
) -> None:
    result = cli(*(str(tiny) if argument == "STUDY" else argument for argument in arguments))
    assert result.code == 2, result.err
    assert text in result.err
    assert "internal error" not in result.err


@pytest.mark.parametrize("text", [HUGE, "9" * 5000])
def test_trial_number_beyond_the_range_is_no_trial(text: str) -> None:
    number = trial_number(text)
    assert number is not None and number > 10**9


@pytest.mark.parametrize("text", ["²", "-1", "1.5", "", "１２"])
def test_text_that_is_not_ascii_digits_is_no_trial_number(text: str) -> None:
    assert trial_number(text) is None


def test_trial_numbers_are_read_with_spaces_around_them() -> None:
    assert trial_number(" 12 ") == 12


@pytest.mark.parametrize(
    ("command", "option"), [("export", "--pick"), ("profile", "--trial"), ("retarget", "--trials")]
)
def test_trial_that_does_not_exist_is_refused_under_the_option_that_names_it(
    finished: Path, cli: Cli, tmp_path: Path, command: str, option: str
) -> None:
    output = ("-o", tmp_path / "out") if command == "export" else ()
    result = cli(command, finished, option, HUGE, *output)
    assert result.code == 2
    assert result.err.startswith(option)
    assert HUGE in result.err
