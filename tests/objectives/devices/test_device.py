"""This machine as a device: the runner in a process of its own, by the whole protocol."""

import os
import signal
import sys
import venv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paretune.objectives.devices import runner
from paretune.objectives.devices.device import Device, open_device
from paretune.objectives.devices.errors import (
    DeviceBusy,
    DeviceLost,
    DeviceRefused,
    RunFailed,
    RunnerDied,
)
from paretune.objectives.devices.loader import runner_name
from paretune.objectives.devices.messages import DeviceNetwork
from paretune.objectives.devices.patience import Patience
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The device's folder."""
    return tmp_path / "device"


@pytest.fixture
def device(folder: Path) -> Iterator[Device]:
    """This machine."""
    with open_device(f"local://?folder={folder}") as opened:
        yield opened


def test_hello_tells_the_facts_of_this_machine(device: Device) -> None:
    facts = device.facts
    assert facts.machine == os.uname().machine
    assert facts.numpy == np.__version__
    assert facts.runtimes["onnxruntime"].startswith("onnxruntime ")
    assert facts.cores == len(os.sched_getaffinity(0))
    assert facts.counters or facts.no_counters


def test_check_runtime_returns_its_version(device: Device) -> None:
    assert device.check_runtime("onnxruntime") == device.facts.runtimes["onnxruntime"]


def test_address_keeps_the_runner_to_its_cores(folder: Path) -> None:
    core = min(os.sched_getaffinity(0))
    with open_device(f"local://?folder={folder}&cpus={core}") as device:
        assert device.facts.cores == 1


def test_address_is_refused_when_it_names_cores_that_are_not_there(folder: Path) -> None:
    with pytest.raises(DeviceRefused, match="the cores 4000 cannot be used"):
        open_device(f"local://?folder={folder}&cpus=4000")


def test_timing_gives_the_runs_of_each_network_in_each_block(
    device: Device, network: DeviceNetwork
) -> None:
    with device.lease("test"), device.timing([network, network], pin=True) as timing:
        for number in range(4):
            assert timing.block(0.02, reload=number > 0) > 0
        assert len(timing.networks) == 2 and len(timing.states) == 4
        for runs in timing.networks:
            assert len(runs.blocks) == 4 and runs.visits >= 4 and runs.warm_up_runs >= 5
            assert all(ms > 0 for block in runs.counted_ms(range(4)) for ms in block)
            for block in runs.blocks:
                assert len(block.wall) == len(block.cpu) == len(block.probe) > 0
                assert min(block.probe) > 0
        assert timing.probe.best_ms < 1
        assert timing.denormals == "flushed"


def test_run_gives_the_outputs_of_the_host(
    device: Device, network: DeviceNetwork, images: np.ndarray
) -> None:
    session = OnnxRuntime.load(network.path, OnnxRuntime.Params())
    outputs = list(device.run(network, [(images,), (images[:2],)]))
    assert np.array_equal(outputs[0], session(images))
    assert np.array_equal(outputs[1], session(images[:2]))


