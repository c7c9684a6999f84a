"""Counts multiply-adds and activations of a torch model's forward pass, operator by operator.

Operators are counted below autograd: there, `F.linear`, `@`, `einsum` and hand-written attention
have all become a few matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from paretune.inputs import Shape, call, example

if TYPE_CHECKING:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

PRODUCTS = (
    "convolution",
    "mm",
    "addmm",
    "bmm",
    "baddbmm",
    "_scaled_dot_product_flash_attention_for_cpu",
    "mkldnn_rnn_layer",
)
"""Operators that multiply matrices. They have a counting rule; their outputs are activations."""

_NAMES = """
_native_batch_norm_legit_no_training native_batch_norm cudnn_batch_norm native_layer_norm
native_group_norm _fused_rms_norm linalg_vector_norm
max_pool2d_with_indices max_pool2d mkldnn_max_pool2d avg_pool1d avg_pool2d avg_pool3d
adaptive_avg_pool2d _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d
max_pool3d_with_indices
mean sum amax amin max min prod argmax argmin cumsum any all var var_mean std norm
_softmax _log_softmax _safe_softmax softmax log_softmax native_dropout hardswish hardsigmoid
embedding index index_select gather scatter scatter_add index_put masked_select
cat stack constant_pad_nd reflection_pad2d replication_pad2d roll flip sort topk tril triu
pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle repeat unfold im2col col2im
upsample_nearest2d upsample_bilinear2d upsample_bicubic2d _upsample_bilinear2d_aa
grid_sampler_2d glu one_hot bincount nonzero unique_dim _unique2 repeat_interleave
empty empty_like zeros zeros_like ones ones_like new_zeros new_ones new_empty full full_like
new_full arange linspace scalar_tensor eye rand randn rand_like randn_like
clone copy _to_copy detach contiguous fill zero _local_scalar_dense lift_fresh
_reshape_alias _unsafe_view set resize as_strided item _assert_async
"""

NEGLIGIBLE = frozenset(_NAMES.split())
"""Operators that count 0 by convention: normalization, pooling, reductions, softmax, indexing,
resizing, copies. All elementwise operators and all views count 0 as well."""


@dataclass(frozen=True)
class ForwardCounts:
    """Counts of one example's forward pass.

    Attributes:
        macs: Multiply-adds of convolutions, linear layers and matrix products.
        activations: Output elements of these operators.
        bytes: Bytes of these outputs, in the float32 that the torch model computes in.
        without_rule: Operator -> calls, for operators that may multiply but have no counting rule.
    """

    macs: int
    activations: int
    bytes: int
    without_rule: dict[str, int]


def count_forward(model: torch.nn.Module, shape: Shape) -> ForwardCounts:
    """Counts a forward pass of the model on one example, in evaluation mode on the CPU."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    outputs: dict[str, list[Any]] = {}
    calls: dict[str, int] = {}

    class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
        """Records the operators that the counter passes on, each broken down to its last level."""

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            name = func.overloadpacket.__name__
            if name in PRODUCTS:
                first = result[0] if isinstance(result, tuple | list) else result
                outputs.setdefault(name, []).append((first.numel(), first.element_size()))
            elif not _negligible(func, name):
                calls[str(func.overloadpacket)] = calls.get(str(func.overloadpacket), 0) + 1
            return result

    # Gradients stay on: without them, the counter fails if a weight is passed from module to
    # module like an activation (DeBERTa's relative positions).
    with torch.enable_grad(), Recorder(), flop_counter() as counter:  # type: ignore[no-untyped-call]
        call(model.eval(), example(shape))
    sizes = [size for of_operator in outputs.values() for size in of_operator]
    return ForwardCounts(
        macs=int(counter.get_total_flops()) // 2,
        activations=sum(elements for elements, _ in sizes),
        bytes=sum(elements * width for elements, width in sizes),
        without_rule=calls,
    )


@contextmanager
def flop_counter() -> Iterator[FlopCounterMode]:
    """Counts floating-point operations with torch's counter: two for each multiply-add."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # it is one operator without a counting rule
    try:
        with FlopCounterMode(display=False, custom_mapping=_rules()) as counter:
            yield counter
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def _negligible(func: Any, name: str) -> bool:
    """Returns whether an operator counts 0 by convention: elementwise, a view, or listed."""
    import torch

    if torch.Tag.pointwise in func.tags or name in NEGLIGIBLE or name.rstrip("_") in NEGLIGIBLE:
        return True
    return any(
        a.alias_info is not None and not a.alias_info.is_write for a in func._schema.arguments
    )


def _rules() -> dict[Any, Callable[..., int]]:
    """Returns counting rules that torch lacks: a fused LSTM; before 2.15, attention on the CPU."""
    import torch

    rules = {
        "mkldnn_rnn_layer": _lstm_flops,
        "_scaled_dot_product_flash_attention_for_cpu": _attention_flops,
    }
    operators = {name: getattr(torch.ops.aten, name, None) for name in rules}
    # A build without oneDNN has no fused LSTM.
    return {operators[name]: rule for name, rule in rules.items() if operators[name] is not None}


def _lstm_flops(inputs: Any, kernel: Any, recurrent: Any, *_: Any, **__: Any) -> int:
    """Counts [4H, I] and [4H, H] products for each step of each example [T, B, I]."""
    length, batch, width = inputs
    weights = kernel[0] * kernel[1] + recurrent[0] * recurrent[1]
    assert kernel[1] == width
    return int(2 * length * batch * weights)


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Counts the scores, and their products with the values [B, heads, keys, width]."""
    batch, heads, queries, width = query
    return int(2 * batch * heads * queries * key[-2] * (width + value[-1]))
