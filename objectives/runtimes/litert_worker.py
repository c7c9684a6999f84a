"""Converts programs of torch.export to .tflite files; run by the Python that has litert-torch.

It does not import Paretune, which that Python lacks. Each line of standard input is JSON
{"program", "file"}. For each it writes a line {"error": null or text} to standard output.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Converts until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the converter's own prints go to standard error
    for line in sys.stdin:
        request = json.loads(line)
        try:
            convert(request["program"], request["file"])
            error = None
        except Exception as reason:  # any exception of the converter is the answer
            error = f"{type(reason).__name__}: {str(reason).strip().splitlines()[0]}"
        answers.write(json.dumps({"error": error}) + "\n")
        answers.flush()


def convert(source: str, target: str) -> None:
    """Converts a program to a .tflite file."""
    import litert_torch
    import torch

    program = torch.export.load(source)
    example, _ = program.example_inputs
    litert_torch.convert(program.module(), example).export(target)


if __name__ == "__main__":
    main()
