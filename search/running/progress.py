"""Shows a run: a live view on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from paretune.search.study.records import Axis, Result
from paretune.search.study.units import format_quantity
from paretune.search.trial.events import (
    CalmAwaited,
    DeviceAwaited,
    EpochDone,
    Event,
    Notice,
    RepeatEnded,
    RunEnded,
    RunStarted,
    StageDone,
    StageStarted,
    StepDone,
    TrialEnded,
    TrialPaused,
    TrialStarted,
    TrialTrained,
)
from paretune.search.views.change_text import MARK, times_text
from paretune.search.views.loaded_weights import loaded_weights

FRONT_ROWS = 8
"""Members of the front that the live view shows."""


WAITS_EVERY = 60.0
"""Seconds between two plain lines on waits for calm, of which a busy host may have many."""


class PlainProgress:
    """One line per event, for pipes, logs and CI."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._axes: Sequence[Axis] = ()
        self._trial_limit: int | None = None
        self._repeats = Repeats()
        self._waited = -WAITS_EVERY

    def __enter__(self) -> PlainProgress:
        """Does nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Does nothing."""

    def __call__(self, event: Event) -> None:
        """Prints a line for each event that users need to see."""
        match event:
            case RunStarted(_, axes, trial_limit):
                self._axes, self._trial_limit = axes, trial_limit
                self._line(started_text(event))
            case TrialStarted(trial, attempt=attempt) if attempt > 1:
                self._line(f"{_name(trial)}: it failed before; running it again")
            case TrialStarted(trial, left=True):
                self._line(f"{_name(trial)}: it was stopped before its end; going on with it")
            case TrialStarted(trial, taken_over=True):
                self._line(f"{_name(trial)}: its worker died; going on with it")
            case TrialStarted(trial, resumed=True):
                self._line(f"trial {trial}: among the best now; resumed")
            case TrialPaused(trial, result):
                self._line(paused_text(trial, result))
            case TrialTrained(trial):
                self._line(trained_text(trial))
            case RepeatEnded():
                self._line(repeated_text(event, self._axes))
            case StageDone(trial, stage, seconds, cached) if seconds > 30 and not cached:
                self._line(f"{_name(trial)}: {stage} {seconds:.0f} s")
            case TrialEnded():
                if not self._repeats.add(event):
                    self._line(ended_text(event, self._axes, self._trial_limit))
            case Notice(text):
                self._line(text)
            case CalmAwaited(wait) if wait and time.monotonic() - self._waited >= WAITS_EVERY:
                self._waited = time.monotonic()
                self._line(wait.text)
            case RunEnded(reason):
                self._line(reason)

    def _line(self, text: str) -> None:
        for line in self._repeats.taken_lines():
            print(line, file=self._console.file, flush=True)
        print(text, file=self._console.file, flush=True)  # plain text without styles


