"""Size: bytes of the file that is shipped."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from torch import nn

from paretune.objectives.base import Subject
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.objectives.size import Size


def test_size_is_the_file_s(make_subject: Callable[..., Subject]) -> None:
    subject = make_subject()
    found = Size.measure(subject, Size.Params(), "validation")
    assert found.value == os.path.getsize(subject.artifact.path)
    assert (found.low, found.high) == (found.value, found.value)
    assert found.conditions == {"runtime": "onnxruntime"}


def test_size_holds_four_bytes_for_each_weight(
    make_subject: Callable[..., Subject], model: nn.Module
) -> None:
    """Beside them stands the graph, of a few kilobytes; batch norms are folded or kept."""
    weights = 4 * sum(p.numel() for p in model.parameters())
    found = Size.measure(make_subject(), Size.Params(), "validation")
    assert weights * 0.95 < found.value < weights + 8192


def test_size_of_int8_is_about_a_quarter_where_weights_prevail(
    make_subject: Callable[..., Subject],
) -> None:
    wide = nn.Sequential(nn.Flatten(), nn.Linear(64, 1024), nn.ReLU(), nn.Linear(1024, 3)).eval()
    subject = make_subject()
    path = subject.artifact.path
    quantization = {"dynamic": {"per_channel": False}}
    sizes = []
    for mode in (None, quantization):
        artifact = OnnxRuntime.export(wide, (1, 8, 8), path, mode)
        found = Size.measure(replace(subject, artifact=artifact), Size.Params(), "validation")
        sizes.append(found.value)
    assert sizes[1] < 0.3 * sizes[0]


def test_size_compressed_counts_zeros_as_next_to_nothing(
    make_subject: Callable[..., Subject],
) -> None:
    import zlib

    import torch

    torch.manual_seed(0)
    wide = nn.Sequential(nn.Flatten(), nn.Linear(64, 1024), nn.ReLU(), nn.Linear(1024, 3)).eval()
    subject = make_subject()
    sizes: dict[str, tuple[float, float]] = {}
    for what in ("dense", "thin"):
        if what == "thin":
            with torch.no_grad():
                wide[1].weight[torch.rand(1024, 64) < 0.9] = 0.0
        artifact = OnnxRuntime.export(wide, (1, 8, 8), subject.artifact.path)
        subject = replace(subject, artifact=artifact)
        plain = Size.measure(subject, Size.Params(), "validation")
        packed = Size.measure(subject, Size.Params(compressed=True), "validation")
        assert packed.conditions == {"runtime": "onnxruntime", "compressed": "zlib level 6"}
        assert packed.value == len(zlib.compress(artifact.path.read_bytes(), 6))
        sizes[what] = (plain.value, packed.value)
    assert sizes["thin"][0] == sizes["dense"][0]
    assert sizes["dense"][1] > 0.85 * sizes["dense"][0]
    assert sizes["thin"][1] < 0.3 * sizes["dense"][1]
