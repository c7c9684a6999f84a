"""The model card: its sections, and the code in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from paretune.search.export.model_card import card_text
from paretune.search.views.portability_text import portability_text


def test_card_describes_the_model_its_making_and_its_measurements(exported: Path) -> None:
    card = (exported / "MODEL_CARD.md").read_text()
    manifest = json.loads((exported / "manifest.json").read_text())
    sections = ("Measurements", "How it was made", "How to use it", "Checks", "Licence", "Limits")
    for heading in sections:
        assert f"\n## {heading}\n" in card
    assert manifest["plan_text"] in card
    assert manifest["data"]["fingerprint"] in card
    assert manifest["artifacts"][0]["sha256"] in card
    assert "899 train, 448 validation, 450 test examples" in card
    accuracy = manifest["measurements"]["test"]["accuracy"]
    assert f"{100 * accuracy['value']:.2f} % (" in card
    cpu = manifest["measurements"]["validation"]["latency"]["conditions"]["cpu"]
    timed = rf"latency: p50 of \d+ runs, batch 1, 1 thread, onnxruntime on {re.escape(cpu)}"
    assert re.search(timed, card)
    assert "You trained it from scratch" in card
    assert "all checks passed. To check digests and outputs again, on any machine and" in card
    assert "`python verify.py`" in card
    assert "`paretune monitor FOLDER --log calls.jsonl` shows drift" in card


def test_card_says_which_execution_providers_run_the_file(exported: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    [artifact] = manifest["artifacts"]
    assert any("Conv" in name for name in artifact["info"]["operators"]), "in any number format"
    text = portability_text(artifact)
    line = f"Execution providers of ONNX Runtime that run `{artifact['file']}`: {text}."
    assert f"\n{line}\n" in card_text(manifest)
    artifact["info"] = {"operators": {"Conv": 2, "Relu": 1}}
    assert portability_text(artifact).startswith("all ")
    artifact["info"] = {"operators": {"ConvInteger": 2, "Relu": 1}}
    assert "coreml lacks 2 (ConvInteger 2)" in card_text(manifest)
    artifact["info"] = {}
    assert "Execution providers" not in card_text(manifest)


def _isolated(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command in a folder, without variables for Python."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    process = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process


def test_card_without_a_test_part_has_no_column_for_it(exported: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    sizes = {**manifest["data"]["sizes"], "test": 0}
    why, note = "There is no test part, because ...", "The validation part is ..."
    manifest["data"] |= {"sizes": sizes, "no_test": why, "notes": [note]}
    manifest["measurements"]["test"] = manifest["baseline"]["test"] = {}
    manifest["artifacts"][0]["expected"]["test"] = {}
    card = card_text(manifest)
    assert "\n| | validation | baseline, validation | times better |\n|---|---|---|---|\n" in card
    rows = [line for line in card.splitlines() if line.startswith("| accuracy |")]
    assert [row.count("|") for row in rows] == [5]
    assert f"- {why}\n- {note}\n" in card
    assert "899 train, 448 validation examples" in card
    assert "Accuracy was measured on the validation part only" in card
    assert "Accuracy was measured on 450 test examples" not in card


def test_code_of_the_card_runs_without_paretune(exported: Path) -> None:
    [code] = re.findall(r"```python\n(.*?)\n```", (exported / "MODEL_CARD.md").read_text(), re.S)
    with np.load(exported / "probe.npz") as probe:
        for name, image in zip(("photo.jpg", "another.png"), probe["examples"], strict=False):
            Image.fromarray(image[0]).save(exported / name)
    checked = (
        f"import sys; sys.path.insert(0, '.')\n{code}\nprint(logits.shape, sorted(sys.modules))"
    )
    process = _isolated([sys.executable, "-I", "-c", checked], exported)
    assert process.stdout.startswith("(2, 10)")
    assert "'paretune" not in process.stdout and "'torch'" not in process.stdout


def test_script_runs_without_paretune(exported: Path) -> None:
    code = (exported / "load.py").read_text()
    assert not re.search(r"(import|from) (paretune|torch)", code)
    process = _isolated([sys.executable, "-I", "load.py"], exported)
    assert re.fullmatch(r"(\d\n){16}", process.stdout)


def test_card_compares_with_the_baseline_in_pairs_or_says_that_it_does_not(exported: Path) -> None:
    manifest = json.loads((exported / "manifest.json").read_text())
    compared = manifest["compared_with_baseline"]
    assert any(line.startswith("accuracy on test ") for line in compared)
    card = card_text(manifest)
    assert all(f"\n- compared with the baseline: {line}\n" in card for line in compared)
    assert "they are not paired" not in card
    unpaired = card_text({**manifest, "compared_with_baseline": []})
    assert "intervals may be chance; they are not paired" in unpaired
