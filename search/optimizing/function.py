"""`paretune.optimize`: what `paretune optimize` does, from Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.interface.shown import Shown

if TYPE_CHECKING:
    from paretune.search.interface.study import Study
    from paretune.search.interface.trial import Trial
    from paretune.search.optimizing.optimizer import OptimizeEnd
    from paretune.search.trial.events import Reporter

PathLike = str | os.PathLike[str]


def optimize(
    model: Any = None,
    data: str | None = None,
    *,
    goals: str | Sequence[str] = (),
    time: str | None = None,
    output: PathLike,
    checkpoint: PathLike | None = None,
    task: Any = None,
    runtime: str | None = None,
    stop_at_goal: bool = False,
    progress: bool = True,
    reporters: Sequence[Reporter] = (),
    tell: Callable[[str], None] = print,
) -> Optimized:
    """Makes a model meet goals, and exports it verified, as `paretune optimize`.

    Args:
        model: "torchvision:NAME", "timm:NAME", a family such as "resnet", "pkg.mod:Net", a class or
            function of a module; or the path of a study file.
        data: "images:photos", "npz:FILE", "digits", ...; None for a study file.
        goals: "latency <= 0.5 x baseline", ...; of a study file, they replace its own.
        time: "1h": the time of everything; None for that of the study file.
        output: Folder of the verified export.
        checkpoint: File with the trained weights of the model.
        task: A task, or one of your own: "pkg.mod:Plates", or its class.
        runtime: Where to deploy; None for onnxruntime.
        stop_at_goal: Whether it ends when a trial meets every goal.
        progress: Whether the trials are shown.
        reporters: Each receives every event.
        tell: Called with each sentence about a round.

    Raises:
        UserError: The request, the study or a goal is wrong, or the time is too short.
        KeyboardInterrupt: The user wants to stop; the same call goes on.
    """
    from paretune.search.interface.functions import data_text, named
    from paretune.search.optimizing.optimizer import optimize as run
    from paretune.search.optimizing.request import OptimizeRequest

    subject = os.fspath(model) if isinstance(model, os.PathLike) else named("model", model)
    request = OptimizeRequest(
        subject,
        Path(output),
        (goals,) if isinstance(goals, str) else tuple(goals),
        time,
        data_text(data),
        None if checkpoint is None else os.fspath(checkpoint),
        named("task", task),
        runtime,
        stop_at_goal,
    )
    console = None
    if progress:
        from rich.console import Console

        console = Console(highlight=False)
    return Optimized(run(request, console=console, reporters=reporters, tell=tell))


class Optimized(Shown):
    """The result of `paretune.optimize`; as text, what the command prints at its end.

    Attributes:
        end: Goals, rounds and export as values.
    """

    def __init__(self, end: OptimizeEnd) -> None:
        self.end = end

    @property
    def ok(self) -> bool:
        """Whether the exported trial meets every goal, and its export is verified."""
        return self.end.ok

    @property
    def study(self) -> Study:
        """The study that was searched."""
        from paretune.search.interface.study import Study

        return Study(self.end.study)

    @property
    def trial(self) -> Trial | None:
        """The exported trial; None if no trial is complete."""
        choice = self.end.choice
        return None if choice is None else self.study.trials[choice.trial.number]

    def text(self, width: int | None = None) -> str:
        """Returns what the command prints at its end."""
        from paretune.search.optimizing.end_text import end_lines

        return "\n".join(end_lines(self.end)).strip()

    def to_json(self) -> dict[str, Any]:
        """Returns what `paretune optimize --json` prints."""
        return self.end.to_json()
