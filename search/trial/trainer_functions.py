"""The functions of the user's own trainer, and what they may return."""

from __future__ import annotations

import ast
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
    seed = {SEED: 0} if key == EVALUATE and requires_seed(function) else {}
    try:
        inspect.signature(function).bind(*arguments, **seed)
    except TypeError as error:
        raise UserError(
            f"{name} must take the arguments ({', '.join(arguments)}): {error}"
        ) from error
    except ValueError:
        pass  # a built-in without a signature
    return function


SEED = "seed"
"""Attribute of `report`, and optional parameter of `evaluate`, with the seed of a training."""

NO_SEED = (
    "search.repeats trains the front again with other seeds, but {name} reads no seed, so each "
    "training would be the same; read report.seed, as in torch.manual_seed(report.seed), or give "
    "{name} a parameter seed; else leave repeats out"
)
"""Text of the refusal; `name` is the function."""


def takes_seed(function: Callable[..., Any]) -> bool:
    """Returns whether a function has a parameter `seed`."""
    try:
        return SEED in inspect.signature(function).parameters
    except ValueError:  # a built-in without a signature
        return False


def requires_seed(function: Callable[..., Any]) -> bool:
    """Returns whether a function cannot be called without its parameter `seed`."""
    if not takes_seed(function):
        return False
    parameter = inspect.signature(function).parameters[SEED]
    return parameter.default is inspect.Parameter.empty


def refuse_without_seed(name: str, function: Callable[..., Any]) -> None:
    """Refuses a trainer that cannot be repeated with other seeds.

    It must have a parameter `seed`, or its module must read an attribute of this name. A call
    shows later whether it is that of `report`.

    Args:
        name: The function as the study file names it.
        function: The function.

    Raises:
        UserError: It reads no seed.
    """
    if takes_seed(function):
        return
    try:
        module = inspect.getmodule(function)
        source = inspect.getsource(module) if module is not None else ""
    except (OSError, TypeError):
        return  # without its source, only a call shows it
    if source and not _reads_seed(ast.parse(source)):
        raise UserError(NO_SEED.format(name=name))


def _reads_seed(code: ast.AST) -> bool:
    """Returns whether code reads an attribute `seed`; a call such as random.seed(0) is none."""
    nodes = list(ast.walk(code))
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    return any(
        isinstance(node, ast.Attribute) and node.attr == SEED and id(node) not in called
        for node in nodes
    )


def trainer_results(spec: StudySpec) -> TrainerResults:
    """Returns the check of what a study's functions return."""
    assert spec.trainer is not None, "only for studies with a trainer"
    return TrainerResults(
        {
            **{axis.name: (axis.unit, axis.better) for axis in axes_of(spec)},
            **{name: (unit, "lower") for name, unit in spec.trainer.quantities.items()},
        }
    )
