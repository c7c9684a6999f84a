"""The scores of any task on a deployed file: names, units, intervals, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from paretune.inputs import Tokens
from paretune.nests import Nest
from paretune.objectives.base import Subject
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.metrics.regression import regression_scores
from paretune.objectives.pairing.differences import are_paired, paired_difference
from paretune.objectives.score import MOST, TaskScore, batch_size
from paretune.task import Metric, Outputs, Part, Predict, Scored

SHAPE = (1, 8, 8)  # of the fixture's network, which gives three values


class Sums:
    """A task whose score is the distance of the outputs from targets."""

    name = "sums"
    outputs = Outputs(3)
    metrics: Mapping[str, Metric] = {}

    def __init__(self, change: Callable[[dict[str, Scored]], Any] = lambda scores: scores) -> None:
        self.change = change
        self.passes = 0

    def score(self, predict: Predict, part: Part) -> Any:
        self.passes += 1
        outputs, targets = [], []
        for inputs, target in part.batches():
            outputs.append(np.nan_to_num(predict(inputs)))
            targets.append(target)
        return self.change(regression_scores(np.concatenate(outputs), np.concatenate(targets)))


class Targets:
    """Images of noise, with three values each."""

    shape = SHAPE
    fingerprint = "noise"

    def __init__(self, task: Sums, count: int = 50, scale: float = 1.0, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.task = task
        self.images = random.normal(size=(count, *SHAPE)).astype(np.float32) * scale
        self.values = random.normal(size=(count, 3)).astype(np.float32)

    def size(self, part: str) -> int:
        return len(self.values)

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[Nest, Nest]]:
        for start in range(0, len(self.values), batch_size):
            rows = slice(start, start + batch_size)
            yield self.images[rows], self.values[rows]


def measured(subject: Subject, **wanted: tuple[str, str]) -> dict[str, Any]:
    """Returns name -> Measurement; `wanted` are name=(unit, better)."""
    metrics = {name: {"unit": unit, "better": better} for name, (unit, better) in wanted.items()}
    params = TaskScore.Params.model_validate({"metrics": metrics})
    return {m.name: m for m in TaskScore.measure(subject, params, "validation")}


def test_one_pass_gives_all_scores_with_units_and_conditions(
    make_subject: Callable[..., Subject],
) -> None:
    task = Sums()
    values = measured(make_subject(Targets(task)), rmse=("mm", "lower"))
    assert task.passes == 1
    assert set(values) == {"rmse", "mae", "r2"}
    rmse = values["rmse"]
    assert (rmse.unit, rmse.better, rmse.count) == ("mm", "lower", 50)
    assert rmse.low < rmse.value < rmse.high
    assert rmse.conditions == {
        "part": "validation",
        "runtime": "onnxruntime",
        "statistic": "rmse",
    }
    assert (values["r2"].unit, values["mae"].unit) == ("fraction", "")


def test_scores_of_two_files_are_paired_by_their_inputs(
    make_subject: Callable[..., Subject],
) -> None:
    subject = make_subject(Targets(Sums()))
    first, second = (measured(subject)["rmse"] for _ in range(2))
    difference = paired_difference(first, second)
    assert difference is not None
    assert difference.low == difference.high == 0
    other = measured(make_subject(Targets(Sums(), seed=1)))["rmse"]
    assert not are_paired(first, other)


def test_number_alone_says_that_it_has_no_interval(make_subject: Callable[..., Subject]) -> None:
    task = Sums(lambda scores: {"map50": Scored(0.75, 50)})
    value = measured(make_subject(Targets(task)), map50=("fraction", "higher"))["map50"]
    assert (value.value, value.low, value.high) == (0.75, 0.75, 0.75)
    assert value.conditions["interval"] == "none, as score gives a single number"
    assert value.per_example is None


def test_score_that_most_samples_lack_says_that_it_has_no_interval(
    make_subject: Callable[..., Subject],
) -> None:
    scored = Scored(0.75, 50, weighted=lambda weights: float("nan"))
    subject = make_subject(Targets(Sums(lambda _: {"map50": scored})))
    value = measured(subject, map50=("fraction", "higher"))["map50"]
    assert value.low == value.high == 0.75
    assert value.conditions["interval"] == "none, as too many samples have no score"


def test_scores_without_a_known_unit_are_measured_only_if_the_study_names_them(
    make_subject: Callable[..., Subject],
) -> None:
    scores = {"gap": Scored(3.0, 50), "map50": Scored(0.5, 50), "latency": Scored(7.0, 50)}
    subject = make_subject(Targets(Sums(lambda _: scores)))
    assert set(measured(subject)) == {"map50"}
    assert set(measured(subject, gap=("mm", "lower"))) == {"map50", "gap"}


def test_score_in_per_cent_is_kept_as_a_fraction(make_subject: Callable[..., Subject]) -> None:
    per_example = np.linspace(0, 100, 50)
    scores = {
        "acc": Scored(50.0, 50, values=per_example),
        "top": Scored(50.0, 50, weighted=lambda weights: float(weights @ per_example) / 50),
    }
    wanted = {"acc": ("%", "higher"), "top": ("%", "higher")}
    values = measured(make_subject(Targets(Sums(lambda _: scores))), **wanted)
    for value in values.values():
        assert (value.value, value.unit) == (0.5, "fraction")
        assert 0.4 < value.low < 0.5 < value.high < 0.6


def nothing_but(**values: float) -> Callable[[Any], dict[str, Scored]]:
    return lambda _: {name: Scored(value, 50) for name, value in values.items()}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (nothing_but(map75=0.5), 'score gives no map50 (did you mean "map75"?); it gives map75'),
        (nothing_but(zz=0.5), "score gives no map50; it gives zz"),
        (nothing_but(map50=float("nan")), "map50 is nan, not a finite number"),
        (nothing_but(map50=float("inf")), "map50 is inf, not a finite number"),
        (nothing_but(map50=75.3), "map50 is 75.3, but a fraction lies in 0 to 1; divide it by 100"),
        (
            lambda _: {"map50": Scored(0.5, 49)},
            "map50 is a score of 49 examples, but the validation part has 50",
        ),
    ],
)
def test_score_that_means_nothing_is_refused(
    make_subject: Callable[..., Subject], change: Callable[[Any], Any], text: str
) -> None:
    subject = make_subject(Targets(Sums(change)))
    with pytest.raises(Unmeasurable) as caught:
        measured(subject, map50=("fraction", "higher"))
    assert text in str(caught.value)


def test_score_that_the_study_does_not_name_may_be_undefined(
    make_subject: Callable[..., Subject],
) -> None:
    subject = make_subject(Targets(Sums(nothing_but(map50=0.5, auroc=float("nan")))))
    assert set(measured(subject, map50=("fraction", "higher"))) == {"map50"}


def test_r2_below_0_is_measured(make_subject: Callable[..., Subject]) -> None:
    subject = make_subject(Targets(Sums(nothing_but(r2=-3.0))))
    assert measured(subject, r2=("fraction", "higher"))["r2"].value == -3.0


def test_outputs_of_nan_are_refused_whatever_the_score_says(
    make_subject: Callable[..., Subject],
) -> None:
    data = Targets(Sums(nothing_but(map50=0.5)))
    data.images[[3, 7]] = np.nan

    def fails(scores: Any) -> Any:
        raise Unmeasurable("the score has no idea")

    for change in (nothing_but(map50=0.5), fails):
        data.task.change = change
        with pytest.raises(Unmeasurable, match=r"not finite \(NaN\) for 2 of 50 validation"):
            measured(make_subject(data))


def test_empty_part_is_refused(make_subject: Callable[..., Subject]) -> None:
    with pytest.raises(Unmeasurable, match="the validation part has no examples"):
        measured(make_subject(Targets(Sums(), count=0)))


@dataclass
class Sizes:
    """Data of a shape."""

    shape: Any
    task: Any


@pytest.mark.parametrize(
    ("shape", "outputs", "expected"),
    [
        ((3, 32, 32), Outputs(10), MOST),
        ((3, 512, 512), Outputs(100, "pixel"), 1),
        (Tokens(128, 8000), Outputs(8000, "position"), 32),
        ((4,), Outputs(0, "any"), MOST),
    ],
)
def test_batches_are_small_if_outputs_are_large(
    shape: Any, outputs: Outputs, expected: int
) -> None:
    task = Sums()
    task.outputs = outputs
    assert batch_size(Sizes(shape, task)) == expected  # type: ignore[arg-type]
