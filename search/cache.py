"""The stage cache: what a training stage made, on disk under the digest of what went into it.

Keys come from search/chain.py. Trials that share a prefix share the work; a killed worker's
finished stages stay. Failures are never stored. Weights are safetensors with the history in the
header; nothing is pickled.

In a folder of their own lie trainings that can go on (spaces/training/snapshot.py), one for each
length that was reached.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from search.files import sha256_of, written_whole
from search.spec import digest
from spaces.base import Candidate, Step

if TYPE_CHECKING:
    from typing import Any

    import torch

    from search.database.store import Store
    from spaces.training.snapshot import Snapshot

_log = logging.getLogger(__name__)


class StageCache:
    """Results of training stages in a folder.

    Args:
        folder: Where the files lie; made when it is needed.
        store: Where each stage's cost is recorded.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._trainings = folder / "trainings"
        self._store = store

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
                written_whole(file, json.dumps(made))
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
                written_whole(file, save({"tensor": made}))
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
        file = written_whole(self._file(key), save(weights, metadata=metadata))
        self._note(key, kind, parent, file, seconds)

    # -- trainings that can go on -----------------------------------------------------------------

    def snapshot(self, key: str, most: int) -> Snapshot | None:
        """The longest training of this key that has at most so many epochs; None without one."""
        from spaces.training.snapshot import Snapshot

        found = sorted(self._trainings.glob(f"{key}.*.safetensors"), reverse=True)
        for file in found:
            if int(file.name.split(".")[1]) > most:
                continue
            try:
                return Snapshot.read(file)
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
        file = written_whole(self._trainings / f"{name}.safetensors", content)
        self._note(name, f"{kind} so far", None, file, snapshot.seconds)

    def forget(self, key: str) -> None:
        """Drops the trainings of this key: the stage is done, or will never be."""
        for file in self._trainings.glob(f"{key}.*.safetensors"):
            file.unlink(missing_ok=True)

    def _note(self, key: str, kind: str, parent: str | None, file: Path, seconds: float) -> None:
        self._store.add_stage(
            key=key,
            kind=kind,
            parent=parent,
            file=file.relative_to(self._folder.parent).as_posix(),
            sha256=sha256_of(file),
            bytes=file.stat().st_size,
            seconds=seconds,
        )

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"
