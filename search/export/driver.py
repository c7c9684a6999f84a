"""Runs an exported model as its user would: in a process of its own, without Paretune.

`python -I driver.py FOLDER`, where FOLDER is for the arrays that come and go. Jobs come as lines of
JSON, and so do the answers. This file imports nothing of ours, and is imported by nobody.
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

OURS = "paretune"


def main() -> None:
    """Answers jobs until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    user = User(Path(sys.argv[1]))
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer = {"error": None, **getattr(user, job.pop("do"))(**job)}
        except BaseException as error:  # whatever a damaged file makes a library raise
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


class User:
    """Who runs the code of a model card.

    Args:
        folder: For the arrays.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._code: dict[str, Any] = {}
        self._model: Any = None

    def start(self, source: str, file: str, model: str) -> dict[str, Any]:
        """Defines what the code defines, and loads a model."""
        self._code = {"__name__": "load", "__file__": file}
        exec(compile(source, file, "exec"), self._code)
        self._model = self._code["load"](model)
        return {}

    def prepare(self) -> dict[str, Any]:
        """Examples -> what the model takes."""
        np.save(self._folder / "inputs.npy", self._code["prepare"](self._examples()))
        return {}

    def run(self) -> dict[str, Any]:
        """Examples -> logits."""
        inputs = self._code["prepare"](self._examples())
        np.save(self._folder / "logits.npy", np.asarray(self._model(inputs)))
        return {}

    def demonstrate(self, source: str, file: str) -> dict[str, Any]:
        """What the code prints as a program."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(source, file, "exec"), {"__name__": "__main__", "__file__": file})
        return {"said": said.getvalue()}

    def imported(self) -> dict[str, Any]:
        """Modules of Paretune that were imported: there should be none."""
        return {"ours": sorted(name for name in sys.modules if name.partition(".")[0] == OURS)}

    def _examples(self) -> Any:
        texts = self._folder / "examples.json"
        if texts.exists():
            return json.loads(texts.read_text())
        return np.load(self._folder / "examples.npy")


if __name__ == "__main__":
    main()
