"""Networks with several inputs and outputs are compared with their files, leaf by leaf."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from paretune.inputs import Input, Shape, Signature, call, signature_of
from paretune.nests import leaves, mapped
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.runtimes.base import Artifact
from paretune.search.building.file_comparison import DeployedComparison, file_fault
from paretune.search.building.module_checks import module_outputs
from paretune.search.building.probe_inputs import ProbeInputs, probe_inputs, sample
from paretune.search.building.spread_weights import spread_weights
from paretune.spaces.base import Candidate
from paretune.task import Outputs
from support.nest_networks import (
    IMAGE_AND_FACTS,
    NETWORKS,
    TAGGER,
    TWO_HEADS,
    ImageAndFacts,
    NestData,
    Tagger,
    TwoHeads,
)

ANY = Outputs(0, "any")
Change = Callable[[tuple[np.ndarray, ...]], Any]


def inputs_of(shape: Shape, **options: Any) -> ProbeInputs:
    data: Any = NestData(shape, **options)
    return probe_inputs(sample(data).inputs, data)


def built(network: Any, shape: Shape) -> Candidate:
    torch.manual_seed(0)
    return Candidate(network().eval(), shape, ANY)


def session_of(candidate: Candidate, change: Change = lambda outputs: outputs) -> Any:
    """Returns a session that computes what the network computes, with changed outputs."""

    def session(*arrays: np.ndarray) -> Any:
        flat = [torch.from_numpy(array.copy()) for array in arrays]
        with torch.no_grad():
            outputs = call(candidate.model, signature_of(candidate.shape).nest(flat))
        changed = change(tuple(leaf.numpy() for leaf in leaves(outputs)))
        return changed[0] if len(changed) == 1 else changed

    return session


def faults(candidate: Candidate, change: Change = lambda outputs: outputs) -> str:
    """Returns how a file with these outputs differs from the network on the probe inputs."""
    inputs = inputs_of(candidate.shape)
    spread_weights(candidate.model, inputs.examples)
    expected = module_outputs(candidate.model, inputs)
    assert expected.faults == ()
    return file_fault(session_of(candidate, change), candidate, inputs, expected, 1e-3)


@pytest.mark.parametrize(("network", "shape"), NETWORKS, ids=lambda value: str(value)[-20:])
def test_right_file_of_any_network_is_accepted(network: type[nn.Module], shape: Shape) -> None:
    assert faults(built(network, shape)) == ""


@pytest.mark.parametrize(
    ("network", "shape", "change", "words"),
    [
        (TwoHeads, TWO_HEADS, lambda y: (y[0], y[1] + 0.1), 'the values of output "scores" differ'),
        (TwoHeads, TWO_HEADS, lambda y: (y[1], y[0]), 'output "boxes" of shape [1, 3, 16], not'),
        (TwoHeads, TWO_HEADS, lambda y: y[:1], "gives 1 outputs, the network 2"),
        (Tagger, TAGGER, lambda y: (y[0], y[1] * 0), 'the values of output "1" differ'),
        (ImageAndFacts, IMAGE_AND_FACTS, lambda y: (y[0] * 1.1,), "the outputs differ by"),
    ],
)
def test_wrong_output_of_a_file_is_named(
    network: type[nn.Module], shape: Shape, change: Change, words: str
) -> None:
    assert words in faults(built(network, shape), change)


def test_probe_changes_each_input_alone_and_all_together() -> None:
    inputs = inputs_of(IMAGE_AND_FACTS)
    row = {label: i for i, label in enumerate(inputs.labels)}
    image, facts = inputs.examples
    assert image[row["zeros"]].abs().sum() == facts[row["zeros"]].abs().sum() == 0
    assert image[row["zeros in image"]].abs().sum() == 0
    assert torch.equal(facts[row["zeros in image"]], facts[row["an example"]])
    assert torch.equal(facts[row["negative values in facts"]], -facts[row["an example"]])
    shuffled = facts[row["shuffled values in facts"]]
    assert not torch.equal(shuffled, facts[row["an example"]])
    assert torch.equal(shuffled.sort().values, facts[row["an example"]].sort().values)


def test_probe_keeps_integers_within_their_limit_and_lengths_real() -> None:
    shape = Signature((Input("ids", (12,), "int64", 20), Input("length", (), "int64")), form="dict")
    inputs = inputs_of(shape)
    assert 0 <= inputs.examples["ids"].min() <= inputs.examples["ids"].max() < 20
    data: Any = NestData(shape)
    real = set(sample(data).inputs["length"].tolist())
    assert set(inputs.examples["length"].tolist()) <= real


@pytest.mark.parametrize("shape", [(7,), (3, 20), TWO_HEADS], ids=["features", "series", "images"])
def test_probe_has_several_contents_of_every_kind(shape: Shape) -> None:
    inputs = inputs_of(shape)
    assert len(set(inputs.labels)) == len(inputs.labels) >= 5
    assert {len(batch) for batch in inputs.batches} == {1, 2, 5}
    assert inputs.examples[0].shape == shape


def test_axes_that_vary_get_longer_and_shorter_examples() -> None:
    inputs = inputs_of(TAGGER)
    lengths = [batch["ids"].shape[1] for batch in (inputs.examples, *inputs.others)]
    assert lengths == [12, 24, 6]
    assert [batch["mask"].shape[1] for batch in inputs.others] == [24, 6]
    assert "an example, with length 24" in inputs.labels


def test_file_for_one_length_only_is_refused() -> None:
    def fixed(outputs: tuple[np.ndarray, ...]) -> Any:
        if outputs[0].shape[1] != 12:
            raise ValueError("Got: 24 Expected: 12")
        return outputs

    text = faults(built(Tagger, TAGGER), fixed)
    assert "with length 24), the file fails: ValueError: Got: 24 Expected: 12" in text


class UpTo(Tagger):
    """A network with a longest text."""

    longest = 12

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
        if ids.shape[1] > self.longest:
            raise ValueError(f"at most {self.longest} tokens")
        return super().forward(ids, mask)


def test_size_that_the_network_does_not_take_is_not_tried() -> None:
    candidate = built(UpTo, TAGGER)
    outputs = module_outputs(candidate.model, inputs_of(TAGGER))
    assert outputs.faults == ()
    assert {values["0"].shape[1] for values in outputs.outputs.values()} == {12, 6}


def test_network_that_takes_no_other_size_is_refused() -> None:
    class Fixed(UpTo):
        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> Any:
            if ids.shape[1] != 12:
                raise ValueError("12 tokens, please")
            return super().forward(ids, mask)

    [text] = module_outputs(built(Fixed, TAGGER).model, inputs_of(TAGGER)).faults
    assert "with length 24): ValueError: 12 tokens, please" in text


class Returning(nn.Module):
    """A network that returns what a function makes of its outputs."""

    def __init__(self, change: Any) -> None:
        super().__init__()
        self.linear, self.change = nn.Linear(7, 3), change

    def forward(self, x: torch.Tensor) -> Any:
        return self.change(self.linear(x))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y: {"y": y, "loss": y.mean()}, 'its output "loss" has the shape [], and the first'),
        (lambda y: (y, y.T), 'its output "1" has the shape [3, 1], and the first axis must be'),
        (lambda y: y[..., 0].sum(), "its outputs have the shape [], and the first axis must be"),
        (lambda y: {"y": y, "kind": "linear"}, 'its output "kind" is str, not a tensor'),
        (lambda y: [{"boxes": row[None].repeat(2, 1)} for row in y], 'its output "0.boxes" has'),
    ],
)
def test_output_without_the_batch_in_front_is_refused_by_its_name(change: Any, words: str) -> None:
    [text] = module_outputs(Returning(change).eval(), inputs_of((7,))).faults
    assert words in text
    assert "a batch of 1 (an example)" in text


def test_outputs_of_another_form_for_some_batches_are_refused() -> None:
    network = Returning(lambda y: y if len(y) == 1 else (y, y)).eval()
    [text] = module_outputs(network, inputs_of((7,))).faults
    assert "another form for a batch of 2" in text


def test_batch_that_mixes_in_one_of_several_outputs_is_refused() -> None:
    network = Returning(lambda y: (y, y - y.mean(0))).eval()
    [text] = module_outputs(network, inputs_of((7,))).faults
    assert "depend on the other examples of its batch" in text


def test_sample_of_a_users_loader_joins_its_batches() -> None:
    data: Any = NestData(IMAGE_AND_FACTS, count=50, loader=8)
    assert len(sample(data)) == 50
    few: Any = NestData((7,), count=100, loader=7)
    assert len(sample(few)) == 64


def test_sample_keeps_batches_of_the_first_size() -> None:
    class Ragged(NestData):
        def batches(self, part: str, size: int, **options: Any) -> Any:
            for number, (inputs, targets) in enumerate(super().batches(part, size, **options)):
                cut = 12 if number % 2 == 0 else 9
                yield mapped(inputs, lambda x, cut=cut: x[:, :cut]), targets

    data: Any = Ragged(TAGGER, count=64, loader=8)
    taken = sample(data)
    assert taken.inputs["ids"].shape == (32, 12)


# -- after training -------------------------------------------------------------------------------


class FakeRuntime:
    """A runtime whose file computes what a candidate computes, with changed outputs."""

    def __init__(self, candidate: Candidate, change: Change) -> None:
        self._session = session_of(candidate, change)

    def load(self, path: Path, options: Any, threads: int | None = None) -> Any:
        return self._session


def compared(
    candidate: Candidate, change: Change = lambda y: y, task: Any = None, count: int = 64
) -> Any:
    data: Any = NestData(candidate.shape, count)
    if task is not None:
        data.task = task
    options = type("NoOptions", (), {"model_dump": staticmethod(dict)})()
    fake = FakeRuntime(candidate, change)
    deployment: Any = type("Fake", (), {"name": "fake", "options": options, "runtime": fake})()
    artifact = Artifact(Path("model.fake"), "fake", "", 1, {})
    return DeployedComparison(data).checked(artifact, candidate, deployment).info["agreement"]


@pytest.mark.parametrize(("network", "shape"), NETWORKS, ids=lambda value: str(value)[-20:])
def test_agreement_without_classes_is_stored(network: type[nn.Module], shape: Shape) -> None:
    result = compared(built(network, shape))
    assert result["classes"] is None
    assert result["difference"] < 1e-4
    assert result["examples"] == 64


def test_share_of_equal_classes_counts_each_position() -> None:
    candidate = built(Tagger, TAGGER)
    task = type("Tags", (), {"class_scores": True, "outputs": Outputs(4, "position")})()
    assert compared(candidate, task=task)["classes"] == 1.0
    int8 = replace(candidate, quantization={"dynamic": {}})

    def quarter(outputs: tuple[np.ndarray, ...]) -> Any:
        scores = outputs[0].copy()
        scores[:, ::4] = -scores[:, ::4]
        return scores, outputs[1]

    assert 0.7 < compared(int8, quarter, task)["classes"] < 0.8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y: (y[0] * 1.1, y[1]), 'the values of output "boxes" differ by up to'),
        (lambda y: (y[0], y[1] * np.nan), 'output "scores" that is not finite for 64 of 64'),
        (lambda y: (y[0],), "the file for fake gives 1 outputs, the network 2"),
        (lambda y: (y[0], y[1][:, :2]), 'output "scores" of shape [64, 2, 16], the network'),
    ],
)
def test_float_file_with_a_wrong_output_is_refused(change: Change, words: str) -> None:
    with pytest.raises(Unmeasurable) as caught:
        compared(built(TwoHeads, TWO_HEADS), change)
    assert words in str(caught.value)


def test_file_that_fails_for_another_length_is_refused_after_training() -> None:
    def fixed(outputs: tuple[np.ndarray, ...]) -> Any:
        if outputs[0].shape[1] != 12:
            raise ValueError("Got: 24 Expected: 12")
        return outputs

    with pytest.raises(Unmeasurable, match="cannot run the file with length 24: ValueError: Got"):
        compared(built(Tagger, TAGGER), fixed)
