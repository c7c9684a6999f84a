"""Structured pruning: whole channels and neurons go, and everything coupled with them.

Torch-Pruning's dependency graph (Fang et al. 2023, https://arxiv.org/abs/2301.12900) finds what is
coupled and cuts it; how many channels stay is decided here. Its own `round_to` skips a layer that
would round to nothing, so that a higher ratio could leave a bigger network; here at least one
rounded group stays in each layer, and a higher ratio never keeps more.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from spaces.base import Candidate, Context, InfeasibleCandidate, Step
from spaces.inputs import Shape, example
from spaces.params import Params

if TYPE_CHECKING:
    import torch


class Structured:
    """Removes whole channels and neurons by importance (Torch-Pruning)."""

    name = "structured"
    version = 2  # 1 left the layer before the last one whole

    class Params(Params):
        """Options of structured pruning."""

        criterion: Literal["magnitude", "l1", "lamp", "random"] = Field(
            "magnitude", description="what is least important: smallest L2 norm, L1 norm, LAMP"
        )
        ratio: float = Field(ge=0, lt=1, description="share of the channels that goes")
        round_to: int = Field(8, ge=1, description="channels that stay are a multiple of this")
        scope: Literal["uniform", "global"] = Field(
            "uniform", description="the same ratio in each layer, or one ranking over all layers"
        )

    @staticmethod
    def apply(candidate: Candidate, params: Params, context: Context) -> Candidate:
        """The pruned candidate; `info` holds what went, layer by layer.

        Raises:
            InfeasibleCandidate: No layer can be pruned, or the network cannot run afterwards.
        """
        model = copy.deepcopy(candidate.model).cpu().eval()
        before, frozen = _widths(model), _frozen(model)
        size = sum(p.numel() for p in model.parameters())
        try:
            graph = _pruned(model, candidate.shape, params, context.seed)
            _check_runs(model, candidate.shape)
        except (ArithmeticError, AttributeError, IndexError, KeyError, RuntimeError) as error:
            # Its graph does not follow every network (a ShuffleNet's channel split), and some it
            # leaves in pieces that do not fit each other (a reshape)
            raise InfeasibleCandidate(
                f"Torch-Pruning cannot prune this network: {type(error).__name__}: {error}"
            ) from error
        after = _widths(model)
        info = {
            "removed": [
                [name, bool(is_out), [int(i) for i in indices]]
                for name, is_out, indices in graph.pruning_history()
            ],
            "channels": {n: [before[n], after[n]] for n in before if before[n] != after[n]},
            "parameters": [size, sum(p.numel() for p in model.parameters())],
        }
        for parameter in model.parameters():
            parameter.grad = None
        _freeze(model, frozen)
        return candidate.then(model, Step("structured", params.model_dump(), info))

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Params, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Removes from a fresh model the same channels as `apply` did, without data."""
        frozen = _frozen(model)
        graph = _graph(model, shape)
        graph.load_pruning_history([tuple(entry) for entry in info["removed"]])
        _freeze(model, frozen)
        return model


@dataclass(frozen=True)
class _Layer:
    """A layer whose output channels can go, with all that is coupled to them.

    Attributes:
        module: The group's root.
        prune: Torch-Pruning's function for its output channels.
        importance: [channels / blocks]; a grouped convolution's groups shrink together.
        blocks: Number of convolution groups or the like, 1 for an ordinary layer.
    """

    module: Any
    prune: Any
    importance: torch.Tensor
    blocks: int


def _pruned(model: torch.nn.Module, shape: Shape, params: Structured.Params, seed: int) -> Any:
    """Prunes the model in place; gives the graph that knows what went."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # for the random criterion
        graph = _graph(model, shape)
        layers = _layers(graph, params.criterion)
        if not layers:
            raise InfeasibleCandidate("structured pruning found no layer it can prune")
        for layer, keep in zip(layers, _keeps(layers, params), strict=True):
            _cut(graph, layer, keep)
    return graph


def _frozen(model: torch.nn.Module) -> set[str]:
    """The parameters that are not trained; building the graph thaws them."""
    return {name for name, parameter in model.named_parameters() if not parameter.requires_grad}


def _freeze(model: torch.nn.Module, frozen: set[str]) -> None:
    """Takes the thawing back; pruned parameters keep their names."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)


def _graph(model: torch.nn.Module, shape: Shape) -> Any:
    import torch_pruning

    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(True)  # the graph is traced through autograd
    graph = torch_pruning.DependencyGraph()
    # Modules of ours that the graph cannot see through bring their own pruner.
    own: dict[Any, Any] = {
        type(m): m.torch_pruner()  # type: ignore[operator]
        for m in model.modules()
        if hasattr(m, "torch_pruner")
    }
    return graph.build_dependency(
        model,
        example_inputs=example(shape),
        customized_pruners=own,
        verbose=False,
    )


