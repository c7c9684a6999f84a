"""verify.py in an export: checks digests and outputs without Paretune."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from paretune.search.export import checks, standalone_verify, verifier
from paretune.search.export.manifest import Manifest, file_entry

RUN = """\
import runpy, sys
try:
    runpy.run_path(sys.argv[1], run_name="__main__")
except SystemExit as end:
    code = end.code
names = {"paretune", "torch", "onnx"} & {name.partition(".")[0] for name in sys.modules}
print("imported:", sorted(names))
sys.exit(code)
"""


def verify(folder: Path) -> tuple[int, str]:
    """Runs verify.py in a new process; returns its exit code and what it printed."""
    result = subprocess.run(
        [sys.executable, "-I", "-c", RUN, str(folder / "verify.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout + result.stderr


def test_export_passes_with_numpy_and_the_runtime_alone(exported: Path) -> None:
    code, printed = verify(exported)
    assert code == 0, printed
    assert "all checks passed" in printed
    assert "imported: []" in printed


def _change_model(folder: Path) -> None:
    with (folder / "model.onnx").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\\0")


def _cut_model(folder: Path) -> None:
    content = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(content[: len(content) // 2])


def _remove_script(folder: Path) -> None:
    (folder / "load.py").unlink()


def _change_manifest(folder: Path) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**content, "trial": 99}))


def _break_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def _leave_folder(folder: Path) -> None:
    (folder.parent / "elsewhere.bin").write_bytes(b"x")
    content = json.loads((folder / "manifest.json").read_text())
    entry = {**file_entry(folder.parent, "elsewhere.bin"), "file": "../elsewhere.bin"}
    content["assets"].append(entry)
    Manifest(folder, content).write()


def _change_outputs(folder: Path) -> None:
    with np.load(folder / "probe.npz") as probe:
        arrays = dict(probe)
    arrays["model.onnx"] = arrays["model.onnx"] + np.float32(100) * np.eye(10)[:1]
    np.savez(folder / "probe.npz", **arrays)


def _change_preprocessing(folder: Path) -> None:
    script = folder / "load.py"
    script.write_text(script.read_text().replace("images / 255", "images / 256"))


def _raise_in_script(folder: Path) -> None:
    script = folder / "load.py"
    script.write_text("import a_missing_runtime\n" + script.read_text())


FORGED = (_change_outputs, _change_preprocessing, _raise_in_script)
"""Damages after which the manifest gets right digests."""


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_change_model, "model.onnx: size and SHA-256: it is another file"),
        (_cut_model, "model.onnx: not run, because model.onnx changed"),
        (_remove_script, "load.py: size and SHA-256: there is no such file"),
        (_change_manifest, "manifest.json: digest: its digest is"),
        (_break_manifest, "manifest.json: cannot be read: JSONDecodeError"),
        (_leave_folder, "elsewhere.bin: size and SHA-256: this file is outside the folder"),
        (_change_outputs, "model.onnx: outputs for 16 examples: they differ by"),
        (_change_preprocessing, "model.onnx: inputs of 16 examples: they differ by"),
        (_raise_in_script, "model.onnx: runs by load.py: ModuleNotFoundError"),
    ],
    ids=lambda value: value.__name__[1:] if callable(value) else "",
)
def test_changed_export_fails_with_the_reason(
    exported: Path, forge: Callable[..., None], damage: Callable[[Path], None], words: str
) -> None:
    damage(exported)
    if damage in FORGED:
        forge(exported)
    code, printed = verify(exported)
    assert code == 1, printed
    assert words in printed
    assert "Traceback" not in printed


def test_tolerances_are_those_of_paretune_verify() -> None:
    assert standalone_verify.FLOAT_TOLERANCE == checks.FLOAT_TOLERANCE
    assert standalone_verify.ROUNDED_TOLERANCE == checks.ROUNDED_TOLERANCE
    assert standalone_verify.AGREEMENT == checks.AGREEMENT
    assert standalone_verify.INPUT_TOLERANCE == verifier.INPUT_TOLERANCE


def test_paretune_verify_checks_the_digest_of_the_script(exported: Path, cli: Callable) -> None:
    with (exported / "verify.py").open("a") as file:
        file.write("# changed\n")
    result = cli("verify", exported, "--no-latency")
    assert result.code == 1
    assert "verify.py: sha256" in result.out
