"""Spoken digits as log-mel spectrograms, for keywords.yaml: from recordings, or synthesized.

Real recordings are .wav files named like those of the Free Spoken Digit Dataset (CC BY-SA 4.0):
7_jackson_32.wav is the digit 7 by jackson, his recording 32. Recordings 0 to 4 of each speaker and
digit are the test part, as that data set's authors decided.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import wavfile

RATE = 8000  # samples a second
WINDOW, HOP = 256, 128  # samples of a spectrum, and between two of them
BANDS, FRAMES = 40, 64  # a spectrogram; 64 frames are 1.02 s


def digits(folder: str | None = None) -> dict[str, np.ndarray]:
    """Returns spectrograms [N, 1, 40, 64] and digits [N] of each part.

    They are those of a folder with recordings; without it, of synthesized syllables.
    """
    return recordings(Path(folder)) if folder else syllables()


def recordings(folder: Path) -> dict[str, np.ndarray]:
    """Returns the recordings of a folder; every tenth of the training part is for validation."""
    parts: dict[str, list[tuple[np.ndarray, int]]] = {"train": [], "val": [], "test": []}
    files = sorted(folder.glob("*_*_*.wav"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no files like 7_jackson_32.wav")
    for file in files:
        digit, _, number = file.stem.split("_")
        rate, samples = wavfile.read(file)
        if rate != RATE:
            raise ValueError(f"{file.name} has {rate} samples a second, not {RATE}")
        part = "test" if int(number) < 5 else "val" if int(number) % 10 == 5 else "train"
        parts[part].append((spectrogram(samples / 32768), int(digit)))
    return arrays(parts)


def syllables() -> dict[str, np.ndarray]:
    """Returns ten synthesized words: two vowels each, by their formants, with pitch and noise."""
    vowels = [(730, 1090), (270, 2290), (300, 870), (530, 1840), (570, 840)]  # a, i, u, e, o
    words = [(a, b) for a in range(5) for b in range(5) if (b - a) % 5 in (1, 2)]
    numbers = np.random.default_rng(0)
    parts: dict[str, list[tuple[np.ndarray, int]]] = {}
    for part, count in (("train", 40), ("val", 12), ("test", 24)):
        parts[part] = [
            (spectrogram(spoken(vowels[a], vowels[b], numbers)), digit)
            for digit, (a, b) in enumerate(words)
            for _ in range(count)
        ]
    return arrays(parts)


def spoken(
    first: tuple[int, int], second: tuple[int, int], numbers: np.random.Generator
) -> np.ndarray:
    """Returns the samples of two vowels by one of many voices."""
    voice, lengths = numbers.uniform(0.88, 1.14), numbers.integers(1000, 2600, 2)
    parts = []
    for vowel, length in zip((first, second), lengths, strict=True):
        time = np.arange(length) / RATE
        pitch = numbers.uniform(90, 240) * (1 - 0.1 * time)
        wave = np.zeros(length)
        for harmonic in range(1, 30):
            frequency = harmonic * pitch.mean()
            loud = sum(1 / (1 + ((frequency - voice * f) / 110) ** 2) for f in vowel)
            wave += loud * np.sin(2 * np.pi * harmonic * np.cumsum(pitch) / RATE)
        parts.append(wave * np.hanning(length) ** 0.5)
    silence = np.zeros(numbers.integers(0, 1200))
    wave = np.concatenate([silence, *parts, np.zeros(600)])
    noise = numbers.normal(0, numbers.uniform(0.05, 0.5), len(wave))
    return (wave + noise) * numbers.uniform(0.02, 0.2)


def spectrogram(samples: np.ndarray) -> np.ndarray:
    """Returns the logarithm of the mel spectrum over time, float32 [1, 40, 64]."""
    samples = np.pad(samples.astype(np.float64), (0, max(0, WINDOW - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP][:FRAMES]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1)) ** 2
    mel = np.log(power @ mel_bands().T + 1e-6).T
    return np.pad(mel, ((0, 0), (0, FRAMES - mel.shape[1])), constant_values=np.log(1e-6)).astype(
        np.float32
    )[None]


def mel_bands() -> np.ndarray:
    """Returns triangular filters from spectra to mel bands, [40, 129]."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)
    frequency = np.fft.rfftfreq(WINDOW, 1 / RATE)
    rising = (frequency - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - frequency) / np.diff(edges)[1:, None]
    return np.clip(np.minimum(rising, falling), 0, None)


def arrays(parts: dict[str, list[tuple[np.ndarray, int]]]) -> dict[str, np.ndarray]:
    """Returns x_train, y_train, ... from spectrograms and digits."""
    named: dict[str, np.ndarray] = {}
    for part, examples in parts.items():
        named[f"x_{part}"] = np.stack([spectrum for spectrum, _ in examples])
        named[f"y_{part}"] = np.array([digit for _, digit in examples])
    return named
