"""A study of texts from end to end: run, front, export, verify, and loading without Paretune."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer

STUDY = """\
data: {text: {path: moods.csv, text: sentence, label: mood, tokenizer: words}}
baseline:
  architecture: {text_transformer: {layers: 1, width: 32, heads: 2, mlp_ratio: 2.0, dropout: 0.0}}
  pretrain: {optimizer: {adam: {lr: 3e-3}}, epochs: 6, batch_size: 32}
space:
  architecture:
    text_transformer: {layers: 2, width: 32, heads: 2, mlp_ratio: 2.0, embedding: 8, share: all}
  pruning: {structured: {ratio: 0.5, round_to: 8}}
  distillation: {logits: {temperature: 2.0}}
  finetune: {epochs: 1, batch_size: 32, optimizer: {adam: {lr: 2e-3}}}
  quantization: {choice: [none, dynamic, static]}
objectives: {accuracy: maximize, latency: {minimize: p50, seconds: 0.1}, size: minimize}
search: {trials: 3, sampler: grid}
"""

GOOD = ["good", "fine", "lovely", "great"]
BAD = ["bad", "poor", "awful", "dull"]
NEUTRAL = ["the", "film", "was", "a", "story", "and", "its", "music", "end"]


def moods(count: int) -> list[tuple[str, str]]:
    """Returns (sentence, mood) pairs; one good or bad word, at a random index, decides the mood."""
    random = np.random.default_rng(0)
    rows = []
    for index in range(count):
        words = list(random.choice(NEUTRAL, size=random.integers(3, 12)))
        deciding_word = str(random.choice([GOOD, BAD][index % 2]))
        words.insert(int(random.integers(len(words) + 1)), deciding_word)
        rows.append((" ".join(words) + ".", ["glad", "sad"][index % 2]))
    return rows


@pytest.fixture
def study(tmp_path: Path) -> Path:
    with (tmp_path / "moods.csv").open("w", newline="") as out:
        csv.writer(out).writerows([("sentence", "mood"), *moods(400)])
    file = tmp_path / "moods.yaml"
    file.write_text(STUDY)
    return file


@pytest.mark.slow
def test_text_study_runs_from_data_to_verified_export(study: Path, cli: Any) -> None:
    output = cli("run", study)
    assert output.code == 0, output.err
    base, *front = json.loads(cli("front", study, "--json").out)["rows"]
    assert base["test"]["accuracy"]["value"] > 0.9
    assert front
    accuracies = {}
    for number in (1, 2, 3):
        trial = json.loads(cli("show", study, number, "--json").out)
        stages = {stage["kind"]: stage["params"] for stage in trial["plan"]}
        assert stages["finetune"]["distillation"] and stages["prune"]
        mode = next(iter(stages.get("quantize", {}).get("quantization", {"none": {}})))
        accuracies[mode] = trial["measurements"]["accuracy"]["value"]
    assert set(accuracies) == {"none", "dynamic", "static"}
    # Attention finds the deciding word; an attention mask in 8 bits would hide it
    assert min(accuracies.values()) > accuracies["none"] - 0.03

    folder = study.parent / "exported"
    output = cli("export", study, "--pick", "smallest", "-o", folder, "--no-latency")
    assert output.code == 0, output.out + output.err
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["input"]["dtype"] == "int64"
    output = cli("verify", folder, "--data", study.parent / "moods.csv", "--no-latency", "--json")
    assert output.code == 0, output.out
    results = json.loads(output.out)["results"]
    assert {"model.onnx", "tokenizer.json", "load.py"} <= {r["file"] for r in results}
    assert {"preprocessing", "outputs", "accuracy"} <= {r["check"] for r in results}

    # Load it as a user would, without Paretune
    tokenizer = Tokenizer.from_file(str(folder / manifest["preprocessing"]["tokenizer"]))
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    texts = ["The music was lovely!", "A dull film."]
    tokens = np.array([text.ids for text in tokenizer.encode_batch(texts)], dtype=np.int64)
    [logits] = session.run(None, {"input": tokens})
    names = manifest["preprocessing"]["class_names"]
    assert [names[i] for i in logits.argmax(axis=1)] == ["glad", "sad"]

    (folder / "tokenizer.json").write_text("{}")
    assert cli("verify", folder).code == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "space.architecture={resnet: {}}",
            "space.architecture: resnet takes images, but the data is text; architectures for",
        ),
        (
            "data=digits",
            "baseline.architecture: text_transformer takes text, but the data is images;",
        ),
        (
            "space.finetune.augment={flip: true}",
            "space.finetune.augment: changes images, but the data is text; leave augment out",
        ),
        (
            "baseline.architecture={text_transformer: {width: 30, heads: 4}}",
            "heads must divide the width: 30 is not a multiple of 4; 3 would fit",
        ),
        (
            "data.text.tokenizer=wordpiece",
            'unknown tokenizer "wordpiece". Known: bpe, words, char',
        ),
        ("data.text.path=gone.csv", "gone.csv: there is no such file or folder"),
    ],
)
def test_text_options_that_do_not_fit_are_refused(
    change: str, expected: str, study: Path, cli: Any
) -> None:
    output = cli("run" if "gone" in change else "check", study, "--set", change)
    assert output.code == 2
    assert expected in " ".join(output.err.split())
