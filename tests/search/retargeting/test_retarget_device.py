"""`paretune retarget --device`: a finished study on a device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paretune.search.retargeting.table import RetargetInfo
from support.command_line import Cli
from support.studies import record_of


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ({"cpu": "A76", "cores": 4, "address": "ssh://pi@cam"}, "on ssh://pi@cam (A76, 4 cores)"),
        ({"cpu": "EPYC", "cores": 1}, "on EPYC, 1 core"),
    ],
)
def test_title_names_the_device(host: dict[str, object], text: str) -> None:
    info = RetargetInfo("tiny", "pi", "onnxruntime", {"threads": 4}, host, 0.0, (), (), {})

    assert info.title.startswith("tiny: the front in pi: onnxruntime (threads 4), measured 1970")
    assert info.title.endswith(text)


@pytest.mark.slow
def test_front_is_measured_on_a_device_and_kept(
    finished: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = record_of(finished)
    address = f"local://?folder={tmp_path}/device"
    options = ("--device", address, "--trials", "1", "--threads", "0")

    result = cli("retarget", finished, *options, "--json")

    assert result.code == 0, result.err
    table = json.loads(result.out)
    assert [row["new"]["trial"] for row in table["rows"]] == [0, 1]
    for row in table["rows"]:
        measured = row["new"]["validation"]
        assert measured["latency"]["conditions"]["address"] == address
        assert measured["latency"]["conditions"]["threads"] == 0
        assert measured["accuracy"]["conditions"]["outputs"] == "host"
        assert row["was"]["latency"]["conditions"].get("address") is None
    assert table["host"]["address"] == address and table["host"]["identity"]
    assert record_of(finished).trials == before.trials  # the study keeps its own
    # The second time it is shown from the database.
    monkeypatch.setattr("paretune.search.trial.stage_study.StageStudy", None)
    again = cli("retarget", finished, *options)
    assert again.code == 0, again.err
    assert address in again.out.replace("\n", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--device", "cam"), "--device: 'cam' is not the address of a device"),
        (("--device", "local://", "--runtime", "torchscript"), "'torchscript' does not run on dev"),
        (("--device", "local://?python=/nowhere/python"), "/nowhere/python cannot be started"),
        (("--device", "local://", "--threads", "1000"), "is to use 1000 threads, and local:// has"),
    ],
)
def test_device_that_cannot_be_used_is_refused(
    finished: Path, cli: Cli, options: tuple[str, ...], text: str
) -> None:
    result = cli("retarget", finished, *options)

    assert result.code == 2
    assert text in result.err.replace("\n", " ")
