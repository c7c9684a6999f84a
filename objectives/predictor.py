"""Runs a deployed file on inputs in the network's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from paretune.inputs import Shape, signature_of
from paretune.nests import Nest, nest_of
from paretune.objectives.errors import Unmeasurable
from paretune.objectives.flat_arrays import flat_arrays
from paretune.objectives.runtimes.base import OUTPUTS, Artifact


class Predictor:
    """The deployed file as a function: arrays or tensors in, arrays out. It is a `Predict`.

    Inputs come in the network's form. `predict(x)`, `predict((a, b))`, `predict(a, b)`,
    `predict({"x": a})` and `predict(x=a)` all work; a batch may have any size above 0.

    Args:
        session: The loaded file: flat arrays in, an array or a tuple of arrays out.
        shape: What the network takes.
        form: Form of the outputs, as `form_of` returns it; None for a single tensor.
    """

    def __init__(self, session: Callable[..., Any], shape: Shape, form: Any = None) -> None:
        self._session = session
        self._signature = signature_of(shape)
        self._form = form

    @staticmethod
    def of(session: Callable[..., Any], shape: Shape, artifact: Artifact) -> Predictor:
        """Returns the predictor of an artifact."""
        return Predictor(session, shape, artifact.info.get(OUTPUTS))

    def __call__(self, *inputs: Nest, **named: Any) -> Nest:
        """Runs a batch.

        Returns:
            Arrays in the form of the network's outputs: [B, ...] each.

        Raises:
            Unmeasurable: The inputs do not fit the network.
        """
        outputs = self._session(*flat_arrays(self._signature, self._nest(inputs, named)))
        flat = outputs if isinstance(outputs, tuple | list) else (outputs,)
        try:
            return nest_of(self._form, flat)
        except (AssertionError, IndexError):
            raise Unmeasurable(
                f"the file gives {len(flat)} outputs, but its network another number; "
                "deploy it again"
            ) from None

    def _nest(self, inputs: tuple[Nest, ...], named: dict[str, Any]) -> Nest:
        """Returns the inputs of a call as one nest."""
        if not named:
            return inputs[0] if len(inputs) == 1 else inputs
        if len(inputs) + len(named) != len(self._signature.names):
            return (*inputs, *named.values())  # refused by its number
        return {**dict(zip(self._signature.names, inputs, strict=False)), **named}