class LiveProgress:
    """The trial, its stage and epoch, the time left and the front, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._axes: Sequence[Axis] = ()
        self._trial_limit: int | None = None
        self._budget: float | None = None
        self._repeats = Repeats()
        self._done = 0
        self._begun = time.monotonic()
        self._first_done = 0
        self._trial: TrialStarted | None = None
        self._stage = ""
        self._awaited: str | None = None  # the device that the trial waits for, and why
        self._epoch: EpochDone | StepDone | None = None
        self._baseline: Mapping[str, float] = {}
        self._front: Mapping[int, Mapping[str, float]] = {}
        self._is_checked = False
        self._volume: float | None = None
        self._live = Live(  # draws at once: last
            console=console, get_renderable=self._view, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> LiveProgress:
        """Starts drawing."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Removes the live view; the lines above it stay."""
        self._live.stop()

    def __call__(self, event: Event) -> None:
        """Updates the view; a finished trial becomes a line above it."""
        match event:
            case RunStarted(_, axes, trial_limit, done, seconds):
                self._axes, self._trial_limit, self._budget = axes, trial_limit, seconds
                self._is_checked, self._begun = True, time.monotonic()
                self._done = self._first_done = done
                self._line(started_text(event))
            case TrialStarted():
                self._trial, self._stage, self._epoch = event, "", None
                self._awaited = None
            case StageStarted(_, stage):
                self._stage, self._epoch = stage, None
            case EpochDone() | StepDone():
                self._epoch = event
            case TrialEnded():
                self._done, self._front = event.done, event.front
                self._baseline, self._volume = event.baseline, event.hypervolume
                if not self._repeats.add(event):
                    self._line(ended_text(event, self._axes, self._trial_limit))
                self._trial = None
            case TrialPaused(trial, result):
                self._line(paused_text(trial, result))
                self._trial = None
            case TrialTrained(trial):
                self._line(trained_text(trial))
                self._trial = None
            case RepeatEnded():
                self._line(repeated_text(event, self._axes))
                self._trial = None
            case Notice(text):
                self._line(text)
            case RunEnded(reason):
                self._line(reason)
            case DeviceAwaited(text):
                self._awaited = text
            case CalmAwaited(wait):
                self._awaited = wait.text if wait else None
            case StageDone():
                pass

    def _line(self, text: str) -> None:
        for line in (*self._repeats.taken_lines(), text):
            self._console.print(Text(line), soft_wrap=True)

    def _view(self) -> RenderableType:
        parts: list[RenderableType] = [Text(self._headline(), style="bold")]
        if self._trial is not None:
            parts.append(self._trial_view())
        if self._front:
            parts.append(self._front_view())
        return Group(*parts)

    def _headline(self) -> str:
        if not self._is_checked:
            return "checking the study ..."
        spent = time.monotonic() - self._begun
        text = (
            f"{self._done}" + (f" of {self._trial_limit}" if self._trial_limit else "") + " trials"
        )
        text += f" · {_clock(spent)}"
        left = self._left(spent)
        return text + (f" · about {_clock(left)} left" if left is not None else "")

    def _left(self, spent: float) -> float | None:
        """Returns the seconds left by trials or by the time budget, whichever ends first."""
        finished = self._done - self._first_done
        by_trials = (
            (self._trial_limit - self._done) * spent / finished
            if self._trial_limit and finished > 0
            else None
        )
        by_time = max(self._budget - spent, 0.0) if self._budget else None
        estimates = [seconds for seconds in (by_trials, by_time) if seconds is not None]
        return min(estimates) if estimates else None

    def _trial_view(self) -> Text:
        assert self._trial is not None
        number = self._trial.trial
        text = Text(_name(number), style="cyan")
        stages = self._trial.stages
        # A teacher that is trained on the way is in no plan.
        for stage in stages if self._stage in ("", *stages) else (self._stage, *stages):
            style = "bold cyan" if stage == self._stage else "dim"
            text.append("  " + stage, style=style)
            if stage == self._stage and self._epoch is not None:
                text.append(" " + _epoch_text(self._epoch), style="bold cyan")
        if self._awaited:
            text.append("  " + self._awaited, style="yellow")
        return text

    def _front_view(self) -> Table:
        table = Table(title=self._front_title(), title_justify="left", title_style="dim", box=None)
        table.add_column("trial", justify="right")
        for axis in self._axes:
            table.add_column(axis.name, justify="right")
        best = self._axes[0]
        rows = sorted(
            self._front.items(),
            key=lambda item: item[1][best.name],
            reverse=best.better == "higher",
        )
        for number, values in rows[:FRONT_ROWS]:
            cells = [format_quantity(values[axis.name], axis) for axis in self._axes]
            table.add_row(str(number) if number else "baseline", *cells)
        if len(rows) > FRONT_ROWS:
            table.add_row(f"+{len(rows) - FRONT_ROWS}")
        return table

    def _front_title(self) -> str:
        volume = f", hypervolume {self._volume:.4f}" if self._volume is not None else ""
        return f"front: {len(self._front)} trials{volume}"


def make_progress(console: Console) -> PlainProgress | LiveProgress:
    """Returns the live view for a terminal, plain lines for anything else."""
    return LiveProgress(console) if console.is_terminal else PlainProgress(console)


class Repeats:
    """The repeated plans since the last line, which become one line."""

    def __init__(self) -> None:
        self._trials: list[int] = []

    def add(self, event: TrialEnded) -> bool:
        """Adds a trial if it repeats the plan of another one; returns whether it does."""
        if event.result.repeat_of is not None:
            self._trials.append(event.trial)
        return event.result.repeat_of is not None

    def taken_lines(self) -> list[str]:
        """Returns the line, if there is one to print, and forgets the repeated plans."""
        trials, self._trials = self._trials, []
        if not trials:
            return []
        if len(trials) == 1:
            return [f"trial {trials[0]:>3}  repeats an earlier plan: nothing to run"]
        span = f"trials {trials[0]} to {trials[-1]}"
        if trials[-1] - trials[0] >= len(trials):  # format variants or other workers between them
            span = f"{len(trials)} of {span}"
        return [f"{span} repeat earlier plans: nothing to run"]


