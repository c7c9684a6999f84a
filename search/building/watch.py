"""Watches a plan being built: reports and times its stages, and classifies their errors."""

from __future__ import annotations

import errno
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic import ValidationError

from paretune.objectives.errors import Unmeasurable
from paretune.search.errors import UserError
from paretune.search.interruption import interrupted, stop_if_interrupted
from paretune.spaces.base import Candidate, EpochEnd, InfeasibleCandidate

INFEASIBLE = (InfeasibleCandidate, Unmeasurable, ValidationError)
"""Exceptions of an infeasible candidate.

A ValidationError means a combination of parameters that a technique refuses. torch's
OutOfMemoryError counts as well, as the memory would not suffice the next time either.
"""


class StageError(Exception):
    """A stage failed.

    Attributes:
        stage: Kind of the stage.
        infeasible: Whether the candidate is infeasible, rather than an error.
        type: Name of the exception's type.
        text: Its message.
        details: Its traceback.
    """

    def __init__(self, stage: str, error: BaseException, infeasible: bool) -> None:
        super().__init__(f"{stage}: {error}")
        self.stage = stage
        self.infeasible = infeasible
        self.type = type(error).__name__
        self.text = str(error) or self.type
        self.details = "".join(traceback.format_exception(error))

    def to_json(self) -> dict[str, str]:
        """Returns {"stage", "type", "text"} and, for an error, "traceback"."""
        reason = {"stage": self.stage, "type": self.type, "text": self.text}
        return reason if self.infeasible else {**reason, "traceback": self.details}


class WeightsError(UserError):
    """The weights that a network starts from cannot be used."""


class TrainingPaused(Exception):
    """Racing pauses the training; the text says why."""


@dataclass
class Pace:
    """The rungs at which a training is interrupted and measured.

    Attributes:
        kind: Kind of the training stage.
        epochs: Epochs of the rungs, in order.
        check: Called with (candidate as if its training ended here, epochs, seconds of training);
            may raise TrainingPaused.
        spent: Seconds that the checks took.
    """

    kind: str
    epochs: Sequence[int]
    check: Callable[[Candidate, int, float], None]
    spent: float = 0.0

    def interrupt(self, candidate: Candidate, epoch: int, seconds: float) -> None:
        """Checks the candidate at a rung.

        Raises:
            TrainingPaused: Racing pauses the training.
        """
        begun = time.perf_counter()
        try:
            self.check(candidate, epoch, seconds)
        finally:
            self.spent += time.perf_counter() - begun


@dataclass
class Watch:
    """Receives the events of a plan being built, and keeps its times.

    Attributes:
        started: Called with the kind of a stage when it begins.
        epoch: Called after each epoch.
        done: Called with (kind, seconds, cached).
        seconds: Kind -> seconds of this build; 0 for a cached stage.
        cached: Kinds of the stages from the cache.
        stage_seconds: Kind -> seconds that the stage took when a trial ran it; NaN if unknown.
            "teacher" is the training of a distillation's teacher.
        pace: Rungs at which a training is interrupted; None if each trains to its end.
        between_stages: Called before each stage; may wait while the user wants a pause, or raise.
        between_epochs: Called after each epoch; may wait.
        held: Seconds that these calls took; they belong to no stage.
    """

    started: Callable[[str], None] = lambda kind: None
    epoch: Callable[[EpochEnd], None] = lambda event: None
    done: Callable[[str, float, bool], None] = lambda kind, seconds, cached: None
    seconds: dict[str, float] = field(default_factory=dict)
    cached: list[str] = field(default_factory=list)
    stage_seconds: dict[str, float] = field(default_factory=dict)
    pace: Pace | None = None
    between_stages: Callable[[], None] = lambda: None
    between_epochs: Callable[[], None] = lambda: None
    held: float = 0.0

    def epoch_done(self, event: EpochEnd) -> None:
        """Reports an epoch, and waits while the user wants a pause."""
        self.epoch(event)
        self._hold(self.between_epochs)

    def _hold(self, between: Callable[[], None]) -> None:
        begun = time.perf_counter()
        try:
            between()
        finally:
            self.held += time.perf_counter() - begun

    @contextmanager
    def stage(self, kind: str) -> Iterator[None]:
        """Times a stage, and turns an exception into a StageError.

        Raises:
            StageError: The body failed, or the candidate is infeasible.
            UserError: The disk is full. KeyboardInterrupt passes unchanged.
        """
        self._hold(self.between_stages)
        begun, held = time.perf_counter(), self.held
        self.started(kind)
        try:
            with _interrupts():
                yield
        except INFEASIBLE as error:
            raise StageError(kind, error, infeasible=True) from error
        except UserError:
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
                raise UserError(
                    f"{error.filename or 'the study folder'}: {error.strerror}; make room and "
                    "type the same command again: the study continues where it stopped"
                ) from error
            raise StageError(kind, error, infeasible=False) from error
        except Exception as error:
            raise StageError(kind, error, infeasible=_out_of_memory(error)) from error
        finally:
            spent = self.pace.spent if self.pace and self.pace.kind == kind else 0.0
            spent += self.held - held
            self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - begun - spent
        if kind in self.cached:
            self.seconds[kind] = 0.0
        self.done(kind, self.seconds[kind], kind in self.cached)


@contextmanager
def _interrupts() -> Iterator[None]:
    """Raises KeyboardInterrupt if the body has ignored one, or turned it into another error."""
    try:
        yield
    except Exception as error:
        if interrupted():
            raise KeyboardInterrupt from error
        raise
    stop_if_interrupted()


def _out_of_memory(error: Exception) -> bool:
    """Returns whether torch ran out of memory; does not import torch for that."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)
