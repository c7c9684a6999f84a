"""Devices for tests: a real sshd on loopback, a link that stalls, and a stand-in for adb."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

MISSING = next(
    (
        f"{name} is not installed"
        for name, there in (("sshd", SSHD), ("ssh", shutil.which("ssh")))
        if not there
    ),
    None,
)
"""Why sshd cannot be started here, or None."""

PATIENT_S = 60


@dataclass
class SshServer:
    """A real sshd on loopback, which lets in the present user by a key of its own.

    Attributes:
        folder: Folder of its keys and configuration.
        port: Port on 127.0.0.1.
        ssh: The command that reaches it, for PARETUNE_SSH.
    """

    folder: Path
    port: int
    ssh: str
    process: subprocess.Popen[bytes] = field(repr=False)

    def address(self, options: str = "", port: int | None = None) -> str:
        """Returns its address as a device, with a folder of its own for the runner."""
        query = "&".join(
            filter(None, (f"python={sys.executable}", f"folder={self.folder}/device", options))
        )
        return f"ssh://{getpass.getuser()}@127.0.0.1:{port or self.port}?{query}"

    def end(self) -> None:
        """Ends it, with its connections."""
        self.process.terminate()
        self.process.wait(PATIENT_S)

    def forget_host(self) -> None:
        """Forgets its host key."""
        (self.folder / "known_hosts").write_text("")


def make_key(path: Path) -> str:
    """Makes a pair of keys; returns the public one."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True)
    return path.with_suffix(".pub").read_text()


def free_port() -> int:
    """Returns a port that no process listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def ssh_server(folder: Path, more: str = "") -> Iterator[SshServer]:
    """Runs an sshd as the present user, with more configuration; ends it after the body."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    port = free_port()
    if not (folder / "host").exists():
        host_key = make_key(folder / "host")
        (folder / "authorized").write_text(make_key(folder / "user"))
        kind, key, *_ = host_key.split()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    (folder / "sshd_config").write_text(
        f"""ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
{more}
"""
    )
    (folder / "ssh_config").write_text(
        f"""IdentityFile {folder}/user
IdentitiesOnly yes
UserKnownHostsFile {folder}/known_hosts
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
"""
    )
    if os.getuid() == 0:  # the folder that sshd was compiled with; only root's sshd asks for it
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    assert SSHD is not None
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log
        )
    try:
        wait_for_port(port)
        yield SshServer(folder, port, f"ssh -F {folder}/ssh_config", process)
    finally:
        process.terminate()
        process.wait(PATIENT_S)


def wait_for_port(port: int) -> None:
    """Waits until a process listens on a port of loopback."""
    until = time.monotonic() + PATIENT_S
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise TimeoutError(f"nothing listens on port {port}")


class Relay:
    """A relay of TCP on loopback, as a link that can stall or drop.

    Args:
        target: The port that it leads to.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._flows = threading.Event()
        self._flows.set()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        """Holds all bytes back; the connections stay."""
        self._flows.clear()

    def flow(self) -> None:
        """Lets bytes pass again."""
        self._flows.set()

    def drop(self) -> None:
        """Cuts all connections."""
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends the relay."""
        self._listener.close()
        self.flow()
        self.drop()
        for each in self._sockets:
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._sockets.append(near)  # before the next line, which fails if the target ended
                far = socket.create_connection(("127.0.0.1", self._target))
                self._sockets.append(far)
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(1 << 16):
                self._flows.wait()
                sink.sendall(content)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


ADB = """#!{python}
# A stand-in for adb: its device is this machine, whose shell it runs the commands in.
import os, shutil, sys
arguments = sys.argv[1:]
with open({log!r}, "a") as file:
    file.write(" ".join(a if len(a) < 99 else "..." for a in arguments) + "\\n")
if arguments[0] == "-s":
    serial, arguments = arguments[1], arguments[2:]
    if serial == "locked":
        sys.exit("adb: device unauthorized.\\nThis adb server's $ADB_VENDOR_KEYS is not set")
    if serial != "R58M12":
        sys.exit("adb: device '" + serial + "' not found")
if arguments[0] == "push":
    shutil.copy(arguments[1], arguments[2])
elif arguments[0] == "shell":
    command = [a for a in arguments[1:] if a != "-T"]
    os.execv("/bin/sh", ["sh", "-c", " ".join(command)])
else:
    sys.exit("adb: unknown command " + arguments[0])
"""


def stand_in_adb(folder: Path) -> Path:
    """Writes a program that takes adb's commands and runs them on this machine."""
    path = folder / "adb"
    path.write_text(ADB.format(python=sys.executable, log=str(folder / "adb.log")))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
