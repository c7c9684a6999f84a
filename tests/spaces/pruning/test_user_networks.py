"""Networks of several tasks are pruned, whatever they take and return."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from paretune.inputs import Input, Shape, Signature, call, random_example
from paretune.spaces.base import Candidate, Context, InfeasibleCandidate
from paretune.spaces.output_layers import float_outputs
from paretune.spaces.pruning.depth import Depth
from paretune.spaces.pruning.structured import Structured
from paretune.spaces.rebuild import initial_candidate
from paretune.spaces.twin import accepted
from paretune.task import Outputs
from support.user_networks import CLASSES, USER_NETWORKS

NO_DATA: Any = Context(None)  # type: ignore[arg-type]


def made(name: str) -> Candidate:
    factory = {"factory": "support.user_networks:build", "args": {"name": name}}
    shape = USER_NETWORKS[name].shape
    return initial_candidate({"python": factory}, shape, Outputs(0, "any"), seed=0)


def halved(candidate: Candidate, **options: Any) -> Candidate:
    params = Structured.Params(**{"ratio": 0.5, "round_to": 1, **options})
    return accepted(candidate, Structured.apply(candidate, params, NO_DATA), "structured")


def of(model: nn.Module, shape: Shape) -> Candidate:
    return Candidate(model.eval(), shape, Outputs(0, "any"))


def half_of(model: nn.Module, shape: Shape) -> dict[str, Any]:
    """Returns the `info` of a halved network that no study file builds."""
    params = Structured.Params(ratio=0.5, round_to=1)
    info = Structured.apply(of(model, shape), params, NO_DATA).history[-1].info
    return dict(info)


@pytest.mark.parametrize("name", USER_NETWORKS)
def test_user_network_equals_its_twin_and_keeps_its_outputs(name: str) -> None:
    before = made(name)
    after = halved(before)  # compares with the twin
    info = after.history[-1].info
    assert set(USER_NETWORKS[name].cut) <= info["channels"].keys() | info["heads"].keys()
    assert info["kept_whole"] == {}
    assert info["parameters"][1] < 0.95 * info["parameters"][0]
    inputs = random_example(before.shape, 2, seed=0)
    own, other = (float_outputs(call(c.model, inputs)) for c in (before, after))
    assert [tensor.shape for tensor in own] == [tensor.shape for tensor in other]


@pytest.mark.parametrize("name", ["unet", "detector_dict", "two_named_inputs"])
@pytest.mark.parametrize("options", [{"macs": 0.5, "ratio": None}, {"scope": "global"}])
def test_user_network_is_pruned_by_every_amount(name: str, options: dict[str, Any]) -> None:
    info = halved(made(name), **options).history[-1].info
    dense, pruned = info["macs"]
    assert pruned < dense
    if "macs" in options:
        assert pruned / dense == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("form", ["tensor", "tuple", "dict"])
def test_depth_pruning_takes_any_inputs(form: str) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv1d(8, 8, 3, padding=1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.conv(x).relu()

    class Tcn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.last = nn.Conv1d(2, 8, 1), nn.Conv1d(8, 3, 1)
            self.blocks = nn.ModuleList(Block() for _ in range(4))

        def forward(self, x: torch.Tensor, scale: torch.Tensor | None = None) -> Any:
            y = self.stem(x if scale is None else x * scale.unsqueeze(-1))
            for block in self.blocks:
                y = block(y)
            return {"steps": self.last(y), "none": None}

    inputs = [Input("x", (2, 12)), Input("scale", (2,))]
    shape = Signature(tuple(inputs[: 1 if form == "tensor" else 2]), form)  # type: ignore[arg-type]
    params = Depth.Params(blocks=2, criterion="last")
    after = Depth.apply(of(Tcn(), shape), params, NO_DATA)
    assert after.history[-1].info["removed"] == [["blocks.3", False], ["blocks.2", False]]
    assert after.history[-1].info["units"] == [40, 24]


def test_constant_inputs_of_a_concatenation_are_counted() -> None:
    """The image's channels stand between features of the input that no weight computes."""

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image, self.other = nn.Conv2d(1, 8, 3), nn.Linear(3, 6)
            self.hidden, self.head = nn.Linear(4 + 8 + 4 + 6, 16), nn.Linear(16, CLASSES)

        def forward(self, image: torch.Tensor, extra: torch.Tensor) -> torch.Tensor:
            parts = [extra, self.image(image).mean((2, 3)), extra, self.other(extra[:, :3])]
            logits: torch.Tensor = self.head(self.hidden(torch.cat(parts, 1)).relu())
            return logits

    shape = Signature((Input("image", (1, 6, 6)), Input("extra", (4,))), "tuple")
    info = half_of(Joined(), shape)
    assert info["channels"] == {"image": [8, 4], "other": [6, 3], "hidden": [16, 8]}
    assert info["kept_whole"] == {}


class Gated(nn.Module):
    """Halves of 12 channels over 20 steps."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.both, self.last = nn.Conv1d(2, 12, 3, padding=1), nn.Conv1d(6, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.both(x)
        if self.how == "glu":
            z = nn.functional.glu(y, 1)
        else:
            half = 6 if self.how == "number" else y.shape[1] // 2
            z = y[:, :half] * y[:, half:].sigmoid()
        mask: torch.Tensor = self.last(torch.cat([z[:, :, 1:], z[..., :1]], 2))
        return mask


@pytest.mark.parametrize("how", ["size", "glu"])
def test_halves_of_a_series_are_cut_alike(how: str) -> None:
    info = half_of(Gated(how), (2, 20))
    assert info["channels"] == {"both": [12, 6]}


def test_number_that_slices_a_series_keeps_the_layer_and_is_named() -> None:
    with pytest.raises(InfeasibleCandidate, match=r"both \(`forward` slices its channels") as error:
        half_of(Gated("number"), (2, 20))
    assert "(test_user_networks.py, line " in str(error.value)


def test_output_in_the_middle_of_the_network_keeps_its_channels() -> None:
    info = half_of(USER_NETWORKS["features_too"].make(), (3, 16, 16))
    assert set(info["channels"]) == {"stem", "body"}


def test_concatenated_output_in_the_middle_keeps_its_channels() -> None:
    class Middle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 1), nn.Conv2d(3, 4, 1)
            self.c, self.d = nn.Conv2d(12, 8, 1), nn.Conv2d(8, 2, 1)

        def forward(self, x: torch.Tensor) -> Any:
            both = torch.cat([self.a(x), self.b(x)], 1)
            return both, [self.d(self.c(both).relu())]

    info = half_of(Middle(), (3, 8, 8))
    assert info["channels"] == {"c": [8, 4]}


def test_network_whose_outputs_have_no_gradient_is_infeasible() -> None:
    class Best(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            best: torch.Tensor = super().forward(x).argmax(1)
            return best

    with pytest.raises(InfeasibleCandidate, match="no output has one; let `forward` return values"):
        half_of(Best(nn.Linear(4, 8), nn.Linear(8, 3)), (4,))


def test_masked_outputs_of_minus_infinity_are_compared() -> None:
    class Masked(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = super().forward(x)
            return y.masked_fill(torch.arange(3) > 1, -torch.inf)

    assert half_of(Masked(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)), (4,))["channels"] == {
        "0": [8, 4]
    }
