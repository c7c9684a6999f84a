"""Addresses of devices: `ssh://pi@cam`, `adb://SERIAL`, `local://?cpus=0-1`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from paretune.objectives.devices.errors import DeviceRefused

Kind = Literal["ssh", "adb", "local"]

FORMS = "ssh://user@host, ssh://user@host:port, adb://SERIAL or local://"

OPTIONS = {
    "cpus": "cores to run on: 0-3 or 0,2",
    "python": "Python on the device: ~/venv/bin/python",
    "folder": "folder on the device for the runner and files",
}
"""Options behind the question mark of an address, and what they are."""

_NAME = r"[A-Za-z0-9_.][A-Za-z0-9_.\-]*"
_USER, _HOST = re.compile(_NAME), re.compile(rf"{_NAME}|[0-9A-Fa-f:.]+(%{_NAME})?")
_SERIAL = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.:\-]*")
_CPUS = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*")
_PATH = re.compile(r"(~/|/)?[\w.+@/ \-]+")


@dataclass(frozen=True)
class DeviceAddress:
    """The parts of an address.

    Attributes:
        text: The address as it was written.
        kind: How the device is reached.
        host: Name or number of the host; the serial number for adb; empty for local.
        user: Name of the user; empty for the one that ssh would take.
        port: Port of ssh; None for the one that ssh would take.
        cpus: Cores that the runner keeps to, such as "0-1"; empty for all.
        python: Python on the device; empty for the usual one.
        folder: Folder on the device; empty for the user's cache.
    """

    text: str
    kind: Kind
    host: str = ""
    user: str = ""
    port: int | None = None
    cpus: str = ""
    python: str = ""
    folder: str = ""

    @property
    def cores(self) -> int | None:
        """Number of cores that the address names; None without `cpus`."""
        return len(core_numbers(self.cpus)) if self.cpus else None


def core_numbers(cpus: str) -> set[int]:
    """Returns the numbers of cores in text: `0-1,3` -> 0, 1 and 3."""
    numbers: set[int] = set()
    for part in cpus.split(","):
        first, _, last = part.partition("-")
        numbers |= set(range(int(first), int(last or first) + 1))
    return numbers


def parse_address(text: str) -> DeviceAddress:
    """Returns the parts of an address.

    Raises:
        DeviceRefused: It is not an address of a device.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _wrong(text, str(error)) from error
    if parts.scheme not in ("ssh", "adb", "local"):
        raise _wrong(text, "it must begin with ssh://, adb:// or local://")
    kind = cast(Kind, parts.scheme)
    if parts.path not in ("", "/") or parts.fragment:
        raise _wrong(text, f"{parts.path or '#' + parts.fragment!r} has no meaning in it")
    options = _options(text, parts)
    if kind == "local":
        if parts.netloc:
            raise _wrong(text, "local:// is this machine, and takes no host")
        return DeviceAddress(text, kind, "", "", None, **options)
    if kind == "adb":
        serial = unquote(parts.netloc)
        _check(text, "serial number", _SERIAL, serial, "`adb devices` lists them")
        return DeviceAddress(text, kind, serial, "", None, **options)
    return _of_ssh(text, parts, port, options)


def _of_ssh(
    text: str, parts: SplitResult, port: int | None, options: dict[str, str]
) -> DeviceAddress:
    if parts.password is not None:
        raise _wrong(text, "a password in an address would be written into reports; use a key")
    user, host = unquote(parts.username or ""), _host(parts)
    if "@" in parts.netloc:
        _check(text, "user", _USER, user, "letters, digits, _ . and -")
    _check(text, "host", _HOST, host, "letters, digits, _ . and -")
    return DeviceAddress(text, "ssh", host, user, port, **options)


def _host(parts: SplitResult) -> str:
    """Returns the host as it was written; urlsplit's own has lower-case letters only."""
    host = unquote(parts.netloc.rpartition("@")[2])
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _options(text: str, parts: SplitResult) -> dict[str, str]:
    options = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in OPTIONS:
            listed = ", ".join(f"{key} ({about})" for key, about in OPTIONS.items())
            raise _wrong(text, f"unknown option {name!r}; known: {listed}")
        if name in options:
            raise _wrong(text, f"the option {name} is there twice")
        form = _CPUS if name == "cpus" else _PATH
        _check(text, name, form, value, OPTIONS[name])
        options[name] = value
    return options


def _check(text: str, name: str, form: re.Pattern[str], value: str, hint: str) -> None:
    if not form.fullmatch(value):
        raise _wrong(text, f"{name} {value!r} is not one: {hint}")


def _wrong(text: str, reason: str) -> DeviceRefused:
    return DeviceRefused(f"{text!r} is not the address of a device: {reason}; forms: {FORMS}")
