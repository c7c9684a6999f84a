"""Latency: which runs it makes, and what its values mean. No test depends on the host's speed."""

from __future__ import annotations

import gc
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from paretune.objectives.base import Measurement, Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.host import cores
from paretune.objectives.latency import Latency
from paretune.objectives.runtimes.onnxruntime import OnnxRuntime
from paretune.objectives.timing.contention_probe import ContentionProbe
from paretune.objectives.timing.reference_networks import NAMES
from paretune.objectives.timing.round_estimates import BLOCKS, LEAST_BLOCKS
from paretune.objectives.timing.rounds import LEAST_ROUNDS

MakeSubject = Callable[..., Subject]

PINNING = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system cannot pin a process to a core"
)


AT_START = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
"""The cores that this process may use, before any test has pinned it to one."""


class RecordingRuntime:
    """A runtime that records which artifact ran on which input shape."""

    name = "recording"

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[int, ...]]] = []
        self.states: list[tuple[bool, int]] = []

    def load(self, path: Path, options: Any, threads: int | None = None) -> Any:
        def run(images: np.ndarray) -> np.ndarray:
            self.calls.append((path.name, images.shape))
            self.states.append((gc.isenabled(), cores()))
            float(np.linalg.norm(np.ones((120, 120)) @ np.ones((120, 120))))
            return images

        return run


def baseline_latency(value: float) -> Measurement:
    return Measurement("latency", value, "ms", "lower", value, value)


def quick(**more: Any) -> Latency.Params:
    return Latency.Params(**{"seconds": 0.02, "references": False, **more})


def latency(subject: Subject, **more: Any) -> Measurement:
    return Latency.measure(subject, quick(**more), "validation")


def with_baseline(subject: Subject, baseline: Measurement) -> Subject:
    """Returns the subject as a candidate, with the same file as its baseline."""
    return replace(
        subject,
        baseline=subject.artifact,
        baseline_measurements={"latency": baseline},
    )


@pytest.mark.parametrize("statistic", ["p50", "p90", "p99", "mean"])
def test_latency_of_the_baseline_is_its_own_milliseconds(
    make_subject: MakeSubject, statistic: str
) -> None:
    measured = latency(make_subject(), statistic=statistic)
    conditions = measured.conditions
    assert 0 < measured.low <= measured.value <= measured.high
    assert conditions["statistic"] == statistic
    assert (conditions["relative_to"], conditions["ratio"]) == (None, 1.0)
    assert conditions["raw_ms"] == conditions["raw_baseline_ms"] == conditions[f"{statistic}_ms"]
    assert 0 < conditions["p50_ms"] <= conditions["p90_ms"] <= conditions["p99_ms"]
    assert conditions["blocks"] >= LEAST_BLOCKS
    assert conditions["visits"] >= LEAST_ROUNDS * conditions["blocks"]
    assert measured.count >= len(conditions["session"]["log_levels"]) >= LEAST_BLOCKS
    assert 0 <= conditions["disturbed"] <= 1
    assert conditions["host"] and conditions["cpu"]
    assert conditions["references"]["why_none"] == "references: false"
    assert (conditions["runtime"], conditions["threads"]) == ("onnxruntime", 1)
    assert conditions["provider"] == "cpu"
    assert (conditions["batch"], conditions["shape"]) == (1, [1, 8, 8])


def test_latency_of_a_candidate_is_its_ratio_times_the_baseline_s_latency(
    make_subject: MakeSubject,
) -> None:
    measured = latency(with_baseline(make_subject(), baseline_latency(1000.0)))
    assert measured.conditions["relative_to"] == "baseline"
    assert measured.value == pytest.approx(1000.0 * measured.conditions["ratio"])
    assert 0 < measured.low <= measured.value <= measured.high


@pytest.mark.parametrize("batch", [1, 3, 100])
def test_every_run_has_a_whole_batch(make_subject: MakeSubject, batch: int) -> None:
    """A batch larger than the validation part repeats its images."""
    runtime = RecordingRuntime()
    latency(make_subject(runtime=runtime), batch=batch)
    assert {shape for _, shape in runtime.calls} == {(batch, 1, 8, 8)}


