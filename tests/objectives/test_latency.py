"""Latency: what is run, how often, and what the numbers mean. Nothing here depends on speed."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from objectives.base import Measurement, Subject, Unmeasurable
from objectives.host import cores
from objectives.latency import LEAST_BLOCKS, Latency, _median_interval, _quantile, _statistic
from objectives.runtimes.onnxruntime import OnnxRuntime

MakeSubject = Callable[..., Subject]

RUNS = st.lists(st.floats(0.001, 1000), min_size=1, max_size=60)


PINNING = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system pins no process to a core"
)


AT_FIRST = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
"""The cores this process may use, before any test has pinned it to one."""


class Recorded:
    """A runtime that writes down which artifact ran on what."""

    name = "recorded"

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[int, ...]]] = []
        self.inside: list[tuple[bool, int]] = []

    def load(self, path: Path, options: Any, threads: int | None = None) -> Any:
        def run(images: np.ndarray) -> np.ndarray:
            self.calls.append((path.name, images.shape))
            self.inside.append((gc.isenabled(), cores()))
            float(np.linalg.norm(np.ones((120, 120)) @ np.ones((120, 120))))
            return images

        return run


def reference(value: float) -> Measurement:
    return Measurement("latency", value, "ms", "lower", value, value)


def quick(**more: Any) -> Latency.Params:
    return Latency.Params(**{"seconds": 0.02, **more})


def latency(subject: Subject, **more: Any) -> Measurement:
    return Latency.measure(subject, quick(**more), "validation")


@pytest.mark.parametrize("statistic", ["p50", "p90", "p99", "mean"])
def test_latency_of_the_baseline_is_its_own_milliseconds(
    make_subject: MakeSubject, statistic: str
) -> None:
    found = latency(make_subject(), statistic=statistic)
    said = found.conditions
    assert 0 < found.low <= found.value <= found.high
    assert (said["statistic"], said["relative_to"], said["ratio"]) == (statistic, None, 1.0)
    assert said["raw_ms"] == said["raw_baseline_ms"] == said[f"{statistic}_ms"]
    assert 0 < said["p50_ms"] <= said["p90_ms"] <= said["p99_ms"]
    assert said["blocks"] >= LEAST_BLOCKS
    assert found.count >= said["blocks"]
    assert (said["runtime"], said["threads"], said["provider"]) == ("onnxruntime", 1, "cpu")
    assert (said["batch"], said["shape"]) == (1, [1, 8, 8])


def test_latency_of_a_candidate_is_the_ratio_times_the_reference(
    make_subject: MakeSubject,
) -> None:
    subject = make_subject()
    subject = replace(subject, baseline=subject.artifact, reference={"latency": reference(1000.0)})
    found = latency(subject)
    assert found.conditions["relative_to"] == "baseline"
    assert found.value == pytest.approx(1000.0 * found.conditions["ratio"])
    assert 0 < found.low <= found.value <= found.high


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_every_run_has_the_batch_s_images(make_subject: MakeSubject, batch: int) -> None:
    """A batch greater than the validation part repeats its images."""
    runtime = Recorded()
    latency(make_subject(runtime=runtime), batch=batch)
    assert {shape for _, shape in runtime.calls} == {(batch, 1, 8, 8)}


def test_candidate_and_baseline_run_in_turn(make_subject: MakeSubject) -> None:
    """Blocks alternate, and so does who begins: ABBAABBA, each of them equally often."""
    runtime = Recorded()
    subject = make_subject(runtime=runtime)
    baseline = replace(subject.artifact, path=Path("baseline"))
    subject = replace(subject, baseline=baseline, reference={"latency": reference(1.0)})
    found = latency(subject)
    names = [name for name, _ in runtime.calls]
    order = [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]
    # after the warm-ups of both: B | A A | B B | A A ..., neighbours of one kind run together
    blocks = found.conditions["blocks"]
    assert len(order) in (blocks + 1, blocks + 2)
    assert set(order[0::2]) == {"subject.onnx"}
    assert set(order[1::2]) == {"baseline"}


@PINNING
def test_garbage_and_cores_are_held_still_while_it_runs_and_put_back_after(
    make_subject: MakeSubject,
) -> None:
    runtime = Recorded()
    latency(make_subject(runtime=runtime))
    assert set(runtime.inside) == {(False, 1)}
    assert gc.isenabled()
    assert os.sched_getaffinity(0) == AT_FIRST


@PINNING
def test_cores_are_left_alone_when_a_run_may_use_several(make_subject: MakeSubject) -> None:
    runtime = Recorded()
    latency(make_subject(runtime=runtime, options=OnnxRuntime.Params(threads=2)))
    assert set(runtime.inside) == {(False, cores())}


@PINNING
def test_garbage_and_cores_are_put_back_when_a_run_fails(make_subject: MakeSubject) -> None:
    class Failing(Recorded):
        def load(self, path: Path, options: Any, threads: int | None = None) -> Any:
            def run(images: np.ndarray) -> np.ndarray:
                raise RuntimeError("out of luck")

            return run

    with pytest.raises(RuntimeError, match="out of luck"):
        latency(make_subject(runtime=Failing()))
    assert gc.isenabled()
    assert os.sched_getaffinity(0) == AT_FIRST


def test_latency_without_images_cannot_be_measured(
    make_subject: MakeSubject, make_data: Callable[..., Any]
) -> None:
    class Endless(make_data):  # type: ignore[misc, valid-type]
        def arrays(self, part: str, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
            yield self.images[:0], self.labels[:0]

    for data in (make_data(0), Endless()):
        with pytest.raises(Unmeasurable, match="the validation part has no examples"):
            latency(make_subject(data))


@pytest.mark.parametrize(
    "params",
    [{"statistic": "p95"}, {"batch": 0}, {"precision": 0.0}, {"precision": 1.0}, {"seconds": 0.0}],
    ids=str,
)
def test_params_out_of_range_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Latency.Params(**params)


# -- statistics --------------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(RUNS, st.floats(0, 1))
def test_quantile_is_numpy_s(runs: list[float], share: float) -> None:
    assert _quantile(runs, share) == pytest.approx(float(np.quantile(runs, share)))


@pytest.mark.parametrize(
    ("which", "expected"), [("p50", 3.0), ("p90", 4.6), ("p99", 4.96), ("mean", 3.0)]
)
def test_statistic_is_what_its_name_says(which: str, expected: float) -> None:
    assert _statistic([5.0, 1.0, 4.0, 2.0, 3.0], which) == pytest.approx(expected)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0.5, 2), min_size=2, max_size=40))
def test_interval_of_the_median_lies_within_the_figures_and_repeats(figures: list[float]) -> None:
    low, high = _median_interval(figures)
    assert min(figures) <= low <= high <= max(figures)
    assert _median_interval(figures) == (low, high)


def test_interval_of_the_median_covers_the_true_one_about_95_times_of_100() -> None:
    generator = np.random.default_rng(0)
    samples = generator.lognormal(0.0, 0.3, size=(150, 45))
    hits = sum(low <= 1.0 <= high for low, high in map(_median_interval, samples.tolist()))
    assert 0.85 <= hits / len(samples) <= 1.0


def test_interval_of_equal_figures_has_no_width() -> None:
    assert _median_interval([0.5] * 20) == (0.5, 0.5)
