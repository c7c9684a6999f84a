"""The front while a study runs: Paretune's incremental one, and computing it again for each point.

For each new point with three objectives, a side computes the front, its members' values and its
hypervolume. The peers are timed at every hundredth point (`--every`). One is Optuna's
`study.best_trials` with Optuna's hypervolume. The other is Paretune's batch function
`non_dominated` with the hypervolume of the incremental side. All sides must agree on the
hypervolume. Points are uniform in a cube (a short front) or on a plane (every point stays on the
front: the worst case).

Target: at most a hundredth of Optuna's time per point.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import optuna
from optuna._hypervolume import compute_hypervolume
from optuna.trial import TrialState, create_trial

from paretune.search.front.growth import FrontTracker
from paretune.search.front.pareto import COST_REFERENCE, hypervolume, non_dominated
from paretune.search.study.records import Axis

AXES = tuple(Axis(name, "ms", "lower") for name in ("a", "b", "c"))
BASELINE = {axis.name: 1.0 for axis in AXES}  # so that losses are the values themselves
REFERENCE = np.full(len(AXES), COST_REFERENCE)


def in_cube(count: int) -> np.ndarray:
    """Returns uniform points [N, 3]: about 30 of 2,000 are on the front."""
    return np.random.default_rng(0).random((count, len(AXES)))


def on_plane(count: int) -> np.ndarray:
    """Returns points [N, 3] with a sum of one: none dominates another."""
    return np.random.default_rng(0).dirichlet(np.ones(len(AXES)), count)


class Incremental:
    """Paretune's side."""

    def __init__(self) -> None:
        self._tracker = FrontTracker(AXES, BASELINE, classes=10)

    def add(self, number: int, point: np.ndarray) -> float:
        """Does the runner's work for a finished trial; returns the hypervolume."""
        self._tracker.add(number, dict(zip(BASELINE, point.tolist(), strict=True)))
        assert self._tracker.front
        return self._tracker.hypervolume


class Optuna:
    """Optuna's side: the front of its study, and its hypervolume."""

    def __init__(self) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(directions=["minimize"] * len(AXES))

    def put(self, point: np.ndarray) -> None:
        """Adds a finished trial; this is not timed."""
        self._study.add_trial(create_trial(state=TrialState.COMPLETE, values=point.tolist()))

    def volume(self) -> float:
        """Returns the hypervolume of the present front."""
        values = np.array([trial.values for trial in self._study.best_trials])
        return float(compute_hypervolume(values, REFERENCE) / REFERENCE.prod())


def batch_volume(points: np.ndarray) -> float:
    """Computes the front of all these points, and returns its hypervolume."""
    return hypervolume(points[non_dominated(points)], REFERENCE) / float(REFERENCE.prod())


def timed(action: Callable[[], float]) -> tuple[float, float]:
    """Returns seconds and result of a function."""
    begun = time.perf_counter()
    result = action()
    return time.perf_counter() - begun, result


def compare(name: str, points: np.ndarray, every: int) -> None:
    """Adds the points one by one, and prints the ratios of the mean times."""
    incremental, study = Incremental(), Optuna()
    seconds: list[float] = []
    best: list[float] = []
    batch: list[float] = []
    for number, point in enumerate(points):
        spent, volume = timed(lambda n=number, p=point: incremental.add(n, p))
        seconds.append(spent)
        study.put(point)
        if number % every == every - 1:
            for peer, action in (
                (best, study.volume),
                (batch, lambda n=number: batch_volume(points[: n + 1])),
            ):
                spent, peer_volume = timed(action)
                peer.append(spent)
                assert abs(peer_volume - volume) < 1e-9, (peer_volume, volume)
    mean = statistics.fmean(seconds)
    front = int(non_dominated(points).sum())
    print(f"front, {len(points)} points {name}, {front} on the front at the end")
    print(f"  Paretune, incremental           {1e3 * mean:10.4f} ms a point")
    print(f"  Optuna, best_trials and volume  {1e3 * statistics.fmean(best):10.4f} ms a point")
    print(f"  batch non_dominated and volume  {1e3 * statistics.fmean(batch):10.4f} ms a point")
    print(f"  RATIO Paretune / Optuna: {mean / statistics.fmean(best):.5f} (target: 0.01)")
    print(f"  RATIO Paretune / batch: {mean / statistics.fmean(batch):.3f} (target: 1)")


def main() -> None:
    """Compares the sides on both kinds of points."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2000, help="number of points")
    parser.add_argument("--every", type=int, default=100, help="points from one timing to the next")
    options = parser.parse_args()
    compare("in a cube", in_cube(options.trials), options.every)
    compare("on a plane", on_plane(options.trials), options.every)


if __name__ == "__main__":
    main()
