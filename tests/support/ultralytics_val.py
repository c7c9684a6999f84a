"""Program for an interpreter that has ultralytics: its own `val` of weights that Paretune trained.

    PYTHON ultralytics_val.py MODEL.yaml DATA.yaml IMGSZ WEIGHTS.safetensors

It prints {"map50": ..., "map50_95": ...} as its last line.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from ultralytics import YOLO
from ultralytics.data.utils import check_det_dataset
from ultralytics.nn.tasks import DetectionModel


def whole_weights(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns weights by Ultralytics' names: those of a split convolution, put together again."""
    parts: dict[str, dict[int, torch.Tensor]] = {}
    for name, tensor in state.items():
        match = re.fullmatch(r"(.*\.(?:conv|bn|act))_(\d+)(\.\w+)", name)
        if match:
            parts.setdefault(match[1] + match[3], {})[int(match[2])] = tensor
    joined = {
        name: torch.cat([each[i] for i in sorted(each)]) if each[0].ndim else each[0]
        for name, each in parts.items()
    }
    return {**{k: v for k, v in state.items()}, **joined}


def main() -> None:
    model, data, imgsz, weights = sys.argv[1:]
    facts = check_det_dataset(data, autodownload=False)
    detector = DetectionModel(model, nc=facts["nc"], verbose=False)
    state = whole_weights(load_file(weights))
    missing, _ = detector.load_state_dict(state, strict=False)
    assert not [name for name in missing if ".dfl." not in name], missing[:5]
    yolo = YOLO(model)
    detector.names, detector.args = facts["names"], yolo.model.args
    yolo.model = detector.eval()
    results = yolo.val(
        data=data,
        imgsz=int(imgsz),
        rect=False,
        batch=16,
        device="cpu",
        workers=0,
        plots=False,
        verbose=False,
        project=str(Path(weights).parent),
        name="val",
    )
    print(json.dumps({"map50": float(results.box.map50), "map50_95": float(results.box.map)}))


if __name__ == "__main__":
    main()
