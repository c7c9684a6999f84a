"""Cells of a detector: their boxes, what they learn, the loss, and decoding back to boxes."""

from __future__ import annotations

import pytest
import torch

from paretune.spaces.architecture.detector import Detector
from paretune.spaces.detection.cell_loss import cell_loss
from paretune.spaces.detection.cell_targets import cell_targets
from paretune.spaces.detection.cells import cell_boxes, cell_size
from paretune.spaces.detection.decoding import decoded

IMAGE, GRID, CELL = (32, 48), (4, 6), (8.0, 8.0)

BOXES = torch.tensor([[4.0, 2.0, 20.0, 18.0], [30.0, 10.0, 46.0, 30.0]])
LABELS = torch.tensor([1, 0])


def outputs_of(boxes: torch.Tensor, labels: torch.Tensor, classes: int = 3) -> torch.Tensor:
    """Returns outputs that say exactly these boxes, [1, 4 + classes, 4, 6]: all else scores 0."""
    outputs = torch.zeros(1, 4 + classes, *GRID)
    outputs[:, 4:] = -20.0
    for box, label in zip(boxes, labels, strict=True):
        column, row = ((box[i] + box[i + 2]) / 16 for i in (0, 1))
        i, j = int(row), int(column)
        x, y = j + 0.5, i + 0.5
        sides = torch.stack([x - box[0] / 8, y - box[1] / 8, box[2] / 8 - x, box[3] / 8 - y])
        outputs[0, :4, i, j] = sides.log()
        outputs[0, 4 + label, i, j] = 8.0
    return outputs


@pytest.mark.parametrize(
    ("image", "stride", "grid"),
    [((240, 320), 8, (30, 40)), ((61, 83), 4, (16, 21)), ((245, 100), 16, (16, 7))],
)
def test_cell_size_is_the_stride_also_for_sizes_that_it_does_not_divide(
    image: tuple[int, int], stride: int, grid: tuple[int, int]
) -> None:
    assert cell_size(grid, image) == (stride, stride)


def test_cell_boxes_are_distances_from_the_centre_in_cells() -> None:
    sides = torch.tensor([1.0, 2.0, 3.0, 4.0]).log().reshape(4, 1, 1).expand(4, *GRID)
    boxes = cell_boxes(sides, CELL)
    assert boxes.shape == (*GRID, 4)
    assert torch.allclose(boxes[1, 2], torch.tensor([12.0, -4.0, 44.0, 44.0]))


def test_cell_of_an_object_s_centre_is_hot_for_its_class_alone() -> None:
    targets = cell_targets(BOXES, LABELS, classes=3, grid=GRID, cell=CELL)
    assert (targets.heat[1] == 1).nonzero().tolist() == [[1, 1]]
    assert (targets.heat[0] == 1).nonzero().tolist() == [[2, 4]]
    assert not targets.heat[2].any()
    assert torch.equal(targets.box[1, 1], BOXES[0]) and torch.equal(targets.box[2, 4], BOXES[1])
    assert targets.weight.sum() == pytest.approx(2.0)


def test_smaller_box_wins_a_cell_that_two_boxes_share() -> None:
    boxes = torch.tensor([[0.0, 0.0, 48.0, 32.0], [22.0, 14.0, 26.0, 22.0]])
    targets = cell_targets(boxes, torch.tensor([0, 0]), classes=1, grid=GRID, cell=CELL)
    assert torch.equal(targets.box[2, 3], boxes[1])


def test_image_without_objects_learns_low_scores_and_no_box() -> None:
    empty = torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64)
    targets = cell_targets(*empty, classes=2, grid=GRID, cell=CELL)
    assert not targets.heat.any() and not targets.weight.any()
    outputs = torch.zeros(1, 6, *GRID, requires_grad=True)
    loss = cell_loss(outputs, [empty[0]], [empty[1]], IMAGE)
    loss.backward()  # type: ignore[no-untyped-call]
    assert outputs.grad is not None
    assert loss > 0 and not outputs.grad[:, :4].any() and (outputs.grad[:, 4:] > 0).all()


def test_loss_of_exact_boxes_is_near_zero_and_rises_with_each_mistake() -> None:
    exact = outputs_of(BOXES, LABELS)
    best = cell_loss(exact, [BOXES], [LABELS], IMAGE)
    assert 0 <= best < 0.01
    unsure, shifted, other = exact.clone(), exact.clone(), exact.clone()
    unsure[:, 4:] = -1.0
    shifted[:, :4] += 0.5
    other[:, [4, 5]] = other[:, [5, 4]]
    for wrong in (unsure, shifted, other):
        assert cell_loss(wrong, [BOXES], [LABELS], IMAGE) > best + 0.1


def test_decoding_gives_back_the_boxes_of_exact_outputs() -> None:
    [objects] = decoded(outputs_of(BOXES, LABELS).numpy(), IMAGE)
    order = objects.labels.argsort()[::-1]
    assert objects.labels[order].tolist() == LABELS.tolist()
    assert torch.allclose(torch.tensor(objects.boxes[order]), BOXES, atol=1e-4)
    assert (objects.scores > 0.99).all()


def test_decoding_drops_overlapping_boxes_of_the_same_class_only() -> None:
    outputs = outputs_of(BOXES[:1], LABELS[:1])
    outputs[0, :4, 1, 2] = torch.tensor([2.1, 1.25, 0.1, 0.8]).log()  # nearly the same box
    outputs[0, 5, 1, 2] = 4.0
    [objects] = decoded(outputs, IMAGE)
    assert len(objects.scores) == 1
    outputs[0, 5, 1, 2], outputs[0, 4, 1, 2] = -20.0, 4.0
    [objects] = decoded(outputs, IMAGE)
    assert objects.labels.tolist() == [1, 0]


def test_decoding_keeps_boxes_inside_the_image_and_at_most_as_many_as_asked() -> None:
    outputs = torch.zeros(2, 5, *GRID)
    outputs[:, :4] = 3.0
    first, second = decoded(outputs, IMAGE, overlap=1.0, most=7)
    assert len(first.scores) == len(second.scores) == 7
    assert first.boxes.min() >= 0 and (first.boxes <= [48, 32, 48, 32]).all()
    [none, _] = decoded(outputs - 20.0, IMAGE)
    assert len(none.scores) == 0 and none.boxes.shape == (0, 4)


def test_detector_learns_bright_squares() -> None:
    """A network with this loss finds the squares of new images after a few steps."""
    generator = torch.Generator().manual_seed(0)

    def squares(count: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
        images = torch.randn(count, 1, 32, 32, generator=generator) * 0.1
        corners = torch.randint(1, 19, (count, 2), generator=generator)
        for image, (x, y) in zip(images, corners.tolist(), strict=True):
            image[0, y : y + 12, x : x + 12] += 2.0
        return images, [torch.cat([c, c + 12])[None].float() for c in corners]

    torch.manual_seed(0)
    network = Detector.build(Detector.Params(width=8, neck=16, stride=4), (1, 32, 32), 5)
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        images, boxes = squares(16)
        labels = [torch.zeros(1, dtype=torch.int64)] * 16
        optimizer.zero_grad()
        cell_loss(network(images), boxes, labels, (32, 32)).backward()
        optimizer.step()
    images, boxes = squares(16)
    with torch.inference_mode():
        objects = decoded(network.eval()(images), (32, 32))
    errors = [abs(o.boxes[0] - b[0].numpy()).max() for o, b in zip(objects, boxes, strict=True)]
    assert sorted(errors)[8] < 2.0
