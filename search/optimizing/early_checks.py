"""Checks of an optimization of a model that need no measurement: goals, time and output.

`init` measures for a while before it writes the study. What cannot be right is refused before.
"""

from __future__ import annotations

from contextlib import suppress

from paretune.objectives.metrics import metric_of
from paretune.search.errors import UserError
from paretune.search.optimizing.request import OptimizeRequest
from paretune.search.study.constraints import quantity_name, read_constraint
from paretune.search.study.contradictions import refuse_contradictions
from paretune.search.study.quantity import Quantity, units
from paretune.search.study.spec import Constraint
from paretune.search.study_file.document import Document
from paretune.search.study_file.problems import Problems
from paretune.search.study_file.search_and_budget import SearchAndBudgetReader


def check_early(request: OptimizeRequest) -> None:
    """Refuses a request that cannot be right.

    Raises:
        UserError: The time is no time, goals contradict each other, or the output is not empty.
    """
    if request.time is not None:
        time_seconds(request.time)
    refuse_contradictions(_readable(request.goals))
    folder = request.output
    if not request.file.exists() and folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"-o {folder}: the folder is not empty; give another one")


def time_seconds(text: str) -> float | None:
    """Returns the seconds of --time.

    Raises:
        StudyFileError: It is not a time.
    """
    document = Document("--time", {})
    problems = Problems(document.where)
    _, seconds = SearchAndBudgetReader(document, problems).budget(text)
    problems.raise_any()
    return seconds


def _readable(texts: tuple[str, ...]) -> list[Constraint]:
    """Returns the goals on quantities that every study knows; the study's loader reads the others.

    Raises:
        UserError: A goal is none, or its unit is wrong.
    """
    built_in = units()
    goals = []
    for text in texts:
        name = quantity_name(text)
        metric = metric_of(Quantity.of(name).local) if name else None
        names = {**built_in, **({name: metric.unit} if name and metric else {})}
        try:
            with suppress(KeyError):  # a score of the user's task, or a mistake
                goals.append(read_constraint(text, names))
        except ValueError as error:
            raise UserError(f'--goal "{text}": {str(error).removeprefix(f"{text!r}: ")}') from error
    return goals
