"""Converts programs of torch.export to .tflite files; run by the Python that has litert-torch.

It imports nothing of ours, as that Python has not got it. Each line of standard input is JSON
{"program", "file"}; each gets a line {"error": null or text} on standard output.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Converts until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the converter prints
    for line in sys.stdin:
        order = json.loads(line)
        try:
            convert(order["program"], order["file"])
            error = None
        except Exception as reason:  # whatever the converter raises is the answer
            error = f"{type(reason).__name__}: {str(reason).strip().splitlines()[0]}"
        answers.write(json.dumps({"error": error}) + "\n")
        answers.flush()


def convert(source: str, target: str) -> None:
    """Writes the .tflite file of a program."""
    import litert_torch
    import torch

    program = torch.export.load(source)
    example, _ = program.example_inputs
    litert_torch.convert(program.module(), example).export(target)


if __name__ == "__main__":
    main()
