"""Hugging Face's sequence classifiers: by configuration, by checkpoint, and with techniques."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from paretune.objectives.macs import count_macs as counted_by_objectives
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.spaces.architecture.network import build_network
from paretune.spaces.base import Context, InfeasibleCandidate
from paretune.spaces.macs import count_macs as counted_by_spaces
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.rebuild import initial_candidate, rebuild
from paretune.spaces.table import UnknownName

pytest.importorskip("transformers")

SHAPE, CLASSES = (12, 40), 3

SMALL = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
MODELS: dict[str, dict[str, Any]] = {
    "albert": {**SMALL, "embedding_size": 8},
    "deberta": {**SMALL, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "deberta-v2": {
        **SMALL,
        "relative_attention": True,
        "pos_att_type": ["c2p", "p2c"],
        "position_buckets": 8,
    },
}
BY_NAME = pytest.mark.parametrize("name", MODELS)


def spelled(name: str, **config: Any) -> dict[str, Any]:
    return {"transformers": {"model": name, "config": {**MODELS.get(name, {}), **config}}}


def ids() -> torch.Tensor:
    found = torch.randint(1, SHAPE[1], (4, SHAPE[0]), generator=torch.Generator().manual_seed(0))
    found[1, 6:] = 0
    found[2] = 0
    return found


def copied(name: str, folder: Path) -> dict[str, Any]:
    """A checkpoint with other weights than the seed gives."""
    model = build_network(spelled(name), SHAPE, CLASSES, seed=7)
    model.network.save_pretrained(folder)  # type: ignore[operator,union-attr]
    return {"transformers": {"model": name, "checkpoint": str(folder)}}


@BY_NAME
def test_network_gives_logits_and_can_be_trained(name: str) -> None:
    model = build_network(spelled(name), SHAPE, CLASSES, seed=0)
    with torch.inference_mode():
        logits = model(ids())
    assert logits.shape == (4, CLASSES) and logits.isfinite().all()
    model.train()(ids()).square().sum().backward()
    got = [n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()]
    assert counted_by_objectives(model, SHAPE) == counted_by_spaces(model, SHAPE) > 0
    assert any("word_embeddings" in n for n in got) and any("classifier" in n for n in got)


def test_albert_stores_its_layer_once() -> None:
    def size(layers: int) -> int:
        model = build_network(spelled("albert", num_hidden_layers=layers), SHAPE, CLASSES, seed=0)
        return sum(p.numel() for p in model.parameters())

    assert size(1) == size(4)


def test_padding_changes_nothing() -> None:
    model = build_network(spelled("albert"), SHAPE, CLASSES, seed=0)
    with torch.no_grad():
        before = model(ids())[1]
        model.get_parameter("network.albert.embeddings.word_embeddings.weight")[0] += 3.0
        assert torch.allclose(model(ids())[1], before, atol=1e-6)


def test_checkpoint_brings_its_weights(tmp_path: Path) -> None:
    spelling = copied("albert", tmp_path)
    expected = build_network(spelled("albert"), SHAPE, CLASSES, seed=7)
    assert torch.equal(build_network(spelling, SHAPE, CLASSES, seed=0)(ids()), expected(ids()))
    assert build_network(spelling, SHAPE, 5, seed=0)(ids()).shape == (4, 5)


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r'no sequence classifier "albrt"; did you mean "albert"'):
        build_network({"transformers": {"model": "albrt"}}, SHAPE, 3, 0)
    with pytest.raises(InfeasibleCandidate, match=r'has no config "hiden_size"; did you'):
        build_network(spelled("albert", hiden_size=4), SHAPE, 3, 0)
    with pytest.raises(InfeasibleCandidate, match=r"does not take text of 12 tokens of 40: "):
        build_network(spelled("albert", num_attention_heads=3), SHAPE, 3, 0)
    with pytest.raises(InfeasibleCandidate, match=r"albert has 10 tokens, the data has 40; give"):
        build_network(spelled("albert", vocab_size=10), SHAPE, 3, 0)
    with pytest.raises(ValueError, match="a checkpoint contains its config"):
        build_network(
            {"transformers": {"model": "albert", "config": SMALL, "checkpoint": "x"}}, SHAPE, 3, 0
        )


def test_checkpoint_that_cannot_be_is_said(tmp_path: Path) -> None:
    spelling = {"transformers": {"model": "albert", "checkpoint": str(tmp_path)}}
    with pytest.raises(InfeasibleCandidate, match=r"there is no config\.json"):
        build_network(spelling, SHAPE, 3, 0)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InfeasibleCandidate, match=r"no \.safetensors file, and other files"):
        build_network(spelling, SHAPE, 3, 0)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(InfeasibleCandidate, match=r"is of bert; type transformers: bert"):
        build_network(spelling, SHAPE, 3, 0)
    (tmp_path / "config.json").write_text('{"model_type": "albert"}')
    with pytest.raises(InfeasibleCandidate, match=rf"checkpoint {tmp_path}: \w+"):
        build_network(spelling, SHAPE, 3, 0)


@pytest.mark.slow
@BY_NAME
@pytest.mark.parametrize("mode", ["float", "dynamic", "static"])
def test_network_runs_in_onnx_runtime(name: str, mode: str, tmp_path: Path) -> None:
    candidate = initial_candidate(spelled(name), SHAPE, CLASSES, seed=0)
    options = {
        "dynamic": {"per_channel": False},
        "static": {"images": 64, "calibration": "minmax", "per_channel": True},
    }
    given = {mode: options[mode]} if mode in options else None
    artifact = OnnxRuntime.export(
        candidate.model, SHAPE, tmp_path / "m.onnx", given, iter([ids().numpy()])
    )
    session = OnnxRuntime.load(artifact.path, OnnxRuntime.Params())
    with torch.inference_mode():
        expected = candidate.model(ids()).numpy()
    limit = 1e-5 if mode == "float" else 0.3 * expected.std()
    assert np.abs(session(ids().numpy()) - expected).mean() < limit


@pytest.mark.slow
@BY_NAME
@pytest.mark.parametrize("technique", ["structured", "unstructured"])
def test_network_can_be_pruned_and_rebuilt(name: str, technique: str) -> None:
    entry = PRUNINGS.get(technique)
    given = {"ratio": 0.5, **({"round_to": 4} if technique == "structured" else {})}
    before = initial_candidate(spelled(name), SHAPE, CLASSES, seed=0)
    after = entry.apply(before, entry.Params(**given), Context(None))  # type: ignore[arg-type]
    fresh = rebuild(after.history, SHAPE, CLASSES)
    fresh.load_state_dict(after.model.state_dict(), strict=True)
    with torch.inference_mode():
        assert torch.equal(fresh.eval()(ids()), after.model(ids()))
    if technique == "structured":
        assert sum(p.numel() for p in fresh.parameters()) < sum(
            p.numel() for p in before.model.parameters()
        )