def test_run_passes_inputs_on_when_there_are_too_many_to_keep(
    device: Device,
    network: DeviceNetwork,
    images: np.ndarray,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("paretune.objectives.devices.device.KEPT_BYTES", 0)
    [output] = device.run(network, [(images,)])
    assert np.array_equal(output, OnnxRuntime.load(network.path, OnnxRuntime.Params())(images))
    assert not list((folder / "files").glob("*.npy"))


def test_put_sends_what_the_device_lacks(
    device: Device, network: DeviceNetwork, folder: Path
) -> None:
    size = network.path.stat().st_size
    assert device.put([network.path]) == size
    assert device.put([network.path]) == 0
    with open_device(f"local://?folder={folder}") as again:
        assert again.put([network.path]) == 0


def test_timing_sends_a_file_again_when_the_device_lost_it(
    device: Device, network: DeviceNetwork, folder: Path
) -> None:
    device.put([network.path])
    for path in (folder / "files").iterdir():
        path.unlink()
    with device.lease("test"), device.timing([network]) as timing:
        assert timing.block(0.01) > 0


def test_memory_is_that_of_new_processes(device: Device, network: DeviceNetwork) -> None:
    with device.lease("test"):
        memory = device.memory(network, processes=2)
    assert len(memory.added) == 2 and all(0 < added < 1 << 30 for added in memory.added)
    assert memory.empty_bytes > 1 << 20


def test_windows_of_several_sessions(device: Device, network: DeviceNetwork) -> None:
    with device.lease("test"):
        measured = device.windows(network, windows=3, seconds=0.02, replicas=2)
    assert len(measured.windows) == 3
    for window in measured.windows:
        assert window.runs >= 2 and window.rate > 0 and window.joules is None


def test_energy_is_refused_without_counters(device: Device, network: DeviceNetwork) -> None:
    if device.facts.counters:
        pytest.skip("this machine has counters")
    with device.lease("test"), pytest.raises(DeviceRefused, match=r"no energy counters|only root"):
        device.windows(network, windows=1, seconds=0.01, energy=True)


def test_timing_is_refused_without_the_lease(device: Device, network: DeviceNetwork) -> None:
    with pytest.raises(RunFailed, match="needs the lease"), device.timing([network]):
        pass


def test_lease_is_of_one_connection_at_a_time(device: Device, folder: Path) -> None:
    other = folder.with_name("other")  # the folder of another user
    waited: list[str] = []
    with open_device(f"local://?folder={other}") as second:
        with device.lease("study a on host 1"):
            assert "study a on host 1" in str(second.hello().holder)
            with (
                pytest.raises(DeviceBusy, match="held by study a on host 1"),
                second.lease("study b", wait_s=0.1, on_wait=waited.append),
            ):
                pass
        with second.lease("study b", wait_s=60):
            assert second.hello().holder == "study b"
    assert waited == ["study a on host 1"]


def test_lease_ends_with_its_runner(device: Device, folder: Path) -> None:
    with open_device(f"local://?folder={folder}") as second:
        with pytest.raises(DeviceLost), second.lease("study a"):
            os.kill(runner_pid(second), signal.SIGKILL)
            second.hello()
        with device.lease("study b", wait_s=60):
            pass


def runner_pid(device: Device) -> int:
    return int(device._link.ask("hello")["pid"])


def test_runner_that_dies_is_told_from_a_lost_link(device: Device) -> None:
    os.kill(runner_pid(device), signal.SIGKILL)
    with pytest.raises(RunnerDied, match="ended by signal 9, perhaps for lack of memory"):
        device.hello()


def test_broken_file_is_unmeasurable_and_the_device_goes_on(
    device: Device, network: DeviceNetwork, broken: DeviceNetwork
) -> None:
    with device.lease("test"):
        with pytest.raises(Unmeasurable, match="cannot load the file"), device.timing([broken]):
            pass
        with pytest.raises(Unmeasurable, match="cannot load the file"):
            device.memory(broken, processes=1)
        with device.timing([network]) as timing:
            assert timing.block(0.01) > 0


def test_inputs_of_a_wrong_shape_fail_with_the_runtimes_text(
    device: Device, network: DeviceNetwork, images: np.ndarray
) -> None:
    wrong = replace(network, inputs=(images[:, :, :3],))
    with device.lease("test"), pytest.raises(RunFailed, match="onnxruntime on the device raised"):
        device.windows(wrong, windows=1, seconds=0.01)


def test_file_that_changed_is_refused(device: Device, network: DeviceNetwork) -> None:
    network.path.write_bytes(network.path.read_bytes() + b" ")
    with pytest.raises(DeviceRefused, match="another content than when it was made"):
        next(device.run(network, []), None)


def test_runner_is_sent_again_when_its_file_is_damaged(folder: Path) -> None:
    folder.mkdir()
    (folder / runner_name()).write_text("import os; os._exit(1)")
    with open_device(f"local://?folder={folder}") as device:
        assert device.facts.python


def test_device_without_numpy_says_what_to_install(
    tmp_path: Path, folder: Path, network: DeviceNetwork
) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    python = tmp_path / "bare" / "bin" / "python"
    with open_device(f"local://?folder={folder}&python={python}") as device:
        assert device.facts.numpy is None
        with pytest.raises(DeviceRefused) as error:
            next(device.run(network, []), None)
    assert "NumPy is not installed" in str(error.value)
    assert f"type there: {python} -m pip install numpy" in str(error.value)


def test_system_python_that_refuses_pip_is_told_of_an_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Debian and Raspberry Pi OS: https://peps.python.org/pep-0668."""
    error = ModuleNotFoundError("No module named 'ncnn'")
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(runner.sysconfig, "get_path", lambda name: str(tmp_path))
    usual = runner.install_text("ncnn", "ncnn", error)
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    managed = runner.install_text("ncnn", "ncnn", error)

    assert f"type there: {sys.executable} -m pip install ncnn" in usual
    command = "-m venv ~/.paretune && ~/.paretune/bin/pip install numpy ncnn, and add"
    assert f"type there: {sys.executable} {command}" in managed
    assert managed.endswith("?python=~/.paretune/bin/python to the address")


def test_device_without_the_runtime_says_what_to_install(device: Device) -> None:
    missing = {"openvino", "executorch", "litert"} - set(device.facts.runtimes)
    if not missing:
        pytest.skip("all runtimes are installed")
    name = min(missing)
    with pytest.raises(DeviceRefused, match=rf"{name} is not installed .* -m pip install"):
        device.check_runtime(name)


OLD = """#!{python}
import sys
sys.version_info = (3, 6, 9)
start, sys.argv = sys.argv[3], sys.argv[2:3] + sys.argv[4:]
exec(start)
"""


def test_old_python_is_refused(tmp_path: Path, folder: Path) -> None:
    old = tmp_path / "old"
    old.write_text(OLD.format(python=sys.executable))
    old.chmod(0o755)
    with pytest.raises(DeviceRefused, match=r"Python 3\.6 is too old: install Python 3\.8"):
        open_device(f"local://?folder={folder}&python={old}")


def test_missing_python_is_refused(folder: Path) -> None:
    with pytest.raises(DeviceRefused, match="/nowhere/python cannot be started there"):
        open_device(f"local://?folder={folder}&python=/nowhere/python")


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeviceRefused, match=r"name a folder that can be written: \?folder="):
        open_device(f"local://?folder={tmp_path}/file/device")


def test_runner_ends_when_the_host_is_silent(folder: Path) -> None:
    patience = Patience(runner_silence_s=1.0, ping_s=3600.0)
    device = open_device(f"local://?folder={folder}", patience)
    try:
        device._link._listeners[0].join(60)  # a request would be a sign of life
        with pytest.raises(RunnerDied, match="ended with status 3"):
            device.hello()
    finally:
        device.close()
