"""The sections `search`, `budget` and `storage`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from paretune.search.shell import without_password
from paretune.search.study.sampler_options import SAMPLER_OPTIONS, uses_surrogate
from paretune.search.study.spec import Selection
from paretune.search.study.tables import SAMPLER_NAMES
from paretune.search.study_file.old_names import NEW_NAMES, suggestion
from paretune.search.study_file.problems import Key
from paretune.search.study_file.section_reader import SectionReader
from paretune.search.study_file.storage import storage_url
from paretune.spaces.domains import Float, Node, parameters
from paretune.spaces.params import Params

STORAGE = re.compile(r"^(sqlite|sqlite(\+\w+)?:///.+|postgres(ql)?(\+\w+)?://.+)$")

MOST_TRIALS = 1_000_000_000
"""The largest number of trials: databases store the number of a trial in 32 bits."""

MOST_REPEATS = 30
"""The largest number of trainings of one plan."""

MOST_SECONDS = 100 * 365 * 86400.0
"""The longest time: 100 years."""

MOST_BYTES = 10**18
"""The largest size: 1,000,000 TB."""

DEFAULT_TRIALS = 100
"""Number of trials if a study gives neither a number nor a time."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?) *([KMGT]B|[KMGT]iB)")


def size_in_bytes(text: str) -> int:
    """Reads `500 MB` or `1.5 GiB`: 1 MB is 1,000,000 bytes, 1 MiB 1,048,576.

    Raises:
        ValueError: It is not a size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise ValueError("give a size such as 500 MB or 20 GB")
    power = 1 + "KMGT".index(match[2][0])
    factor: int = (1024 if "i" in match[2] else 1000) ** power
    size = float(match[1]) * factor
    if size > MOST_BYTES:
        raise ValueError("give a size of at most 1000000 TB")
    return round(size)


def _checked_size(text: str) -> str:
    size_in_bytes(text)
    return text


class SearchParams(Params):
    """The section `search`, without `sampler` and `racing`."""

    trials: int | None = Field(
        None,
        ge=1,
        le=MOST_TRIALS,
        description="number of trials, not counting the baseline; null: 100, or no limit if "
        "budget.time is given",
    )
    seed: int = Field(0, ge=0, lt=2**32, description="seed of all random numbers")
    format_variants: bool | Literal["front"] | None = Field(
        None,
        description="deploy trained networks in every number format that needs no training: true: "
        "each at once; front: those of the front, at the end; false: none; null: front for a "
        "sampler that chooses formats by a surrogate (auto, thompson), else true",
    )
    screening: bool = Field(
        True, description="end a trial before its training if its structure breaks a constraint"
    )
    reuse_timings: bool = Field(
        True, description="time networks of equal structure once, whatever their weights"
    )
    repeats: int = Field(
        1,
        ge=1,
        le=MOST_REPEATS,
        description="number of trainings of each trial on the front at the end, with different "
        "seeds; above 1, its score is their mean, with the spread in its interval",
    )
    max_failures: int = Field(
        5, ge=1, le=MOST_TRIALS, description="number of failed trials in a row that end the run"
    )
    cache: Annotated[str, AfterValidator(_checked_size)] = Field(
        "20 GB",
        description="largest size of the stage cache, in KB, MB, GB, TB (or KiB, ...): 500 MB",
    )


def format_variants_of(
    option: bool | Literal["front"] | None, sampler: Selection
) -> bool | Literal["front"]:
    """Returns the option `search.format_variants`, with its default for this sampler.

    A sampler that learns from all trials finds out which format is worth its time. It reaches a
    good front sooner if no variants of other formats come first
    (tests/benchmarks/bench_search.py).
    """
    if option is not None:
        return option
    return "front" if uses_surrogate(sampler) else True


def seconds_of(text: str) -> float:
    """Returns the seconds of `1h30m`; 0 if it is not a time, infinity beyond all numbers."""
    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.strip() or "x")
    if parts is None:
        return 0.0
    hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    return hours * 3600.0 + minutes * 60 + seconds


def _cut(value: Any) -> str:
    """Returns a value as text of at most 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


class BudgetParams(Params):
    """The section `budget`, without `time` and `final`."""

    trials: int | None = Field(
        None,
        ge=1,
        le=MOST_TRIALS,
        description="the same as search.trials; give only one of them",
    )
    stop_at_goals: bool = Field(False, description="end the run when one trial reaches all goals")


