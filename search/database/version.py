"""The version of the tables, which must match that of the database."""

from __future__ import annotations

SCHEMA = 5
"""Version of the tables (search/database/tables.py); a database of another version is refused."""


def wrong_version(version: int) -> str:
    """Returns the error text for a database with tables of another version."""
    return (
        f"storage: the tables are of version {version}, this Paretune writes {SCHEMA}; give the "
        "study another storage"
    )
