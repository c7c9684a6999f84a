"""An export of the tiny study, and a forged manifest of it."""

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
    study = tmp_path_factory.mktemp("export")
    folder = study / "exported"
    shutil.copytree(_finished[0], study, dirs_exist_ok=True)
    # A busy machine measured the latency for a tenth of a second: here, any latency must pass.
    with sqlite3.connect(study / "tiny" / "study.db") as database:
        database.execute(
            "update paretune_measurements set low = value / 1e3, high = value * 1e3 "
            "where name = 'latency'"
        )
    result = cli("export", study / "tiny.yaml", "--pick", "knee", "-o", folder)
    assert result.code == 0, result.out + result.err
    return folder, result.out


@pytest.fixture
def exported(_exported: tuple[Path, str], tmp_path: Path) -> Path:
    """An export of the tiny study's knee; a copy that a test may change."""
    return Path(shutil.copytree(_exported[0], tmp_path / "exported"))


@pytest.fixture
def printed(_exported: tuple[Path, str]) -> str:
    """The text that this export printed."""
    return _exported[1]


Forge = Callable[..., None]


@pytest.fixture
def forge() -> Forge:
    """`forge(folder, trial=3)` writes a manifest with this content and right digests."""

    def write(folder: Path, **more: Any) -> None:
        content = {**json.loads((folder / "manifest.json").read_text()), **more}

        def renewed(entry: dict[str, Any]) -> dict[str, Any]:
            return {**entry, **file_entry(folder, entry["file"])}

        content["artifacts"] = [renewed(e) for e in content["artifacts"]]
        content["assets"] = [renewed(e) for e in content["assets"]]
        Manifest(folder, content).write()

    return write
