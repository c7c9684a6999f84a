"""Modules that names of nodes refer to."""

from __future__ import annotations

import pytest

from paretune.objectives.profiling.module_names import module_of

MODULES = {
    *("0", "7", "features", "features.0", "features.0.2"),
    *("blocks", "blocks.0", "blocks.0.attention", "blocks.0.attention.query"),
}


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("/0/Conv_token_1", "0"),
        ("fused /7/Gemm", "7"),
        ("/features/features.0/features.0.2/Clip_output_0_nchwc", "features.0.2"),
        ("/blocks.0/attention/query/MatMul", "blocks.0.attention.query"),
        ("/blocks.0/attention/Softmax", "blocks.0.attention"),
        ("/Add_1", ""),
        ("ReorderOutput", None),
    ],
)
def test_module_of_reads_names_of_the_exporter_and_of_the_runtime(
    name: str, module: str | None
) -> None:
    assert module_of(name, MODULES) == module
