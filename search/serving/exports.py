"""Exports that the page asks for: `paretune export` in a process of its own, then a zip.

The files lie in a temporary folder below the study's folder. All of them are removed at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from paretune.search.errors import UserError
from paretune.search.export.manifest import MANIFEST
from paretune.search.locate import StudyLocation
from paretune.search.serving.controls import shown_path
from paretune.search.shell import command_text, path_argument

MOST_JOBS = 8
"""Most exports that are kept; the oldest one that has ended makes room."""

MOST_WAITING = 4
"""Most exports that wait; they run one after the other."""

MOST_BYTES = 4_000_000_000
"""Most bytes of all zips together; the oldest ones are removed."""

LEAST_FREE = 500_000_000
"""Bytes that must be free on the disk before an export begins."""

LONGEST_PICK = 200
MOST_LINES = 200

ENDED = ("done", "failed")


class ExportJob:
    """One export.

    Attributes:
        id: Name of the job in addresses, which cannot be guessed.
        key: (study, pick, target): a second request for it returns this job.
        state: "waiting", "running", "done" or "failed".
        lines: Lines of progress.
        checks: [{"name", "file", "passed", "text"}] of the checks.
        error: Why it failed; else None.
        zip: The zip once it is done.

    Args:
        study: Id of the study.
        location: The study.
        pick: The trial, as for `paretune export --pick`.
        target: A target of the study; None for the first.
        storage: The option --storage, if it is needed.
    """

    def __init__(
        self,
        study: str,
        location: StudyLocation,
        pick: str,
        target: str | None,
        storage: Sequence[str],
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self.key = (study, pick, target)
        self.name = _safe(f"{study}-{pick}" + (f"-{target}" if target else ""))
        self.state = "waiting"
        self.lines: list[str] = []
        self.checks: list[dict[str, Any]] = []
        self.error: str | None = None
        self.zip: Path | None = None
        self._location = location
        self._options = [*storage, f"--pick={pick}", *([f"--target={target}"] if target else [])]
        self._folder: Path | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def bytes(self) -> int:
        """Size of the zip; 0 if there is none."""
        return self.zip.stat().st_size if self.zip and self.zip.is_file() else 0

    def json(self) -> dict[str, Any]:
        """Returns the job as the page shows it."""
        study = shown_path(self._location)
        return {
            "state": self.state,
            "lines": self.lines,
            "checks": self.checks,
            "error": self.error,
            "bytes": self.bytes,
            "name": f"{self.name}.zip",
            "command": command_text("export", study, *self._options, "-o", self.name),
            "verify": command_text("verify", self.name),
        }

    async def run(self) -> None:
        """Exports the trial, and packs the files."""
        self.state = "running"
        try:
            await self._export()
        except (OSError, UserError) as error:
            self.state, self.error = "failed", str(error)
        except asyncio.CancelledError:
            self.remove()
            raise

    async def _export(self) -> None:
        parent = self._location.folder
        if shutil.disk_usage(parent).free < LEAST_FREE:
            raise UserError(f"{parent}: less than {LEAST_FREE // 1_000_000} MB are free there")
        self._folder = Path(tempfile.mkdtemp(dir=parent, prefix=".serve-export-"))
        output = self._folder / self.name
        study = self._location.file if self._location.file.is_file() else self._location.folder
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "paretune", "export", path_argument(str(study))),
            *(*self._options, "--progress", "-o", str(output)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C must not reach it before it is removed
        )
        await self._read_lines(self._process.stdout)
        code = await self._process.wait()
        unverified = output.with_name(output.name + ".unverified")
        self.checks = checks_of(output if output.is_dir() else unverified)
        if code or not output.is_dir():
            last = self.lines[-1] if self.lines else f"exit code {code}"
            failed = [check for check in self.checks if not check["passed"]]
            text = f"{len(failed)} check(s) failed; nothing is handed out" if failed else last
            raise UserError(text)
        self.zip = await asyncio.to_thread(zipped, output, self._folder / f"{self.name}.zip")
        shutil.rmtree(output, ignore_errors=True)
        self.state = "done"

    async def _read_lines(self, stream: asyncio.StreamReader | None) -> None:
        while stream is not None and (line := await stream.readline()):
            if len(self.lines) < MOST_LINES:
                text = line.decode(errors="replace").rstrip()
                self.lines = [*self.lines, text.replace(f"{self._folder}{os.sep}", "")]

    def remove(self) -> None:
        """Ends the process, and removes all files."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self.zip = None


