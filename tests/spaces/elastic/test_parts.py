"""The parts of a network that have one width or one depth each."""

from __future__ import annotations

from paretune.spaces.elastic.parts import parts_of, stages_of


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
