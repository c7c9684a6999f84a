"""Says how far a deployed file's outputs are from those of its network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def agreement_text(artifact: Mapping[str, Any] | None) -> str:
    """Returns a sentence about `info["agreement"]`; "" if the file was not compared.

    Args:
        artifact: As the database stores it; None if a trial has none.
    """
    compared = ((artifact or {}).get("info") or {}).get("agreement")
    if not compared:
        return ""
    count, apart = compared["examples"], f"{compared['difference']:.2g} of their spread"
    if compared["classes"] is None:
        text = f"outputs differ by up to {apart} on {count} validation examples"
    else:
        text = (
            f"the file has the network's class for {100 * compared['classes']:.4g} % of {count} "
            f"validation examples; outputs differ by at most {apart}"
        )
    allowed = compared["tolerance"]
    return text + (f" ({allowed:g} is allowed)" if allowed is not None else " (rounding)")
