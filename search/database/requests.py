"""The table of requests: whether the user wants a study to run, to pause or to stop."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from paretune.search.database import tables
from paretune.search.database.base import Tables, exclusive_transaction, reading
from paretune.search.database.engine import create_tables
from paretune.search.database.worker_rows import OPTIONS, RUN, WANTED
from paretune.search.shell import without_password


class Requests(Tables):
    """What the user asks of the workers of a study."""

    def wanted(self) -> dict[str, Any]:
        """Returns the last request: `wanted` is run, pause or stop, `time` its Unix time."""
        with reading(self.engine) as connection:
            value = connection.execute(_READ, {"of": WANTED}).scalar()
        return dict(value) if value else {"wanted": RUN, "time": 0.0}

    def want(self, wanted: str) -> None:
        """Asks the workers to run, to pause or to stop."""
        self._write_request(WANTED, {"wanted": wanted, "time": time.time()})

    def write_options(self, words: Sequence[str]) -> None:
        """Writes the options of `paretune run`, which a later run from the page needs as well."""
        self._write_request(OPTIONS, {"options": [without_password(word) for word in words]})

    def _write_request(self, name: str, value: Mapping[str, Any]) -> None:
        """Writes a row; makes the table in a database of an older Paretune."""
        create_tables(self.engine, [tables.requests])
        with exclusive_transaction(self.engine) as connection:
            connection.execute(_DELETE, {"of": name})
            connection.execute(sa.insert(tables.requests), {"name": name, "value": dict(value)})


_READ = sa.select(tables.requests.c.value).where(tables.requests.c.name == sa.bindparam("of"))
_DELETE = sa.delete(tables.requests).where(tables.requests.c.name == sa.bindparam("of"))
