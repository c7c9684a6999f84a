"""The interfaces of architectures and techniques, and the candidate that techniques change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from paretune.inputs import Shape
from paretune.nests import Nest
from paretune.spaces.params import Params
from paretune.spaces.table import Option
from paretune.task import Outputs, Task, outputs_of

if TYPE_CHECKING:  # torch takes seconds to import; `paretune check` reads every Params without it
    import torch


class InfeasibleCandidate(Exception):
    """A candidate cannot exist. The trial ends infeasible, and the text is its reason."""


@dataclass(frozen=True)
class Step:
    """One entry of a candidate's history.

    Attributes:
        technique: Name of the technique that was applied.
        params: Its parameters.
        info: JSON that `rebuild` needs to restore the shape on a fresh model.
    """

    technique: str
    params: Mapping[str, Any]
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A network and the steps that made it.

    Attributes:
        model: The network: inputs of `shape`, such as float32 images [B, C, H, W] -> the outputs
            that the task needs, such as logits [B, classes].
        shape: What the network takes.
        outputs: What the task needs; a number n means one vector of n values for each example.
        history: The steps that made the network. They suffice to rebuild its shape on a fresh one.
        quantization: Request to the runtime's own quantizer at deployment: {"dynamic": {...}} or
            {"static": {...}}; None for float.
        keep: Patterns (fnmatch) of names of layers that no pruning or quantization changes.
    """

    model: torch.nn.Module
    shape: Shape
    outputs: Outputs
    history: tuple[Step, ...] = ()
    quantization: Mapping[str, Any] | None = None
    keep: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "outputs", outputs_of(self.outputs))

    def with_step(self, model: torch.nn.Module, step: Step) -> Candidate:
        """Returns this candidate with another model and one more step in its history."""
        return replace(self, model=model, history=(*self.history, step))


class Data(Protocol):
    """The data that a stage may use. `search/data` provides it."""

    @property
    def task(self) -> Task:
        """What the outputs of a network mean."""

    @property
    def shape(self) -> Shape:
        """What a network takes."""

    @property
    def loader_batch(self) -> int | None:
        """Batch size that the user's own loader fixes; None if `batch_size` decides it."""

    @property
    def fingerprint(self) -> str:
        """Digest of the content of all parts. Every stage's cache key contains it."""

    def size(self, part: str) -> int:
        """Returns the number of examples in "train", "validation" or "test"."""

    def batches(
        self, part: str, batch_size: int, *, seed: int | None = None, device: str = "cpu"
    ) -> Iterator[tuple[Nest, Nest]]:
        """Yields one pass over a part as (inputs, targets), both tensors or nests of them.

        Inputs are normalized images float32 [B, C, H, W], token ids int64 [B, length], or what else
        `shape` describes. Targets of classification are labels int64 [B].

        Args:
            part: "train", "validation" or "test".
            batch_size: Examples in a batch; the last one may be smaller.
            seed: Shuffles the part; the same seed gives the same order. None keeps the order.
            device: Device of the tensors.
        """

    def order(self, part: str, seed: int | None) -> torch.Tensor | None:
        """Returns the permutation int64 [N] that `batches` follows with this seed.

        None if the user's own loader decides the order or changes examples at random. Then nothing
        can be kept for an example.
        """

    def black(self) -> tuple[float, ...]:
        """Returns the normalized value of a black pixel for each channel; empty for text.

        Random crops pad with it.
        """

    def white(self) -> tuple[float, ...]:
        """Returns the normalized value of a white pixel for each channel; empty for text."""


@dataclass(frozen=True)
class EpochEnd:
    """The report of a training stage after one epoch.

    Attributes:
        stage: Name of the stage.
        epoch: Number of the epoch, from 1.
        epochs: Epochs of the whole stage.
        loss: Mean loss over the examples.
        accuracy: Training accuracy in [0, 1]; None if it was not measured.
        seconds: Duration of the epoch in seconds.
    """

    stage: str
    epoch: int
    epochs: int
    loss: float
    accuracy: float | None
    seconds: float