def test_candidate_and_baseline_run_in_turn(make_subject: MakeSubject) -> None:
    """Visits alternate, and so does the network that starts a round: ABBAABBA."""
    runtime = RecordingRuntime()
    subject = make_subject(runtime=runtime)
    subject = with_baseline(subject, baseline_latency(1.0))
    subject = replace(subject, baseline=replace(subject.artifact, path=Path("baseline")))
    measured = latency(subject)
    names = [name for name, _ in runtime.calls]
    order = [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]
    # After both have warmed up: B | A A | B B | A A ...; consecutive visits of one count once.
    assert len(order) >= measured.conditions["blocks"] * LEAST_ROUNDS / 2
    assert set(order[0::2]) == {"baseline"}
    assert set(order[1::2]) == {"subject.onnx"}


def baseline_and_candidate(make_subject: MakeSubject) -> tuple[Measurement, Subject]:
    """Returns the baseline's measurement with references, and a candidate that is the same file."""
    subject = make_subject()
    baseline = latency(subject, references=True)
    return baseline, with_baseline(subject, baseline)


def test_ratio_uses_references_that_were_measured_with_the_baseline(
    make_subject: MakeSubject,
) -> None:
    baseline, subject = baseline_and_candidate(make_subject)
    references = baseline.conditions["references"]
    assert references["networks"] == list(NAMES)
    assert len(references["log_ratios"]) == len(NAMES) and not references["used"]
    measured = latency(subject, references=True)
    assert measured.conditions["references"]["used"]
    assert measured.value == pytest.approx(baseline.value * measured.conditions["ratio"])
    # Candidate and baseline are the same file, so both ratios are near 1.
    assert 0.2 < measured.conditions["ratio"] < 5
    assert 0.2 < measured.conditions["ratio_beside_baseline"] < 5


def test_interval_grows_when_the_ratios_of_the_references_change(
    make_subject: MakeSubject,
) -> None:
    """Two logarithms move by 50; compared with that, the scatter of any host is negligible."""
    baseline, subject = baseline_and_candidate(make_subject)
    measured = latency(
        with_baseline(subject, moved_references(baseline, 50.0, -50.0)), references=True
    )
    # Twice Student's 2.776, times the standard deviation 50 / sqrt(2), times sqrt(1 + 1/5).
    assert math.log(measured.high / measured.low) == pytest.approx(215, rel=0.1)
    assert "left_out" not in measured.conditions["references"]


def test_reference_that_moved_alone_does_not_widen_the_interval(make_subject: MakeSubject) -> None:
    baseline, subject = baseline_and_candidate(make_subject)
    measured = latency(with_baseline(subject, moved_references(baseline, 50.0)), references=True)
    assert measured.conditions["references"]["left_out"] == NAMES[0]
    assert math.log(measured.high / measured.low) < 50
    assert 0.2 < measured.conditions["ratio"] < 5


def moved_references(baseline: Measurement, *moves: float) -> Measurement:
    """Returns a baseline whose first references had other ratios; logarithms differ by `moves`."""
    ratios = list(baseline.conditions["references"]["log_ratios"])
    for number, move in enumerate(moves):
        ratios[number] += move
    references = {**baseline.conditions["references"], "log_ratios": ratios}
    return replace(baseline, conditions={**baseline.conditions, "references": references})


@pytest.mark.parametrize(
    "change", [{"host": "another"}, {"batch": 7}, {"references": {}}, {"references": None}], ids=str
)
def test_references_measured_under_other_conditions_are_not_used(
    make_subject: MakeSubject, change: dict[str, Any]
) -> None:
    baseline, subject = baseline_and_candidate(make_subject)
    other = replace(baseline, conditions={**baseline.conditions, **change})
    conditions = latency(with_baseline(subject, other), references=True).conditions
    assert not conditions["references"]["used"]
    assert conditions["ratio"] == pytest.approx(conditions["ratio_beside_baseline"])


def test_conditions_give_the_reason_when_the_runtime_cannot_have_references(
    make_subject: MakeSubject,
) -> None:
    class RefusingRuntime(RecordingRuntime):
        name = "refusing"
        suffix = ".x"

        def export(self, *arguments: Any) -> None:
            raise Unmeasurable("not today")

    measured = latency(make_subject(runtime=RefusingRuntime()), references=True)
    assert measured.conditions["references"]["why_none"] == "not today"
    assert measured.conditions["references"]["networks"] == []


def test_several_measured_together_are_visited_equally_often(make_subject: MakeSubject) -> None:
    runtime = RecordingRuntime()
    subject = with_baseline(make_subject(runtime=runtime), baseline_latency(2.0))
    subjects = [
        replace(subject, artifact=replace(subject.artifact, path=Path(name)))
        for name in ("a", "b", "c")
    ]
    measured = Latency.measure_together(subjects, quick())
    assert len(measured) == 3
    assert len({m.conditions["blocks"] for m in measured}) == 1
    assert min(m.conditions["visits"] for m in measured) >= LEAST_BLOCKS * LEAST_ROUNDS
    assert {name for name, _ in runtime.calls} == {"a", "b", "c", "subject.onnx"}


