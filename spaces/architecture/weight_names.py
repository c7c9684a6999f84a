"""Finds a network's weights by name among the content of a checkpoint."""

from __future__ import annotations

import copy
import re
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

DEPTH = 6
"""Deepest nesting of mappings and lists that is searched."""

WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "module")
"""Names that torch.compile, FSDP, checkpointing and DataParallel insert before a part's names."""

COUNTER = "num_batches_tracked"
"""Count of batches in a batch normalization, absent from files before torch 0.4.1."""

LOSS = re.compile(r"(.*_)?(loss(es|_fn|_func|_function)?|criterion|criteria)\d*")
"""First part of names that belong to a loss beside the network."""

METRIC = ("tp", "fp", "tn", "fn", "confmat", "correct", "total", "sum_value")
"""Last part of names that belong to the state of a metric (torchmetrics)."""

AVERAGING = ("n_averaged", "decay", "num_updates", "initted", "step")
"""Scalars that wrappers with mean weights keep beside the network."""

PROFILING = ("total_ops", "total_params")
"""Counters that the package thop adds to every module."""


class Misfit(ValueError):
    """No weights in a checkpoint fit a network."""


@dataclass
class Fit:
    """Weights that fit a network completely.

    Attributes:
        weights: Name in the network -> tensor of the file.
        container: Keys of the file that lead to the weights, joined by dots.
        prefix: Prefix that was removed from their names.
        added: Prefix that was added to their names.
        wrappers: Wrapper names that were removed inside names -> number of names.
        ignored: Names beside the network's that belong to no network.
        translated: Whether `load_state_dict` translated the names of an older version.
        filled: Names that are absent because they share their tensor with another name.
    """

    weights: dict[str, torch.Tensor]
    container: str = ""
    prefix: str = ""
    added: str = ""
    wrappers: Counter[str] = field(default_factory=Counter)
    ignored: list[str] = field(default_factory=list)
    translated: bool = False
    filled: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Returns the key that picks these weights in a study file."""
        return ".".join(part for part in (self.container, self.prefix.rstrip(".")) if part)

    def notes(self) -> list[str]:
        """Returns what was done to fit the names, in words."""
        number = len(self.weights)
        item = "item " if self.container.isdigit() else ""
        notes = [f"unwrapped {item}{self.container}"] if self.container else []
        if self.prefix:
            notes.append(f"removed the prefix {self.prefix} from {number} names")
        if self.added:
            notes.append(f"added the prefix {self.added} to {number} names")
        for wrapper, count in self.wrappers.items():
            notes.append(f"removed {wrapper}. inside {count} names")
        if self.translated:
            notes.append("load_state_dict translated names of an older version")
        if self.filled:
            notes.append(f"{listed(self.filled)} share their tensors with other names")
        if self.ignored:
            notes.append(f"ignored {listed(self.ignored)}: not part of the network")
        return notes


@dataclass(frozen=True)
class _Group:
    """Tensors of a file under one prefix.

    Attributes:
        prefix: The prefix of their names in the flattened file.
        tensors: Name without the prefix -> tensor.
        outside: Names beside the prefix, in the mapping that holds the tensors.
    """

    prefix: str
    tensors: dict[str, torch.Tensor]
    outside: list[str]


class Content:
    """The tensors of a checkpoint by their flattened names.

    Args:
        value: What the file holds.
    """

    def __init__(self, value: Any) -> None:
        self.tensors: dict[str, torch.Tensor] = {}
        self.containers: dict[str, str] = {}
        self.metadata: dict[str, Mapping[str, Any]] = {}
        self._flatten(value, "", 0)
        if not self.tensors:
            self._flatten(_with_tensors(value), "", 0)

    def _flatten(self, value: Any, path: str, depth: int) -> None:
        if depth > DEPTH or _is_optimizer(value):
            return
        items: Iterator[tuple[Any, Any]]
        if isinstance(value, Mapping):
            items = iter(value.items())
            if isinstance(getattr(value, "_metadata", None), Mapping):
                self.metadata[path] = value._metadata  # type: ignore[attr-defined]
        elif isinstance(value, list | tuple):
            items = iter(enumerate(value))
        else:
            return
        for key, child in items:
            name = f"{path}{key}"
            if isinstance(child, torch.Tensor):
                self.tensors[name] = child.detach()
                self.containers[name] = path
            else:
                self._flatten(child, f"{name}.", depth + 1)

    def under(self, key: str) -> Content:
        """Returns the part whose names begin with a key.

        Raises:
            Misfit: No name begins with it; the text lists the keys that exist.
        """
        start = f"{key}."
        part = Content(None)
        for name, tensor in self.tensors.items():
            if name.startswith(start):
                short = name.removeprefix(start)
                part.tensors[short] = tensor
                part.containers[short] = self.containers[name].removeprefix(start)
        part.metadata = {
            path.removeprefix(start): value
            for path, value in self.metadata.items()
            if path.startswith(start)
        }
        if not part.tensors:
            tops = list(dict.fromkeys(name.partition(".")[0] for name in self.tensors))
            raise Misfit(f'holds no weights under the key "{key}"; it has {listed(tops, 8)}')
        return part


def fits_of(content: Content, network: nn.Module) -> list[Fit]:
    """Returns every set of weights in a checkpoint that fits a network completely.

    Raises:
        Misfit: None does; the text lists what is missing, surplus or of another shape.
    """
    # A module's extra state can be anything; it keeps its first value.
    expected = {n: t for n, t in network.state_dict().items() if isinstance(t, torch.Tensor)}
    closest: tuple[int, str] | None = None
    for added, names in _namings(expected):
        for removed in ((), WRAPPERS[:3], WRAPPERS):
            tensors, wrappers = _without(content.tensors, removed)
            if removed and not wrappers:
                continue
            fits = []
            for group in _groups(content, tensors, names, removed):
                fit, matches, reason = _fitted(group, names, network, content, added)
                if fit is not None:
                    fit.wrappers = wrappers
                    fits.append(fit)
                elif closest is None or matches > closest[0]:
                    closest = (matches, reason)
            if fits:
                return fits
    if closest is not None:
        raise Misfit(closest[1])
    raise Misfit(_reason(list(expected), list(content.tensors), [], [], ""))


def listed(names: list[str], most: int = 3) -> str:
    """Returns the first names, with ", ..." if there are more."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


