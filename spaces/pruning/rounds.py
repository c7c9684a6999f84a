"""The rounds of structured pruning: score, choose, cut, and train before the next round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from paretune.inputs import Shape, call, example
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.keeping import is_within, kept_modules
from paretune.spaces.macs import count_macs, macs_by_module
from paretune.spaces.pruning import widths
from paretune.spaces.pruning.cost import Cost
from paretune.spaces.pruning.criteria import GRADIENTS, scores
from paretune.spaces.pruning.graph import channel_layers, trace, unfrozen
from paretune.spaces.pruning.heads import head_layers, remove_heads
from paretune.spaces.pruning.layer import PrunableLayer
from paretune.spaces.pruning.layer_ratios import ratios
from paretune.spaces.pruning.module_names import check_names
from paretune.spaces.pruning.sensitivity import Rise, scan, units_to_cut
from paretune.spaces.pruning.training_loss import gradients
from paretune.spaces.pruning.unit_count import unit_count
from paretune.spaces.pruning.whole_layers import whole_layers
from paretune.spaces.pruning.whole_reason import code_line
from paretune.spaces.seeding import seed_torch

TOLERANCE = 0.02
"""A target in multiply-adds is met within this share of it."""

SHOWN = 3
"""Most layers that a reason names."""


class PruningRounds:
    """Prunes a model in one or several rounds.

    Without training between rounds the model is pruned in place; training replaces it by a copy.

    Args:
        model: A copy of the candidate's model, on the CPU and in evaluation mode.
        candidate: The candidate that is pruned; not changed.
        params: Parameters of the technique `structured`.
        context: Provides data, seed and device.
    """

    def __init__(
        self, model: nn.Module, candidate: Candidate, params: Any, context: Context
    ) -> None:
        self.model = model
        self._candidate = candidate
        self._params = params
        self._context = context
        self._full: dict[str, int] = {}  # layer name -> units before the first round
        self._kept_whole: dict[str, str] = {}  # layer name -> reason
        self._rise: Rise | None = None
        self._dense = 0  # multiply-adds before the first round

    def run(self) -> dict[str, Any]:
        """Runs all rounds and returns the step's `info`."""
        shape, params = self._candidate.shape, self._params
        self._find_whole_layers()
        before, size = _sides(self.model), _size(self.model)
        dense = unit_count(self.model, shape)
        self._dense = count_macs(self.model, shape)
        removed: list[Any] = []
        rounds: list[int] = []
        for number in range(1, params.steps + 1):
            with torch.random.fork_rng(devices=[]):
                seed_torch(self._context.seed + number - 1)  # for the random criterion
                cuts = self._round(number / params.steps)
            removed += cuts
            rounds.append(len(cuts))
            if number < params.steps and params.between.epochs:
                self._train(number)
        after, macs = _sides(self.model), count_macs(self.model, shape)
        if params.macs is not None:
            self._check_met(macs)
        return {
            "removed": removed,
            "rounds": rounds,
            **_changes(self.model, before, after),
            "parameters": [size, _size(self.model)],
            "macs": [self._dense, macs],
            "whole": [n for n in before if not is_within(n, self._members)],
            "kept_whole": self._kept_whole,
            "units": [dense, unit_count(self.model, shape)],
        }

    def first_plan(self) -> tuple[widths.WidthPlan, dict[str, str]]:
        """Returns the layers that can lose units, and name -> reason of those that cannot.

        Nothing is pruned.
        """
        self._find_whole_layers()
        with unfrozen(self.model), infeasible_on_graph_error():
            graph = trace(self.model, self._candidate.shape)
        with unfrozen(self.model), torch.random.fork_rng(devices=[]):
            seed_torch(self._context.seed)  # for the random criterion
            return self._plan(graph), self._kept_whole

    def _find_whole_layers(self) -> None:
        """Sets the layers that stay whole; refuses unknown names in `ignore` and `keep`."""
        ignore = self._params.ignore
        check_names(ignore, [n for n, _ in self.model.named_modules() if n], "ignore")
        kept = kept_modules(self.model, self._candidate.keep)
        with infeasible_on_graph_error():
            self._kept_whole = whole_layers(self.model, self._candidate.shape, ignore, kept)

    def _round(self, share: float) -> list[Any]:
        """Prunes until this share of the whole amount is removed, and returns history entries."""
        with unfrozen(self.model), infeasible_on_graph_error():
            graph = trace(self.model, self._candidate.shape)
        with unfrozen(self.model):
            plan = self._plan(graph)
            keep = self._keep(plan, share)
            removed = []
            for layer, score, count in zip(plan.layers, plan.scores, keep, strict=True):
                if units := units_to_cut(layer, score, count):
                    with infeasible_on_graph_error([layer.name]):
                        removed.append(layer.cut(units))
            cut = [name for name, *_ in removed]
            with infeasible_on_graph_error(cut), torch.inference_mode():
                call(self.model, example(self._candidate.shape))
        return removed

    def _plan(self, graph: Any) -> widths.WidthPlan:
        """Returns the layers that can be pruned, with the importance of their units."""
        params = self._params
        gradient: dict[str, torch.Tensor] = {}
        if params.criterion in GRADIENTS:
            squared = params.criterion == "hessian"
            gradient = gradients(self.model, self._context, params.images, squared)
        # Channels before heads: cutting heads may replace an attention by another module.
        all_layers = channel_layers(graph, params.ignore) + head_layers(self.model, params.ignore)
        all_layers = [layer for layer in all_layers if self._may_cut(layer.name)]
        with torch.no_grad():
            scored = []
            for layer in all_layers:
                with infeasible_on_graph_error([layer.name]):
                    scored.append((layer, scores(layer, params.criterion, gradient)))
        usable = [(layer, score) for layer, score in scored if score is not None]
        if all_layers and not usable:  # only bn_scale finds no weights in an existing layer
            raise InfeasibleCandidate(
                f"{params.criterion}: no layer that can be pruned has a batch normalization"
            )
        if not usable:
            raise InfeasibleCandidate(
                "structured pruning found no layer it can prune"
                + (_listed(self._kept_whole) or _coupled(self.model))
            )
        layers = [layer for layer, _ in usable]
        if not self._full:
            self._full = {layer.name: layer.units for layer in layers}
            self._members = {member for layer in layers for member in layer.members}
        full = [self._full.get(layer.name, layer.units) for layer in layers]
        return widths.WidthPlan(layers, full, [score for _, score in usable], params.round_to)

    def _may_cut(self, name: str) -> bool:
        """Returns whether a layer is one of the first round's that need not stay whole."""
        return name not in self._kept_whole and (not self._full or name in self._full)

    def _keep(self, plan: widths.WidthPlan, share: float) -> list[int]:
        """Returns how many units stay in each layer after this share of the whole amount."""
        params = self._params
        if params.per_layer:
            order = [n for n, _ in self.model.named_modules() if n in self._full]
            self._check_not_whole(params.per_layer)
            single = ratios(plan.layers, order, params.per_layer, params.ratio or 0.0)
            return widths.keep_by_layer(plan, [ratio * share for ratio in single])
        cuts = self._cuts(plan)
        if params.macs is None:
            return widths.keep_by_ratio(plan, cuts, params.ratio * share)
        cost = Cost(
            plan.layers, macs_by_module(self.model, self._candidate.shape), _sides(self.model)
        )
        target = self._dense * (1 - (1 - params.macs) * share)
        return widths.keep_by_cost(plan, cuts, cost, target, TOLERANCE)

    def _check_not_whole(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self._kept_whole:
                raise InfeasibleCandidate(
                    f"per_layer: {name} cannot lose channels: {self._kept_whole[name]}; take it "
                    "out of per_layer"
                )

    def _cuts(self, plan: widths.WidthPlan) -> list[widths.Cut]:
        match self._params.scope:
            case "uniform":
                return widths.uniform(plan)
            case "global":
                return widths.ranked(plan)
            case _:
                return widths.by_sensitivity(plan, self._sensitivity(plan))

    def _sensitivity(self, plan: widths.WidthPlan) -> Rise:
        """Returns the scan of the first round; measured once for each network."""
        params = self._params

        def measure() -> Rise:
            return scan(self.model, plan.layers, plan.scores, self._context, params.images)

        if self._rise is None:
            kept = "".join(f"-{pattern}" for pattern in self._candidate.keep)
            name = f"pruning-sensitivity-{params.criterion}-{params.images}{kept}"
            varies = params.criterion == "random" or params.ignore  # differs between trials
            self._rise = measure() if varies else self._context.memo(name, measure)
        return self._rise

    def _train(self, number: int) -> None:
        from paretune.spaces.training.loop import train

        candidate = replace(self._candidate, model=self.model)
        context = replace(self._context, seed=self._context.seed + number)
        self.model = train(candidate, self._params.between, context, stage="prune").model

    def _check_met(self, macs: int) -> None:
        target, reached = self._params.macs, macs / self._dense
        if abs(reached - target) > TOLERANCE * target:
            raise InfeasibleCandidate(
                f"macs: {target:g} of the multiply-adds cannot be met within 2 %; the nearest is "
                f"{reached:.3g} with round_to: {self._params.round_to}; give that, or a smaller "
                "round_to"
            )


@contextmanager
def infeasible_on_graph_error(layers: Sequence[str] = ()) -> Iterator[None]:
    """Turns errors of a network that is traced or cut into InfeasibleCandidate.

    Args:
        layers: Names of the layers that lose channels; empty if the network is only traced.
    """
    try:
        yield
    except InfeasibleCandidate:
        raise
    except Exception as error:  # any error of the network's own code, or of the graph
        line = code_line(error)
        if not layers:
            raise InfeasibleCandidate(
                f"structured pruning cannot follow the channels of this network{line}; write "
                "`pruning: none`, or prune with unstructured"
            ) from error
        names = ", ".join(layers[:SHOWN]) + (", ..." if len(layers) > SHOWN else "")
        raise InfeasibleCandidate(
            f"the network does not run after {names} lost channels{line}; write the layer whose "
            f"channels `forward` counts into ignore: [{names}]"
        ) from error


def replay(
    model: nn.Module, removed: Sequence[Sequence[Any]], rounds: Sequence[int], shape: Shape
) -> None:
    """Removes the channels and heads that a history lists, in place.

    Channels are removed with the dependency graph, heads without it.

    Args:
        model: A fresh network.
        removed: Entries of the history.
        rounds: Number of entries of each round; the graph is traced anew for a round.
        shape: Shape of one input.
    """
    starts = {sum(rounds[:index]) for index in range(len(rounds))}
    with unfrozen(model):
        graph = None
        for position, (name, side, indices) in enumerate(removed):
            if side == "heads":
                remove_heads(model, name, indices)
                graph = None  # modules were replaced
                continue
            if graph is None or position in starts:
                graph = trace(model, shape)
            graph.load_pruning_history([(name, side, indices)])


def _listed(reasons: Mapping[str, str]) -> str:
    """Returns the layers that stay whole, with their reasons: `: l1 (...), l2 (...)`."""
    layers = [f"{name} ({reason})" for name, reason in list(reasons.items())[:SHOWN]]
    more = f" and {len(reasons) - SHOWN} more" if len(reasons) > SHOWN else ""
    return f": {', '.join(layers)}{more}" if layers else ""


def _coupled(model: nn.Module) -> str:
    """Returns why no layer is free, for a network in which none needs to stay whole."""
    names = list(_sides(model))
    if not names:
        return ": the network has no convolution and no linear layer"
    layers = ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")
    return (
        f": the channels of {layers} are outputs of the network, or belong to a layer "
        "normalization, an attention, an embedding or a parameter"
    )


def _size(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def _changes(
    model: nn.Module, before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]
) -> dict[str, dict[str, list[int]]]:
    """Returns the changed layers -> [units before, units after], for channels and for heads."""
    attentions = {layer.name for layer in head_layers(model, [])}
    outputs = {n: [before[n][0], after[n][0]] for n in after if n in before}
    changed = {n: counts for n, counts in outputs.items() if counts[0] != counts[1]}
    return {
        "channels": {n: counts for n, counts in changed.items() if n not in attentions},
        "heads": {n: counts for n, counts in changed.items() if n in attentions},
    }


def _sides(model: nn.Module) -> dict[str, tuple[int, int]]:
    """Returns name -> (outputs, inputs) of each layer; for an attention both are its heads."""
    sides = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.conv._ConvNd):
            sides[name] = (module.out_channels, module.in_channels)
        elif isinstance(module, nn.Linear):
            sides[name] = (module.out_features, module.in_features)
    attentions: list[PrunableLayer] = head_layers(model, [])
    return sides | {layer.name: (layer.units, layer.units) for layer in attentions}
