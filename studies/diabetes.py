"""Patients of the diabetes study, for regression.yaml: ten measurements and one value to predict.

442 patients of Efron et al. 2004 (Least Angle Regression, Annals of Statistics), as scikit-learn
ships them. The target is the progress of the disease after one year, from 25 to 346.
"""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_diabetes


def patients() -> dict[str, np.ndarray]:
    """Returns features [N, 10] and targets [N] of each part: 60, 20 and 20 % of the patients."""
    features, progress = load_diabetes(return_X_y=True, scaled=False)
    order = np.random.default_rng(0).permutation(len(progress))
    parts = dict(zip(("train", "val", "test"), np.split(order, [265, 353]), strict=True))
    arrays: dict[str, np.ndarray] = {}
    for part, rows in parts.items():
        arrays[f"x_{part}"] = features[rows]
        arrays[f"y_{part}"] = progress[rows]
    return arrays
