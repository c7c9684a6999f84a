"""Names of quantities."""

from __future__ import annotations

import pytest

from objectives.latency import Latency
from objectives.macs import Macs
from search.quantity import Quantity, local_of, of_artifact, resolved


@pytest.mark.parametrize(
    ("name", "quantity"),
    [
        ("latency", Quantity("latency")),
        ("accuracy.balanced", Quantity("accuracy", "balanced")),
        ("latency@phone", Quantity("latency", None, "phone")),
        ("accuracy.top5@phone", Quantity("accuracy", "top5", "phone")),
        ("my.pkg:Cost", Quantity("my.pkg:Cost")),
        ("my.pkg:Cost.worst", Quantity("my.pkg:Cost", "worst")),
        ("my.pkg:Cost.worst@phone", Quantity("my.pkg:Cost", "worst", "phone")),
    ],
)
def test_name_is_read_and_written_back(name: str, quantity: Quantity) -> None:
    assert Quantity.of(name) == quantity
    assert quantity.name == name
    assert Quantity.of(quantity.at("b").name) == quantity.at("b")


def test_plain_name_means_the_first_target_where_it_is_not_known_by_itself() -> None:
    known = {"latency@phone", "latency@server", "macs"}
    targets = ("phone", "server")
    assert resolved("latency", known, targets) == "latency@phone"
    assert resolved("latency@server", known, targets) == "latency@server"
    assert resolved("macs", known, targets) == "macs"
    assert resolved("latncy", known, targets) == "latncy"
    assert resolved("latency", {"latency"}, ()) == "latency"


def test_what_the_model_alone_decides_has_no_target() -> None:
    assert of_artifact(Latency)
    assert not of_artifact(Macs)


def test_quantities_of_one_target_go_by_their_local_names() -> None:
    measured = {"latency@a": 1, "latency@b": 2, "accuracy.top5@b": 3, "macs": 4}
    assert local_of(measured, "b") == {"latency": 2, "accuracy.top5": 3, "macs": 4}
    assert local_of({"latency": 1, "macs": 4}, None) == {"latency": 1, "macs": 4}
