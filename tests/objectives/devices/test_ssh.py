"""Devices through a real sshd on loopback: refusals, and links that stall and drop."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from paretune.objectives.devices.device import Device, open_device
from paretune.objectives.devices.errors import DeviceLost, DeviceRefused, RunnerDied
from paretune.objectives.devices.messages import DeviceNetwork
from paretune.objectives.devices.patience import Patience
from paretune.objectives.devices.persistence import persist
from paretune.objectives.devices.transport import SSH
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from support import devices as support
from support.devices import MISSING, Relay, SshServer, ssh_server

pytestmark = [pytest.mark.slow, pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]

SHORT = Patience(connect_s=20.0, silence_s=4.0, runner_silence_s=4.0, ping_s=0.5)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    """A real sshd, which `ssh` reaches by a configuration of its own."""
    with ssh_server(tmp_path / "sshd") as running:
        monkeypatch.setenv(SSH, running.ssh)
        yield running


@pytest.fixture
def relay(server: SshServer) -> Iterator[Relay]:
    """A link to the sshd that can stall and drop."""
    made = Relay(server.port)
    known = server.folder / "known_hosts"
    known.write_text(known.read_text().replace(f":{server.port}", f":{made.port}"))
    yield made
    made.close()


def runner_pid(device: Device) -> int:
    return int(device._link.ask("hello")["pid"])


def test_device_measures_over_ssh(
    server: SshServer, network: DeviceNetwork, images: np.ndarray
) -> None:
    with open_device(server.address()) as device:
        with device.lease("test"), device.timing([network]) as timing:
            assert timing.block(0.02) > 0
        [output] = device.run(network, [(images,)])
    assert np.array_equal(output, OnnxRuntime.load(network.path, OnnxRuntime.Params())(images))


def test_greeting_of_the_shell_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    greeting = 'ForceCommand echo "Welcome!"; eval "$SSH_ORIGINAL_COMMAND"'
    with ssh_server(tmp_path / "sshd", greeting) as server:
        monkeypatch.setenv(SSH, server.ssh)
        with open_device(server.address()) as device:
            assert device.facts.python


def test_unknown_host_key_is_refused(server: SshServer) -> None:
    server.forget_host()
    with pytest.raises(DeviceRefused, match="its host key is not known here; connect once by hand"):
        open_device(server.address())


def test_changed_host_key_is_refused(server: SshServer, tmp_path: Path) -> None:
    known = server.folder / "known_hosts"
    other = support.make_key(tmp_path / "other").split()[1]
    _, key, *_ = (server.folder / "host.pub").read_text().split()
    known.write_text(known.read_text().replace(key, other))
    with pytest.raises(DeviceRefused, match="host key is another than last time") as refusal:
        open_device(server.address())
    assert f"type: ssh-keygen -R '[127.0.0.1]:{server.port}', then ssh -p" in str(refusal.value)


def test_wrong_key_is_refused(server: SshServer) -> None:
    (server.folder / "authorized").write_text("")
    with pytest.raises(DeviceRefused, match=r"does not accept the key of this user.*ssh-copy-id"):
        open_device(server.address())


def test_unknown_host_is_refused(server: SshServer) -> None:
    with pytest.raises(DeviceRefused, match=r"there is no host of this name|lost: .*resolve"):
        open_device("ssh://pi@no-such-host.invalid")


def test_missing_python_is_refused(server: SshServer) -> None:
    address = server.address().replace(sys.executable, "/nowhere/python")
    with pytest.raises(DeviceRefused, match="/nowhere/python cannot be started there"):
        open_device(address)


def test_device_that_is_off_is_lost(server: SshServer) -> None:
    server.end()
    with pytest.raises(DeviceLost, match=" is lost: "):
        open_device(server.address())


def test_missing_ssh_is_refused(server: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SSH, "no-such-ssh")
    with pytest.raises(DeviceRefused, match="no-such-ssh is not there: install"):
        open_device(server.address())


def test_link_that_drops_is_lost_and_the_work_is_repeated(
    server: SshServer, relay: Relay, network: DeviceNetwork
) -> None:
    lost: list[str] = []
    attempts: list[int] = []

    def work(device: Device) -> int:
        attempts.append(runner_pid(device))
        with device.lease("test"), device.timing([network]) as timing:
            if len(attempts) == 1:
                relay.drop()
            timing.block(0.02)
            return len(timing.networks[0].blocks)

    blocks = persist(
        server.address(port=relay.port),
        work,
        lambda error: lost.append(str(error)),
        connect=lambda address: open_device(address, SHORT),
    )
    assert blocks == 1 and len(attempts) == 2 and len(lost) == 1
    assert attempts[0] != attempts[1] and " is lost: " in lost[0]


def test_link_that_stalls_is_lost_and_its_lease_ends(server: SshServer, relay: Relay) -> None:
    device = open_device(server.address(port=relay.port), SHORT)
    with pytest.raises(DeviceLost), device.lease("stalled study"):
        relay.stall()
        device.hello()
    device.close()
    # The bytes are still held back, so only the silence tells the runner that its host is gone.
    known = server.folder / "known_hosts"
    known.write_text(known.read_text().replace(f":{relay.port}", f":{server.port}"))
    with open_device(server.address()) as again, again.lease("next study", wait_s=60):
        assert again.hello().holder == "next study"


def test_runner_that_dies_on_the_device_is_told_from_a_lost_link(server: SshServer) -> None:
    with open_device(server.address()) as device:
        os.kill(runner_pid(device), signal.SIGKILL)
        with pytest.raises(RunnerDied, match="ended by signal 9"):
            device.hello()


def can_unshare() -> bool:
    """Returns whether a network namespace can be made, in which sshd runs."""
    return (
        os.getuid() == 0
        and bool(shutil.which("unshare") and shutil.which("ip"))
        and (subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0)
    )


IN_NAMESPACE = """
import os, subprocess, sys
from pathlib import Path
def link(state):
    subprocess.run(["ip", "link", "set", "lo", state], check=True)
link("up")
from paretune.objectives.devices.device import open_device
from paretune.objectives.devices.errors import DeviceLost
from paretune.objectives.devices.patience import Patience
from support.devices import ssh_server
short = Patience(connect_s=20.0, silence_s=4.0, runner_silence_s=4.0, ping_s=0.5)
with ssh_server(Path(sys.argv[1])) as server:
    os.environ["PARETUNE_SSH"] = server.ssh
    device = open_device(server.address(), short)
    try:
        with device.lease("cut off"):
            link("down")  # packets vanish: no side is told
            device.hello()
        print("not lost")
    except DeviceLost as error:
        print(error)
    device.close()
    try:
        open_device(server.address(), Patience(connect_s=2.0))
        print("not lost")
    except DeviceLost as error:
        print(error)
    link("up")
    with open_device(server.address(), short) as again, again.lease("back", wait_s=60):
        print("held by", again.hello().holder)
"""


@pytest.mark.skipif(not can_unshare(), reason="no network namespace can be made here")
def test_device_behind_a_cut_network_is_lost_and_comes_back(tmp_path: Path) -> None:
    tests = Path(support.__file__).parents[1]
    command = ["unshare", "--net", sys.executable, "-c", textwrap.dedent(IN_NAMESPACE)]
    environment = {**os.environ, "PYTHONPATH": f"{tests.parent}:{tests}"}
    done = subprocess.run(
        [*command, str(tmp_path / "sshd")], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.strip().splitlines()
    assert " is lost: " in first and " is lost: " in second
    assert third == "held by back"
