"""The contention probe: what it learns. No test depends on the host's speed."""

from __future__ import annotations

from paretune.objectives.timing.contention_probe import ContentionProbe


def test_best_is_a_low_quantile_and_never_rises() -> None:
    probe = ContentionProbe()
    assert 0 < probe.best_ms < float("inf")
    probe.best_ms = 9.0
    probe.learn([float(x) for x in range(1, 101)])
    assert probe.best_ms == 6.0  # five of a hundred are below it
    probe.learn([100.0] * 100)
    assert probe.best_ms == 6.0


def test_fewer_than_20_probes_are_ignored() -> None:
    probe = ContentionProbe()
    before = probe.best_ms
    probe.learn([0.0] * 19)
    assert probe.best_ms == before
    probe.learn([0.0] * 20)
    assert probe.best_ms == 0.0


def test_probe_takes_less_than_a_millisecond() -> None:
    probe = ContentionProbe()
    assert 0 < min(probe() for _ in range(10)) < 1
