"""The code that a user of an exported model runs: that of a classifier, or of any other task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paretune.search.export import load_script, task_script


def script_text(artifact: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Returns load.py for one file of an export.

    Args:
        artifact: The file's entry in the manifest.
        manifest: Content of a manifest. An attacker may have written it, so its values are quoted.
    """
    if "task" in manifest:
        return task_script.task_script_text(artifact, manifest)
    return load_script.script_text(artifact, manifest)


def usage_text(artifact: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """Returns the few lines that use the script of a file."""
    if "task" in manifest:
        return task_script.task_usage_text(artifact, manifest)
    return load_script.usage_text(artifact, manifest)
