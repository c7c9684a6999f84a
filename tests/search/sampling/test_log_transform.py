"""Scales of the surrogate, and back."""

from __future__ import annotations

import numpy as np

from paretune.search.sampling.log_transform import LogTransform

SIGNS = np.array([1.0, -1.0, -1.0])
"""A cost, a share and a gain."""

LOSSES = np.array([[2.0, -0.9, -30.0], [5.0, -0.5, -12.0]])


def test_inverse_returns_the_losses() -> None:
    scale = LogTransform(LOSSES, SIGNS)
    np.testing.assert_allclose(scale.inverse(scale.transformed), LOSSES)


def test_inverse_of_an_extrapolated_value_is_finite_and_warns_of_nothing() -> None:
    scale = LogTransform(LOSSES, SIGNS)
    for value in (1e4, -1e4):
        assert np.isfinite(scale.inverse(np.full((1, 3), value))).all()
