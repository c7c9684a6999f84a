"""The variables of this process that workers on other hosts need, such as passwords."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from paretune.search.study.spec import canonical

PREFIXES = ("PARETUNE_", "PG", "AWS_", "FSSPEC_", "MLFLOW_", "WANDB_")

REFERENCE = re.compile(r'"env:([A-Za-z_]\w*)"')
"""Says in a study file that a variable holds an option's value."""


def travelling_variables(source: Mapping[str, Any]) -> dict[str, str]:
    """Returns variables of passwords and keys, and those that the study file names.

    They are arguments of the tasks: Ray's logs show the variables of a `runtime_env`.

    Args:
        source: The study file as plain data.
    """
    named = set(REFERENCE.findall(canonical(source)))
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(PREFIXES) or name in named
    }
