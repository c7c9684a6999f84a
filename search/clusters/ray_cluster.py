"""Connects to a Ray cluster, or starts one on this host."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from paretune.search.clusters.address import refuse_silent
from paretune.search.clusters.placement import Node
from paretune.search.clusters.ray_import import import_ray
from paretune.search.errors import UserError

ENVIRONMENT = "RAY_ADDRESS"
"""Ray's own variable with the address of a cluster."""

TOKENS = "ray._private.authentication.authentication_token_setup"
"""Ray's logger of the token that guards a cluster."""


@contextmanager
def connected(address: str | None, folder: Path) -> Iterator[Any]:
    """Connects to a cluster until the end of the block; yields the package `ray`.

    Args:
        address: `ray://HOST:PORT`, or None for the cluster of RAY_ADDRESS or of this host. If none
            runs here, one is started, and ends with the block.
        folder: Files that travel to the nodes; each worker begins in a copy of this folder.

    Raises:
        UserError: Ray is missing, or the cluster does not answer or does not fit this process.
    """
    ray = import_ray()
    address = address or os.environ.get(ENVIRONMENT) or None
    options = {
        "log_to_driver": False,
        "logging_level": logging.WARNING,
        "runtime_env": {"working_dir": str(folder)},
    }
    if address is None:
        _join_or_start(ray, options)
    else:
        _join(ray, address, options)
    try:
        yield ray
    finally:
        ray.shutdown()


def nodes_of(ray: Any) -> list[Node]:
    """Returns the living nodes of the cluster."""
    return [
        Node(node["NodeManagerHostname"], node["NodeManagerAddress"], node["Resources"])
        for node in ray.nodes()
        if node["Alive"]
    ]


def _join_or_start(ray: Any, options: dict[str, Any]) -> None:
    try:
        ray.init(address="auto", **options)
    except ConnectionError:  # no cluster runs here
        with _without_token_notice():
            ray.init(address="local", include_dashboard=False, **options)


@contextmanager
def _without_token_notice() -> Iterator[None]:
    """Hides Ray's warning that its cluster on this host is guarded by a token, as it should be.

    The warning that it is not guarded is shown.
    """
    logger = logging.getLogger(TOKENS)
    logger.addFilter(_is_no_notice)
    try:
        yield
    finally:
        logger.removeFilter(_is_no_notice)


def _is_no_notice(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Token authentication is enabled")


def _join(ray: Any, address: str, options: dict[str, Any]) -> None:
    if address not in ("auto", "local"):
        refuse_silent(address)
    if address.startswith("ray://"):
        if importlib.util.find_spec("grpc") is None:
            raise UserError(
                f"--cluster {address}: Ray's client needs grpcio; type pip install 'ray[client]', "
                "or type --cluster ray on a node of the cluster"
            )
        options = {name: value for name, value in options.items() if name != "log_to_driver"}
    try:
        ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, TimeoutError, ValueError) as error:
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"--cluster {address}: {text[0]}") from error
