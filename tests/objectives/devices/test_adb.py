"""Android devices by a stand-in for `adb`, which runs the device's commands on this machine."""

import sys
from pathlib import Path

import numpy as np
import pytest

from paretune.objectives.devices.device import open_device
from paretune.objectives.devices.errors import DeviceLost, DeviceRefused
from paretune.objectives.devices.loader import runner_name
from paretune.objectives.devices.messages import DeviceNetwork
from paretune.objectives.devices.transport import ADB
from support.devices import stand_in_adb

pytestmark = pytest.mark.slow


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Options of an address behind the stand-in."""
    monkeypatch.setenv(ADB, str(stand_in_adb(tmp_path)))
    return f"?python={sys.executable}&folder={tmp_path}/device"


def test_device_measures_over_adb_with_a_pushed_runner(
    options: str, tmp_path: Path, network: DeviceNetwork, images: np.ndarray
) -> None:
    with open_device(f"adb://R58M12{options}") as device:
        with device.lease("test"), device.timing([network]) as timing:
            assert timing.block(0.02) > 0
        [output] = device.run(network, [(images,)])
        assert output.shape == (5, 3)
    calls = (tmp_path / "adb.log").read_text().splitlines()
    assert calls[0] == f"-s R58M12 shell mkdir -p {tmp_path}/device"
    assert calls[1].startswith("-s R58M12 push ") and runner_name() in calls[1]
    assert calls[2].startswith("-s R58M12 shell -T ")


def test_phone_that_is_unplugged_is_lost(options: str) -> None:
    with pytest.raises(DeviceLost, match="device 'R1' not found"):
        open_device(f"adb://R1{options}")


def test_phone_that_has_not_accepted_this_computer_is_refused(options: str) -> None:
    with pytest.raises(DeviceRefused, match="confirm it on its screen"):
        open_device(f"adb://locked{options}")


def test_missing_adb_is_refused(options: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ADB, "no-such-adb")
    with pytest.raises(DeviceRefused, match="install Android's platform tools"):
        open_device(f"adb://R58M12{options}")
