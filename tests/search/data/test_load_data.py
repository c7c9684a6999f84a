"""The table of data sets: every entry has options and a description."""

from __future__ import annotations

import pytest

from paretune.search.data import DATASETS


@pytest.mark.parametrize("name", DATASETS.names)
def test_every_data_set_has_options_and_a_description(name: str) -> None:
    entry = DATASETS.get(name)

    fields = {"validation"} if name in ("text", "table") else {"validation", "memory", "workers"}
    assert fields <= set(entry.Params.model_fields)
    assert (entry.__doc__ or "").splitlines()[0].endswith(".")
    assert getattr(entry, "primary", "validation") in entry.Params.model_fields
