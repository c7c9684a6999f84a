"""The section `files`: the store of the study's files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paretune.search.stores.address import store_address
from paretune.search.study_file.section_reader import SectionReader

SECTION = "files"


class FilesReader(SectionReader):
    """Reads the section `files`."""

    def files(self, folder: Path) -> Mapping[str, Any] | None:
        """Returns the address of the store as JSON; None if the file names none.

        Args:
            folder: The study file's folder, which a relative path starts at.
        """
        value = self.data.get(SECTION)
        if value is None:
            return None
        try:
            return store_address(value, folder).to_json()
        except ValueError as error:
            for key in [key for key in self.document.origins if key[:1] == (SECTION,)]:
                self.document.origins[key] = "--set files"  # its text may hold a secret
            self.problems.add((SECTION,), str(error))
            return None
