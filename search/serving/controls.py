"""What the page can do to a study: what the command line can, by the same functions."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paretune.search.database.damage import sqlite_file
from paretune.search.database.reader import study_reader
from paretune.search.errors import UserError
from paretune.search.locate import StudyLocation, locate
from paretune.search.running.steering import ACTIONS, LOOK_EVERY, living_workers, steer
from paretune.search.serving.run_process import RunProcess
from paretune.search.shell import command_text
from paretune.search.study.constraints import read_constraint
from paretune.search.views.words import count_text

MOST_TRIALS = 1_000_000_000
MOST_TEXTS, LONGEST_TEXT = 50, 300
"""Most constraints or goals, and most characters of one."""

ACTION_NAMES = (*ACTIONS, "run")


class Controls:
    """Steers one study.

    Args:
        location: The study.
    """

    def __init__(self, location: StudyLocation) -> None:
        self._location = location
        self._run: RunProcess | None = None
        self._waiting: tuple[list[str], float] | None = None  # options of a run that waits
        self._restart: asyncio.Task[None] | None = None
        self._failure: dict[str, Any] | None = None

    def json(self) -> dict[str, Any] | None:
        """Returns the last run that the page started, as the state has it."""
        if self._waiting is not None:
            options, _ = self._waiting
            return {
                "command": self._text(options),
                "state": "waiting",
                "code": None,
                "lines": ["waits until the workers have ended their stage and left"],
            }
        return self._failure or (self._run.json() if self._run else None)

    async def act(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Does what a request asks for.

        Args:
            body: {"action": ..., "trials": ..., "constraints": ..., "goals": ...}.

        Returns:
            {"text": what happens now, "command": the same on the command line}.

        Raises:
            UserError: The request is wrong, or cannot be met now.
        """
        unknown = sorted(set(body) - {"action", "trials", "constraints", "goals"})
        if unknown:
            names = "action, trials, constraints, goals"
            raise UserError(f"{', '.join(unknown)}: unknown; known: {names}")
        action = body.get("action")
        if action not in ACTION_NAMES:
            raise UserError(f"action: one of {', '.join(ACTION_NAMES)}, not {action!r}")
        if action == "run":
            return await self._start(body)
        if len(body) > 1:
            raise UserError(f"only run takes {', '.join(sorted(set(body) - {'action'}))}")
        if action == "stop":
            self._forget_waiting()
        steered = await asyncio.to_thread(
            steer, self._location.url, str(action), self._shown, self._storage
        )
        if not steered.workers:
            raise UserError(steered.text)
        command = command_text(action, self._shown, *self._storage)
        return {"text": steered.text, "command": command}

    # -- runs ------------------------------------------------------------------------------------

    async def _start(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Starts a run; a running one ends its stage first, if it must change."""
        if not self._location.file.is_file():
            raise UserError(f"{self._location.file}: this study file is gone; a run needs it")
        if self._waiting is not None:
            raise UserError("a run waits already until the workers have left")
        changes = await asyncio.to_thread(self._changes, body)
        workers = await asyncio.to_thread(self._workers)
        if self._is_running and not workers:
            raise UserError("the run that the page started is about to begin or to end; try again")
        options = [*await asyncio.to_thread(self._kept_options, body), *changes]
        text = self._text(options)
        if not workers:
            self._begin(options)
            return {"text": "the run starts", "command": text}
        if not changes:
            raise UserError(f"{count_text(workers, 'worker')} run this study already")
        await asyncio.to_thread(steer, self._location.url, "stop", self._shown, self._storage)
        self._waiting = (options, time.time())
        self._restart = asyncio.create_task(self._begin_later(options))
        stop = command_text("stop", "--wait", self._shown, *self._storage)
        return {
            "text": "the workers end their stage and leave; then the study goes on, changed",
            "command": f"{stop} && {text}",
        }

    async def _begin_later(self, options: Sequence[str]) -> None:
        try:
            # A run writes its report after its worker has left.
            while await asyncio.to_thread(self._workers) or self._is_running:
                await asyncio.sleep(LOOK_EVERY)
            self._waiting = None
            self._begin(options)
        except (UserError, OSError) as error:
            self._waiting = None
            self._failure = _failure(self._text(options), str(error))

    def _begin(self, options: Sequence[str]) -> None:
        self._failure = None
        self._run = RunProcess(self._location.file, self._location.folder, options)

    @property
    def _is_running(self) -> bool:
        """Whether the process that the page started has not ended."""
        return self._run is not None and self._run.code is None

    def _forget_waiting(self) -> None:
        if self._restart is not None:
            self._restart.cancel()
        self._waiting = self._restart = None

    def _workers(self) -> int:
        """Counts the living workers; 0 for a study that was not run yet."""
        if not self._has_database:
            return 0
        return len(living_workers(self._location.url))

    @property
    def _has_database(self) -> bool:
        file = sqlite_file(self._location.url)
        return file is None or file.is_file()

    # -- options ---------------------------------------------------------------------------------

    def _changes(self, body: Mapping[str, Any]) -> list[str]:
        """Returns the options that a request adds.

        Raises:
            UserError: A value is wrong.
        """
        options = []
        if body.get("trials") is not None:
            options += ["--trials", str(_trials(body["trials"]))]
        for key in ("constraints", "goals"):
            if body.get(key) is not None:
                texts = self._texts(key, body[key])
                options += ["--set", f"{key}={json.dumps(texts, ensure_ascii=False)}"]
        return options

    def _texts(self, key: str, texts: Any) -> list[str]:
        """Returns constraints or goals, if they can be read."""
        is_list = isinstance(texts, list) and all(isinstance(text, str) for text in texts)
        if not is_list or len(texts) > MOST_TEXTS or any(len(t) > LONGEST_TEXT for t in texts):
            raise UserError(f"{key}: a list of at most {MOST_TEXTS} short texts")
        if not self._has_database:
            return list(texts)
        with study_reader(self._location.url) as reader:
            record = reader.outline()
        first = record.baseline or next((t for t in record.trials if t.measurements), None)
        units = {name: m.unit for name, m in first.measurements.items()} if first else {}
        for text in texts if units else ():
            try:
                read_constraint(text, units, record.targets)
            except KeyError as error:
                names = ", ".join(units)
                raise UserError(f"{key}: {error} is not measured; there is {names}") from error
            except ValueError as error:
                raise UserError(f"{key}: {error}") from error
        return list(texts)

    def _kept_options(self, body: Mapping[str, Any]) -> list[str]:
        """Returns the options of the last run that the new one needs as well."""
        kept = [] if not self._has_database else self._last_options()
        replaced = [key for key in ("constraints", "goals") if body.get(key) is not None]
        return [*self._storage, *without_set(kept, replaced)]

    def _last_options(self) -> list[str]:
        with study_reader(self._location.url) as reader:
            return reader.run_options()

    @property
    def _storage(self) -> list[str]:
        return storage_option(self._location)

    @property
    def _shown(self) -> Path:
        """STUDY as a user would type it."""
        return shown_path(self._location)

    def _text(self, options: Sequence[str]) -> str:
        return command_text("run", self._shown, *options)


def storage_option(location: StudyLocation) -> list[str]:
    """Returns the option --storage, if a command would look for the study elsewhere without it."""
    named = location.file if location.file.is_file() else location.folder
    return [] if locate(str(named)).url == location.url else ["--storage", location.url]


def shown_path(location: StudyLocation) -> Path:
    """Returns the study file, or the folder if it is gone; relative if that is shorter."""
    path = location.file if location.file.is_file() else location.folder
    try:
        relative = path.relative_to(Path.cwd())
    except ValueError:
        return path
    return relative


def without_set(options: Sequence[str], keys: Sequence[str]) -> list[str]:
    """Returns the options of a run without `--set` of these keys."""
    kept: list[str] = []
    words = iter(options)
    for word in words:
        if word != "--set":
            kept.append(word)
            continue
        value = next(words, "")
        if value.partition("=")[0].strip() not in keys:
            kept += ["--set", value]
    return kept


def _trials(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_TRIALS:
        raise UserError(f"trials: a whole number from 1 to {MOST_TRIALS}, not {value!r}")
    return value


def _failure(command: str, text: str) -> dict[str, Any]:
    return {"command": command, "state": "ended", "code": 2, "lines": text.splitlines()}
