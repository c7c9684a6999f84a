"""Feeds an ncnn.Net and reads its blobs, one example at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from paretune.objectives.errors import Unmeasurable

if TYPE_CHECKING:
    import numpy as np

    from paretune.objectives.runtimes.ncnn_integers import NcnnInput


def fed(net: Any, inputs: Sequence[NcnnInput], example: Sequence[np.ndarray]) -> Any:
    """Returns an ncnn.Extractor that has an example.

    Args:
        net: The ncnn.Net.
        inputs: What to feed.
        example: An array for each input of the network, without the batch.
    """
    import ncnn
    import numpy as np

    extractor = net.create_extractor()
    for each in inputs:
        values = np.ascontiguousarray(example[each.index], each.type)
        extractor.input(each.blob, ncnn.Mat(values).clone())  # a copy that ncnn owns and aligns
    return extractor


def blob_of(extractor: Any, name: str) -> np.ndarray:
    """Returns a blob as an array.

    Raises:
        Unmeasurable: ncnn cannot compute it.
    """
    import numpy as np

    status, blob = extractor.extract(name)
    if status:
        raise Unmeasurable(f"ncnn cannot compute {name} (status {status})")
    return np.array(blob)
