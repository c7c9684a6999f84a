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
    literal,
    quoted,
    recorder_code,
    script_name,
    session_code,
    text_code,
)
from paretune.search.export.manifest import PROBE
from paretune.search.export.task_code import (
    ARRAYS,
    LANGUAGE,
    LANGUAGE_MAIN,
    NAME_OF,
    RAW,
    SCRIPT,
    SHOW_ANY,
    SHOW_BOXES,
    SHOWS,
    TABLE,
    TENSORS,
    TOKENS,
    UNNAMED,
)
from paretune.search.study.tables import RUNTIMES

MARK = "# -- copied from here"


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
        loading=f"{first}{session_code(loading)}",
        recording=recorder_code(artifact, manifest).rstrip(),
        inputs=_inputs(shape),
        form=literal(artifact["info"].get("outputs")),
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
        keys = {key: literal(preprocessing.get(key)) for key in ("columns", "mean", "std")}
        code = TABLE.format(**keys) + _copied("standalone_table.py")
        names = ", ".join(str(column["name"]) for column in preprocessing["columns"])
        call = f"prepare([{{{quoted(str(preprocessing['columns'][0]['name']))}: ..., }}])"
        return code, "import csv\n", "rows.csv ...", f"tables with the columns {names}", call
    if "normalize" in preprocessing:
        constants = {key: literal(preprocessing.get(key)) for key in ("mean", "std")}
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
    listed = literal(names if len(names) <= MOST_NAMES else [])
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
    return literal(rows)


@cache
def _copied(name: str) -> str:
    """Returns the functions of a standalone file below its mark."""
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return text.partition(MARK)[2].partition("\n")[2].strip() + "\n"
