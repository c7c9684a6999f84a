"""Calls a trainer written by the user, and checks what its functions return.

    def evaluate(plan, report):                 # evaluate: "mine:evaluate"
        net = build(plan["depth"])
        if report.done:                         # the trial was paused, and is resumed now
            net.load(report.folder / "net")
        for epoch in range(report.done, 10):
            error = train(net)
            net.save(report.folder / "net")     # first, because the next line may pause the trial
            report(epoch + 1, error=error)
        return {"error": test(net), "latency": timed(net)}

    def cheap(plan):                            # cheap: "mine:cheap", optional
        return {"size": 4.0 * weights_of(plan["depth"])}

`plan` is a dict with the concrete choices of the study's space. An objective's value is a number,
or a `Measurement` (objectives/base.py) with its interval and conditions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from paretune.objectives.base import Better, Measurement
from paretune.raised import raised_text
from paretune.search.errors import UserError
from paretune.search.user_code import resolve

WRITE_INTERVAL = 0.5
"""Seconds between two writes of reported steps, so that many short ones cost little."""

TOLERANCE = 1e-9
"""Largest relative difference between two values of one quantity."""

Step = tuple[int, Mapping[str, float | None], float]
"""(step, name -> value, seconds since the trial began)."""

PauseCheck = Callable[[int, Mapping[str, float | None]], str | None]
"""(step, values) -> why racing pauses the trial here, or None."""


class Stop(Exception):
    """Racing pauses or stops the trial.

    A trainer lets this exception pass, or cleans up and raises it again. Its function is called
    again with the same plan if the trial is resumed.
    """


class WrongAnswer(Exception):
    """The user's function returned something invalid; the text says what."""


