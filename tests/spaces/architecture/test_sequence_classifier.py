"""Hugging Face's sequence classifiers from configurations and checkpoints, and with techniques."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from paretune.inputs import Tokens
from paretune.objectives.macs import count_macs as objectives_macs
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.spaces.architecture.network import build_network
from paretune.spaces.base import Context, InfeasibleCandidate
from paretune.spaces.macs import count_macs as spaces_macs
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.rebuild import initial_candidate, rebuild
from paretune.spaces.table import UnknownName

pytest.importorskip("transformers")

SHAPE, CLASSES = Tokens(12, 40), 3

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


def architecture(name: str, **config: Any) -> dict[str, Any]:
    return {"transformers": {"model": name, "config": {**MODELS.get(name, {}), **config}}}


def ids() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(1, SHAPE[1], (4, SHAPE[0]), generator=generator)
    tokens[1, 6:] = 0
    tokens[2] = 0
    return tokens


def saved(name: str, folder: Path) -> dict[str, Any]:
    """Returns the architecture of a checkpoint with the weights of another seed."""
    model = build_network(architecture(name), SHAPE, CLASSES, seed=7)
    model.network.save_pretrained(folder)  # type: ignore[operator,union-attr]
    return {"transformers": {"model": name, "checkpoint": str(folder)}}


@BY_NAME
def test_network_gives_logits_and_gradients(name: str) -> None:
    model = build_network(architecture(name), SHAPE, CLASSES, seed=0)
    with torch.inference_mode():
        logits = model(ids())
    assert logits.shape == (4, CLASSES) and logits.isfinite().all()
    model.train()(ids()).square().sum().backward()
    with_gradient = [n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()]
    assert objectives_macs(model, SHAPE) == spaces_macs(model, SHAPE) > 0
    assert all(any(part in n for n in with_gradient) for part in ("word_embeddings", "classifier"))


def test_albert_has_the_same_parameter_count_for_any_number_of_layers() -> None:
    def size(layers: int) -> int:
        model = build_network(
            architecture("albert", num_hidden_layers=layers), SHAPE, CLASSES, seed=0
        )
        return sum(p.numel() for p in model.parameters())

    assert size(1) == size(4)


def test_logits_do_not_depend_on_the_embedding_of_padding() -> None:
    model = build_network(architecture("albert"), SHAPE, CLASSES, seed=0)
    with torch.no_grad():
        before = model(ids())[1]
        model.get_parameter("network.albert.embeddings.word_embeddings.weight")[0] += 3.0
        assert torch.allclose(model(ids())[1], before, atol=1e-6)


def test_checkpoint_gives_its_weights(tmp_path: Path) -> None:
    checkpoint = saved("albert", tmp_path)
    expected = build_network(architecture("albert"), SHAPE, CLASSES, seed=7)
    assert torch.equal(build_network(checkpoint, SHAPE, CLASSES, seed=0)(ids()), expected(ids()))
    assert build_network(checkpoint, SHAPE, 5, seed=0)(ids()).shape == (4, 5)


def test_configuration_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UnknownName, match=r'no sequence classifier "albrt"; did you mean "albert"'):
        build_network({"transformers": {"model": "albrt"}}, SHAPE, 3, 0)
    with pytest.raises(InfeasibleCandidate, match=r'has no config "hiden_size"; did you'):
        build_network(architecture("albert", hiden_size=4), SHAPE, 3, 0)
    with pytest.raises(InfeasibleCandidate, match=r"does not take text of 12 tokens of 40: "):
        build_network(architecture("albert", num_attention_heads=3), SHAPE, 3, 0)
    with pytest.raises(InfeasibleCandidate, match=r"albert has 10 tokens, the data has 40; give"):
        build_network(architecture("albert", vocab_size=10), SHAPE, 3, 0)
    with pytest.raises(ValueError, match="a checkpoint contains its config"):
        build_network(
            {"transformers": {"model": "albert", "config": SMALL, "checkpoint": "x"}}, SHAPE, 3, 0
        )


def test_checkpoint_that_cannot_be_loaded_is_infeasible(tmp_path: Path) -> None:
    checkpoint = {"transformers": {"model": "albert", "checkpoint": str(tmp_path)}}
    with pytest.raises(InfeasibleCandidate, match=r"there is no config\.json"):
        build_network(checkpoint, SHAPE, 3, 0)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(InfeasibleCandidate, match=r"no \.safetensors file, and other files"):
        build_network(checkpoint, SHAPE, 3, 0)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(InfeasibleCandidate, match=r"is of bert; type transformers: bert"):
        build_network(checkpoint, SHAPE, 3, 0)
    (tmp_path / "config.json").write_text('{"model_type": "albert"}')
    with pytest.raises(InfeasibleCandidate, match=rf"checkpoint {tmp_path}: \w+"):
        build_network(checkpoint, SHAPE, 3, 0)


@pytest.mark.slow
@BY_NAME
@pytest.mark.parametrize("mode", ["float", "dynamic", "static"])
def test_network_runs_in_onnx_runtime(name: str, mode: str, tmp_path: Path) -> None:
    candidate = initial_candidate(architecture(name), SHAPE, CLASSES, seed=0)
    options = {
        "dynamic": {"per_channel": False},
        "static": {"images": 64, "calibration": "minmax", "per_channel": True},
    }
    quantization = {mode: options[mode]} if mode in options else None
    artifact = OnnxRuntime.export(
        candidate.model, SHAPE, tmp_path / "m.onnx", quantization, iter([ids().numpy()])
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
    params = {"ratio": 0.5, **({"round_to": 4} if technique == "structured" else {})}
    before = initial_candidate(architecture(name), SHAPE, CLASSES, seed=0)
    after = entry.apply(before, entry.Params(**params), Context(None))  # type: ignore[arg-type]
    fresh = rebuild(after.history, SHAPE, CLASSES)
    fresh.load_state_dict(after.model.state_dict(), strict=True)
    with torch.inference_mode():
        assert torch.equal(fresh.eval()(ids()), after.model(ids()))
    if technique == "structured":
        assert sum(p.numel() for p in fresh.parameters()) < sum(
            p.numel() for p in before.model.parameters()
        )
