"""Watch: who listens to a plan being built; and what an error in a stage means."""

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
from paretune.spaces.base import Candidate, EpochEnd, InfeasibleCandidate

INFEASIBLE = (InfeasibleCandidate, Unmeasurable, ValidationError)
"""What says that a candidate cannot be: a ValidationError is a combination of parameters that its
Params refuse. So does torch's OutOfMemoryError: it would not suffice the next time."""


class StageError(Exception):
    """A stage could not be done.

    Attributes:
        stage: Its kind.
        infeasible: The candidate cannot be (rather than an error).
        type: Name of the exception's type.
        text: What it says.
        details: The traceback.
    """

    def __init__(self, stage: str, error: BaseException, infeasible: bool) -> None:
        super().__init__(f"{stage}: {error}")
        self.stage = stage
        self.infeasible = infeasible
        self.type = type(error).__name__
        self.text = str(error) or self.type
        self.details = "".join(traceback.format_exception(error))

    def to_json(self) -> dict[str, str]:
        """{"stage", "type", "text"} and, for an error, the traceback."""
        reason = {"stage": self.stage, "type": self.type, "text": self.text}
        return reason if self.infeasible else {**reason, "traceback": self.details}


class HeldUp(Exception):
    """A training is not to go on for now; the text says why."""


@dataclass
class Pace:
    """Where a training is interrupted, to be looked at.

    Attributes:
        kind: Of the stage that trains.
        epochs: After which, in order.
        look: Called with (the candidate as if its training ended here, epochs done, seconds that
            they took); may raise HeldUp.
        spent: Seconds that looking took.
    """

    kind: str
    epochs: Sequence[int]
    look: Callable[[Candidate, int, float], None]
    spent: float = 0.0

    def interrupt(self, candidate: Candidate, epoch: int, seconds: float) -> None:
        """Has the candidate looked at.

        Raises:
            HeldUp: Its training does not go on for now.
        """
        begun = time.perf_counter()
        try:
            self.look(candidate, epoch, seconds)
        finally:
            self.spent += time.perf_counter() - begun


@dataclass
class Watch:
    """Who listens to a plan being built, and what it has cost so far.

    Attributes:
        started: Called with a stage's kind when it begins.
        epoch: Called after each epoch.
        done: Called with (kind, seconds, cached).
        seconds: Kind -> seconds of this build; 0 for a cached stage.
        cached: Kinds that were taken from the cache.
        made: Kind -> seconds that the stage took when it was made, by whichever trial; NaN where
            nobody noted them. "teacher" for the training of a distillation's teacher.
        pace: Where a training is to be interrupted; None where each goes to its end.
    """

    started: Callable[[str], None] = lambda kind: None
    epoch: Callable[[EpochEnd], None] = lambda event: None
    done: Callable[[str, float, bool], None] = lambda kind, seconds, cached: None
    seconds: dict[str, float] = field(default_factory=dict)
    cached: list[str] = field(default_factory=list)
    made: dict[str, float] = field(default_factory=dict)
    pace: Pace | None = None

    @contextmanager
    def stage(self, kind: str) -> Iterator[None]:
        """Times a stage, and says of an exception in which stage it was.

        Raises:
            StageError: The body failed, or the candidate is infeasible.
            UserError: The disk is full; KeyboardInterrupt and the like pass as they are.
        """
        begun = time.perf_counter()
        self.started(kind)
        try:
            yield
        except INFEASIBLE as error:
            raise StageError(kind, error, infeasible=True) from error
        except UserError:
            raise
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
                raise UserError(
                    f"{error.filename or 'the study folder'}: {error.strerror}; make room and "
                    "type the same command again: the study goes on where it stopped"
                ) from error
            raise StageError(kind, error, infeasible=False) from error
        except Exception as error:
            raise StageError(kind, error, infeasible=_out_of_memory(error)) from error
        finally:
            spent = self.pace.spent if self.pace and self.pace.kind == kind else 0.0
            self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - begun - spent
        if kind in self.cached:
            self.seconds[kind] = 0.0
        self.done(kind, self.seconds[kind], kind in self.cached)


def _out_of_memory(error: Exception) -> bool:
    """Whether torch says so; it is not imported for the question."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(error, torch.OutOfMemoryError)
