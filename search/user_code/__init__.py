"""The user's own Python code: where it is found, what is behind a path, and when it changes."""

from paretune.search.user_code.code_digests import code_digest, without_comments
from paretune.search.user_code.dotted import dotted_paths, resolve
from paretune.search.user_code.folders import (
    add_import_folders,
    file_digest,
    find_file,
    study_folder,
)
from paretune.search.user_code.live import live_digest

__all__ = [
    "add_import_folders",
    "code_digest",
    "dotted_paths",
    "file_digest",
    "find_file",
    "live_digest",
    "resolve",
    "study_folder",
    "without_comments",
]
