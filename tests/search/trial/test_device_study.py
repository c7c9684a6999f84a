"""A study whose target is a device, by a real sshd on loopback, over a link that drops."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from paretune.objectives.devices.device import open_device
from paretune.objectives.devices.transport import SSH
from paretune.objectives.on_device.rounds import DeviceRounds
from paretune.search.database.devices import Devices
from paretune.search.database.engine import open_engine
from support.command_line import Cli, CommandResult, invoke
from support.devices import MISSING, Relay, SshServer, ssh_server
from support.studies import record_of, url_of

pytestmark = [pytest.mark.slow, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]

BOARD = """\
study: board
data: digits
baseline:
  architecture: {simple_cnn: {width: 0.125}}
  pretrain: {optimizer: {adam: {lr: 2e-3}}, epochs: 1, batch_size: 64}
space:
  architecture: {simple_cnn: {width: {choice: [0.0625, 0.125]}}}
  finetune:
    {epochs: 1, batch_size: 64, optimizer: {adam: {lr: {float: [1e-3, 1e-2], log: true}}}}
targets: {pi: {onnxruntime: {}, device: "ADDRESS"}}
objectives: {accuracy: maximize, latency: {minimize: p50, seconds: 0.1}}
search: {trials: 1, seed: 1, sampler: random, format_variants: false}
"""
"""A study that runs in seconds."""

PATIENT_S = 120


@dataclass(frozen=True)
class BoardRun:
    """A study that ran on a device, and the link that dropped meanwhile.

    Attributes:
        file: The study file.
        address: Address of its device.
        server: The sshd of the device.
        result: How the command ended.
        drops: Numbers of the timed blocks after which the link dropped.
    """

    file: Path
    address: str
    server: SshServer
    result: CommandResult
    drops: list[int]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardRun]:
    """A run whose link drops once, while the device times a trial."""
    folder = tmp_path_factory.mktemp("board")
    with ssh_server(folder / "sshd") as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv(SSH, server.ssh)
        relay = Relay(server.port)
        known = server.folder / "known_hosts"
        known.write_text(known.read_text().replace(f":{server.port}", f":{relay.port}"))
        address = server.address(port=relay.port)
        file = folder / "board.yaml"
        file.write_text(BOARD.replace("ADDRESS", address))
        drops: list[int] = []
        judge = DeviceRounds.judge

        def judge_and_drop(rounds: DeviceRounds) -> None:
            if rounds.baseline is not None and not drops:  # a trial: it is timed beside it
                drops.append(len(rounds.subjects[0].blocks))
                relay.drop()
            judge(rounds)

        with pytest.MonkeyPatch.context() as dropping:
            dropping.setattr(DeviceRounds, "judge", judge_and_drop)
            result = invoke("run", file)
        yield BoardRun(file, address, server, result, drops)
        relay.close()


@pytest.fixture
def copied(run: BoardRun, tmp_path: Path) -> Path:
    """The study file after its run; a copy that a test may change."""
    shutil.copytree(run.file.with_suffix(""), tmp_path / "board")
    return Path(shutil.copy(run.file, tmp_path))


def states_of(file: Path) -> list[str]:
    return [trial.state for trial in record_of(file).trials]


def test_trial_completes_after_the_link_dropped_in_its_measurement(run: BoardRun) -> None:
    assert run.result.code == 0, run.result.out + run.result.err
    assert run.drops == [1]
    assert states_of(run.file) == ["complete", "complete"]
    printed = run.result.out + run.result.err
    assert "is lost" in printed and "trials wait for it" in printed and "is back after" in printed


def test_study_measures_on_its_device_over_ssh(run: BoardRun, cli: Cli) -> None:
    for trial in record_of(run.file).trials:
        latency, accuracy = (trial.measurements[f"{name}@pi"] for name in ("latency", "accuracy"))
        assert latency.conditions["address"] == run.address
        assert latency.conditions["runtime_version"]
        assert accuracy.conditions["outputs"] == "host"
        assert "128 examples" in accuracy.conditions["parity"]
    assert Devices(open_engine(url_of(run.file))).of("pi")["identity"]
    tested = cli("devices", "test", run.file.with_suffix(""))
    assert tested.code == 0, tested.err
    assert tested.out.startswith(f"{run.address}: ready\n")


def test_two_workers_of_a_study_share_its_device(
    run: BoardRun, copied: Path, cli: Cli, start: Callable[..., Any]
) -> None:
    """Both train while another study holds the device; then one after the other measures."""

    def waiting() -> int:
        rows = json.loads(cli("workers", copied, "--json").out)["workers"]
        return sum(str(row["stage"]).startswith("waits for") for row in rows)

    with open_device(run.address) as device:
        with device.lease("another study"):
            running = start("run", copied, "--trials", 3, "--workers", 2)
            end = time.monotonic() + PATIENT_S
            while waiting() < 2:
                assert running.process.poll() is None, running.log.read_text()
                assert time.monotonic() < end, running.log.read_text()
                time.sleep(0.2)
            assert states_of(copied).count("complete") == 2
        assert running.ended() == 0, running.log.read_text()
        assert "is used by another study; this waits for it" in running.log.read_text()
        assert device.hello().holder is None
    assert states_of(copied) == ["complete"] * 4


def test_export_names_the_device_and_does_not_compare_its_latency_here(
    run: BoardRun, copied: Path, cli: Cli, tmp_path: Path
) -> None:
    exported = cli("export", copied, "--pick", "1", "--target", "pi", "-o", tmp_path / "out")

    assert exported.code == 0, exported.out + exported.err
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["device"]["address"] == run.address
    assert manifest["device"]["identity"] and manifest["device"]["cores"]
    verified = cli("verify", tmp_path / "out")
    assert verified.code == 0, verified.out + verified.err
    assert f"measured on the device {run.address}" in verified.out.replace("\n", "")
