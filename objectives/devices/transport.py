"""How a program is started on a device: by the system's `ssh` or `adb`, or on this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from paretune.objectives.devices.address import DeviceAddress
from paretune.objectives.devices.errors import DeviceLost, DeviceRefused
from paretune.objectives.devices.loader import loader_command, runner_content, runner_name
from paretune.objectives.devices.patience import Patience

SSH, ADB = "PARETUNE_SSH", "PARETUNE_ADB"
"""Environment variables: the command to use instead of `ssh` or `adb`, such as "ssh -F FILE"."""

ANDROID_FOLDER = "/data/local/tmp/paretune"
"""Folder on an Android device, whose shell has no cache of its own."""

ADB_SECONDS = 60
"""Seconds that one call of `adb` may take before the runner starts."""


def start(address: DeviceAddress, patience: Patience) -> subprocess.Popen[bytes]:
    """Starts the loader on a device; returns the process that is connected to it.

    Raises:
        DeviceRefused: The program of the transport is missing, or refuses the device.
        DeviceLost: The device is not there.
    """
    command = {"ssh": _ssh, "adb": _adb, "local": _local}[address.kind](address, patience)
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env={**os.environ, "LC_ALL": "C"},
        # A Ctrl-C in the terminal is for this process, which then closes the link.
        start_new_session=True,
    )


def _loader(address: DeviceAddress, patience: Patience, python: str, folder: str = "") -> str:
    return loader_command(
        address.python or python,
        address.folder or folder,
        patience.runner_silence_s,
        address.cpus,
    )


def _local(address: DeviceAddress, patience: Patience) -> list[str]:
    return ["sh", "-c", "exec " + _loader(address, patience, sys.executable)]


def _ssh(address: DeviceAddress, patience: Patience) -> list[str]:
    host = f"{address.user}@{address.host}" if address.user else address.host
    options = {
        "BatchMode": "yes",  # a question would wait for ever
        "ConnectTimeout": str(max(1, round(patience.connect_s))),
        "ServerAliveInterval": str(max(1, round(patience.silence_s / 4))),
        "ServerAliveCountMax": "3",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "ClearAllForwardings": "yes",
        "RequestTTY": "no",
        "LogLevel": "ERROR",
    }
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    port = ["-p", str(address.port)] if address.port else []
    program = _program(SSH, "ssh", "the OpenSSH client (apt install openssh-client)")
    return [*program, *flags, *port, "--", host, _loader(address, patience, "python3")]


def _adb(address: DeviceAddress, patience: Patience) -> list[str]:
    program = [*_program(ADB, "adb", "Android's platform tools"), "-s", address.host]
    folder = address.folder or ANDROID_FOLDER
    _push_runner(address, program, folder)
    return [*program, "shell", "-T", _loader(address, patience, "python3", folder)]


def _push_runner(address: DeviceAddress, program: Sequence[str], folder: str) -> None:
    """Pushes the runner; the loader checks its digest, and asks for it if it is not there."""
    _call(address, [*program, "shell", f"mkdir -p {shlex.quote(folder)}"])
    with tempfile.TemporaryDirectory() as scratch:
        draft = Path(scratch) / runner_name()
        draft.write_bytes(runner_content())
        _call(address, [*program, "push", str(draft), f"{folder}/{runner_name()}"])


def _call(address: DeviceAddress, command: Sequence[str]) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=ADB_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise DeviceLost(address.text, f"adb did not answer in {ADB_SECONDS} s") from error
    if done.returncode:
        words = (done.stderr or done.stdout).decode(errors="replace")
        raise failure(address, words, done.returncode)


def _program(variable: str, name: str, package: str) -> list[str]:
    command = shlex.split(os.environ.get(variable, "")) or [name]
    if shutil.which(command[0]) is None:
        raise DeviceRefused(
            f"{command[0]} is not there: install {package}, or name the command by {variable}"
        )
    return command


REFUSALS = {
    "REMOTE HOST IDENTIFICATION HAS CHANGED": (
        "its host key is another than last time; if the device was set up anew, type: "
        "ssh-keygen -R {entry}, then ssh {login}"
    ),
    "Host key verification failed": (
        "its host key is not known here; connect once by hand and check the key: ssh {login}"
    ),
    "Permission denied": (
        "it does not accept the key of this user; put the key there: ssh-copy-id {login}"
    ),
    "Too many authentication failures": (
        "it refused several keys; name the right one in ~/.ssh/config (IdentityFile)"
    ),
    "Name or service not known": "there is no host of this name; check the address: ssh {login}",
    "nodename nor servname": "there is no host of this name; check the address: ssh {login}",
    "No address associated": "this name has no address; check the address: ssh {login}",
    "Bad configuration option": "ssh's configuration is wrong",
    "Bad owner or permissions": "ssh refuses its configuration or key for their permissions",
    "unauthorized": "the device has not accepted this computer; confirm it on its screen",
    "more than one device": "several devices have this serial number",
}
"""Part of a text of ssh or adb -> what is wrong and what to type. Everything else may pass."""

FOR_A_WHILE = ("Temporary failure", "Resource temporarily")


def failure(address: DeviceAddress, words: str, status: int | None) -> Exception:
    """Returns the error that ssh's or adb's last words stand for.

    Args:
        address: The device.
        words: What the program wrote to standard error.
        status: Its exit status; 126 and 127 mean that Python could not be started.
    """
    last = " ".join((words.strip().splitlines() or [""])[-1].split())
    login, entry = f"{address.user}@{address.host}" if address.user else address.host, address.host
    if address.port:
        login, entry = f"-p {address.port} {login}", f"'[{address.host}]:{address.port}'"
    mdns = address.host.endswith(".local") and "not known" in words
    if not mdns and not any(part in words for part in FOR_A_WHILE):
        for part, text in REFUSALS.items():
            if part in words:
                reason = text.format(login=login, entry=entry)
                return DeviceRefused(f"the device {address.text} is refused: {reason} ({last})")
    if status in (126, 127):
        python = address.python or "python3"
        return DeviceRefused(
            f"the device {address.text} is refused: {python} cannot be started there ({last}); "
            "install Python 3.8 or newer and NumPy, or name it: ?python=PATH in the address"
        )
    return DeviceLost(address.text, last.rstrip(".") or f"the connection ended (status {status})")
