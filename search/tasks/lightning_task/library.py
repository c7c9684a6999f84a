"""The package lightning, and the user's classes."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from paretune.raised import raised_text
from paretune.search.tasks.lightning_task.errors import LightningError
from paretune.search.user_code import resolve

PACKAGES = ("lightning.pytorch", "pytorch_lightning")
"""Two names of the same library; a module's class comes from one of them."""


def library_of(instance: Any) -> Any:
    """Returns the package that the class of a module comes from."""
    roots = {base.__module__.partition(".")[0] for base in type(instance).__mro__}
    name = PACKAGES[0] if "lightning" in roots else PACKAGES[1]
    return importlib.import_module(name)


def made(path: str, args: Mapping[str, Any], role: str, base: str) -> Any:
    """Returns an instance of the user's class.

    Args:
        path: Dotted path of the class, or of a function that makes it.
        args: Keyword arguments.
        role: Key in the study file.
        base: Class of Lightning that it must be.

    Raises:
        LightningError: The package is missing, or the class cannot be imported or made.
    """
    bases = _bases(base)
    try:
        make = resolve(path)
    except (ImportError, AttributeError) as error:
        raise LightningError(
            f"{role}: {path}: {error}; is it installed, or in the folder of the study file?"
        ) from error
    except Exception as error:  # importing runs the user's module
        raise LightningError(f"{role}: {path}: {raised_text(error)}") from error
    try:
        instance = make(**args)
    except Exception as error:
        raise LightningError(
            f"{role}: {path} raised {raised_text(error)}; its arguments are {role}_args: {{...}}"
        ) from error
    if not isinstance(instance, bases):
        raise LightningError(f"{role}: {path} is a {type(instance).__name__}, not a {base}")
    return instance


def _bases(name: str) -> tuple[type, ...]:
    bases = []
    for package in PACKAGES:
        try:
            bases.append(getattr(importlib.import_module(package), name))
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != package.partition(".")[0]:
                raise
    if not bases:
        raise LightningError('lightning is not installed; type pip install "paretune[lightning]"')
    return tuple(bases)


def overrides(instance: Any, name: str) -> bool:
    """Returns whether the user's class defines a method itself."""
    owner = next((base for base in type(instance).__mro__ if name in vars(base)), None)
    return owner is not None and not owner.__module__.startswith(
        ("lightning.", "pytorch_lightning.", "torch.")
    )


def call_step(step: Any, *args: Any) -> Any:
    """Calls a step with as many of the arguments as it takes: batch, or batch and batch_idx."""
    parameters = inspect.signature(step).parameters.values()
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return step(*args)
    return step(*args[: len(parameters)])
