"""What can be profiled: a trial of a study, or a network by name; each deployed to a runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from pydantic import ValidationError

from paretune.objectives.base import Measurement
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.inputs import Shape
from paretune.search.database.store import existing_store
from paretune.search.errors import UserError
from paretune.search.files import sha256_of
from paretune.search.front.pick import pick
from paretune.search.study.quantity import Quantity
from paretune.search.study.tables import RUNTIMES
from paretune.search.user_code import find_user_code
from paretune.search.views.plan_text import plan_text
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.architecture.network import build_network
from paretune.spaces.base import InfeasibleCandidate

if TYPE_CHECKING:
    from torch import nn

    from paretune.objectives.runtimes.base import Artifact
    from paretune.search.locate import StudyLocation
    from paretune.search.study.records import TrialRecord
    from paretune.search.trial.stage_study import StageStudy

EXAMPLES = 64


@dataclass(frozen=True)
class Network:
    """What is profiled.

    Attributes:
        subject: In a few words.
        model: In evaluation mode, on the CPU.
        shape: Of one input.
        classes: Number of logits.
        architecture: {name: parameters}.
        artifact: The deployed file.
        runtime: Where.
        options: Of the runtime, checked.
        quantized: Whether the file is.
        known: Measurements that come from elsewhere: accuracy.
        data: Inputs to measure with.
    """

    subject: str
    model: nn.Module
    shape: Shape
    classes: int
    architecture: Mapping[str, Any]
    artifact: Artifact
    runtime: Any
    options: Any
    quantized: bool
    known: tuple[Measurement, ...]
    data: Any


class Noise:
    """Made-up inputs for a network without data: normal, or tokens at random.

    Args:
        shape: Of one input.
        classes: Of the labels, which nobody reads.
    """

    def __init__(self, shape: Shape, classes: int) -> None:
        self.shape = shape
        self.classes = classes

    def size(self, part: str) -> int:
        """Number of examples in a part."""
        return EXAMPLES

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """One pass, the same each time."""
        draw = np.random.default_rng(0)
        for begin in range(0, EXAMPLES, batch_size):
            count = min(batch_size, EXAMPLES - begin)
            yield self._inputs(draw, count), np.zeros(count, dtype=np.int64)

    def _inputs(self, draw: np.random.Generator, count: int) -> np.ndarray:
        if len(self.shape) == 3:
            return draw.normal(size=(count, *self.shape)).astype(np.float32)
        length, vocabulary = self.shape
        return draw.integers(min(1, vocabulary - 1), vocabulary, (count, length))


def named_network(
    text: str, shape: str, classes: int, runtime: str, threads: int | None, folder: Path
) -> Network:
    """A network by name, with random weights where its library ships none.

    Args:
        text: "torchvision:mobilenet_v2", "pkg.mod:factory", or an architecture as in a study file.
        shape: "3,32,32", or "128,8000" for texts.
        classes: Number of logits.
        runtime: Its name.
        threads: Of one inference; None for the runtime's own choice.
        folder: Where the file is written.

    Raises:
        UserError: There is no such network, shape or runtime, or they do not go together.
    """
    find_user_code(Path.cwd())
    sides = _shape(shape)
    entry, options = runtime_of(runtime, threads)
    try:
        name, given = ARCHITECTURES.pick(_spelled(text))
        params = ARCHITECTURES.get(name).Params.model_validate(given)
        architecture = {name: params.model_dump(mode="json")}
        model = build_network(architecture, sides, classes, seed=0)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UserError(f"--model {text}: {said}") from error
    except (InfeasibleCandidate, ValueError) as error:
        raise UserError(f"--model {text}: {error}") from error
    artifact = _exported(lambda path: entry.export(model, sides, path), entry, folder)
    data = Noise(sides, classes)
    subject = f"{text}, random inputs"
    return Network(
        subject, model, sides, classes, architecture, artifact, entry, options, False, (), data
    )


@contextmanager
def trial_network(
    location: StudyLocation, query: str, runtime: str | None, threads: int | None, folder: Path
) -> Iterator[Network]:
    """A trial of a study: the measured file in the study's runtime, or deployed to another one.

    Args:
        location: The study, which stays open for as long as its data is needed.
        query: "baseline", a trial's number, "knee", ... as for `search.picks.pick`.
        runtime: A target of the study, or a runtime's name; None for the study's (first).
        threads: Of one inference; None for the study's.
        folder: Where a file for another runtime is written.

    Raises:
        UserError: There is no such trial, its file is gone, or the runtime does not take it.
    """
    from paretune.search.building.pipeline import export
    from paretune.search.building.watch import StageError, Watch
    from paretune.search.study.deployment import Deployment
    from paretune.search.study.plan import Plan
    from paretune.search.trial.stage_study import StageStudy

    with existing_store(location.url) as store:
        record = store.record()
    if "evaluate" in record.source:
        raise UserError(
            "this study's models are made by your own trainer; profile one of them by "
            '--model "pkg.mod:factory" --shape ...'
        )
    trial = pick(record, query)
    if trial.repeats is not None:
        trial = record.trials[trial.repeats]
    study = StageStudy(location.spec())
    try:
        plan = Plan.from_json(trial.plan)
        try:
            candidate = study.pipeline.candidate(plan, Watch())
        except StageError as error:
            raise UserError(f"trial {trial.number}: {error}") from error
        stored = next(
            (t for t in study.targets if runtime in (None, t.name, t.deployment.name)), None
        )
        if stored is not None:
            entry, options = stored.deployment.runtime, stored.deployment.options
            options = options if threads is None else _threaded(entry, options, threads)
            candidate, _ = study.pipeline.suited(plan, candidate, stored.deployment)
            artifact = _measured(trial, study, stored.name)
        else:
            entry, options = runtime_of(runtime or "", threads)
            where = Deployment(None, entry.name, options)
            candidate, _ = study.pipeline.suited(plan, candidate, where)
            suited = candidate
            artifact = _exported(
                lambda path: export(suited, entry.name, path, study.data), entry, folder
            )
        yield Network(
            f"{record.name}, trial {trial.number}: {plan_text(trial.plan)}",
            candidate.model.cpu().eval(),
            candidate.shape,
            candidate.classes,
            plan.stages[0].params["architecture"],
            artifact,
            entry,
            options,
            candidate.quantization is not None,
            _fractions(trial),
            study.data,
        )
    finally:
        study.close()


def runtime_of(name: str, threads: int | None) -> tuple[Any, Any]:
    """A runtime that can be used here, with its options.

    Raises:
        UserError: There is none of this name, it is not installed, or it has no threads to set.
    """
    try:
        entry = RUNTIMES.get(name)
    except ValueError as error:
        raise UserError(f"--runtime: {error}") from error
    why = entry.unavailable()
    if why:
        raise UserError(f"--runtime {name}: {why}")
    options = entry.Params()
    return entry, options if threads is None else _threaded(entry, options, threads)


def _threaded(entry: Any, options: Any, threads: int) -> Any:
    if "threads" not in entry.Params.model_fields:
        raise UserError(f"--threads: {entry.name} has no such option; leave it out")
    return entry.Params.model_validate({**options.model_dump(), "threads": threads})


def _spelled(text: str) -> Any:
    """What a study file would have in place of the text."""
    name, colon, rest = text.partition(":")
    if colon and not rest.startswith((" ", "\n")) and "{" not in text:
        if name in ARCHITECTURES.names or name in ARCHITECTURES.plugins:
            return {name: rest}
        return {"python": text}
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"--model {text}: this is no YAML: {error}") from error


def _shape(text: str) -> Shape:
    try:
        sides = tuple(int(part) for part in text.split(","))
    except ValueError:
        sides = ()
    if len(sides) not in (2, 3) or min(sides) < 1:
        raise UserError(
            f'--shape: give C,H,W of images (3,32,32) or LENGTH,VOCABULARY of texts, not "{text}"'
        )
    return sides  # type: ignore[return-value]  # two or three of them


def _exported(write: Any, entry: Any, folder: Path) -> Artifact:
    try:
        return write(folder / f"profiled{entry.suffix}")  # type: ignore[no-any-return]
    except Unmeasurable as error:
        raise UserError(f"--runtime {entry.name}: {error}") from error


def _measured(trial: TrialRecord, study: StageStudy, target: str | None) -> Artifact:
    artifact = study.artifact(trial, target)
    if not artifact.path.is_file() or sha256_of(artifact.path) != artifact.sha256:
        raise UserError(
            f"{artifact.path}: the measured file is gone or changed; run the study again"
        )
    return artifact


def _fractions(trial: TrialRecord) -> tuple[Measurement, ...]:
    """Accuracy as it was measured, on validation and, where it was, on test."""
    found = [m for m in trial.measurements.values() if _own_value(m)]
    tests = [replace(m, name=f"{m.name} (test)") for m in trial.test.values() if _own_value(m)]
    return (*found, *tests)


def _own_value(measured: Measurement) -> bool:
    """Whether it is a fraction, and an objective's own value rather than a further one."""
    return measured.unit == "fraction" and Quantity.of(measured.name).value is None
