"""The device of a target in a manifest."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from paretune.search.database.devices import Devices
from paretune.search.database.engine import open_engine
from paretune.search.export.device_facts import device_json, device_text

FACTS = {"cpu": "Cortex-A76", "model": "Pi 5", "machine": "aarch64", "cores": 4, "identity": "ab"}


def device_of(folder: Path, address: str | None, kept: dict[str, Any]) -> dict[str, Any] | None:
    """Returns a manifest's device of the target `pi`."""
    engine = open_engine(f"sqlite:///{folder}/study.db", create=True)
    if kept:
        Devices(engine).note("pi", kept)
    device = address and SimpleNamespace(access=SimpleNamespace(address=address))
    workbench = SimpleNamespace(store=SimpleNamespace(engine=engine))
    target = SimpleNamespace(name="pi", device=device)
    return device_json(cast(Any, workbench), cast(Any, target))


def test_manifest_names_the_device_that_the_study_keeps(tmp_path: Path) -> None:
    device = device_of(tmp_path, "ssh://pi@cam", {**FACTS, "more": 1})

    assert device == {"address": "ssh://pi@cam", **FACTS}
    assert device_text(device) == "the device ssh://pi@cam (Pi 5, Cortex-A76)"


def test_manifest_has_at_least_the_address_of_a_device(tmp_path: Path) -> None:
    device = device_of(tmp_path, "ssh://pi@cam", {})

    assert device == {"address": "ssh://pi@cam"}
    assert device_text(device) == "the device ssh://pi@cam"


def test_manifest_of_a_host_has_no_device(tmp_path: Path) -> None:
    assert device_of(tmp_path, None, {}) is None
