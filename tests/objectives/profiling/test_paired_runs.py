"""Runs with and without profiling."""

from __future__ import annotations

from collections.abc import Callable

from paretune.objectives.profiling.base import NetworkPart
from paretune.objectives.profiling.paired_runs import faster_half, run_pairs


def test_faster_half_adds_up_calls_in_a_run_and_takes_lower_quartiles_of_parts() -> None:
    def run(ms: float, conv: float) -> tuple[float, list[NetworkPart]]:
        parts = [("Conv", "a", conv), ("Conv", "a", 1.0), ("Relu", "b", 0.5)]
        return ms, [NetworkPart(path, operator, part) for operator, path, part in parts]

    half = faster_half([run(4, 2), run(90, 80), run(5, 3), run(6, 4), run(99, 90)])
    assert (half.ms, half.count, half.between) == (5, 5, 0.5)
    assert half.parts == (NetworkPart("a", "Conv", 4.0), NetworkPart("b", "Relu", 0.5))


def test_both_kinds_of_runs_are_made_equally_often() -> None:
    calls: list[str] = []

    def recorder(kind: str) -> Callable[[], None]:
        return lambda: calls.append(kind)

    _, profiled_ms = run_pairs(recorder("plain"), recorder("profiled"), seconds=0)
    assert calls.count("plain") == calls.count("profiled") > len(profiled_ms)
