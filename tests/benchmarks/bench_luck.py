"""How much of a front is luck: its members are trained again with fresh seeds.

A small study on digits runs twice with each study seed: with `search: {repeats: 1}` and with
`{repeats: 3}`. Then every member of each front, and the trials near it, are trained K times more
with seeds that no run has used. The mean over these trainings is the truth that a front is compared
with. It prints for both sides, and as ratios:

- the share of the members whose shown accuracy is within one point of the truth;
- the mean distance between both, and by how much the shown accuracies are too high;
- the share of the members that no other of these trials dominates by the truth.

Times are left out: they do not depend on seeds.

    python tests/benchmarks/bench_luck.py --trials 14 --seeds 3 --fresh 4
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paretune.search.front.final_front import with_final_front
from paretune.search.front.pareto import non_dominated
from paretune.search.running.opening import open_study
from paretune.search.running.runner import Runner
from paretune.search.running.seed_repeats import near_trials
from paretune.search.study.plan import Plan
from paretune.search.study_file.loading import load_study

STUDY = """\
study: luck
data: digits
baseline:
  architecture: {simple_cnn: {width: 0.5}}
  pretrain: {optimizer: {adam: {lr: 2e-3}}, epochs: 6, batch_size: 64}
space:
  architecture:
    choice:
      simple_cnn: {width: {choice: [0.125, 0.25, 0.5]}}
      separable_cnn: {width: {choice: [0.25, 0.5]}}
  pretrain: {optimizer: {adam: {lr: 2e-3}}, epochs: 5, batch_size: 64}
  pruning: {choice: {none: {}, structured: {ratio: {float: [0.1, 0.6]}, scope: uniform}}}
  finetune:
    optimizer: {adam: {lr: {float: [3e-4, 1e-2], log: true}}}
    epochs: 3
    batch_size: 64
  quantization: {choice: [none, dynamic]}
objectives: {accuracy: maximize, size: minimize}
search: {format_variants: false}
budget: {final: off}
device: cpu
"""

POINT = 0.01
"""A shown accuracy that is this near to the truth holds."""

FRESH = 1000
"""The first number of a training that no run uses."""


@dataclass(frozen=True)
class Front:
    """A front, beside the truth.

    Attributes:
        shown: Member -> accuracy that the study shows.
        truth: Trial -> mean accuracy of fresh trainings, also of trials near the front.
        sizes: Trial -> size.
        seconds: Time of the run.
    """

    shown: Mapping[int, float]
    truth: Mapping[int, float]
    sizes: Mapping[int, float]
    seconds: float

    def gaps(self) -> list[float]:
        """Returns by how much each shown accuracy is too high."""
        return [value - self.truth[number] for number, value in self.shown.items()]

    def on_front(self) -> list[bool]:
        """Returns which members no other trial dominates by the truth."""
        numbers = list(self.truth)
        points = np.array([(-self.truth[n], self.sizes[n]) for n in numbers])
        kept = dict(zip(numbers, non_dominated(points), strict=True))
        return [bool(kept[number]) for number in self.shown]


def measured_front(folder: Path, seed: int, trials: int, repeats: int, fresh: int) -> Front:
    """Runs a study, and trains its front with fresh seeds."""
    file = folder / f"luck-{seed}-{repeats}.yaml"
    file.write_text(STUDY)
    options = [f"search.seed={seed}", f"search.repeats={repeats}", f"search.trials={trials}"]
    spec = load_study(file, options)
    begun = time.monotonic()
    Runner(spec, lambda event: None).run()
    seconds = time.monotonic() - begun
    study = open_study(spec)
    try:
        searched = study.store.record()
        record = with_final_front(searched)
        near = near_trials(searched, {})
        chosen = {trial.number: trial for trial in (*record.front, *near) if trial.number}
        chosen = {n: t for n, t in chosen.items() if study.is_repeatable(Plan.from_json(t.plan))}
        truth = {
            number: statistics.fmean(
                study.repeat(trial, FRESH + k, lambda event: None).validation["accuracy"].value
                for k in range(fresh)
            )
            for number, trial in chosen.items()
        }
    finally:
        study.close()
    members = {t.number: t for t in record.front if t.number in truth}
    return Front(
        {number: trial.values["accuracy"] for number, trial in members.items()},
        truth,
        {number: trial.values["size"] for number, trial in chosen.items()},
        seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=14)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fresh", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    sides: dict[int, list[Front]] = {1: [], arguments.repeats: []}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seeds):
            for repeats, fronts in sides.items():
                front = measured_front(
                    Path(folder), seed, arguments.trials, repeats, arguments.fresh
                )
                fronts.append(front)
                print(f"seed {seed}, repeats {repeats}: {text(summary([front]))}", flush=True)
    figures = {repeats: summary(fronts) for repeats, fronts in sides.items()}
    for repeats, each in figures.items():
        print(f"repeats {repeats}: {text(each)}")
    once, often = figures.values()
    for name in (name for name in once if name in often):
        if once[name]:
            print(f"  RATIO {name}, to repeats 1: {often[name] / once[name]:.2f}")


def summary(fronts: Sequence[Front]) -> dict[str, float]:
    """Returns the figures of some fronts."""
    gaps = [gap for front in fronts for gap in front.gaps()]
    kept = [on for front in fronts for on in front.on_front()]
    if not gaps:
        return {"members": 0.0, "seconds": sum(front.seconds for front in fronts)}
    return {
        "members": float(len(gaps)),
        "within one point": statistics.fmean(abs(gap) <= POINT for gap in gaps),
        "points off": 100 * statistics.fmean(map(abs, gaps)),
        "points too high": 100 * statistics.fmean(gaps),
        "still on the front": statistics.fmean(kept),
        "seconds": sum(front.seconds for front in fronts),
    }


def text(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in figures.items())


if __name__ == "__main__":
    main()
