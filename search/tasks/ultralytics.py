"""The task of an Ultralytics detector: its network, batches, loss, NMS and mAP.

Ultralytics is under AGPL-3.0. It runs in a process of its own (`ultralytics_process`), from the
user's environment; this process gets a list of torch.nn layers, images and numbers. See
docs/decisions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from paretune.objectives.metrics import METRICS
from paretune.search.errors import UserError
from paretune.search.tasks.resampled_scores import ResampledScores
from paretune.search.tasks.target_facts import TargetKind
from paretune.search.tasks.ultralytics_process.client import UltralyticsProcess
from paretune.search.user_code import file_digest, find_file, study_folder
from paretune.spaces.params import Params
from paretune.task import Metric, Per

if TYPE_CHECKING:
    import torch

    from paretune.nests import Nest
    from paretune.task import Predict

LICENCE = (
    "Ultralytics made its network: its code is under AGPL-3.0, and Ultralytics states that this "
    "covers trained models unless you have its Enterprise licence. Check before you pass it on."
)

FIXED = {"task", "mode", "model", "data", "imgsz", "batch", "rect", "multi_scale", "workers"}
"""Settings of Ultralytics that `args` cannot change: keys of the task, or a fixed image size."""


class UltralyticsEntry:
    """A detector of Ultralytics: its loss, augmentation, NMS and mAP (you install the package)."""

    provides_data = True
    factory = "paretune.search.tasks.ultralytics:ultralytics_task"
    shown = "model"
    targets: ClassVar[TargetKind] = "values"
    per: ClassVar[Per] = "any"
    metrics: ClassVar[Mapping[str, Metric]] = {
        name: METRICS[name] for name in ("map50", "map50_95", "precision", "recall")
    }

    class Params(Params):
        """Options of ultralytics."""

        model: str = Field(
            description="yolo11n.yaml for fresh weights, or a local .pt file; nothing is downloaded"
        )
        data: str = Field(description="data set in Ultralytics' format: cells.yaml")
        imgsz: int = Field(640, ge=32, description="images are imgsz x imgsz pixels")
        batch: int = Field(16, ge=1, description="images in a batch")
        python: str | None = Field(
            None, description="interpreter that has the package ultralytics; default: this one"
        )
        args: dict[str, Any] = Field(
            {}, description="settings of Ultralytics: mosaic, fliplr, box, cls, conf, iou, ..."
        )
        keep: list[str] = Field(
            [],
            description="names of layers, with * for any text, that no pruning or quantization "
            "changes",
        )


def ultralytics_task(**options: Any) -> UltralyticsTask:
    """Returns the task; its process starts at the first use.

    Args:
        options: The options of `UltralyticsEntry.Params`.

    Raises:
        UserError: A setting is one that a task fixes.
    """
    params = UltralyticsEntry.Params.model_validate(options)
    fixed = sorted(FIXED & set(params.args))
    if fixed:
        raise UserError(
            f"task: ultralytics: args.{fixed[0]} cannot be set here; give model, data, imgsz "
            "and batch beside `args`. Images have one fixed, square size"
        )
    if params.imgsz % 32:
        raise UserError(
            f"task: ultralytics: imgsz must be a multiple of 32, not {params.imgsz}; type "
            f"{max(1, round(params.imgsz / 32)) * 32}"
        )
    return UltralyticsTask(params)


class UltralyticsTask:
    """A task of the user's (docs/own-code.md) for a detector of Ultralytics.

    Outputs are a dict of the head's last convolutions, for each stride s: `boxes<s>`
    [B, 4 * bins, H/s, W/s] and `scores<s>` [B, classes, H/s, W/s]. Decoding and NMS come after.

    Args:
        params: The options.
    """

    class_scores = False
    licence = LICENCE

    def __init__(self, params: UltralyticsEntry.Params) -> None:
        self.keep = list(params.keep)
        files = [find_file(name) for name in (params.model, params.data)]
        self.version = [1, *(None if file is None else file_digest(file) for file in files)]
        model, data = (
            str(file or name) for file, name in zip(files, (params.model, params.data), strict=True)
        )
        options = {
            "model": model,
            "data": data,
            "imgsz": params.imgsz,
            "batch": params.batch,
            "args": params.args,
        }
        self._process = UltralyticsProcess(options, study_folder(), params.python)

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the network's graph out: it is read again from the process."""
        return {key: value for key, value in self.__dict__.items() if key != "_facts"}

    @cached_property
    def _facts(self) -> dict[str, Any]:
        facts, _ = self._process.call("facts")
        return facts

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self._facts["names"])

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that the data has."""
        return tuple(self._facts["parts"])

    def model(self) -> torch.nn.Module:
        """Returns the network as plain torch.nn layers; fresh weights follow torch's seed."""
        import torch

        from paretune.search.tasks.ultralytics_process.layer_graph import network_of

        seed = int(torch.randint(2**31, ()))
        _, weights = self._process.call("weights", seed=seed)
        network = network_of(self._facts["graph"])
        network.load_state_dict({name: torch.from_numpy(each) for name, each in weights.items()})
        return network.train()

    def batches(self, part: str) -> Iterator[tuple[torch.Tensor, list[torch.Tensor]]] | None:
        """Returns batches of images float32 [B, C, H, W] in [0, 1], and each image's boxes.

        Boxes are float32 [n, 5]: class, and center x, center y, width, height, relative to the
        image. Training batches are shuffled and augmented, by torch's seed. None if there is no
        such part.
        """
        return self._batches(part) if part in self.parts else None

    def _batches(self, part: str) -> Iterator[tuple[torch.Tensor, list[torch.Tensor]]]:
        import torch

        seed = int(torch.randint(2**31, ())) if part == "train" else 0
        begun, _ = self._process.call("start", part=part, seed=seed)
        try:
            while True:
                answer, arrays = self._process.call("batch", **begun)
                if answer.get("end"):
                    return
                images = torch.from_numpy(arrays["images"]).float() / 255
                rows = torch.from_numpy(arrays["targets"])
                yield images, [rows[rows[:, 0] == i, 1:] for i in range(len(images))]
        finally:
            self._process.call("stop", **begun)

    def loss(self, outputs: Nest, targets: Nest) -> torch.Tensor:
        """Returns Ultralytics' loss of a batch, for each image: boxes, classes and distribution."""
        return _remote_loss(self._process, outputs, targets)

    def score(self, predict: Predict, part: str) -> dict[str, Any]:
        """Returns mAP50, mAP50-95, precision and recall, as Ultralytics computes them.

        Images, decoding, NMS and matching are those of its `val` with `rect=False`. Each score is
        (numbers of the images, function that scores a sample of them).
        """
        self._process.call("score_start", part=part)
        while True:
            answer, arrays = self._process.call("score_images")
            if answer.get("end"):
                break
            outputs = predict(arrays["images"].astype(np.float32) / 255)
            self._process.call("score_outputs", dict(outputs))
        ended, _ = self._process.call("score_end")
        names = [name for name in ended if name not in ("score", "images")]

        def compute(rows: np.ndarray) -> Mapping[str, float]:
            return self._process.call("resampled", {"rows": rows}, score=ended["score"])[0]

        return ResampledScores(compute, ended["images"]).pairs(names)


