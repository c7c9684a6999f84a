"""`init` for language models, Lightning and Transformers: the study it writes passes its check."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.search.starting.init import init_study
from paretune.search.starting.request import InitRequest
from paretune.search.study_file.check import check_info
from paretune.search.study_file.loading import load_study

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples" / "frameworks"

WORDS = '''\
"""Tokens [N, 12] of a language in which each word follows from the one before."""

import numpy as np


def made():
    random = np.random.default_rng(0)
    tokens = random.integers(1, 20, (240, 12))
    tokens[:, 1::2] = (3 * tokens[:, ::2] + 1) % 19 + 1
    return {"x_train": tokens[:160], "x_val": tokens[160:200], "x_test": tokens[200:]}
'''

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Returns the current folder, with the examples of the docs."""
    for file in EXAMPLES.glob("*.py"):
        shutil.copy(file, tmp_path)
    (tmp_path / "words.py").write_text(WORDS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("digits_module", "sentences", "words"):
        sys.modules.pop(name, None)


def started(**options: Any) -> dict[str, Any]:
    """Writes a study as `optimize` does, checks it, and returns it."""
    result = init_study(InitRequest(**options), brief=True)
    check_info(load_study(result.path))
    assert result.facts.epoch > 0 and result.facts.latency > 0
    return dict(result.source)


def test_language_model_gets_perplexity_and_smaller_decoders(folder: Path) -> None:
    study = started(model="text_decoder, layers=2, width=32, heads=2",
                    data="{python: 'words:made', vocabulary: 20}")  # fmt: skip
    assert study["task"] == "language_model"
    assert next(iter(study["objectives"].items())) == ("perplexity", "minimize")
    assert study["constraints"] == ["perplexity <= 1.2 x baseline"]
    assert study["baseline"]["pretrain"]["clip"] == 1.0
    searched = study["space"].get("architecture", {}).get("text_decoder", {})
    assert set(searched) <= {"layers", "width", "heads"}
    assert "structured" in study["space"]["pruning"]["choice"]


def test_lightning_task_gets_the_score_that_its_module_logs(folder: Path) -> None:
    pytest.importorskip("lightning", reason="needs the extra lightning")
    pytest.importorskip("torchmetrics")
    task = {"lightning": {"module": "digits_module:Net", "data": "digits_module:Digits"}}
    study = started(task=str(task))
    assert study["task"] == task and "data" not in study
    assert next(iter(study["objectives"].items())) == ("val_acc", "maximize")
    assert "pretrain" in study["baseline"]
    assert "batch_size" not in study["baseline"]["pretrain"]  # the data module has its own


def test_transformers_task_of_a_folder_with_weights_is_finetuned(folder: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra transformers")
    import sentences  # type: ignore[import-not-found]
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=sentences.WORDS, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=32, num_labels=3,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained("tiny-bert")
    options = {"model": "tiny-bert", "data": "sentences:datasets", "collator": "sentences:collate",
               "metric": "sentences:compute_metrics"}  # fmt: skip
    study = started(task=str({"transformers": options}), objectives=("correct:maximize:fraction",))
    assert study["task"] == {"transformers": options}
    assert next(iter(study["objectives"].items())) == ("correct", {"maximize": "fraction"})
    assert "pretrain" not in study.get("baseline", {})
    choice = study["space"]["pruning"]["choice"]
    assert choice["depth"] == {"blocks": 1} and "structured" in choice
    assert np.isfinite(study["space"]["finetune"]["epochs"])
