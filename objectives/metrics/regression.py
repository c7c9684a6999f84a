"""Scores of a regression: RMSE, MAE and R2; several outputs are averaged as in scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from paretune.task import Scored

if TYPE_CHECKING:
    import numpy as np


def regression_scores(predicted: np.ndarray, targets: np.ndarray) -> dict[str, Scored]:
    """Returns rmse, mae and r2 of N examples with D values each.

    Each is the mean over the values of an example (scikit-learn's "uniform_average"). R2 of a
    constant target is 1 if the prediction is exact, else 0; of one example it is NaN.

    Args:
        predicted: Predictions, [N, D] or [N].
        targets: True values, of the same shape.
    """
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    true, guess = _columns(targets), _columns(predicted)
    count = len(true)
    squares = (true - guess) ** 2
    return {
        "rmse": Scored(
            float(root_mean_squared_error(true, guess)),
            count,
            weighted=lambda weights: _rmse(squares, weights),
        ),
        "mae": Scored(
            float(mean_absolute_error(true, guess)), count, values=abs(true - guess).mean(axis=1)
        ),
        "r2": Scored(
            float(r2_score(true, guess)) if count > 1 else float("nan"),
            count,
            weighted=lambda weights: _r2(true, squares, weights),
        ),
    }


def _columns(values: np.ndarray) -> np.ndarray:
    """Returns values float64 [N, D]."""
    import numpy as np

    columns: np.ndarray = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    return columns


def _rmse(squares: np.ndarray, weights: np.ndarray) -> float:
    return float(((weights @ squares / weights.sum()) ** 0.5).mean())


def _r2(true: np.ndarray, squares: np.ndarray, weights: np.ndarray) -> float:
    """Returns R2 of weighted examples, by scikit-learn's rules for a constant target."""
    import numpy as np

    used = weights > 0
    constant = (true[used] == true[used][:1]).all(axis=0)
    errors = weights @ squares
    means = weights @ true / weights.sum()
    spread = np.where(constant, 0.0, weights @ (true - means) ** 2)
    share = np.divide(errors, spread, out=np.zeros_like(errors), where=spread > 0)
    r2 = np.where(spread > 0, 1 - share, np.where(errors > 0, 0.0, 1.0))
    return float(r2.mean())
