"""Seeds of torch's random numbers."""

from __future__ import annotations

import pytest
import torch

from paretune.spaces import seeding


@pytest.mark.parametrize("accelerator", [True, False])
def test_seed_torch_gives_the_numbers_of_torch(
    accelerator: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seeding, "_has_accelerator", lambda: accelerator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        expected = torch.randn(5)
        seeding.seed_torch(7)
        assert torch.equal(torch.randn(5), expected)
