"""Finds the layers of two networks that can be compared, and takes their outputs.

A convolutional network is compared at the last feature map of each resolution, a transformer block
by block. Which layers these are is seen by hooks in one pass over an example.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.distillation.base import FeatureParams, LayerPair
from paretune.spaces.distillation.teacher_average import TeacherAverage
from paretune.spaces.table import did_you_mean


@dataclass(frozen=True)
class Call:
    """One call of a module in a pass.

    Attributes:
        name: Of the module; "name#2" is its second call.
        kind: Its class's name.
        depth: Modules around it, not counting the network itself and plain Sequentials.
        leaf: Whether it has no modules inside.
        shape: Of its output.
    """

    name: str
    kind: str
    depth: int
    leaf: bool
    shape: tuple[int, ...]


def matched(
    student: nn.Module, teacher: nn.Module, example: torch.Tensor, params: FeatureParams
) -> tuple[LayerPair, ...]:
    """The pairs of layers to compare, from the first to the last.

    Of several teachers averaged, each one is compared with the student.

    Args:
        student: The network that learns.
        teacher: The network that it learns from, or an Average.
        example: One input.
        params: Names the layers, or says how many pairs.

    Raises:
        InfeasibleCandidate: A name is unknown, or there is nothing to compare.
    """
    ours = calls(student, example)
    members = list(teacher.members) if isinstance(teacher, TeacherAverage) else [teacher]
    found: list[LayerPair] = []
    for index, member in enumerate(members):
        theirs = calls(member, example)
        named = params.names[0]
        pairs = _named(ours, theirs, params) if named else _found(ours, theirs, example)
        pairs = pairs if named else pairs[-params.layers :]
        prefix = f"members.{index}." if isinstance(teacher, TeacherAverage) else ""
        found += [
            LayerPair(one.name, prefix + other.name, one.shape, other.shape) for one, other in pairs
        ]
    return tuple(found)


def calls(model: nn.Module, example: torch.Tensor) -> list[Call]:
    """Every call of a module with a tensor as its output, in the order in which they end."""
    names = {module: name for name, module in model.named_modules()}
    modes = {module: module.training for module in names}
    inside: list[nn.Module] = []
    times: Counter[str] = Counter()
    found: list[Call] = []

    def enter(module: nn.Module, _: Any) -> None:
        inside.append(module)

    def leave(module: nn.Module, _: Any, output: Any) -> None:
        inside.pop()
        name, result = names[module], first_tensor(output)
        times[name] += 1
        if name and result is not None:
            around = sum(type(m) is not nn.Sequential for m in inside[1:])
            leaf = next(module.children(), None) is None
            call = numbered(name, times[name])
            found.append(Call(call, type(module).__name__, around, leaf, tuple(result.shape)))

    handles = [m.register_forward_pre_hook(enter) for m in names]
    handles += [m.register_forward_hook(leave) for m in names]
    try:
        with torch.no_grad():
            model.eval()(example)
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes.items():
            module.training = mode
    return found


class Taps:
    """Holds on to what the named layers give in each pass, until it is taken or closed.

    Args:
        model: The network; its state dict is left as it is.
        names: Layers, as `Call.name`.
    """

    def __init__(self, model: nn.Module, names: Sequence[str]) -> None:
        self._names = names
        self._held: dict[str, torch.Tensor] = {}
        self._times: Counter[str] = Counter()
        modules = dict(model.named_modules())
        wanted = dict.fromkeys(name.partition("#")[0] for name in names)
        self._handles = [modules[name].register_forward_hook(self._hook(name)) for name in wanted]

    def _hook(self, name: str) -> Any:
        def hold(module: nn.Module, inputs: Any, output: Any) -> None:
            self._times[name] += 1
            call = numbered(name, self._times[name])
            result = first_tensor(output)
            if call in self._names and result is not None:
                self._held[call] = result

        return hold

    def take(self) -> list[torch.Tensor]:
        """The features of the last pass, in the order of the names.

        Raises:
            InfeasibleCandidate: A layer was not run.
        """
        held, self._held, self._times = self._held, {}, Counter()
        for name in self._names:
            if name not in held:
                raise InfeasibleCandidate(f"the layer {name} is not run when training")
        return [held[name] for name in self._names]

    def close(self) -> None:
        """Removes the hooks."""
        for handle in self._handles:
            handle.remove()
        self._held = {}


def numbered(name: str, time: int) -> str:
    """The name of a module's call: the second one is "name#2"."""
    return name if time == 1 else f"{name}#{time}"


def first_tensor(output: Any) -> torch.Tensor | None:
    """A module's output, or the first of its outputs, if that is a tensor of real numbers."""
    if isinstance(output, Mapping):
        output = next(iter(output.values()), None)
    elif isinstance(output, tuple | list):
        output = output[0] if output else None
    real = isinstance(output, torch.Tensor) and output.is_floating_point()
    return output if real else None


