"""The losses of distillations equal their papers' formulas, recomputed in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from torch import nn

from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.distillation.attention import AttentionTransfer
from paretune.spaces.distillation.base import Lesson
from paretune.spaces.distillation.decoupled import Decoupled, tckd_and_nckd
from paretune.spaces.distillation.hints import Hints, relative_error
from paretune.spaces.distillation.logits import Logits
from paretune.spaces.distillation.teacher_average import TeacherAverage
from paretune.spaces.rebuild import initial_candidate

LOGITS = arrays(np.float32, (4, 3), elements=st.floats(-20, 20, width=32))
LABELS = arrays(np.int64, 4, elements=st.integers(0, 2))


def lesson(
    student: np.ndarray,
    teacher: np.ndarray,
    label_loss: float = 0.0,
    labels: Any = None,
    **features: Any,
) -> Lesson:
    if labels is None:
        labels = np.zeros(len(student), dtype=np.int64)
    return Lesson(
        torch.tensor(label_loss),
        torch.from_numpy(student),
        torch.from_numpy(teacher),
        torch.from_numpy(labels),
        **features,
    )


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    probabilities: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Returns KL(p || q) of each row, [B]."""
    rows: np.ndarray = (p * np.log(p / q)).sum(axis=1)
    return rows


def test_no_distillation_is_first_and_has_no_options() -> None:
    assert DISTILLATIONS.names == ["none", "logits", "hints", "attention", "decoupled"]
    assert DISTILLATIONS.get("none").Params().model_dump() == {}


# -- logits ------------------------------------------------------------------------------------


def loss(
    student: np.ndarray, teacher: np.ndarray, label_loss: float, temperature: float, alpha: float
) -> float:
    params = Logits.Params(temperature=temperature, alpha=alpha)
    return float(Logits.loss(params, lesson(student, teacher, label_loss)))


@settings(deadline=None, max_examples=100)
@given(LOGITS, LOGITS, st.floats(0, 10), st.floats(1, 20), st.floats(0, 1))
def test_logits_loss_is_hinton_s_formula(
    student: np.ndarray, teacher: np.ndarray, label_loss: float, temperature: float, alpha: float
) -> None:
    p, q = softmax(teacher, temperature), softmax(student, temperature)
    expected = (1 - alpha) * label_loss + alpha * temperature**2 * divergence(p, q).mean()
    result = loss(student, teacher, label_loss, temperature, alpha)
    assert result == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_logits_loss_equals_an_example_computed_by_hand() -> None:
    """Teacher (ln 3, 0) at T = 1: (3/4, 1/4); student (0, 0): (1/2, 1/2)."""
    teacher = np.array([[np.log(3.0), 0.0]], dtype=np.float32)
    student = np.zeros((1, 2), dtype=np.float32)
    soft = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert loss(student, teacher, 2.0, 1.0, 0.25) == pytest.approx(0.75 * 2 + 0.25 * soft)


def test_logits_loss_is_the_label_loss_when_alpha_is_zero() -> None:
    some = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert loss(some, -some, 1.25, 4.0, 0.0) == 1.25


def test_logits_loss_is_zero_when_student_and_teacher_agree() -> None:
    some = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert loss(some, some + 5, 1.25, 4.0, 1.0) == pytest.approx(0, abs=1e-6)


def test_logits_gradient_moves_the_student_towards_the_teacher() -> None:
    student = torch.zeros(1, 3, requires_grad=True)
    teacher = torch.tensor([[4.0, 0.0, 0.0]])
    batch = Lesson(torch.tensor(0.0), student, teacher, torch.tensor([0]))
    Logits.loss(Logits.Params(alpha=1.0), batch).backward()
    assert student.grad is not None
    assert student.grad[0, 0] < 0 < student.grad[0, 1]


# -- decoupled ---------------------------------------------------------------------------------


