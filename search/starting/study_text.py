"""The text of a study file: a header with what was measured, the study, what was left out. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from paretune.search.starting.choices import StudyChoices
from paretune.search.starting.commented_yaml import WIDTH, comment_lines, commented_yaml
from paretune.search.starting.facts import StartFacts
from paretune.search.starting.section_choice import seconds_text
from paretune.search.study.units import format_value

LABEL = 12
"""Columns of the header's labels."""


def study_text(facts: StartFacts, choices: StudyChoices, file: str) -> str:
    """Returns the commented study file.

    Args:
        facts: What was measured.
        choices: The study, with the reasons.
        file: Name of the file, for the commands.
    """
    header = "\n".join(_header(facts, file))
    body = commented_yaml(choices.source, choices.comments, choices.aliases)
    left_out = "\n".join(_left_out(choices))
    return "\n".join(part for part in (header, body, left_out) if part).rstrip("\n") + "\n"


def _header(facts: StartFacts, file: str) -> Iterator[str]:
    yield from comment_lines(f"{facts.subject}: a first study, written by `paretune init`.")
    runtimes = " and ".join(dict.fromkeys(facts.runtimes.values()))
    yield from comment_lines(f"All figures were measured on {facts.host}, in {runtimes}.")
    for label, text in facts_lines(facts):
        yield from comment_lines(f"{label:<{LABEL}}{text}", WIDTH, 0, " " * (LABEL + 2))
    yield "#"
    yield f"#   paretune check {file} --full    tries each part and estimates the time"
    yield f"#   paretune run {file}             searches; the same command continues later"


def facts_lines(facts: StartFacts) -> Iterator[tuple[str, str]]:
    """Yields (label, text) of the figures that a reader wants first."""
    numbers = [
        f"{format_value(facts.parameters, 'parameters')} parameters",
        f"{format_value(facts.macs, 'MACs')} multiply-adds",
        f"file of {format_value(facts.size, 'bytes')}",
        f"{format_value(facts.latency, 'ms')} for one input",
    ]
    yield "  network", ", ".join(numbers)
    if facts.score.text:
        score = f"{facts.score.name} {facts.score.text} on the validation part"
        yield "  score", f"{score}; compare it with your script"
    if facts.bottleneck:
        slow = ", ".join(f"{name} {100 * share:.0f} %" for name, share in facts.bottleneck)
        yield "  slowest", f"{slow} of the time"
    times = f"an epoch takes {seconds_text(facts.epoch)}, " if facts.epoch else ""
    handling = seconds_text(facts.deploy + facts.measure)
    yield "  times", f"{times}deploying and measuring a network {handling}"
    for note in facts.notes:
        yield "  note", note


def _left_out(choices: StudyChoices) -> Iterator[str]:
    if not choices.left_out:
        return
    yield "# Left out:"
    for each in choices.left_out:
        yield from comment_lines(f"- {each.text}", WIDTH, 0, "  ")
