"""A study whose target is a device, by a real sshd on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from paretune.objectives.devices.transport import SSH
from paretune.search.database.devices import Devices
from paretune.search.database.engine import open_engine
from paretune.search.database.store import existing_store
from paretune.search.errors import UserError
from paretune.search.study.records import StudyRecord
from paretune.search.study_file.loading import load_study
from paretune.search.trial.study_devices import close_devices, devices_of
from support.command_line import Cli
from support.devices import MISSING, SshServer, ssh_server
from support.study_texts import TINY


def device_study(file: Path, address: str) -> Path:
    """Writes TINY with the target `pi` on a device."""
    text = TINY.replace(
        "objectives:", f'targets: {{pi: {{onnxruntime: {{}}, device: "{address}"}}}}\nobjectives:'
    )
    text = text.replace("search: {trials: 6,", "search: {trials: 2, sampler: random,")
    file.write_text(text, encoding="utf-8")
    return file


def record_of(file: Path) -> StudyRecord:
    with existing_store(load_study(file).storage) as store:
        return store.record()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    """A real sshd, which `ssh` reaches by a configuration of its own."""
    with ssh_server(tmp_path / "sshd") as running:
        monkeypatch.setenv(SSH, running.ssh)
        yield running


def test_first_facts_of_a_device_stay(tmp_path: Path) -> None:
    devices = Devices(open_engine(f"sqlite:///{tmp_path}/study.db", create=True))

    assert devices.of("pi") == {}
    assert devices.note("pi", {"cpu": "A76"}) == {"cpu": "A76"}
    assert devices.note("pi", {"cpu": "A53"}) == {"cpu": "A76"}
    assert devices.of("pi") == {"cpu": "A76"}
    assert devices.of(None) == {}


@pytest.mark.slow
@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_study_measures_on_its_device_over_ssh(server: SshServer, tmp_path: Path, cli: Cli) -> None:
    file = device_study(tmp_path / "board.yaml", server.address())

    run = cli("run", str(file))

    assert run.code == 0, run.out + run.err
    record = record_of(file)
    complete = [trial for trial in record.trials if trial.state == "complete"]
    assert len(complete) >= 2
    for trial in complete:
        latency, accuracy = (trial.measurements[f"{name}@pi"] for name in ("latency", "accuracy"))
        assert latency.conditions["address"] == server.address()
        assert latency.conditions["runtime_version"]
        assert accuracy.conditions["outputs"] == "host"
        assert "128 examples" in accuracy.conditions["parity"]
    facts = Devices(open_engine(load_study(file).storage)).of("pi")
    assert facts["identity"]
    tested = cli("devices", "test", file.with_suffix(""))
    assert tested.code == 0, tested.err
    assert tested.out.startswith(f"{server.address()}: ready\n")


@pytest.mark.slow
def test_refused_device_ends_a_run_at_once_with_one_reason(tmp_path: Path, cli: Cli) -> None:
    file = device_study(tmp_path / "board.yaml", "local://?python=/nowhere/python")

    run = cli("run", str(file))

    assert run.code == 2
    assert run.err.count("targets.pi.device") == run.err.count("/nowhere/python cannot be") == 1
    assert "cannot be measured" not in run.err


@pytest.mark.slow
def test_another_device_under_the_same_target_is_refused(tmp_path: Path) -> None:
    spec = load_study(device_study(tmp_path / "board.yaml", "local://"))
    kept = Devices(open_engine(f"sqlite:///{tmp_path}/study.db", create=True))
    kept.note("pi", {"machine": "armv7l", "identity": "another"})
    uses = devices_of(spec, kept)

    with pytest.raises(UserError, match="another device than last time: its architecture"):
        uses["pi"].access.attempt(lambda device: device.facts)
    close_devices(uses)
