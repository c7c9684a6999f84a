"""`paretune optimize` as a function."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.interface.functions import named
from paretune.search.interface.notebook_progress import shown_progress
from paretune.search.interface.shown import Shown
from paretune.search.interface.study import Study
from paretune.search.interruption import noted_interrupts
from paretune.search.optimizing.end_text import end_lines
from paretune.search.optimizing.optimizer import OptimizeEnd
from paretune.search.optimizing.optimizer import optimize as run_optimization
from paretune.search.optimizing.request import OptimizeRequest

if TYPE_CHECKING:
    from paretune.search.trial.events import Reporter


class Optimization(Shown):
    """The end of an optimization.

    Attributes:
        end: Why it ended, with its rounds and the verified export.
    """

    def __init__(self, end: OptimizeEnd) -> None:
        self.end = end

    @property
    def ok(self) -> bool:
        """Whether a trial meets every goal, and its export passed all checks."""
        return self.end.ok

    @property
    def study(self) -> Study:
        """The study with all trials of all rounds."""
        return Study(self.end.study)

    def text(self, width: int | None = None) -> str:
        """Returns what `paretune optimize` prints at its end."""
        return "\n".join(end_lines(self.end))

    def to_json(self) -> dict[str, Any]:
        """Returns what `paretune optimize --json` prints."""
        return self.end.to_json()


def optimize(
    model: Any = None,
    data: str | None = None,
    *,
    output: str | os.PathLike[str],
    goals: str | Sequence[str] = (),
    time: str | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    task: Any = None,
    runtime: str | None = None,
    stop_at_goal: bool = False,
    progress: bool = True,
    tell: Callable[[str], None] | None = None,
    reporters: Sequence[Reporter] = (),
) -> Optimization:
    """Makes a model meet goals, and exports it verified, as `paretune optimize`.

    The same call continues after an interrupt.

    Args:
        model: "torchvision:mobilenet_v2", a family such as "resnet", "pkg.mod:Net", a class or
            function of a module, or a study file; None for a task that brings its network.
        data: Data of the model: "images:photos", "digits", ...
        output: The folder of the verified export.
        goals: "latency <= 0.5 x baseline", ...
        time: "1h": the time of everything, over all calls.
        checkpoint: File with the weights of the model.
        task: A task, or one of your own: "pkg.mod:Plates", or its class.
        runtime: Runtime of the deployed file; None for onnxruntime.
        stop_at_goal: Whether it ends as soon as a trial meets every goal.
        progress: Whether progress and rounds are shown.
        tell: Receives each sentence about a round; None prints it, if `progress` is true.
        reporters: Functions that receive each event of the runs.

    Raises:
        UserError: The request, the study or a goal is wrong, or the time is too short.
        KeyboardInterrupt: The user stopped it. Finished trials are kept.
    """
    request = OptimizeRequest(
        named("model", os.fspath(model) if isinstance(model, os.PathLike) else model),
        Path(output),
        (goals,) if isinstance(goals, str) else tuple(goals),
        time,
        data,
        None if checkpoint is None else os.fspath(checkpoint),
        named("task", task),
        runtime,
        stop_at_goal,
    )
    request.check()
    with noted_interrupts(), shown_progress(progress) as shown:
        end = run_optimization(
            request,
            reporters=[*([shown] if shown else []), *reporters],
            tell=tell or (_say if progress else _say_nothing),
        )
    return Optimization(end)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - progress, unless the caller does not want it


def _say_nothing(text: str) -> None:
    return None
