"""An exporter's failure becomes one line that names operator and line; the rest is a note."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.search.building.exporting import quietly
from support import odd_networks as odd


class Pyramid(odd.Base):
    """Pools to a side that does not divide the map; the exporter prints its graph and fails."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.adaptive_avg_pool2d(x, 3)  # here
        return self.head(x)


def test_failing_exporter_prints_nothing_and_names_the_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = Pyramid().eval()
    with pytest.raises(Unmeasurable) as caught:
        quietly(
            lambda: OnnxRuntime.export(model, odd.IMAGE, tmp_path / "net.onnx"),
            model,
            lambda: odd.images(2),
        )
    text = str(caught.value)
    assert "\n" not in text
    assert "adaptive_avg_pool2d is called at " in text
    assert "test_exporting.py:" in text and "`x = F.adaptive_avg_pool2d(x, 3)`" in text
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    [note] = caught.value.__notes__
    assert note.count("\n") > 50  # the graph
    assert "Traceback" in note


def test_message_of_several_lines_is_cut_to_one() -> None:
    def fail() -> None:
        raise Unmeasurable("first line. Please file an issue\nsecond line")

    with pytest.raises(Unmeasurable) as caught:
        quietly(fail, odd.InPlace().eval(), lambda: odd.images(2))
    assert str(caught.value) == "first line"


def test_fixed_batch_of_torch_export_is_said_in_words() -> None:
    message = "torch.export refuses the network: Constraints violated\n specialized it to be a "

    def fail() -> None:
        raise Unmeasurable(f"{message}constant (2).")

    with pytest.raises(Unmeasurable) as caught:
        quietly(fail, odd.LoopOverBatch().eval(), lambda: odd.images(2))
    assert "it fixes the batch at 2" in str(caught.value)
    assert odd.marked_line(odd.LoopOverBatch) in str(caught.value)


def test_other_exceptions_pass() -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        quietly(fail, odd.InPlace().eval(), lambda: odd.images(2))
