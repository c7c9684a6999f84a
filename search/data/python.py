"""Arrays from the user's own function."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from paretune.search.data.npz import raw_from_arrays
from paretune.search.data.params import ImageDataParams
from paretune.search.data.raw_data import RawData
from paretune.search.errors import UserError
from paretune.search.user_code import resolve


class PythonData:
    """Your own function "pkg.mod:function", which gives a mapping of the arrays of an .npz."""

    primary = "function"

    class Params(ImageDataParams):
        """Options of python."""

        function: str = Field(pattern=r"^[\w.]+:[\w.]+$", description='"pkg.mod:function"')
        args: dict[str, Any] = Field({}, description="keyword arguments of the function")

    @staticmethod
    def load(params: Params, base: Path) -> RawData:
        """What the function gives.

        Raises:
            UserError: It cannot be found, raises, or gives something else.
        """
        name = f"data: python {params.function}"
        try:
            function = resolve(params.function)
        except (ImportError, AttributeError) as error:
            raise UserError(
                f"{name}: {error}; is it installed, or beside the study file?"
            ) from error
        except Exception as error:  # the user's module runs when it is imported
            raise UserError(f"{name}: importing it: {type(error).__name__}: {error}") from error
        try:
            given = function(**params.args)
        except Exception as error:
            raise UserError(f"{name} raised {type(error).__name__}: {error}") from error
        if not isinstance(given, Mapping):
            raise UserError(
                f"{name} gave a {type(given).__name__}; give a mapping with x_train, y_train and, "
                "if there are such, x_val, y_val, x_test, y_test"
            )
        try:
            arrays = {key: np.asarray(value) for key, value in given.items()}
        except ValueError as error:
            raise UserError(f"{name} gave what is no array: {error}") from error
        return raw_from_arrays(name, arrays)
