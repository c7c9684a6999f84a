"""The end of a search that several workers reach: one of them does the work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from paretune.search.running.opening import open_study
from paretune.search.running.shared_end import SharedEnd
from paretune.search.study.plan import Plan
from paretune.search.study.records import Result
from paretune.search.study.stage import Stage
from paretune.search.study_file.loading import load_study
from paretune.search.trial.open_study import OpenStudy

STUDY = """\
study: ends
evaluate: "ends_trainer:evaluate"
space: {width: {int: [1, 99]}}
objectives: {error: minimize}
"""


@pytest.fixture
def study(tmp_path: Path) -> Iterator[OpenStudy]:
    (tmp_path / "ends_trainer.py").write_text("def evaluate(plan, report):\n    return {}\n")
    file = tmp_path / "ends.yaml"
    file.write_text(STUDY)
    study = open_study(load_study(file))
    study.store.create_study("ends", {}, {}, study.axes)
    yield study
    study.close()


def end_trial(study: OpenStudy, number: int) -> None:
    plan = Plan((Stage("evaluate", {"width": number}),))
    study.store.begin(number, "w", plan, {}, {"params": {}, "attributes": {}})
    study.store.finish(number, Result("complete", {"error": 0.5}), "host")


def test_second_worker_leaves_the_end_to_the_first(study: OpenStudy) -> None:
    first, second, done = SharedEnd(study), SharedEnd(study), []
    end_trial(study, 1)
    first.run(lambda: done.append("first"))
    second.run(lambda: done.append("second"))
    assert done == ["first"]
    end_trial(study, 2)
    second.run(lambda: done.append("second"))
    assert done == ["first", "second"], "a trial has ended since"


def test_end_that_failed_or_is_of_an_earlier_run_is_done_again(study: OpenStudy) -> None:
    first, second, done = SharedEnd(study), SharedEnd(study), []
    end_trial(study, 1)
    with pytest.raises(ValueError, match="no space"):
        first.run(lambda: (_ for _ in ()).throw(ValueError("no space")))
    second.run(lambda: done.append("second"))
    SharedEnd(study).run(lambda: done.append("later"))
    assert done == ["second", "later"]
