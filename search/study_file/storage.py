"""Where a study's database is."""

from __future__ import annotations

import re
from pathlib import Path


def storage_url(given: str, folder: Path) -> str:
    """A SQLAlchemy URL: a SQLite file in the study's folder, or what is given."""
    if given == "sqlite":
        return f"sqlite:///{folder / 'study.db'}"
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", given)
