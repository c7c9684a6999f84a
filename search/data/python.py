"""Arrays from your own function."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from paretune.search.data.array_parts import raw_from_arrays
from paretune.search.data.params import ArrayDataParams
from paretune.search.data.raw_data import RawData
from paretune.search.data.targets import EVERY_KIND, TargetsWanted
from paretune.search.errors import UserError
from paretune.search.user_code import resolve


class PythonData:
    """Your own function, "pkg.mod:function"; it returns a mapping of arrays as in an .npz file."""

    primary = "function"
    reads: ClassVar = EVERY_KIND

    class Params(ArrayDataParams):
        """Options of python."""

        function: str = Field(
            pattern=r"^[\w.]+:[\w.]+$", description='import path: "pkg.mod:function"'
        )
        args: dict[str, Any] = Field({}, description="keyword arguments of the function")

    @staticmethod
    def load(params: Params, base: Path, wanted: TargetsWanted) -> RawData:
        """Calls the function and returns the parts of its arrays.

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
            raise UserError(f"{name}: importing it: {type(error).__name__}: {error}") from error
        try:
            returned = function(**params.args)
        except Exception as error:
            raise UserError(f"{name} raised {type(error).__name__}: {error}") from error
        if not isinstance(returned, Mapping):
            raise UserError(
                f"{name} returned a {type(returned).__name__}; return a mapping with x_train and "
                "y_train; x_val, y_val, x_test and y_test are optional"
            )
        try:
            arrays = {key: np.asarray(value) for key, value in returned.items()}
        except ValueError as error:
            raise UserError(f"{name} returned a value that is not an array: {error}") from error
        return raw_from_arrays(name, arrays, params, wanted)
