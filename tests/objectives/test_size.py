"""Size: bytes of the deployed file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from torch import nn

from paretune.objectives.base import Subject
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.objectives.size import Size


def test_size_is_that_of_the_file(make_subject: Callable[..., Subject]) -> None:
    subject = make_subject()
    size = Size.measure(subject, Size.Params(), "validation")
    assert size.value == os.path.getsize(subject.artifact.path)
    assert (size.low, size.high) == (size.value, size.value)
    assert size.conditions == {"runtime": "onnxruntime"}


def test_size_includes_four_bytes_for_each_weight(
    make_subject: Callable[..., Subject], model: nn.Module
) -> None:
    """The graph adds a few kilobytes; batch norms may be folded."""
    weights = 4 * sum(p.numel() for p in model.parameters())
    size = Size.measure(make_subject(), Size.Params(), "validation")
    assert weights * 0.95 < size.value < weights + 8192


def test_size_of_int8_is_about_a_quarter_when_the_file_is_mostly_weights(
    make_subject: Callable[..., Subject],
) -> None:
    wide = nn.Sequential(nn.Flatten(), nn.Linear(64, 1024), nn.ReLU(), nn.Linear(1024, 3)).eval()
    subject = make_subject()
    path = subject.artifact.path
    quantization = {"dynamic": {"per_channel": False}}
    sizes = []
    for mode in (None, quantization):
        artifact = OnnxRuntime.export(wide, (1, 8, 8), path, mode)
        size = Size.measure(replace(subject, artifact=artifact), Size.Params(), "validation")
        sizes.append(size.value)
    assert sizes[1] < 0.3 * sizes[0]


def test_zeros_add_almost_nothing_to_the_compressed_size(
    make_subject: Callable[..., Subject],
) -> None:
    import zlib

    import torch

    torch.manual_seed(0)
    wide = nn.Sequential(nn.Flatten(), nn.Linear(64, 1024), nn.ReLU(), nn.Linear(1024, 3)).eval()
    subject = make_subject()
    sizes: dict[str, tuple[float, float]] = {}
    for kind in ("dense", "sparse"):
        if kind == "sparse":
            with torch.no_grad():
                wide[1].weight[torch.rand(1024, 64) < 0.9] = 0.0
        artifact = OnnxRuntime.export(wide, (1, 8, 8), subject.artifact.path)
        subject = replace(subject, artifact=artifact)
        plain = Size.measure(subject, Size.Params(), "validation")
        compressed = Size.measure(subject, Size.Params(compressed=True), "validation")
        assert compressed.conditions == {"runtime": "onnxruntime", "compressed": "zlib level 6"}
        assert compressed.value == len(zlib.compress(artifact.path.read_bytes(), 6))
        sizes[kind] = (plain.value, compressed.value)
    assert sizes["sparse"][0] == sizes["dense"][0]
    assert sizes["dense"][1] > 0.85 * sizes["dense"][0]
    assert sizes["sparse"][1] < 0.3 * sizes["dense"][1]
