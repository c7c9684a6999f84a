"""A run outlasts a database server that is away for a while."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from paretune.search.database.base import Tables
from paretune.search.database.engine import open_engine
from paretune.search.database.outage import VARIABLE, Outage, no_waiting
from paretune.search.errors import UserError
from paretune.search.waits import longest_wait


class OperationalError(Exception):
    """The error of a PostgreSQL driver for a server that does not answer."""

    sqlstate = None


class Numbers(Tables):
    """A table on a server that is away for the first calls.

    Attributes:
        left: Calls that still fail.
        calls: Number of calls.
    """

    left = 0
    calls = 0

    def number(self) -> int:
        """Returns how often it was called."""
        self.calls += 1
        if self.left:
            self.left -= 1
            raise sa.exc.OperationalError("SELECT", {}, OperationalError("connection refused"))
        return self.calls

    def outer(self) -> int:
        """Returns the same, through another method."""
        return self.number()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("paretune.search.waits.LOOK_EVERY", 0.001)


def numbers(folder: Path, waits: Outage | None) -> Numbers:
    return Numbers(open_engine(f"sqlite:///{folder / 'study.db'}", create=True, outage=waits))


@pytest.mark.parametrize("method", ["number", "outer"])
def test_run_waits_for_the_server_and_says_so(tmp_path: Path, method: str) -> None:
    waits, told = Outage(60), []
    waits.notify = told.append
    table = numbers(tmp_path, waits)
    table.left = 3
    assert getattr(table, method)() == 4
    assert len(told) == 2
    assert told[0].startswith("the database does not answer; waiting up to 60 s for it")
    assert told[1].startswith("the database answers again after ")


def test_wait_has_an_end(tmp_path: Path) -> None:
    table = numbers(tmp_path, Outage(0.05))
    table.left = 1_000_000
    with pytest.raises(sa.exc.OperationalError):
        table.outer()
    assert table.calls > 1
    before = table.calls
    with pytest.raises(sa.exc.OperationalError):  # what ends the run does not wait again
        table.outer()
    assert table.calls == before + 1


def test_command_that_reads_does_not_wait(tmp_path: Path) -> None:
    table = numbers(tmp_path, None)
    table.left = 1
    with pytest.raises(sa.exc.OperationalError):
        table.number()


def test_thread_that_notes_progress_does_not_wait(tmp_path: Path) -> None:
    table, failed = numbers(tmp_path, Outage(60)), []

    def note() -> None:
        try:
            table.number()
        except sa.exc.OperationalError as error:
            failed.append(error)

    table.left = 1
    thread = threading.Thread(target=note)
    thread.start()
    thread.join(60)
    assert len(failed) == 1


def test_look_that_is_of_use_only_now_does_not_wait(tmp_path: Path) -> None:
    table = numbers(tmp_path, Outage(60))
    table.left = 1
    with pytest.raises(sa.exc.OperationalError), no_waiting(table.engine):
        table.number()
    assert table.number() == 2


def test_other_error_is_not_repeated(tmp_path: Path) -> None:
    table = numbers(tmp_path, Outage(60))
    table.engine.dispose()

    class Wrong(Numbers):
        def number(self) -> int:
            self.calls += 1
            raise ValueError("wrong")

    wrong = Wrong(table.engine)
    with pytest.raises(ValueError, match="wrong"):
        wrong.number()
    assert wrong.calls == 1


@pytest.mark.parametrize(("text", "seconds"), [("", 600.0), ("30", 30.0), ("0", 0.0)])
def test_variable_sets_the_longest_wait(
    monkeypatch: pytest.MonkeyPatch, text: str, seconds: float
) -> None:
    monkeypatch.setenv("PARETUNE_DATABASE_WAIT", text)
    assert longest_wait(VARIABLE) == seconds


@pytest.mark.parametrize("text", ["-1", "long", "nan", "inf"])
def test_variable_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("PARETUNE_DATABASE_WAIT", text)
    with pytest.raises(UserError, match=f"PARETUNE_DATABASE_WAIT: .* not '{text}'; .* export"):
        longest_wait(VARIABLE)


def test_end_of_an_outage_is_said_when_the_server_answers_with_an_error(tmp_path: Path) -> None:
    class Late(Numbers):
        def refused(self) -> None:
            self.number()
            raise ValueError("another worker was first")

    waits, texts = Outage(60), []
    waits.notify = texts.append
    late = Late(numbers(tmp_path, waits).engine)
    late.left = 2
    with pytest.raises(ValueError, match="first"):
        late.refused()
    assert [text.split(" after ")[0] for text in texts][1:] == ["the database answers again"]
