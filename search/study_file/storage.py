"""The URL of a study's database."""

from __future__ import annotations

import re
from pathlib import Path


def storage_url(storage: str, folder: Path) -> str:
    """Returns the SQLAlchemy URL of a storage.

    Args:
        storage: "sqlite" for a file in the study's folder, or a URL.
        folder: The study's folder.
    """
    if storage == "sqlite":
        return f"sqlite:///{folder / 'study.db'}"
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", storage)
