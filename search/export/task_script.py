"""load.py of a model for any task: arrays in the network's form in and out, and what they mean."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from paretune.inputs import Shape, shape_of_json, signature_of
from paretune.objectives.runtimes.base import standalone_code
from paretune.search.export.load_script import (
    MOST_NAMES,
    image_code,
    quoted,
    script_name,
    text_code,
)
from paretune.search.export.manifest import PROBE
from paretune.search.study.tables import RUNTIMES

MARK = "# -- copied from here"

SCRIPT = """\
\"\"\"Runs {file} with {runtime} and NumPy.

{examples}
{arguments}

In your own code:

    from {module} import load{imports}
    model = load({quoted})
    outputs = model({call})
\"\"\"

import sys
from pathlib import Path
from typing import Any

import numpy as np
{loading}


HERE = Path(__file__).resolve().parent
# Name, type, and sizes after the batch; a name in place of a size means that it varies.
INPUTS = {inputs}
FORM = {form}  # of the outputs: None is one array
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


def task_script_text(artifact: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Returns the code for one file of an export with an entry `task`.

    Args:
        artifact: The file's entry in the manifest.
        manifest: Content of a manifest. An attacker may have written it, so its values are quoted.
    """
    task, preprocessing = manifest["task"], manifest["preprocessing"]
    shape = shape_of_json(task["shape"])
    runtime = RUNTIMES.get(artifact["runtime"])
    options = runtime.Params.model_validate(artifact["options"])
    loading = standalone_code(runtime, options, shape, artifact["info"]).rstrip()
    name = script_name(runtime.name, len(manifest["artifacts"]) > 1)
    preparing, first, arguments, about, call = _preparing(preprocessing, shape)
    kind = task["kind"] if artifact["info"].get("outputs") is None else None
    raw = has_examples(preprocessing)
    imports = [*(["prepare"] if raw else []), *(["decode"] if kind else [])]
    file = quoted(str(artifact["file"]))
    main = RAW if raw else ARRAYS
    if "text_tokenizer" in preprocessing:
        main, imports = LANGUAGE_MAIN, [*imports, "complete"]
    return SCRIPT.format(
        file=str(artifact["file"]),
        quoted=file,
        runtime=runtime.name,
        script=name,
        module=name.removesuffix(".py"),
        imports="".join(f", {each}" for each in imports),
        probe=PROBE,
        examples=f"    python {name:<30} the examples in {PROBE}",
        arguments=f"    python {f'{name} {arguments}':<30} {about}",
        call=call,
        loading=f"{first}{loading.replace('def load(path):', 'def load_session(path):', 1)}",
        inputs=_inputs(shape),
        form=_literal(artifact["info"].get("outputs")),
        functions=f"\n\n{_copied('standalone_inputs.py')}",
        preparing=preparing.rstrip() + "\n",
        meaning=_meaning(task, kind).rstrip() + "\n",
        main=main.format(probe=PROBE, file=file, reading=_reading(preprocessing)),
    )


def task_usage_text(artifact: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Returns the few lines that use the script of a file."""
    script = script_name(artifact["runtime"], len(manifest["artifacts"]) > 1)
    preprocessing, task = manifest["preprocessing"], manifest["task"]
    *_, call = _preparing(preprocessing, shape_of_json(task["shape"]))
    kind = task["kind"] if artifact["info"].get("outputs") is None else None
    imports = [*(["prepare"] if has_examples(preprocessing) else []), *(["decode"] if kind else [])]
    lines = [
        f"from {script.removesuffix('.py')} import {', '.join(['load', *imports])}",
        "",
        f"model = load({quoted(str(artifact['file']))})",
        f"outputs = model({call})",
    ]
    return "\n".join([*lines, *(["answers = decode(outputs)"] if kind else [])])


def has_examples(preprocessing: Mapping[str, Any]) -> bool:
    """Returns whether there are examples that the code prepares: images, texts, or tensors.

    A user's own loader prepares its examples itself.
    """
    return any(key in preprocessing for key in ("scale", "tokenizer", "normalize", "vocabulary"))


def _preparing(preprocessing: Mapping[str, Any], shape: Shape) -> tuple[str, str, str, str, str]:
    """Returns the code that prepares examples, its imports, arguments, what they are, and a call.

    The call is that of the model in a user's own code.
    """
    if "tokenizer" in preprocessing:
        code, first = text_code(preprocessing, ""), "from tokenizers import Tokenizer\n"
        return code, first, '"a text" ...', "texts of your own", 'prepare(["a text", ...])'
    if "scale" in preprocessing:
        code = image_code(preprocessing, "")
        words = "image files; they need Pillow"
        return code, "", "photo.jpg ...", words, 'prepare(["photo.jpg", ...])'
    if "features" in preprocessing:
        keys = {key: _literal(preprocessing.get(key)) for key in ("columns", "mean", "std")}
        code = TABLE.format(**keys) + _copied("standalone_table.py")
        names = ", ".join(str(column["name"]) for column in preprocessing["columns"])
        call = f"prepare([{{{quoted(str(preprocessing['columns'][0]['name']))}: ..., }}])"
        return code, "import csv\n", "rows.csv ...", f"tables with the columns {names}", call
    if "normalize" in preprocessing:
        constants = {key: _literal(preprocessing.get(key)) for key in ("mean", "std")}
        code = TENSORS.format(**constants)
        return code, "", "examples.npy ...", "arrays of examples", "prepare(examples)"
    if "text_tokenizer" in preprocessing:
        code = LANGUAGE.format(
            tokenizer=quoted(str(preprocessing["text_tokenizer"])),
            length=int(preprocessing["length"]),
        )
        first = "from tokenizers import Tokenizer\n"
        return code, first, '"a text" ...', "texts to continue", 'prepare(["a text", ...])'
    if "vocabulary" in preprocessing:
        return TOKENS, "", "tokens.npy ...", "arrays of token ids", "prepare(tokens)"
    names = ", ".join(signature_of(shape).names)
    return "", "", "inputs.npz", f"your own arrays {names}", names


def table_code(preprocessing: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the functions of load.py that read and prepare the rows of a table."""
    code: dict[str, Any] = {
        "COLUMNS": preprocessing["columns"],
        "MEAN": preprocessing["mean"],
        "STD": preprocessing["std"],
        "np": np,
        "csv": csv,
        "Path": Path,
        "Any": Any,
    }
    exec(compile(_copied("standalone_table.py"), "standalone_table.py", "exec"), code)
    return code


def _reading(preprocessing: Mapping[str, Any]) -> str:
    """Returns the code that makes examples of the arguments: paths and texts stay as they are."""
    plain = "scale" in preprocessing or "tokenizer" in preprocessing
    return "list" if plain else "read"


def _meaning(task: Mapping[str, Any], kind: str | None) -> str:
    """Returns the code that says what outputs mean."""
    names = [str(name) for name in task["names"]]
    listed = _literal(names if len(names) <= MOST_NAMES else [])
    if kind == "boxes":
        height, width = map(int, task["image"])
        constants = f"NAMES = {listed}\nIMAGE, OVERLAP = ({height}, {width}), {task['overlap']:g}"
        return f"{constants}\n\n\n{_copied('standalone_boxes.py')}\n\n{SHOW_BOXES}"
    if kind not in SHOWS:
        return SHOW_ANY
    what, unnamed = UNNAMED[kind]
    return NAME_OF.format(names=listed, what=what, unnamed=unnamed) + SHOWS[kind]


def _inputs(shape: Shape) -> str:
    """Returns the inputs as Python: [("ids", "int64", ["length"])]."""
    rows = []
    for each in signature_of(shape).inputs:
        varying = dict(each.dynamic)
        sizes = [varying.get(axis, int(size)) for axis, size in enumerate(each.shape)]
        rows.append([str(each.name), str(each.dtype), sizes])
    return _literal(rows)


def _literal(value: Any) -> str:
    """Returns JSON as a Python literal."""
    if isinstance(value, Mapping):
        members = [f"{quoted(str(key))}: {_literal(each)}" for key, each in value.items()]
        return f"{{{', '.join(members)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return quoted(value) if isinstance(value, str) else repr(value)


@cache
def _copied(name: str) -> str:
    """Returns the functions of a standalone file below its mark."""
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return text.partition(MARK)[2].partition("\n")[2].strip() + "\n"
