"""Threads of one inference on a device: as many as it has cores, at most."""

from __future__ import annotations

import pytest

from paretune.objectives.devices.address import core_numbers, parse_address
from paretune.objectives.devices.errors import DeviceRefused
from paretune.objectives.devices.runtimes import check_threads


@pytest.mark.parametrize(
    ("cores", "threads", "words"),
    [
        (2, 4, "has 2 cores for it: give threads: 2 or fewer, or 0"),
        (1, 2, "has 1 core for it: give threads: 1 or fewer, or 0"),
    ],
)
def test_more_threads_than_cores_are_refused(cores: int, threads: int, words: str) -> None:
    with pytest.raises(DeviceRefused, match=f"ncnn is to use {threads} threads.* {words}"):
        check_threads("ssh://pi@cam", cores, "ncnn", threads)


@pytest.mark.parametrize(("cores", "threads"), [(4, 4), (4, 1), (1, 0)])
def test_as_many_threads_as_cores_pass(cores: int, threads: int) -> None:
    check_threads("ssh://pi@cam", cores, "ncnn", threads)


def test_cores_of_an_address_are_counted() -> None:
    assert core_numbers("0-2,2,7") == {0, 1, 2, 7}
    assert parse_address("ssh://pi@cam?cpus=0-1,3").cores == 3
    assert parse_address("ssh://pi@cam").cores is None