def _remote_loss(process: UltralyticsProcess, outputs: Nest, targets: Nest) -> torch.Tensor:
    """Returns the loss that the process computes; its gradients come with it."""
    import torch

    names = list(outputs)
    device = outputs[names[0]].device
    rows = [
        torch.cat([torch.full((len(boxes), 1), float(i)), boxes.cpu()], 1)
        for i, boxes in enumerate(targets)
    ]
    target_rows = torch.cat(rows).numpy() if rows else np.zeros((0, 6), np.float32)

    class RemoteLoss(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: torch.Tensor) -> torch.Tensor:
            arrays = {
                name: each.detach().float().cpu().numpy()
                for name, each in zip(names, tensors, strict=True)
            }
            answer, gradients = process.call(
                "loss",
                {**arrays, "targets": target_rows},
                device=device.type,
                gradient=any(ctx.needs_input_grad),
            )
            ctx.gradients = [
                torch.from_numpy(gradients[name]).to(each) if gradients else None
                for name, each in zip(names, tensors, strict=True)
            ]
            return torch.tensor(answer["loss"], device=device)

        @staticmethod
        def backward(ctx: Any, *grads: torch.Tensor) -> Any:
            return tuple(None if each is None else each * grads[0] for each in ctx.gradients)

    loss: torch.Tensor = RemoteLoss.apply(*(outputs[name] for name in names))
    return loss
