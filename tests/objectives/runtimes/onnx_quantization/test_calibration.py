"""Calibration inputs in chunks."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.objectives.runtimes.onnx_quantization.calibration import CalibrationReader


@pytest.mark.parametrize(("count", "chunk"), [(1, 1), (13, 13), (16, 16), (17, 1), (100, 10)])
def test_chunks_have_one_size_and_single_inputs(count: int, chunk: int) -> None:
    reader = CalibrationReader(iter([{"input": np.zeros((count, 2), np.float32)}]))
    assert reader.chunk == chunk
    reader.set_range(0, chunk)
    inputs = 0
    while (feed := reader.get_next()) is not None:
        assert feed["input"].shape == (1, 2)
        inputs += 1
    assert inputs == chunk
