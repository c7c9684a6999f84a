"""A network to profile by its name, without a study."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import ValidationError

from paretune.inputs import Input, Shape, example, signature_of
from paretune.nests import Nest
from paretune.search.building.exporting import quietly
from paretune.search.errors import UserError
from paretune.search.profiling.networks import ProfiledNetwork, export_file, runtime_of
from paretune.search.profiling.shape_option import read_shape
from paretune.search.tasks.classification import classification
from paretune.search.user_code import add_import_folders
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.architecture.network import build_network
from paretune.spaces.base import InfeasibleCandidate
from paretune.task import Outputs

EXAMPLES = 64


class RandomInputs:
    """Random inputs for a network without data: normally distributed, or random tokens.

    Args:
        shape: What the network takes.
        classes: Number of classes; the labels are all 0 and not used.
    """

    def __init__(self, shape: Shape, classes: int) -> None:
        self.shape = shape
        self.task = classification(classes)

    def size(self, part: str) -> int:
        """Returns the number of examples in a part."""
        return EXAMPLES

    def arrays(self, part: str, batch_size: int) -> Iterator[tuple[Nest, np.ndarray]]:
        """Yields batches (inputs [B, ...], labels [B]); each pass yields the same."""
        random = np.random.default_rng(0)
        signature = signature_of(self.shape)
        for begin in range(0, EXAMPLES, batch_size):
            count = min(batch_size, EXAMPLES - begin)
            inputs = [_random(random, each, count) for each in signature.inputs]
            yield signature.nest(inputs), np.zeros(count, dtype=np.int64)


def _random(random: np.random.Generator, each: Input, count: int) -> np.ndarray:
    """Returns normal noise, or integers above 0, which may be padding."""
    shape = (count, *each.shape)
    if each.dtype == "float32":
        return random.normal(size=shape).astype(np.float32)
    limit = each.limit or 2
    return random.integers(min(1, limit - 1), limit, shape).astype(each.dtype)


def named_network(
    text: str, shape: str, classes: int, runtime: str, threads: int | None, folder: Path
) -> ProfiledNetwork:
    """Builds and deploys a network by name; its weights are random unless its library ships some.

    Args:
        text: "torchvision:mobilenet_v2", "pkg.mod:factory", or an architecture as in a study file.
        shape: What it takes, as `read_shape` reads it: "3,32,32", or "128,8000" for texts.
        classes: Number of logits.
        runtime: Name of the runtime.
        threads: Threads of one inference; None for the runtime's default.
        folder: Folder of the deployed file.

    Raises:
        UserError: The network, shape or runtime does not exist, or they do not fit together.
    """
    add_import_folders(Path.cwd())
    sides = read_shape(shape)
    entry, options = runtime_of(runtime, threads)
    try:
        name, values = ARCHITECTURES.parse(_architecture(text))
        params = ARCHITECTURES.get(name).Params.model_validate(values)
        architecture = {name: params.model_dump(mode="json")}
        outputs = Outputs(classes, getattr(ARCHITECTURES.get(name), "gives", "example"))
        model = build_network(architecture, sides, outputs, seed=0)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise UserError(f"--model {text}: {problems}") from error
    except (InfeasibleCandidate, ValueError) as error:
        raise UserError(f"--model {text}: {error}") from error
    except (RuntimeError, MemoryError) as error:  # too large for this machine, or does not fit
        reason = (str(error) or "there is not enough memory").strip().splitlines()[0]
        raise UserError(
            f"--model {text}: it cannot be built for --shape {shape}: {reason}"
        ) from error
    artifact = export_file(
        lambda path: quietly(
            lambda: entry.export(model, sides, path), model, lambda: example(sides, 2)
        ),
        entry,
        folder,
    )
    data = RandomInputs(sides, classes)
    subject = f"{text}, random inputs"
    return ProfiledNetwork(
        subject, model, sides, classes, architecture, artifact, entry, options, False, (), data
    )


def _architecture(text: str) -> Any:
    """Returns the value of --model in the form of a study file."""
    name, colon, rest = text.partition(":")
    if colon and not rest.startswith((" ", "\n")) and "{" not in text:
        if name in ARCHITECTURES.names or name in ARCHITECTURES.plugins:
            return {name: rest}
        return {"python": text}
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"--model {text}: this is not YAML: {error}") from error
