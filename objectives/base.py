"""What an objective is, and the measurement it gives: a number never travels alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from paretune.objectives.inputs import Shape

if TYPE_CHECKING:  # heavy, and not needed to name an objective
    from collections.abc import Iterator

    import numpy as np
    import torch

    from paretune.objectives.params import Params
    from paretune.objectives.runtimes.base import Artifact, Runtime


Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Measurement:
    """A value with its unit, its uncertainty and how it was taken.

    Attributes:
        name: The objective ("latency"), or a further value of it ("accuracy.balanced").
        value: In `unit`.
        unit: "fraction", "ms", "bytes", "parameters", "MACs", ...
        better: Which direction is better.
        low: Lower end of the 95 % interval; equal to value for an exact quantity.
        high: Upper end of the 95 % interval.
        count: How many observations the value rests on.
        conditions: JSON: device, threads, batch, part of the data, method, ...
    """

    name: str
    value: float
    unit: str
    better: Better
    low: float
    high: float
    count: int = 1
    conditions: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class ValueSpec:
    """A further value that an objective gives beside its own, from the same measurement.

    Attributes:
        unit: As of a Measurement.
        better: Which direction is better.
        about: What it is, in a few words.
        least_classes: Where it means nothing for data of fewer classes.
    """

    unit: str
    better: Better
    about: str
    least_classes: int = 2


def measurement(
    objective: Any,
    value: float,
    interval: tuple[float, float] | None = None,
    count: int = 1,
    conditions: Mapping[str, Any] | None = None,
    further: str | None = None,
) -> Measurement:
    """A Measurement with the name, unit and direction that an objective's class declares.

    Args:
        objective: The class.
        value: In its unit.
        interval: Ends of the 95 % interval; None for an exact value.
        count: How many observations the value rests on.
        conditions: How it was taken, as JSON.
        further: The key in `objective.values` that the value belongs to; None for its own.
    """
    spec = objective if further is None else objective.values[further]
    name = objective.name if further is None else f"{objective.name}.{further}"
    low, high = interval or (value, value)
    return Measurement(name, value, spec.unit, spec.better, low, high, count, conditions or {})


class EvaluationData(Protocol):
    """Labelled examples to measure on. `search/data` provides it."""

    @property
    def classes(self) -> int:
        """Number of classes."""

    @property
    def shape(self) -> Shape:
        """(C, H, W) of one image, or (length, vocabulary) of one text."""

    def size(self, part: str) -> int:
        """Number of examples in a part."""

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """One pass in order as (inputs, labels int64 [B]).

        Inputs are images float32 [B, C, H, W], normalized, or token ids int64 [B, length].
        """


@dataclass(frozen=True)
class Subject:
    """What is measured: an artifact in its runtime, and the model it was made from.

    Attributes:
        artifact: The file that would be shipped.
        runtime: The runtime it was made for.
        options: The runtime's options (threads, provider, ...).
        model: The float torch model behind the artifact, on the CPU in evaluation mode.
        data: Validation and test parts.
        baseline: The baseline's artifact, run interleaved with this one by relative objectives;
            None when this is the baseline itself.
        reference: The baseline's own measurements by name, once there are any.
        made: Stage -> seconds that it took when it was made, NaN where nobody knows; "teacher"
            among them for a distilled candidate. Empty where the model was not made for this.
    """

    artifact: Artifact
    runtime: Runtime
    options: Any
    model: torch.nn.Module
    data: EvaluationData
    baseline: Artifact | None = None
    baseline_measurements: Mapping[str, Measurement] = field(default_factory=dict)
    stage_seconds: Mapping[str, float] = field(default_factory=dict)


class Objective(Protocol):
    """A quantity. The class docstring's first line is its description.

    It may declare

    - `values: ClassVar[Mapping[str, ValueSpec]]`: further values of one measurement, which a study
      names `objective.value`;
    - `unavailable(runtime, options) -> str | None`: why it cannot be measured here, asked before
      any work; both None for "in any runtime". Imports nothing heavy;
    - `needs: ClassVar[str]`: what must be there for it;
    - `of_artifact = False` for one of cost 1 to 3 that is the same for every target and data part;
    - `alone = False` for one of cost 2 that other work on the host does not change.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    better: ClassVar[Better]
    cost: ClassVar[int]
    """0: the model alone, 1: the artifact, 2: timing, 3: trained weights are needed."""
    Params: ClassVar[type[Params]]
    """Its options; a field `statistic` may name which statistic is the value ("p50")."""

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement | Sequence[Measurement]:
        """Measures the artifact; `part` is the data part for objectives that need data.

        Returns:
            Its Measurement; where it has further values, also those, named "objective.value". A
            declared one may be left out where it has no meaning.

        Raises:
            Unmeasurable: It cannot be measured, with the reason.
        """
