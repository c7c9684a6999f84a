"""Opens the study database.

SQLite is opened with WAL, synchronous=NORMAL and a busy timeout: readers never block the writer,
a killed process loses no committed transaction, and a commit costs no fsync
(https://www.sqlite.org/wal.html).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.engine import make_url

from paretune.search.database import tables
from paretune.search.database.base import exclusive_transaction
from paretune.search.database.damage import (
    BUSY_SECONDS,
    PREFIX,
    DatabaseError,
    explained,
    gone_text,
    refuse_damage,
    run_command,
)
from paretune.search.database.outage import OPTION, Outage
from paretune.search.errors import UserError
from paretune.search.shell import without_password


def open_engine(url: str, create: bool = False, outage: Outage | None = None) -> sa.Engine:
    """Opens an engine on the study database.

    Args:
        url: Its storage URL.
        create: Creates the database, its folder and Paretune's tables if they do not exist.
        outage: How a run waits for the server later; None to fail at once.

    Raises:
        UserError: The URL is invalid, the file is missing or no database, or no server answers.
    """
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError as error:
        raise UserError(
            f'storage: "{without_password(url)}" is not a database URL; give sqlite, '
            "sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        ) from error
    sqlite = parsed.get_backend_name() == "sqlite"
    file = Path(parsed.database or "")
    if sqlite:
        _refuse_file(file, create)
    url_text = parsed.render_as_string(hide_password=True)
    try:
        engine = sa.create_engine(
            parsed,
            connect_args=_connect_options(parsed),
            execution_options={OPTION: outage},
            json_deserializer=decoded,
        )
    except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        extra = " (pip install 'paretune[postgres]')" if "postgres" in url else ""
        raise UserError(
            f"storage: {url_text}: no driver for this database{extra}: {error}"
        ) from error
    if sqlite:
        sa.event.listen(engine, "connect", set_pragmas)
    try:
        with explained(url):
            if create:
                with creation_lock(engine):
                    create_tables(engine, tables.metadata.sorted_tables)
            else:
                with engine.connect() as connection:
                    connection.execute(sa.select(sa.literal(1)))
    except sa.exc.DBAPIError as error:
        raise UserError(
            f"storage: {url_text} cannot be used as a database: {error.orig}"
        ) from error
    if sqlite:
        _watch_file(engine, file)
    return engine


def decoded(text: str | bytes) -> Any:
    """Decodes JSON in half of the time of `json.loads`; every worker reads every trial.

    Args:
        text: From the driver: bytes on PostgreSQL, else a string.

    Raises:
        ValueError: It is no JSON.
    """
    if isinstance(text, bytes):
        text = text.decode()
    if text == "{}":
        return {}
    try:
        value, end = _RAW_DECODE(text)
    except ValueError:  # or it begins with a space
        return json.loads(text)
    return value if end == len(text) else json.loads(text)


_RAW_DECODE = json.JSONDecoder().raw_decode


def _connect_options(url: sa.URL) -> dict[str, Any]:
    """Returns options of the driver that the URL does not set.

    Without them a link that drops its packets holds a worker for hours
    (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS).
    """
    match url.get_backend_name():
        case "sqlite":
            return {"timeout": BUSY_SECONDS}
        case "postgresql":
            return {name: value for name, value in _LINK.items() if name not in url.query}
    return {}


_LINK = {
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def _refuse_file(file: Path, create: bool) -> None:
    """Refuses a file that cannot be a study database.

    Args:
        file: The SQLite file.
        create: Whether a missing file is created.

    Raises:
        UserError: It is a folder, is missing, is not a database or is one of another program.
    """
    if file.is_dir():
        raise UserError(f"{file}: is a folder; a study database is a file")
    if not file.is_file():
        if not create:
            raise UserError(
                f"{file}: there is no study database; start it with: {run_command(file)}"
            )
        _make_folder(file.parent)
    elif create:
        refuse_damage(f"{PREFIX}{file}")
        _refuse_foreign_tables(file)


def _refuse_foreign_tables(file: Path) -> None:
    """Refuses to write into the database of another program, except one of Optuna."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        names = [name for (name,) in rows]
        if names and not {tables.studies.name, "studies"} & set(names):
            raise UserError(
                f"{file}: is the database of another program (it has the tables "
                f"{', '.join(names[:5])}{', ...' if len(names) > 5 else ''}); "
                "give the study another file: --storage sqlite:///FILE"
            )


def _watch_file(engine: sa.Engine, file: Path) -> None:
    """Refuses to go on if the file is removed or replaced while the engine uses it.

    SQLite would write to the removed file without an error, and the trials would be lost.
    """
    first = _identity(file)

    def check(*_: object) -> None:
        now = _identity(file)
        if now != first:
            raise DatabaseError(gone_text(file, replaced=now is not None))

    sa.event.listen(engine, "checkout", check)
    sa.event.listen(engine, "do_connect", check)  # before SQLite makes a new, empty file


def _identity(file: Path) -> tuple[int, int] | None:
    """Returns device and inode of a file; None if it is gone."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def create_tables(engine: sa.Engine, wanted: Sequence[sa.Table]) -> None:
    """Creates the tables and indexes that are missing, all of them or none.

    A process that is killed between a table and its index would leave the table without it, and
    `MetaData.create_all` adds no index to a table that exists. Without its unique index, Optuna's
    table takes a second study of the same name.

    Raises:
        sqlalchemy.exc.IntegrityError: Rows break a unique index that was missing.
    """
    if _are_there(engine, wanted):
        return  # without the lock, which would hold up the workers of a running study
    with exclusive_transaction(engine) as connection:
        for table in wanted:
            table.create(connection, checkfirst=True)
            columns = {column["name"] for column in sa.inspect(connection).get_columns(table.name)}
            for index in table.indexes:
                if columns >= {column.name for column in index.columns}:  # else an older table
                    index.create(connection, checkfirst=True)


def _are_there(engine: sa.Engine, wanted: Sequence[sa.Table]) -> bool:
    """Returns whether all tables have been created with all their indexes."""
    names = [table.name for table in wanted]
    stored = {
        name: {index["name"] for index in indexes}
        for (_, name), indexes in sa.inspect(engine).get_multi_indexes(filter_names=names).items()
    }
    return all(
        table.name in stored and {index.name for index in table.indexes} <= stored[table.name]
        for table in wanted
    )


@contextmanager
def creation_lock(engine: sa.Engine) -> Iterator[None]:
    """Lets one worker at a time create tables.

    Neither database does that by itself: `CREATE TABLE IF NOT EXISTS` fails if another transaction
    has just created the table.
    """
    match engine.url.get_backend_name():
        case "sqlite":
            with FileLock(f"{engine.url.database}.lock"):
                yield
        case "postgresql":
            with engine.connect() as connection:
                connection.execute(sa.select(sa.func.pg_advisory_lock(_CREATION_LOCK)))
                try:
                    yield
                finally:
                    connection.execute(sa.select(sa.func.pg_advisory_unlock(_CREATION_LOCK)))
        case _:
            yield


_CREATION_LOCK = 0x50_61_72_65  # any number that no other lock of the server has: "Pare"


def set_pragmas(connection: Any, _record: Any = None) -> None:
    """Sets the SQLite options of a connection of Paretune's or Optuna's."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute(f"PRAGMA busy_timeout={round(1000 * BUSY_SECONDS)}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{folder}: the study's folder cannot be created: {error.strerror}"
        ) from error