def _layers(graph: Any, criterion: str) -> list[_Layer]:
    import torch
    from torch import nn

    importance = _criterion(criterion)
    found = []
    for group in graph.get_all_groups(root_module_types=[nn.Conv2d, nn.Linear]):
        if not _free(graph, group):
            continue
        with torch.no_grad():
            scores = importance(group)
        if scores is None:
            continue
        blocks = _blocks(graph, group)
        scores = scores.detach().cpu().reshape(blocks, -1).mean(dim=0)
        found.append(_Layer(group[0].dep.target.module, group[0].dep.handler, scores, blocks))
    return found


def _criterion(name: str) -> Any:
    from torch_pruning import importance

    match name:
        case "magnitude":
            return importance.GroupMagnitudeImportance(p=2)
        case "l1":
            return importance.GroupMagnitudeImportance(p=1)
        case "lamp":
            return importance.LAMPImportance(p=2)
        case _:
            return importance.RandomImportance()


def _free(graph: Any, group: Any) -> bool:
    """Whether a group may be cut: not coupled with the output, nor with an attention's width.

    The last layer's own outputs are the logits and stay; its inputs may go.
    A transformer's residual stream is coupled with embeddings, LayerNorm and attention heads; it is
    left whole, while the hidden widths of its MLPs are free.
    """
    from torch import nn

    for dep, _ in group:
        if not dep.target.outputs and graph.is_out_channel_pruning_fn(dep.handler):
            return False
        module = dep.target.module
        if isinstance(module, nn.LayerNorm | nn.MultiheadAttention | nn.Parameter):
            return False
    return True


def _blocks(graph: Any, group: Any) -> int:
    """Into how many equal parts the group's channels fall, which shrink together.

    Grouped convolutions, GroupNorm, and equal splits: a gate's halves lose the same channels.
    """
    from torch import nn

    blocks = 1
    for dep, _ in group:
        module = dep.target.module
        if isinstance(module, nn.Conv2d) and 1 < module.groups < module.out_channels:
            blocks = max(blocks, module.groups)
        if isinstance(module, nn.GroupNorm):
            blocks = max(blocks, module.num_groups)
        parts = getattr(module, "split_sizes", None) or []
        if len(set(parts)) == 1:
            blocks = max(blocks, len(parts))
    return blocks


def _keeps(layers: list[_Layer], params: Structured.Params) -> list[int]:
    """How many channels stay in each layer (in each of its blocks)."""
    if params.ratio == 0:
        return [len(layer.importance) for layer in layers]
    if params.scope == "uniform":
        wanted = [len(layer.importance) * (1 - params.ratio) for layer in layers]
    else:
        wanted = [float(count) for count in _global_counts(layers, params.ratio)]
    return [
        _rounded(count, len(layer.importance), _multiple(params.round_to, layer.blocks))
        for count, layer in zip(wanted, layers, strict=True)
    ]


def _multiple(round_to: int, blocks: int) -> int:
    """What each block rounds to so that all of them together keep a multiple of `round_to`."""
    return round_to // math.gcd(round_to, blocks)


def _rounded(wanted: float, channels: int, multiple: int) -> int:
    """Down to the multiple, but at least one multiple, and never more than there are.

    Both steps keep order: fewer wanted never gives more kept.
    """
    down = int(wanted + 1e-6) // multiple * multiple
    return min(channels, max(multiple, down))


def _global_counts(layers: list[_Layer], ratio: float) -> list[int]:
    """How many of each layer's channels are among the most important of all.

    Importances are divided by their layer's mean, as layers differ in scale.
    """
    import torch

    scaled = [layer.importance / (layer.importance.mean() + 1e-12) for layer in layers]
    owner = torch.cat([torch.full_like(s, index) for index, s in enumerate(scaled)])
    order = torch.argsort(torch.cat(scaled), descending=True, stable=True)
    stay = order[: int(len(order) * (1 - ratio) + 1e-6)]
    return [int((owner[stay] == index).sum()) for index in range(len(layers))]


def _cut(graph: Any, layer: _Layer, keep: int) -> None:
    import torch

    width = len(layer.importance)
    if keep >= width:
        return
    least = torch.argsort(layer.importance, stable=True)[: width - keep]
    indices = sorted(int(i) + block * width for block in range(layer.blocks) for i in least)
    graph.get_pruning_group(layer.module, layer.prune, indices).prune()


def _check_runs(model: torch.nn.Module, shape: Shape) -> None:
    import torch

    with torch.inference_mode():
        model(example(shape))


def _widths(model: torch.nn.Module) -> dict[str, int]:
    """Output channels of each convolution and linear layer."""
    from torch import nn

    return {
        name: module.out_channels if isinstance(module, nn.Conv2d) else module.out_features
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }
