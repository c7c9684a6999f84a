"""The options of `paretune retarget`."""

from __future__ import annotations

import pytest

from paretune.search.errors import UserError
from paretune.search.retargeting.request import parse_option


def test_value_of_an_option_is_read_as_yaml() -> None:
    assert parse_option("threads=2") == ("threads", 2)
    assert parse_option("provider=cuda") == ("provider", "cuda")
    with pytest.raises(UserError, match="give a key and a value"):
        parse_option("=2")
