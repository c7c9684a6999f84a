"""Draws for the expected improvement spread evenly around what the surrogate expects."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.sampling.ensemble import Ensemble
from paretune.search.sampling.features import FeatureEncoder
from paretune.search.sampling.history import History
from paretune.search.sampling.loss_draws import DRAWS, LossDraws
from paretune.search.sampling.pool import PoolEntry
from paretune.search.sampling.random_forest import RandomForest
from paretune.search.study.sampler_options import ThompsonParams
from paretune.spaces.domains import Float, Record

SIGNS = np.array([1.0, -1.0])
"""Size, which is known, and score."""


def entry(features: FeatureEncoder, x: float) -> PoolEntry:
    key = (("x", x),)
    return PoolEntry(key, key, {"x": x}, features.row({"x": x}), {"size": 10 * x})


@pytest.mark.parametrize("several", [True, False])
@pytest.mark.parametrize("surrogate", ["ensemble", "random_forest"])
def test_known_objective_is_exact_and_the_other_spreads(several: bool, surrogate: str) -> None:
    features = FeatureEncoder(Record((("x", Float(0.0, 1.0)),)))
    history, options = History(features, SIGNS.tolist()), ThompsonParams(surrogate=surrogate)
    for x in np.linspace(0.0, 1.0, 9):
        history.add({"x": x}, [10 * x, np.sin(3 * x) + 0.2 * (x > 0.5)], True)
    ensemble = Ensemble(options, RandomForest(options), features.groups)
    entries = [entry(features, x) for x in (0.07, 0.47, 0.93)]
    rows = np.array([each.row for each in entries])
    draws = LossDraws(["size", "score"], SIGNS, ensemble, history, several)
    losses = draws.draw(entries, rows, None, np.random.default_rng(0))
    assert losses.shape == (DRAWS if several else 1, 3, 2)
    assert losses[:, :, 0] == pytest.approx(np.tile([0.7, 4.7, 9.3], (len(losses), 1)))
    assert (np.diff(np.sort(losses[:, 1, 1])) > 0).all(), "each draw takes another quantile"
    assert losses[:, 1, 1].mean() == pytest.approx(-np.sin(1.41), abs=0.25)
