"""The model card: what it says, and that its code is what runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from paretune.search.export.load_script import MOST_NAMES, script_of


def test_card_tells_what_how_and_how_good(exported: Path) -> None:
    card = (exported / "MODEL_CARD.md").read_text()
    manifest = json.loads((exported / "manifest.json").read_text())
    for heading in ("Numbers", "How it was made", "Use it", "Checked", "Licence", "Limits"):
        assert f"\n## {heading}\n" in card
    assert manifest["plan_text"] in card
    assert manifest["data"]["fingerprint"] in card
    assert manifest["artifacts"][0]["sha256"] in card
    assert "899 train, 448 validation, 450 test examples" in card
    accuracy = manifest["measurements"]["test"]["accuracy"]
    assert f"{100 * accuracy['value']:.2f} % (" in card
    cpu = manifest["measurements"]["validation"]["latency"]["conditions"]["cpu"]
    assert re.search(rf"latency: p50 of \d+ runs, batch 1, 1 thread, onnxruntime on {cpu}", card)
    assert "Trained from scratch by you" in card
    assert "as measured. Again, anywhere: `paretune verify`" in card


def test_code_of_the_card_runs_without_paretune(exported: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)\n```", (exported / "MODEL_CARD.md").read_text(), re.S)
    assert code + "\n" == (exported / "load.py").read_text()
    assert "paretune" not in code.lower() and "import torch" not in code
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [sys.executable, "-I", "load.py"],
        cwd=exported,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"(\d\n){16}", done.stdout)


def test_many_classes_are_left_to_the_manifest(exported: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    [artifact] = manifest["artifacts"]
    how = {**manifest["preprocessing"], "class_names": ["x"] * (MOST_NAMES + 1)}
    code = script_of(artifact, {**manifest, "preprocessing": how})
    assert "print(row.argmax())  # of the class; class_names in manifest.json" in code
    compile(code, "load.py", "exec")
    assert "CLASSES" not in code
