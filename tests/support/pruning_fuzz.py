"""Prunes random networks at random, and checks each result.

By hand, for many networks: `python -m support.pruning_fuzz 10000` in `tests/`, and for networks
with several inputs and outputs `python -m support.pruning_fuzz tasks 10000`.
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from paretune.inputs import call, random_example
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.output_layers import float_outputs
from paretune.spaces.pruning.depth import Depth
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.rebuild import initial_candidate, rebuild
from paretune.spaces.twin import accepted
from paretune.task import Outputs
from support.random_tasks import shape_of
from support.tasks import classification

SHAPE, CLASSES = (3, 8, 8), 5

CRITERIA_WITHOUT_LOSS = ["magnitude", "l1", "fpgm", "lamp", "random"]

CRITERIA = [*CRITERIA_WITHOUT_LOSS, "taylor"]

FOREIGN = re.compile(
    r"[Tt]orch-?_?[Pp]runing|size of tensor|Error|mat1|must match|index \d+ is out|shape '\["
)
"""Words that a reason must not contain: those of libraries."""


class RandomData:
    """Images of noise with random labels, for criteria that need gradients."""

    shape, fingerprint, task = SHAPE, "random", classification(CLASSES)

    def batches(self, part: str, size: int, *, seed: Any = None, device: str = "cpu") -> Any:
        generator = torch.Generator().manual_seed(0)
        labels = torch.arange(8) % CLASSES
        images = torch.randn(8, *SHAPE, generator=generator)
        yield from zip(images.split(size), labels.split(size), strict=True)


def fuzz(seed: int, folder: Path | None = None) -> str:
    """Prunes the network of a seed; returns "pruned", "partly", "refused: ..." or "unchanged".

    Args:
        seed: Seed of the network and of the options.
        folder: The network is exported there and compared with ONNX Runtime; None exports nothing.

    Raises:
        AssertionError: The result is wrong, or a reason does not name a layer.
    """
    rng = random.Random(seed)
    architecture = {"python": {"factory": "support.random_networks:build", "args": {"seed": seed}}}
    before = initial_candidate(architecture, SHAPE, CLASSES, seed=seed)
    return _fuzz(before, rng, _options(rng, CRITERIA), folder)


def fuzz_task(seed: int) -> str:
    """Does the same with a network that has several inputs or outputs, or other types of them."""
    rng = random.Random(seed)
    architecture = {"python": {"factory": "support.random_tasks:build", "args": {"seed": seed}}}
    before = initial_candidate(architecture, shape_of(seed), Outputs(0, "any"), seed=seed)
    options = [
        o | {"scope": o["scope"].replace("sensitivity", "global")}
        for o in _options(rng, CRITERIA_WITHOUT_LOSS)
    ]
    if rng.random() < 0.2:
        before = replace(before, keep=(rng.choice(_layers(before.model)),))
    return _fuzz(before, rng, options, None)


def _layers(model: torch.nn.Module) -> list[str]:
    layers = torch.nn.Linear | torch.nn.modules.conv._ConvNd
    return [name for name, module in model.named_modules() if isinstance(module, layers)]


def _fuzz(
    before: Candidate, rng: random.Random, options: list[dict[str, Any]], folder: Path | None
) -> str:
    _trained(before.model)
    candidate, outcomes = before, []
    for chosen in options:
        try:
            candidate = _step(candidate, chosen)
        except InfeasibleCandidate as error:
            _check_reason(str(error), candidate)
            outcomes.append(f"refused: {_kind(str(error))}")
        else:
            outcomes.append("partly" if candidate.history[-1].info.get("kept_whole") else "pruned")
    if rng.random() < 0.3:
        candidate = _shallower(candidate)
    check_equal_to_its_twin(candidate)
    if folder and len(candidate.history) > 1:
        check_equal_to_its_file(candidate, before, folder / "pruned.onnx")
    return outcomes[0]


def _options(rng: random.Random, criteria: Sequence[str]) -> list[dict[str, Any]]:
    """Returns the options of one or two structured prunings."""
    several = []
    for _ in range(rng.choice([1, 1, 2])):
        options: dict[str, Any] = {
            "criterion": rng.choice(criteria),
            "scope": rng.choice(["uniform", "uniform", "global", "sensitivity"]),
            "round_to": rng.choice([1, 1, 2, 4, 8]),
            "images": 8,
        }
        kind = rng.choice(["ratio", "ratio", "ratio", "per_layer", "macs"])
        amount = rng.choice([0.3, 0.5, 0.7, 0.9])
        if kind == "macs":
            options |= {"macs": amount}
        elif kind == "per_layer":
            options |= {"per_layer": {"1/2": amount, "2/2": rng.random()}, "scope": "uniform"}
        else:
            options |= {"ratio": amount}
        if rng.random() < 0.2:
            options |= {"steps": 2, "between": {"epochs": 0}}
        several.append(options)
    return several


def _step(candidate: Candidate, options: dict[str, Any]) -> Candidate:
    params = Structured.Params(**options)
    context = Context(RandomData())  # type: ignore[arg-type]
    after = accepted(candidate, Structured.apply(candidate, params, context), "structured")
    info, sizes = after.history[-1].info, [_size(c) for c in (candidate, after)]
    assert info["parameters"] == sizes
    assert (sizes[1] < sizes[0]) == bool(info["removed"])
    is_first = len(candidate.history) == 1  # a second pruning may find single units only
    asked = is_first and options["round_to"] == 1 and options.get("ratio", 0) >= 0.5
    if asked and sizes[0] == sizes[1]:
        raise AssertionError("nothing was pruned, without a word")
    return after


def _shallower(candidate: Candidate) -> Candidate:
    params = Depth.Params(share=0.5, criterion="last")
    try:
        after = Depth.apply(candidate, params, Context(None))  # type: ignore[arg-type]
        return accepted(candidate, after, "depth")
    except InfeasibleCandidate as error:
        assert "no residual block" in str(error), error
        return candidate


def check_equal_to_its_twin(candidate: Candidate) -> None:
    """Compares a candidate with the network rebuilt from its history."""
    twin = rebuild(candidate.history, candidate.shape, candidate.outputs).eval()
    twin.load_state_dict(candidate.model.state_dict())
    for batch in (1, 2):
        inputs = random_example(candidate.shape, batch, seed=batch)
        with torch.inference_mode():
            other, own = (float_outputs(call(m, inputs)) for m in (twin, candidate.model))
        torch.testing.assert_close(other, own, rtol=1e-6, atol=1e-6, equal_nan=True)


def check_equal_to_its_file(candidate: Candidate, before: Candidate, path: Path) -> None:
    """Compares a candidate with its file in ONNX Runtime.

    If it cannot be exported, or its file does not run, that holds for the network before all
    pruning as well: the export probe refuses such a network before any pruning.
    """
    images = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(2))
    logits = _file_logits(candidate, path, images)
    if logits is None:
        assert _file_logits(before, path, images) is None, "only the pruned network has no file"
        return
    with torch.inference_mode():
        expected = candidate.model(images).numpy()
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5 * scale)


def _file_logits(candidate: Candidate, path: Path, images: torch.Tensor) -> np.ndarray | None:
    """Returns what a candidate's file computes; None if there is none, or it does not run."""
    try:
        OnnxRuntime.export(candidate.model, SHAPE, path, None, None)
        session = OnnxRuntime.load(path, OnnxRuntime.Params())
        logits: np.ndarray = session(images.numpy())
    except Exception:  # ONNX Runtime's exceptions have no common class
        return None
    return logits


