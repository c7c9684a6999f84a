"""What a study gains, beside a baseline that was trained as well as its candidates.

A baseline of few epochs and without augmentation makes every candidate look good. So the study
also trains the baseline's own network by the recipe of the candidates (`first:` in the study file),
and deploys it in each number format. The rows, for each seed:

    baseline               as the study file has it
    retrained              the baseline's network by the candidates' recipe
    retrained, static int8 and so on: what quantization alone gives
    search                 the trial that is fastest and smallest (geometric mean) among those that
                           are at least as accurate as `retrained` on the validation part
    search, within a point the same among those that lose at most one point there

Accuracies are those on the test part, which chose nothing. A difference is paired, example by
example, with its 95 % interval.

    python tests/benchmarks/bench_headline.py --data cifar10_10k.npz
"""

from __future__ import annotations

import argparse
import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import paretune
from paretune.search.front.changes import Change
from paretune.search.views.front_table import FrontInfo, FrontRow

SEARCHED = {"search": 0.0, "search, within a point": 0.01}
"""Row of the search -> accuracy that its trial may lose on the validation part."""


@dataclass(frozen=True)
class Line:
    """A row of one seed.

    Attributes:
        name: Name of the row.
        plan: The plan in words.
        accuracy: On the test part, in per cent.
        faster: How many times faster than the baseline.
        smaller: How many times smaller than the baseline.
        beyond: Difference of the accuracy from `retrained`; None for that row.
    """

    name: str
    plan: str
    accuracy: float
    faster: float
    smaller: float
    beyond: Change | None = None

    def text(self) -> str:
        """Returns the row of a table in Markdown."""
        beyond = ""
        if self.beyond is not None:
            low, high = 100 * self.beyond.low, 100 * self.beyond.high
            beyond = f"{100 * self.beyond.value:+.2f} ({low:+.2f} to {high:+.2f})"
        figures = f"{self.accuracy:.2f} % | {beyond} | {self.faster:.2f}x | {self.smaller:.1f}x"
        return f"| {self.name} | {figures} | {self.plan} |"


def lines_of(info: FrontInfo) -> list[Line]:
    """Returns the rows of a finished study."""
    base, retrained = info.baseline, info.retrained
    if base is None or retrained is None:
        raise SystemExit("no trial trained the baseline's own network; add it to `first:`")
    rows = {row.trial: row for row in (*info.rows, *info.close, *info.same_network)}
    lines = [line("baseline", base, info), line("retrained", retrained, info)]
    for format in ("static int8", "dynamic int8", "float16"):
        plan = f"{retrained.plan} · {format}"
        same = [row for row in rows.values() if row.plan == plan]
        if same:  # other trainings of this network have the same words
            best = max(same, key=lambda row: row.validation["accuracy"].value)
            lines.append(line(f"retrained, {format}", best, info))
    for name, loss in SEARCHED.items():
        chosen = searched(rows.values(), retrained, loss)
        if chosen is not None:
            lines.append(line(name, chosen, info))
    return lines


def searched(rows: Sequence[FrontRow], retrained: FrontRow, loss: float) -> FrontRow | None:
    """Returns the row of the search's best trial; None if none is accurate enough.

    Args:
        rows: The finalists.
        retrained: The row that they are compared with.
        loss: Accuracy that they may lose on the validation part, in [0, 1].
    """
    least = retrained.validation["accuracy"].value - loss - 1e-9
    able = [row for row in rows if row.trial and row.validation["accuracy"].value >= least]
    able = [row for row in able if row.trial != retrained.trial]
    return max(able, key=lambda row: math.prod(row.ratios.values()), default=None)


def line(name: str, row: FrontRow, info: FrontInfo) -> Line:
    return Line(
        name,
        row.plan,
        100 * row.test["accuracy"].value,
        row.ratios.get("latency", 1.0),
        row.ratios.get("size", 1.0),
        info.beyond_retrained.get(row.trial),
    )


def study_lines(options: argparse.Namespace, seed: int) -> list[Line]:
    """Runs the study with a seed, and returns its rows."""
    changes = [f"search.seed={seed}", *options.set]
    if options.data:
        changes.append(f"data={{npz: {Path(options.data).absolute()}, validation: 0.2}}")
    with tempfile.TemporaryDirectory() as folder:
        study = paretune.Study(shutil.copy(options.study, folder), set=changes)
        study.run(options.trials, options.time, progress=False)
        return lines_of(study.front.info)


def medians(seeds: Sequence[Sequence[Line]]) -> list[str]:
    """Returns a line with the medians over the seeds, for each row."""
    texts = []
    for name in dict.fromkeys(line.name for lines in seeds for line in lines):
        same = [line for lines in seeds for line in lines if line.name == name]
        accuracy, faster, smaller = (
            median(getattr(line, key) for line in same) for key in ("accuracy", "faster", "smaller")
        )
        texts.append(
            f"  RATIO latency, baseline / {name}: {faster:.2f}; size {smaller:.2f}; "
            f"accuracy {accuracy:.2f} % ({len(same)} of {len(seeds)} seeds)"
        )
    return texts


def main() -> None:
    """Parses the options, runs the studies and prints their rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default=str(Path(__file__).with_name("headline.yaml")))
    parser.add_argument("--data", help="an .npz file in place of the study's data")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--time", default="30m", help="time of each seed")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    seeds = []
    for seed in options.seeds:
        seeds.append(study_lines(options, seed))
        print(f"seed {seed}\n| | accuracy | beside retrained | faster | smaller | plan |")
        print("|---|---|---|---|---|---|")
        print("\n".join(line.text() for line in seeds[-1]), flush=True)
    print("\n".join(["medians", *medians(seeds)]))


if __name__ == "__main__":
    main()