class SubnetLosses(Protocol):
    """The subnets of an elastic network that a training trains together with it."""

    def choices(self, seed: int, step: int) -> list[dict[str, float]]:
        """Returns the subnets of a step; the same for the same seed and step."""

    def loss(
        self, choice: dict[str, float], inputs: Nest, targets: Nest, outputs: Nest
    ) -> torch.Tensor:
        """Returns the loss of a subnet against the outputs of the full network, a scalar."""


@dataclass(frozen=True)
class Context:
    """Everything that a stage may use in addition to its candidate.

    Attributes:
        data: Train and validation parts.
        device: "cpu", "cuda" or "mps", already resolved from "auto".
        seed: Every source of randomness in the stage starts from it.
        report: Called after each epoch; may raise to stop the stage.
        teacher: A model in evaluation mode, for distillation.
        distillation: The loss against the teacher for all training of the stage; None if the stage
            learns from labels alone.
        memo: `memo(name, make)` returns a stored JSON value for this stage's candidate, or calls
            `make()` and stores the result. The name contains the options that the value depends
            on. Meant for expensive values that many trials need, such as a layer's sensitivity.
        placement: `placement(model, shape, options)` asks the runtime which marked activations of
            a network its int8 rounds (`spaces/quantization/qat.py`); None if it has no int8.
        teacher_logits: `teacher_logits(make)` returns the stored logits of this teacher for the
            training part, or calls `make()` and stores them: float32 [N, classes] in the part's
            own order.
        yield_to_measurements: Called between the steps of long work; may wait while another
            process measures.
        subnets: `subnets(model, ignore)` returns the losses of the subnets that share the weights
            of a model in training; `ignore` is the class of targets that the loss leaves out. None
            unless the training is elastic.
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
    subnets: Callable[[torch.nn.Module, int | None], SubnetLosses] | None = None


class Architecture(Protocol):
    """A family of networks. The class docstring's first line is its description.

    A class attribute `takes` names the kinds of inputs that its networks take, one or a tuple:
    "images" (default), "text", "series", "features", or "any". A class attribute `gives` says what
    has one vector of outputs: "example" (default), "pixel", "cell", "position", or
    "any". With `any_size = True`, `build` gets images whose sizes vary as a `Signature`.
    """

    Params: ClassVar[type[Params]]
    version: ClassVar[int]
    """Increased when the same parameters give another network, so that no old stage is reused."""

    @staticmethod
    def build(params: Any, shape: Any, classes: int) -> torch.nn.Module:
        """Returns a fresh network with random weights from torch's global generator.

        Args:
            params: Parameters of the family.
            shape: Shape of one input, of a kind that the family takes.
            classes: Number of logits.

        Raises:
            InfeasibleCandidate: No such network exists for this input shape or number of classes.
        """


class Technique(Protocol):
    """A way to make a candidate cheaper. The class docstring's first line is its description.

    Optional methods:

    * `trains(params) -> bool`: whether `apply` trains, so that the stage cache keeps its result.
    * `epochs(params) -> int`: how many epochs `apply` trains.
    * `check(model, params)`: raises InfeasibleCandidate if the technique cannot be applied to a
      network, trained or not. Called before any training.
    * `outline(candidate, params, context) -> Candidate | None`: an untrained candidate in the shape
      that `apply` gives a trained one, without training; None if that shape depends on the weights.
    """

    name: ClassVar[str]
    Params: ClassVar[type[Params]]
    version: ClassVar[int]

    @staticmethod
    def apply(candidate: Candidate, params: Any, context: Context) -> Candidate:
        """Returns the candidate after this technique; its argument stays unchanged.

        Raises:
            InfeasibleCandidate: The technique cannot be applied to this candidate.
        """

    @staticmethod
    def rebuild(
        model: torch.nn.Module, params: Any, info: Mapping[str, Any], shape: Shape
    ) -> torch.nn.Module:
        """Brings a fresh model into the shape that `apply` returned, without data.

        The caller loads the weights afterwards.
        """
