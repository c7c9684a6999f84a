"""Latency: what is run, how often, and what the numbers mean. Nothing here depends on speed."""

from __future__ import annotations

import gc
import math
import os
from collections.abc import Callable, Iterator
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
from paretune.objectives.timing.rounds import BLOCKS, LEAST_BLOCKS, LEAST_ROUNDS

MakeSubject = Callable[..., Subject]

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
    return Latency.Params(**{"seconds": 0.02, "references": False, **more})


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
    assert said["visits"] >= LEAST_ROUNDS * said["blocks"]
    assert 0 <= said["disturbed"] <= 1
    assert said["host"] and said["cpu"]
    assert said["references"]["why_none"] == "references: false"
    assert (said["runtime"], said["threads"], said["provider"]) == ("onnxruntime", 1, "cpu")
    assert (said["batch"], said["shape"]) == (1, [1, 8, 8])


def test_latency_of_a_candidate_is_the_ratio_times_the_reference(
    make_subject: MakeSubject,
) -> None:
    subject = make_subject()
    subject = replace(
        subject, baseline=subject.artifact, baseline_measurements={"latency": reference(1000.0)}
    )
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
    """Visits alternate, and so does who begins: ABBAABBA, each of them equally often."""
    runtime = Recorded()
    subject = make_subject(runtime=runtime)
    baseline = replace(subject.artifact, path=Path("baseline"))
    subject = replace(subject, baseline=baseline, baseline_measurements={"latency": reference(1.0)})
    found = latency(subject)
    names = [name for name, _ in runtime.calls]
    order = [name for i, name in enumerate(names) if i == 0 or names[i - 1] != name]
    # after the warm-ups of both: B | A A | B B | A A ..., neighbours of one kind run together
    assert len(order) >= found.conditions["blocks"] * LEAST_ROUNDS / 2
    assert set(order[0::2]) == {"baseline"}
    assert set(order[1::2]) == {"subject.onnx"}


def base_and_candidate(make_subject: MakeSubject, **more: Any) -> tuple[Measurement, Subject]:
    """The baseline's measurement beside references, and a candidate that is the same file."""
    subject = make_subject()
    known = latency(subject, references=True)
    changed = {"baseline": subject.artifact, "baseline_measurements": {"latency": known}, **more}
    return known, replace(subject, **changed)


def test_references_known_beside_the_baseline_give_the_ratio(make_subject: MakeSubject) -> None:
    known, subject = base_and_candidate(make_subject)
    said = known.conditions["references"]
    assert said["networks"] == list(NAMES)
    assert len(said["log_ratios"]) == len(NAMES) and not said["used"]
    found = latency(subject, references=True)
    assert found.conditions["references"]["used"]
    assert found.value == pytest.approx(known.value * found.conditions["ratio"])
    # by definition: ratio to the references here, times theirs to the baseline there
    assert 0.2 < found.conditions["ratio"] < 5
    assert 0.2 < found.conditions["ratio_beside_baseline"] < 5


def test_interval_grows_with_what_the_references_moved_against_each_other(
    make_subject: MakeSubject,
) -> None:
    known, subject = base_and_candidate(make_subject)
    ratios = known.conditions["references"]["log_ratios"]
    moved = [ratio + (5.0 if i == 0 else 0.0) for i, ratio in enumerate(ratios)]
    references = {**known.conditions["references"], "log_ratios": moved}
    other = replace(known, conditions={**known.conditions, "references": references})
    found = latency(replace(subject, baseline_measurements={"latency": other}), references=True)
    # log of it: twice Student's 2.776, of 5 / sqrt(5) for one and a fifth of it for the mean
    assert math.log(found.high / found.low) == pytest.approx(13.6, rel=0.1)


@pytest.mark.parametrize(
    "change", [{"host": "another"}, {"batch": 7}, {"references": {}}, {"references": None}], ids=str
)
def test_references_of_another_host_or_way_are_not_used(
    make_subject: MakeSubject, change: dict[str, Any]
) -> None:
    known, subject = base_and_candidate(make_subject)
    other = replace(known, conditions={**known.conditions, **change})
    found = latency(replace(subject, baseline_measurements={"latency": other}), references=True)
    said = found.conditions
    assert not said["references"]["used"]
    assert said["ratio"] == pytest.approx(said["ratio_beside_baseline"])


def test_runtime_that_cannot_have_references_says_why(make_subject: MakeSubject) -> None:
    class Refusing(Recorded):
        name = "refusing"
        suffix = ".x"

        def export(self, *given: Any) -> None:
            raise Unmeasurable("not today")

    found = latency(make_subject(runtime=Refusing()), references=True)
    assert found.conditions["references"]["why_none"] == "not today"
    assert found.conditions["references"]["networks"] == []


def test_several_measured_together_are_visited_equally_often(make_subject: MakeSubject) -> None:
    runtime = Recorded()
    subject = make_subject(runtime=runtime)
    known = {"latency": reference(2.0)}
    subjects = [
        replace(
            subject,
            artifact=replace(subject.artifact, path=Path(name)),
            baseline=subject.artifact,
            baseline_measurements=known,
        )
        for name in ("a", "b", "c")
    ]
    found = Latency.together(subjects, quick())
    assert len(found) == 3
    assert len({m.conditions["blocks"] for m in found}) == 1
    assert min(m.conditions["visits"] for m in found) >= LEAST_BLOCKS * LEAST_ROUNDS
    assert {name for name, _ in runtime.calls} == {"a", "b", "c", "subject.onnx"}


class Shared(ContentionProbe):
    """As on a processor with a neighbour who never rests."""

    def learn(self, seen: Any) -> None:
        self.best_ms = 1e-6


def test_host_that_never_rests_is_waited_for_and_marked(
    make_subject: MakeSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("paretune.objectives.timing.rounds.ContentionProbe", Shared)
    found = latency(make_subject(), seconds=0.05)
    said = found.conditions
    assert said["disturbed_host"] and said["disturbed"] == 1
    assert 0 < found.low <= found.value <= found.high


def test_host_slower_than_at_the_baseline_s_time_is_marked(make_subject: MakeSubject) -> None:
    subject = make_subject()
    known = replace(reference(1.0), conditions={"probe_ms": 1e-6})
    subject = replace(subject, baseline=subject.artifact, baseline_measurements={"latency": known})
    assert latency(subject).conditions["disturbed_host"]


@PINNING
def test_blocks_are_spread_over_time_and_others_may_work_between(make_subject: MakeSubject) -> None:
    rests: list[float] = []

    def rest(seconds: float) -> None:
        assert gc.isenabled() and os.sched_getaffinity(0) == AT_FIRST
        rests.append(seconds)

    params = quick(spread=40.0, seconds=0.001)
    [found] = Latency.together([make_subject()], params, rest)
    assert len(rests) + 1 == found.conditions["blocks"] == BLOCKS
    assert all(0 < seconds <= 40.0 / BLOCKS for seconds in rests)


def test_each_block_has_a_session_of_its_own_where_it_is_quick_to_load(
    make_subject: MakeSubject,
) -> None:
    class Loading(Recorded):
        loads = 0

        def load(self, path: Path, options: Any, threads: int | None = None) -> Any:
            self.loads += 1
            return super().load(path, options, threads)

    runtime = Loading()
    found = latency(make_subject(runtime=runtime))
    assert runtime.loads == found.conditions["blocks"]


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
