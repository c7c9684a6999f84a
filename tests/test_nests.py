"""Nests: their leaves, their names, and their form as JSON."""

from __future__ import annotations

import json
from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

from paretune.nests import batch_size, form_of, leaves, mapped, named_leaves, nest_of

Pair = namedtuple("Pair", ["first", "second"])


@pytest.mark.parametrize(
    ("nest", "names"),
    [
        (1, [""]),
        ((1, 2), ["0", "1"]),
        ({"boxes": 1, "heads": [2, (3,)]}, ["boxes", "heads.0", "heads.1.0"]),
        ({"logits": 1, "loss": None}, ["logits"]),
        ((1, None, 2), ["0", "2"]),
        (OrderedDict(out=1), ["out"]),
    ],
    ids=repr,
)
def test_form_is_json_and_gives_the_nest_back(nest: Any, names: list[str]) -> None:
    assert list(named_leaves(nest)) == names
    assert leaves(nest) == list(range(1, len(names) + 1))
    form = json.loads(json.dumps(form_of(nest)))
    expected = {k: v for k, v in nest.items() if v is not None} if isinstance(nest, dict) else nest
    assert nest_of(form, leaves(nest)) == expected


def test_mapped_keeps_the_form_and_members_that_are_none() -> None:
    nest = {"a": (1, None, [2]), "b": None, "c": Pair(3, 4)}
    assert mapped(nest, lambda x: 10 * x) == {"a": (10, None, [20]), "c": (30, 40)}


def test_nest_of_needs_as_many_leaves_as_the_form_has() -> None:
    with pytest.raises(AssertionError):
        nest_of({"tuple": [None]}, [1, 2])


def test_batch_size_is_the_length_of_a_leaf_or_of_a_list_of_examples() -> None:
    assert batch_size({"a": np.zeros((3, 2)), "b": np.zeros((3, 5))}) == 3
    assert batch_size([{"boxes": np.zeros((7, 4))}, {"boxes": np.zeros((0, 4))}]) == 2
