"""load.py: the code that a user of an exported model runs."""

from __future__ import annotations

import json
from pathlib import Path

from paretune.search.export.load_script import MOST_NAMES, script_text


def test_many_class_names_are_left_to_the_manifest(exported: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    [artifact] = manifest["artifacts"]
    preprocessing = {**manifest["preprocessing"], "class_names": ["x"] * (MOST_NAMES + 1)}
    code = script_text(artifact, {**manifest, "preprocessing": preprocessing})
    assert "print(logits.argmax())  # number of the class; names: class_names in man" in code
    compile(code, "load.py", "exec")
    assert "CLASSES" not in code
