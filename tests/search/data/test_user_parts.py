"""Datasets and DataLoaders of a user's for built-in tasks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from paretune.inputs import Signature, Tokens
from paretune.search.data.loader_dataset import LoaderDataset
from paretune.search.data.making import Loading
from paretune.search.data.user_parts import UserParts, is_array_pair, parts_of
from paretune.search.errors import UserError
from paretune.search.tasks import TaskChoice

Load = Callable[..., LoaderDataset]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Makes a data set of parts for a task; other keywords are options of the data set."""

    def loaded(
        values: Mapping[str, Any], task: str = "classification", seen: bool = False,
        code: str = "", **options: Any,
    ) -> LoaderDataset:  # fmt: skip
        params = {"function": "mine:parts", **options}
        loading = Loading("python", params, tmp_path, 0, seen, TaskChoice(task))
        return UserParts("data: mine", values, code, loading.options).dataset(loading)

    return loaded


class Images(TorchDataset[Any]):
    """Random images with the classes in turn; `change` is a transform of an image."""

    def __init__(self, count: int = 20, seed: int = 0, change: Any = None) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.rand(count, 3, 6, 5, generator=generator)
        self.change = change

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        image = self.images[row]
        return (image if self.change is None else self.change(image)), row % 4


def flip(image: torch.Tensor) -> torch.Tensor:
    return image.flip(-1) if torch.rand(()) < 0.5 else image


def flip_by_numpy(image: torch.Tensor) -> torch.Tensor:
    return image.flip(-1) if np.random.rand() < 0.5 else image


def flip_by_random(image: torch.Tensor) -> torch.Tensor:
    return image.flip(-1) if random.random() < 0.5 else image


OWN = np.random.default_rng()


def flip_by_own_generator(image: torch.Tensor) -> torch.Tensor:
    return image.flip(-1) if OWN.random() < 0.5 else image


PARTS = {"train": Images(), "validation": Images(8, 1), "test": Images(8, 2)}


def content(data: LoaderDataset, part: str, **options: Any) -> list[float]:
    return [float(image.sum()) for x, _ in data.batches(part, 8, **options) for image in x]


# -- Datasets --------------------------------------------------------------------------------------


def test_datasets_are_put_into_batches_of_the_recipe(load: Load) -> None:
    data = load(PARTS)

    sizes = [len(x) for x, _ in data.batches("train", 8, seed=0)]
    inputs, labels = next(data.batches("train", 8))
    assert sizes == [8, 8, 4]
    assert data.steps("train", 8) == 3
    assert data.loader_batch is None
    assert data.shape == (3, 6, 5)
    assert data.classes == 4
    assert inputs.dtype == torch.float32
    assert labels.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert data.info() == {
        "source": "mine",
        "sizes": {"train": 20, "validation": 8, "test": 8},
        "shape": [3, 6, 5],
        "classes": 4,
    }
    assert data.preprocessing()["shape"] == [3, 6, 5]
    assert data.input_json() == {"dtype": "float32", "shape": ["batch", 3, 6, 5]}


def test_order_of_a_dataset_is_known_and_followed(load: Load) -> None:
    data = load(PARTS)
    images = Images().images

    order = data.order("train", 3)

    assert order is not None
    shuffled = torch.cat([x for x, _ in data.batches("train", 8, seed=3)])
    assert torch.equal(shuffled, images[order])
    assert torch.equal(torch.cat([x for x, _ in data.batches("train", 8)]), images)


@pytest.mark.parametrize("change", [flip, flip_by_numpy, flip_by_random])
def test_random_transforms_follow_the_seed_and_hide_the_order(load: Load, change: Any) -> None:
    data = load({**PARTS, "train": Images(change=change)})

    assert data.order("train", 3) is None
    assert data.order("validation", None) is not None
    first = torch.cat([x for x, _ in data.batches("train", 8, seed=3)])
    torch.rand(5)
    again = torch.cat([x for x, _ in data.batches("train", 8, seed=3)])
    other = torch.cat([x for x, _ in data.batches("train", 8, seed=4)])
    assert torch.equal(first, again)
    assert not torch.equal(first.sort(0).values, other.sort(0).values)


def test_random_transform_with_its_own_generator_hides_the_order(load: Load) -> None:
    data = load({**PARTS, "train": Images(change=flip_by_own_generator)})

    assert data.order("train", 3) is None


def test_workers_give_the_same_batches(load: Load) -> None:
    parts = {**PARTS, "train": Images(change=flip)}

    alone = content(load(parts), "train", seed=5)

    assert content(load(parts, workers=2), "train", seed=5) == alone


