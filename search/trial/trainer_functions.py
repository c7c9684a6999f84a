"""The functions of the user's own trainer, and what they may return."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from paretune.search.errors import UserError
from paretune.search.study.spec import StudySpec
from paretune.search.trial.open_study import axes_of
from paretune.search.trial.trainer import TrainerResults, load_function

EVALUATE, CHEAP = "evaluate", "cheap"

ARGUMENTS = {EVALUATE: ("plan", "report"), CHEAP: ("plan",)}
"""Key of the study file -> arguments of its function."""


def trainer_function(key: str, name: str) -> Callable[..., Any]:
    """Returns the function that a key of the study file names.

    Raises:
        UserError: There is no such function, or it does not take its arguments.
    """
    function = load_function(key, name)
    arguments = ARGUMENTS[key]
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        raise UserError(
            f"{name} must take the arguments ({', '.join(arguments)}): {error}"
        ) from error
    except ValueError:
        pass  # a built-in without a signature
    return function


def trainer_results(spec: StudySpec) -> TrainerResults:
    """Returns the check of what a study's functions return."""
    assert spec.trainer is not None, "only for studies with a trainer"
    return TrainerResults(
        {
            **{axis.name: (axis.unit, axis.better) for axis in axes_of(spec)},
            **{name: (unit, "lower") for name, unit in spec.trainer.quantities.items()},
        }
    )
