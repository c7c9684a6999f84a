"""What a sampler gains if it knows the noise between seeds, on a made-up space.

The error of a trial is a smooth function of four parameters plus normal noise; its size is exact.
The sampler searches with and without the variance of that noise, from the same seeds. It prints how
much better the front's errors look than they are (luck), and the hypervolume that the front really
has. Both are means over the seeds.

    python tests/benchmarks/bench_seed_noise.py --seeds 5
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np

from paretune.search.front.pareto import hypervolume, non_dominated
from paretune.search.sampling.seed_noise import SeedNoise
from paretune.search.sampling.thompson import ThompsonSampler
from paretune.search.study.sampler_options import ThompsonParams
from paretune.spaces.domains import Float, Int, Record

SPACE = Record(
    (
        ("width", Float(0.1, 1.0)),
        ("rate", Float(0.0, 1.0)),
        ("dropout", Float(0.0, 1.0)),
        ("blocks", Int(0, 5)),
    )
)
REFERENCE = np.array([0.3, 2.0])
STARTUP = 8
"""Trials before the noise is known."""


def truth(plan: Mapping[str, Any]) -> tuple[float, float]:
    """Returns the error without noise, and the size."""
    error = 0.04 + 0.10 * (1 - plan["width"]) ** 2 + 0.15 * (plan["rate"] - 0.6) ** 2
    error += 0.05 * (plan["dropout"] - 0.3) ** 2 + 0.01 * abs(plan["blocks"] - 2)
    return error, plan["width"] ** 2 * (1 + 0.2 * plan["blocks"])


def search(seed: int, deviation: float, is_known: bool, trials: int) -> tuple[float, float]:
    """Returns the luck of the front, and its true hypervolume."""
    objectives = {"accuracy": "maximize", "size": "minimize"}
    sampler = ThompsonSampler(SPACE, objectives, (), ThompsonParams(startup_trials=STARTUP), seed)
    noise = np.random.default_rng([seed, 0])
    true, seen = [], []
    for number in range(1, trials + 1):
        if is_known and number > STARTUP:
            sampler.noise = SeedNoise(np.array([deviation**2, 0.0]), 4)
        _, plan = sampler.propose(number, np.random.default_rng([seed, number]))
        error, size = truth(plan)
        drawn = error + deviation * noise.standard_normal()
        sampler.history.add(plan, [1 - drawn, size], feasible=True)
        true.append((error, size))
        seen.append((drawn, size))
    on_front = non_dominated(np.array(seen))
    members = np.array(true)[on_front]
    luck = float((members[:, 0] - np.array(seen)[on_front, 0]).mean())
    return luck, hypervolume(members, REFERENCE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--deviations", type=float, nargs="+", default=[0.01, 0.02])
    arguments = parser.parse_args()
    for deviation in arguments.deviations:
        means = []
        for is_known in (False, True):
            runs = [
                search(seed, deviation, is_known, arguments.trials)
                for seed in range(arguments.seeds)
            ]
            luck, volume = np.mean(runs, axis=0)
            means.append((luck, volume))
            side = "noise known" if is_known else "noise unknown"
            print(f"sd {deviation:g}, {side}: luck {100 * luck:.2f} points, front {volume:.4f}")
        (luck, volume), (luck_known, volume_known) = means
        print(f"  RATIO luck at sd {deviation:g}, noise known to unknown: {luck_known / luck:.2f}")
        print(f"  RATIO true hypervolume at sd {deviation:g}: {volume_known / volume:.3f}")


if __name__ == "__main__":
    main()
