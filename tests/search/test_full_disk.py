"""A disk that is really full: nothing half-written stays, and the same command goes on later.

The disk is a small tmpfs in a mount namespace of the test's own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.studies import record_of

NAMESPACE = ["unshare", "--map-root-user", "--mount"]

TRAINER = """\
from pathlib import Path

FOLDER = Path(__file__).parent


def evaluate(plan, report):
    if len(list(FOLDER.glob("begun-*"))) == 3 and not (FOLDER / "room").exists():
        with (FOLDER / "disk" / "filler").open("wb", buffering=0) as filler:
            for size in (4096, 1):
                try:
                    while True:
                        filler.write(bytes(size))
                except OSError:
                    pass
    (FOLDER / f"begun-{plan['depth']}").touch()
    return {"error": 1.0 / plan["depth"], "cost": float(plan["depth"])}
"""

STUDY = """\
study: full
evaluate: "MODULE:evaluate"
space: {depth: {int: [1, 1000000]}}
objectives: {error: {minimize: fraction}, cost: {minimize: ms}}
search: {trials: 6, seed: 1, sampler: random}
"""

RUN_TWICE = """\
mount -t tmpfs -o size=8m tmpfs disk
first=0; "$@" --storage sqlite:///disk/study.db >first 2>&1 || first=$?
rm disk/filler; touch room
second=0; "$@" --storage sqlite:///disk/study.db >second 2>&1 || second=$?
mkdir -p full; cp disk/study.db* full
echo "$first $second" >codes
"""

WRITE_FILES = """\
import os
from pathlib import Path

from paretune.objectives.runtimes.artifact_file import write_artifact
from paretune.search.files import sha256_of
from paretune.search.stores.address import StoreError, store_address
from paretune.search.stores.file_store import FileStore

file = Path("file")
file.write_bytes(os.urandom(200_000))
digest = sha256_of(file)
store = FileStore(store_address(os.path.abspath("disk/store"), Path()), wait_s=0.0)
store.check()
try:
    store.put(file, digest)
    raise SystemExit("the store took it")
except StoreError as error:
    assert "No space left on device; make room there" in str(error), error
assert not store.has(digest)
assert not list(Path("disk").rglob("*.part"))
try:
    write = lambda draft: draft.write_bytes(bytes(200_000))
    write_artifact(Path("disk/net.onnx"), "onnxruntime", write)
    raise SystemExit("the artifact was written")
except OSError as error:
    assert error.errno == 28, error
assert not list(Path("disk").glob("*net*"))
"""


def in_namespace(folder: Path, script: str, *arguments: str) -> None:
    """Runs a script of the shell in a folder with an empty folder `disk`, which it may mount on."""
    (folder / "disk").mkdir()
    if subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace can be made here")
    command = [*NAMESPACE, "sh", "-euc", script, "sh", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_study_whose_disk_was_full_has_the_trials_of_an_undisturbed_one(tmp_path: Path) -> None:
    files = []
    for name in ("alone", "full"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"full_disk_{name}.py").write_text(TRAINER)
        files.append(tmp_path / name / "full.yaml")
        files[-1].write_text(STUDY.replace("MODULE", f"full_disk_{name}"))
    alone, file = files
    (alone.parent / "room").touch()
    command = [sys.executable, "-m", "paretune", "run"]
    assert subprocess.run([*command, alone], capture_output=True, check=False).returncode == 0
    in_namespace(file.parent, RUN_TWICE, *command, "full.yaml")
    first, second = ((file.parent / name).read_text() for name in ("first", "second"))
    assert (file.parent / "codes").read_text().split() == ["2", "0"], first + second
    assert "the disk is full; make room and type the same command again" in first
    assert "trial 4: " in second and "; going on with it" in second
    kept, expected = (
        [(t.number, t.state, dict(t.params), dict(t.values)) for t in record_of(study).trials]
        for study in (file, alone)
    )
    assert kept == expected


@pytest.mark.slow
def test_full_disk_leaves_no_half_of_a_stored_file_or_an_artifact(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=64k tmpfs disk; "$1" -c "$2"'
    in_namespace(tmp_path, script, sys.executable, WRITE_FILES)
