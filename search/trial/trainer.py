"""The user's own trainer: how its functions are found and called, and what they must give.

    def evaluate(plan, report):                 # evaluate: "mine:evaluate"
        net = build(plan["depth"])
        if report.done:                     # held up before, and now called up again
            net.load(report.folder / "net")
        for epoch in range(report.done, 10):
            error = train(net)
            net.save(report.folder / "net") # first, as the next line may hold it up
            report(epoch + 1, error=error)
        return {"error": test(net), "latency": timed(net)}

    def cheap(plan):                            # cheap: "mine:cheap", where there is such
        return {"size": 4.0 * weights_of(plan["depth"])}

`plan` is a dict: the concrete choices of the study's space. An objective's value is a number, or a
`Measurement` (objectives/base.py) that carries its interval and conditions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from paretune.objectives.base import Better, Measurement
from paretune.search.errors import UserError
from paretune.search.user_code import resolve

EVERY = 0.5
"""Seconds between two writes of reported steps, so that many short ones cost little."""

AGREE = 1e-9
"""How far two answers to the same question may lie apart, relative."""

Step = tuple[int, Mapping[str, float | None], float]
"""(step, name -> value, seconds since the trial began)."""

PauseCheck = Callable[[int, Mapping[str, float | None]], str | None]
"""(step, values) -> why the trial is to wait here, or None: where racing comes in."""


class Stop(Exception):
    """The engine has seen enough of a trial, for now or for good.

    A trainer lets it pass, or cleans up and raises it. Its function may be called once more with
    the same plan, when the trial has come to be among the best after all.
    """


class WrongAnswer(Exception):
    """What the user's function gave is not what it must give; the text says what is wrong."""


class Report:
    """`report(step, **values)`: how a trainer says how far it is. May raise `Stop`.

    Attributes:
        seed: For the trainer's random streams: the same whenever this plan is tried.
        folder: Where the trainer may keep checkpoints: this plan's own, kept when a run is killed.
        done: The last step that this trial reported when it was worked on before; 0 at first. A
            trainer that cannot go on from there may begin anew: what it reports replaces what it
            said before, and at steps that were passed it is not held up again.
        judge: Says whether to go on.
        stopped: Why it was held up; None where it was not.
        last: The values reported last.

    Args:
        seed: As above.
        folder: As above; made when it is first asked for.
        save: Takes steps to the database.
        tell: Told of each step at once.
        before: The last step reported before, and the seconds it had taken.
    """

    def __init__(
        self,
        seed: int,
        folder: Path,
        save: Callable[[Sequence[Step]], None],
        tell: Callable[[Step], None] = lambda step: None,
        before: tuple[int, float] = (0, 0.0),
    ) -> None:
        self.seed = seed
        self._folder = folder
        self._save = save
        self._tell = tell
        self.pause_check: PauseCheck = lambda step, values: None
        self.stopped: str | None = None
        self.last: Mapping[str, float | None] = {}
        self.done, spent = before
        self._saved = time.monotonic()
        self._begun = self._saved - spent
        self._unsaved: list[Step] = []

    def __call__(self, step: int, **values: float) -> None:
        """Keeps the values of a step (an epoch, say) as a learning curve.

        Args:
            step: From 1, say; a step told again replaces what it said before.
            values: Any numbers; names of objectives mean the same as in the answer.

        Raises:
            Stop: The engine has seen enough.
            WrongAnswer: The step is no integer, or a value no number.
        """
        try:
            number = step.__index__()
            found = {name: float(value) for name, value in values.items()}
        except (AttributeError, TypeError, ValueError) as error:
            raise WrongAnswer(
                f"report({step!r}, ...) takes an integer and numbers, as report(3, error=0.1): "
                f"{error}"
            ) from error
        kept = {name: value if math.isfinite(value) else None for name, value in found.items()}
        point = (number, kept, time.monotonic() - self._begun)
        self._unsaved.append(point)
        self.last = kept
        self._tell(point)
        if time.monotonic() - self._saved >= EVERY:
            self.flush()
        self.stopped = self.pause_check(number, kept)
        if self.stopped is not None:
            raise Stop(self.stopped)

    @property
    def folder(self) -> Path:
        """This plan's own folder."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def flush(self) -> None:
        """Writes what is not written yet."""
        if self._unsaved:
            self._save(self._unsaved)
            self._unsaved = []
        self._saved = time.monotonic()


def load_function(key: str, name: str) -> Callable[..., Any]:
    """The function that a key of the study file names.

    Raises:
        UserError: It cannot be imported, or is no function.
    """
    try:
        function = resolve(name)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"{key}: {name}: {error}; is it installed, or beside the study file?"
        ) from error
    except Exception as error:  # the user's module runs when it is imported
        raise UserError(f"{key}: importing {name}: {type(error).__name__}: {error}") from error
    if not callable(function):
        raise UserError(f"{key}: {name} is a {type(function).__name__}; give a function")
    return function  # type: ignore[no-any-return]


class Answers:
    """Checks what the functions give.

    Args:
        units: Name -> (unit, better) of every objective and quantity, in the study's order.
    """

    def __init__(self, units: Mapping[str, tuple[str, Better]]) -> None:
        self._units = units

    def known(self, given: object, of: str) -> dict[str, Measurement]:
        """What a function gave, by name.

        Raises:
            WrongAnswer: It is no mapping, names what the study does not, or a value is no finite
                number.
        """
        if not isinstance(given, Mapping):
            raise WrongAnswer(
                f"{of} gave a {type(given).__name__}; it must give a mapping, "
                f"{{{', '.join(f'{name!r}: number' for name in self._units)}}}"
            )
        for name in given:
            if name not in self._units:
                raise WrongAnswer(
                    f"{of} gave {name!r}, which is neither an objective nor a quantity of the "
                    f"study; known are {', '.join(self._units)}"
                )
        return {name: self._measurement(name, value, of) for name, value in given.items()}

    def whole(
        self, given: object, cheap: Mapping[str, Measurement], of: str
    ) -> dict[str, Measurement]:
        """Everything the study needs, with what was known before, in the study's order.

        Raises:
            WrongAnswer: Something is missing, or answered in two ways.
        """
        found = self.known(given, of)
        for name, before in cheap.items():
            value = found.get(name, before).value
            if not math.isclose(value, before.value, rel_tol=AGREE, abs_tol=AGREE):
                raise WrongAnswer(
                    f"{of} gave {name} {value:g} where the cheap function gave {before.value:g}; "
                    "leave out of cheap what it cannot know exactly"
                )
        missing = [name for name in self._units if name not in found and name not in cheap]
        if missing:
            raise WrongAnswer(f"{of} gave no {', '.join(missing)}; it gave {', '.join(found)}")
        return {name: found.get(name) or cheap[name] for name in self._units}

    def _measurement(self, name: str, value: object, of: str) -> Measurement:
        unit, better = self._units[name]
        if isinstance(value, Measurement):
            if value.name != name or value.unit != unit:
                raise WrongAnswer(
                    f"{of} gave a measurement of {value.name} [{value.unit}] for {name} [{unit}]"
                )
            number = value.value
        else:
            try:
                number = float(value)  # type: ignore[arg-type]  # tried
            except (TypeError, ValueError) as error:
                raise WrongAnswer(
                    f"{of} gave {value!r} for {name}; it must be a number or a Measurement"
                ) from error
        if not math.isfinite(number):
            raise WrongAnswer(f"{of} gave {number} for {name}; it must be finite")
        if isinstance(value, Measurement):
            return value
        return Measurement(name, number, unit, better, number, number)
