"""Explains why a study database cannot be used: damaged, gone, locked, full or not readable.

The texts name the file, what is wrong, what is left of the study, and what to type.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from shlex import quote

from paretune.search.errors import UserError
from paretune.search.shell import command_text, without_password

PREFIX = "sqlite:///"
"""Start of the storage URL of a SQLite file."""

BUSY_SECONDS = 60.0
"""Longest wait for another process that writes."""

SUFFIXES = (".yaml", ".yml")

NOT_SQLITE = "its content is not that of a SQLite database"

_CODE = 0xFF
"""Bits of an extended SQLite error code that hold the primary one (https://sqlite.org/rescode.html)."""


class DatabaseError(UserError):
    """The study database cannot be used; the text says why, and how to go on."""


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turns the errors of a study database in the body into texts for users.

    An error of another kind passes, unless the file turns out to be damaged: wrong content of a
    table may cause any error.

    Args:
        url: Storage URL of the database.

    Raises:
        DatabaseError: The database cannot be used.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        text = problem_text(url, error)
        if text is None:
            raise
        raise DatabaseError(text) from error


def problem_text(url: str, error: BaseException) -> str | None:
    """Returns what is wrong with a database; None if the error has another cause.

    Args:
        url: Storage URL of the database.
        error: What a statement raised.
    """
    file = sqlite_file(url)
    if file is None:
        return _server_text(url, error)
    cause = _sqlite_error(error)
    if not file.exists():
        return gone_text(file) if cause is not None else None
    if cause is None:
        damage = find_damage(file)
        return None if damage is None else damage_text(file, damage)
    return _sqlite_text(file, cause)


def sqlite_file(url: str) -> Path | None:
    """Returns the file of a SQLite URL; None for another database."""
    if not url.startswith("sqlite"):
        return None
    return Path(url.partition("///")[2].partition("?")[0])


def find_damage(file: Path) -> str | None:
    """Returns what SQLite finds wrong in the pages of a file; None if nothing.

    Args:
        file: An existing file.
    """
    try:
        with closing(sqlite3.connect(f"file:{_escaped(file)}?mode=ro", uri=True)) as connection:
            rows = connection.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.DatabaseError as error:
        match _primary_code(error):
            case sqlite3.SQLITE_NOTADB:
                return NOT_SQLITE
            case sqlite3.SQLITE_CORRUPT:
                return str(error)
        return None
    text = str(rows[0][0]) if rows else "ok"
    return None if text == "ok" else text.replace("\n", " ")


def refuse_damage(url: str, most_bytes: int | None = None) -> None:
    """Refuses a SQLite file with damaged pages, which may give wrong numbers and no error.

    Args:
        url: Storage URL.
        most_bytes: A larger file is not checked, as that takes a second per gigabyte; None for any.

    Raises:
        DatabaseError: Pages of the file are damaged.
    """
    file = sqlite_file(url)
    if file is None:
        return
    with suppress(OSError):
        if file.is_file() and (most_bytes is None or file.stat().st_size <= most_bytes):
            damage = find_damage(file)
            if damage is not None:
                raise DatabaseError(damage_text(file, damage))


def damage_text(file: Path, damage: str) -> str:
    """Returns the error text for damaged pages: what is wrong, what is left, how to go on.

    Args:
        file: The database.
        damage: What SQLite says.
    """
    short = _short(file)
    lines = [
        f"{file}: the study database is damaged: {damage}",
        *_left_lines(file),
        "Put the file back from a backup, or start again:",
        f"  mv {quote(short)} {quote(f'{short}.damaged')}",
        f"  {run_command(file)}",
    ]
    if damage != NOT_SQLITE:
        lines += [
            "SQLite's own program may save some of the trials:",
            f"  sqlite3 {quote(short)} .recover | sqlite3 {quote(f'{short}.recovered')}",
        ]
    return "\n".join(lines)


def gone_text(file: Path, replaced: bool = False) -> str:
    """Returns the error text for a database that was removed, or replaced by another file."""
    what = "was replaced by another file" if replaced else "is gone: it was removed"
    return "\n".join(
        [
            f"{file}: the study database {what} while a command used it",
            *_left_lines(file),
            "Put the file back from a backup, or start again:",
            f"  {run_command(file)}",
        ]
    )


def _left_lines(file: Path) -> list[str]:
    """Returns a line about the files that do not depend on the database."""
    folder = file.parent
    counts = [
        (len(list((folder / "stages").glob("*.safetensors"))), "trained stages", "stages"),
        (len(list((folder / "artifacts").glob("trial-*"))), "deployed files", "artifacts"),
    ]
    kept = [f"{number} {noun} in {folder / name}" for number, noun, name in counts if number]
    if not kept:
        return []
    reuse = "; a new run of the study takes trained stages from there" if counts[0][0] else ""
    return [f"Not lost: {' and '.join(kept)}{reuse}."]


def run_command(file: Path) -> str:
    """Returns the command that runs the study of a database; a server's has no folder."""
    folder = file.parent
    names = [folder.with_name(folder.name + suffix) for suffix in SUFFIXES] if folder.name else []
    study = next((name for name in names if name.is_file()), None)
    return command_text("run", Path(_short(study)) if study else "STUDY")


def _short(path: Path) -> str:
    """Returns the path relative to the current folder if that is shorter."""
    with suppress(ValueError):  # another drive
        return min(os.path.relpath(path), str(path), key=len)
    return str(path)


def _sqlite_text(file: Path, error: sqlite3.Error) -> str | None:
    """Returns the error text for an error of SQLite; None if the statement was wrong."""
    match _primary_code(error):
        case sqlite3.SQLITE_FULL:
            return (
                f"{file}: the disk is full; make room and type the same command again: finished "
                "trials are kept"
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return (
                f"{file}: another program holds the database locked; close it, then type the "
                f"command again. These processes use it: fuser {quote(str(file))}"
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return (
                f"{file}: this user may not write the database or its folder; see: "
                f"ls -l {quote(str(file.parent))}"
            )
        case sqlite3.SQLITE_CANTOPEN:
            return f"{file}: cannot be opened; {_open_problem(file)}"
        case sqlite3.SQLITE_IOERR:
            return (
                f"{file}: the disk reports an error ({error}), or {file.name}-wal or "
                f"{file.name}-shm was removed while a process used them; end the processes of this "
                "study, then type the command again"
            )
    damage = find_damage(file)
    if damage is None and ("no such table: paretune_" in str(error) or _is_damage(error)):
        damage = str(error)
    return None if damage is None else damage_text(file, damage)


def _open_problem(file: Path) -> str:
    if file.is_dir():
        return "it is a folder"
    if not os.access(file.parent, os.W_OK | os.X_OK):
        return f"this user may not write in {file.parent}, where SQLite keeps two further files"
    return f"this user may not read or write it; see: ls -l {quote(str(file.parent))}"


def is_away(error: BaseException) -> bool:
    """Returns whether an error says that a database server does not answer."""
    driver = _driver_error(error)
    kinds = {kind.__name__ for kind in type(driver).__mro__}  # AdminShutdown is an OperationalError
    if not kinds & {"OperationalError", "InterfaceError"} or isinstance(driver, sqlite3.Error):
        return False
    state = getattr(driver, "sqlstate", None)  # 08: connection, 57P: the server is stopped
    return state is None or state.startswith(("08", "57P"))


def _driver_error(error: BaseException) -> object:
    return next((one.orig for one in _chain(error) if hasattr(one, "orig")), None)


def _server_text(url: str, error: BaseException) -> str | None:
    """Returns the error text for a database server that does not answer; None otherwise."""
    if not is_away(error):
        return None
    driver = _driver_error(error)
    first = (str(driver).strip().splitlines() or [type(driver).__name__])[0]
    problem, advice = next(
        (text for pattern, text in _REFUSALS.items() if re.search(pattern, first)), _AWAY
    )
    return f"storage: {without_password(url)}: {problem}: {first}\n{advice}"


_AWAY = (
    "the database server does not answer",
    "Finished trials are kept. Type the same command again when the server is back.",
)

_REFUSALS = {
    r"no password supplied|authentication failed|pg_hba\.conf|role .* does not exist": (
        "the database server refuses the login",
        "Give the password by PGPASSFILE=~/.pgpass, PGPASSWORD=... or PARETUNE_STORAGE=URL in the "
        "environment, and the user in the URL.",
    ),
    r"database .* does not exist": (
        "the database server has no such database",
        "Create it with createdb, or name another one in the URL.",
    ),
}
"""Pattern in the text of PostgreSQL's driver -> what is wrong, and what to do.

The driver gives no SQLSTATE for a connection that failed."""


def _sqlite_error(error: BaseException) -> sqlite3.Error | None:
    """Returns the error of SQLite behind an error, of SQLAlchemy or Optuna for example."""
    for one in _chain(error):
        if isinstance(one, sqlite3.Error):
            return one
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yields an error, the driver's error in it, and the errors that caused it."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        driver = getattr(error, "orig", None)
        if isinstance(driver, BaseException):
            yield driver
        error = error.__cause__ or error.__context__


def _primary_code(error: sqlite3.Error) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & _CODE


def _is_damage(error: sqlite3.Error) -> bool:
    return _primary_code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _escaped(file: Path) -> str:
    """Returns a path for a SQLite URI, in which `?`, `#` and `%` have a meaning."""
    text = file.resolve().as_posix()
    for character, code in (("%", "%25"), ("?", "%3f"), ("#", "%23")):
        text = text.replace(character, code)
    return text