# -- one group of names ------------------------------------------------------------------------


def _fitted(
    group: _Group,
    expected: Mapping[str, torch.Tensor],
    network: nn.Module,
    content: Content,
    added: str,
) -> tuple[Fit | None, int, str]:
    """Returns the fit of a group, or None; the number of names that match; and what is wrong."""
    tensors = group.tensors
    weights = {name: tensors[name] for name in expected if name in tensors}
    filled = _shared(expected, weights)
    counters = [n for n in expected if n not in weights and n.rpartition(".")[2] == COUNTER]
    weights |= {name: expected[name] for name in counters}
    missing = [name for name in expected if name not in weights]
    surplus = [name for name in tensors if name not in expected]
    beside = [n for n in surplus if _is_beside(n, tensors[n], network, added)]
    beside_outside = [n for n in group.outside if _is_beside(n, None, None, "")]
    surplus = [name for name in surplus if name not in beside]
    outside = [name for name in group.outside if name not in beside_outside]
    shapes = [n for n in expected if n in weights and weights[n].shape != expected[n].shape]
    container, prefix = _split(group.prefix, content)
    fit = Fit(weights, container, prefix, added, ignored=[*beside, *beside_outside], filled=filled)
    if not (missing or surplus or shapes):
        if not outside:
            return fit, len(weights), ""
        return None, len(weights), _outside_reason(fit, outside)
    fitting = [n for n in weights if n not in counters and n not in filled and n not in shapes]
    if not added and not outside and 2 * len(fitting) >= len(expected):
        translated = _translated(network, group, content)
        if translated is not None and not missing and not shapes:  # parts that are switched off
            fit.ignored = [*surplus, *fit.ignored]
            return fit, len(weights), ""
        if translated is not None:
            return Fit(translated, container, prefix, translated=True), len(weights), ""
    lines = [f"{n} {list(weights[n].shape)} for {list(expected[n].shape)}" for n in shapes]
    return None, len(fitting), _reason(missing, surplus, lines, list(tensors), group.prefix)


def _translated(
    network: nn.Module, group: _Group, content: Content
) -> dict[str, torch.Tensor] | None:
    """Returns the weights after the network's own `load_state_dict` took them, or None.

    Modules can translate the names of their older versions.
    """
    weights = OrderedDict(group.tensors)
    metadata = _metadata(content, group.prefix)
    if metadata is not None:
        weights._metadata = metadata  # type: ignore[attr-defined]
    try:
        clone = copy.deepcopy(network)
        clone.load_state_dict(weights)
    except Exception:  # modules with hooks of their own raise anything
        return None
    return dict(clone.state_dict())


def _metadata(content: Content, prefix: str) -> dict[str, Any] | None:
    """Returns the versions of modules that torch stored, by names without the prefix."""
    for path, values in content.metadata.items():
        if prefix.startswith(path):
            inner = prefix.removeprefix(path).rstrip(".")
            start = f"{inner}." if inner else ""
            return {
                name.removeprefix(start) if name != inner else "": value
                for name, value in values.items()
                if name == inner or name.startswith(start)
            }
    return None


def _shared(expected: Mapping[str, torch.Tensor], weights: dict[str, torch.Tensor]) -> list[str]:
    """Fills names whose tensor in the network is that of another name; returns these names."""
    by_storage = {
        (tensor.data_ptr(), tensor.shape, tensor.stride()): name
        for name, tensor in expected.items()
        if name in weights and tensor.numel()
    }
    filled = []
    for name, tensor in expected.items():
        other = by_storage.get((tensor.data_ptr(), tensor.shape, tensor.stride()))
        if name not in weights and other is not None:
            weights[name] = weights[other]
            filled.append(name)
    return filled


