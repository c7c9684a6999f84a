"""Proposals on tables that the samplers were not tuned on: share of the true front's hypervolume.

The tables are described in tables.py. `naval`, `segment` and `parkinsons` were not looked at while
`auto` was changed. Sides, on the same table:

- auto: the sampler with its defaults; it knows the cheap objectives (FCNet's size; latency and size
  of cells; MACs and parameters of `macro`);
- auto, unknown: it learns the cheap objectives from trainings; the same as `auto` where none is
  cheap (HPOBench);
- trees, process: `auto` with one of its two models alone;
- tpe, nsga2, gp: Optuna's samplers with their defaults. They are told which values are ordered
  numbers, as the study file shows. A point that they repeat does not count as a training.
- qlognehvi: BoTorch's qLogNEHVI through Ax, if Ax is installed; 1 to 5 s a proposal.

gp and qlognehvi run only if --sides names them.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import optuna
import tables
from tables import CELLS, FCNET, HPOBENCH, Key, Table

OURS = {
    "auto": "auto",
    "auto, unknown": "{thompson: {surrogate: ensemble}}",
    "trees": "{auto: {surrogate: random_forest}}",
    "process": "{auto: {surrogate: gaussian_process}}",
}
PEERS = {
    "tpe": optuna.samplers.TPESampler,
    "nsga2": optuna.samplers.NSGAIISampler,
    "gp": optuna.samplers.GPSampler,
}
SLOW = ("gp", "qlognehvi")
SIDES = [*OURS, *PEERS, "qlognehvi"]


def points(side: str, table: Table, seed: int, folder: Path) -> Iterator[Key]:
    """Yields points in the order in which a side proposes them."""
    if side in OURS:
        return tables.paretune_points(table, OURS[side], seed, folder, side != "auto, unknown")
    if side in PEERS:
        return tables.optuna_points(table, PEERS[side](seed=seed))
    return ax_points(table, seed)


def ax_points(table: Table, seed: int) -> Iterator[Key]:
    """Yields points in the order in which Ax proposes them: Sobol, then qLogNEHVI."""
    from ax.api.client import Client
    from ax.api.configs import ChoiceParameterConfig

    client = Client(random_seed=seed)
    client.configure_experiment(
        parameters=[
            ChoiceParameterConfig(
                name=name,
                values=list(range(len(values))),
                parameter_type="int",
                is_ordered=not isinstance(values[0], str),
            )
            for name, values in table.space.items()
        ]
    )
    client.configure_optimization(objective=", ".join(f"-{name}" for name in table.objectives))
    for _ in itertools.count():
        for index, arm in client.get_next_trials(max_trials=1).items():
            key = tuple(int(arm[name]) for name in table.space)
            losses = dict(zip(table.objectives, table.results[key], strict=True))
            client.complete_trial(trial_index=index, raw_data=losses)
            yield key


def main() -> None:
    """Compares the sides on each table."""
    names = [*FCNET, *HPOBENCH, *CELLS, "macro"]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", choices=names, default=[*FCNET, "car", "segment"])
    parser.add_argument("--at", type=int, nargs="+", default=[25, 50, 100, 200])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--macro", type=Path, help="file of NAS-Bench-Macro, for the table `macro`")
    parser.add_argument(
        "--sides",
        nargs="+",
        metavar="SIDE",
        choices=SIDES,
        default=[side for side in SIDES if side not in SLOW],
        help=f"{'; '.join(SIDES)}; by default all but {' and '.join(SLOW)}",
    )
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if options.macro is not None:
        tables.MACRO.append(options.macro)
    elif "macro" in options.tables:
        parser.error("--tables macro needs its file: --macro nas-bench-macro_cifar10.json")
    with tempfile.TemporaryDirectory(prefix="paretune-bench-") as name:
        for table in options.tables:
            compare(tables.table(table), options.at, options.seeds, options.sides, Path(name))


def compare(table: Table, at: list[int], seeds: int, sides: list[str], folder: Path) -> None:
    """Prints a line for each side, and the ratios of `auto` to the peers."""
    trainings = ", ".join(map(str, at))
    print(f"{table.name}: share of the front's hypervolume after {trainings} trainings, median")
    medians = {}
    for side in sides:
        runs = [
            tables.shares(points(side, table, seed, folder), table, at) for seed in range(seeds)
        ]
        medians[side] = np.median([reached for reached, _ in runs], axis=0)
        cost = statistics.median(milliseconds[-1] for _, milliseconds in runs)
        text = "  ".join(f"{share:.3f}" for share in medians[side])
        print(f"  {side:16} {text}  {cost:7.1f} ms a proposal", flush=True)
    for peer in sides if "auto" in sides else ():
        if peer not in OURS:
            ratio = (1 - medians["auto"]) / np.maximum(1 - medians[peer], 1e-9)
            text = " ".join(f"{each:.2f}" for each in ratio)
            print(f"  RATIO of what auto misses to what {peer} misses: {text}", flush=True)


if __name__ == "__main__":
    main()
