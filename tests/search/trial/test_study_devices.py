"""The devices of a study: which it keeps, and which it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.database.devices import Devices
from paretune.search.database.engine import open_engine
from paretune.search.errors import UserError
from paretune.search.study_file.loading import load_study
from paretune.search.trial.study_devices import close_devices, devices_of
from support.command_line import Cli
from support.study_texts import TINY


def device_study(file: Path, address: str) -> Path:
    """Writes TINY with the target `pi` on a device."""
    text = TINY.replace(
        "objectives:", f'targets: {{pi: {{onnxruntime: {{}}, device: "{address}"}}}}\nobjectives:'
    )
    text = text.replace("search: {trials: 6,", "search: {trials: 2, sampler: random,")
    file.write_text(text, encoding="utf-8")
    return file


def test_first_facts_of_a_device_stay(tmp_path: Path) -> None:
    devices = Devices(open_engine(f"sqlite:///{tmp_path}/study.db", create=True))

    assert devices.of("pi") == {}
    assert devices.note("pi", {"cpu": "A76"}) == {"cpu": "A76"}
    assert devices.note("pi", {"cpu": "A53"}) == {"cpu": "A76"}
    assert devices.of("pi") == {"cpu": "A76"}
    assert devices.of(None) == {}


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
