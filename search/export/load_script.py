"""load.py: the code that a user of an exported model runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from paretune.search.data.image_preparation import Preparation
from paretune.search.export.log_script import RECORDER, calls_for
from paretune.search.export.manifest import PROBE
from paretune.search.study.tables import RUNTIMES

MOST_NAMES = 100
"""Most class names that the code lists; a longer list would hide the code."""

SCRIPT = """\
\"\"\"Runs {file} with {runtime} and NumPy.

    python {script}                    the examples in {probe}
    python {script} {arguments}

In your own code:

    from {module} import load, prepare
    model = load({quoted})
    logits = model(prepare({what}))

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
{recording}

{preparing}

if __name__ == "__main__":
    with np.load(HERE / "{probe}") as probe:
        examples = sys.argv[1:] or list(probe["examples"])
    model = load(str(HERE / {quoted}))
    for start in range(0, len(examples), 16):
        for logits in model(prepare(examples[start : start + 16])):
            {show}
"""

LOAD = """\
def load(path: Any, log: Any = None, **options: Any) -> Any:
    \"\"\"Returns the model: inputs -> logits. `log` names a file that gets a line for each call.

    `model(inputs, log_ids=[...])` names the examples in the log. Options: sample, limit, inputs.
    \"\"\"
    session, record = load_session(str(path)), recorder(str(path), log, options)

    def model(inputs: Any, log_ids: Any = None) -> Any:
        start = time.perf_counter()
        logits = session(inputs)
        if record is not None:
            seconds = time.perf_counter() - start
            record(seconds, [inputs], [logits], logits, log_ids)
        return logits

    model.log = record
    return model
"""

IMAGES = """\
SHAPE = {shape}  # channels, height and width of an input
MEAN, STD = (np.array(v, dtype=np.float32)[:, None, None] for v in ({mean}, {std}))
COLOR, EXIF, RESIZE, CROP, FILTER = {pixels}
{names}
"""

IMAGE_CODE = Path(__file__).with_name("standalone_images.py")
"""Source of the functions that prepare images; those below MARK are copied."""

MARK = "# -- copied from here"

TEXTS = """\
TOKENIZER = Tokenizer.from_file(str(HERE / {tokenizer}))
{names}

def prepare(texts):
    \"\"\"Returns the token ids int64 [B, {length}] of texts, cut and padded.\"\"\"
    encodings = TOKENIZER.encode_batch([texts] if isinstance(texts, str) else list(texts))
    return np.array([encoding.ids for encoding in encodings], dtype=np.int64)
"""


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
    loading = session_code(
        runtime.standalone(runtime.Params.model_validate(artifact["options"])).rstrip()
    )
    preprocessing = manifest["preprocessing"]
    names = [str(name) for name in preprocessing["class_names"]]
    named = len(names) <= MOST_NAMES
    name = script_name(runtime.name, len(manifest["artifacts"]) > 1)
    class_line = f"CLASSES = {_list_code(names)}\n" if named else ""
    if "tokenizer" in preprocessing:
        loading = f"from tokenizers import Tokenizer\n{loading}"
        preparing = text_code(preprocessing, class_line)
        what, arguments = '["a text", ...]', '"a text" ...    texts of your own'
    else:
        preparing = image_code(preprocessing, class_line)
        what, arguments = '["photo.jpg", ...]', "photo.jpg ...      image files; they need Pillow"
    return SCRIPT.format(
        file=str(artifact["file"]),
        quoted=quoted(str(artifact["file"])),
        runtime=runtime.name,
        script=name,
        module=name.removesuffix(".py"),
        loading=loading,
        recording=f"{recorder_code(artifact, manifest)}\n\n{LOAD}".rstrip(),
        preparing=preparing.rstrip() + "\n",
        probe=PROBE,
        what=what,
        arguments=arguments,
        show="print(CLASSES[logits.argmax()])"
        if named
        else "print(logits.argmax())  # number of the class; names: class_names in manifest.json",
    )


def session_code(loading: str) -> str:
    """Returns a runtime's code with its function named `load_session`."""
    return loading.replace("def load(", "def load_session(", 1)


def recorder_code(artifact: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Returns the part of load.py that begins a log."""
    return RECORDER.format(calls=literal(calls_for(artifact, manifest)))


def usage_text(artifact: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Returns the few lines that use the script of a file."""
    script = script_name(artifact["runtime"], len(manifest["artifacts"]) > 1)
    is_text = "tokenizer" in manifest["preprocessing"]
    examples = '["a text", "another text"]' if is_text else '["photo.jpg", "another.png"]'
    return (
        f"from {script.removesuffix('.py')} import load, prepare\n\n"
        f"model = load({quoted(str(artifact['file']))})\n"
        f"logits = model(prepare({examples}))  # float32 [B, classes]"
    )


def text_code(preprocessing: Mapping[str, Any], class_line: str) -> str:
    """Returns the function that makes token ids of texts."""
    return TEXTS.format(
        tokenizer=quoted(str(preprocessing["tokenizer"])),
        length=int(preprocessing["length"]),
        names=class_line,
    )


def image_code(preprocessing: Mapping[str, Any], class_line: str) -> str:
    """Returns the constants of a model, and the functions that prepare its images."""
    preparation = Preparation.from_json(preprocessing)
    resize, crop = preparation.resize, preparation.crop
    pixels = (
        str(preparation.color),
        bool(preparation.exif),
        resize if resize is None or isinstance(resize, int) else tuple(map(int, resize)),
        None if crop is None else tuple(map(int, crop)),
        str(preparation.interpolation),
    )
    constants = IMAGES.format(
        shape=tuple(int(side) for side in preprocessing["shape"]),
        mean=[float(value) for value in preprocessing["mean"]],
        std=[float(value) for value in preprocessing["std"]],
        pixels=", ".join(quoted(v) if isinstance(v, str) else repr(v) for v in pixels),
        names=class_line,
    )
    return f"{constants.rstrip()}\n\n\n{_functions().strip()}\n"


@cache
def _functions() -> str:
    """Returns the source of the functions that prepare images."""
    return IMAGE_CODE.read_text(encoding="utf-8").partition(MARK)[2].partition("\n")[2]


def quoted(text: str) -> str:
    """Returns any text as a Python literal."""
    return json.dumps(text) if text.isascii() else repr(text)


def literal(value: Any) -> str:
    """Returns JSON as a Python literal."""
    if isinstance(value, Mapping):
        members = [f"{quoted(str(key))}: {literal(each)}" for key, each in value.items()]
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(literal, value))}]"
    return quoted(value) if isinstance(value, str) else repr(value)


def _list_code(names: list[str]) -> str:
    """Returns a Python list, six names per line if it is long."""
    line = f"[{', '.join(map(quoted, names))}]"
    if len(line) <= 90:
        return line
    rows = [names[i : i + 6] for i in range(0, len(names), 6)]
    return "[\n" + "".join(f"    {', '.join(map(quoted, row))},\n" for row in rows) + "]"
