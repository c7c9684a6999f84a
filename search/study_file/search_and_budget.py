"""How a study is searched, how long, and where it is kept: `search`, `budget`, `storage`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from paretune.search.study.sampler_options import SAMPLER_OPTIONS, uses_surrogate
from paretune.search.study.spec import Selection
from paretune.search.study.tables import SAMPLER_NAMES
from paretune.search.study_file.problems import Key
from paretune.search.study_file.section_reader import SectionReader
from paretune.search.study_file.storage import storage_url
from paretune.spaces.domains import Float, Node, parameters
from paretune.spaces.params import Params
from paretune.spaces.table import nearest

STORAGE = re.compile(r"^(sqlite|sqlite(\+\w+)?:///.+|postgres(ql)?(\+\w+)?://.+)$")

DEFAULT_TRIALS = 100
"""Where neither a number of trials nor a time is given."""


_SIZE = re.compile(r"(\d+(?:\.\d+)?) *([KMGT]B|[KMGT]iB)")


def size_in_bytes(text: str) -> int:
    """`500 MB`, `1.5 GiB`: 1 MB is 1,000,000 bytes, 1 MiB 1,048,576.

    Raises:
        ValueError: It is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise ValueError("give a size such as 500 MB or 20 GB")
    power = 1 + "KMGT".index(match[2][0])
    factor: int = (1024 if "i" in match[2] else 1000) ** power
    return round(float(match[1]) * factor)


def _checked_size(text: str) -> str:
    size_in_bytes(text)
    return text


class SearchParams(Params):
    """The section `search`."""

    trials: int | None = Field(None, ge=1, description="how many, besides the baseline")
    seed: int = Field(0, ge=0, lt=2**32, description="every random stream starts from it")
    format_variants: bool | Literal["front"] | None = Field(
        None,
        description="try trained networks in every number format that needs no training: each at "
        "once (true), those of the front in the end (front), none (false); of itself front where "
        "the sampler chooses formats by a model (auto, forest), else true",
    )
    screening: bool = Field(
        True, description="end a trial before training where its structure breaks a constraint"
    )
    reuse_timings: bool = Field(
        True, description="time a network's structure once, whatever the weights"
    )
    max_failures: int = Field(5, ge=1, description="failed trials in a row that end the run")
    cache: Annotated[str, AfterValidator(_checked_size)] = Field(
        "20 GB", description="how large the stage cache may become: 500 MB, 20 GB"
    )


def format_variants_of(
    given: bool | Literal["front"] | None, sampler: Selection
) -> bool | Literal["front"]:
    """Which networks are tried in all formats, where the study does not say.

    A sampler that learns from all trials tells by itself which format is worth its time, and finds
    a front sooner if it is not kept waiting for the others (tests/benchmarks/bench_search.py).
    """
    if given is not None:
        return given
    return "front" if uses_surrogate(sampler) else True


class BudgetParams(Params):
    """The section `budget`."""

    trials: int | None = Field(None, ge=1, description="how many, besides the baseline")
    stop_at_goals: bool = Field(False, description="end when one trial reaches all goals")


class LimitReader(SectionReader):
    """Reads `search`, `budget` and `storage`."""

    def search(self, space: Node) -> tuple[dict[str, Any] | None, Selection]:
        """The section `search`: its plain values, and the sampler with its options."""
        section = dict(self.mapping("search") or {})
        sampler = section.pop("sampler", "auto")
        section.pop("racing", None)
        checked = self.plain(SearchParams, section, ("search",), ["sampler", "racing"])
        key = ("search", "sampler")
        options: Mapping[str, Any] = {}
        if isinstance(sampler, Mapping) and len(sampler) == 1:
            [(sampler, given)] = sampler.items()
            options = {} if given is None else given
        if not isinstance(options, Mapping):
            self.problems.add((*key, str(sampler)), f"give a mapping of options, not {options!r}")
            options = {}
        if sampler not in SAMPLER_NAMES:
            hint = nearest(str(sampler), list(SAMPLER_NAMES)) or "."
            self.problems.add(
                key, f'unknown sampler "{sampler}"{hint} Known: {", ".join(SAMPLER_NAMES)}.'
            )
            return checked, Selection("auto", {})
        own = SAMPLER_OPTIONS.get(sampler)
        if own is not None:
            passed_on = sampler == "auto"  # what it does not know is TPE's
            given = {n: v for n, v in options.items() if n in own.model_fields or not passed_on}
            self.plain(own, given, (*key, str(sampler)))
        if sampler == "grid":
            endless = [
                p.name
                for p in parameters(space)
                if isinstance(p.domain, Float) and p.domain.count == float("inf")
            ]
            if endless:
                self.problems.add(
                    key,
                    f"grid needs finite domains; give a step or a choice to {', '.join(endless)}",
                )
        return checked, Selection(str(sampler), dict(options))

    def budget(self, option: str | None) -> tuple[dict[str, Any] | None, float | None]:
        """The section `budget`: its plain values, and the seconds of a run; --time goes first."""
        section = dict(self.mapping("budget") or {})
        time, final = section.pop("time", None), section.pop("final", None)
        checked = self.plain(BudgetParams, section, ("budget",), ["time", "final"])
        if checked is not None:
            checked["final"] = self._final(final)
        if option is not None:
            self.document.origins["--time",] = f"--time {option}"
            return checked, self._seconds(option, ("--time",))
        return checked, None if time is None else self._seconds(time, ("budget", "time"))

    def _final(self, value: Any) -> float | None:
        """Seconds to measure the front again; 0 for `off`, None where nothing is given."""
        if value is None:
            return None
        return 0.0 if value in (False, "off") else self._seconds(value, ("budget", "final"))

    def _seconds(self, value: Any, key: Key) -> float | None:
        """`2h`, `1h30m`, `90s`, or a number of seconds."""
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return float(value)
        parts = (
            re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", value or "x")
            if isinstance(value, str)
            else None
        )
        total = 0.0
        if parts:
            hours, minutes, seconds = (int(part or 0) for part in parts.groups())
            total = hours * 3600.0 + minutes * 60 + seconds
        if total <= 0:
            self.problems.add(key, f"give a time such as 2h, 30m, 1h30m or 90s, not {value!r}")
            return None
        return total

    def trials(
        self,
        search: Mapping[str, Any] | None,
        budget: Mapping[str, Any] | None,
        seconds: float | None,
    ) -> int | None:
        """How many trials are wanted; None for no limit."""
        given = [s["trials"] for s in (search, budget) if s and s["trials"] is not None]
        if len(given) > 1:
            self.problems.add(("budget", "trials"), "is given in search as well; keep one of them")
        if given:
            return int(given[0])
        return None if seconds else DEFAULT_TRIALS

    def storage(self, option: str | None, folder: Path) -> str:
        """The URL of the study database; --storage goes first."""
        key, given = ("storage",), self.data.get("storage", "sqlite")
        if option is not None:
            key, given = ("--storage",), option
            self.document.origins[key] = f"--storage {option}"
        if given is None:
            given = "sqlite"
        if not isinstance(given, str) or not STORAGE.match(given):
            self.problems.add(
                key,
                f"give sqlite, sqlite:///FILE or postgresql://USER@HOST/DATABASE, not {given!r}",
            )
            return ""
        return storage_url(given, folder)
