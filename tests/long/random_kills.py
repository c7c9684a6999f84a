"""Kills runs of seeded studies, and one of three workers, at random moments: 1,000 times.

Each study is run to its end and must have the same trials and the same front as an undisturbed run.
It prints one line for each kind of study, and ends with 0 if nothing was lost.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.random_kills import KINDS, random_kills
from support.worker_kills import worker_kills

SHARES = {"trainer": 0.6, "stages": 0.2, "workers": 0.2}
"""Kind of study -> share of the kills; trainings take longer."""


def main() -> None:
    """Kills, compares and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000, help="in all (1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments (0)")
    parser.add_argument("--study", nargs="+", choices=SHARES, default=list(SHARES))
    options = parser.parse_args()
    for kind in options.study:
        share = SHARES[kind] if len(options.study) > 1 else 1.0
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="paretune-kills-") as folder:
            number, place = round(share * options.kills), Path(folder)
            if kind in KINDS:
                kills = random_kills(kind, place, number, options.seed)
            else:
                kills = worker_kills(place, number, options.seed)
        print(
            f"{kind}: {kills.kills} kills in {kills.studies} studies, {kills.useful} of runs that "
            "had ended a stage or a trial, nothing lost "
            f"({time.monotonic() - begun:.0f} s; an undisturbed run takes {kills.undisturbed:.1f})",
            flush=True,
        )


if __name__ == "__main__":
    main()
