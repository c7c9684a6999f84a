"""Where a study's own Python code is found."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def find_user_code(folder: Path) -> None:
    """Lets `pkg.mod:Net` lie beside the study file or in the current folder, after all else."""
    for place in (str(folder), os.getcwd()):
        if place not in sys.path:
            sys.path.append(place)
