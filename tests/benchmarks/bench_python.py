"""What the Python interface costs beside what it stands on.

    import     a process that imports paretune, and one that imports nothing
    front      `Study(folder).front` on a study of ten thousand trials in this process, and a whole
               process of `paretune front` without the time of its start (that of `--version`)

Targets: an import takes less than 0.3 s more than an empty Python; `Study.front` takes no longer
than the command without its start.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trivial
from bench_commands import environment
from sides import in_turn, median_ratio

import paretune
from paretune.search.running.runner import Runner


def process(folder: Path, *arguments: object) -> None:
    """Runs Python in a process of its own, with compiled modules in a folder."""
    subprocess.run(
        [sys.executable, *map(str, arguments)],
        check=True,
        stdout=subprocess.DEVNULL,
        env=environment(folder),
    )


def imports(folder: Path, repeats: int) -> None:
    """Compares the import with an empty Python."""
    sides: list[Callable[[], None]] = [
        partial(process, folder, "-c", "import paretune"),
        partial(process, folder, "-c", ""),
    ]
    in_turn(sides, 1)
    ours, empty = in_turn(sides, repeats)
    more = statistics.median(ours) - statistics.median(empty)
    print(
        f"import paretune: {statistics.median(ours):.3f} s, {more:.3f} s more than an empty Python"
    )
    print(f"  RATIO import paretune / empty Python: {median_ratio(ours, empty):.3f}")


def fronts(folder: Path, trials: int, repeats: int) -> None:
    """Compares `Study.front` with the command."""
    spec = trivial.study(folder, trials)
    Runner(spec, lambda event: None).run()
    study = paretune.Study(spec.folder)

    def front() -> None:
        assert len(study.front.text().splitlines()) > 3

    sides: list[Callable[[], None]] = [
        front,
        partial(process, folder, "-m", "paretune", "front", spec.folder),
        partial(process, folder, "-m", "paretune", "--version"),
    ]
    in_turn(sides, 1)
    ours, command, start = in_turn(sides, repeats)
    rest = [whole - begun for whole, begun in zip(command, start, strict=True)]
    print(
        f"front of {trials} trials: Study.front {statistics.median(ours):.3f} s, the command "
        f"without its start {statistics.median(rest):.3f} s"
    )
    print(f"  RATIO Study.front / the command without its start: {median_ratio(ours, rest):.3f}")


def main() -> None:
    """Runs both comparisons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="paretune-bench-") as name:
        imports(Path(name), options.repeats)
        fronts(Path(name), options.trials, options.repeats)
    print(f"{time.monotonic() - begun:.0f} s in all")


if __name__ == "__main__":
    main()
