"""Attempts: tries an action, and turns its error into a finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from paretune.objectives.errors import Unmeasurable
from paretune.search.building.watch import INFEASIBLE, StageError, Watch
from paretune.search.errors import UserError
from paretune.search.preflight.finding import Finding

SHOWN = 2
"""Variants that a finding names."""

T = TypeVar("T")

DIVERGED = "the loss became"
"""Begin of the reason of a training that diverges: that depends on a few batches, so it is noted
and refuses nothing."""


@dataclass(frozen=True)
class Refusal:
    """The error of an attempt.

    Attributes:
        text: Its reason.
        infeasible: Whether trials end as infeasible, rather than as failed.
    """

    text: str
    infeasible: bool

    @property
    def diverged(self) -> bool:
        """Whether a training diverged."""
        return self.text.startswith(DIVERGED)


def attempt(stage: str, action: Callable[[], T]) -> T | Refusal:
    """Returns the result of an action, or its refusal.

    Args:
        stage: Stage of a plan that the action belongs to.
        action: What to do.

    Raises:
        UserError: The disk is full, or a file of the study cannot be used.
    """
    try:
        with Watch().stage(stage):
            return action()
    except StageError as error:
        cause = error.__cause__
        inner = cause if isinstance(cause, StageError) else error
        infeasible = inner.infeasible or isinstance(cause, (*INFEASIBLE, Unmeasurable))
        name = "" if infeasible else f"{inner.type}: "
        return Refusal(first_line(f"{name}{inner.text}"), infeasible)
    except UserError as error:
        return Refusal(str(error), False)


def first_line(text: str) -> str:
    """Returns the first line of an error's text."""
    return (text.strip().splitlines() or [""])[0]


def judged(
    option: str,
    tried: Sequence[tuple[str, Refusal | None]],
    text: str,
    key: tuple[str, ...],
) -> list[Finding]:
    """Returns the findings for one option of a section.

    An error in all variants of an option is a mistake: its trials would fail. What is infeasible is
    noted, because the search goes on without it.

    Args:
        option: Name of the option.
        tried: (variant, its refusal) for each variant that was tried.
        text: What the variants without a refusal gave.
        key: Path of the option in the study file.
    """
    refused = [(name, refusal) for name, refusal in tried if refusal is not None]
    works = len(tried) - len(refused)
    findings = [Finding(option, "ok", text, key, works)] if works else []
    failed = [(name, refusal) for name, refusal in refused if not refusal.infeasible]
    if failed and not works:
        name, refusal = failed[0]
        rest = f" ({name})" if name != option else ""
        findings.append(
            Finding(option, "mistake", f"every network with it fails{rest}: {refusal.text}", key)
        )
        return findings
    for refusal, names in grouped(refused).items():
        if refusal.infeasible and not refusal.diverged:
            findings.append(Finding(names, "infeasible", refusal.text, key))
        else:
            text = refusal.text if refusal.diverged else f"such trials fail: {refusal.text}"
            findings.append(Finding(names, "note", text, key))
    return findings


def grouped(refused: Sequence[tuple[str, Refusal]]) -> dict[Refusal, str]:
    """Returns refusal -> the variants that it refuses, as text."""
    names: dict[Refusal, list[str]] = {}
    for name, refusal in refused:
        names.setdefault(refusal, []).append(name)
    return {refusal: _listed(list(dict.fromkeys(each))) for refusal, each in names.items()}


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return "; ".join(names[:SHOWN]) + more


def nothing_left(section: str, findings: Sequence[Finding]) -> list[Finding]:
    """Returns a mistake if no option of a section works: every trial would be infeasible."""
    if not findings or any(finding.state != "infeasible" for finding in findings):
        return []
    first = findings[0]
    text = (
        "every trial would be infeasible: no option that was tried works; the first, "
        f"{first.item}: {first.text}"
    )
    return [Finding(section, "mistake", text, ("space", section))]
