"""A study of a task whose score is no fraction, end to end, in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from sklearn.metrics import r2_score, root_mean_squared_error

from paretune.objectives.pairing.differences import paired_difference
from paretune.search.front.highlights import highlights_of
from paretune.search.running.runner import Runner
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study_file.loading import load_study
from paretune.search.views.front_table import front_info
from paretune.search.views.headline import answer_text
from support.studies import record_of

STUDY = """\
task: regression
data: {npz: values.npz}
baseline: {architecture: {mlp: {width: 32}}, pretrain: {epochs: 12, optimizer: {adam: {lr: 1e-2}}}}
space: {architecture: {mlp: {width: {choice: [2, 32]}}}, quantization: {choice: [none, dynamic]}}
objectives: {rmse: {minimize: mm}, size: minimize}
constraints: ["r2 >= baseline - 5%"]
search: {trials: 3, sampler: grid, format_variants: false}
"""


INT8 = (32, "dynamic")
"""Width and number format of the baseline's network in int8."""


def width_of(trial: TrialRecord) -> int:
    """Returns the width of a trial's network."""
    [params] = trial.plan[0]["params"]["architecture"].values()
    return int(params["width"])


def write_values(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Writes a table of numbers, and returns its test part."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(700, 5)).astype(np.float32)
    values = 3 * np.sin(inputs[:, 0]) + inputs[:, 1] * inputs[:, 2]
    values = (values + random.normal(0, 0.2, 700)).astype(np.float32)[:, None]
    names = ("x_train", "y_train", "x_test", "y_test")
    arrays = (inputs[:500], values[:500], inputs[500:], values[500:])
    np.savez(file, **dict(zip(names, arrays, strict=True)))
    return inputs[500:], values[500:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scored")


@pytest.fixture(scope="module")
def examples(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    return write_values(folder / "values.npz")


@pytest.fixture(scope="module")
def record(folder: Path, examples: tuple[np.ndarray, np.ndarray]) -> StudyRecord:
    file = folder / "study.yaml"
    file.write_text(STUDY)
    Runner(load_study(file), lambda event: None).run()
    return record_of(file)


def test_scores_are_those_of_the_deployed_file(
    folder: Path, record: StudyRecord, examples: tuple[np.ndarray, np.ndarray]
) -> None:
    inputs, values = examples
    tested = [trial for trial in record.trials if trial.test]
    assert len(tested) >= 2
    for trial in tested:
        assert trial.artifact is not None
        session = onnxruntime.InferenceSession(str(folder / "study" / trial.artifact["path"]))
        [outputs] = session.run(None, {session.get_inputs()[0].name: inputs})
        rmse, r2 = trial.test["rmse"], trial.test["r2"]
        assert rmse.value == pytest.approx(root_mean_squared_error(values, outputs), rel=1e-4)
        assert r2.value == pytest.approx(r2_score(values, outputs), abs=1e-4)
        assert (rmse.unit, rmse.count, rmse.conditions["part"]) == ("mm", 200, "test")
        assert rmse.low < rmse.value < rmse.high


def test_stored_scores_are_paired_with_the_baselines(record: StudyRecord) -> None:
    base = record.baseline
    assert base is not None
    trial = next(t for t in record.trials if (width_of(t), t.params.get("quantization")) == INT8)
    difference = paired_difference(trial.measurements["rmse"], base.measurements["rmse"])
    assert difference is not None
    wide = base.measurements["rmse"].high - base.measurements["rmse"].low
    assert 0 <= difference.high - difference.low < wide


def test_constraint_on_a_further_score_decides(record: StudyRecord) -> None:
    assert record.baseline is not None
    least = record.baseline.measurements["r2"].value - 0.05
    measured = [trial for trial in record.trials if trial.repeat_of is None]
    feasible = {trial.number: trial.feasible for trial in measured}
    assert feasible == {t.number: t.measurements["r2"].value >= least for t in measured}
    assert set(feasible.values()) == {True, False}


def test_answer_and_marks_are_by_the_score(record: StudyRecord) -> None:
    assert record.axes[0].scored and not record.axes[1].scored
    marks = {highlight.text for highlight in highlights_of(record)}
    assert marks & {"knee", "smallest within 1 %"}
    assert "rmse" in answer_text(front_info(record))


def test_racing_compares_trials_by_the_score(
    folder: Path, examples: tuple[np.ndarray, np.ndarray]
) -> None:
    file = folder / "raced.yaml"
    text = STUDY.replace("space: {arch", "space: {pretrain: {epochs: 4}, arch").replace(
        "format_variants: false", "format_variants: false, racing: {first: 1, eta: 2}"
    )
    file.write_text(text.replace('constraints: ["r2 >= baseline - 5%"]\n', ""))
    Runner(load_study(file), lambda event: None).run()
    record = record_of(file)
    assert record.baseline is not None
    assert {trial.state for trial in record.trials} <= {"complete", "stopped", "paused"}
    assert any(trial.state == "complete" for trial in record.trials if trial.number)
