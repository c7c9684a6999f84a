"""Beliefs on the NAS-Bench-201 table: trainings until a share of the true hypervolume is reached.

The table and its objectives are those of `bench_tables.py`. For each of the six edges of a cell, a
belief (`prior:` of a study file) gives weights to the five operations:

- none: no belief;
- right: how often the cells of the table's front have the operation there;
- wrong: how often the cells have it that are worst in error and latency, by non-dominated rank;
- first: no belief, but three cells of the front as plans to try first;
- first, wrong: three of the worst cells as plans to try first.

Each is proposed with `thompson`, and with Optuna's TPE, on the same table with the same seeds. A
cell that is proposed again does not count as a training.

Aim: a right belief needs fewer trainings than none; a wrong one costs at most a few more.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from bench_tables import DATA, OPERATIONS, cell_of, cheap, reference, study, table

from paretune.search.front.pareto import hypervolume, non_dominated
from paretune.search.sampling.hints import Hints
from paretune.search.sampling.proposer import Outcome, Proposer
from paretune.search.study.beliefs import OptionBelief, option_belief
from paretune.spaces.domains import Choice, parameters

SIDES = ("none", "right", "wrong", "first", "first, wrong")
SAMPLERS = ("thompson", "tpe")
HINTS = 3
MOST = 500
"""Trainings after which a side counts as not having reached the share."""


@cache
def extreme_cells(data: str, best: bool) -> tuple[str, ...]:
    """Returns the cells of the table's front, or those that are dominated by all fronts."""
    cells = list(table(data))
    losses = np.array([table(data)[cell] for cell in cells])
    keep = non_dominated(losses if best else -losses)
    return tuple(cell for cell, on in zip(cells, keep, strict=True) if on)


def beliefs(data: str, best: bool) -> dict[str, OptionBelief]:
    """Returns the belief of each edge: how often these cells have an operation there."""
    cells = extreme_cells(data, best)
    domain = Choice(tuple((operation, None) for operation in OPERATIONS))  # type: ignore[misc]
    return {
        f"o{edge}": option_belief(Counter(OPERATIONS[int(cell[edge])] for cell in cells), domain)
        for edge in range(6)
    }


def first_plans(data: str, best: bool) -> list[Mapping[str, str]]:
    """Returns some of these cells as plans, evenly spread over the errors."""
    cells = sorted(extreme_cells(data, best), key=lambda cell: table(data)[cell])
    chosen = [cells[round(i * (len(cells) - 1) / (HINTS - 1))] for i in range(HINTS)]
    return [{f"o{e}": OPERATIONS[int(cell[e])] for e in range(6)} for cell in chosen]


def proposed_cells(side: str, sampler: str, data: str, seed: int, folder: Path) -> Iterator[str]:
    """Yields cells in the order in which they are proposed."""
    spec = study(data, sampler, seed, folder, MOST)
    best = side in ("right", "first")
    if side in ("right", "wrong"):
        spec = replace(spec, prior=beliefs(data, best))
    proposer = Proposer(spec, cheap if sampler == "thompson" else None)
    plans: Sequence[Any] = first_plans(data, best) if side.startswith("first") else ()
    hints = Hints(plans, spec.space, None, seed)
    assert {p.name for p in parameters(spec.space)} == {f"o{edge}" for edge in range(6)}
    tried: set[str] = set()
    number = 0
    while True:
        number += 1
        hint = hints.next(lambda choices: cell_of(choices) in tried)
        proposal = proposer.suggest(number, hint) if hint else proposer.ask(number)
        hints.begun(proposal.to_json())
        cell = cell_of(proposal.choices)
        proposer.tell(number, Outcome("complete", table(data)[cell]))
        tried.add(cell)
        yield cell


def trainings(cells: Iterator[str], data: str, share: float) -> int:
    """Returns how many different cells are trained until the share is reached; at most MOST."""
    corner = reference(data)
    target = share * hypervolume(np.array(list(table(data).values())), corner)
    trained: dict[str, tuple[float, float]] = {}
    for asked, cell in enumerate(cells):
        new = cell not in trained
        trained[cell] = table(data)[cell]
        if len(trained) >= MOST or asked >= 20 * MOST:
            return MOST
        if new and hypervolume(np.array(list(trained.values())), corner) >= target:
            return len(trained)
    return MOST


def main() -> None:
    """Prints a line for each side and sampler, and the ratios to the side without a belief."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--share", type=float, default=0.95)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--samplers", nargs="+", choices=SAMPLERS, default=list(SAMPLERS))
    options = parser.parse_args()
    print(f"trainings to {options.share:g} of the true hypervolume: mean ± spread, median")
    with tempfile.TemporaryDirectory(prefix="paretune-bench-") as name:
        for sampler in options.samplers:
            compare(sampler, options.data, options.seeds, options.share, Path(name))


def compare(sampler: str, data: Sequence[str], seeds: int, share: float, folder: Path) -> None:
    """Prints the sides of one sampler."""
    means: dict[str, float] = {}
    for side in SIDES:
        counts = [
            trainings(proposed_cells(side, sampler, each, seed, folder), each, share)
            for each in data
            for seed in range(seeds)
        ]
        means[side] = statistics.fmean(counts)
        spread, middle = statistics.pstdev(counts), statistics.median(counts)
        print(
            f"  {sampler:9} {side:12} {means[side]:6.1f} ±{spread:5.1f}  {middle:5.1f}", flush=True
        )
    for side in SIDES[1:]:
        ratio, more = means[side] / means["none"], means[side] - means["none"]
        print(f"  RATIO {sampler}, {side} / none: {ratio:.2f} ({more:+.1f} trainings)")


if __name__ == "__main__":
    main()
