"""The package `paretune`: what an import costs, and that no module has two names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

STUDY = """\
study: clash
data: {python: "mynet:arrays"}
baseline: {architecture: {simple_cnn: {width: 0.25}}, pretrain: {optimizer: adam, epochs: 1}}
space: {quantization: {choice: [none, dynamic]}}
objectives: {accuracy: maximize, size: minimize}
search: {trials: 1}
"""

NETWORK = """\
import numpy as np
from objectives import Loss


def arrays():
    assert Loss.mine
    return {"x_train": np.zeros((40, 8, 8), "uint8"), "y_train": np.arange(40) % 4}
"""

SCRIPT = """\
import importlib, json, runpy, sys
from pathlib import Path
sys.argv = ["paretune", *sys.argv[1:]]
try:
    runpy.run_module("paretune", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
for name in {modules!r}:
    importlib.import_module(name)
files = {{}}
for name, module in list(sys.modules.items()):
    file = getattr(module, "__file__", None)
    if file and name != "__main__":
        files.setdefault(str(Path(file).resolve()), []).append(name)
print(json.dumps(files))
assert not {{"search", "spaces", "objectives"}} & set(sys.modules)
"""

MODULES = (
    "paretune.search.running.runner",
    "paretune.search.export.exporter",
    "paretune.search.profiling.profiler",
    "paretune.search.retargeting.retarget",
    "paretune.search.views.report",
    "paretune.spaces.pruning.structured",
    "paretune.spaces.quantization.qat",
    "paretune.objectives.accuracy",
    "paretune.objectives.runtimes.onnxruntime",
)


def run_python(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ,
    )


def test_package_has_a_version_and_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys, paretune\n"
        "heavy = {'torch', 'optuna', 'numpy', 'pydantic', 'click'} & set(sys.modules)\n"
        "print(paretune.__version__, sorted(heavy))\n"
        "print([name for name in sys.modules if name.startswith('paretune.')])"
    )
    result = run_python("-c", code, folder=tmp_path)
    version, submodules = result.stdout.splitlines()
    assert version.endswith(" []") and version[0].isdigit()
    assert submodules == "[]"


def test_public_names_are_imported_when_they_are_used(tmp_path: Path) -> None:
    code = (
        "import sys, paretune\n"
        "assert {*paretune.__all__} <= {*dir(paretune)}\n"
        "paretune.Study, paretune.Trial, paretune.verify, paretune.UserError\n"
        "print(sorted({'torch', 'optuna', 'plotly', 'pandas', 'rich'} & set(sys.modules)))\n"
        "for name in paretune.__all__: getattr(paretune, name)\n"
        "try: paretune.study\n"
        "except AttributeError as error: print(error)"
    )
    result = run_python("-c", code, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    heavy, unknown = result.stdout.splitlines()
    assert heavy == "[]"
    assert unknown == "module 'paretune' has no attribute 'study'"


USER_CODE = """\
import paretune

study = paretune.Study("plates.yaml", set={"search.seed": 1})
study.run(trials=40, workers=2, reporters=[lambda event: print(event)])
best: paretune.Trial = study.pick("latency <= 5 ms")
value: float = best.measurements["latency"].value
ok: bool = best.export("out").ok and paretune.verify("out").ok
reveal_type(best.model())
reveal_type(study.front[0].plan)
"""


@pytest.mark.slow
def test_types_reach_the_code_of_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(USER_CODE)
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "paretune").symlink_to(ROOT / "paretune")
    monkeypatch.setenv("MYPYPATH", str(tmp_path / "packages"))  # it does not see editable installs
    result = run_python(
        "-m", "mypy", "--strict", "--follow-imports=silent", "mine.py", folder=tmp_path
    )
    assert "Success" in result.stdout, result.stdout
    assert 'Revealed type is "torch.nn.modules.module.Module"' in result.stdout
    assert 'Revealed type is "builtins.str"' in result.stdout or '"str"' in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize("current", ["repository", "elsewhere"])
def test_no_module_has_two_names(tmp_path: Path, current: str) -> None:
    folder = ROOT if current == "repository" else tmp_path
    code = SCRIPT.format(modules=MODULES)
    study = ROOT / "studies" / "quickstart.yaml"
    result = run_python("-c", code, "check", study, folder=folder)
    assert result.returncode == 0, result.stderr
    names_of: dict[str, list[str]] = json.loads(result.stdout.splitlines()[-1])
    folders = [str(ROOT / room) for room in ("paretune", "search", "spaces", "objectives")]
    own = {file: names for file, names in names_of.items() if file.startswith((*folders,))}
    assert len(own) > 100
    assert {file: names for file, names in own.items() if len(names) > 1} == {}
    names = {name for names in own.values() for name in names}
    assert {name for name in names if not name.startswith("paretune")} == set()


@pytest.mark.slow
@pytest.mark.parametrize("current", ["study", pytest.param("elsewhere")])
def test_user_s_own_objectives_module_is_imported(tmp_path: Path, current: str) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "s.yaml").write_text(STUDY)
    (folder / "mynet.py").write_text(NETWORK)
    (folder / "objectives.py").write_text("class Loss:\n    mine = True\n")
    start = folder if current == "study" else tmp_path
    result = run_python("-m", "paretune", "run", folder / "s.yaml", folder=start)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (folder / "s" / "report.html").is_file()
