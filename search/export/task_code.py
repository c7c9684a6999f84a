"""Parts of the load.py of a model for any task, to be filled in by `task_script`."""

from __future__ import annotations

SCRIPT = """\
\"\"\"Runs {file} with {runtime} and NumPy.

{examples}
{arguments}

In your own code:

    from {module} import load{imports}
    model = load({quoted})
    outputs = model({call})

load({quoted}, log="calls.jsonl") also writes a line for each call; see call_log.py.
\"\"\"

import importlib.util
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
{loading}


HERE = Path(__file__).resolve().parent
# Name, type, and sizes after the batch; a name in place of a size means that it varies.
INPUTS = {inputs}
FORM = {form}  # of the outputs: None is one array
{recording}

{functions}

{preparing}

{meaning}

{main}"""

RAW = """\
if __name__ == "__main__":
    with np.load(HERE / "{probe}", allow_pickle=False) as probe:
        examples = {reading}(sys.argv[1:]) if sys.argv[1:] else list(probe["examples"])
    model = load(HERE / {file})
    for start in range(0, len(examples), 16):
        show(model(prepare(examples[start : start + 16])))
"""

ARRAYS = """\
if __name__ == "__main__":
    names = [name for name, _, _ in INPUTS]
    if sys.argv[1:]:
        with np.load(sys.argv[1], allow_pickle=False) as file:
            inputs = [file[name] for name in names]
    else:
        with np.load(HERE / "{probe}", allow_pickle=False) as probe:
            inputs = [probe["inputs." + name] for name in names]
    show(load(HERE / {file})(*inputs))
"""

TABLE = """\
COLUMNS = {columns}
MEAN = {mean}
STD = {std}

"""

TENSORS = """\
MEAN = {mean}
STD = {std}


def prepare(examples: Any) -> Any:
    \"\"\"Returns the model's inputs: examples [B, ...] as float32, normalized as in training.\"\"\"
    values = np.asarray(examples, dtype=np.float32)
    if MEAN is None:
        return values
    return (values - np.array(MEAN, dtype=np.float32)) / np.array(STD, dtype=np.float32)


def read(files: Any) -> Any:
    \"\"\"Returns the examples in .npy files, each an array [B, ...].\"\"\"
    return np.concatenate([np.load(file, allow_pickle=False) for file in files])
"""

LANGUAGE = """\
TOKENIZER = Tokenizer.from_file(str(HERE / {tokenizer}))
LENGTH = {length}


def prepare(texts: Any) -> Any:
    \"\"\"Returns the model's inputs int64 [B, {length}] of texts, or of arrays of token ids.

    The last tokens of a long text count; a short one is filled with 0 at its end.
    \"\"\"
    rows = [ids_of(text)[-LENGTH:] for text in ([texts] if isinstance(texts, str) else texts)]
    return np.array([row + [0] * (LENGTH - len(row)) for row in rows], dtype=np.int64)


def ids_of(text: Any) -> list[int]:
    \"\"\"Returns the token ids of a text; ids stay as they are.\"\"\"
    if isinstance(text, str):
        return list(TOKENIZER.encode(text, add_special_tokens=False).ids)
    return [int(number) for number in text]


def complete(model: Any, text: str, tokens: int = 20) -> str:
    \"\"\"Returns a text with the likeliest tokens after it, one by one.\"\"\"
    ids = ids_of(text)
    for _ in range(tokens if ids else 0):
        logits = model(prepare([ids]))[0, min(len(ids), LENGTH) - 1]
        ids.append(int(logits.argmax()))
    return str(TOKENIZER.decode(ids))
"""

LANGUAGE_MAIN = """\
if __name__ == "__main__":
    with np.load(HERE / "{probe}", allow_pickle=False) as probe:
        stored = [TOKENIZER.decode(ids_of(ids)) for ids in probe["examples"][:2]]
    model = load(HERE / {file})
    for text in sys.argv[1:] or stored:
        print(complete(model, text))
"""

TOKENS = """\
def prepare(examples: Any) -> Any:
    \"\"\"Returns the model's inputs: token ids [B, T] as int64.\"\"\"
    return np.asarray(examples, dtype=np.int64)


def read(files: Any) -> Any:
    \"\"\"Returns the token ids in .npy files, each an array [B, T].\"\"\"
    return np.concatenate([np.load(file, allow_pickle=False) for file in files])
"""

