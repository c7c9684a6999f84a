"""The loss of outputs against a teacher's, for tasks of every kind."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.distillation.base import Comparison, Lesson, comparison_of
from paretune.spaces.distillation.logits import Logits
from paretune.spaces.distillation.teacher_average import TeacherAverage
from paretune.spaces.table import Slot
from paretune.spaces.training.loop import train
from paretune.spaces.training.recipe import Recipe
from paretune.task import Outputs
from support.tasks import ToyTask, ToyTaskData, classification


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def loss_of(
    student: Any, teacher: Any, targets: Any, comparison: Comparison, **params: Any
) -> float:
    lesson = Lesson(torch.tensor(2.0), student, teacher, targets, comparison=comparison)
    return float(Logits.loss(Logits.Params(**params), lesson))


def kl(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> float:
    """Returns T^2 * mean KL(teacher || student) over rows of logits."""
    p, q = (x.double().div(temperature).softmax(-1) for x in (teacher, student))
    return float(temperature**2 * (p * (p.log() - q.log())).sum(-1).mean())


# -- defaults --------------------------------------------------------------------------------------


@pytest.mark.parametrize("ignore", [None, 1])
def test_pixels_are_compared_one_by_one_without_the_ignored_ones(ignore: int | None) -> None:
    student, teacher = drawn(2, 3, 4, 5), drawn(2, 3, 4, 5, seed=1)
    masks = torch.arange(40).reshape(2, 4, 5) % 3
    kept = masks != (9 if ignore is None else ignore)
    rows = (x.movedim(1, -1)[kept] for x in (student, teacher))
    expected = 0.4 * 2 + 0.6 * kl(*rows, 3.0)
    comparison = Comparison(per="pixel", ignore=ignore)
    result = loss_of(student, teacher, masks, comparison, alpha=0.6, temperature=3.0)
    assert result == pytest.approx(expected, rel=1e-5)


def test_positions_have_their_classes_last() -> None:
    """As many positions as classes: the shapes alone would not tell the axes apart."""
    student, teacher = drawn(2, 3, 3), drawn(2, 3, 3, seed=1)
    tokens = torch.tensor([[0, 1, 2], [2, 0, 0]])
    comparison = Comparison(per="position", ignore=0)
    expected = kl(student[tokens != 0], teacher[tokens != 0], 2.0)
    result = loss_of(student, teacher, tokens, comparison, alpha=1.0, temperature=2.0)
    assert result == pytest.approx(expected, rel=1e-5)


def test_batch_of_ignored_targets_teaches_nothing() -> None:
    comparison = Comparison(per="position", ignore=0)
    tokens = torch.zeros(2, 3, dtype=torch.int64)
    assert loss_of(drawn(2, 3, 4), drawn(2, 3, 4), tokens, comparison, alpha=1.0) == 0.0


def test_other_outputs_are_compared_by_their_squared_error() -> None:
    student = {
        "boxes": drawn(4, 8),
        "scores": (drawn(4, 2, seed=1),),
        "count": torch.ones(4).long(),
    }
    teacher = {
        "boxes": drawn(4, 8, seed=2),
        "scores": (drawn(4, 2, seed=3),),
        "count": torch.zeros(4).long(),
    }
    errors = [
        functional.mse_loss(student["boxes"], teacher["boxes"]),  # type: ignore[arg-type]
        functional.mse_loss(student["scores"][0], teacher["scores"][0]),
    ]
    comparison = Comparison(class_scores=False)
    result = loss_of(student, teacher, None, comparison, alpha=0.25)
    assert result == pytest.approx(0.75 * 2 + 0.25 * float(sum(errors)) / 2, rel=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_task_s_own_distill_replaces_the_default(alpha: float) -> None:
    task = ToyTask(output_loss=lambda s, t, y: (s - t).abs().mean() + y.sum())
    student, teacher, targets = drawn(4, 2), drawn(4, 2, seed=1), torch.tensor([1.0])
    expected = (1 - alpha) * 2 + alpha * (float((student - teacher).abs().mean()) + 1)
    result = loss_of(student, teacher, targets, comparison_of(task, None), alpha=alpha)
    assert result == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("gives", [torch.zeros(3), 0.5, "text"])
def test_own_distill_that_is_no_scalar_tensor_is_refused(gives: Any) -> None:
    task = ToyTask(output_loss=lambda s, t, y: gives)
    with pytest.raises(InfeasibleCandidate, match=r"`distill` gave .*; return a scalar tensor"):
        loss_of(drawn(4, 2), drawn(4, 2), None, comparison_of(task, None))


@pytest.mark.parametrize(
    ("teacher", "text"),
    [
        (drawn(4, 5), r"the teacher gives \[4, 5\], the candidate \[4, 3\]"),
        ((drawn(4, 3), drawn(4, 1)), r"the teacher gives 0 \[4, 3\], 1 \[4, 1\], the candidate"),
        ({"logits": drawn(4, 3)}, r"the teacher gives logits \[4, 3\], the candidate \[4, 3\]"),
    ],
)
@pytest.mark.parametrize("class_scores", [True, False])
def test_teacher_with_outputs_of_another_form_is_refused(
    teacher: Any, text: str, class_scores: bool
) -> None:
    with pytest.raises(InfeasibleCandidate, match=text):
        loss_of(drawn(4, 3), teacher, None, Comparison(class_scores=class_scores))


def test_only_integers_cannot_be_compared() -> None:
    classes = torch.ones(4).long()
    with pytest.raises(InfeasibleCandidate, match="no floating output"):
        loss_of(classes, classes, None, Comparison(class_scores=False))


# -- averages of teachers --------------------------------------------------------------------------


def test_average_of_other_outputs_is_their_mean_in_the_same_form() -> None:
    class Net(nn.Module):
        def __init__(self, value: float) -> None:
            super().__init__()
            self.value = value

        def forward(self, a: torch.Tensor, b: torch.Tensor) -> Any:
            return {"sum": (a + b) * self.value, "index": a.argmax(1)}

    a, b = drawn(4, 3), drawn(4, 3, seed=1)
    answer = TeacherAverage([Net(1.0), Net(3.0)], class_scores=False)(a, b=b)
    torch.testing.assert_close(answer["sum"], (a + b) * 2)
    assert torch.equal(answer["index"], a.argmax(1))


def test_average_of_class_scores_of_positions_is_that_of_their_probabilities() -> None:
    class Net(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    class Doubled(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 2 * x

    scores = drawn(2, 5, 3)
    mean = TeacherAverage([Net(), Doubled()], per="position")(scores)
    expected = (scores.softmax(-1) + (2 * scores).softmax(-1)) / 2
    torch.testing.assert_close(mean.exp(), expected)


# -- in training -----------------------------------------------------------------------------------


def distilled(task: ToyTask, distillation: Any, targets: torch.Tensor, teacher: nn.Module) -> float:
    """Returns the loss of an epoch without changes of the weights."""
    losses: list[float] = []
    data = ToyTaskData(task, (2, 8, 8), drawn(8, 2, 8, 8), targets)
    context = Context(
        data,
        teacher=teacher.eval(),
        distillation=Slot(DISTILLATIONS).option(distillation),
        report=lambda event: losses.append(event.loss),
    )
    recipe = Recipe.model_validate(
        {"epochs": 1, "batch_size": 4, "optimizer": {"sgd": {"lr": 1e-12, "momentum": 0.0}}}
    )
    candidate = Candidate(pixels(1), data.shape, task.outputs)
    train(candidate, recipe, context, stage="finetune")
    return losses[0]


def pixels(seed: int, classes: int = 3) -> nn.Module:
    torch.manual_seed(seed)
    body = nn.Conv2d(2, 4, 3, padding=1)
    return nn.Sequential(body, nn.ReLU(), nn.Conv2d(4, classes, 1)).eval()


MASKS = torch.arange(8 * 64).reshape(8, 8, 8) % 3


def segmentation() -> ToyTask:
    return ToyTask(
        "segmentation",
        Outputs(3, "pixel"),
        "mask",
        class_scores=True,
        ignore=2,
        batch_loss=lambda o, t: functional.cross_entropy(o, t, ignore_index=2),
    )


def test_masks_are_distilled_without_the_ignored_pixels() -> None:
    images, student, teacher = drawn(8, 2, 8, 8), pixels(1), pixels(2)
    kept = MASKS != 2
    with torch.no_grad():
        rows = [model(images).movedim(1, -1)[kept] for model in (student, teacher)]
    result = distilled(
        segmentation(), {"logits": {"alpha": 1.0, "temperature": 2.0}}, MASKS, teacher
    )
    # Each batch has its own number of pixels that count, so the mean of means differs a little.
    assert result == pytest.approx(kl(*rows, 2.0), rel=0.02)


@pytest.mark.parametrize("name", ["hints", "attention"])
def test_features_are_compared_in_every_task(name: str) -> None:
    plain = distilled(segmentation(), {"logits": {"alpha": 0.0}}, MASKS, pixels(2))
    with_features = distilled(segmentation(), {name: {"layers": 1}}, MASKS, pixels(2))
    same = distilled(segmentation(), {name: {"layers": 1}}, MASKS, pixels(1))
    assert with_features > plain + 1e-4
    assert same == pytest.approx(plain, rel=1e-5)


def test_decoupled_is_refused_without_one_class_for_each_example() -> None:
    with pytest.raises(
        InfeasibleCandidate, match="decoupled compares classes; the targets of this"
    ):
        distilled(segmentation(), {"decoupled": {}}, MASKS, pixels(2))
    own = ToyTask(batch_loss=lambda o, t: o.mean())
    with pytest.raises(InfeasibleCandidate, match="the outputs of toys:Toy are no scores of class"):
        distilled(own, {"decoupled": {}}, MASKS, pixels(2))
    own.class_scores = True
    with pytest.raises(
        InfeasibleCandidate, match=r"one class for each example; the outputs are \[4"
    ):
        distilled(own, {"decoupled": {}}, MASKS, pixels(2))


def test_teacher_of_another_size_is_refused_before_training() -> None:
    with pytest.raises(InfeasibleCandidate, match="the teacher has 5 classes, the candidate 3"):
        distilled(segmentation(), {"logits": {}}, MASKS, pixels(2, classes=5))


def test_classification_keeps_its_default() -> None:
    comparison = comparison_of(classification(3), None)
    assert (comparison.class_scores, comparison.per, comparison.ignore) == (True, "example", None)
