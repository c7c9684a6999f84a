"""Addresses of devices, and the texts for wrong ones."""

import pytest

from paretune.objectives.devices.address import DeviceAddress, parse_address
from paretune.objectives.devices.errors import DeviceRefused

RIGHT = {
    "ssh://pi@cam": ("ssh", "cam", "pi", None),
    "ssh://cam": ("ssh", "cam", "", None),
    "ssh://Pi@Cam.local:2222": ("ssh", "Cam.local", "Pi", 2222),
    "ssh://pi@[fe80::1%25eth0]:22": ("ssh", "fe80::1%eth0", "pi", 22),
    "adb://R58M12": ("adb", "R58M12", "", None),
    "adb://192.168.1.7:5555": ("adb", "192.168.1.7:5555", "", None),
    "adb://emulator-5554": ("adb", "emulator-5554", "", None),
    "local://": ("local", "", "", None),
}


@pytest.mark.parametrize("text", RIGHT)
def test_parse_address_returns_the_parts(text: str) -> None:
    kind, host, user, port = RIGHT[text]
    assert parse_address(text) == DeviceAddress(text, kind, host, user, port)  # type: ignore[arg-type]


def test_parse_address_returns_the_options() -> None:
    address = parse_address("ssh://cam?cpus=0-1,3&python=~/venv/bin/python&folder=/mnt/fast disk")
    assert (address.cpus, address.python, address.folder) == (
        "0-1,3",
        "~/venv/bin/python",
        "/mnt/fast disk",
    )


WRONG = {
    "pi@cam": "must begin with ssh://, adb:// or local://",
    "http://cam": "must begin with ssh://",
    "ssh://": "host '' is not one",
    "ssh://@cam": "user '' is not one",
    "ssh://-oProxyCommand=x": "host '-oProxyCommand=x' is not one",
    "ssh://-l@cam": "user '-l' is not one",
    "ssh://pi:secret@cam": "a password in an address would be written into reports",
    "ssh://cam:99999": "Port out of range",
    "ssh://cam/home": "'/home' has no meaning in it",
    "ssh://cam?cpu=0": "unknown option 'cpu'; known: cpus",
    "ssh://cam?cpus=all": "cpus 'all' is not one: cores to run on",
    "ssh://cam?cpus=0&cpus=1": "the option cpus is there twice",
    "ssh://cam?python=a'b;rm": 'python "a\'b;rm" is not one',
    "adb://": "serial number '' is not one: `adb devices` lists them",
    "adb://-e": "serial number '-e' is not one",
    "local://cam": "local:// is this machine",
}


@pytest.mark.parametrize("text", WRONG)
def test_parse_address_names_the_rule_when_it_is_wrong(text: str) -> None:
    with pytest.raises(DeviceRefused) as error:
        parse_address(text)
    assert WRONG[text] in str(error.value)
    assert "forms: ssh://user@host" in str(error.value)
    assert text in str(error.value) or '"' in str(error.value)
