"""Addresses of clusters, as users type them."""

from __future__ import annotations

import socket

import pytest

from paretune.search.clusters.address import cluster_address, refuse_silent
from paretune.search.errors import UserError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ray", None),
        (" ray ", None),
        ("ray://head:10001", "ray://head:10001"),
        ("ray://10.0.0.7:10001/", "ray://10.0.0.7:10001"),
        ("ray://[::1]:10001", "ray://[::1]:10001"),
    ],
)
def test_address_is_read(text: str, address: str | None) -> None:
    assert cluster_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "dask", "ray:", "ray://", "ray://head", "ray://head:0", "ray://head:70000", "RAY"]
)
def test_other_text_is_refused_with_what_to_type(text: str) -> None:
    with pytest.raises(UserError, match=r"give ray, or ray://HOST:PORT .* 10001"):
        cluster_address(text)


def test_address_without_a_server_is_refused() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # it does not listen
        address = f"ray://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UserError, match=f"{address}: nothing answers there"):
            refuse_silent(address)


def test_address_with_a_server_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        refuse_silent(f"ray://127.0.0.1:{server.getsockname()[1]}")
