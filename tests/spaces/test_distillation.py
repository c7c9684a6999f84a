"""Distillation against Hinton's formula, computed anew in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from spaces.distillation import DISTILLATIONS
from spaces.distillation.logits import Logits

LOGITS = arrays(np.float32, (4, 3), elements=st.floats(-20, 20, width=32))


def softened(logits: np.ndarray, temperature: float) -> np.ndarray:
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return shares


def expected(
    student: np.ndarray, teacher: np.ndarray, hard: float, temperature: float, alpha: float
) -> float:
    """(1 - alpha) hard + alpha T^2 KL(teacher || student), the mean over the images."""
    p, q = softened(teacher, temperature), softened(student, temperature)
    divergence = (p * np.log(p / q)).sum(axis=1).mean()
    return float((1 - alpha) * hard + alpha * temperature**2 * divergence)


def loss(
    student: np.ndarray, teacher: np.ndarray, hard: float, temperature: float, alpha: float
) -> float:
    params = Logits.Params(temperature=temperature, alpha=alpha)
    return float(
        Logits.loss(
            params, torch.from_numpy(student), torch.from_numpy(teacher), torch.tensor(hard)
        )
    )


@settings(deadline=None, max_examples=100)
@given(LOGITS, LOGITS, st.floats(0, 10), st.floats(1, 20), st.floats(0, 1))
def test_loss_is_hinton_s_formula(
    student: np.ndarray, teacher: np.ndarray, hard: float, temperature: float, alpha: float
) -> None:
    found = loss(student, teacher, hard, temperature, alpha)
    assert found == pytest.approx(
        expected(student, teacher, hard, temperature, alpha), rel=1e-4, abs=1e-3
    )


def test_loss_of_an_example_worked_out_by_hand() -> None:
    """Teacher (ln 3, 0) at T = 1: (3/4, 1/4); student (0, 0): (1/2, 1/2)."""
    teacher = np.array([[np.log(3.0), 0.0]], dtype=np.float32)
    student = np.zeros((1, 2), dtype=np.float32)
    divergence = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert loss(student, teacher, 2.0, 1.0, 0.25) == pytest.approx(0.75 * 2 + 0.25 * divergence)


def test_loss_is_the_labels_alone_when_alpha_is_zero() -> None:
    some = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert loss(some, -some, 1.25, 4.0, 0.0) == 1.25


def test_loss_is_zero_when_the_student_says_what_the_teacher_says() -> None:
    some = np.arange(12, dtype=np.float32).reshape(4, 3)
    assert loss(some, some + 5, 1.25, 4.0, 1.0) == pytest.approx(0, abs=1e-6)


def test_gradient_pulls_the_student_towards_the_teacher() -> None:
    student = torch.zeros(1, 3, requires_grad=True)
    teacher = torch.tensor([[4.0, 0.0, 0.0]])
    Logits.loss(Logits.Params(alpha=1.0), student, teacher, torch.tensor(0.0)).backward()
    assert student.grad is not None
    assert student.grad[0, 0] < 0 < student.grad[0, 1]


def test_no_distillation_comes_first_and_has_no_options() -> None:
    assert DISTILLATIONS.names == ["none", "logits"]
    assert DISTILLATIONS.get("none").Params().model_dump() == {}


@pytest.mark.parametrize("params", [{"temperature": 0.0}, {"alpha": 1.1}, {"alpha": -0.1}], ids=str)
def test_params_out_of_range_are_refused(params: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Logits.Params(**params)
