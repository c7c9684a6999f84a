"""Reads Markdown pages: blocks of code, commands, links, sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = "```"
INDENT = "    "
PROMPT = "$ "
PROGRAMS = ("paretune", "python", "optuna-dashboard")
"""Programs of which the command lines are checked; others set up an environment."""


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        language: Language of a fenced block; "" for an indented one.
        text: Its lines, without indentation.
        line: Line of the page where it begins.
    """

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class ShownCommand:
    """A command line of a page, and the output that the page shows.

    Attributes:
        text: The command line.
        output: Lines of output; empty if the page shows none.
        line: Line of the page where the block begins.
    """

    text: str
    output: tuple[str, ...]
    line: int


def blocks(page: str) -> list[Block]:
    """Returns the fenced and indented blocks of a page, in order."""
    parsed: list[Block] = []
    lines = page.split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        if line.startswith(FENCE):
            end = next(i for i in range(number + 1, len(lines)) if lines[i].startswith(FENCE))
            text = "\n".join(lines[number + 1 : end]) + "\n"
            parsed.append(Block(line.removeprefix(FENCE).strip(), text, number + 1))
            number = end + 1
        elif line.startswith(INDENT):
            end = number
            while end < len(lines) and (lines[end].startswith(INDENT) or not lines[end].strip()):
                end += 1
            code = [part.removeprefix(INDENT) for part in lines[number:end]]
            parsed.append(Block("", "\n".join(code).rstrip() + "\n", number + 1))
            number = end
        else:
            number += 1
    return parsed


def without_blocks(page: str) -> str:
    """Returns a page without its blocks of code."""
    page = re.sub(rf"^{FENCE}.*?^{FENCE}$", "", page, flags=re.M | re.S)
    return re.sub(rf"^{INDENT}.*$", "", page, flags=re.M)


def shown_commands(page: str) -> list[ShownCommand]:
    """Returns the command lines in the blocks of a page.

    In a block with prompts, lines without one are output.
    """
    return [command for block in blocks(page) for command in _commands_of(block)]


def _commands_of(block: Block) -> Iterator[ShownCommand]:
    if block.language not in ("", "sh"):
        return
    lines = block.text.splitlines()
    prompted = any(line.startswith(PROMPT) for line in lines)
    command, output = "", list[str]()
    for line in lines:
        if prompted and not line.startswith(PROMPT):
            output.append(line)
            continue
        if command:
            yield ShownCommand(command, tuple(output), block.line)
        command, output = line.removeprefix(PROMPT), []
    if command:
        yield ShownCommand(command, tuple(output), block.line)


def program_lines(command: str) -> list[str]:
    """Returns the parts of a command line that call one of PROGRAMS, without folder and output."""
    command = command.strip().partition(" > ")[0]
    parts = [part.removeprefix(".venv/bin/") for part in re.split(r"\s+&&\s+", command)]
    return [part for part in parts if part.split(" ")[0] in PROGRAMS]


def inline_code(page: str) -> list[str]:
    """Returns the code between backticks, outside of blocks."""
    return re.findall(r"`([^`\n]+)`", without_blocks(page))


def links(page: str) -> list[str]:
    """Returns the targets of links and pictures, outside of blocks and inline code."""
    text = re.sub(r"`[^`\n]*`", "code", without_blocks(page))
    return re.findall(r"\]\(([^)\s]+)\)", text)


def anchors(page: str) -> set[str]:
    """Returns the anchors of a page's headings, as code hosts make them."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(page), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def sentences(page: str) -> list[str]:
    """Returns the sentences of paragraphs and list items; a link or inline code is one word."""
    text = re.sub(r"`[^`\n]*`", "code", without_blocks(page))
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", "link", text)
    kept = [line for line in text.split("\n") if not line.startswith(("|", "#", "!"))]
    text = re.sub(r"^\s*(?:[-*]|\d+\.) ", "\n\n", "\n".join(kept), flags=re.M)
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    return [s for part in paragraphs for s in re.split(r"(?<=[.!?]) (?=\S)", part) if s]


def lines_longer_than(page: Path, limit: int) -> list[str]:
    """Returns the lines above a limit, except rows of tables and the one-line installation."""
    return [
        f"{page.name}:{number}: {len(line)} characters"
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > limit and not line.startswith("|") and "-m venv" not in line
    ]