def same_size(ours: torch.Tensor, theirs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both pooled to the smaller of their sizes, on each axis of [B, C, H, W] or [B, T, D]."""
    if ours.ndim == 2 or (ours.shape[:-1] == theirs.shape[:-1] and ours.ndim == 3):
        return ours, theirs
    if ours.ndim == 3:
        length = min(ours.shape[1], theirs.shape[1])
        one, other = (
            functional.adaptive_avg_pool1d(x.transpose(1, 2), length).transpose(1, 2)
            for x in (ours, theirs)
        )
        return one, other
    if ours.shape[2:] == theirs.shape[2:]:
        return ours, theirs
    size = min(ours.shape[2], theirs.shape[2]), min(ours.shape[3], theirs.shape[3])
    return functional.adaptive_avg_pool2d(ours, size), functional.adaptive_avg_pool2d(theirs, size)


# -- which layers --------------------------------------------------------------------------------


def _named(ours: list[Call], theirs: list[Call], params: FeatureParams) -> list[tuple[Call, Call]]:
    mine, yours = params.names
    pairs = [
        (_by_name(ours, name, "student"), _by_name(theirs, other, "teacher"))
        for name, other in zip(mine, yours, strict=True)
    ]
    for one, other in pairs:
        if len(one.shape) != len(other.shape):
            raise InfeasibleCandidate(
                f"{one.name} of the student gives {list(one.shape)} and {other.name} of the "
                f"teacher {list(other.shape)}: they cannot be compared"
            )
    return pairs


def _by_name(found: list[Call], name: str, whose: str) -> Call:
    call = next((call for call in found if call.name == name), None)
    if call is None:
        known = [call.name for call in found]
        hint = did_you_mean(name, known) or "."
        some = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
        raise InfeasibleCandidate(f'the {whose} has no layer "{name}"{hint} It has: {some}.')
    if len(call.shape) not in (2, 3, 4):
        raise InfeasibleCandidate(
            f"{name} of the {whose} gives {list(call.shape)}, not [B, C, H, W], [B, T, D] or [B, D]"
        )
    return call


def _found(ours: list[Call], theirs: list[Call], example: torch.Tensor) -> list[tuple[Call, Call]]:
    mine, yours = _dimensions(ours), _dimensions(theirs)
    if not mine or not yours:
        who = "student" if not mine else "teacher"
        raise InfeasibleCandidate(f"the {who} has no feature maps to compare")
    if mine != yours:
        shapes = {4: "feature maps [B, C, H, W]", 3: "tokens [B, T, D]"}
        raise InfeasibleCandidate(
            f"the student has {shapes[mine]}, the teacher {shapes[yours]}: they cannot be compared"
        )
    if mine == 4:
        return _same_maps(maps(ours, example), maps(theirs, example))
    return _spread(blocks(ours), blocks(theirs))


def _dimensions(found: list[Call]) -> int:
    """Whether a network ends in maps (4) or in tokens (3); 0 for neither."""
    wide = [call for call in found if _positions(call) > 1]
    return len(wide[-1].shape) if wide else 0


def _positions(call: Call) -> int:
    match call.shape:
        case (_, _, height, width):
            return height * width
        case (_, length, _):
            return length
        case _:
            return 0


def maps(found: list[Call], example: torch.Tensor) -> list[Call]:
    """The last feature map [B, C, H, W] of each resolution above 1x1, from large to small.

    Of the modules that give a resolution the outermost count: what lies within a block that halves
    the image is not where the resolution ends. What has another aspect than the image has its
    channels last ([B, H, W, C], as inside a ConvNeXt block), and is passed over.
    """
    last: dict[tuple[int, ...], Call] = {}
    for call in found:
        size = call.shape[2:]
        if len(call.shape) == 4 and _positions(call) > 1 and _alike(size, example.shape[2:]):
            held = last.get(size)
            if held is None or call.depth <= held.depth:
                last[size] = call
    return sorted(last.values(), key=lambda call: -_positions(call))


def _alike(size: Sequence[int], image: Sequence[int]) -> bool:
    """Whether a map's height and width are in the image's relation, within a factor of two."""
    if len(image) != 2:
        return False
    (height, width), (tall, wide) = size, image
    return 0.5 <= (height * wide) / (width * tall) <= 2


def blocks(found: list[Call]) -> list[Call]:
    """The outputs [B, T, D] of a transformer's blocks, in order.

    Blocks are the outermost modules of one class of which there are several; a network with but
    one block is represented by the last of its outermost modules.
    """
    tokens = [call for call in found if len(call.shape) == 3 and _positions(call) > 1]
    groups: dict[tuple[int, str], list[Call]] = {}
    for call in tokens:
        if not call.leaf:
            groups.setdefault((call.depth, call.kind), []).append(call)
    several = [group for group in groups.values() if len(group) > 1]
    if several:
        return min(several, key=lambda group: (group[0].depth, -len(group)))
    inner = [call for call in tokens if not call.leaf] or tokens
    depth = min(call.depth for call in inner)
    return [call for call in inner if call.depth == depth][-1:]


def _same_maps(ours: list[Call], theirs: list[Call]) -> list[tuple[Call, Call]]:
    """Maps of the same resolution; where there is none, both networks' maps from the end."""
    by_size = {call.shape[2:]: call for call in theirs}
    same = [(call, by_size[call.shape[2:]]) for call in ours if call.shape[2:] in by_size]
    count = min(len(ours), len(theirs))
    return same or list(zip(ours[-count:], theirs[-count:], strict=True))


def _spread(ours: list[Call], theirs: list[Call]) -> list[tuple[Call, Call]]:
    """As many pairs as the shallower network has blocks, evenly over both; the last ones meet."""
    count = min(len(ours), len(theirs))
    return [
        (
            ours[math.ceil(i * len(ours) / count) - 1],
            theirs[math.ceil(i * len(theirs) / count) - 1],
        )
        for i in range(1, count + 1)
    ]
