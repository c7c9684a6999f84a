"""The stage cache: what a training stage made, on disk under the digest of what went into it.

A stage's key is the digest of its kind, its parameters, the versions of its techniques, its
parent's key, the data's fingerprint and the seed. Trials that share a prefix share the work; a
killed worker's finished stages stay. Failures are never stored. Weights are safetensors with the
history in the header; nothing is pickled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True)
class StageKey:
    """What a stage's result depends on."""

    kind: str
    params: Mapping[str, Any]
    versions: Mapping[str, int]
    parent: str | None
    data: str
    seed: int

    def digest(self) -> str:
        """The key: SHA-256 in hex, the first 32 digits."""
        return digest(asdict(self))[:32]


class StageCache:
    """Results of training stages in a folder.

    Args:
        folder: Where the files lie; made when it is needed.
        store: Where each stage's cost is recorded.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
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
        self, key: str, kind: str, parent: str | None, candidate: Candidate, seconds: float
    ) -> None:
        """Keeps what a stage made.

        Raises:
            OSError: The file cannot be written; nothing is left of it.
        """
        from safetensors.torch import save

        header = {
            "history": [asdict(step) for step in candidate.history],
            "shape": candidate.shape,
            "classes": candidate.classes,
            "quantization": candidate.quantization,
        }
        weights = {
            name: tensor.contiguous() for name, tensor in candidate.model.state_dict().items()
        }
        file = self._file(key)
        written_whole(file, save(weights, metadata={"paretune": json.dumps(header)}))
        self._store.add_stage(
            key=key,
            kind=kind,
            parent=parent,
            file=os.path.join(self._folder.name, file.name),
            sha256=sha256_of(file),
            bytes=file.stat().st_size,
            seconds=seconds,
        )

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"
