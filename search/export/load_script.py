"""The code that a user of an exported model runs: made from its manifest, shown in its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from paretune.search.study.tables import RUNTIMES

MOST_NAMES = 100
"""Classes that the code names; more would hide it."""

SCRIPT = '''\
"""Runs {file}, with {runtime} and NumPy alone: python {script}"""

from pathlib import Path

import numpy as np
{loading}


HERE = Path(__file__).resolve().parent
{preparing}

if __name__ == "__main__":
    with np.load(HERE / "{probe}") as probe:
        examples = probe["examples"]  # yours here: {what}
    model = load(str(HERE / {quoted}))
    for row in model(prepare(examples)):
        {told}
'''

IMAGES = '''\
MEAN, STD = (np.array(v, dtype=np.float32)[:, None, None] for v in ({mean}, {std}))
{names}

def prepare(images):
    """Images uint8 {shape} -> what the model takes."""
    return ((images / 255 - MEAN) / STD).astype(np.float32)
'''

TEXTS = '''\
TOKENIZER = Tokenizer.from_file(str(HERE / {tokenizer}))
{names}

def prepare(texts):
    """Texts -> token ids int64 [B, {length}], cut and padded."""
    return np.array([found.ids for found in TOKENIZER.encode_batch(list(texts))], dtype=np.int64)
'''


def script_name(runtime: str, several: bool) -> str:
    """`load.py`, or `load_torchscript.py` in an export of several files."""
    return f"load_{runtime}.py" if several else "load.py"


def script_of(artifact: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """The code for one file of an export.

    Args:
        artifact: Its entry in the manifest.
        manifest: Read from a file that anybody may have written: its values are quoted here.
    """
    entry = RUNTIMES.get(artifact["runtime"])
    loading = entry.standalone(entry.Params.model_validate(artifact["options"])).rstrip()
    how = manifest["preprocessing"]
    names = [str(name) for name in how["class_names"]]
    named = len(names) <= MOST_NAMES
    text = {
        "names": f"CLASSES = {_listed(names)}\n" if named else "",
        "mean": [float(value) for value in how.get("mean", ())],
        "std": [float(value) for value in how.get("std", ())],
        "length": int(how.get("length", 0)),
        "tokenizer": _quoted(str(how.get("tokenizer"))),
        "shape": _shape(how),
    }
    if "tokenizer" in how:
        loading = f"from tokenizers import Tokenizer\n{loading}"
        preparing, what = TEXTS, "a list of texts"
    else:
        preparing, what = IMAGES, f"images uint8 {text['shape']}"
    return SCRIPT.format(
        file=str(artifact["file"]),
        quoted=_quoted(str(artifact["file"])),
        runtime=entry.name,
        script=script_name(entry.name, len(manifest["artifacts"]) > 1),
        loading=loading,
        preparing=preparing.format(**text).rstrip() + "\n",
        probe="probe.npz",
        what=what,
        told="print(CLASSES[row.argmax()])"
        if named
        else "print(row.argmax())  # of the class; class_names in manifest.json",
    )


def _quoted(text: str) -> str:
    """A text in Python, whatever is in it."""
    return json.dumps(text) if text.isascii() else repr(text)


def _shape(how: Mapping[str, Any]) -> str:
    return "[" + ", ".join(["B", *(str(int(size)) for size in how["shape"])]) + "]"


def _listed(names: list[str]) -> str:
    """A list in Python, a few names a line."""
    line = f"[{', '.join(map(_quoted, names))}]"
    if len(line) <= 90:
        return line
    rows = [names[i : i + 6] for i in range(0, len(names), 6)]
    return "[\n" + "".join(f"    {', '.join(map(_quoted, row))},\n" for row in rows) + "]"
