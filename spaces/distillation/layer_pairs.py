"""Matches the layers of a student and a teacher that a distillation compares.

Convolutional networks are compared at the last feature map of each resolution. Transformers are
compared block by block, and networks of linear layers alone layer by layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn

from paretune.nests import Nest, leaves
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.distillation.base import FeatureParams, LayerPair
from paretune.spaces.distillation.layer_calls import ModuleCall, module_calls
from paretune.spaces.distillation.teacher_average import TeacherAverage
from paretune.spaces.table import did_you_mean

CallPairs = list[tuple[ModuleCall, ModuleCall]]
"""(call in the student, call in the teacher) of each pair."""


def match_layers(
    student: nn.Module, teacher: nn.Module, example: Nest, params: FeatureParams
) -> tuple[LayerPair, ...]:
    """Returns the pairs of layers to compare, from the first to the last.

    Each member of an average of teachers is compared with the student.

    Args:
        student: The network that learns.
        teacher: The network that it learns from, or a TeacherAverage.
        example: One input.
        params: Names of the layers, or the number of pairs.

    Raises:
        InfeasibleCandidate: A name is unknown, or there is nothing to compare.
    """
    student_calls = module_calls(student, example)
    members = {"": teacher}
    if isinstance(teacher, TeacherAverage):
        members = {f"members.{index}.": member for index, member in enumerate(teacher.members)}
    layers: list[LayerPair] = []
    for prefix, member in members.items():
        teacher_calls = module_calls(member, example)
        if params.named_layers[0]:
            pairs = _named_pairs(student_calls, teacher_calls, params)
        else:
            pairs = _automatic_pairs(student_calls, teacher_calls, example)[-params.layers :]
        layers += [LayerPair(s.name, prefix + t.name, s.shape, t.shape) for s, t in pairs]
    return tuple(layers)


def last_maps(calls: list[ModuleCall], example: Nest) -> list[ModuleCall]:
    """Returns the last feature map [B, C, H, W] of each resolution above 1x1, large to small.

    Only the outermost modules of a resolution count: a module inside a block that halves the image
    does not end the resolution. An output does not count if its aspect ratio differs from that of
    the image: it has its channels last ([B, H, W, C], as inside a ConvNeXt block).
    """
    image = next((x.shape[2:] for x in leaves(example) if x.ndim == 4), ())
    last: dict[tuple[int, ...], ModuleCall] = {}
    for call in calls:
        size = call.shape[2:]
        if len(call.shape) == 4 and _positions(call) > 1 and _alike(size, image):
            earlier = last.get(size)
            if earlier is None or call.depth <= earlier.depth:
                last[size] = call
    return sorted(last.values(), key=lambda call: -_positions(call))


def block_outputs(calls: list[ModuleCall]) -> list[ModuleCall]:
    """Returns the outputs [B, T, D] of a transformer's blocks, in order.

    Blocks are the outermost modules of a class that occurs several times. If the network has only
    one block, the last of its outermost modules represents it.
    """
    tokens = [call for call in calls if len(call.shape) == 3 and _positions(call) > 1]
    groups: dict[tuple[int, str], list[ModuleCall]] = {}
    for call in tokens:
        if not call.leaf:
            groups.setdefault((call.depth, call.kind), []).append(call)
    repeated = [group for group in groups.values() if len(group) > 1]
    if repeated:
        return min(repeated, key=lambda group: (group[0].depth, -len(group)))
    inner = [call for call in tokens if not call.leaf] or tokens
    depth = min(call.depth for call in inner)
    return [call for call in inner if call.depth == depth][-1:]


def hidden_vectors(calls: list[ModuleCall]) -> list[ModuleCall]:
    """Returns the outputs [B, D] of the linear layers of a network without positions, in order.

    The last one gives the network's outputs, which are compared anyway.
    """
    linear = [call for call in calls if call.leaf and call.kind.endswith("Linear")]
    return [call for call in linear if len(call.shape) == 2][:-1]


# -- named pairs ---------------------------------------------------------------------------------


def _named_pairs(
    student: list[ModuleCall], teacher: list[ModuleCall], params: FeatureParams
) -> CallPairs:
    pairs = [
        (_by_name(student, name, "student"), _by_name(teacher, teacher_name, "teacher"))
        for name, teacher_name in zip(*params.named_layers, strict=True)
    ]
    for of_student, of_teacher in pairs:
        if len(of_student.shape) != len(of_teacher.shape):
            raise InfeasibleCandidate(
                f"{of_student.name} of the student gives {list(of_student.shape)} and "
                f"{of_teacher.name} of the teacher {list(of_teacher.shape)}: they cannot be "
                "compared"
            )
    return pairs


def _by_name(calls: list[ModuleCall], name: str, role: str) -> ModuleCall:
    call = next((call for call in calls if call.name == name), None)
    if call is None:
        names = [call.name for call in calls]
        hint = did_you_mean(name, names) or "."
        listed = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        raise InfeasibleCandidate(f'the {role} has no layer "{name}"{hint} It has: {listed}.')
    if len(call.shape) not in (2, 3, 4):
        raise InfeasibleCandidate(
            f"{name} of the {role} gives {list(call.shape)}, not [B, C, H, W], [B, T, D] or [B, D]"
        )
    return call


# -- automatic pairs -----------------------------------------------------------------------------


def _automatic_pairs(
    student: list[ModuleCall], teacher: list[ModuleCall], example: Nest
) -> CallPairs:
    dimensions, teacher_dimensions = _dimensions(student), _dimensions(teacher)
    if not dimensions and not teacher_dimensions:
        vectors = hidden_vectors(student), hidden_vectors(teacher)
        if all(vectors):
            return _block_pairs(*vectors)
    if not dimensions or not teacher_dimensions:
        role = "teacher" if dimensions else "student"
        raise InfeasibleCandidate(f"the {role} has no feature maps to compare")
    if dimensions != teacher_dimensions:
        shapes = {4: "feature maps [B, C, H, W]", 3: "tokens [B, T, D]"}
        raise InfeasibleCandidate(
            f"the student has {shapes[dimensions]}, the teacher {shapes[teacher_dimensions]}: "
            "they cannot be compared"
        )
    if dimensions == 4:
        return _map_pairs(last_maps(student, example), last_maps(teacher, example))
    return _block_pairs(block_outputs(student), block_outputs(teacher))


def _dimensions(calls: list[ModuleCall]) -> int:
    """Returns 4 if a network ends in feature maps, 3 if it ends in tokens, 0 for neither."""
    wide = [call for call in calls if _positions(call) > 1]
    return len(wide[-1].shape) if wide else 0


def _positions(call: ModuleCall) -> int:
    match call.shape:
        case (_, _, height, width):
            return height * width
        case (_, length, _):
            return length
        case _:
            return 0


def _alike(size: Sequence[int], image: Sequence[int]) -> bool:
    """Returns whether the aspect ratios of a map and the image agree within a factor of two.

    Without an image among the inputs, every map does.
    """
    if not image:
        return True
    (height, width), (image_height, image_width) = size, image
    return 0.5 <= (height * image_width) / (width * image_height) <= 2


def _map_pairs(student: list[ModuleCall], teacher: list[ModuleCall]) -> CallPairs:
    """Pairs maps of the same resolution; without a common one, both networks' maps from the end."""
    by_size = {call.shape[2:]: call for call in teacher}
    same = [(call, by_size[call.shape[2:]]) for call in student if call.shape[2:] in by_size]
    count = min(len(student), len(teacher))
    return same or list(zip(student[-count:], teacher[-count:], strict=True))


def _block_pairs(student: list[ModuleCall], teacher: list[ModuleCall]) -> CallPairs:
    """Returns a pair for each block of the shallower network, spread evenly over the deeper one.

    The last pair contains the last blocks of both.
    """
    count = min(len(student), len(teacher))
    return [
        (
            student[math.ceil(i * len(student) / count) - 1],
            teacher[math.ceil(i * len(teacher) / count) - 1],
        )
        for i in range(1, count + 1)
    ]