class Exports:
    """All exports of the server. They run one after the other."""

    def __init__(self) -> None:
        self._jobs: dict[str, ExportJob] = {}
        self._worker: asyncio.Task[None] | None = None

    def add(
        self,
        study: str,
        location: StudyLocation,
        body: Mapping[str, Any],
        storage: Sequence[str] = (),
    ) -> ExportJob:
        """Adds an export, or returns one that was asked for already.

        Args:
            study: Id of the study.
            location: The study.
            body: {"pick": ..., "target": ...}.
            storage: The option --storage, if it is needed.

        Raises:
            UserError: The request is wrong, or too many exports wait.
        """
        pick, target = read_request(body)
        job = ExportJob(study, location, pick, target, storage)
        for other in self._jobs.values():
            if other.key == job.key and other.state != "failed":
                return other
        if sum(other.state == "waiting" for other in self._jobs.values()) >= MOST_WAITING:
            raise UserError(f"{MOST_WAITING} exports wait already; try again later")
        self._make_room()
        self._jobs[job.id] = job
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return job

    def get(self, job: str) -> ExportJob | None:
        """Returns an export, or None."""
        return self._jobs.get(job)

    def close(self) -> None:
        """Ends all exports, and removes their files."""
        for job in self._jobs.values():
            job.remove()
        self._jobs.clear()

    async def _work(self) -> None:
        while True:
            job = next((job for job in self._jobs.values() if job.state == "waiting"), None)
            if job is None:
                return
            try:
                await job.run()
            except Exception as error:  # the others must not wait for ever
                job.state, job.error = "failed", f"{type(error).__name__}: {error}"
            self._make_room()

    def _make_room(self) -> None:
        """Removes the oldest exports that have ended, while there are too many."""
        for job in list(self._jobs.values()):
            total = sum(other.bytes for other in self._jobs.values())
            if len(self._jobs) < MOST_JOBS and total <= MOST_BYTES:
                return
            if job.state in ENDED:
                job.remove()
                del self._jobs[job.id]


def read_request(body: Mapping[str, Any]) -> tuple[str, str | None]:
    """Returns pick and target of a request.

    Raises:
        UserError: A value is wrong.
    """
    unknown = sorted(set(body) - {"pick", "target"})
    if unknown:
        raise UserError(f"{', '.join(unknown)}: unknown; known: pick, target")
    pick, target = body.get("pick"), body.get("target")
    if isinstance(pick, int) and not isinstance(pick, bool):
        pick = str(pick)
    if not isinstance(pick, str) or not 0 < len(pick) <= LONGEST_PICK:
        raise UserError("pick: a trial's number, knee, fastest, smallest, or a condition")
    if target is not None and (not isinstance(target, str) or len(target) > LONGEST_PICK):
        raise UserError("target: the name of a target of the study")
    return pick, target or None


def checks_of(folder: Path) -> list[dict[str, Any]]:
    """Returns the checks in the manifest of an export; none if there is no manifest."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [
        {
            "name": result["check"],
            "file": result["file"],
            "passed": result["ok"],
            "text": result["text"],
        }
        for result in content.get("verified", {}).get("results", ())
    ]


def zipped(folder: Path, file: Path) -> Path:
    """Packs the files of a folder; links are left out, as they may lead anywhere.

    Args:
        folder: The folder, which the zip contains under its name.
        file: The zip to write.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for parent, _, names in os.walk(folder):  # does not follow links to folders
            for path in (Path(parent) / name for name in sorted(names)):
                if path.is_file() and not path.is_symlink():
                    packed.write(path, Path(folder.name) / path.relative_to(folder))
    return file


def _safe(name: str) -> str:
    """Returns a file name without any character that has a meaning."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:80] or "export"
