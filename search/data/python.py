"""Arrays, Datasets or DataLoaders from your own function."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from paretune.raised import raised_text
from paretune.search.data.array_parts import raw_from_arrays, raw_from_pairs
from paretune.search.data.params import ArrayDataParams
from paretune.search.data.raw_data import RawData
from paretune.search.data.targets import EVERY_KIND, TargetsWanted
from paretune.search.errors import UserError
from paretune.search.user_code import code_digest, resolve

if TYPE_CHECKING:
    from paretune.search.data.user_parts import UserParts


class PythonData:
    """Your own function, "pkg.mod:function"; it returns arrays, Datasets or DataLoaders."""

    primary = "function"
    holds = "any"
    reads: ClassVar = EVERY_KIND

    class Params(ArrayDataParams):
        """Options of python."""

        function: str = Field(
            pattern=r"^[\w.]+:[\w.]+$", description='import path: "pkg.mod:function"'
        )
        args: dict[str, Any] = Field({}, description="keyword arguments of the function")

    @staticmethod
    def load(params: Params, base: Path, wanted: TargetsWanted) -> RawData | UserParts:
        """Calls the function and returns its parts.

        Raises:
            UserError: The function cannot be imported, raises, or returns anything else.
        """
        name = f"data: python {params.function}"
        try:
            function = resolve(params.function)
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"{name}: {error}; is it installed, or in the folder of the study file?"
            ) from error
        except Exception as error:  # importing runs the user's module
            raise UserError(f"{name}: importing it: {raised_text(error)}") from error
        try:
            returned = function(**params.args)
        except Exception as error:
            raise UserError(f"{name} raised {raised_text(error)}") from error
        return _read(name, returned, params, wanted)


def _read(
    name: str, returned: Any, params: PythonData.Params, wanted: TargetsWanted
) -> RawData | UserParts:
    """Returns what the function returned: arrays, or a Dataset or loader for each part.

    Raises:
        UserError: It is none of these.
    """
    from paretune.search.data.loader_sources import is_dataset
    from paretune.search.data.user_parts import UserParts, is_array_pair, parts_of

    code = json.dumps([code_digest(params.function), params.args], sort_keys=True)
    if is_dataset(returned) and not isinstance(returned, Mapping):
        return UserParts(name, {"train": returned}, code, params)
    if not isinstance(returned, Mapping):
        raise UserError(
            f"{name} returned a {type(returned).__name__}; return a mapping of arrays with x_train "
            "and y_train, a Dataset, or a mapping of train, validation and test to Datasets, "
            "DataLoaders or (inputs, targets)"
        )
    parts = parts_of(name, returned)
    pairs = [part for part, value in parts.items() if is_array_pair(value)]
    if parts and not pairs:
        return UserParts(name, parts, code, params)
    if len(pairs) < len(parts):
        others = ", ".join(part for part in parts if part not in pairs)
        raise UserError(
            f"{name} returned arrays for {', '.join(pairs)} and no arrays for {others}; return one "
            "kind for all parts"
        )
    if parts:
        inputs = {part: np.asarray(value[0]) for part, value in parts.items()}
        targets = {part: value[1] for part, value in parts.items()}
        return raw_from_pairs(name, inputs, targets, params, wanted)
    if wanted.kind == "boxes":  # lists of boxes are no arrays
        return raw_from_arrays(name, returned, params, wanted)
    try:
        arrays = {key: np.asarray(value) for key, value in returned.items()}
    except ValueError as error:
        raise UserError(f"{name} returned a value that is not an array: {error}") from error
    return raw_from_arrays(name, arrays, params, wanted)