def test_training_random_numbers_are_left_alone(load: Load) -> None:
    data = load({**PARTS, "train": Images(change=flip)})
    torch.manual_seed(1)
    expected = torch.rand(6)

    torch.manual_seed(1)
    drawn = []
    for _ in data.batches("train", 8, seed=2):
        drawn.append(torch.rand(2))

    assert torch.equal(torch.cat(drawn), expected)


def test_missing_parts_are_split_off_a_dataset_by_class(load: Load) -> None:
    data = load({"train": Images(40)})

    assert data.info()["sizes"] == {"train": 24, "validation": 8, "test": 8}
    for part in ("train", "validation", "test"):
        labels = torch.cat([y for _, y in data.batches(part, 99)])
        assert torch.bincount(labels).tolist() == [len(labels) // 4] * 4
    everything = [c for part in ("train", "validation", "test") for c in content(data, part)]
    assert sorted(everything) == sorted(float(image.sum()) for image in Images(40).images)


def test_targets_of_a_dataset_spare_a_pass(load: Load) -> None:
    class Labelled(Images):
        reads = 0
        targets = tuple(row % 4 for row in range(20))
        classes = ("a", "b", "c", "d")

        def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
            Labelled.reads += 1
            return super().__getitem__(row)

    data = load({**PARTS, "train": Labelled()})

    assert data.class_names == ["a", "b", "c", "d"]
    assert Labelled.reads == 3 * 20  # two probes and the first batch


def test_split_off_parts_keep_the_random_changes_the_same_ones_each_time(load: Load) -> None:
    data = load({"train": Images(40, change=flip), "test": PARTS["test"]})

    assert data.notes == (
        "The validation part is split off the training part, whose Dataset changes examples at "
        "random. It keeps these changes, the same ones in each pass. Give a validation Dataset of "
        "your own.",
    )
    first = torch.cat([x for x, _ in data.batches("validation", 8)])
    assert torch.equal(first, torch.cat([x for x, _ in data.batches("validation", 3)]))
    assert data.order("validation", None) is not None
    assert data.order("train", 0) is None


def test_seen_weights_get_no_test_part_of_the_training_part(load: Load) -> None:
    data = load({"train": Images(40)}, seen=True)

    assert data.size("test") == 0
    assert list(data.batches("test", 8)) == []
    assert data.info()["seen"]
    assert data.info()["no_test"].startswith("There is no test part, because the study starts")


# -- DataLoaders and iterables ---------------------------------------------------------------------


def loaders(change: Any = None, **options: Any) -> dict[str, Any]:
    return {
        "train": DataLoader(Images(change=change), 6, shuffle=True, **options),
        "validation": DataLoader(Images(8, 1), 5),
        "test": DataLoader(Images(8, 2), 5),
    }


@pytest.mark.parametrize("workers", [0, 1])
def test_loaders_are_iterated_as_they_are(load: Load, workers: int) -> None:
    data = load(loaders(flip, num_workers=workers))

    assert data.loader_batch == 6
    assert data.steps("train", 999) == 4
    assert [len(x) for x, _ in data.batches("train", 999, seed=0)] == [6, 6, 6, 2]
    assert [len(x) for x, _ in data.batches("validation", 999)] == [5, 3]
    assert data.order("train", 0) is None
    assert content(data, "train", seed=1) == content(data, "train", seed=1)
    assert content(data, "train", seed=1) != content(data, "train", seed=2)


def test_generator_of_a_loader_is_seeded_too(load: Load) -> None:
    data = load(loaders(generator=torch.Generator().manual_seed(0)))

    assert content(data, "train", seed=1) == content(data, "train", seed=1)
    assert content(data, "train", seed=1) != content(data, "train", seed=2)


def test_last_batch_that_a_loader_drops_does_not_count(load: Load) -> None:
    data = load(loaders(drop_last=True))

    assert data.size("train") == 18
    assert data.steps("train", 6) == 3


class Batches:
    """An iterable of batches that begins anew in each pass."""

    def __init__(self, count: int = 3, size: int = 4, classes: int = 4) -> None:
        self.count, self.size, self.classes = count, size, classes

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for number in range(self.count):
            x = np.full((self.size, 7), number, dtype=np.float64)
            yield x, np.arange(self.size) % self.classes


def test_iterables_of_arrays_are_batches(load: Load) -> None:
    data = load({"train": Batches(), "validation": list(Batches()), "test": Batches(1)})

    assert data.shape == (7,)
    assert data.loader_batch == 4
    assert data.size("train") == 12
    assert data.steps("train", 1) == 3
    inputs, labels = next(data.batches("train", 1))
    assert inputs.dtype == torch.float32
    assert labels.dtype == torch.int64
    assert [len(x) for x in data.calibration(6, 4)] == [4, 2]


def test_iterable_dataset_is_put_into_batches(load: Load) -> None:
    class Stream(IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            return iter([(torch.full((2,), float(row)), row % 2) for row in range(5)])

    data = load({"train": Stream(), "validation": Stream()})

    assert [len(x) for x, _ in data.batches("train", 2)] == [2, 2, 1]
    assert data.loader_batch is None
    assert data.size("train") == 5
    assert data.steps("train", 2) == 3
    assert data.info()["no_test"].startswith("There is no test part, because the training part is")


def test_list_of_examples_is_a_dataset(load: Load) -> None:
    examples = [(np.full(3, row, dtype=np.float32), row % 2) for row in range(20)]

    data = load({"train": examples})

    assert data.info()["sizes"] == {"train": 12, "validation": 4, "test": 4}


# -- other tasks and inputs ------------------------------------------------------------------------


def tensors(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(12, *shape, generator=torch.Generator().manual_seed(seed))


def test_values_labels_and_masks_have_the_form_of_their_task(load: Load) -> None:
    x = tensors(3, 4, 5)
    values = load({"train": TensorDataset(x, tensors().double())}, "regression")
    labels = load({"train": TensorDataset(x, tensors(2) > 0.5)}, "multilabel")
    masks = load({"train": TensorDataset(x, (tensors(1, 4, 5) > 0.5).int())}, "segmentation")

    assert next(values.batches("train", 2))[1].shape == (2, 1)
    assert next(values.batches("train", 2))[1].dtype == torch.float32
    assert labels.task.outputs.size == 2
    assert next(labels.batches("train", 2))[1].dtype == torch.float32
    assert next(masks.batches("train", 2))[1].shape == (2, 4, 5)
    assert next(masks.batches("train", 2))[1].dtype == torch.int64
    assert masks.task.outputs.size == 2


class Detections(TorchDataset[Any]):
    """Images with as many boxes as their number."""

    def __init__(self, corners: Any = (0, 0, 3, 2)) -> None:
        self.corners = corners

    def __len__(self) -> int:
        return 6

    def __getitem__(self, row: int) -> Any:
        boxes = torch.tensor([self.corners] * row, dtype=torch.float32).reshape(-1, 4)
        return torch.zeros(3, 4, 5), {"boxes": boxes, "labels": torch.arange(row) % 2}


def test_boxes_are_a_list_of_one_for_each_image(load: Load) -> None:
    parts = {part: Detections() for part in ("train", "validation", "test")}
    data = load(parts, "detection")
    collated = load(
        {part: DataLoader(each, 4, collate_fn=lambda items: tuple(zip(*items, strict=True)))
         for part, each in parts.items()}, "detection",
    )  # fmt: skip

    for one in (data, collated):
        inputs, targets = next(one.batches("validation", 4))
        assert inputs.shape == (4, 3, 4, 5)
        assert [len(target["boxes"]) for target in targets] == [0, 1, 2, 3]
        assert one.facts is not None
        assert one.facts.image == (4, 5)
        assert one.task.outputs.size >= 2


def test_tokens_need_their_number(load: Load) -> None:
    tokens = torch.arange(60).reshape(12, 5) % 9
    parts = {"train": TensorDataset(tokens, tokens)}

    with pytest.raises(UserError, match="type the number of tokens: vocabulary: N"):
        load(parts, "language_model")
    data = load(parts, "language_model", vocabulary=9)
    assert data.shape == Tokens(5, 9)
    assert data.task.outputs.size == 9
    with pytest.raises(UserError, match="has tokens 0 to 8, but vocabulary: 8 has 0 to 7"):
        load(parts, "language_model", vocabulary=8)


def test_several_inputs_make_a_signature(load: Load) -> None:
    class Several(TorchDataset[Any]):
        def __init__(self, named: bool) -> None:
            self.named = named

        def __len__(self) -> int:
            return 20

        def __getitem__(self, row: int) -> Any:
            image, ids = torch.full((2, 3), float(row)), torch.tensor([row, 1])
            return ({"image": image, "ids": ids} if self.named else (image, ids)), row % 2

    named = load({"train": Several(True)})
    ordered = load({"train": Several(False)})

    assert isinstance(named.shape, Signature)
    assert named.shape.names == ("image", "ids")
    assert named.shape.form == "dict"
    assert isinstance(ordered.shape, Signature)
    assert ordered.shape.form == "tuple"
    assert ordered.shape.inputs[1].dtype == "int64"
    assert ordered.shape.inputs[1].limit is not None
    inputs, _ = next(ordered.batches("train", 4))
    assert isinstance(inputs, tuple)
    assert [tuple(x.shape) for x in inputs] == [(4, 2, 3), (4, 2)]
    assert set(next(named.arrays("validation", 3))[0]) == {"image", "ids"}
    assert named.black() == ()


# -- fingerprints ----------------------------------------------------------------------------------


def test_fingerprint_follows_validation_and_test_and_the_form_of_training(load: Load) -> None:
    first = load(PARTS).fingerprint
    others = [
        load({**PARTS, "validation": Images(8, 5)}).fingerprint,
        load({**PARTS, "test": Images(8, 5)}).fingerprint,
        load({**PARTS, "train": Images(24)}).fingerprint,
        load(PARTS, code="changed").fingerprint,
    ]

    assert load(PARTS).fingerprint == first
    assert load({**PARTS, "train": Images(change=flip)}).fingerprint == first
    assert len({first, *others}) == 5


# -- mistakes --------------------------------------------------------------------------------------


def generator() -> Iterator[Any]:
    yield from Batches()


class Once:
    """An iterable that is used up after one pass, which its type does not show."""

    def __init__(self) -> None:
        self.batches = iter(Batches())

    def __iter__(self) -> Iterator[Any]:
        return self.batches

    def __repr__(self) -> str:
        return "Once"


class Breaking(Images):
    def __getitem__(self, row: int) -> Any:
        if row == 17:
            raise KeyError("no such file")
        return super().__getitem__(row)


class Uneven(Images):
    def __getitem__(self, row: int) -> Any:
        return self.images[row][:, : 6 - row // 6], row % 4


BATCH = (torch.zeros(4, 7), torch.arange(4))
WIDE = (torch.zeros(4, 8), torch.arange(4))
LONG = (torch.zeros(4, 7).long(), torch.arange(4))
DEEP = (torch.zeros(4, 7, 1), torch.arange(4))


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("train", generator(), "train is a generator, which is used up after one pass; give a"),
        ("validation", Once(), "validation: no batch came in a further pass: it is used up"),
        ("train", [], "train: there are no batches; the part is empty"),
        ("train", Images(0), "train: there are no batches; the part is empty"),
        ("validation", Batches(0), "validation: there are no batches; the part is empty"),
        ("train", 5, "train is a int; give a torch Dataset, a DataLoader, or an iterable of"),
        ("validation", Images(8, 1, flip), "validation: its examples are drawn at random, but"),
        ("validation", Images(8, 1, flip_by_own_generator), "validation: its examples are drawn"),
        ("validation", DataLoader(Images(9), 4, shuffle=True), "validation: batch 1 differs"),
        ("test", DataLoader(Images(40, 1, flip), 4), "test: batch 1 differs between two passes"),
        ("train", Breaking(), "train: batch 1: KeyError: 'no such file'"),
        ("train", DataLoader(Uneven(), 6), r"train: batch 2: the input is float32 \[6, 3, 5, 5\]"),
        ("train", Uneven(), "train: batch 1: its examples cannot be put into a batch: .* colla"),
        ("train", [BATCH[0]], "train: batch 1 is Tensor; give .inputs, targets., for example with"),
        ("train", [(*BATCH, 1)], "train: batch 1 is 3 values; give .inputs, targets."),
        ("train", [("a", BATCH[1])], "train: batch 1 has an input of type str; give tensors"),
        ("train", [(BATCH[0], [])], "train: batch 1: .* labels of shape .0.; give one integer"),
        ("train", [(BATCH[0], BATCH[1] + 0.5)], "batch 1: labels are float32; give integers from"),
        ("train", [(BATCH[0], BATCH[1][:3])], "batch 1: .* labels of shape .3.; give one integer"),
        ("train", [(BATCH[0], {"y": BATCH[1]})], "batch 1: the targets are a dict; give one integ"),
        ("train", [(BATCH[0], BATCH[1] * 0)], "validation: label 3 is out of range; the train"),
        ("train", [(BATCH[0], BATCH[1] * 2)], "the training part has no example of class 1"),
        ("train", [(BATCH[0], BATCH[1] - 1)], "label -1 is out of range"),
    ],
)  # fmt: skip
def test_parts_are_refused_with_the_reason(load: Load, part: str, value: Any, message: str) -> None:
    batches = isinstance(value, list | Batches | Once)
    others = {name: Batches() for name in PARTS} if batches else PARTS

    with pytest.raises(UserError, match=f"^data: mine: .*{message}"):
        load({**others, part: value})


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (
            WIDE,
            r"batch 2: the input is float32 \[4, 8\], but in the first validation batch",
        ),
        (LONG, r"batch 2: the input is int64 \[4, 7\], but in the first validation batch"),
        (DEEP, r"batch 2: the input is float32 \[4, 7, 1\], but in the first validation batch"),
        (
            ((BATCH[0], BATCH[0]), BATCH[1]),
            "batch 2 has the inputs input_0, input_1, but the",
        ),
        ((BATCH[0], BATCH[1] + 2), "batch 2 has class 5, but the classes are 0 to 3"),
    ],
)
def test_batch_unlike_the_first_is_refused_in_training(
    load: Load, batch: Any, message: str
) -> None:
    batches = [BATCH]
    data = load({"train": batches, "validation": [BATCH], "test": [BATCH]})
    batches.append(batch)

    with pytest.raises(UserError, match=f"^data: mine: train: {message}"):
        list(data.batches("train", 4, seed=0))


