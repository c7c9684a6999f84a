"""The text files of ncnn, and integers in networks that compute with floats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.ncnn_graph import layers_text, read_layers
from paretune.objectives.runtimes.ncnn_integers import NcnnInput, without_integers

TEXT = """7767517
3 4
Input in0 0 1 in0
Split s 1 2 in0 1 2
Convolution c 1 1 1 out0 0=16 1=3 -23310=2,0.0,6.0 6=432
"""


def test_layers_are_read_and_written_as_they_are() -> None:
    layers = read_layers(TEXT)
    assert layers_text(layers) == TEXT
    last = layers[-1]
    assert (last.type, last.bottoms, last.tops) == ("Convolution", ("1",), ("out0",))
    assert (last.number(0), last.number(1), last.number(5), last.number(11, 3)) == (16, 3, 0, 3)


def test_option_of_a_layer_is_replaced_or_added() -> None:
    layer = read_layers(TEXT)[-1].with_options(_8="2", _0="4")
    assert layer.line() == "Convolution c 1 1 1 out0 0=4 1=3 -23310=2,0.0,6.0 6=432 8=2"


def test_other_file_is_refused() -> None:
    with pytest.raises(ValueError, match="the first line is 'PK', not 7767517"):
        read_layers("PK\n1 1\n")


def network(*lines: str) -> list[Any]:
    return read_layers("\n".join(["7767517", "0 0", *lines]))


def test_ids_of_an_embedding_are_integers_and_a_mask_is_a_float() -> None:
    layers = network(
        "Input in0 0 1 in0", "Input in1 0 1 in1", "Reshape r 1 1 in0 1", "Embed e 1 1 1 2"
    )
    rewritten, fed = without_integers(layers, [])
    assert rewritten == layers
    assert fed == [NcnnInput("in0", 0, "int32"), NcnnInput("in1", 1, "float32")]


def test_input_of_an_embedding_and_of_arithmetic_is_fed_twice() -> None:
    layers = network(
        "Input in0 0 1 in0", "Split s 1 3 in0 1 2 3", "Embed e 1 1 2 4", "AbsVal a 1 1 1 5"
    )
    rewritten, fed = without_integers(layers, [])
    assert fed == [NcnnInput("in0", 0, "float32"), NcnnInput("2", 0, "int32")]
    assert [layer.line() for layer in rewritten[:3]] == [
        "Input 2_ids 0 1 2", "Input in0 0 1 in0", "Split s 1 2 in0 1 3"
    ]  # fmt: skip


def test_computed_ids_are_unmeasurable() -> None:
    layers = network("Input in0 0 1 in0", "BinaryOp b 1 1 in0 1", "Embed e 1 1 1 2")
    with pytest.raises(Unmeasurable, match="ids of an embedding, by BinaryOp; give the ids as"):
        without_integers(layers, [])


@pytest.mark.parametrize("name", ["ne", "eq", "gt", "ge", "lt", "le"])
def test_comparison_of_integers_is_exact_in_ncnn(name: str) -> None:
    pytest.importorskip("ncnn")
    from paretune.objectives.runtimes.ncnn_file import net_of
    from paretune.objectives.runtimes.ncnn_running import blob_of, fed
    from paretune.objectives.runtimes.ncnn_weights import bytes_reader

    layers = network("Input in0 0 1 in0", f"torch.{name} t 1 1 in0 out0")
    origin = network(f"torch.{name} t 1 1 0 1 other=3 $input=0 #0=(1,9)i64 #1=(1,9)bool")
    rewritten, inputs = without_integers(layers, origin)
    values = np.array([-70_000, -3, 0, 2, 3, 4, 5, 9, 70_000], np.int64)
    net = net_of(layers_text(rewritten), bytes_reader(b""), 1)
    result = blob_of(fed(net, inputs, [values]), "out0")
    expected = {
        "ne": values != 3, "eq": values == 3, "gt": values > 3,
        "ge": values >= 3, "lt": values < 3, "le": values <= 3,
    }  # fmt: skip
    assert np.array_equal(result, expected[name].astype(np.float32))


def test_comparison_of_floats_is_left_as_it_is() -> None:
    layers = network("Input in0 0 1 in0", "torch.gt t 1 1 in0 out0")
    origin = network("torch.gt t 1 1 0 1 other=0.5 $input=0 #0=(1,9)f32 #1=(1,9)bool")
    assert without_integers(layers, origin)[0] == layers
