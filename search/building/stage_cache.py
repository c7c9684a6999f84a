"""The stage cache: what a training stage made, on disk under the digest of what went into it.

Keys come from `stage_keys`. Trials that share a prefix share the work; a killed worker's finished
stages stay. Failures are never stored. Weights are safetensors with the history in the header;
nothing is pickled.

In a folder of their own lie trainings that can go on (spaces/training/snapshot.py), one for each
length that was reached.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from paretune.search.building.cache_eviction import DEFAULT_LIMIT, Kept, to_drop
from paretune.search.database.counts import PARTIAL
from paretune.search.files import sha256_of, write_atomically
from paretune.search.study.spec import digest
from paretune.spaces.base import Candidate, Step

if TYPE_CHECKING:
    from typing import Any

    import torch

    from paretune.search.database.store import Store
    from paretune.spaces.training.snapshot import Snapshot

SHARE = 1 / 16
"""Of the room that is left: what this worker fills, while others do the same, before it looks."""

_log = logging.getLogger(__name__)


class StageCache:
    """Results of training stages in a folder.

    Args:
        folder: Where the files lie; made when it is needed.
        store: Where each stage's cost is recorded.
        limit: Bytes; beyond them the stages that are worth least are dropped.
        needed: Keys of the stages that are never dropped.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        limit: int = DEFAULT_LIMIT,
        needed: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        self._limit = limit
        self._needed = needed
        self._folder = folder
        self._trainings = folder / "trainings"
        self._store = store
        self._room = 0.0  # bytes that may come before the total is asked for again

    def lock(self, key: str) -> FileLock:
        """Held while a stage is made, so that a second worker waits for it instead of making it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self._folder / f"{key}.lock")

    def has(self, key: str) -> bool:
        """Whether the stage lies here."""
        return self._file(key).is_file()

    def load(self, key: str, rebuild: Callable[..., Any]) -> Candidate | None:
        """The candidate that a stage made, or None when it is not here or its file is damaged.

        Args:
            key: Of the stage.
            rebuild: (history, shape, classes) -> model of the right shape.
        """
        from safetensors import SafetensorError, safe_open

        file = self._file(key)
        if not file.is_file():
            return None
        try:
            with safe_open(file, framework="pt") as f:
                header = json.loads(f.metadata()["paretune"])
                weights = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, KeyError, TypeError, ValueError):
            file.unlink(missing_ok=True)  # cut short by a full disk or a crash: make it again
            return None
        _touch(file)
        history = tuple(Step(**step) for step in header["history"])
        shape = tuple(header["shape"])
        model = rebuild(history, shape, header["classes"])
        model.load_state_dict(weights)
        model.eval()
        quantization = header.get("quantization")
        return Candidate(model, shape, header["classes"], history, quantization)

    def made(self, key: str) -> dict[str, float] | None:
        """What each stage up to this one took when it was made; None where nobody noted it."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._file(key), framework="pt") as f:
                found: dict[str, float] | None = json.loads(f.metadata()["paretune"]).get("made")
                return found
        except (SafetensorError, OSError, KeyError, TypeError, ValueError):
            return None

    def memo(self, key: str, make: Callable[[], Any]) -> Any:
        """What `make` gave for this key before, or what it gives now; JSON.

        Raises:
            OSError: The file cannot be written.
        """
        file = self._folder / f"{digest(key)[:32]}.json"
        with self.lock(file.stem):
            try:
                return json.loads(file.read_text())
            except (OSError, ValueError):  # not there, or cut short by a full disk
                made = make()
                write_atomically(file, json.dumps(made))
                return made

    def tensor(self, key: str, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The tensor that `make` gave for this key before, or what it gives now.

        Raises:
            OSError: The file cannot be written.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file, save

        file = self._file(key)
        with self.lock(key):
            try:
                return load_file(file)["tensor"]
            except (SafetensorError, OSError, KeyError):  # not there, or cut short by a full disk
                made = make().contiguous()
                write_atomically(file, save({"tensor": made}))
                return made

    def save(
        self,
        key: str,
        kind: str,
        parent: str | None,
        candidate: Candidate,
        seconds: float,
        made: Mapping[str, float],
    ) -> None:
        """Keeps what a stage made, and what it and those before it took.

        Raises:
            OSError: The file cannot be written; nothing is left of it.
        """
        from safetensors.torch import save

        header = {
            "history": [asdict(step) for step in candidate.history],
            "shape": candidate.shape,
            "classes": candidate.classes,
            "quantization": candidate.quantization,
            "made": dict(made),
        }
        weights = {
            name: tensor.contiguous() for name, tensor in candidate.model.state_dict().items()
        }
        metadata = {"paretune": json.dumps(header)}
        file = write_atomically(self._file(key), save(weights, metadata=metadata))
        self._note(key, kind, parent, file, seconds)

    # -- trainings that can go on -----------------------------------------------------------------

    def snapshot(self, key: str, most: int) -> Snapshot | None:
        """The longest training of this key that has at most so many epochs; None without one."""
        from paretune.spaces.training.snapshot import Snapshot

        found = sorted(self._trainings.glob(f"{key}.*.safetensors"), reverse=True)
        for file in found:
            if int(file.name.split(".")[1]) > most:
                continue
            try:
                snapshot = Snapshot.read(file)
                _touch(file)
                return snapshot
            except FileNotFoundError:  # dropped by another worker in this moment
                continue
            except ValueError:
                file.unlink(missing_ok=True)  # cut short by a full disk or a crash
        return None

    def keep(self, key: str, kind: str, snapshot: Snapshot) -> None:
        """Keeps a training that can go on; one that cannot be written as a file is not kept.

        Raises:
            OSError: The file cannot be written; nothing is left of it.
        """
        try:
            content = snapshot.to_bytes()
        except TypeError as error:  # an optimizer of the user's with a state of its own kind
            _log.info("%s: %s", kind, error)
            return
        name = f"{key}.{snapshot.epoch:06d}"
        file = write_atomically(self._trainings / f"{name}.safetensors", content)
        self._note(name, kind + PARTIAL, None, file, snapshot.seconds)

    def forget(self, key: str) -> None:
        """Drops the trainings of this key: the stage is done, or will never be."""
        dropped = []
        for file in self._trainings.glob(f"{key}.*.safetensors"):
            file.unlink(missing_ok=True)
            dropped.append(file.name.removesuffix(".safetensors"))
        self._store.mark_dropped(dropped)

    def _note(self, key: str, kind: str, parent: str | None, file: Path, seconds: float) -> None:
        size = file.stat().st_size
        self._store.add_stage(
            key=key,
            kind=kind,
            parent=parent,
            file=file.relative_to(self._folder.parent).as_posix(),
            sha256=sha256_of(file),
            bytes=size,
            seconds=seconds,
        )
        self._room -= size
        if self._room < 0:  # the sum of thousands of stages takes longer than to note one
            self._room = SHARE * (self._limit - self._store.cached_bytes())
            if self._room < 0:
                self._trim({key})

    def _trim(self, just_made: set[str]) -> None:
        """Drops what is worth least, but nothing that somebody holds the lock of."""
        found = {row["key"]: row for row in self._store.cached_stages()}
        entries = []
        for key, row in found.items():
            file = self._folder.parent / row["file"]
            try:
                used = file.stat().st_mtime
            except OSError:  # gone, by the user's hand or another worker's
                used = 0.0
            entries.append(Kept(key, row["bytes"], row["seconds"], used))
        needed = {*self._needed(), *just_made}
        dropped = [
            entry.key
            for entry in to_drop(entries, self._limit, needed, time.time())
            if self._dropped(entry.key, self._folder.parent / found[entry.key]["file"])
        ]
        self._store.mark_dropped(dropped)

    def _dropped(self, key: str, file: Path) -> bool:
        """Removes a file; False while somebody makes or reads it."""
        try:
            with self.lock(key).acquire(timeout=0):
                file.unlink(missing_ok=True)
        except (Timeout, OSError):  # a file that another process has open, on some systems
            return False
        return True

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"


def _touch(file: Path) -> None:
    """Notes in the file's time that it was wanted; what is unused for long is dropped first."""
    with contextlib.suppress(OSError):
        os.utime(file)