def test_loader_that_is_used_up_later_is_refused(load: Load) -> None:
    batches = [BATCH]
    data = load({"train": batches, "validation": [BATCH], "test": [BATCH]})
    batches.clear()

    with pytest.raises(UserError, match="train: no batch came in a further pass: it is used up"):
        list(data.batches("train", 4, seed=0))


def test_smaller_last_batch_is_fine(load: Load) -> None:
    batches = [BATCH, (BATCH[0][:1], BATCH[1][:1])]

    data = load({"train": batches, "validation": batches})

    assert data.size("train") == 5


def test_values_that_are_not_finite_are_refused(load: Load) -> None:
    bad = (torch.full((4, 7), float("nan")), BATCH[1])

    with pytest.raises(UserError, match="validation: batch 2 has values that are not finite"):
        load({"train": [BATCH], "validation": [BATCH, bad]})


def test_boxes_outside_of_their_image_are_refused(load: Load) -> None:
    parts = {part: Detections((0, 0, 9, 2)) for part in ("train", "validation", "test")}

    with pytest.raises(UserError, match=r"validation: batch 1: example 1: box 0 .* lies outside"):
        load(parts, "detection")


def test_masks_of_another_size_are_refused(load: Load) -> None:
    parts = {"train": TensorDataset(tensors(3, 4, 5), torch.zeros(12, 5, 4).long())}

    with pytest.raises(UserError, match=r"has masks \[5, 4\] and images \[4, 5\]"):
        load(parts, "segmentation")