class SearchAndBudgetReader(SectionReader):
    """Reads `search`, `budget` and `storage`."""

    def search(self, space: Node) -> tuple[dict[str, Any] | None, Selection]:
        """Reads the section `search`: its plain values, and the sampler with its options."""
        section = dict(self.mapping("search") or {})
        sampler = section.pop("sampler", "auto")
        section.pop("racing", None)
        values = self.checked(SearchParams, section, ("search",), ["sampler", "racing"])
        return values, self._sampler(sampler, space)

    def _sampler(self, sampler: Any, space: Node) -> Selection:
        key = ("search", "sampler")
        options: Any = None
        if isinstance(sampler, Mapping) and len(sampler) == 1:
            [(sampler, options)] = sampler.items()
        options = {} if options is None else options
        if not isinstance(options, Mapping):
            self.problems.add((*key, str(sampler)), f"give a mapping of options, not {options!r}")
            options = {}
        if sampler not in SAMPLER_NAMES:
            hint = suggestion((*key, str(sampler)), SAMPLER_NAMES) or "."
            self.problems.add(
                key, f'unknown sampler "{sampler}"{hint} Known: {", ".join(SAMPLER_NAMES)}.'
            )
            return Selection("auto", {})
        self._check_sampler_options(str(sampler), options, (*key, str(sampler)))
        if sampler == "grid":
            self._check_grid(space, key)
        return Selection(str(sampler), dict(options))

    def _check_sampler_options(self, sampler: str, options: Mapping[str, Any], key: Key) -> None:
        params = SAMPLER_OPTIONS.get(sampler)
        if params is None:
            return
        if sampler == "auto":  # it passes other options on to TPE
            options = {
                name: value
                for name, value in options.items()
                if name in params.model_fields or (*key, name) in NEW_NAMES
            }
        self.checked(params, options, key)

    def _check_grid(self, space: Node, key: Key) -> None:
        continuous = [
            p.name
            for p in parameters(space)
            if isinstance(p.domain, Float) and p.domain.count == float("inf")
        ]
        if continuous:
            self.problems.add(
                key,
                f"grid needs finite domains; give a step or a choice to {', '.join(continuous)}",
            )

    def budget(self, option: str | None) -> tuple[dict[str, Any] | None, float | None]:
        """Reads the section `budget`: its plain values, and the seconds of a run.

        Args:
            option: --time, which replaces the file's time.
        """
        section = dict(self.mapping("budget") or {})
        time, final = section.pop("time", None), section.pop("final", None)
        values = self.checked(BudgetParams, section, ("budget",), ["time", "final"])
        if values is not None:
            values["final"] = self._final(final)
        if option is not None:
            self.document.origins["--time",] = f"--time {option}"
            return values, self._seconds(option, ("--time",))
        return values, None if time is None else self._seconds(time, ("budget", "time"))

    def _final(self, value: Any) -> float | None:
        """Returns the most seconds of the final session; 0 for `off`, None if it is not given."""
        if value is None:
            return None
        return 0.0 if value in (False, "off") else self._seconds(value, ("budget", "final"))

    def _seconds(self, value: Any, key: Key) -> float | None:
        """Reads `2h`, `1h30m`, `90s`, or a number of seconds."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            total = float(value)
        else:
            total = seconds_of(value) if isinstance(value, str) else 0.0
        if total <= 0:
            self.problems.add(key, f"give a time such as 2h, 30m, 1h30m or 90s, not {_cut(value)}")
            return None
        if total > MOST_SECONDS:
            most = f"{MOST_SECONDS / 3600:.0f}h (100 years)"
            self.problems.add(key, f"give a time of at most {most}, not {_cut(value)}")
            return None
        return total

    def trials(
        self,
        search: Mapping[str, Any] | None,
        budget: Mapping[str, Any] | None,
        seconds: float | None,
    ) -> int | None:
        """Returns the number of trials that both sections ask for; None for no limit."""
        numbers = [s["trials"] for s in (search, budget) if s and s["trials"] is not None]
        if len(numbers) > 1:
            self.problems.add(("budget", "trials"), "is given in search as well; keep one of them")
        if numbers:
            return int(numbers[0])
        return None if seconds else DEFAULT_TRIALS

    def storage(self, option: str | None, folder: Path) -> str:
        """Returns the URL of the study database.

        Args:
            option: --storage, which replaces the storage in the file.
            folder: The study's folder.
        """
        key, storage = ("storage",), self.data.get("storage", "sqlite")
        if option is not None:
            key, storage = ("--storage",), option
            self.document.origins[key] = f"--storage {without_password(option)}"
        if storage is None:
            storage = "sqlite"
        if not isinstance(storage, str) or not STORAGE.match(storage):
            self.problems.add(
                key,
                "give sqlite, sqlite:///FILE or postgresql://USER@HOST/DATABASE, not "
                f"{without_password(repr(storage))}",
            )
            return ""
        return storage_url(storage, folder)
