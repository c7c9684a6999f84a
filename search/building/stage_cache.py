"""The stage cache: keeps the results of training stages on disk, under their keys.

Keys come from `stage_keys`. Trials that share first stages share their training; the finished
stages of a killed worker stay. Failures are never stored. Weights are safetensors with the history
in the header; nothing is pickled.

With a store (shared_files.py), the folder has copies of what the store has.

The subfolder `trainings` keeps snapshots of trainings that can be continued
(spaces/training/snapshot.py), one for each length that was reached.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from paretune.inputs import shape_json, shape_of_json
from paretune.search.building.cache_eviction import DEFAULT_LIMIT, CachedStage, to_drop
from paretune.search.building.taken_artifacts import TakenArtifacts, copied
from paretune.search.database.counts import PARTIAL
from paretune.search.files import sha256_of, write_atomically
from paretune.search.study.spec import digest
from paretune.spaces.base import Candidate, Step
from paretune.task import Outputs

if TYPE_CHECKING:
    from typing import Any

    import torch

    from paretune.search.building.shared_files import SharedFiles
    from paretune.search.database.store import Store
    from paretune.spaces.training.snapshot import Snapshot

SHARE = 1 / 16
"""Share of the free space that a worker fills before it asks for the total again."""

_log = logging.getLogger(__name__)


class StageCache:
    """Keeps results of training stages in a folder.

    Attributes:
        shared: The study's files in a store; None if this folder is the only copy.
        taken_artifacts: Artifacts of another study, which plans of this one would write equally.

    Args:
        folder: Folder of the files; created on first use.
        store: Database that records the cost of each stage.
        limit: Bytes; beyond them the least valuable stages are dropped.
        needed: Returns the keys of stages that are never dropped.
        shared: As the attribute.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        limit: int = DEFAULT_LIMIT,
        needed: Callable[[], Collection[str]] = frozenset,
        shared: SharedFiles | None = None,
    ) -> None:
        self.shared = shared
        self._limit = limit
        self._needed = needed
        self._folder = folder
        self._trainings = folder / "trainings"
        self.taken_artifacts = TakenArtifacts(folder / "artifacts")
        self._store = store
        self._room = 0.0  # bytes to write before the total is read again

    def lock(self, key: str) -> FileLock:
        """Returns the lock of a stage; a second worker waits for it instead of training twice."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self._folder / f"{key}.lock")

    @contextlib.contextmanager
    def training(self, key: str) -> Iterator[None]:
        """Keeps other workers, also those of other hosts, from training a stage meanwhile."""
        with self.lock(key):
            if self.shared is None:
                yield
            else:
                with self.shared.training(key):
                    yield

    def has(self, key: str) -> bool:
        """Returns whether the cache holds a stage."""
        if os.path.isfile(f"{self._folder}/{key}.safetensors"):  # a proposal asks for dozens
            return True
        return self.shared is not None and self.shared.has(self._file(key))

    def load(self, key: str, rebuild: Callable[..., Any]) -> Candidate | None:
        """Returns the candidate of a stage, or None if its file is missing or damaged.

        Args:
            key: Key of the stage.
            rebuild: (history, shape, classes) -> model with the right layers.
        """
        from safetensors import SafetensorError, safe_open

        file = self._file(key)
        if not self._bring(file):
            return None
        try:
            with safe_open(file, framework="pt") as f:
                header = json.loads(f.metadata()["paretune"])
                weights = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, KeyError, TypeError, ValueError):
            self._discard([file])  # cut short by a full disk or a crash: train it again
            return None
        _touch(file)
        history = tuple(Step(**step) for step in header["history"])
        shape = shape_of_json(header["shape"])
        model = rebuild(history, shape, _outputs(header))
        model.load_state_dict(weights)
        model.eval()
        quantization = header.get("quantization")
        keep = tuple(header.get("keep", ()))
        return Candidate(model, shape, _outputs(header), history, quantization, keep)

    def stage_seconds(self, key: str) -> dict[str, float] | None:
        """Returns the seconds of each stage up to this one, when it ran; None if unknown."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._file(key), framework="pt") as f:
                seconds: dict[str, float] | None = json.loads(f.metadata()["paretune"]).get("made")
                return seconds
        except (SafetensorError, OSError, KeyError, TypeError, ValueError):
            return None

    def memo(self, key: str, make: Callable[[], Any]) -> Any:
        """Returns the stored JSON value for this key, or the one that `make` returns now.

        Raises:
            OSError: The file cannot be written.
        """
        file = self._folder / f"{digest(key)[:32]}.json"
        with self.lock(file.stem):
            try:
                return json.loads(file.read_text())
            except (OSError, ValueError):  # missing, or cut short by a full disk
                value = make()
                write_atomically(file, json.dumps(value))
                return value

    def log(self, name: str, text: str) -> str:
        """Writes a text that is too long for a trial's reason; returns its file or URL.

        Raises:
            OSError: The file cannot be written.
        """
        if self.shared is not None:
            return self.shared.log(name, text + "\n")
        return str(write_atomically(self._folder / "logs" / f"{name}.log", text + "\n"))

    def tensor(self, key: str, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Returns the stored tensor for this key, or the one that `make` returns now.

        Raises:
            OSError: The file cannot be written.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file, save

        file = self._file(key)
        with self.lock(key):
            self._bring(file)
            try:
                return load_file(file)["tensor"]
            except (SafetensorError, OSError, KeyError):  # missing, or cut short by a full disk
                tensor = make().contiguous()
                self._share(write_atomically(file, save({"tensor": tensor})))
                return tensor

    def save(
        self,
        key: str,
        kind: str,
        parent: str | None,
        candidate: Candidate,
        seconds: float,
        stage_seconds: Mapping[str, float],
    ) -> None:
        """Stores the candidate of a stage.

        Args:
            key: Key of the stage.
            kind: Kind of the stage.
            parent: Key of the stage before it.
            candidate: Its result.
            seconds: Seconds that it took.
            stage_seconds: Stage -> seconds that it took, up to this one.

        Raises:
            OSError: The file cannot be written; no part of it stays.
        """
        from safetensors.torch import save

        header = {
            "history": [asdict(step) for step in candidate.history],
            "shape": shape_json(candidate.shape),
            "classes": candidate.outputs.size,
            **_outputs_json(candidate),
            "quantization": candidate.quantization,
            "made": dict(stage_seconds),
        }
        weights = _unshared(candidate.model.state_dict())
        metadata = {"paretune": json.dumps(header)}
        file = write_atomically(self._file(key), save(weights, metadata=metadata))
        self._note(key, kind, parent, file, seconds)

    @property
    def free_bytes(self) -> int:
        """Bytes that it may still store before it drops stages; a store keeps all of them."""
        if self.shared is not None:
            return sys.maxsize
        return self._limit - self._store.cached_bytes()

    def adopt(self, row: Mapping[str, Any], source: Path) -> bool:
        """Copies a stage from the cache of another study.

        Args:
            row: Its row in the other database.
            source: Its file.

        Returns:
            False if the file is gone or damaged.

        Raises:
            OSError: The copy cannot be written.
        """
        if not source.is_file():
            return False
        file = copied(source, self._file(row["key"]))
        if sha256_of(file) != row["sha256"]:
            file.unlink()
            return False
        self._note(row["key"], row["kind"], row["parent"], file, row["seconds"])
        return True

    # -- snapshots of trainings ------------------------------------------------------------

    def snapshot(self, key: str, max_epochs: int) -> Snapshot | None:
        """Returns the longest snapshot of this key with at most `max_epochs` epochs, or None."""
        from paretune.spaces.training.snapshot import Snapshot

        for file in sorted(self._snapshots(key), reverse=True):
            if int(file.name.split(".")[1]) > max_epochs or not self._bring(file):
                continue
            try:
                snapshot = Snapshot.read(file)
                _touch(file)
                return snapshot
            except FileNotFoundError:  # another worker has just dropped it
                continue
            except ValueError:
                self._discard([file])  # cut short by a full disk or a crash
        return None

    def keep(self, key: str, kind: str, snapshot: Snapshot) -> None:
        """Stores a snapshot, unless the state of its optimizer cannot be written.

        Raises:
            OSError: The file cannot be written; no part of it stays.
        """
        try:
            content = snapshot.to_bytes()
        except TypeError as error:  # the user's optimizer has a state of another type
            _log.info("%s: %s", kind, error)
            return
        name = f"{key}.{snapshot.epoch:06d}"
        file = write_atomically(self._trainings / f"{name}.safetensors", content)
        self._note(name, kind + PARTIAL, None, file, snapshot.seconds)

    def forget(self, key: str, but: int | None = None) -> None:
        """Drops the snapshots of this key; the stage is complete, or never will be.

        Args:
            key: Key of the snapshots.
            but: The epoch of one that stays.
        """
        files = {f for f in self._snapshots(key) if int(f.name.split(".")[1]) != but}
        if files:  # short trainings have none
            self._discard(files)
            self._store.remove_stages([file.name.removesuffix(".safetensors") for file in files])

    def _snapshots(self, key: str) -> set[Path]:
        """Returns the files of the snapshots of a key, also of those that only the store has."""
        names: list[str] = []
        with contextlib.suppress(FileNotFoundError):
            names = os.listdir(self._trainings)  # a pattern for each key would take longer
        files = {self._trainings / name for name in names if _is_snapshot(name, key)}
        return files | set(self.shared.starting(self._trainings, f"{key}.") if self.shared else ())

    # -- files in a store --------------------------------------------------------------------------

    def _bring(self, file: Path) -> bool:
        """Returns whether a file is here now."""
        return file.is_file() if self.shared is None else self.shared.bring(file)

    def _share(self, file: Path) -> None:
        if self.shared is not None:
            self.shared.share(file)

    def _discard(self, files: Collection[Path]) -> None:
        for file in files:
            file.unlink(missing_ok=True)
        if self.shared is not None and files:
            self.shared.forget(files)

    def _note(self, key: str, kind: str, parent: str | None, file: Path, seconds: float) -> None:
        size = file.stat().st_size
        self._share(file)
        self._store.add_stage(
            key=key,
            kind=kind,
            parent=parent,
            file=file.relative_to(self._folder.parent).as_posix(),
            sha256=sha256_of(file),
            bytes=size,
            seconds=seconds,
        )
        if self.shared is not None:  # it bounds the copies of this host
            return
        self._room -= size
        if self._room < 0:  # summing thousands of stages takes longer than adding one
            self._room = SHARE * (self._limit - self._store.cached_bytes())
            if self._room < 0:
                self._trim({key})

    def _trim(self, just_made: set[str]) -> None:
        """Drops the least valuable stages, except locked ones."""
        rows = {row["key"]: row for row in self._store.cached_stages()}
        entries = []
        for key, row in rows.items():
            file = self._folder.parent / row["file"]
            try:
                used = file.stat().st_mtime
            except OSError:  # removed by the user or another worker
                used = 0.0
            entries.append(CachedStage(key, row["bytes"], row["seconds"], used))
        needed = {*self._needed(), *just_made}
        dropped = [
            entry.key
            for entry in to_drop(entries, self._limit, needed, time.time())
            if self._drop(entry.key, self._folder.parent / rows[entry.key]["file"])
        ]
        self._store.mark_dropped(dropped)

    def _drop(self, key: str, file: Path) -> bool:
        """Removes a file; returns False while another process trains or reads it."""
        try:
            with self.lock(key).acquire(timeout=0):
                file.unlink(missing_ok=True)
        except (Timeout, OSError):  # some systems refuse to remove an open file
            return False
        return True

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"


def _is_snapshot(name: str, key: str) -> bool:
    return name.startswith(f"{key}.") and name.endswith(".safetensors")


def _touch(file: Path) -> None:
    """Sets the file's time to now, as files that are unused for long are dropped first."""
    with contextlib.suppress(OSError):
        os.utime(file)


def _unshared(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns tensors that share no memory, as safetensors demands; tied weights are copied.

    The rebuilt network ties them again: both names load the same values into one parameter.
    """
    storages: set[int] = set()
    separate = {}
    for name, value in state.items():
        tensor = value.contiguous()
        storage = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if storage in storages else tensor
        storages.add(storage)
    return separate


def _outputs_json(candidate: Candidate) -> dict[str, Any]:
    """Returns what a header says in addition if a task is no classification; mostly empty."""
    per, keep = candidate.outputs.per, candidate.keep
    return {**({"per": per} if per != "example" else {}), **({"keep": keep} if keep else {})}


def _outputs(header: Mapping[str, Any]) -> Outputs:
    return Outputs(header["classes"], header.get("per", "example"))
