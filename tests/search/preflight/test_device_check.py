"""The first step of a run asks each device for what the study needs of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from paretune.objectives.device_use import DeviceUse
from paretune.objectives.devices.errors import DeviceRefused
from paretune.search.errors import UserError
from paretune.search.measuring.study_device import StudyDevice
from paretune.search.preflight.device_check import check_devices
from paretune.search.preflight.finding import Finding
from paretune.search.study_file.loading import load_study
from support.study_texts import TINY

ADDRESS = "ssh://pi@cam"


class BoardWithoutCounters(StudyDevice):
    """A device of two cores without energy counters, which has ONNX Runtime only."""

    facts_there = SimpleNamespace(
        model="Pi 5", cpu="A76", cores=2, counters=(), no_counters="no energy counters"
    )

    def attempt(self, action: Callable[[Any], Any]) -> Any:
        try:
            return action(SimpleNamespace(facts=self.facts_there, check_runtime=self._version))
        except DeviceRefused as error:
            raise UserError(str(error)) from error

    @staticmethod
    def _version(runtime: str) -> str:
        if runtime != "onnxruntime":
            raise DeviceRefused(f"{runtime} is not installed in python3; type there: pip install")
        return "1.30"


def finding(folder: Path, objectives: str, runtime: str = "onnxruntime: {}") -> Finding:
    """Returns what the check says of the target `pi`."""
    file = folder / "board.yaml"
    target = f'targets: {{pi: {{{runtime}, device: "{ADDRESS}"}}}}\n'
    head, _, tail = TINY.partition("objectives:")
    text = head + target + f"objectives: {objectives}\n" + tail.partition("\n")[2]
    text = text.replace("[none, dynamic]", "[none]").replace("size <= 0.2 x", "size@pi <= 0.2 x")
    file.write_text(text, encoding="utf-8")
    use = DeviceUse(BoardWithoutCounters(ADDRESS, "study s"))
    rehearsal: Any = SimpleNamespace(
        spec=load_study(file), devices={"pi": use}, refused_devices=set()
    )
    [checked] = check_devices(rehearsal)
    assert rehearsal.refused_devices == ({"pi"} if checked.state == "mistake" else set())
    return checked


def test_device_that_has_all_is_described(tmp_path: Path) -> None:
    checked = finding(tmp_path, "{accuracy: maximize, latency@pi: minimize}")
    assert (checked.state, checked.text) == ("ok", "Pi 5, A76, 2 cores; onnxruntime 1.30")


@pytest.mark.parametrize(
    ("objectives", "runtime", "text"),
    [
        (
            "{accuracy: maximize, energy@pi: minimize}",
            "onnxruntime: {}",
            "energy cannot be measured on ssh://pi@cam: no energy counters; leave energy out",
        ),
        (
            "{accuracy: maximize, latency@pi: minimize}",
            "onnxruntime: {threads: 4}",
            "onnxruntime is to use 4 threads, and ssh://pi@cam has 2 cores for it",
        ),
        *(
            (
                "{accuracy: maximize, latency@pi: minimize}",
                f"{name}: {{}}",
                f"{name} is not installed in python3; type there: pip install",
            )
            for name in ("openvino", "litert", "executorch")
        ),
    ],
)
def test_device_that_lacks_something_is_refused_by_its_key(
    tmp_path: Path, objectives: str, runtime: str, text: str
) -> None:
    checked = finding(tmp_path, objectives, runtime)
    assert (checked.state, checked.key) == ("mistake", ("targets", "pi", "device"))
    assert text in checked.text
