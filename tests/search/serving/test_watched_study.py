"""One reader serves all pages of a study."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from paretune.search.errors import UserError
from paretune.search.serving import watched_study
from paretune.search.serving.live_study import LiveStudy
from paretune.search.serving.watched_study import WatchedStudy
from support.made_up_study import MadeUpStudy


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_study, "EVERY", 0.02)
    monkeypatch.setattr(watched_study, "REST", 0.0)


@pytest.fixture(name="made_up")
def made_up_fixture(tmp_path: Path) -> Iterator[MadeUpStudy]:
    study = MadeUpStudy(tmp_path, 5)
    yield study
    study.close()


class Counted(LiveStudy):
    """Counts its looks at the database, and how often it tells what changed."""

    def __init__(self, url: str) -> None:
        super().__init__(url, {"id": "x", "file": None, "epoch": "e"})
        self.looks = self.told = 0

    def refresh(self, further: Any) -> bool:
        self.looks += 1
        return super().refresh(further)

    def since(self, seq: int) -> dict[str, Any]:
        self.told += 1
        return super().since(seq)


async def next_state(events: AsyncIterator[str]) -> dict[str, Any]:
    """Returns the data of the next event, which must be a state."""
    async for text in events:
        if text.startswith(("retry", ":")):
            continue
        assert "event: state" in text
        return dict(json.loads(text.partition("data: ")[2]))
    raise AssertionError("the events ended")


def test_hundred_pages_share_one_reader_and_one_answer(made_up: MadeUpStudy) -> None:
    live = Counted(made_up.url)

    async def pages() -> None:
        watched = WatchedStudy(live, lambda: {"run": None})
        state = json.loads(gzip.decompress(await watched.state()))
        streams = [watched.events(state["epoch"], state["seq"]) for _ in range(100)]
        waiting = [asyncio.create_task(next_state(stream)) for stream in streams]
        while watched.listeners < 100:
            await asyncio.sleep(0.01)
        looks, told, begun = live.looks, live.told, time.monotonic()
        [number] = made_up.add(1)
        changes = await asyncio.gather(*waiting)
        assert [change["trials"]["number"] for change in changes] == [[number]] * 100
        assert live.told - told <= 2  # some may see the change in two parts
        most = (time.monotonic() - begun) / watched_study.EVERY + 2  # of one reader
        assert live.looks - looks <= most
        for stream in streams:
            await stream.aclose()
        assert watched.listeners == 0
        for _ in range(100):  # a look that has begun may take its time
            looks = live.looks
            await asyncio.sleep(0.2)
            if live.looks == looks:
                break
        assert live.looks == looks  # nobody listens

    asyncio.run(pages())
    live.close()


def test_page_of_another_epoch_is_told_to_read_again(made_up: MadeUpStudy) -> None:
    async def page() -> None:
        live = Counted(made_up.url)
        watched = WatchedStudy(live, lambda: {"run": None})
        async with aclosing(watched.events("other", 99)) as events:
            change = await next_state(events)
        assert change == {"epoch": "e-1", "seq": live.seq}
        live.close()

    asyncio.run(page())


def test_page_that_comes_back_gets_what_it_missed(made_up: MadeUpStudy) -> None:
    async def page() -> None:
        live = Counted(made_up.url)
        watched = WatchedStudy(live, lambda: {"run": None})
        state = json.loads(gzip.decompress(await watched.state()))
        numbers = made_up.add(3)
        await watched.look(now=True)
        async with aclosing(watched.events(state["epoch"], state["seq"])) as events:
            assert (await next_state(events))["trials"]["number"] == numbers
        live.close()

    asyncio.run(page())


def test_database_that_is_gone_is_told_once_and_the_pages_stay(
    made_up: MadeUpStudy, tmp_path: Path
) -> None:
    async def page() -> None:
        live = Counted(made_up.url)
        watched = WatchedStudy(live, lambda: {"run": None})
        state = json.loads(gzip.decompress(await watched.state()))
        made_up.database.rename(tmp_path / "away.db")
        async with aclosing(watched.events(state["epoch"], state["seq"])) as events:
            texts = [text async for text, _ in _first(events, 2)]
            assert "event: notice" in texts[1] and "no study database" in texts[1]
            await asyncio.sleep(0.05)
            with pytest.raises(UserError, match="no study database"):
                await watched.state()
            (tmp_path / "away.db").rename(made_up.database)
            assert (await next_state(events))["epoch"] != state["epoch"]
        live.close()

    asyncio.run(page())


async def _first(events: AsyncIterator[str], count: int) -> AsyncIterator[tuple[str, int]]:
    for index in range(count):
        yield await anext(events), index
