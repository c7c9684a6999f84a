"""Counts of trials and stages are those of the whole record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paretune.search.database.counts import PARTIAL, counts_of
from paretune.search.database.engine import open_engine
from paretune.search.database.reader import StudyReader, study_reader
from paretune.search.database.rows import engine_rows
from paretune.search.database.rungs import Rungs
from paretune.search.database.store import Store
from paretune.search.front.final_front import with_final_front
from paretune.search.study.plan import Plan
from paretune.search.study.records import RACING, Axis, Counts, FrontPoint, Result
from paretune.search.study.stage import Stage
from paretune.search.views.report import _summary
from paretune.search.views.status import status_info

AXES = (Axis("error", "fraction", "lower"), Axis("latency", "ms", "lower"))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    store = Store(open_engine(url, create=True))
    store.create_study("s", {"study": "s"}, {}, AXES)
    yield store
    store.close()


def counts_in(store: Store) -> Counts:
    return counts_of(engine_rows(store.engine))


def trial(store: Store, number: int, *stages: tuple[str, Any], **result: Any) -> None:
    """Adds a trial with these (kind, parameter) stages, which has this result or still runs."""
    plan = Plan(tuple(Stage(kind, {"kind": {"x": value}}) for kind, value in stages))
    variant_of = result.pop("variant_of", None)
    store.begin_next(number, "w", plan, {}, {"params": {}}, variant_of)
    if result:
        store.finish(number, Result(**result), "host")


def test_trials_are_counted_by_state_without_repeats_and_variants(store: Store) -> None:
    stopped = {"stage": "evaluate", "type": RACING, "text": "not among the best"}
    broken = {"stage": "evaluate", "type": "Constraint", "text": f'breaks "{RACING}" <= 2'}
    trial(store, 0, state="complete")
    trial(store, 1, state="failed")
    trial(store, 2, state="complete", values={"error": 0.1, "latency": 1.0})
    trial(store, 3, state="stopped", reason=stopped)
    trial(store, 4, state="infeasible", reason=broken)
    trial(store, 5, state="complete", repeat_of=2)
    trial(store, 6, state="complete", variant_of=2)
    trial(store, 7, state="stopped", reason=stopped, variant_of=3)
    trial(store, 8, state="complete", values={"error": 0.2, "latency": 0.5})
    trial(store, 9)
    counts = counts_in(store)
    assert list(counts.states.items()) == [
        ("failed", 1),
        ("complete", 2),
        ("stopped", 1),
        ("infeasible", 1),
        ("running", 1),
    ]
    assert (counts.repeats, counts.variants, counts.stopped) == (1, 2, 1)
    info = status_info(store.record(), counts)
    assert info.done == 5
    assert "1 stopped early" in info.text() and "5 trials done" in info.text()


def test_status_front_and_report_count_the_same_trials(store: Store, url: str) -> None:
    broken = {"violations": {"latency <= 2": 0.5}, "values": {"error": 0.3, "latency": 3.0}}
    stopped = {"stage": "evaluate", "type": RACING, "text": "not among the best"}
    trial(store, 0, state="complete", values={"error": 0.5, "latency": 1.0})
    trial(store, 1, state="complete", values={"error": 0.1, "latency": 1.0})
    trial(store, 2, state="complete", **broken)
    trial(store, 3, state="complete", repeat_of=2, **broken)
    trial(store, 4, state="complete", variant_of=1, values={"error": 0.2, "latency": 0.5})
    trial(store, 5, state="complete", variant_of=2, **broken)
    trial(store, 6, state="stopped", reason=stopped)
    trial(store, 7)
    with study_reader(url) as reader:
        counts, record, quick = reader.counts(), reader.record(), reader.front_record()
    assert (sum(counts.states.values()), counts.broken, counts.variants) == (4, 1, 2)
    for each in (record, quick):
        assert (each.trial_count, each.stopped) == (4, 1)
    assert _summary(record).startswith("4 trials and 2 format variants, 2 break a constraint")


def test_saved_seconds_equal_the_training_seconds_of_the_same_stages(store: Store) -> None:
    first, other = ("pretrain", 1), ("pretrain", 2)
    tuned = ("finetune", 5)
    trial(store, 1, first, tuned, state="complete", seconds={"pretrain": 10.0, "finetune": 3.0})
    trial(store, 2, other, tuned, state="complete", seconds={"pretrain": 20.0, "finetune": 4.0})
    assert counts_in(store).saved_seconds == 0.0
    cached = {"seconds": {"pretrain": 0.0, "finetune": 5.0}, "cached": ("pretrain",)}
    trial(store, 3, first, ("finetune", 6), state="complete", **cached)
    assert counts_in(store).saved_seconds == 10.0
    both = {"seconds": {"pretrain": 0.0, "finetune": 0.0}, "cached": ("pretrain", "finetune")}
    trial(store, 4, other, tuned, state="complete", **both)  # the finetuning after `other`: 4 s
    assert counts_in(store).saved_seconds == 10.0 + 20.0 + 4.0


def test_partial_stages_take_space_but_no_seconds(store: Store) -> None:
    entry = {"parent": None, "sha256": "0", "bytes": 100}
    store.add_stage(key="a", kind="pretrain", file="a", seconds=10.0, **entry)
    store.add_stage(key="b", kind="finetune", file="b", seconds=2.0, **entry)
    store.add_stage(key="c.3", kind="pretrain" + PARTIAL, file="c", seconds=5.0, **entry)
    store.mark_dropped(["b"])
    counts = counts_in(store)
    assert (counts.stage_seconds, counts.dropped) == (12.0, 1)
    assert (counts.cache_bytes, counts.cache_stages) == (200, 2)


def test_seconds_of_paused_and_stopped_trainings_count_as_spent(store: Store) -> None:
    entry = {"parent": None, "sha256": "0", "bytes": 100}
    store.add_stage(key="a", kind="pretrain", file="a", seconds=10.0, **entry)
    store.add_stage(key="b.1", kind="finetune" + PARTIAL, file="b", seconds=5.0, **entry)
    stopped = {"stage": "finetune", "type": RACING, "text": "not among the best"}
    broken = {"stage": "finetune", "type": "InfeasibleCandidate", "text": f'no "{RACING}"'}
    spent = {"pretrain": 0.0, "finetune": 5.0, "measure": 1.0}
    trial(store, 1, state="stopped", reason=stopped, seconds=spent)
    trial(store, 2, state="infeasible", reason=broken, seconds=spent)
    trial(store, 3)
    Rungs(store.engine).pause(3, Result("paused", reason=stopped, seconds={"finetune": 2.0}))
    counts = counts_in(store)
    assert counts.stage_seconds == 10.0 + 5.0 + 2.0
    assert "training: 17 s spent" in status_info(store.record(), counts).text()


def test_status_of_a_study_without_trials_counts_nothing(store: Store) -> None:
    info = status_info(StudyReader(engine_rows(store.engine)).outline(), counts_in(store))
    assert (info.done, info.states, info.front, info.hypervolume) == (0, {}, (), None)
    assert "0 trials done (none)" in info.text()


def test_status_of_a_finished_study_is_that_of_its_whole_record(finished: Path) -> None:
    with study_reader(f"sqlite:///{finished.with_suffix('') / 'study.db'}") as reader:
        outline, full = with_final_front(reader.outline()), with_final_front(reader.record())
        counts = reader.counts()
    info = status_info(outline, counts)
    assert info == status_info(full, counts)
    assert info.front and info.hypervolume
    search = [
        t for t in full.trials if t.number > 0 and t.repeat_of is None and t.variant_of is None
    ]
    assert info.states == Counter(t.state for t in search)
    assert counts.saved_seconds > 0 and counts.stage_seconds > 0


def test_outline_has_the_hypervolume_of_the_whole_record_if_it_needs_all_trials(
    store: Store, url: str
) -> None:
    for number, (error, latency) in enumerate([(0.1, 4.0), (0.5, 1.0), (0.9, 9.0)], 1):
        values = {"error": error, "latency": latency}
        trial(store, number, state="complete", values=values)
        store.add_front(
            FrontPoint(number, float(number), None, tuple(range(1, min(number, 2) + 1)))
        )
    with study_reader(url) as reader:
        assert reader.outline().growth[-1] == reader.record().growth[-1]
        assert reader.outline().growth[-1].hypervolume == pytest.approx(1 - 3 / 8 * 4 / 8)