def _trained(model: torch.nn.Module) -> None:
    """Gives all weights values as after a training: no ones and no zeros."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
        for name, buffer in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.add_(0.3 * torch.rand(buffer.shape, generator=generator))


def _check_reason(reason: str, candidate: Candidate) -> None:
    assert not FOREIGN.search(reason), f"words of a library: {reason}"
    assert "built again" not in reason, reason  # structured pruning and its own rebuild disagree
    names = [name for name, _ in candidate.model.named_modules() if name]
    about_options = reason.startswith(("macs: ", "bn_scale: "))
    assert about_options or any(name in reason for name in names), f"names no layer: {reason}"


def _kind(reason: str) -> str:
    """Returns a reason without the names of layers and lines."""
    if reason.startswith("macs: "):
        return "macs cannot be met"
    if "does not run" in reason:
        return "does not run without these channels"
    causes = re.findall(r"is used twice|`forward` \w+|a group normalization", reason)
    return f"no layer left: {causes[0] if causes else reason[-60:]}"


def _size(candidate: Candidate) -> int:
    return sum(p.numel() for p in candidate.model.parameters())


def main() -> None:
    """Prunes as many networks as the first argument says, and prints what came of them."""
    torch.set_num_threads(1)
    of_tasks = sys.argv[1] == "tasks"
    count, *start = map(int, sys.argv[2 if of_tasks else 1 :])
    first = start[0] if start else 0
    counts: Counter[str] = Counter()
    wrong = []
    for seed in range(first, first + count):
        try:
            counts[fuzz_task(seed) if of_tasks else fuzz(seed)] += 1
        except Exception as error:
            counts["WRONG"] += 1
            wrong.append(seed)
            print(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}", flush=True)
        if seed % 100 == 99:
            print(seed + 1, dict(counts), flush=True)
    for outcome, count in counts.most_common():
        print(f"{count:6} {outcome}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
