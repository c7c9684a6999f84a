"""`paretune devices`: what it prints, and its exit codes."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from paretune.objectives.devices.messages import DeviceFacts, DeviceState
from paretune.objectives.devices.remembered import devices_file, remember_device
from paretune.objectives.devices.trying import TriedDevice
from paretune.search.cli import main
from support.study_texts import TINY

STATE = DeviceState(None, (), (), (), None)
FACTS = DeviceFacts(
    "ssh://pi@cam", "abc", "aarch64", "Linux", "Raspberry Pi 5", "Cortex-A76", 4, 8_000_000_000,
    "3.11.2", "2.0", {"ncnn": "ncnn 1.0"}, (), "none", None, STATE, "0",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def devices(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["devices", *arguments])


def test_devices_says_what_to_type_before_the_first() -> None:
    result = devices()
    assert result.exit_code == 0
    assert result.output == "no devices were tried yet; type: paretune devices ssh://user@host\n"


def test_devices_lists_those_that_were_tried() -> None:
    assert remember_device(FACTS) is None
    result = devices()
    assert result.output.startswith(
        "ssh://pi@cam: Raspberry Pi 5, aarch64, 4 cores, 8.0 GB; ncnn; tried 2"
    )
    [listed] = json.loads(devices("--json").output)["devices"]
    assert (listed["address"], listed["machine"]) == ("ssh://pi@cam", "aarch64")


def test_devices_ignores_a_damaged_memory() -> None:
    devices_file().parent.mkdir(parents=True)
    devices_file().write_text("{")
    assert devices().exit_code == 0
    remember_device(FACTS)
    assert "Raspberry Pi 5" in devices().output


def test_devices_as_json_has_its_form() -> None:
    remember_device(FACTS)
    form = Path(__file__).parents[3] / "docs" / "json" / "devices.schema.json"
    jsonschema.validate(json.loads(devices("--json").output), json.loads(form.read_text()))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ftp://cam"], "it must begin with ssh://, adb:// or local://"),
        (["pi@cam"], "as in ssh://pi@cam"),
        (["list", "ssh://pi@cam"], "type: paretune devices test ssh://pi@cam"),
        (["bord.yaml"], "there is no such study file or folder, and an address begins with ssh://"),
        (["local://", "--runtime", "torch"], "the runtime 'torch' does not run on devices"),
    ],
)
def test_devices_exits_with_2_when_the_input_is_wrong(arguments: list[str], words: str) -> None:
    result = devices(*arguments)
    assert result.exit_code == 2
    assert words in result.output


@pytest.mark.slow
def test_devices_tries_this_machine(tmp_path: Path) -> None:
    address = f"local://?folder={tmp_path}/device"
    result = devices("test", address, "--runtime", "onnxruntime")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"{address}: ready\n")
    [tried] = json.loads(devices(address, "--json").output)["devices"]
    form = Path(__file__).parents[3] / "docs" / "json" / "devices.schema.json"
    jsonschema.validate({"schema": 1, "devices": [tried]}, json.loads(form.read_text()))
    assert tried["verdict"] == "ready" and tried["runtimes"]["onnxruntime"]
    assert address in devices("list").output
    assert devices("test").output.startswith(f"{address}: ready\n")


TARGETS = """
targets:
  pi: {{onnxruntime: {{threads: 1}}, device: "{address}"}}
  fast: {{ncnn: {{}}, device: "{address}"}}
  other: {{onnxruntime: {{}}, device: "ssh://pi@cam"}}
  here: {{onnxruntime: {{threads: 2}}}}
objectives: {{accuracy: maximize, latency@pi: minimize}}
"""


def board_study(folder: Path, address: str) -> Path:
    """Writes a study with two targets on one device, one on another, and one on this host."""
    head, _, rest = TINY.partition("objectives:")
    tail = rest.partition("\n")[2].replace('goals: ["size <= 0.2 x baseline"]\n', "")
    file = folder / "board.yaml"
    file.write_text(head + TARGETS.format(address=address) + tail)
    return file


def test_devices_of_a_study_are_tried_with_their_runtimes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: dict[str, dict[str, int]] = {}

    def try_device(address: str, runtimes: dict[str, int]) -> TriedDevice:
        tried[address] = runtimes
        return TriedDevice(address, "ready", FACTS)

    monkeypatch.setattr("paretune.objectives.devices.trying.try_device", try_device)
    study = str(board_study(tmp_path, "local://?cpus=0"))

    result = devices("test", study, "--runtime", "openvino")

    assert result.exit_code == 0, result.output
    assert tried == {
        "local://?cpus=0": {"ncnn": 1, "onnxruntime": 1, "openvino": 0},
        "ssh://pi@cam": {"onnxruntime": 1, "openvino": 0},
    }


@pytest.mark.slow
def test_devices_tries_the_device_of_a_study(tmp_path: Path) -> None:
    address = f"local://?folder={tmp_path}/device"
    study = board_study(tmp_path, address)
    text = study.read_text().replace("ncnn: {}", "onnxruntime: {threads: 1}")
    text = text.replace('  other: {onnxruntime: {}, device: "ssh://pi@cam"}\n', "")
    study.write_text(text)

    result = devices("test", str(study))

    assert result.exit_code == 0, result.output
    assert result.output.count(": ready\n") == 1  # both targets are on one device
    assert f"{address}: ready\n" in result.output and "onnxruntime: onnxruntime " in result.output


@pytest.mark.slow
def test_devices_exits_with_1_when_a_device_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adb = tmp_path / "adb"
    adb.write_text("#!/bin/sh\necho \"adb: device 'R1' not found\" >&2\nexit 1\n")
    adb.chmod(0o755)
    monkeypatch.setenv("PARETUNE_ADB", str(adb))
    result = devices("adb://R1")
    assert result.exit_code == 1
    assert "adb://R1: lost" in result.output and "device 'R1' not found" in result.output
