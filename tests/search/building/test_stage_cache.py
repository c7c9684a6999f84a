"""The stage cache: what a stored candidate is when it is loaded again."""

from __future__ import annotations

from pathlib import Path

import torch

from paretune.inputs import Tokens
from paretune.search.building.stage_cache import StageCache
from paretune.search.database.engine import open_engine
from paretune.search.database.store import Store
from paretune.spaces.base import Candidate
from paretune.spaces.rebuild import initial_candidate, rebuild
from paretune.task import Outputs


def stored(candidate: Candidate, folder: Path) -> Candidate:
    store = Store(open_engine(f"sqlite:///{folder / 'study.db'}", create=True))
    cache = StageCache(folder / "stages", store)
    cache.save("key", "pretrain", None, candidate, 1.0, {})
    loaded = cache.load("key", rebuild)
    assert loaded is not None
    return loaded


def test_tied_weights_are_stored_and_tied_again(tmp_path: Path) -> None:
    decoder = {"text_decoder": {"layers": 1, "width": 16, "heads": 2, "tied": True}}
    shape = Tokens(8, 30)
    candidate = initial_candidate(decoder, shape, Outputs(30, "position"), seed=0)
    loaded = stored(candidate, tmp_path)
    ids = torch.arange(16).reshape(2, 8)
    assert torch.equal(loaded.model(ids), candidate.model(ids))
    assert loaded.model.head.weight is loaded.model.tokens.weight
    assert (loaded.shape, loaded.outputs) == (shape, Outputs(30, "position"))


def test_layers_to_keep_are_stored(tmp_path: Path) -> None:
    candidate = initial_candidate(
        {"simple_cnn": {"width": 0.125}}, (1, 8, 8), 3, seed=0, keep=("9",)
    )
    assert stored(candidate, tmp_path).keep == ("9",)