def decoupled(p: np.ndarray, q: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns TCKD and NCKD of each row by equations 3 and 4 of the paper, from probabilities."""
    rows = np.arange(len(labels))
    target, others = [], []
    for each in (p, q):
        of_label = each[rows, labels]
        target.append(np.stack([of_label, 1 - of_label], axis=1))
        rest = each.copy()
        rest[rows, labels] = 0
        rest = rest[rest > 0].reshape(len(labels), -1)
        others.append(rest / rest.sum(axis=1, keepdims=True))
    return divergence(*target), divergence(*others)


@settings(deadline=None, max_examples=100)
@given(LOGITS, LOGITS, LABELS, st.floats(2, 20), st.floats(0, 10), st.floats(0, 10))
def test_decoupled_loss_is_the_paper_s_formula(
    student: np.ndarray,
    teacher: np.ndarray,
    labels: np.ndarray,
    temperature: float,
    alpha: float,
    beta: float,
) -> None:
    target, others = decoupled(softmax(teacher, temperature), softmax(student, temperature), labels)
    expected = 0.5 + temperature**2 * (alpha * target + beta * others).mean()
    params = Decoupled.Params(alpha=alpha, beta=beta, temperature=temperature)
    result = float(Decoupled.loss(params, lesson(student, teacher, 0.5, labels)))
    assert result == pytest.approx(expected, rel=1e-3, abs=1e-2)


@settings(deadline=None, max_examples=100)
@given(LOGITS, LOGITS, LABELS, st.floats(1, 20))
def test_tckd_and_weighted_nckd_sum_to_the_ordinary_divergence(
    student: np.ndarray, teacher: np.ndarray, labels: np.ndarray, temperature: float
) -> None:
    """Equation 5: KD = TCKD + (1 - p_t) NCKD."""
    target, others = tckd_and_nckd(lesson(student, teacher, 0.0, labels), temperature)
    p, q = softmax(teacher, temperature), softmax(student, temperature)
    of_label = p[np.arange(4), labels]
    total = target.numpy() + (1 - of_label) * others.numpy()
    assert total == pytest.approx(divergence(p, q), rel=1e-3, abs=1e-4)


def test_decoupled_loss_has_finite_gradients_when_both_networks_are_very_sure() -> None:
    student = torch.tensor([[200.0, 0.0, -50.0]], requires_grad=True)
    teacher = torch.tensor([[150.0, -20.0, 0.0]])
    batch = Lesson(torch.tensor(0.0), student, teacher, torch.tensor([0]))
    result = Decoupled.loss(Decoupled.Params(temperature=1.0), batch)
    result.backward()
    assert result.isfinite()
    assert student.grad is not None
    assert student.grad.isfinite().all()
    assert student.grad[0, 2] < 0 < student.grad[0, 1]


def test_nckd_is_zero_when_there_are_two_classes() -> None:
    batch = lesson(np.float32([[1, -1]]), np.float32([[3, 0]]), labels=np.array([1]))
    target, others = tckd_and_nckd(batch, 1.0)
    assert others.tolist() == [0]
    expected = divergence(softmax(np.array([[3, 0]]), 1), softmax(np.array([[1, -1]]), 1))
    assert target.numpy() == pytest.approx(expected, rel=1e-5)


# -- attention ---------------------------------------------------------------------------------


def random_features(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def with_features(
    student: list[torch.Tensor], teacher: list[torch.Tensor], adapters: Any = ()
) -> Lesson:
    zeros = np.zeros((2, 3), dtype=np.float32)
    features = {"student_features": student, "teacher_features": teacher, "adapters": adapters}
    return lesson(zeros, zeros, 0.75, **features)


def test_attention_loss_is_the_authors_formula() -> None:
    """Sum over layers of the mean of (Q_s / |Q_s| - Q_t / |Q_t|)^2, Q the squares summed over C."""
    student = random_features((2, 3, 4, 4), (2, 8, 2, 2))
    teacher = random_features((2, 5, 4, 4), (2, 2, 2, 2))
    expected = 0.0
    for pair in zip(student, teacher, strict=True):
        q = [np.sum(x.numpy().astype(np.float64) ** 2, axis=1).reshape(2, -1) for x in pair]
        unit = [x / np.sqrt((x**2).sum(axis=1, keepdims=True)) for x in q]
        expected += ((unit[0] - unit[1]) ** 2).mean()
    params = AttentionTransfer.Params(beta=10)
    result = AttentionTransfer.loss(params, with_features(student, teacher))
    assert float(result) == pytest.approx(0.75 + 10 * expected, rel=1e-5)


def test_attention_loss_of_tokens_is_over_their_positions() -> None:
    student, teacher = random_features((2, 6, 4)), random_features((2, 6, 9))
    q = [(x[0].numpy().astype(np.float64) ** 2).sum(axis=2) for x in (student, teacher)]
    unit = [x / np.sqrt((x**2).sum(axis=1, keepdims=True)) for x in q]
    params = AttentionTransfer.Params(beta=1)
    result = AttentionTransfer.loss(params, with_features(student, teacher))
    assert float(result) == pytest.approx(0.75 + ((unit[0] - unit[1]) ** 2).mean(), rel=1e-5)


def test_attention_loss_compares_pooled_maps_when_sizes_differ() -> None:
    student = [torch.ones(1, 2, 2, 2)]
    teacher = [torch.ones(1, 3, 4, 4)]
    teacher[0][:, :, :2, :2] = 2.0  # squares: 4 in the first quarter, 1 elsewhere
    unit = np.array([4, 1, 1, 1]) / np.sqrt(19)
    expected = ((0.5 - unit) ** 2).mean()
    params = AttentionTransfer.Params(beta=1)
    result = AttentionTransfer.loss(params, with_features(student, teacher))
    assert float(result) == pytest.approx(0.75 + expected, rel=1e-5)


# -- hints -------------------------------------------------------------------------------------


def test_hints_loss_is_the_mean_relative_error_after_the_adapters() -> None:
    student, teacher = random_features((2, 3, 4, 4), (2, 5)), random_features((2, 2, 4, 4), (2, 5))
    adapter = nn.Conv2d(3, 2, 1)
    weight = adapter.weight.detach().numpy()[:, :, 0, 0].astype(np.float64)
    assert adapter.bias is not None
    adapted = np.einsum("oc,bchw->bohw", weight, student[0].numpy())
    adapted += adapter.bias.detach().numpy()[None, :, None, None]
    errors = [
        ((a - b) ** 2).mean() / max((a**2).mean(), (b**2).mean())
        for a, b in ((adapted, teacher[0].numpy()), (student[1].numpy(), teacher[1].numpy()))
    ]
    batch = with_features(student, teacher, [adapter, nn.Identity()])
    result = Hints.loss(Hints.Params(weight=3.0), batch).detach()
    assert float(result) == pytest.approx(0.75 + 3 * np.mean(errors), rel=1e-5)


def test_relative_error_equals_an_example_computed_by_hand() -> None:
    """(1 - 3)^2 and (2 - 4)^2 over 9 and 16: 8 / 25."""
    assert float(
        relative_error(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
    ) == pytest.approx(8 / 25)


def test_relative_error_is_about_one_when_the_student_s_scale_is_larger() -> None:
    """It is a share of the student's mean square, 100^2, which is a constant for the gradient."""
    student = torch.full((1, 4), 100.0, requires_grad=True)
    result = relative_error(student, torch.full((1, 4), 0.01))
    result.backward()
    assert float(result.detach()) == pytest.approx(1, rel=1e-3)
    assert student.grad is not None
    assert student.grad.numpy() == pytest.approx(2 * 99.99 / 100**2 / 4, rel=1e-5)


def test_relative_error_pools_the_larger_features() -> None:
    halves = torch.tensor([[[[0.0, 2.0], [4.0, 6.0]]]])  # mean 3
    assert float(relative_error(halves, torch.full((1, 1, 1, 1), 2.0))) == pytest.approx(1 / 9)
    tokens = torch.tensor([[[1.0], [3.0], [5.0], [7.0]]])  # pairs: 2, 6
    assert float(relative_error(tokens, torch.tensor([[[2.0], [4.0]]]))) == pytest.approx(0.1)


def network(architecture: dict[str, Any]) -> nn.Module:
    return initial_candidate(architecture, (1, 16, 16), 3, seed=0).model


def tokens(width: int) -> nn.Module:
    args = {"width": width, "depth": 2}
    return network({"python": {"factory": "user_nets:Tokens", "args": args}})


def test_hints_have_adapters_only_when_widths_differ() -> None:
    image = torch.zeros(1, 1, 16, 16)
    student = network({"simple_cnn": {"width": 0.25}})
    teacher = network({"resnet": {"blocks": 1, "width": 16}})
    bridge = Hints.prepare(Hints.Params(), student, teacher, image)
    shapes = [[tuple(p.shape) for p in adapter.parameters()] for adapter in bridge.adapters]
    assert shapes == [[], [], [(64, 32, 1, 1), (64,)]]
    bridge = Hints.prepare(Hints.Params(), tokens(4), tokens(8), image)
    assert [type(adapter) for adapter in bridge.adapters] == [nn.Linear, nn.Linear]


def test_feature_losses_add_softened_logits_when_alpha_is_set() -> None:
    student, teacher = np.float32([[1, 2, 3]]), np.float32([[3, 1, 0]])
    same = [torch.ones(1, 1, 2, 2)]
    soft = float(Logits.loss(Logits.Params(alpha=0.3), lesson(student, teacher, 0.5)))
    features = {"student_features": same, "teacher_features": same, "adapters": [nn.Identity()]}
    batch = lesson(student, teacher, 0.5, **features)
    assert float(Hints.loss(Hints.Params(alpha=0.3), batch)) == pytest.approx(soft)
    assert float(
        AttentionTransfer.loss(AttentionTransfer.Params(alpha=0.3), batch)
    ) == pytest.approx(soft)


# -- several teachers --------------------------------------------------------------------------


class Constant(nn.Module):
    """Gives the same logits for every input."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = torch.tensor([logits])

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(inputs), -1)


def test_teacher_average_gives_the_mean_probabilities() -> None:
    members = [Constant(5.0, 0.0, 1.0), Constant(-2.0, 300.0, 4.0), Constant(0.0, 0.0, 0.0)]
    average = TeacherAverage(members)(torch.zeros(2, 1))
    rows = np.stack([m.logits.numpy()[0] for m in members])
    expected = softmax(rows, 1.0).mean(axis=0)
    assert average.softmax(1).numpy() == pytest.approx(np.stack([expected] * 2), rel=1e-5)


# -- parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("logits", {"temperature": 0.0}),
        ("logits", {"alpha": 1.1}),
        ("logits", {"alpha": -0.1}),
        ("logits", {"teacher": ""}),
        ("logits", {"stages": []}),
        ("logits", {"stages": ["deploy"]}),
        ("decoupled", {"beta": -1.0}),
        ("hints", {"weight": -1.0}),
        ("hints", {"layers": 0}),
        ("attention", {"beta": -1.0}),
    ],
    ids=str,
)
def test_params_out_of_range_are_refused(name: str, params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(params))):
        DISTILLATIONS.get(name).Params(**params)


def test_named_layers_form_pairs() -> None:
    with pytest.raises(ValidationError, match="form pairs, got 2 and 1 layers"):
        Hints.Params(student_layers=["a", "b"], teacher_layers=["c"])
    assert Hints.Params(student_layers=["a"]).named_layers == (["a"], ["a"])
    assert Hints.Params(teacher_layers=["b"]).named_layers == (["b"], ["b"])
    both = Hints.Params(student_layers=["a"], teacher_layers=["b"])
    assert both.named_layers == (["a"], ["b"])
