"""The runner's own parts, in this process: facts of made-up systems, files, lease, gate."""

import ast
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from paretune.objectives.devices import runner
from paretune.objectives.devices.loader import LOADER
from paretune.objectives.devices.runtimes import ON_DEVICES

SOURCE = Path(runner.__file__).read_text()

System = Callable[[dict[str, Any]], None]


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """`system({path: content})` writes files of a made-up system."""
    monkeypatch.setattr(runner, "ROOT", str(tmp_path / "root"))

    def write(files: dict[str, Any]) -> None:
        for name, content in files.items():
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")

    write({})
    return write


def test_runner_is_python_3_8_of_the_standard_library_numpy_and_runtimes() -> None:
    tree = ast.parse(SOURCE, feature_version=(3, 8))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add((node.module or "").partition(".")[0])
    allowed = {"numpy", "onnxruntime", "openvino", "ncnn", "MNN", "torch", "executorch"}
    assert names - set(sys.stdlib_module_names) <= allowed


def test_loader_is_understood_by_an_old_python() -> None:
    ast.parse(LOADER.replace("MARK", "'M'").replace("OLDEST", "(3, 8)"), feature_version=(3, 4))


def test_runner_imports_no_numpy_before_it_is_asked() -> None:
    code = (
        f"import sys; sys.argv = ['x']; sys.path.insert(0, {str(Path(runner.__file__).parent)!r})\n"
    )
    code += "import runner; print('numpy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


def test_runtimes_are_the_same_on_host_and_runner() -> None:
    assert set(runner.SESSIONS) == set(runner.PACKAGES) == set(ON_DEVICES)


def test_state_of_a_board(system: System) -> None:
    core = "sys/devices/system/cpu/cpu{}/cpufreq/"
    system(
        {
            "sys/class/thermal/thermal_zone0/type": "cpu-thermal",
            "sys/class/thermal/thermal_zone0/temp": 61200,
            "sys/class/thermal/thermal_zone1/type": "battery",
            "sys/class/thermal/thermal_zone1/temp": 71000,
            "sys/class/hwmon/hwmon0/name": "k10temp",
            "sys/class/hwmon/hwmon0/temp1_input": 62500,
            core.format(0) + "scaling_cur_freq": 1500000,
            core.format(1) + "scaling_cur_freq": 600000,
            core.format(0) + "scaling_governor": "ondemand",
            core.format(1) + "scaling_governor": "ondemand",
        }
    )
    state = runner.state()
    assert state["celsius"] == 62.5  # the battery's sensor is not the processor's
    assert (state["mhz"], state["governors"]) == ([1500.0, 600.0], ["ondemand"])
    assert state["throttled"] == []


def test_state_is_unknown_when_the_system_reports_nothing(system: System) -> None:
    state = runner.state()
    assert (state["celsius"], state["mhz"], state["governors"]) == (None, [], [])


def test_throttling_reads_the_present_flags_of_a_raspberry_pi(system: System) -> None:
    flags = "sys/devices/platform/soc/soc:firmware/get_throttled"
    system({flags: "50005"})  # bits 16 and 18: in the past
    assert runner.Throttling().signs() == ["under-voltage", "throttled"]
    system({flags: "50000"})
    assert runner.Throttling().signs() == []


def test_throttling_reads_cooling_devices_of_the_processor(system: System) -> None:
    folder = "sys/class/thermal/cooling_device{}/"
    system({folder.format(0) + "type": "cpufreq-cpu0", folder.format(0) + "cur_state": 2})
    system({folder.format(1) + "type": "pwm-fan", folder.format(1) + "cur_state": 3})
    assert runner.Throttling().signs() == ["cpufreq-cpu0: level 2"]


def test_throttling_compares_counts_of_events(system: System) -> None:
    count = "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    system({count: 7})
    throttling = runner.Throttling()
    assert throttling.signs() == []
    system({count: 9})
    assert throttling.signs() == ["2 thermal events"]
    assert throttling.signs() == []


def test_counters_are_packages_and_their_memory_and_overflow(system: System) -> None:
    zone = "sys/class/powercap/intel-rapl:0/"
    system(
        {
            zone + "name": "package-0",
            zone + "energy_uj": 900_000,
            zone + "max_energy_range_uj": 1_000_000,
            zone + "intel-rapl:0:0/name": "dram",
            zone + "intel-rapl:0:0/energy_uj": 10,
            zone + "intel-rapl:0:0/max_energy_range_uj": 1_000_000,
            "sys/class/powercap/intel-rapl:1/name": "psys",
            "sys/class/powercap/intel-rapl:1/energy_uj": 5,
        }
    )
    counters, reason = runner.energy_counters()
    assert reason is None
    assert sorted(counters) == ["RAPL package-0", "RAPL package-0 dram"]
    counter = counters["RAPL package-0"]()
    system({zone + "energy_uj": 400_000})
    assert counter.joules() == pytest.approx(0.5)


