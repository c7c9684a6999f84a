"""The address of a cluster, as `--cluster` takes it."""

from __future__ import annotations

import re
import socket

from paretune.search.errors import UserError

RAY = "ray"

ADDRESS = re.compile(r"ray(?:://(?P<host>\[[0-9a-fA-F:]+\]|[^\s:/]+):(?P<port>\d{1,5})/?)?")

ANSWER_S = 10.0
"""Longest wait for a cluster's port to answer, in seconds."""


def cluster_address(text: str) -> str | None:
    """Returns `ray://HOST:PORT`, or None for the cluster that this host is a node of.

    Args:
        text: `ray`, or `ray://HOST:PORT`.

    Raises:
        UserError: It is neither of them.
    """
    match = ADDRESS.fullmatch(text.strip())
    if match is None or (match["port"] and not 0 < int(match["port"]) < 65536):
        raise UserError(
            f"--cluster: give ray, or ray://HOST:PORT with the port of Ray's client server (mostly "
            f"10001), not {text}"
        )
    return None if match["host"] is None else f"ray://{match['host']}:{int(match['port'])}"


def refuse_silent(address: str) -> None:
    """Returns if something answers at an address.

    Raises:
        UserError: Nothing does.
    """
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_S).close()
    except OSError as error:
        raise UserError(
            f"--cluster {address}: nothing answers there ({error}). Type `ray status` on the "
            "cluster's head; its client server has mostly port 10001"
        ) from error
