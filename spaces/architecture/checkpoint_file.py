"""Reads a checkpoint file, without unpickling anything that could run code."""

from __future__ import annotations

import importlib
import json
import pickle
import warnings
from pathlib import Path
from typing import Any

from paretune.spaces.architecture.foreign_files import (
    conversion,
    is_safetensors,
    refusal_of,
    weights_path,
)
from paretune.spaces.architecture.pickled_content import (
    ObjectInPickle,
    foreign_objects,
    keys_of_weights,
    read_outline,
)

PICKLED = "which are not loaded because they can run code"


def read_checkpoint(path: str | Path) -> Any:
    """Returns the content of a file of torch.save (weights_only=True), or of a .safetensors file.

    The first bytes tell its kind; its name may have any ending.

    Raises:
        ValueError: The file does not exist, is damaged, is of another kind, or holds Python
            objects; the text says how to convert it.
    """
    file = Path(path)
    if file.is_dir():
        raise ValueError(f"checkpoint {file} is a folder; give the file with the weights")
    if not file.is_file():
        raise ValueError(f"checkpoint {file}: there is no such file")
    try:
        if is_safetensors(file):
            from safetensors.torch import load_file

            return load_file(file)
        refusal = refusal_of(file)
    except Exception as error:  # safetensors raises many kinds for a damaged file
        raise _unreadable(file, error) from error
    if refusal is not None:
        raise ValueError(f"checkpoint {file} {refusal}")
    return _unpickled(file)


def _unpickled(file: Path) -> Any:
    import torch

    try:
        with torch.serialization.safe_globals(_harmless()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns of its own older names
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(f"checkpoint {file} {_pickle_refusal(file)}") from error
    except Exception as error:  # torch's unpickler raises almost anything for a damaged file
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> ValueError:
    reason = (str(error) or type(error).__name__).partition("\n")[0]
    return ValueError(f"checkpoint {file} cannot be read: {reason}; is it cut short?")


def _harmless() -> list[Any]:
    """Returns classes beside tensors that training scripts store, and that only hold values."""
    import argparse
    import pathlib
    import types

    import numpy as np

    try:
        core = importlib.import_module("numpy._core.multiarray")
    except ImportError:  # numpy 1
        core = importlib.import_module("numpy.core.multiarray")
    functions = [core.scalar, core._reconstruct]
    names = [
        (function, f"numpy.{package}.multiarray.{function.__name__}")
        for function in functions
        for package in ("core", "_core")
    ]
    paths = [
        (kind, f"{module}.{kind.__name__.removeprefix('Pure')}")
        for kind in (pathlib.PurePosixPath, pathlib.PureWindowsPath)
        for module in ("pathlib", "pathlib._local")
    ]
    kinds = {type(np.dtype(code)) for code in "?bhilqBHILQefdg"}
    values = [np.dtype, np.ndarray, *kinds, argparse.Namespace, types.SimpleNamespace]
    return [*values, *names, *paths]


def _pickle_refusal(file: Path) -> str:
    """Returns why a pickle is not loaded, with the lines that convert it."""
    try:
        content = read_outline(file)
    except ValueError:
        return (
            f"is damaged, or holds Python objects other than tensors, {PICKLED}; save it again "
            "with torch.save(model.state_dict(), ...)"
        )
    objects = foreign_objects(content)
    modules = [each for each in objects if each.is_module]
    if modules:
        return _module_refusal(file, modules[0])
    kinds = ", ".join(dict.fromkeys(each.path for each in objects)) or "of a plain pickle"
    keys = keys_of_weights(content)
    weights = f"content[{keys[0]!r}]" if keys else "model.state_dict()"
    refused = f"holds Python objects other than tensors ({kinds}), {PICKLED}; "
    if not keys:
        return refused + f"save it again with torch.save({weights}, ...)"
    return (
        refused
        + "if you trust the file, convert it once:"
        + conversion(
            "import torch",
            f'content = torch.load({_text(file)}, map_location="cpu", weights_only=False)',
            f"torch.save({weights}, {_text(weights_path(file))})",
        )
    )


def _module_refusal(file: Path, module: ObjectInPickle) -> str:
    package, _, name = module.path.rpartition(".")
    where = "your_script" if package == "__main__" else package
    keys = "".join(f"[{key!r}]" for key in module.keys)
    target = weights_path(file)
    return (
        f"holds a pickled model of the class {module.path}, not its weights alone; it is not "
        "loaded, because that can run code. If you trust the file, convert it once:"
        + conversion(
            f"import torch; from {where} import {name}",
            f'model = torch.load({_text(file)}, map_location="cpu", weights_only=False){keys}',
            f"torch.save(model.state_dict(), {_text(target)})",
        )
        + f"\nThen give checkpoint: {Path(target).name}"
    )


def _text(value: object) -> str:
    return json.dumps(str(value), ensure_ascii=False)
