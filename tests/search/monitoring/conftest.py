"""An export whose calls can be logged."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from support.logged_exports import digits, part_of, write_logged_export


@pytest.fixture(scope="session")
def _logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_logged_export(tmp_path_factory.mktemp("logged") / "exported")


@pytest.fixture
def exported(_logged: Path, tmp_path: Path) -> Path:
    """The export; a copy that a test may change."""
    return Path(shutil.copytree(_logged, tmp_path / "exported"))


@pytest.fixture(scope="session")
def test_images() -> tuple[np.ndarray, np.ndarray]:
    """Images and classes of the test part."""
    return part_of(digits(), "test")
