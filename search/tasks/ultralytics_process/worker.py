"""Program that runs Ultralytics for Paretune, in a process and an environment of the user's.

Paretune's own process starts this file by its path, with any interpreter that has the package
`ultralytics` (AGPL-3.0), and talks to it over pipes. Nothing else in Paretune imports that package.
The file uses no other file of Paretune's than those beside it.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from array_pipe import (  # type: ignore[import-not-found]
    Arrays,
    PipeClosed,
    receive,
    send,
)
from layer_graph import graph_of, network_of  # type: ignore[import-not-found]
from split_layers import part_of, split_layers  # type: ignore[import-not-found]
from torch import nn

KEPT_SCORES = 4
"""Scored passes whose results on each image stay in memory, to be resampled."""

DETECTORS = ("Detect", "v10Detect")
"""Heads that give boxes and nothing else."""

METRICS = {
    "map50": "metrics/mAP50(B)",
    "map50_95": "metrics/mAP50-95(B)",
    "precision": "metrics/precision(B)",
    "recall": "metrics/recall(B)",
}
"""Paretune's names of the scores -> those of Ultralytics."""

Answer = tuple[dict[str, Any], Arrays]


class Refused(Exception):
    """Something that cannot be done; the text is the reason, in words."""


class Layers(nn.Module):
    """The layers of a detector up to its last convolutions, without decoding and without NMS.

    Args:
        detector: A DetectionModel of Ultralytics. A head with two branches gives its one-to-many
            branch, whose boxes NMS filters.
    """

    def __init__(self, detector: Any) -> None:
        super().__init__()
        self.model = detector.model
        self.saved = frozenset(detector.save)
        self.strides = [int(stride) for stride in detector.stride]

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Images [B, C, H, W] in [0, 1] -> boxes8 [B, 4 * bins, H/8, W/8], scores8, boxes16, ..."""
        x: Any = images
        kept: list[Any] = []
        for layer in self.model[:-1]:
            x = layer(_inputs(layer, x, kept))
            kept.append(x if layer.i in self.saved else None)
        head = self.model[-1]
        outputs = {}
        for i, features in enumerate(_inputs(head, x, kept)):
            outputs[f"boxes{self.strides[i]}"] = head.cv2[i](features)
            outputs[f"scores{self.strides[i]}"] = head.cv3[i](features)
        return outputs


def _inputs(layer: Any, x: Any, kept: list[Any]) -> Any:
    if layer.f == -1:
        return x
    if isinstance(layer.f, int):
        return kept[layer.f]
    return [x if source == -1 else kept[source] for source in layer.f]


class Session:
    """One model and data set of Ultralytics, and the calls that Paretune makes.

    Args:
        options: `model`, `data`, `imgsz`, `batch` and `args` of the study file.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        from ultralytics.cfg import get_cfg
        from ultralytics.data.utils import check_det_dataset

        self.settings = get_cfg(
            overrides={
                "task": "detect",
                "mode": "train",
                "imgsz": options["imgsz"],
                "batch": options["batch"],
                "workers": 0,
                "plots": False,
                "conf": 0.001,  # as `val` of Ultralytics
                **options["args"],
            }
        )
        self.data = check_det_dataset(options["data"], autodownload=False)
        self.model_name = options["model"]
        self.detector = self._detector(seed=0)
        self.head = self.detector.model[-1]
        self.layers = Layers(self.detector)
        self.graph = split_layers(graph_of(self.layers))
        self._check_graph()
        self._criterion: dict[str, Any] = {}
        self._passes: dict[int, Iterator[Answer]] = {}
        self._scores: OrderedDict[int, list[dict[str, Any]]] = OrderedDict()
        self._numbers = count()
        self._validator: Any = None
        self._scored_batch: dict[str, Any] = {}

    def facts(self, message: dict[str, Any], arrays: Arrays) -> Answer:
        """Returns the network as layers and calls, and what Paretune must know of the data."""
        import ultralytics

        parts = {"train": "train", "validation": "val", "test": "test"}
        return {
            "graph": self.graph,
            "channels": self.data.get("channels", 3),
            "names": [str(name) for name in self.data["names"].values()],
            "parts": [part for part, key in parts.items() if self.data.get(key)],
            "version": ultralytics.__version__,
        }, {}

    def weights(self, message: dict[str, Any], arrays: Arrays) -> Answer:
        """Returns the weights of a fresh model, or those of the .pt file."""
        if str(self.model_name).endswith(".pt"):
            model = self.layers
        else:
            model = Layers(self._detector(message["seed"]))
        return {}, {name: each.numpy() for name, each in self._weights_of(model).items()}

    def start(self, message: dict[str, Any], arrays: Arrays) -> Answer:
        """Starts one pass over a part of the data; an augmented, shuffled one for training."""
        _seed(message["seed"])
        number = next(self._numbers)
        self._passes[number] = self._pass(message["part"], message["seed"])
        return {"pass": number}, {}

    def batch(self, message: dict[str, Any], arrays: Arrays) -> Answer:
        """Returns the next batch of a pass; nothing at its end."""
        number = message["pass"]
        item = next(self._passes.get(number, iter(())), None)
        if item is None:
            self._passes.pop(number, None)
            return {"end": True}, {}
        return item

    def stop(self, message: dict[str, Any], arrays: Arrays) -> Answer:
        """Forgets a pass that nobody finishes."""
        self._passes.pop(message["pass"], None)
        return {}, {}

    def loss(self, message: dict[str, Any], arrays: Arrays) -> Answer:
        """Returns the loss of a batch's outputs, for each image, and its gradients."""
        device = message["device"]
        outputs = {
            name: torch.from_numpy(arrays[name]).to(device).requires_grad_(message["gradient"])
            for name in arrays
            if name.startswith(("boxes", "scores"))
        }
        targets = torch.from_numpy(arrays["targets"]).to(device)
        batch = {"batch_idx": targets[:, 0], "cls": targets[:, 1:2], "bboxes": targets[:, 2:]}
        batch_size = len(next(iter(outputs.values())))
        with torch.set_grad_enabled(message["gradient"]):
            total, _ = self._loss_of(device)(self._raw(outputs), batch)
            value = total.sum() / batch_size
        gradients: Arrays = {}
        if message["gradient"]:
            value.backward()
            gradients = {
                name: (torch.zeros_like(each) if each.grad is None else each.grad).cpu().numpy()
                for name, each in outputs.items()
            }
        return {"loss": float(value.detach())}, gradients

    def score_start(self, message: dict[str, Any], arrays: Arrays) -> Answer:
        """Starts a validation of Ultralytics on a part, with square images."""
        from ultralytics.models.yolo.detect import DetectionValidator

        settings = type(self.settings)(**vars(self.settings))
        settings.mode, settings.split = "val", _key(message["part"])
        validator = DetectionValidator(args=settings, save_dir=Path(tempfile.gettempdir()))
        validator.device, validator.data = torch.device("cpu"), self.data
        validator.dataloader = self._loader(message["part"], seed=None)
        self.detector.names = self.data["names"]
        validator.init_metrics(self.detector)
        validator.end2end = False
        self._validator = validator
        self._batches = iter(validator.dataloader)
        return {}, {}

    def score_images(self, message: dict[str, Any], arrays: Arrays) -> Answer:
        """Returns the next images to predict: uint8 [B, C, H, W]; nothing at the end."""
        batch = next(self._batches, None)
        if batch is None:
            return {"end": True}, {}
        self._scored_batch = batch
        return {}, {"images": batch["img"].numpy()}

    def score_outputs(self, message: dict[str, Any], arrays: Arrays) -> Answer:
        """Takes the outputs of the deployed file: decodes them, applies NMS and matches boxes."""
        outputs = {name: torch.from_numpy(array).float() for name, array in arrays.items()}
        with torch.inference_mode():
            batch = self._validator.preprocess(self._scored_batch)
            self.head.shape = None  # anchors for this size
            decoded = self.head._inference(self._raw(outputs))
            boxes = self._validator.postprocess(decoded)
            self._validator.update_metrics(boxes, batch)
        return {}, {}

    def score_end(self, message: dict[str, Any], arrays: Arrays) -> Answer:
        """Returns the scores, and keeps the matches of each image to resample them."""
        stats = self._validator.metrics.stats
        images = [dict(zip(stats, row, strict=True)) for row in zip(*stats.values(), strict=True)]
        number = next(self._numbers)
        self._scores[number] = images
        while len(self._scores) > KEPT_SCORES:
            self._scores.popitem(last=False)
        return {"score": number, "images": len(images), **self._metrics(images)}, {}

    def resampled(self, message: dict[str, Any], arrays: Arrays) -> Answer:
        """Returns the scores of a bootstrap sample of the images."""
        images = self._scores[message["score"]]
        return self._metrics([images[row] for row in arrays["rows"]]), {}

    def _metrics(self, images: list[dict[str, Any]]) -> dict[str, Any]:
        from ultralytics.utils.metrics import DetMetrics

        metrics = DetMetrics(names=self.data["names"])
        metrics.stats = {key: [each[key] for each in images] for key in metrics.stats}
        if not sum(len(each) for each in metrics.stats["target_cls"]):
            raise Refused("there is no box in the labels of this part")
        metrics.process(plot=False)
        results = metrics.results_dict
        return {name: float(results[key]) for name, key in METRICS.items()}

    def _detector(self, seed: int) -> Any:
        """Returns a model for the data's classes; with the weights of a .pt file, if it is one."""
        from ultralytics import YOLO
        from ultralytics.nn.tasks import DetectionModel

        _seed(seed)
        source, weights = self.model_name, None
        if str(source).endswith(".pt"):
            if not Path(source).is_file():
                raise Refused(f"there is no file {source}; nothing is downloaded")
            weights = YOLO(source).model
            if not isinstance(weights, DetectionModel):
                raise Refused(f"{source} is no detector but a {type(weights).__name__}")
            source = weights.yaml
        classes, channels = self.data["nc"], self.data.get("channels", 3)
        detector = DetectionModel(source, ch=channels, nc=classes, verbose=False)
        head = type(detector.model[-1]).__name__
        if head not in DETECTORS:
            raise Refused(f"{self.model_name} has the head {head}; give a detector (task detect)")
        detector.args, detector.nc = self.settings, classes
        if weights is not None:
            detector.load(weights)
        return detector.float().train()

    def _weights_of(self, layers: nn.Module) -> dict[str, torch.Tensor]:
        """Returns the weights of a model by their names in the graph."""
        state = {name: each.detach() for name, each in layers.state_dict().items()}
        weights = {}
        for name in network_of(self.graph).state_dict():
            source, rows = part_of(self.graph, name)
            weights[name] = state[source][rows] if state[source].ndim else state[source]
        return weights

    def _check_graph(self) -> None:
        """Refuses a network whose layers, built again, give other outputs."""
        again = network_of(self.graph)
        again.load_state_dict(self._weights_of(self.layers))
        size = self.settings.imgsz
        images = torch.rand(1, self.data.get("channels", 3), size, size)
        with torch.no_grad():
            expected, rebuilt = self.layers.eval()(images), again.eval()(images)
        self.layers.train()
        if any(not torch.allclose(expected[k], rebuilt[k], rtol=1e-4, atol=1e-4) for k in expected):
            raise Refused("its layers, built again from their list, give other outputs")

    def _raw(self, outputs: dict[str, torch.Tensor]) -> dict[str, Any]:
        """Returns outputs as Ultralytics' detection head gives them in training."""
        boxes = [outputs[f"boxes{stride}"] for stride in self.layers.strides]
        scores = [outputs[f"scores{stride}"] for stride in self.layers.strides]
        return {
            "boxes": torch.cat([each.flatten(2) for each in boxes], -1),
            "scores": torch.cat([each.flatten(2) for each in scores], -1),
            "feats": boxes,  # only their sizes are read
        }

    def _loss_of(self, device: str) -> Any:
        if device not in self._criterion:
            from ultralytics.utils.loss import v8DetectionLoss

            self.detector.to(device)
            self._criterion[device] = v8DetectionLoss(self.detector)
            self.detector.to("cpu")
        return self._criterion[device]

    def _pass(self, part: str, seed: int) -> Iterator[Answer]:
        for batch in self._loader(part, seed if part == "train" else None):
            targets = torch.cat(
                [batch["batch_idx"].view(-1, 1), batch["cls"].view(-1, 1), batch["bboxes"]], 1
            )
            yield {}, {"images": batch["img"].numpy(), "targets": targets.float().numpy()}

    def _loader(self, part: str, seed: int | None) -> Any:
        """Returns the batches of a part: augmented and shuffled with a seed, else in order."""
        from ultralytics.data import build_yolo_dataset

        path = self.data.get(_key(part))
        if not path:
            raise Refused(f"{self.settings.data or 'the data'} has no {_key(part)} images")
        dataset = build_yolo_dataset(
            self.settings,
            path,
            self.settings.batch,
            self.data,
            mode="train" if seed is not None else "val",
            rect=False,
            stride=max(32, *self.layers.strides),
        )
        return torch.utils.data.DataLoader(
            dataset,
            self.settings.batch,
            shuffle=seed is not None,
            collate_fn=dataset.collate_fn,
            generator=torch.Generator().manual_seed(seed or 0),
        )


def _key(part: str) -> str:
    return "val" if part == "validation" else part


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers calls until the other end closes its pipe."""
    session: Session | None = None
    while True:
        try:
            message, arrays = receive(requests)
        except PipeClosed:
            return
        try:
            if message["call"] == "open":
                session = Session(message)
                answer: Answer = {}, {}
            else:
                method: Callable[..., Answer] = getattr(session, message["call"])
                answer = method(message, arrays)
        except ModuleNotFoundError as error:
            answer = {"error": str(error), "missing": error.name or ""}, {}
        except Exception as error:  # Ultralytics and its loaders raise all kinds
            text = str(error).strip() or "no reason"
            kind = "" if isinstance(error, Refused) else f"{type(error).__name__}: "
            answer = {"error": f"{kind}{text}"}, {}
        send(answers, *answer)


if __name__ == "__main__":
    os.environ.update(YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false", YOLO_VERBOSE="false")
    with os.fdopen(os.dup(1), "wb") as pipe:
        os.dup2(2, 1)  # what Ultralytics prints must not reach the pipe
        serve(sys.stdin.buffer, pipe)