SHOW_ANY = """\
def show(outputs: Any, name: str = "output") -> None:
    \"\"\"Prints type and shape of each output; your own code knows what they mean.\"\"\"
    if isinstance(outputs, np.ndarray):
        print(f"{name}: {outputs.dtype} {list(outputs.shape)}")
    elif isinstance(outputs, dict):
        for key, value in outputs.items():
            show(value, f"{name}[{key!r}]")
    else:
        for key, value in enumerate(outputs or ()):
            show(value, f"{name}[{key}]")
"""

SHOW_CLASS = """\
def decode(outputs: Any) -> Any:
    \"\"\"Returns the name of each example's class.\"\"\"
    return [name_of(number) for number in outputs.argmax(1)]


def show(outputs: Any) -> None:
    \"\"\"Prints the class of each example.\"\"\"
    print(*decode(outputs), sep="\\n")
"""

SHOW_LABELS = """\
def decode(outputs: Any) -> Any:
    \"\"\"Returns the names of each example's labels: those with a logit above 0.\"\"\"
    return [[name_of(number) for number in np.flatnonzero(row > 0)] for row in outputs]


def show(outputs: Any) -> None:
    \"\"\"Prints the labels of each example.\"\"\"
    for names in decode(outputs):
        print(", ".join(names) or "no label")
"""

SHOW_VALUES = """\
def decode(outputs: Any) -> Any:
    \"\"\"Returns name -> value of each example, in the units of the targets.\"\"\"
    return [{name_of(number): float(value) for number, value in enumerate(row)} for row in outputs]


def show(outputs: Any) -> None:
    \"\"\"Prints the values of each example.\"\"\"
    for values in decode(outputs):
        print(", ".join(f"{name} {value:g}" for name, value in values.items()))
"""

SHOW_MASK = """\
def decode(outputs: Any) -> Any:
    \"\"\"Returns the class of each pixel, int64 [B, H, W].\"\"\"
    return outputs.argmax(1)


def show(outputs: Any) -> None:
    \"\"\"Prints the shares of the classes in each mask.\"\"\"
    for mask in decode(outputs):
        numbers, counts = np.unique(mask, return_counts=True)
        shares = sorted(zip(counts / mask.size, numbers), reverse=True)
        print(", ".join(f"{name_of(number)} {100 * share:.1f} %" for share, number in shares))
"""

SHOW_NEXT = """\
def decode(outputs: Any) -> Any:
    \"\"\"Returns the likeliest token after each position, int64 [B, T].\"\"\"
    return outputs.argmax(2)


def show(outputs: Any) -> None:
    \"\"\"Prints the likeliest token after the last position of each text.\"\"\"
    for tokens in decode(outputs):
        print(name_of(tokens[-1]))
"""

SHOW_BOXES = """\
def show(outputs: Any) -> None:
    \"\"\"Prints the objects of each image.\"\"\"
    for number, objects in enumerate(decode(outputs)):
        print(f"image {number}: {len(objects['names'])} objects")
        for box, score, name in zip(*(objects[key] for key in ("boxes", "scores", "names"))):
            print(f"  {name} {score:.2f} at {', '.join(f'{side:.0f}' for side in box)}")
"""

SHOWS = {
    "class": SHOW_CLASS,
    "labels": SHOW_LABELS,
    "values": SHOW_VALUES,
    "mask": SHOW_MASK,
    "next": SHOW_NEXT,
}

NAME_OF = """\
NAMES = {names}


def name_of(number: Any) -> str:
    \"\"\"Returns the name of a {what}; its number if it has none.\"\"\"
    return NAMES[number] if number < len(NAMES) else {unnamed}


"""

UNNAMED = {
    "class": ("class", 'f"class {number}"'),
    "labels": ("label", 'f"label {number}"'),
    "values": ("value", 'f"value {number}"'),
    "mask": ("class", 'f"class {number}"'),
    "next": ("token", 'f"token {number}"'),
}
"""Kind of targets -> what has a name, and the code of the name of one that has none."""
