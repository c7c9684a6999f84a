"""The parts of a network that have one width or one depth each."""

from __future__ import annotations

from torch import nn

from paretune.inputs import Tokens
from paretune.spaces.elastic.parts import parts_of, sizes_of_outputs, stages_of


def test_layers_of_a_stage_form_a_part() -> None:
    stages = {"stem": 8, "a.1": 8, "a.2": 4, "b.1": 4, "b.2": 2}
    assert parts_of(stages, 4) == [["stem", "a.1"], ["a.2", "b.1"], ["b.2"]]


def test_layers_of_one_size_are_split_by_their_names() -> None:
    layers = dict.fromkeys([f"layers.{i}.{part}" for i in range(6) for part in ("att", "mlp")], 1)
    parts = parts_of(layers, 3)
    assert [len(part) for part in parts] == [4, 4, 4]
    assert parts[0] == ["layers.0.att", "layers.0.mlp", "layers.1.att", "layers.1.mlp"]


def test_neighbouring_stages_are_joined_if_there_are_too_many() -> None:
    stages = {f"layer{i}": i for i in range(8)}
    assert [len(part) for part in stages_of(stages, 3)] == [3, 3, 2]
    assert stages_of(stages, 1) == [list(stages)]


def test_blocks_of_one_stage_stay_together() -> None:
    assert stages_of(dict.fromkeys(["0", "1", "2"], "same"), 4) == [["0", "1", "2"]]


class Encoder(nn.Module):
    """Two of torch's encoder layers, which a fused kernel may run without calling their parts."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(9, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.unused = nn.Linear(8, 8)

    def forward(self, tokens):  # type: ignore[no-untyped-def]
        return self.encoder(self.embed(tokens))


def test_attentions_have_the_size_of_the_layers_beside_them() -> None:
    names = [f"encoder.layers.{i}.{part}" for i in (1, 0) for part in ("linear1", "self_attn")]
    sizes = sizes_of_outputs(Encoder().eval(), Tokens(5, 9), ["unused", *names])
    assert set(sizes.values()) == {(5,)}
    assert list(sizes)[:2] == ["encoder.layers.0.self_attn", "encoder.layers.0.linear1"]
    assert [len(part) for part in parts_of(sizes, 4)] == [2, 2, 1]