def test_loader_without_a_validation_part_is_refused(load: Load) -> None:
    with pytest.raises(UserError, match="no validation part, and a loader cannot be split"):
        load({"train": DataLoader(Images(), 4)})


def test_options_of_arrays_are_refused(load: Load) -> None:
    with pytest.raises(UserError, match="data: mine: resize is for arrays; a Dataset or"):
        load(PARTS, resize=8)


def test_error_in_a_worker_is_named_without_its_traceback(load: Load) -> None:
    data = load(PARTS)
    broken = {**PARTS, "train": DataLoader(Breaking(), 6, num_workers=1)}

    with pytest.raises(UserError) as error:
        load(broken)

    assert str(error.value) == "data: mine: train: batch 3: KeyError: 'no such file'"
    assert data.size("train") == 20


def test_parts_are_named_without_regard_to_case() -> None:
    parts = parts_of("data: mine", {"Train": 1, "VAL": 2, "Testing": 3, "other": 4})

    assert parts == {"train": 1, "validation": 2, "test": 3}
    assert parts_of("data: mine", {"x_train": 1}) == {}
    with pytest.raises(UserError, match="returned two validation parts; return one"):
        parts_of("data: mine", {"train": 1, "val": 2, "valid": 3})
    with pytest.raises(UserError, match="returned val, test; return a part train, too"):
        parts_of("data: mine", {"val": 2, "test": 3})


def test_pair_of_arrays_is_no_loader() -> None:
    assert is_array_pair((np.zeros((3, 2)), torch.zeros(3)))
    assert not is_array_pair([BATCH, BATCH])
    assert not is_array_pair((np.zeros(3), 5))
