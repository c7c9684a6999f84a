"""Recognizes files that are mistaken for a checkpoint, by their first bytes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

HEAD = 512
"""Bytes at the start of a file that tell its kind."""


def refusal_of(file: Path) -> str | None:
    """Returns why a file is no checkpoint, and what to do; None if it may be one."""
    with file.open("rb") as stream:
        head = stream.read(HEAD)
    if not head:
        return "is empty (0 bytes)"
    for fits, text in _KINDS:
        if fits(head):
            return text.replace("FILE", _quoted(file)).replace("WEIGHTS", _weights(file))
    if head.lstrip().startswith(b"{"):
        return _json_refusal(file)
    if zipfile.is_zipfile(file):
        return _archive_refusal(file)
    return None


def is_safetensors(file: Path) -> bool:
    """Returns whether a file starts like .safetensors: a length, then a JSON header."""
    with file.open("rb") as stream:
        head = stream.read(9)
    return len(head) == 9 and head[8:] == b"{" and head[5:8] == b"\0\0\0"


def conversion(*lines: str) -> str:
    """Returns lines of Python, indented, as the end of an error text."""
    return "".join(f"\n    {line}" for line in lines)


def _quoted(file: Path) -> str:
    return json.dumps(str(file), ensure_ascii=False)


def _weights(file: Path) -> str:
    return json.dumps(weights_path(file), ensure_ascii=False)


def weights_path(file: Path) -> str:
    """Returns the path that error texts propose for the converted file."""
    return str(file.with_name(f"{file.name.partition('.')[0] or 'net'}-weights.pt"))


def _starts(*heads: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(heads)


def _is_onnx(head: bytes) -> bool:
    """Returns whether bytes start like ONNX: the field ir_version, then a producer or a graph."""
    return len(head) > 2 and head[0] == 0x08 and head[1] < 0x20 and head[2] in (0x12, 0x1A, 0x3A)


_KINDS: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (
        _starts(b"version https://git-lfs"),
        "is a Git LFS pointer, not the weights; type git lfs pull in its repository",
    ),
    (
        lambda head: head.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")),
        "is a web page, not the weights: the download failed; download the file itself",
    ),
    (
        _starts(b"\x89HDF\r\n\x1a\n"),
        "is an HDF5 file, as Keras writes it; only weights of PyTorch can be loaded",
    ),
    (
        lambda head: head[4:8] == b"TFL3",
        "is a TensorFlow Lite model; only weights of PyTorch can be loaded",
    ),
    (_is_onnx, "is an ONNX model; give the PyTorch weights that it was exported from"),
    (_starts(b"GGUF"), "is a GGUF file; only weights of PyTorch can be loaded"),
    (
        _starts(b"\x93NUMPY"),
        "is a NumPy array; give a state dict: torch.save(model.state_dict(), WEIGHTS)",
    ),
    (_starts(b"\x1f\x8b"), "is compressed by gzip; unpack it first"),
    (_starts(b"\xfd7zXZ", b"BZh", b"7z\xbc\xaf"), "is a compressed file; unpack it first"),
    (
        lambda head: head[257:262] == b"ustar",
        "is a tar archive; unpack it, and give the file with the weights",
    ),
)


def _json_refusal(file: Path) -> str | None:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("weight_map"), dict):
        return "is a JSON file, not the weights"
    parts = sorted({str(part) for part in content["weight_map"].values()})
    read = (
        "weights |= load_file(part)"
        if all(part.endswith(".safetensors") for part in parts)
        else 'weights |= torch.load(part, map_location="cpu", weights_only=True)'
    )
    return (
        f"is the index of weights in {len(parts)} files; join them once, in their folder:"
        + conversion(
            "import torch; from safetensors.torch import load_file; weights = {}",
            f"for part in {json.dumps(parts)}: {read}",
            f"torch.save(weights, {_weights(file)})",
        )
    )


def _archive_refusal(file: Path) -> str | None:
    """Returns why a zip archive is no file of torch.save; None if it is one."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return None
    parts = [name.partition("/")[2] or name for name in names]
    if "constants.pkl" in parts and any(part.startswith("code/") for part in parts):
        return "is a TorchScript archive, not a state dict; convert it once:" + conversion(
            "import torch",
            f'model = torch.jit.load({_quoted(file)}, map_location="cpu")',
            f"torch.save(model.state_dict(), {_weights(file)})",
        )
    if any("serialized_exported_program" in name or "models/model.json" in name for name in names):
        return "is a program of torch.export, not a state dict; convert it once:" + conversion(
            "import torch",
            f"program = torch.export.load({_quoted(file)})",
            f"torch.save(program.state_dict, {_weights(file)})",
        )
    if "data.pkl" in parts:
        return None
    if all(name.endswith(".npy") for name in names):
        return "is an archive of NumPy arrays (.npz); convert it once:" + conversion(
            "import numpy, torch",
            f"arrays = numpy.load({_quoted(file)})",
            f"torch.save({{k: torch.from_numpy(v) for k, v in arrays.items()}}, {_weights(file)})",
        )
    if any(name.endswith(".h5") for name in names):
        return "is a Keras model; only weights of PyTorch can be loaded"
    return "is a zip archive, but not one of torch.save; unpack it, and give the weights' file"