def _is_beside(
    name: str, tensor: torch.Tensor | None, network: nn.Module | None, added: str
) -> bool:
    """Returns whether a name certainly belongs to no network, or changes nothing in this one."""
    first, last = name.partition(".")[0], name.rpartition(".")[2]
    if last in PROFILING or LOSS.fullmatch(first) is not None:
        return True
    if last in METRIC and "." in name:
        return True
    if "." not in name and name in AVERAGING:
        return True
    buffers = dict(network.named_buffers()) if network is not None else {}
    buffer = buffers.get(added + name)  # one that the network does not store
    return buffer is not None and tensor is not None and torch.equal(buffer.cpu(), tensor)


# -- candidates --------------------------------------------------------------------------------


def _namings(
    expected: Mapping[str, torch.Tensor],
) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Yields the network's names, and those without a first part that all of them share."""
    names, added = dict(expected), ""
    yield added, names
    while names:
        firsts = {name.partition(".")[0] for name in names}
        if len(firsts) > 1 or any("." not in name for name in names):
            return
        [first] = firsts
        added += f"{first}."
        names = {name.removeprefix(f"{first}."): tensor for name, tensor in names.items()}
        yield added, names


def _without(
    tensors: Mapping[str, torch.Tensor], wrappers: tuple[str, ...]
) -> tuple[dict[str, torch.Tensor], Counter[str]]:
    """Returns the tensors by names without wrappers inside, and how many names had each."""
    removed: Counter[str] = Counter()
    result = {}
    for name, tensor in tensors.items():
        parts = name.split(".")
        removed.update({part for part in parts if part in wrappers})
        result[".".join(part for part in parts if part not in wrappers)] = tensor
    return (result, removed) if len(result) == len(tensors) else (dict(tensors), Counter())


def _groups(
    content: Content,
    tensors: Mapping[str, torch.Tensor],
    names: Mapping[str, torch.Tensor],
    removed: tuple[str, ...],
) -> list[_Group]:
    """Returns groups of tensors with a common prefix, those with most of the names first."""
    votes: Counter[str] = Counter()
    for name in tensors:
        start = 0
        while True:
            if name[start:] in names:
                votes[name[:start]] += 1
            dot = name.find(".", start)
            if dot < 0:
                break
            start = dot + 1
    containers = {
        ".".join(part for part in name.split(".") if part not in removed): path
        for name, path in content.containers.items()
    }
    groups = []
    for prefix, _ in votes.most_common(8):
        inside = {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        # Tensors in the same mapping, whose names do not have the prefix.
        homes = {containers[prefix + name] for name in inside if prefix + name in containers}
        outside = [
            name.removeprefix(containers[name])
            for name in tensors
            if not name.startswith(prefix) and containers.get(name) in homes
        ]
        groups.append(_Group(prefix, inside, outside))
    return groups


def _split(prefix: str, content: Content) -> tuple[str, str]:
    """Returns a prefix as the keys of the file's mappings, and what its names begin with."""
    paths = {"", *content.containers.values()}
    container = max((path for path in paths if prefix.startswith(path)), key=len)
    return container.rstrip("."), prefix.removeprefix(container)


def _with_tensors(value: Any) -> Any:
    """Returns a nested mapping with tensors in place of NumPy's arrays of numbers."""
    if isinstance(value, Mapping):
        return {key: _with_tensors(child) for key, child in value.items()}
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return torch.from_numpy(value.copy())
    return value


def _is_optimizer(value: Any) -> bool:
    return isinstance(value, Mapping) and "param_groups" in value and "state" in value


# -- words -------------------------------------------------------------------------------------

_HINTS = (
    (
        ("weight_orig", "weight_mask", "bias_orig"),
        "pruned by torch.nn.utils.prune: call prune.remove(module, 'weight') before saving",
    ),
    (
        ("weight_g", "weight_v", "weight_u", "original0", "original1", "original"),
        "saved with a parametrization such as weight_norm: remove it before saving",
    ),
    (
        ("_packed_params", "zero_point", "scale", "fake_quant_enabled", "absmax", "qweight"),
        "weights of a quantized network: give the float weights",
    ),
)


def _reason(
    missing: list[str], surplus: list[str], shapes: list[str], names: list[str], prefix: str
) -> str:
    problems = [
        f"{fault}: {listed(tensors)}"
        for fault, tensors in (
            ("missing", missing),
            ("not in the model", surplus),
            ("shape", shapes),
        )
        if tensors
    ]
    under = f" (under {prefix.rstrip('.')})" if prefix else ""
    parts = {part for name in names or surplus for part in name.split(".")[-2:]}
    hint = next((text for marks, text in _HINTS if parts & set(marks)), "")
    return (
        f"does not fit the architecture{under}: {'; '.join(problems)}"
        f"{f'. It looks like {hint}' if hint else ''}"
    )


def _outside_reason(fit: Fit, outside: list[str]) -> str:
    return (
        f"holds more than the network: {listed(outside)} beside {fit.key}. If these are not part "
        f"of it, say so: checkpoint: {{file: ..., key: {fit.key}}}"
    )
