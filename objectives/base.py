"""Defines objectives and measurements: values that always carry a unit and an interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from paretune.inputs import Shape
from paretune.nests import Nest
from paretune.objectives.device_use import DeviceUse
from paretune.task import Task

if TYPE_CHECKING:  # heavy, and not needed to name an objective
    from collections.abc import Iterator

    import torch

    from paretune.objectives.example_results import ExampleResults
    from paretune.objectives.params import Params
    from paretune.objectives.runtimes.base import Artifact, Runtime


Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Measurement:
    """A value with its unit, its 95 % interval and the conditions it was measured under.

    Attributes:
        name: The objective ("latency"), or one of its further values ("accuracy.balanced").
        value: In `unit`.
        unit: "fraction", "ms", "bytes", "parameters", "MACs", ...
        better: Which direction is better.
        low: Lower end of the 95 % interval; equal to `value` for an exact quantity.
        high: Upper end of the 95 % interval.
        count: Number of observations behind the value.
        conditions: JSON: device, threads, batch, part of the data, method, ...
        per_example: Results on each example, which pair it with another measurement; or None.
    """

    name: str
    value: float
    unit: str
    better: Better
    low: float
    high: float
    count: int = 1
    conditions: Mapping[str, Any] = field(default_factory=dict, repr=False)
    per_example: ExampleResults | None = field(default=None, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON, without the results on each example."""
        return json_of(self)


def json_of(record: Any) -> dict[str, Any]:
    """Returns the fields of a dataclass as JSON; its measurements lose `per_example`."""
    return asdict(record, dict_factory=_without_per_example)


def _without_per_example(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in fields if name != "per_example"}


@dataclass(frozen=True)
class ValueSpec:
    """A further value that an objective returns from the same measurement as its own.

    Attributes:
        unit: As in Measurement.
        better: Which direction is better.
        about: What it is, in a few words.
        least_classes: The value is left out for data of fewer classes.
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
    per_example: ExampleResults | None = None,
) -> Measurement:
    """Returns a Measurement with the name, unit and direction that an objective declares.

    Args:
        objective: The objective's class.
        value: In the declared unit.
        interval: Ends of the 95 % interval; None for an exact value.
        count: Number of observations behind the value.
        conditions: JSON: how it was measured.
        further: Key in `objective.values` of a further value; None for the objective's own.
        per_example: Results on each example; with them, differences between networks are paired.
    """
    spec = objective if further is None else objective.values[further]
    name = objective.name if further is None else f"{objective.name}.{further}"
    low, high = interval or (value, value)
    return Measurement(
        name, value, spec.unit, spec.better, low, high, count, conditions or {}, per_example
    )


class EvaluationData(Protocol):
    """Labelled examples to measure on; `search/data` provides them."""

    @property
    def task(self) -> Task:
        """What the outputs of a network mean."""

    @property
    def shape(self) -> Shape:
        """What a network takes."""

    def size(self, part: str) -> int:
        """Returns the number of examples in a part."""

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[Nest, Nest]]:
        """Yields (inputs, targets) in order, each example once, as arrays or nests of them.

        Inputs are normalized images float32 [B, C, H, W], token ids int64 [B, length], or what else
        `shape` describes. Targets of classification are labels int64 [B].
        """


@dataclass(frozen=True)
class Subject:
    """What an objective measures: an artifact in its runtime, and the model it was made from.

    Attributes:
        artifact: The file that would be shipped.
        runtime: Runtime of the artifact.
        options: The runtime's options (threads, provider, ...).
        model: The float torch model behind the artifact, on the CPU in evaluation mode.
        data: Validation and test parts.
        baseline: The baseline's artifact, which relative objectives run in turn with this one; None
            if this is the baseline itself.
        baseline_measurements: The baseline's own measurements by name; empty until it was measured.
        stage_seconds: Stage -> seconds it took to run, NaN if unknown. A distilled candidate has a
            key "teacher". Empty if the model was not made for this measurement.
        device: The device that times and memory are measured on; None for this host.
    """

    artifact: Artifact
    runtime: Runtime
    options: Any
    model: torch.nn.Module
    data: EvaluationData
    baseline: Artifact | None = None
    baseline_measurements: Mapping[str, Measurement] = field(default_factory=dict)
    stage_seconds: Mapping[str, float] = field(default_factory=dict)
    device: DeviceUse | None = None


class Objective(Protocol):
    """A quantity to measure. The first line of the class docstring is its description.

    A class may also declare

    - `values: ClassVar[Mapping[str, ValueSpec]]`: further values of one measurement, which a study
      names `objective.value`;
    - `unavailable(runtime, options) -> str | None`: why it cannot be measured here, asked before
      any work; both arguments are None for "in any runtime". It imports nothing heavy;
    - `needs: ClassVar[str]`: what must be installed or present to measure it;
    - `depends_on_artifact = False`: for cost 1 to 3, every target and data part has the same value;
    - `alone = False`: for cost 2, other work on the host does not change the value.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    better: ClassVar[Better]
    cost: ClassVar[int]
    """What it needs. 0: the model alone, 1: the artifact, 2: timing, 3: trained weights."""
    Params: ClassVar[type[Params]]
    """Its options; a field `statistic` may name which statistic is the value ("p50")."""

    @staticmethod
    def measure(subject: Subject, params: Any, part: str) -> Measurement | Sequence[Measurement]:
        """Measures the artifact; `part` is the data part for objectives that need data.

        Returns:
            The objective's Measurement, and those of its further values, named "objective.value".
            A declared value may be left out if it has no meaning for the data.

        Raises:
            Unmeasurable: It cannot be measured, with the reason.
        """
