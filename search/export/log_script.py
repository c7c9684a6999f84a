"""call_log.py of an export: writes the log that `paretune monitor` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.inputs import signature_of
from paretune.search.study.tables import RUNTIMES

if TYPE_CHECKING:
    from paretune.search.data.dataset import Dataset

CALL_LOG = "call_log.py"

MONITORING = "monitoring"
"""Key of the manifest: what a log sums up, and the reference that it is compared with."""

MOST_NAMES = 100
"""Names of classes or values that a log uses."""

MARK = "# -- copied from here"

BEGIN = '''\
"""Writes a line of JSON for each call of the model: seconds, batch and a few statistics.

load.py uses it if you ask for a log: load("model.onnx", log="calls.jsonl"), or the environment
variable PARETUNE_LOG. No input and no output is written, only the statistics below.
`paretune monitor` compares the log with the manifest.
"""

import hashlib
import json
import logging
import math
import os
import platform
import random
import threading
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

'''

RECORDER = '''\
# What a log sums up; None: this export has no log.
CALLS = {calls}


def recorder(path: str, log: Any, options: Any) -> Any:
    """Returns the log of call_log.py, or None; the variable PARETUNE_LOG names one, too."""
    log = os.environ.get("PARETUNE_LOG") if log is None else log
    if not log:
        return None
    if CALLS is None:
        raise ValueError("this export has no log; export the trial again")
    spec = importlib.util.spec_from_file_location("call_log", HERE / "call_log.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.call_log(path, log, CALLS, options)
'''
"""The part of load.py that begins a log."""


def calls_of(data: Dataset, task: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns what a log sums up, as JSON: kind of outputs, names, and inputs.

    Args:
        data: Data of the study.
        task: Entry `task` of the manifest; None for classes of images and texts.
    """
    facts = task or {"kind": "class", "names": data.preprocessing().get("class_names", [])}
    names = [str(name) for name in facts["names"]]
    unknown = _unknown_token(data)
    inputs = []
    for each in signature_of(data.shape).inputs:
        tokens = each.limit is not None and each.dtype.startswith("int")
        facts_of_tokens = {"tokens": True, "padding": 0, "unknown": unknown} if tokens else {}
        inputs.append({"name": each.name, **facts_of_tokens})
    return {
        "kind": facts["kind"],
        "names": names if len(names) <= MOST_NAMES else [],
        "inputs": inputs,
        **{key: facts[key] for key in ("image", "overlap") if key in facts},
    }


def calls_for(artifact: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any] | None:
    """Returns CALLS of load.py for one file; None if the manifest is from before there were logs.

    Args:
        artifact: The file's entry.
        manifest: Content of the manifest.
    """
    monitoring = manifest.get(MONITORING)
    if not isinstance(monitoring, Mapping):
        return None
    runtime = RUNTIMES.get(artifact["runtime"])
    form = artifact.get("info", {}).get("outputs")
    calls = dict(monitoring["calls"])
    if form is not None:
        calls |= {"kind": None, "outputs": leaf_names(form)}
    return {**calls, "runtime": runtime.name, "packages": ["numpy", *runtime.packages]}


def leaf_names(form: Any, name: str = "") -> list[str]:
    """Returns the names of the arrays in a form of outputs: "boxes", "0", "heads.1"."""
    if form is None:
        return [name or "output"]
    if form == "absent":
        return []
    [(kind, members)] = form.items()
    items = members.items() if kind == "dict" else enumerate(members)
    return [
        leaf
        for key, member in items
        for leaf in leaf_names(member, f"{name}.{key}" if name else str(key))
    ]


@cache
def call_log_text() -> str:
    """Returns call_log.py; it is the same for all exports."""
    parts = [_copied("standalone_summary.py"), _copied("standalone_log.py")]
    return BEGIN + "\n\n".join(parts)


def _copied(name: str) -> str:
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return text.partition(MARK)[2].partition("\n")[2].strip() + "\n"


def _unknown_token(data: Dataset) -> int | None:
    """Returns the id of the token for unknown words; None if the tokenizer has none."""
    for name, text in data.assets().items():
        if name.endswith(".json"):
            model = json.loads(text).get("model") or {}
            vocabulary = model.get("vocab")
            if isinstance(vocabulary, dict):
                return vocabulary.get(model.get("unk_token"))
            if isinstance(model.get("unk_id"), int):  # unigram models
                return int(model["unk_id"])
    return None
