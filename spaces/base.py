"""What a technique is, and what it works on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from paretune.spaces.inputs import Shape
from paretune.spaces.params import Params
from paretune.spaces.table import Option

if TYPE_CHECKING:  # torch takes seconds to import; `paretune check` reads every Params without it
    import torch


class InfeasibleCandidate(Exception):
    """This candidate cannot be: the trial ends as infeasible, with this reason."""


@dataclass(frozen=True)
class Step:
    """One entry of a candidate's history: what was applied, with which parameters, and what it did.

    `info` is JSON and holds whatever `rebuild` needs to restore the shape on a fresh model.
    """

    technique: str
    params: Mapping[str, Any]
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A model and how it came to be.

    Attributes:
        model: The network: float32 images [B, C, H, W], or int64 token ids [B, length], -> logits
            [B, classes].
        shape: Of one input: (C, H, W), or (length, vocabulary).
        classes: Number of classes.
        history: The steps that made it, enough to rebuild its shape on a fresh model.
        quantization: What the runtime's own quantizer is to do when it is deployed:
            {"dynamic": {...}} or {"static": {...}}; None for float.
    """

    model: torch.nn.Module
    shape: Shape
    classes: int
    history: tuple[Step, ...] = ()
    quantization: Mapping[str, Any] | None = None

    def with_step(self, model: torch.nn.Module, step: Step) -> Candidate:
        """This candidate after one more step."""
        return replace(self, model=model, history=(*self.history, step))


class Data(Protocol):
    """The data a stage may see. `search/data` provides it."""

    @property
    def classes(self) -> int:
        """Number of classes; labels are 0 .. classes - 1."""

    @property
    def shape(self) -> Shape:
        """(C, H, W) of one image, or (length, vocabulary) of one text."""

    @property
    def fingerprint(self) -> str:
        """Digest of the content of all parts; part of every stage's key."""

    def size(self, part: str) -> int:
        """Number of examples in "train", "validation" or "test"."""

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """One pass over a part as (inputs, labels int64 [B]).

        Inputs are images float32 [B, C, H, W], normalized, or token ids int64 [B, length].

        Args:
            part: "train", "validation" or "test".
            batch_size: Examples in a batch; the last one may be smaller.
            seed: Shuffles when given: the same seed gives the same order. None keeps the order.
            device: Where the tensors are put.
        """

    def order(self, part: str, seed: int | None) -> torch.Tensor:
        """The permutation int64 [N] that `batches` with this seed follows."""

    def black(self) -> tuple[float, ...]:
        """The normalized value of a black pixel for each channel: what a crop pads with.

        Empty for text.
        """

    def white(self) -> tuple[float, ...]:
        """The normalized value of a white pixel for each channel; empty for text."""


@dataclass(frozen=True)
class EpochEnd:
    """What a training stage reports after each epoch. Losses are means over the examples."""

    stage: str
    epoch: int
    epochs: int
    loss: float
    accuracy: float | None
    seconds: float


@dataclass(frozen=True)
class Context:
    """What a stage may use besides its candidate.

    Attributes:
        data: Train and validation parts.
        device: "cpu", "cuda", "mps", already resolved from "auto".
        seed: Every source of randomness in the stage starts from it.
        report: Called after each epoch; may raise to stop the stage.
        teacher: A model in evaluation mode, for distillation.
        distillation: The loss against the teacher that whatever the stage trains takes; None where
            the stage learns from labels alone.
        memo: `memo(name, make)` gives what `make()` gave for this stage's candidate before, or
            makes and keeps it. The name says what it is and which options it depends on; the value
            is JSON. For measurements that are dear and many trials want: a layer's sensitivity.
        placement: `placement(model, shape, options)` asks the runtime which of a network's marked
            activations its int8 rounds (`spaces/quantization/qat.py`); None where it has no int8.
        answers: `answers(make)` gives the logits that this teacher gave for the training part
            before, or has them made and keeps them: float32 [N, classes] in the part's own order.
        breathe: Called between the steps of long work; may keep it waiting while somebody measures.
    """

    data: Data
    device: str = "cpu"
    seed: int = 0
    report: Callable[[EpochEnd], None] = lambda event: None
    teacher: torch.nn.Module | None = None
    distillation: Option | None = None
    memo: Callable[[str, Callable[[], Any]], Any] = lambda name, make: make()
    placement: Callable[[torch.nn.Module, Shape, Mapping[str, Any]], Mapping[str, Any]] | None = (
        None
    )
    teacher_logits: Callable[[Callable[[], torch.Tensor]], torch.Tensor] = lambda make: make()
    yield_to_measurements: Callable[[], None] = lambda: None


class Architecture(Protocol):
    """A family of networks. The class docstring's first line is its description.

    A class attribute `takes` says what its networks take: "images" (the default), "text" or "any".
    """

    Params: ClassVar[type[Params]]
    version: ClassVar[int]
    """Raised when the same parameters give another network: old stages are then not reused."""

    @staticmethod
    def build(params: Any, shape: Any, classes: int) -> torch.nn.Module:
        """A fresh network with random weights drawn from torch's global generator.

        Args:
            params: Its parameters.
            shape: Of one input, of the kind that it takes.
            classes: Number of logits.

        Raises:
            InfeasibleCandidate: No such network for this input shape or number of classes.
        """


class Technique(Protocol):
    """A way to make a candidate cheaper. The class docstring's first line is its description.

    It may have a `trains(params) -> bool` besides: whether `apply` trains, so that its result is
    worth keeping in the stage cache, and with it `epochs(params) -> int`: how long; a `check(model,
    params)` that raises InfeasibleCandidate for a network, trained or not, to which it cannot be
    applied: asked before any training; and an `outline(candidate, params, context) -> Candidate |
    None`: an untrained candidate in the shape that `apply` gives a trained one, at once; None where
    that shape depends on the weights.
    """

    name: ClassVar[str]
    Params: ClassVar[type[Params]]
    version: ClassVar[int]

    @staticmethod
    def apply(candidate: Candidate, params: Any, context: Context) -> Candidate:
        """The candidate after this technique; the one given is left as it was.

        Raises:
            InfeasibleCandidate: It cannot be applied to this candidate.
        """

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Any, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """A fresh model brought into the shape that `apply` gave, without data; weights follow."""
