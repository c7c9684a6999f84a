"""Collects every mistake of a study file, so that all are reported at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from paretune.search.errors import UserError
from paretune.search.study_file.old_names import suggestion

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
    """The mistakes that were noted until now.

    Args:
        where: Returns the file and line of a key.
    """

    def __init__(self, where: Callable[[Key], str]) -> None:
        self._where = where
        self._lines: list[str] = []

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, key: Key, text: str) -> None:
        """Notes a mistake at a key."""
        name = ".".join(key)
        named = name and not name.startswith("--")  # an option is its own place
        line = f"{self._where(key)}: {name}: {text}" if named else f"{self._where(key)}: {text}"
        if line not in self._lines:
            self._lines.append(line)

    def unknown_key(self, key: Key, names: Iterable[str], owner: str = "") -> None:
        """Notes an unknown key, with the key that was probably meant.

        Args:
            key: Its path.
            names: The keys that are possible there.
            owner: The option that they belong to, for the text.
        """
        names = list(names)
        suffix = f" for {owner}" if owner else ""
        hint = suggestion(key, names) or "."
        self.add(key, f"unknown key{suffix}{hint} Known: {', '.join(names) or 'none'}.")

    def raise_any(self) -> None:
        """Raises all mistakes, if there are any.

        Raises:
            StudyFileError: A mistake was noted.
        """
        if self._lines:
            raise StudyFileError(self._lines)
