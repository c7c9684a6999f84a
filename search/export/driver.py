"""Runs an exported model as its user would: in a separate process, without Paretune.

`python -I driver.py FOLDER` reads a job in JSON from each line of its standard input, and answers
with a line of JSON. Inputs and logits are exchanged as files in FOLDER. This file imports nothing
from Paretune, and no module imports it.
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = "paretune"


def main() -> None:
    """Answers jobs until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the output of a library must not mix with the answers
    user = ModelUser(Path(sys.argv[1]))
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = {"error": None, **getattr(user, job.pop("do"))(**job)}
        except BaseException as error:  # a damaged file may make a library raise anything
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


class ModelUser:
    """Runs the code of a model card.

    Args:
        folder: Folder of the examples; inputs and logits are written to it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._code: dict[str, Any] = {}
        self._model: Any = None

    def start(self, source: str, file: str, model: str) -> dict[str, Any]:
        """Defines the functions of the code, and loads a model with them."""
        self._code = {"__name__": "load", "__file__": file}
        exec(compile(source, file, "exec"), self._code)
        self._model = self._code["load"](model)
        return {}

    def prepare(self) -> dict[str, Any]:
        """Writes the model's inputs for the examples."""
        np.save(self._folder / "inputs.npy", self._code["prepare"](self._examples()))
        return {}

    def run(self) -> dict[str, Any]:
        """Writes the logits of the examples."""
        inputs = self._code["prepare"](self._examples())
        np.save(self._folder / "logits.npy", np.asarray(self._model(inputs)))
        return {}

    def prepare_arrays(self) -> dict[str, Any]:
        """Writes the model's inputs for the examples, each array of a tuple or dict."""
        self._write("inputs.npz", self._code["prepare"](self._examples()))
        return {}

    def run_arrays(self) -> dict[str, Any]:
        """Writes the model's outputs for the arrays of its inputs."""
        with np.load(self._folder / "inputs.npz") as inputs:
            arrays = [inputs[str(number)] for number in range(len(inputs.files))]
        self._write("outputs.npz", self._model(*arrays))
        return {}

    def run_as_program(self, source: str, file: str) -> dict[str, Any]:
        """Runs the code as a program and returns its output."""
        printed = io.StringIO()
        sys.argv = [file]  # without the arguments of this process
        with contextlib.redirect_stdout(printed):
            exec(compile(source, file, "exec"), {"__name__": "__main__", "__file__": file})
        return {"printed": printed.getvalue()}

    def paretune_modules(self) -> dict[str, Any]:
        """Returns the imported modules of Paretune; there should be none."""
        names = [name for name in sys.modules if name.partition(".")[0] == PACKAGE]
        return {"modules": sorted(names)}

    def _write(self, name: str, nest: Any) -> None:
        """Writes the arrays of a nest in order."""
        arrays = {str(number): array for number, array in enumerate(leaves_of(nest))}
        np.savez(self._folder / name, **arrays)

    def _examples(self) -> Any:
        texts = self._folder / "examples.json"
        if texts.exists():
            return json.loads(texts.read_text())
        return np.load(self._folder / "examples.npy")


def leaves_of(nest: Any) -> list[Any]:
    """Returns the arrays of a nest in order, without members that are None."""
    if isinstance(nest, dict | list | tuple):
        members = nest.values() if isinstance(nest, dict) else nest
        return [leaf for member in members if member is not None for leaf in leaves_of(member)]
    return [np.asarray(nest)]


if __name__ == "__main__":
    main()
