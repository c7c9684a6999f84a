"""Differences of two accuracies: how often a true one is found, and a false one is invented.

Two simulated networks answer the same examples. An example has a difficulty, which both share, and
each network has some luck of its own. `--luck` says how much; the share of examples that only one
of the networks has right is printed. Two sides decide for each sample of examples whether the
networks differ:

- pairs: McNemar's mid-p test with Tango's interval, as Paretune does;
- intervals: the interval of the difference from the two Wilson intervals (Newcombe's method 10 for
  unpaired samples), as Paretune did before.

A good rule finds a true difference often, and calls no more than 5 % of the false ones real. The
ratio is that of the chances to find a true difference.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from paretune.objectives.classification_scores import wilson
from paretune.objectives.pairing.proportions import differs

ERRORS = 0.05
"""Share of examples that the first network has wrong."""


def answers(
    examples: int, apart: float, luck: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns whether each network has each example right, bool [examples]; `apart` in points."""
    difficulty = random.normal(size=examples)
    scores = [difficulty + luck * random.normal(size=examples) for _ in range(2)]
    spread = math.sqrt(1 + luck * luck)
    limits = [-quantile(ERRORS) * spread, -quantile(ERRORS + apart / 100) * spread]
    return scores[0] < limits[0], scores[1] < limits[1]


def quantile(share: float) -> float:
    """Returns the quantile of the standard normal distribution."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)


def intervals_differ(first: int, second: int, examples: int) -> bool:
    """Returns whether the accuracies differ by their two intervals."""
    shares = first / examples, second / examples
    (low, high), (other_low, other_high) = wilson(first, examples), wilson(second, examples)
    difference = shares[0] - shares[1]
    below = math.hypot(shares[0] - low, other_high - shares[1])
    above = math.hypot(high - shares[0], shares[1] - other_low)
    return difference - below > 0 or difference + above < 0


def found(examples: int, apart: float, luck: float, samples: int) -> tuple[float, float, float]:
    """Returns how often pairs and intervals call the networks different, and the discordance."""
    random = np.random.default_rng(0)
    counts = np.zeros(3)
    for _ in range(samples):
        first, second = answers(examples, apart, luck, random)
        only = int((first & ~second).sum()), int((second & ~first).sum())
        counts += [
            differs(*only),
            intervals_differ(int(first.sum()), int(second.sum()), examples),
            sum(only) / examples,
        ]
    pairs, intervals, discordant = (counts / samples).tolist()
    return pairs, intervals, discordant


def main() -> None:
    """Prints a line for each number of examples, and the ratio for the largest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--examples", type=int, nargs="+", default=[450, 2000, 10_000])
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--luck", type=float, default=0.35)
    options = parser.parse_args()
    for examples in options.examples:
        true = found(examples, 1.0, options.luck, options.samples)
        false = found(examples, 0.0, options.luck, options.samples)
        print(
            f"  {examples:6} examples, {100 * true[2]:.1f} % discordant: one point is found by "
            f"pairs {100 * true[0]:.0f} %, by intervals {100 * true[1]:.0f} %; no difference is "
            f"called real by pairs {100 * false[0]:.1f} %, by intervals {100 * false[1]:.1f} %"
        )
        ratio = true[0] / max(true[1], 1 / options.samples)
        print(f"  RATIO pairs / intervals, one point found, {examples} examples: {ratio:.2f}")


if __name__ == "__main__":
    main()
