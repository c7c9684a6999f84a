"""The version of the tables, which must match that of the database."""

from __future__ import annotations

SCHEMA = 5
"""Version of the tables (search/database/tables.py); a database of another version is refused."""


LACKS = {4: "they lack the results on each example, by which accuracies are compared"}
"""Version -> what its tables lack."""


def wrong_version(version: int) -> str:
    """Returns the error text for a database with tables of another version."""
    lacks = f" ({LACKS[version]})" if version in LACKS else ""
    return (
        f"storage: the tables are of version {version}{lacks}, this Paretune writes {SCHEMA}; "
        "give the study another storage"
    )
