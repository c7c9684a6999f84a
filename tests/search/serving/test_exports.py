"""Exports of the page: bounded, one after the other, and nothing of another folder in the zip."""

from __future__ import annotations

import asyncio
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from paretune.search.errors import UserError
from paretune.search.locate import StudyLocation
from paretune.search.serving import exports
from paretune.search.serving.exports import (
    MOST_JOBS,
    MOST_WAITING,
    ExportJob,
    Exports,
    checks_of,
    read_request,
    zipped,
)


@pytest.fixture(name="location")
def location_fixture(tmp_path: Path) -> StudyLocation:
    (tmp_path / "s").mkdir()
    return StudyLocation(tmp_path / "s.yaml", tmp_path / "s", "sqlite:///unused")


def test_zip_has_the_files_of_the_folder_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    folder = tmp_path / "out"
    (folder / "inner").mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"model")
    (folder / "inner" / "card.md").write_text("card")
    (folder / "link").symlink_to(tmp_path / "secret" / "key")
    (folder / "links").symlink_to(tmp_path / "secret")
    with zipfile.ZipFile(zipped(folder, tmp_path / "out.zip")) as packed:
        assert sorted(packed.namelist()) == ["out/inner/card.md", "out/model.onnx"]
        assert packed.read("out/model.onnx") == b"model"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"pick": ""},
        {"pick": None},
        {"pick": True},
        {"pick": ["3"]},
        {"pick": "3" * 300},
        {"pick": "3", "target": 4},
        {"pick": "3", "output": "/etc"},
    ],
)
def test_wrong_request_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"pick|target|unknown"):
        read_request(body)


def test_number_and_text_are_the_same_pick() -> None:
    assert read_request({"pick": 3}) == read_request({"pick": "3", "target": ""}) == ("3", None)


def test_name_of_the_zip_has_nothing_of_a_path(location: StudyLocation) -> None:
    job = ExportJob("a", location, "../../etc/passwd\r\nX: y", "--force", [])
    assert job.json()["name"] == "a--etc-passwd-X-y---force.zip"


def test_checks_are_those_of_the_manifest(tmp_path: Path) -> None:
    result = {"check": "outputs", "file": "m.onnx", "ok": True, "text": "equal"}
    content = {"verified": {"ok": True, "results": [result]}}
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    expected = {"name": "outputs", "file": "m.onnx", "passed": True, "text": "equal"}
    assert checks_of(tmp_path) == [expected]
    assert checks_of(tmp_path / "gone") == []


class Job(ExportJob):
    """An export without a process."""

    async def run(self) -> None:
        self.state = "running"
        await asyncio.sleep(0.002)
        self.zip = self._location.folder / f"{self.id}.zip"
        self.zip.write_bytes(b"x" * 100)
        self.state = "done"

    def remove(self) -> None:
        if self.zip:
            self.zip.unlink()
        self.zip = None


async def ended(jobs: list[ExportJob]) -> None:
    while any(job.state != "done" for job in jobs):
        await asyncio.sleep(0.002)


def test_exports_run_one_after_the_other_and_a_second_click_joins(
    location: StudyLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "ExportJob", Job)

    async def click() -> None:
        queue = Exports()
        jobs: list[ExportJob] = [queue.add("s", location, {"pick": n}) for n in range(3)]
        assert queue.add("s", location, {"pick": 1}) is jobs[1]
        assert len({job.id for job in jobs}) == 3
        while any(job.state != "done" for job in jobs):
            assert sum(job.state == "running" for job in jobs) <= 1
            await asyncio.sleep(0)
        assert queue.get(jobs[2].id) is jobs[2] and queue.get("unknown") is None
        queue.close()
        assert list(location.folder.iterdir()) == []

    asyncio.run(click())


def test_number_of_exports_is_bounded(
    location: StudyLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "ExportJob", Job)

    async def click() -> None:
        queue = Exports()
        for number in range(3 * MOST_JOBS):
            await ended([queue.add("s", location, {"pick": number})])
        assert len(list(location.folder.iterdir())) <= MOST_JOBS
        for number in range(100, 100 + MOST_WAITING):
            queue.add("s", location, {"pick": number})
        with pytest.raises(UserError, match="exports wait already"):
            queue.add("s", location, {"pick": 999})

    asyncio.run(click())


def test_large_zips_make_room(location: StudyLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "ExportJob", Job)
    monkeypatch.setattr(exports, "MOST_BYTES", 250)

    async def click() -> None:
        queue = Exports()
        jobs: list[ExportJob] = [queue.add("s", location, {"pick": n}) for n in range(4)]
        await ended(jobs)
        await asyncio.sleep(0.02)
        assert [queue.get(job.id) is not None for job in jobs] == [False, False, True, True]

    asyncio.run(click())


def test_full_disk_is_told_before_the_export(
    location: StudyLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "LEAST_FREE", 10**18)
    job = ExportJob("s", location, "3", None, [])
    asyncio.run(job.run())
    assert job.state == "failed" and "are free there" in str(job.error)
