"""Says which lines of a network's `forward` an export may have decided once and for all."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from paretune.search.building.forward_trace import Call, Location

BATCH_SIZE = re.compile(r"shape\[0\]|size\(0\)|size\(\)|\blen\(|\.shape\b(?!\[)")
"""Source that may read the batch size."""

MOST = 3
"""Lines that a text names."""

INSTEAD_OF_VALUES = (
    "write it with tensors: torch.where(condition, a, b) for a branch, x.amax(...) or "
    "x.clamp(...) for a number"
)
INSTEAD_OF_SIZES = (
    "let tensor operations work on all examples at once instead of a Python loop over x.shape[0]; "
    "in a shape, write -1 for the batch, x.reshape(-1, 8), or x.shape[0] without int() or len()"
)


def value_lines(calls: Iterable[Call]) -> list[str]:
    """Returns the lines that turn a tensor into a Python value, and what the value decides."""
    texts: dict[tuple[str, int], str] = {}
    for call in calls:
        key = (call.where.file, call.where.line)
        if call.reads is None or key in texts:
            continue
        decided = _and(f"`{text}` (line {line})" for line, text in _decisions(call.where))
        texts[key] = f"{call.where} reads {call.reads}"
        texts[key] += f" and decides {decided}" if decided else ""
    return list(texts.values())


def size_lines(calls: Iterable[Call]) -> list[str]:
    """Returns the lines that read the batch size, loops first; lines with other sizes are last."""
    lines: dict[tuple[str, int], Location] = {}
    for call in calls:
        if call.sizes and call.where.file:
            lines.setdefault((call.where.file, call.where.line), call.where)
    loops = [where for where in lines.values() if _loops(where)]
    batch = [where for where in lines.values() if _reads_batch(where.source)]
    return [str(where) for where in dict.fromkeys([*loops, *batch])]


def baked_text(calls: list[Call], about_sizes: bool, about_values: bool) -> str:
    """Returns what an export may have kept of its example inputs, and what to write instead.

    Args:
        calls: Runs of the network.
        about_sizes: Whether a file is wrong for some batch sizes.
        about_values: Whether a file is wrong for some contents.
    """
    sizes = size_lines(calls) if about_sizes else []
    values = value_lines(calls) if about_values or not sizes else []
    lines = list(dict.fromkeys([*sizes[:MOST], *values[:MOST]]))
    lines = [line for line in lines if not any(other.startswith(f"{line} ") for other in lines)]
    if not lines:
        return ""
    instead = [INSTEAD_OF_SIZES] * bool(sizes) + [INSTEAD_OF_VALUES] * bool(values)
    return (
        f"an export keeps what Python computed for its example input: {'; '.join(lines)}. "
        f"What to change: {'; '.join(instead)}"
    )


def calls_of(calls: Iterable[Call], operator: str) -> list[str]:
    """Returns the lines that call an operator, by the name in an exporter's message."""
    wanted = operator.rpartition("::")[2].rpartition(".")[2].strip("_")
    lines: dict[str, None] = {}
    for call in calls:
        name = call.name.strip("_")
        if name and (
            name == wanted or (min(len(name), len(wanted)) > 5 and _similar(name, wanted))
        ):
            lines[str(call.where)] = None
    return list(lines)


def _similar(name: str, wanted: str) -> bool:
    """Returns whether one name contains the other: linalg_svd and linalg_svdvals."""
    return name in wanted or wanted in name


def _and(texts: Iterable[str]) -> str:
    return " and ".join(texts)


def _loops(where: Location) -> bool:
    source = where.source
    return source.startswith(("for ", "while ")) or " for " in source or "range(" in source


def _reads_batch(source: str) -> bool:
    return bool(BATCH_SIZE.search(source))


def _decisions(where: Location) -> Iterator[tuple[int, str]]:
    """Yields (line, text) of branches and loops on the names that a line assigns."""
    function = _function_at(where)
    if function is None:
        return
    names: set[str] = set()
    for node in ast.walk(function):
        if not isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            continue
        if node.lineno <= where.line <= (node.end_lineno or node.lineno):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {name for target in targets for name in _names(target)}
    for node in ast.walk(function):
        test: ast.expr | None = None
        if isinstance(node, (ast.If, ast.While, ast.IfExp)):
            test = node.test
        elif isinstance(node, ast.For):
            test = node.iter
        if test is not None and test.lineno > where.line and names & _names(test):
            yield test.lineno, f"{_keyword(node)} {ast.unparse(test)}"


def _keyword(node: ast.AST) -> str:
    if isinstance(node, ast.While):
        return "while"
    return "for ... in" if isinstance(node, ast.For) else "if"


def _names(expression: ast.expr) -> set[str]:
    return {part.id for part in ast.walk(expression) if isinstance(part, ast.Name)}


def _function_at(where: Location) -> ast.AST | None:
    """Returns the innermost function around a line; None if its source cannot be read."""
    if not where.file:
        return None
    try:
        tree = ast.parse(Path(where.file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return None
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.lineno <= where.line <= (node.end_lineno or node.lineno)
    ]
    return max(around, key=lambda node: node.lineno, default=None)
