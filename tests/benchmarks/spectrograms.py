"""Writes recordings of spoken digits as small spectrograms, for `bench_search.py --data`.

    python tests/benchmarks/spectrograms.py FSDD.npz SPECTROGRAMS.npz

FSDD.npz holds `samples`, `begins`, `label`, `rate` and `test` (the Free Spoken Digit Dataset). The
result has 1,000 images for training and 1,000 for validation, [24, 24, 1] of uint8, drawn with a
fixed seed from the recordings that are not in the data set's own test part.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
from scipy.signal import stft

SIDE = 24
"""Bands of frequencies, and frames, of an image."""

PART = 1000
"""Images of each part."""


def spectrogram(samples: np.ndarray, rate: int) -> np.ndarray:
    """Returns the log magnitudes of a recording in bands and frames, float [SIDE, SIDE].

    Args:
        samples: The recording, float in [-1, 1].
        rate: Samples a second.
    """
    _, _, spectrum = stft(samples, fs=rate, nperseg=256, noverlap=128)
    power = np.log(np.abs(spectrum) + 1e-4)
    edges = np.linspace(0, len(power) - 1, SIDE + 1).astype(int)
    bands = np.stack([power[a : b + 1].mean(0) for a, b in itertools.pairwise(edges)])
    frames = np.linspace(0, bands.shape[1] - 1, SIDE)
    before = np.floor(frames).astype(int)
    after = np.minimum(before + 1, bands.shape[1] - 1)
    weight = frames - before
    return bands[:, before] * (1 - weight) + bands[:, after] * weight


def main(source: Path, target: Path) -> None:
    """Converts the recordings of a file."""
    data = np.load(source)
    samples = data["samples"].astype(np.float32) / 32768
    begins, rate = data["begins"], int(data["rate"])
    recordings = [samples[a:b] for a, b in itertools.pairwise(begins)]
    images = np.stack([spectrogram(recording, rate) for recording in recordings])
    scaled = 255 * (images - images.min()) / (images.max() - images.min())
    pixels, labels = scaled.astype(np.uint8)[..., None], data["label"]
    order = np.random.default_rng(0).permutation(np.flatnonzero(~data["test"]))
    train, validation = order[:PART], order[PART : 2 * PART]
    np.savez(
        target,
        x_train=pixels[train],
        y_train=labels[train],
        x_val=pixels[validation],
        y_val=labels[validation],
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