class Report:
    """`report(step, **values)`: a trainer reports a step. May raise `Stop`.

    Attributes:
        seed: Seed for the trainer's random streams; the same for all trials of this plan. A
            training that is repeated (`search: {repeats: 3}`) has another one.
        seed_read: Whether the trainer has read it.
        folder: Folder of this plan for checkpoints; it survives a killed run.
        pause_check: Decides after each step whether racing pauses the trial.
        pause_reason: Why the trial was paused; None if it was not.
        last: The last reported values.

    Args:
        seed: As above.
        folder: As above; created on first use.
        save: Writes steps to the database.
        show: Receives each step at once.
        before: Returns the last step reported before and the seconds until then. Called on first
            use, as many trainers need neither.
    """

    def __init__(
        self,
        seed: int,
        folder: Path,
        save: Callable[[Sequence[Step]], None],
        show: Callable[[Step], None] = lambda step: None,
        before: Callable[[], tuple[int, float]] = lambda: (0, 0.0),
    ) -> None:
        self._seed, self.seed_read = seed, False
        self._folder = folder
        self._save = save
        self._show = show
        self.pause_check: PauseCheck = lambda step, values: None
        self.pause_reason: str | None = None
        self.last: Mapping[str, float | None] = {}
        self._before = before
        self._saved = self._called = time.monotonic()
        self._unsaved: list[Step] = []

    def __call__(self, step: int, **values: float) -> None:
        """Stores the values of a step, such as an epoch, as a point of the learning curve.

        Args:
            step: Number of the step, from 1; a repeated step replaces the earlier one.
            values: Any numbers; names of objectives mean the same as in the result.

        Raises:
            Stop: Racing pauses the trial.
            WrongAnswer: The step is not an integer, or a value is not a number.
        """
        try:
            number = step.__index__()
            numbers = {name: float(value) for name, value in values.items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise WrongAnswer(
                f"report({step!r}, ...) takes an integer and numbers, as report(3, error=0.1): "
                f"{error}"
            ) from error
        finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        point = (number, finite, time.monotonic() - self._called + self._earlier[1])
        self._unsaved.append(point)
        self.last = finite
        self._show(point)
        if time.monotonic() - self._saved >= WRITE_INTERVAL:
            self.flush()
        self.pause_reason = self.pause_check(number, finite)
        if self.pause_reason is not None:
            raise Stop(self.pause_reason)

    @property
    def done(self) -> int:
        """Last step that this trial reported before a pause, or 0.

        A trainer that cannot resume there may start again from 0. Its reports then replace the
        earlier ones, and it is not paused again at rungs that it has passed.
        """
        return self._earlier[0]

    @cached_property
    def _earlier(self) -> tuple[int, float]:
        return self._before()

    @property
    def seed(self) -> int:
        """Seed for the trainer's random streams."""
        self.seed_read = True
        return self._seed

    @property
    def folder(self) -> Path:
        """Folder of this plan; created on first use."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def flush(self) -> None:
        """Writes pending steps to the database."""
        if self._unsaved:
            self._save(self._unsaved)
            self._unsaved = []
        self._saved = time.monotonic()


def load_function(key: str, name: str) -> Callable[..., Any]:
    """Returns the function that a key of the study file names.

    Raises:
        UserError: It cannot be imported, or is not a function.
    """
    try:
        function = resolve(name)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"{key}: {name}: {error}; is it installed, or next to the study file?"
        ) from error
    except Exception as error:  # the user's module runs when it is imported
        raise UserError(f"{key}: importing {name}: {raised_text(error)}") from error
    if not callable(function):
        raise UserError(f"{key}: {name} is a {type(function).__name__}; give a function")
    return function  # type: ignore[no-any-return]


class TrainerResults:
    """Checks what the user's functions return.

    Args:
        units: Name -> (unit, better) of every objective and quantity, in the study's order.
    """

    def __init__(self, units: Mapping[str, tuple[str, Better]]) -> None:
        self._units = units

    def some(self, answer: object, function: str) -> dict[str, Measurement]:
        """Returns the measurements that a function returned, by name.

        Args:
            answer: What it returned.
            function: Its name, for error texts.

        Raises:
            WrongAnswer: The answer is not a mapping, has a name that the study does not have, or a
                value that is not a finite number.
        """
        if not isinstance(answer, Mapping):
            raise WrongAnswer(
                f"{function} returned a {type(answer).__name__}; it must return a mapping, "
                f"{{{', '.join(f'{name!r}: number' for name in self._units)}}}"
            )
        for name in answer:
            if name not in self._units:
                raise WrongAnswer(
                    f"{function} returned {name!r}, which is neither an objective nor a quantity "
                    f"of the study; known are {', '.join(self._units)}"
                )
        return {name: self._measurement(name, value, function) for name, value in answer.items()}

    def all(
        self, answer: object, cheap: Mapping[str, Measurement], function: str
    ) -> dict[str, Measurement]:
        """Returns all measurements that the study needs, in its order.

        Args:
            answer: What `evaluate` returned.
            cheap: Measurements of `cheap`.
            function: Name of `evaluate`, for error texts.

        Raises:
            WrongAnswer: A value is missing, or differs from the one of `cheap`.
        """
        measurements = self.some(answer, function)
        for name, cheap_measurement in cheap.items():
            value = measurements.get(name, cheap_measurement).value
            if not math.isclose(
                value, cheap_measurement.value, rel_tol=TOLERANCE, abs_tol=TOLERANCE
            ):
                raise WrongAnswer(
                    f"{function} returned {name} {value:g}, but the cheap function "
                    f"{cheap_measurement.value:g}; leave out of cheap what it cannot know exactly"
                )
        missing = [name for name in self._units if name not in measurements and name not in cheap]
        if missing:
            raise WrongAnswer(
                f"{function} returned no {', '.join(missing)}; "
                f"it returned {', '.join(measurements)}"
            )
        return {name: measurements.get(name) or cheap[name] for name in self._units}

    def _measurement(self, name: str, value: object, function: str) -> Measurement:
        unit, better = self._units[name]
        if isinstance(value, Measurement):
            if value.name != name or value.unit != unit:
                raise WrongAnswer(
                    f"{function} returned a measurement of {value.name} [{value.unit}] for "
                    f"{name} [{unit}]"
                )
            number = value.value
        else:
            try:
                number = float(value)  # type: ignore[arg-type]  # tried
            except (TypeError, ValueError) as error:
                raise WrongAnswer(
                    f"{function} returned {value!r} for {name}; it must be a number or a "
                    "Measurement"
                ) from error
        if not math.isfinite(number):
            raise WrongAnswer(f"{function} returned {number} for {name}; it must be finite")
        if isinstance(value, Measurement):
            return value
        return Measurement(name, number, unit, better, number, number)
