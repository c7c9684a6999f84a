"""Attaches the front's files and cards to Optuna's trials, so that optuna-dashboard shows them.

Type `optuna-dashboard sqlite:///STUDY/study.db --artifact-dir STUDY/optuna-artifacts`.
"""

from __future__ import annotations

import json
import mimetypes
import os
import tempfile
import uuid
from pathlib import Path
from typing import BinaryIO

import optuna
import sqlalchemy as sa
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.artifacts._upload import ARTIFACTS_ATTR_PREFIX, DEFAULT_MIME_TYPE
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial

from paretune.search.files import sha256_of
from paretune.search.study.records import StudyRecord
from paretune.search.study.spec import StudySpec
from paretune.search.tracking.front_files import front_files

_ATTRIBUTES = models.TrialSystemAttributeModel.__table__

FOLDER = "optuna-artifacts"
"""Folder of the attached files, in the study's folder."""

INDEX = "index.json"
"""File in that folder: artifact id -> SHA-256, by which a file is attached once."""


def attach_front(spec: StudySpec, record: StudyRecord) -> int:
    """Attaches the files of the front's trials that are not attached yet; returns their number.

    Args:
        spec: The study; one of the user's own trainer has no files.
        record: The study, with its final front.
    """
    if spec.trainer is not None or not record.front:
        return 0
    folder = spec.folder / FOLDER
    folder.mkdir(exist_ok=True)
    storage = RDBStorage(spec.storage)
    try:
        study = optuna.load_study(study_name=spec.name, storage=storage)
        mirrored = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
        attached = 0
        with tempfile.TemporaryDirectory() as scratch:
            for trial in record.front:
                if trial.number in mirrored:
                    files = front_files(trial, record, spec.file, spec.folder, Path(scratch))
                    attached += _attach(files, mirrored[trial.number], storage, folder)
        return attached
    finally:
        storage.engine.dispose()


def _attach(files: list[Path], trial: FrozenTrial, storage: RDBStorage, folder: Path) -> int:
    index = _read_index(folder)
    metas = get_all_artifact_meta(study_or_trial=trial, storage=storage)
    present = {(meta.filename, index.get(meta.artifact_id)) for meta in metas}
    attached = 0
    for file in files:
        digest = sha256_of(file)
        if (file.name, digest) not in present:
            number = _upload(file, trial, storage, _LinkStore(folder))
            index[number] = digest
            (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
            attached += 1
    return attached


def _upload(
    file: Path, trial: FrozenTrial, storage: RDBStorage, store: FileSystemArtifactStore
) -> str:
    """Attaches a file to a trial that has ended, which `optuna.artifacts.upload_artifact` refuses.

    It writes the same row (optuna/artifacts/_upload.py).
    """
    number = str(uuid.uuid4())
    kind = mimetypes.guess_type(file.name)[0] or DEFAULT_MIME_TYPE
    meta = {"artifact_id": number, "filename": file.name, "mimetype": kind, "encoding": None}
    with file.open("rb") as stream:
        store.write(number, stream)
    row = {
        "trial_id": trial._trial_id,
        "key": ARTIFACTS_ATTR_PREFIX + number,
        "value_json": json.dumps(json.dumps(meta)),
    }
    with storage.engine.begin() as connection:
        connection.execute(sa.insert(_ATTRIBUTES), row)
    return number


def _read_index(folder: Path) -> dict[str, str]:
    try:
        index: dict[str, str] = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return index


class _LinkStore(FileSystemArtifactStore):
    """Links a file instead of copying it, where the file system can: models take no space twice."""

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        try:
            os.link(content_body.name, self._get_filepath(artifact_id))
        except OSError:
            super().write(artifact_id, content_body)