def test_counters_are_refused_when_several_chips_count_something(system: System) -> None:
    system({"sys/class/hwmon/hwmon0/energy1_input": 1, "sys/class/hwmon/hwmon0/energy2_input": 1})
    assert "several energy counters" in (runner.energy_counters()[1] or "")


def test_counters_are_missing_without_a_reading(system: System) -> None:
    assert runner.energy_counters() == (
        {},
        "no energy counters (/sys/class/powercap and /sys/class/hwmon have none)",
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The runner's clock: waiting takes no time."""
    now = [0.0]
    monkeypatch.setattr(runner.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(runner.time, "sleep", lambda s: now.__setitem__(0, now[0] + s))
    yield now


ZONE = "sys/class/thermal/thermal_zone0/"


def test_gate_waits_until_the_device_is_cool(
    system: System, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    system({ZONE + "type": "cpu-thermal", ZONE + "trip_point_0_type": "passive"})
    system({ZONE + "trip_point_0_temp": 80000, ZONE + "temp": 70000})

    def cool(seconds: float) -> None:
        clock[0] += seconds
        system({ZONE + "temp": int(70000 - 1000 * clock[0])})

    monkeypatch.setattr(runner.time, "sleep", cool)
    gate = runner.pass_gate({"celsius": None, "wait_s": 300.0})
    assert gate["passed"] and gate["limit"] == 65.0 and gate["celsius"] == 65.0
    assert gate["waited_s"] == pytest.approx(5.0)


def test_gate_says_so_when_the_device_stays_hot(system: System, clock: list[float]) -> None:
    system({ZONE + "type": "cpu-thermal", ZONE + "temp": 70000})
    gate = runner.pass_gate({"celsius": 50.0, "wait_s": 20.0})
    assert not gate["passed"] and gate["waited_s"] == pytest.approx(20.0)


def test_gate_waits_for_full_clocks(system: System, clock: list[float]) -> None:
    system({"sys/devices/platform/soc/soc:firmware/get_throttled": "4"})
    gate = runner.pass_gate({"celsius": None, "wait_s": 3.0})
    assert not gate["passed"] and gate["throttled"] == ["throttled"]


def name_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() + ".onnx"


def put(files: runner.Files, content: bytes, parts: int = 3) -> str | None:
    size = len(content) // parts + 1
    chunks = iter([content[i : i + size] for i in range(0, len(content), size)])
    return files.take({"name": name_of(content), "bytes": len(content)}, chunks)


def test_files_keep_what_arrives_whole(tmp_path: Path) -> None:
    files = runner.Files(str(tmp_path))
    assert not files.has(name_of(b"content"))
    assert put(files, b"content") is None
    assert files.has(name_of(b"content"))
    assert runner.Files(str(tmp_path)).has(name_of(b"content"))


def test_files_refuse_content_of_another_digest(tmp_path: Path) -> None:
    files = runner.Files(str(tmp_path))
    problem = files.take({"name": name_of(b"content"), "bytes": 7}, iter([b"c0ntent"]))
    assert problem == "the content that arrived has another digest"
    assert os.listdir(files.folder) == []


def test_files_drop_a_damaged_file(tmp_path: Path) -> None:
    files = runner.Files(str(tmp_path))
    put(files, b"content")
    Path(files.path(name_of(b"content"))).write_bytes(b"conten")
    assert not files.has(name_of(b"content"))
    assert os.listdir(files.folder) == []


def test_files_are_bounded_and_the_oldest_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "FILES_BYTES", 25)
    before = runner.Files(str(tmp_path))
    for age, content in ((9, b"a" * 10), (8, b"b" * 10)):
        put(before, content)
        then = runner.time.time() - age * runner.KEPT_S
        os.utime(before.path(name_of(content)), (then, then))
    files = runner.Files(str(tmp_path))
    put(files, b"c" * 10)
    assert [files.has(name_of(each * 10)) for each in (b"a", b"b", b"c")] == [False, True, True]


def test_files_say_what_to_do_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "SPARE_BYTES", 1 << 62)
    files = runner.Files(str(tmp_path))
    problem = put(files, b"content") or ""
    assert "no room for a file of" in problem and "?folder=" in problem


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", ".part", "a/b"])
def test_files_refuse_a_name_outside_their_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(runner.Refusal, match="digest and a suffix"):
        runner.Files(str(tmp_path)).has(name)


def test_lease_is_of_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = runner.Lease(str(tmp_path)), runner.Lease(str(tmp_path))
    first.path = second.path = str(tmp_path / "lock")
    assert second.holder() is None
    assert first.take("study a")
    assert not second.take("study b")
    assert second.holder() == "study a"
    first.release()
    assert second.take("study b") and first.holder() == "study b"
    second.release()


def test_keep_to_cores_limits_this_process() -> None:
    code = f"import sys; sys.path.insert(0, {str(Path(runner.__file__).parent)!r})\n"
    code += "import runner, os; runner.keep_to_cores('0'); print(os.sched_getaffinity(0))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "{0}"
