"""A device that is not the one of last time."""

import pytest

from paretune.objectives.devices.errors import DeviceRefused
from paretune.objectives.devices.messages import DeviceFacts, DeviceState
from paretune.objectives.devices.same_device import check_same_device

FACTS = DeviceFacts(
    "ssh://pi@cam", "abc", "aarch64", "Linux", "Raspberry Pi 5", "Cortex-A76", 4, None, "3.11.2",
    "2.0", {}, (), "none", None, DeviceState(None, (), (), (), None), "0",
)  # fmt: skip


def test_check_same_device_passes_the_same_one() -> None:
    check_same_device(FACTS, {"machine": "aarch64", "cpu": "Cortex-A76", "identity": "abc"})
    check_same_device(FACTS, {})


@pytest.mark.parametrize(
    ("earlier", "words"),
    [
        ({"machine": "armv7l"}, "its architecture is aarch64, and was armv7l"),
        ({"cpu": "Cortex-A72"}, "its processor is Cortex-A76, and was Cortex-A72"),
        ({"identity": "def"}, "its machine id is abc, and was def"),
    ],
)
def test_check_same_device_refuses_another(earlier: dict[str, str], words: str) -> None:
    with pytest.raises(DeviceRefused, match="another device than last time") as error:
        check_same_device(FACTS, earlier)
    assert words in str(error.value)
