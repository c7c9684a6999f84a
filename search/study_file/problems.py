"""Collects every mistake of a study file, to be reported in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from paretune.search.errors import UserError

Key = tuple[str, ...]
"""Path of a key in the study file: ("space", "pruning", "structured", "ratio")."""


class StudyFileError(UserError):
    """The mistakes of a study file, a line each.

    Attributes:
        problems: `file:line: key: what is wrong and what to type`.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Problems:
    """Mistakes found so far.

    Args:
        where: Gives the file and line of a key.
    """

    def __init__(self, where: Callable[[Key], str]) -> None:
        self._where = where
        self._found: list[str] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, key: Key, text: str) -> None:
        """Notes a mistake at a key."""
        name = ".".join(key)
        line = f"{self._where(key)}: {name}: {text}" if name else f"{self._where(key)}: {text}"
        if line not in self._found:
            self._found.append(line)

    def unknown(self, key: Key, known: Iterable[str], of: str = "") -> None:
        """Notes an unknown key, with the nearest known one."""
        from paretune.spaces.table import nearest  # and pydantic, which most need not wait for

        names = list(known)
        for_ = f" for {of}" if of else ""
        hint = nearest(key[-1], names) or "."
        self.add(key, f"unknown key{for_}{hint} Known: {', '.join(names) or 'none'}.")

    def raise_any(self) -> None:
        """Ends the reading when something was found.

        Raises:
            StudyFileError: With all of it.
        """
        if self._found:
            raise StudyFileError(self._found)
