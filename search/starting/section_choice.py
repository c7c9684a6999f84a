"""A section of a study file with the reasons for its values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paretune.search.preflight.estimate import duration
from paretune.search.starting.commented_yaml import Path
from paretune.search.starting.facts import TriedOption
from paretune.search.study.units import format_times

NONE: Mapping[str, Any] = {"none": {}}

LEAST_SAVING = 0.9
"""A file of at most this share of the baseline's bytes counts as smaller."""


@dataclass(frozen=True)
class LeftOut:
    """An option that a study file does not offer.

    Attributes:
        option: The option in words.
        reason: Why not.
    """

    option: str
    reason: str

    @property
    def text(self) -> str:
        """Both as one line, without repeating the option."""
        reason = " ".join(self.reason.split())
        for name in (self.option, self.option.split()[0]):
            reason = reason.removeprefix(f"{name}: ").removeprefix(f"{name} ")
        return f"{self.option}: {reason}"


@dataclass(frozen=True)
class SectionChoice:
    """The value of a section, and why it is so.

    Attributes:
        value: What the study file has; None to leave the section out.
        comments: Path inside the section -> reason.
        left_out: Options that it does not offer.
    """

    value: Any = None
    comments: Mapping[Path, str] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()


def seconds_text(seconds: float) -> str:
    """Returns `23 ms`, `0.4 s`, `40 s`, `33 min`."""
    return duration(seconds) if seconds >= 0.095 else f"{1000 * seconds:.0f} ms"


def smaller(tried: TriedOption) -> bool:
    """Returns whether a tried file is clearly smaller than the baseline's."""
    return tried.size <= LEAST_SAVING


def gain_text(tried: TriedOption) -> str:
    """Returns what a tried file gains: `2.1x faster, 3.8x smaller when tried`."""
    gains = [_time_text(tried)] if tried.timed else []
    if smaller(tried):
        gains.append(f"{format_times(1 / tried.size)} smaller")
    return f"{', '.join(gains)} when tried" if gains else "it worked when tried"


def _time_text(tried: TriedOption) -> str:
    if tried.faster:
        return f"{format_times(1 / tried.time)} faster"
    if tried.slower:
        return f"takes {format_times(tried.time)} the time"
    return "about as fast"


def without_gain(tried: TriedOption) -> str | None:
    """Returns why an option that works is not worth a trial; None if it is."""
    if tried.slower:
        return f"takes {format_times(tried.time)} the time of the baseline when tried"
    if tried.timed and not tried.faster and not smaller(tried):
        return "neither faster nor smaller when tried"
    return None
