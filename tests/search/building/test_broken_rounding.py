"""Files that rounding broke are told from files that are only worse."""

from __future__ import annotations

import numpy as np
import pytest

from paretune.search.building.agreement import fault
from paretune.search.building.broken_rounding import correlation_fault

COUNT = 64


def outputs(seed: int, mean: float = 0.0, tail: bool = False) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = random.standard_t(2, size=(COUNT, 3)) if tail else random.normal(size=(COUNT, 3))
    return (values + mean).astype(np.float32)


def rounded(values: np.ndarray, bits: int) -> np.ndarray:
    """Returns values on a grid of 2^bits steps over their range, as an integer format has."""
    step = np.ptp(values) / (2**bits - 1)
    return (np.round(values / step) * step).astype(np.float32)


def fault_of(network: np.ndarray, file: np.ndarray) -> str:
    return fault({"": network}, {"": file}, None, None)


@pytest.mark.parametrize("tail", [False, True], ids=["normal", "heavy tails"])
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_coarse_rounding_is_no_false_alarm(bits: int, tail: bool) -> None:
    for seed in range(100):
        network = outputs(seed, tail=tail)
        assert fault_of(network, rounded(network, bits)) == ""


def test_noise_as_large_as_the_signal_is_no_false_alarm() -> None:
    for seed in range(200):
        network, noise = outputs(seed), outputs(seed + 1000)
        assert fault_of(network, network + 1.5 * noise) == ""


def test_one_example_far_off_is_no_false_alarm() -> None:
    network = outputs(0)
    file = network.copy()
    file[5] = -1e6
    assert fault_of(network, file) == ""


def test_another_scale_or_offset_is_no_false_alarm() -> None:
    network = outputs(0)
    assert fault_of(network, 0.01 * network + 40) == ""


def test_network_that_hardly_varies_may_drown_in_the_rounding() -> None:
    network = 100 + 0.5 * outputs(0)
    assert fault_of(network, 100 + 0.5 * outputs(1)) == ""


def test_few_examples_decide_nothing() -> None:
    network = outputs(0)[:8]
    assert fault_of(network, -network) == ""


def test_unrelated_outputs_are_broken() -> None:
    broken = [fault_of(outputs(seed), outputs(seed + 1000)) for seed in range(100)]
    assert sum(bool(text) for text in broken) >= 95
    text = next(text for text in broken if text)
    assert "is broken by its rounding: on 64 validation examples its outputs are unrelated" in text


def test_constant_outputs_are_broken() -> None:
    network = outputs(0, mean=1.0)
    text = fault_of(network, np.ones_like(network))
    assert text == "gives the same outputs for every example: its rounding is broken"


def test_constant_outputs_of_a_constant_network_are_right() -> None:
    network = 100 + 1e-4 * outputs(0)
    assert fault_of(network, np.full_like(network, 100)) == ""


def test_unrelated_output_is_named_and_integers_are_left_to_the_others() -> None:
    good, bad = outputs(0), outputs(1)
    count = np.arange(COUNT)
    network = {"boxes": good, "scores": bad, "count": count}
    file = {"boxes": good, "scores": outputs(5), "count": count[::-1]}
    assert 'its output "scores" is unrelated to' in correlation_fault(network, file)


def test_masks_are_related_by_all_their_pixels() -> None:
    random = np.random.default_rng(0)
    network = random.normal(size=(COUNT, 2, 120, 160)).astype(np.float32)
    noise = random.normal(size=network.shape).astype(np.float32)
    assert fault_of(network, network + noise) == ""
    assert "unrelated" in fault_of(network, noise)