def started_text(event: RunStarted) -> str:
    """Returns the first line of a run."""
    limit = f"{event.trial_limit or 'any number of'} trials"
    if event.plans is not None:
        limit = f"all {event.plans} plans of the space" if event.plans > 1 else "a single plan"
    so_far = f", {event.done} done already" if event.done else ""
    return f"study {event.study}: {limit}{so_far}; {event.host}"


def ended_text(event: TrialEnded, axes: Sequence[Axis], trial_limit: int | None) -> str:
    """Returns a finished trial as one line."""
    result, number = event.result, event.trial
    head = f"trial {number:>3}" if number else "baseline "
    if event.variant_of is not None:
        head += f" (trained in {event.variant_of})"
    elif number and trial_limit:
        head += f" [{event.done}/{trial_limit}]"
    body = _body(result, axes, event.baseline if number else None, event.within_noise)
    marks = "  on the front" if event.grew and number else ""
    line = f"{head}  {body}{marks}  ({result.duration:.1f} s)"
    weights = "" if number else loaded_weights(result.artifact)
    return f"{line}\ncheckpoint: {weights}" if weights else line


def paused_text(trial: int, result: Result) -> str:
    """Returns a paused trial as one line."""
    reason = (result.reason or {}).get("text", "")
    return f"trial {trial:>3}  paused: {reason}  ({result.duration:.1f} s)"


def trained_text(trial: int) -> str:
    """Returns a trial as one line that waits for its measurements."""
    name = f"trial {trial:>3}" if trial else "baseline "
    return f"{name}  is trained; it waits for a worker that measures"


def repeated_text(event: RepeatEnded, axes: Sequence[Axis]) -> str:
    """Returns a training with another seed as one line."""
    result = event.result
    head = f"trial {event.trial:>3} seed {result.repeat + 1} [{event.done}/{event.total}]"
    if result.state != "complete":
        reason = result.reason or {}
        text = (str(reason.get("text", "")).splitlines() or [""])[0]
        body = f"{result.state} in {reason.get('stage', '?')}: {text}"
    else:
        body = "  ".join(
            f"{axis.name} {format_quantity(result.validation[axis.name].value, axis)} "
            f"(first {format_quantity(event.first[axis.name], axis)})"
            for axis in axes
            if axis.name in result.validation
        )
    return f"{head}  {body}  ({result.seconds:.1f} s)"


def _body(
    result: Result,
    axes: Sequence[Axis],
    baseline: Mapping[str, float] | None,
    within_noise: Collection[str],
) -> str:
    if result.repeat_of is not None:
        return f"the same plan as trial {result.repeat_of}"
    if result.state != "complete":
        reason = result.reason or {}
        word = "FAILED" if result.state == "failed" else result.state
        text = reason.get("text", "").splitlines() or [""]
        kind = f"{reason.get('type')}: " if result.state == "failed" else ""
        again = " again" if result.state == "failed" and reason.get("attempts") else ""
        return f"{word}{again} in {reason.get('stage', '?')}: {kind}{text[0]}"
    cells = []
    for axis in axes:
        value = result.values[axis.name]
        cell = f"{axis.name} {format_quantity(value, axis)}"
        if baseline and not axis.is_score and value > 0 and axis.better == "lower":
            mark = MARK if axis.name in within_noise else ""
            cell += f" ({mark}{times_text(baseline[axis.name] / value, axis)})"
        cells.append(cell)
    broken = [text for text, violation in result.violations.items() if violation > 0]
    if broken:
        cells.append("breaks " + "; ".join(broken))
    return "  ".join(cells)


def _epoch_text(event: EpochDone | StepDone) -> str:
    """Returns the progress of a stage: `3/15 loss 0.412`, `step 3 error 0.12`."""
    if isinstance(event, EpochDone):
        plain = 0.01 <= event.loss < 1000 or event.loss == 0
        loss = f"{event.loss:.3f}" if plain else f"{event.loss:.3g}"
        return f"{event.epoch}/{event.epochs} loss {loss}"
    values = [f"{name} {value:.4g}" for name, value in event.values.items() if value is not None]
    return " ".join([f"step {event.step}", *values])


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s"


def _name(trial: int) -> str:
    return f"trial {trial}" if trial else "baseline"
