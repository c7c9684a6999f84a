"""Distillations against their papers' formulas, computed anew in float64."""

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
from paretune.spaces.distillation.decoupled import Decoupled, parts
from paretune.spaces.distillation.hints import Hints, error
from paretune.spaces.distillation.logits import Logits
from paretune.spaces.distillation.teacher_average import TeacherAverage

LOGITS = arrays(np.float32, (4, 3), elements=st.floats(-20, 20, width=32))
LABELS = arrays(np.int64, 4, elements=st.integers(0, 2))


def lesson(
    logits: np.ndarray, taught: np.ndarray, hard: float = 0.0, labels: Any = None, **more: Any
) -> Lesson:
    wanted = np.zeros(len(logits), dtype=np.int64) if labels is None else labels
    return Lesson(
        torch.tensor(hard),
        torch.from_numpy(logits),
        torch.from_numpy(taught),
        torch.from_numpy(wanted),
        **more,
    )


def shares(logits: np.ndarray, temperature: float) -> np.ndarray:
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    found: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return found


def divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL(p || q) of each row, [B]."""
    found: np.ndarray = (p * np.log(p / q)).sum(axis=1)
    return found


def test_no_distillation_comes_first_and_has_no_options() -> None:
    assert DISTILLATIONS.names == ["none", "logits", "hints", "attention", "decoupled"]
    assert DISTILLATIONS.get("none").Params().model_dump() == {}


# -- logits ------------------------------------------------------------------------------------


def loss(
    student: np.ndarray, teacher: np.ndarray, hard: float, temperature: float, alpha: float
) -> float:
    params = Logits.Params(temperature=temperature, alpha=alpha)
    return float(Logits.loss(params, lesson(student, teacher, hard)))


@settings(deadline=None, max_examples=100)
@given(LOGITS, LOGITS, st.floats(0, 10), st.floats(1, 20), st.floats(0, 1))
def test_logits_loss_is_hinton_s_formula(
    student: np.ndarray, teacher: np.ndarray, hard: float, temperature: float, alpha: float
) -> None:
    p, q = shares(teacher, temperature), shares(student, temperature)
    expected = (1 - alpha) * hard + alpha * temperature**2 * divergence(p, q).mean()
    found = loss(student, teacher, hard, temperature, alpha)
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_logits_loss_of_an_example_worked_out_by_hand() -> None:
    """Teacher (ln 3, 0) at T = 1: (3/4, 1/4); student (0, 0): (1/2, 1/2)."""
    teacher = np.array([[np.log(3.0), 0.0]], dtype=np.float32)
    student = np.zeros((1, 2), dtype=np.float32)
    soft = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert loss(student, teacher, 2.0, 1.0, 0.25) == pytest.approx(0.75 * 2 + 0.25 * soft)


def test_logits_loss_is_the_labels_alone_when_alpha_is_zero() -> None:
    some = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert loss(some, -some, 1.25, 4.0, 0.0) == 1.25


def test_logits_loss_is_zero_when_the_student_says_what_the_teacher_says() -> None:
    some = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert loss(some, some + 5, 1.25, 4.0, 1.0) == pytest.approx(0, abs=1e-6)


def test_gradient_pulls_the_student_towards_the_teacher() -> None:
    student = torch.zeros(1, 3, requires_grad=True)
    teacher = torch.tensor([[4.0, 0.0, 0.0]])
    given_ = Lesson(torch.tensor(0.0), student, teacher, torch.tensor([0]))
    Logits.loss(Logits.Params(alpha=1.0), given_).backward()
    assert student.grad is not None
    assert student.grad[0, 0] < 0 < student.grad[0, 1]


# -- decoupled ---------------------------------------------------------------------------------


def decoupled(p: np.ndarray, q: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """TCKD and NCKD of each row by equations 3 and 4 of the paper, from probabilities."""
    rows = np.arange(len(labels))
    target, others = [], []
    for each in (p, q):
        own = each[rows, labels]
        target.append(np.stack([own, 1 - own], axis=1))
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
    target, others = decoupled(shares(teacher, temperature), shares(student, temperature), labels)
    expected = 0.5 + temperature**2 * (alpha * target + beta * others).mean()
    params = Decoupled.Params(alpha=alpha, beta=beta, temperature=temperature)
    found = float(Decoupled.loss(params, lesson(student, teacher, 0.5, labels)))
    assert found == pytest.approx(expected, rel=1e-3, abs=1e-2)


@settings(deadline=None, max_examples=100)
@given(LOGITS, LOGITS, LABELS, st.floats(1, 20))
def test_decoupled_parts_add_up_to_the_ordinary_divergence(
    student: np.ndarray, teacher: np.ndarray, labels: np.ndarray, temperature: float
) -> None:
    """Equation 5: KD = TCKD + (1 - p_t) NCKD."""
    target, others = parts(lesson(student, teacher, 0.0, labels), temperature)
    p, q = shares(teacher, temperature), shares(student, temperature)
    own = p[np.arange(4), labels]
    found = target.numpy() + (1 - own) * others.numpy()
    assert found == pytest.approx(divergence(p, q), rel=1e-3, abs=1e-4)


def test_decoupled_loss_is_finite_and_teaches_when_both_are_very_sure() -> None:
    student = torch.tensor([[200.0, 0.0, -50.0]], requires_grad=True)
    teacher = torch.tensor([[150.0, -20.0, 0.0]])
    given_ = Lesson(torch.tensor(0.0), student, teacher, torch.tensor([0]))
    found = Decoupled.loss(Decoupled.Params(temperature=1.0), given_)
    found.backward()
    assert found.isfinite()
    assert student.grad is not None
    assert student.grad.isfinite().all()
    assert student.grad[0, 2] < 0 < student.grad[0, 1]


def test_decoupled_loss_is_that_of_the_label_when_there_are_two_classes() -> None:
    some = lesson(np.float32([[1, -1]]), np.float32([[3, 0]]), labels=np.array([1]))
    target, others = parts(some, 1.0)
    assert others.tolist() == [0]
    expected = divergence(shares(np.array([[3, 0]]), 1), shares(np.array([[1, -1]]), 1))
    assert target.numpy() == pytest.approx(expected, rel=1e-5)


# -- attention ---------------------------------------------------------------------------------


def random_features(*shapes: tuple[int, ...]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def with_features(ours: list[torch.Tensor], theirs: list[torch.Tensor], adapters: Any) -> Lesson:
    none = np.zeros((2, 3), dtype=np.float32)
    return lesson(none, none, 0.75, student_features=ours, teacher_features=theirs, adapters=adapters)


def test_attention_loss_is_the_authors_formula() -> None:
    """Sum over layers of the mean of (Q_s / |Q_s| - Q_t / |Q_t|)^2, Q the squares summed over C."""
    ours = random_features((2, 3, 4, 4), (2, 8, 2, 2))
    theirs = random_features((2, 5, 4, 4), (2, 2, 2, 2))
    expected = 0.0
    for one, other in zip(ours, theirs, strict=True):
        q = [np.sum(x.numpy().astype(np.float64) ** 2, axis=1).reshape(2, -1) for x in (one, other)]
        unit = [x / np.sqrt((x**2).sum(axis=1, keepdims=True)) for x in q]
        expected += ((unit[0] - unit[1]) ** 2).mean()
    found = AttentionTransfer.loss(
        AttentionTransfer.Params(beta=10), with_features(ours, theirs, [])
    )
    assert float(found) == pytest.approx(0.75 + 10 * expected, rel=1e-5)


def test_attention_loss_of_tokens_is_over_their_positions() -> None:
    ours, theirs = random_features((2, 6, 4)), random_features((2, 6, 9))
    q = [(x[0].numpy().astype(np.float64) ** 2).sum(axis=2) for x in (ours, theirs)]
    unit = [x / np.sqrt((x**2).sum(axis=1, keepdims=True)) for x in q]
    found = AttentionTransfer.loss(
        AttentionTransfer.Params(beta=1), with_features(ours, theirs, [])
    )
    assert float(found) == pytest.approx(0.75 + ((unit[0] - unit[1]) ** 2).mean(), rel=1e-5)


def test_attention_loss_compares_pooled_maps_when_sizes_differ() -> None:
    ours = [torch.ones(1, 2, 2, 2)]
    theirs = [torch.ones(1, 3, 4, 4)]
    theirs[0][:, :, :2, :2] = 2.0  # squares: 4 in the first quarter, 1 elsewhere
    unit = np.array([4, 1, 1, 1]) / np.sqrt(19)
    expected = ((0.5 - unit) ** 2).mean()
    found = AttentionTransfer.loss(
        AttentionTransfer.Params(beta=1), with_features(ours, theirs, [])
    )
    assert float(found) == pytest.approx(0.75 + expected, rel=1e-5)


# -- hints -------------------------------------------------------------------------------------


def test_hints_loss_is_the_mean_relative_error_after_the_adapters() -> None:
    ours, theirs = random_features((2, 3, 4, 4), (2, 5)), random_features((2, 2, 4, 4), (2, 5))
    adapter = nn.Conv2d(3, 2, 1)
    weight = adapter.weight.detach().numpy()[:, :, 0, 0].astype(np.float64)
    assert adapter.bias is not None
    said = np.einsum("oc,bchw->bohw", weight, ours[0].numpy())
    said += adapter.bias.detach().numpy()[None, :, None, None]
    errors = [
        ((a - b) ** 2).mean() / max((a**2).mean(), (b**2).mean())
        for a, b in ((said, theirs[0].numpy()), (ours[1].numpy(), theirs[1].numpy()))
    ]
    given_ = with_features(ours, theirs, [adapter, nn.Identity()])
    found = Hints.loss(Hints.Params(weight=3.0), given_).detach()
    assert float(found) == pytest.approx(0.75 + 3 * np.mean(errors), rel=1e-5)


def test_hints_error_of_an_example_worked_out_by_hand() -> None:
    """(1 - 3)^2 and (2 - 4)^2 over 9 and 16: 8 / 25."""
    assert float(error(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))) == pytest.approx(
        8 / 25
    )


def test_hints_error_stays_small_when_the_student_s_scale_is_another() -> None:
    """A share of its own mean square, 100^2, which is a constant to the gradient."""
    ours = torch.full((1, 4), 100.0, requires_grad=True)
    found = error(ours, torch.full((1, 4), 0.01))
    found.backward()
    assert float(found.detach()) == pytest.approx(1, rel=1e-3)
    assert ours.grad is not None
    assert ours.grad.numpy() == pytest.approx(2 * 99.99 / 100**2 / 4, rel=1e-5)


def test_hints_error_pools_the_larger_features() -> None:
    halves = torch.tensor([[[[0.0, 2.0], [4.0, 6.0]]]])  # mean 3
    assert float(error(halves, torch.full((1, 1, 1, 1), 2.0))) == pytest.approx(1 / 9)
    tokens = torch.tensor([[[1.0], [3.0], [5.0], [7.0]]])  # pairs: 2, 6
    assert float(error(tokens, torch.tensor([[[2.0], [4.0]]]))) == pytest.approx(0.1)


def test_features_go_beside_softened_logits_when_alpha_is_given() -> None:
    student, teacher = np.float32([[1, 2, 3]]), np.float32([[3, 1, 0]])
    same = [torch.ones(1, 1, 2, 2)]
    soft = float(Logits.loss(Logits.Params(alpha=0.3), lesson(student, teacher, 0.5)))
    given_ = lesson(student, teacher, 0.5, student_features=same, teacher_features=same, adapters=[nn.Identity()])
    assert float(Hints.loss(Hints.Params(alpha=0.3), given_)) == pytest.approx(soft)
    assert float(
        AttentionTransfer.loss(AttentionTransfer.Params(alpha=0.3), given_)
    ) == pytest.approx(soft)


# -- several teachers --------------------------------------------------------------------------


class Says(nn.Module):
    """Gives the same logits for everything."""

    def __init__(self, *logits: float) -> None:
        super().__init__()
        self.logits = torch.tensor([logits])

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(inputs), -1)


def test_average_of_teachers_has_their_mean_probabilities() -> None:
    members = [Says(5.0, 0.0, 1.0), Says(-2.0, 300.0, 4.0), Says(0.0, 0.0, 0.0)]
    found = TeacherAverage(members)(torch.zeros(2, 1))
    rows = np.stack([m.logits.numpy()[0] for m in members])
    expected = shares(rows, 1.0).mean(axis=0)
    assert found.softmax(1).numpy() == pytest.approx(np.stack([expected] * 2), rel=1e-5)


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


def test_named_layers_go_in_pairs() -> None:
    with pytest.raises(ValidationError, match="go in pairs, got 2 and 1"):
        Hints.Params(student_layers=["a", "b"], teacher_layers=["c"])
    assert Hints.Params(student_layers=["a"]).names == (["a"], ["a"])
    assert Hints.Params(teacher_layers=["b"]).names == (["b"], ["b"])
    assert Hints.Params(student_layers=["a"], teacher_layers=["b"]).names == (["a"], ["b"])
