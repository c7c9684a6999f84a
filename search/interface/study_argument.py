"""The arguments of `paretune.Study`: a path, or sections."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from paretune.search.errors import UserError
from paretune.search.interface.study_source import (
    StudySource,
    refuse_unknown,
    source_of_path,
    source_of_sections,
)


def source_of(
    study: str | os.PathLike[str] | Mapping[str, Any] | None,
    sections: Mapping[str, Any],
    folder: str | os.PathLike[str] | None,
    storage: str | None,
    overrides: tuple[str, ...],
) -> StudySource:
    """Returns the source of a study.

    Raises:
        UserError: There is none, or there are two.
    """
    if isinstance(study, str | os.PathLike):
        if sections or folder is not None:
            extra = [*sections, *(["folder"] if folder is not None else [])]
            raise UserError(
                f'Study: "{os.fspath(study)}" and {", ".join(extra)} come together; give a study '
                'file or sections. To replace values of a file: set={"search.seed": 1}'
            )
        return source_of_path(study, overrides, storage)
    if study is not None and not isinstance(study, Mapping):
        raise UserError(
            f"Study: give a study file, a folder or a mapping of sections, not a "
            f"{type(study).__name__}"
        )
    both = [name for name in study or () if name in sections]
    if both:
        raise UserError(f"Study: {', '.join(both)} is in the mapping and a keyword; give it once")
    merged = {**(study or {}), **sections}
    if not merged:
        raise UserError(
            'Study: give a study file, Study("plates.yaml"), the folder of a study, or sections: '
            'Study(task=..., space={...}, objectives={...}, folder="plates")'
        )
    from paretune.search.study_file.loading import SECTIONS

    refuse_unknown(map(str, merged), SECTIONS)
    return source_of_sections(merged, folder, overrides, storage)
