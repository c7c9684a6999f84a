"""The built wheel and sdist install `paretune` alone, and run from any folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from support.packages import Environment, make_wheel

ROOT = Path(__file__).parents[1]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SHORT = ["--trials", "2", "--set", "baseline.pretrain.epochs=1", "--set", "space.finetune.epochs=1"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sdist and wheels; `dist` has the wheel of the sdist, `direct` of the tree."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    files = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    for name in filter(None, files):
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    command = [sys.executable, "-m", "build", "--outdir", str(folder / "dist"), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    direct = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder / "direct")]
    subprocess.run([*direct, str(source)], check=True, capture_output=True)
    return folder


def wheel_in(folder: Path) -> Path:
    [wheel] = folder.glob("*.whl")
    return wheel


def test_wheel_of_the_sdist_equals_the_wheel_of_the_tree(built: Path) -> None:
    wheels = [zipfile.ZipFile(wheel_in(built / name)) for name in ("dist", "direct")]
    first, second = ({i.filename: i.CRC for i in wheel.infolist()} for wheel in wheels)
    assert first == second


def test_wheel_holds_one_package_with_its_data(built: Path) -> None:
    names = zipfile.ZipFile(wheel_in(built / "dist")).namelist()
    roots = {name.partition("/")[0] for name in names}
    assert {name for name in roots if not name.endswith(".dist-info")} == {"paretune"}
    for data in ("py.typed", "search/data/digits.npz", "search/views/page/report.html"):
        assert f"paretune/{data}" in names


def test_sdist_holds_files_and_no_links(built: Path) -> None:
    [sdist] = (built / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert not [member.name for member in members if member.issym() or member.islnk()]
    assert any(member.name.endswith("/paretune/search/cli.py") for member in members)


def test_installed_package_runs_the_quickstart_from_another_folder(
    built: Path, tmp_path: Path
) -> None:
    """With the wheel of the sdist, which equals that of the tree."""
    environment = Environment(tmp_path / "environment")
    before = set(environment.site.iterdir())
    environment.pip("install", wheel_in(built / "dist"))
    added = {p.name for p in set(environment.site.iterdir()) - before}
    assert {name for name in added if not name.endswith(".dist-info")} == {"paretune"}
    study = tmp_path / "work" / "quickstart.yaml"
    study.parent.mkdir()
    shutil.copy(ROOT / "studies" / "quickstart.yaml", study)
    run = environment.paretune("run", study.name, *SHORT, cwd=study.parent)
    assert run.returncode == 0, run.stdout + run.stderr
    front = environment.paretune("front", study.name, cwd=study.parent)
    assert front.returncode == 0 and "base" in front.stdout


@pytest.mark.parametrize("first", ["paretune", "other"])
@pytest.mark.parametrize("leaves", ["paretune", "other"])
def test_packages_named_like_the_rooms_live_beside_it(
    built: Path, tmp_path: Path, first: str, leaves: str
) -> None:
    """`spaces` is a package of Hugging Face; other packages may take the other two names."""
    rooms = ("spaces", "objectives", "search")
    modules = {f"{room}/__init__.py": f"NAME = 'another {room}'\n" for room in rooms}
    wheels = {
        "other": make_wheel(tmp_path, "other", modules),
        "paretune": wheel_in(built / "dist"),
    }
    environment = Environment(tmp_path / "environment")
    for name in (first, *({"paretune", "other"} - {first})):
        environment.pip("install", wheels[name])
    both = "; ".join(f"import {room}; assert {room}.NAME == 'another {room}'" for room in rooms)
    ours = "import paretune.spaces, paretune.objectives, paretune.search.cli"
    together = environment.run(f"{both}; {ours}", tmp_path)
    assert together.returncode == 0, together.stderr
    environment.pip("uninstall", leaves)
    stays, gone = (both, ours) if leaves == "paretune" else (ours, both)
    assert environment.run(stays, tmp_path).returncode == 0
    assert "No module named" in environment.run(gone, tmp_path).stderr
