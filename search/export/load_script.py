"""load.py: the code that a user of an exported model runs. The model card shows it, too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from paretune.search.export.manifest import PROBE
from paretune.search.study.tables import RUNTIMES

MOST_NAMES = 100
"""Most class names that the code lists; a longer list would hide the code."""

SCRIPT = '''\
"""Runs {file} with {runtime} and NumPy: python {script}"""

from pathlib import Path

import numpy as np
{loading}


HERE = Path(__file__).resolve().parent
{preparing}

if __name__ == "__main__":
    with np.load(HERE / "{probe}") as probe:
        examples = probe["examples"]  # replace by your own: {what}
    model = load(str(HERE / {quoted}))
    for logits in model(prepare(examples)):
        {show}
'''

IMAGES = '''\
MEAN, STD = (np.array(v, dtype=np.float32)[:, None, None] for v in ({mean}, {std}))
{names}

def prepare(images):
    """Returns the model's inputs for images uint8 {shape}."""
    return ((images / 255 - MEAN) / STD).astype(np.float32)
'''

TEXTS = '''\
TOKENIZER = Tokenizer.from_file(str(HERE / {tokenizer}))
{names}

def prepare(texts):
    """Returns the token ids int64 [B, {length}] of texts, cut and padded."""
    encodings = TOKENIZER.encode_batch(list(texts))
    return np.array([encoding.ids for encoding in encodings], dtype=np.int64)
'''


def script_name(runtime: str, several: bool) -> str:
    """Returns `load.py`, or `load_torchscript.py` in an export of several files."""
    return f"load_{runtime}.py" if several else "load.py"


def script_text(artifact: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Returns the code for one file of an export.

    Args:
        artifact: The file's entry in the manifest.
        manifest: Content of a manifest. An attacker may have written it, so its values are quoted.
    """
    runtime = RUNTIMES.get(artifact["runtime"])
    loading = runtime.standalone(runtime.Params.model_validate(artifact["options"])).rstrip()
    preprocessing = manifest["preprocessing"]
    names = [str(name) for name in preprocessing["class_names"]]
    named = len(names) <= MOST_NAMES
    values = {
        "names": f"CLASSES = {_list_code(names)}\n" if named else "",
        "mean": [float(value) for value in preprocessing.get("mean", ())],
        "std": [float(value) for value in preprocessing.get("std", ())],
        "length": int(preprocessing.get("length", 0)),
        "tokenizer": _quoted(str(preprocessing.get("tokenizer"))),
        "shape": _batch_shape(preprocessing),
    }
    if "tokenizer" in preprocessing:
        loading = f"from tokenizers import Tokenizer\n{loading}"
        preparing, what = TEXTS, "a list of texts"
    else:
        preparing, what = IMAGES, f"images uint8 {values['shape']}"
    return SCRIPT.format(
        file=str(artifact["file"]),
        quoted=_quoted(str(artifact["file"])),
        runtime=runtime.name,
        script=script_name(runtime.name, len(manifest["artifacts"]) > 1),
        loading=loading,
        preparing=preparing.format(**values).rstrip() + "\n",
        probe=PROBE,
        what=what,
        show="print(CLASSES[logits.argmax()])"
        if named
        else "print(logits.argmax())  # number of the class; names: class_names in manifest.json",
    )


def _quoted(text: str) -> str:
    """Returns any text as a Python literal."""
    return json.dumps(text) if text.isascii() else repr(text)


def _batch_shape(preprocessing: Mapping[str, Any]) -> str:
    return "[" + ", ".join(["B", *(str(int(size)) for size in preprocessing["shape"])]) + "]"


def _list_code(names: list[str]) -> str:
    """Returns a Python list, six names per line if it is long."""
    line = f"[{', '.join(map(_quoted, names))}]"
    if len(line) <= 90:
        return line
    rows = [names[i : i + 6] for i in range(0, len(names), 6)]
    return "[\n" + "".join(f"    {', '.join(map(_quoted, row))},\n" for row in rows) + "]"
