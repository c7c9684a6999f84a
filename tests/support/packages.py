"""Small packages, made as wheels, and environments to install wheels into."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Mapping
from pathlib import Path


def make_wheel(folder: Path, name: str, modules: Mapping[str, str], entry_points: str = "") -> Path:
    """Writes a package as a wheel, a zip file with metadata, and returns its path.

    Args:
        folder: Folder of the wheel.
        name: Name of the distribution.
        modules: Path in site-packages -> source.
        entry_points: Content of entry_points.txt.
    """
    info = f"{name}-1.0.dist-info"
    files = {
        **modules,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": entry_points,
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    return path


class Environment:
    """A new virtual environment that also sees this environment's dependencies.

    It does not see this environment's editable Paretune: that is a .pth file, which Python reads
    in its own site-packages only.

    Args:
        folder: Folder of the environment.
    """

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        paths = {"base": str(folder), "platbase": str(folder)}
        self.site = Path(sysconfig.get_path("purelib", vars=paths))
        (self.site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def pip(self, command: str, *arguments: object) -> None:
        """Runs pip of this environment on the new one, without an index and dependencies."""
        offline = ["--no-index", "--no-deps"] if command == "install" else ["--yes"]
        pip = [sys.executable, "-m", "pip", "--quiet", "--python", str(self.python)]
        subprocess.run([*pip, command, *offline, *map(str, arguments)], check=True)

    def run(self, code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Runs Python code in a folder."""
        command = [str(self.python), "-c", code]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True)

    def paretune(self, *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Runs the installed command `paretune` in a folder."""
        command = [str(self.site.parents[2] / "bin" / "paretune"), *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True)
