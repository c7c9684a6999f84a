"""What a tracker receives, in which order, and what is sent again after an outage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from paretune.search.database.engine import open_engine
from paretune.search.database.tracked import STUDY, Tracked
from paretune.search.study.spec import StudySpec
from paretune.search.study_file.loading import load_study
from paretune.search.tracking.facts import StudyFacts, TrialFacts
from paretune.search.tracking.sender import Sender
from paretune.search.tracking.tracker import TrackerAway
from support.made_up_study import MadeUpStudy


@dataclass
class ListTracker:
    """A tracker in memory, which can be away.

    Attributes:
        answers: Requests that it still answers before it is away; None for all.
        runs: Run -> what it received last.
        created: Trials whose run was created, in order.
        files: Run -> names of its files.
    """

    answers: int | None = None
    runs: dict[str, TrialFacts | StudyFacts] = field(default_factory=dict)
    created: list[int] = field(default_factory=list)
    files: dict[str, list[str]] = field(default_factory=dict)
    points: list[int] = field(default_factory=list)

    address = "memory"

    def _request(self) -> None:
        if self.answers is not None:
            if self.answers == 0:
                raise TrackerAway("no route to host")
            self.answers -= 1

    def open_study(self, study: StudyFacts) -> str:
        self._request()
        self.runs["study"] = study
        return "study"

    def log_trial(self, parent: str, study: StudyFacts, trial: TrialFacts, again: bool) -> str:
        self._request()
        if not again:
            self.created.append(trial.number)
        self.runs[str(trial.number)] = trial
        return str(trial.number)

    def log_study(self, parent: str, study: StudyFacts, after: int, ended: bool) -> None:
        self._request()
        self.points += [trial for trial, _, _ in study.growth[after:]]
        self.runs[parent] = study

    def attach(self, run: str, study: StudyFacts, name: str, files: Sequence[Path]) -> None:
        self._request()
        self.files.setdefault(run, []).extend(file.name for file in files)

    def close(self) -> None:
        pass


@pytest.fixture
def study(tmp_path: Path) -> MadeUpStudy:
    return MadeUpStudy(tmp_path, trials=6)


def spec_of(study: MadeUpStudy) -> StudySpec:
    return load_study(study.file, ["baseline.pretrain.epochs=1"], storage=study.url)


def test_every_ended_trial_is_sent_once(study: MadeUpStudy) -> None:
    tracker = ListTracker()
    sender = Sender(tracker, spec_of(study), "memory", files=False)

    assert sender.send() == len(tracker.created) > 4
    assert sender.send() == 0
    assert sorted(tracker.created) == sorted(set(tracker.created))
    assert sender.missing() == 0


def test_trial_has_its_figures_and_intervals(study: MadeUpStudy) -> None:
    tracker = ListTracker()
    Sender(tracker, spec_of(study), "memory", files=False).send()

    baseline = tracker.runs["0"]
    assert isinstance(baseline, TrialFacts)
    assert baseline.name == "baseline" and baseline.tags["state"] == "complete"
    assert {"accuracy", "latency", "size"} <= set(baseline.metrics)
    assert baseline.metrics["accuracy"] == pytest.approx(0.95, abs=0.05)


@pytest.mark.parametrize("answers", range(9))
def test_outage_loses_and_repeats_nothing(study: MadeUpStudy, answers: int) -> None:
    tracker = ListTracker(answers=answers)
    sender = Sender(tracker, spec_of(study), "memory", files=True)
    with pytest.raises(TrackerAway):
        sender.send(ended=True)

    tracker.answers = None
    later = Sender(tracker, spec_of(study), "memory", files=True)
    later.send(ended=True)

    assert later.missing() == 0
    assert sorted(tracker.created) == sorted(set(tracker.created))
    assert tracker.points == sorted(set(tracker.points), key=tracker.points.index)
    assert all(len(names) == len(set(names)) for names in tracker.files.values())


def test_two_processes_create_no_run_twice(study: MadeUpStudy) -> None:
    tracked = Tracked(open_engine(study.url))
    tracked.make_tables()
    spec = spec_of(study)
    sender = Sender(ListTracker(), spec, "memory", files=False)

    assert tracked.claim(sender.key, STUDY)  # another process creates the study's run now
    assert not tracked.claim(sender.key, STUDY)
    assert sender.send() == 0

    tracked.release(sender.key, STUDY)
    assert sender.send() > 0


def test_front_is_sent_with_a_card_at_the_end(study: MadeUpStudy) -> None:
    tracker = ListTracker()
    sender = Sender(tracker, spec_of(study), "memory", files=True)

    sender.send()
    assert tracker.files == {}
    sender.send(ended=True)

    cards = [name for names in tracker.files.values() for name in names if name.endswith(".md")]
    assert cards
    assert {f"trial-{run}.md" for run in tracker.files if run != "study"} == set(cards)


def test_epoch_is_written_once_when_an_attempt_is_repeated(study: MadeUpStudy) -> None:
    tracked = Tracked(open_engine(study.url))
    tracked.make_tables()
    tracked.add_epoch(1, "pretrain", 1, {"loss": 2.0, "score": None})
    tracked.add_epoch(1, "pretrain", 1, {"loss": 1.5, "score": None})

    tracker = ListTracker()
    Sender(tracker, spec_of(study), "memory", files=False).send()

    trial = tracker.runs["1"]
    assert isinstance(trial, TrialFacts)
    assert [(e.stage, e.epoch, dict(e.values)) for e in trial.epochs] == [
        ("pretrain", 1, {"loss": 1.5})
    ]
