"""Options of tables."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from paretune.search.data.params import SplitParams


class TableParams(SplitParams):
    """Options of table."""

    file: str = Field(
        description="a .csv or .tsv file with a header, or a folder with train, val and test. "
        "Relative to the study file"
    )
    target: str | list[str] = Field("target", description="column, or columns, to predict")
    test_file: str | None = Field(None, description="file of the test part")
    validation_file: str | None = Field(None, description="file of the validation part")
    ignore: list[str] = Field([], description="columns to leave out, such as numbers of rows")
    categorical: list[str] = Field(
        [], description="columns of categories that are written as numbers"
    )
    encode: Literal["one_hot", "integer"] = Field(
        "one_hot",
        description="one_hot: a feature for each category of the training part, unknown and "
        "missing ones are zeros; integer: 1, 2, ... for its categories, and 0 for those",
    )
    standardize: bool = Field(
        True,
        description="bring numbers to mean 0 and standard deviation 1 on the training part",
    )
    missing: Literal["mean", "refuse"] = Field(
        "mean",
        description="what a missing number (empty, NA, NaN, ?) becomes: the training part's "
        "mean; or refuse the data",
    )

    @field_validator("target")
    @classmethod
    def _check_target(cls, value: str | list[str]) -> str | list[str]:
        if not value:
            raise ValueError("name at least one column")
        return value

    @property
    def targets(self) -> list[str]:
        """The target columns."""
        return [self.target] if isinstance(self.target, str) else self.target