class SharedCoreProbe(ContentionProbe):
    """Acts as on a core that a neighbour uses all the time."""

    def learn(self, probes_ms: Sequence[float]) -> None:
        self.best_ms = 1e-6


def test_measurement_is_marked_when_the_host_is_always_disturbed(
    make_subject: MakeSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paretune.objectives.timing.rounds.ContentionProbe", SharedCoreProbe)
    measured = latency(make_subject(), seconds=0.05)
    assert measured.conditions["disturbed_host"] and measured.conditions["disturbed"] == 1
    assert 0 < measured.low <= measured.value <= measured.high


def test_measurement_is_marked_when_the_host_is_slower_than_for_the_baseline(
    make_subject: MakeSubject,
) -> None:
    baseline = replace(baseline_latency(1.0), conditions={"probe_ms": 1e-6})
    measured = latency(with_baseline(make_subject(), baseline))
    assert measured.conditions["disturbed_host"]


@PINNING
def test_blocks_are_spread_over_time_with_free_pauses_between(make_subject: MakeSubject) -> None:
    """The spread is so long that a block on any host takes less than its share."""
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        assert gc.isenabled() and os.sched_getaffinity(0) == AT_START
        pauses.append(seconds)

    params = quick(spread=40_000.0, seconds=0.001)
    [measured] = Latency.measure_together([make_subject()], params, pause)
    assert len(pauses) + 1 == measured.conditions["blocks"] == BLOCKS
    assert all(0 < seconds <= 40_000.0 / BLOCKS for seconds in pauses)


@pytest.mark.parametrize("share", [math.inf, 0.0], ids=["quick to load", "slow to load"])
def test_artifact_is_loaded_for_each_block_unless_loading_takes_too_long(
    make_subject: MakeSubject, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    class LoadingRuntime(RecordingRuntime):
        loads = 0

        def load(self, path: Path, options: Any, threads: int | None = None) -> Any:
            self.loads += 1
            return super().load(path, options, threads)

    monkeypatch.setattr("paretune.objectives.timing.rounds.LOADING", share)
    runtime = LoadingRuntime()
    blocks = latency(make_subject(runtime=runtime)).conditions["blocks"]
    # One reload shows how long loading takes.
    assert runtime.loads == (blocks if share else 2)


@PINNING
def test_collection_is_off_and_thread_pinned_while_it_runs_and_restored_after(
    make_subject: MakeSubject,
) -> None:
    runtime = RecordingRuntime()
    latency(make_subject(runtime=runtime))
    assert set(runtime.states) == {(False, 1)}
    assert gc.isenabled()
    assert os.sched_getaffinity(0) == AT_START


@PINNING
def test_thread_is_not_pinned_when_a_run_may_use_several_cores(make_subject: MakeSubject) -> None:
    runtime = RecordingRuntime()
    latency(make_subject(runtime=runtime, options=OnnxRuntime.Params(threads=2)))
    assert set(runtime.states) == {(False, cores())}


@PINNING
def test_collection_and_cores_are_restored_when_a_run_fails(make_subject: MakeSubject) -> None:
    class FailingRuntime(RecordingRuntime):
        def load(self, path: Path, options: Any, threads: int | None = None) -> Any:
            def run(images: np.ndarray) -> np.ndarray:
                raise RuntimeError("out of luck")

            return run

    with pytest.raises(RuntimeError, match="out of luck"):
        latency(make_subject(runtime=FailingRuntime()))
    assert gc.isenabled()
    assert os.sched_getaffinity(0) == AT_START


def test_latency_is_unmeasurable_without_images(
    make_subject: MakeSubject, make_data: Callable[..., Any]
) -> None:
    class EmptyBatch(make_data):  # type: ignore[misc, valid-type]
        def arrays(self, part: str, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
            yield self.images[:0], self.labels[:0]

    for data in (make_data(0), EmptyBatch()):
        with pytest.raises(Unmeasurable, match="the validation part has no examples"):
            latency(make_subject(data))


@pytest.mark.parametrize(
    "params",
    [
        {"statistic": "p95"},
        {"batch": 0},
        {"precision": 0.0},
        {"precision": 1.0},
        {"seconds": 0.0},
        {"spread": -1},
    ],
    ids=str,
)
def test_params_out_of_range_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Latency.Params(**params)
