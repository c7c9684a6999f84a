"""An export of the tiny study, and how somebody would forge one."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paretune.search.export.manifest import Manifest, file_entry


@pytest.fixture(scope="session")
def _exported(
    _finished: Any, cli: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    place = tmp_path_factory.mktemp("export")
    folder = place / "exported"
    shutil.copytree(_finished[0], place, dirs_exist_ok=True)
    # What a busy machine measured in a tenth of a second: here any latency has to do.
    with sqlite3.connect(place / "tiny" / "study.db") as database:
        database.execute(
            "update paretune_measurements set low = value / 1e3, high = value * 1e3 "
            "where name = 'latency'"
        )
    said = cli("export", place / "tiny.yaml", "--pick", "knee", "-o", folder)
    assert said.code == 0, said.out + said.err
    return folder, said.out


@pytest.fixture
def exported(_exported: tuple[Path, str], tmp_path: Path) -> Path:
    """The knee of the tiny study, exported; a copy that a test may change."""
    return Path(shutil.copytree(_exported[0], tmp_path / "exported"))


@pytest.fixture
def told(_exported: tuple[Path, str]) -> str:
    """What that export printed."""
    return _exported[1]


Forge = Callable[..., None]


@pytest.fixture
def forge() -> Forge:
    """`forge(folder, trial=3)` writes a manifest with this content, and every digest anew."""

    def forged(folder: Path, **more: Any) -> None:
        content = {**json.loads((folder / "manifest.json").read_text()), **more}

        def renewed(entry: dict[str, Any]) -> dict[str, Any]:
            return {**entry, **file_entry(folder, entry["file"])}

        content["artifacts"] = [renewed(e) for e in content["artifacts"]]
        content["assets"] = [renewed(e) for e in content["assets"]]
        Manifest(folder, content).write()

    return forged
