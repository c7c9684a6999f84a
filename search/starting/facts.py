"""Facts about a model and its data, from which a study file is made. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from paretune.inputs import Kind
from paretune.task import Per, TargetKind

SLOWER = 1.02
"""A file is slower if its whole interval lies beyond this multiple of the baseline's time."""

FASTER = 0.98
"""A file is faster if its whole interval lies below this multiple of the baseline's time."""

NOTABLE = 0.01
"""Loss of a score, in points of a fraction or relative, that calls for a remedy."""

Weights = Literal["checkpoint", "code", "published", "random"]
"""Where the baseline's weights come from: a file, the user's code, a library, or nowhere yet."""


@dataclass(frozen=True)
class TriedOption:
    """An option of the space that was tried once, and its result.

    Attributes:
        section: Section of the space, such as "pruning".
        option: Name of the option in this section.
        params: Its parameters, as a study file has them.
        refusal: Why it does not work; None if it does.
        time: Time of its file as a share of the baseline's, on its target; 0 if unknown.
        low: Lower end of the 95 % interval of that share.
        high: Upper end.
        size: Bytes of its file as a share of the baseline's.
        macs: Share of the baseline's multiply-adds that remains; None if unknown.
        score: Score of its file on some validation examples; None if it was not measured.
        target: Name of the target; None in a study of one runtime. A number format is tried on
            each target that has it, everything else on the first.
        facts: Further facts of the technique, such as the number of blocks that it removed.
    """

    section: str
    option: str
    params: Mapping[str, Any] = field(default_factory=dict)
    refusal: str | None = None
    time: float = 0.0
    low: float = 0.0
    high: float = 0.0
    size: float = 1.0
    macs: float | None = None
    score: float | None = None
    target: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def works(self) -> bool:
        """Whether it was applied, deployed and run."""
        return self.refusal is None

    @property
    def timed(self) -> bool:
        """Whether its file was timed beside the baseline's."""
        return self.works and self.time > 0

    @property
    def slower(self) -> bool:
        """Whether its file is slower than the baseline's beyond doubt."""
        return self.timed and self.low > SLOWER

    @property
    def faster(self) -> bool:
        """Whether its file is faster than the baseline's beyond doubt."""
        return self.timed and self.high < FASTER


@dataclass(frozen=True)
class TriedRate:
    """A learning rate that a short training was tried with.

    Attributes:
        lr: Learning rate of AdamW.
        loss: Training loss after three epochs on a few batches; None if the training diverged.
    """

    lr: float
    loss: float | None


@dataclass(frozen=True)
class ScoreFact:
    """The score that a study maximizes or minimizes.

    Attributes:
        name: Its name in the study file.
        better: Its direction.
        unit: Its unit.
        value: That of the baseline on the validation part; None if the baseline is not trained.
        text: The value as text, with its interval.
        short: The same score on the few examples on which other files are scored.
    """

    name: str
    better: Literal["higher", "lower"]
    unit: str
    value: float | None = None
    text: str = ""
    short: float | None = None

    def loss(self, value: float | None) -> float | None:
        """Returns how much worse a score on the few examples is than the baseline's.

        Points of a fraction, else a share of the baseline's value; None if either is unknown.
        """
        if value is None or self.short is None:
            return None
        change = value - self.short if self.better == "lower" else self.short - value
        return change if self.unit == "fraction" else change / max(abs(self.short), 1e-12)


@dataclass(frozen=True)
class StartFacts:
    """What was measured before a study file is written.

    Attributes:
        subject: The model in words.
        weights: Where its weights come from.
        family: Name of its architecture in the table.
        architecture: It as the study file has it, {name: parameters}.
        defaults: Its parameters with defaults.
        task: Name of the task; its dotted path if it is the user's own.
        own_task: Whether the task brings its network and data.
        score: The main score.
        inputs: Kind of the inputs.
        targets: Kind of the targets; None if only the user's task knows.
        per: What has one vector of outputs.
        shape: Inputs in words.
        elements: Numbers in one input.
        pixels: Whether the inputs are images of 8-bit pixels.
        channels: Channels of an image; 0 for other inputs.
        side: Shorter side of an image in pixels; 0 for other inputs.
        data: Name of the data set in the study file.
        data_name: Its name in a library, such as CIFAR10; "" for others.
        class_names: Names of the classes.
        sizes: Part -> number of examples.
        loader_batch: Batch size that the user's own loader fixes.
        notes: What the check of the data noted.
        host: The machine in words.
        runtimes: Target -> name of its runtime; the key is "" without targets.
        alignment: Channels that the kernels of the runtime take at once.
        formats: Number formats that a runtime has.
        parameters: Parameters of the baseline.
        macs: Its multiply-adds for one input.
        size: Bytes of its file.
        latency: Milliseconds of one run on the first target.
        latency_batch: Inputs in that run.
        epoch: Seconds of a training epoch of the baseline.
        batch: Batch size of that epoch.
        measure: Seconds that measuring a trial takes.
        deploy: Seconds that deploying a trial takes.
        layers: Layer that can be pruned -> its units.
        whole: Layer that stays whole -> reason.
        bottleneck: (layer, share of the time) of the slowest layers.
        rates: Learning rates that were tried.
        tried: Options that were tried.
        seconds: Seconds that all this took.
    """

    subject: str
    weights: Weights
    family: str
    architecture: Mapping[str, Any]
    defaults: Mapping[str, Any]
    task: str
    own_task: bool
    score: ScoreFact
    inputs: Kind
    targets: TargetKind | None
    per: Per
    shape: str
    elements: int
    pixels: bool
    channels: int
    side: int
    data: str
    data_name: str
    class_names: tuple[str, ...]
    sizes: Mapping[str, int]
    loader_batch: int | None
    notes: tuple[str, ...]
    host: str
    runtimes: Mapping[str, str]
    alignment: int
    formats: tuple[str, ...]
    parameters: int
    macs: float
    size: int
    latency: float
    latency_batch: int
    epoch: float
    batch: int
    measure: float
    deploy: float
    layers: Mapping[str, int] = field(default_factory=dict)
    whole: Mapping[str, str] = field(default_factory=dict)
    bottleneck: tuple[tuple[str, float], ...] = ()
    rates: tuple[TriedRate, ...] = ()
    tried: tuple[TriedOption, ...] = ()
    seconds: float = 0.0

    @property
    def trained(self) -> bool:
        """Whether the baseline needs no training."""
        return self.weights in ("checkpoint", "code")

    def options(self, section: str, option: str | None = None) -> list[TriedOption]:
        """Returns what was tried in a section of the space, or of one of its options."""
        return [t for t in self.tried if t.section == section and option in (None, t.option)]

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON."""
        return {
            **asdict(self),
            "bottleneck": [{"layer": name, "share": share} for name, share in self.bottleneck],
        }


def first_working(options: Iterable[TriedOption]) -> TriedOption | None:
    """Returns the first option that works; None if none does."""
    return next((option for option in options if option.works), None)
