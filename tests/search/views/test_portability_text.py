"""Which execution providers run a deployed file, in one sentence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from paretune.search.views.portability_text import portability_facts, portability_text


def artifact(**operators: int) -> dict[str, Any]:
    return {"info": {"operators": operators}}


def test_text_names_the_providers_that_run_every_operator() -> None:
    assert portability_text(artifact(Conv=3, Relu=2)) == (
        "all 5 operators run on the CPU, coreml, nnapi, qnn"
    )


def test_text_counts_and_names_what_a_provider_lacks() -> None:
    assert portability_text(artifact(Conv=3, QuantizeLinear=4, DequantizeLinear=9)) == (
        "all 16 operators run on the CPU, nnapi, qnn; coreml lacks 13 (DequantizeLinear 9, "
        "QuantizeLinear 4)"
    )


def test_text_names_the_three_most_frequent_operators() -> None:
    text = portability_text(artifact(A=1, B=4, C=2, D=3))
    assert text.startswith("all 10 operators run on the CPU; coreml lacks 10 (B 4, D 3, C 2, ...)")


@pytest.mark.parametrize("file", [None, {}, {"info": {}}, {"info": {"operators": {}}}])
def test_text_is_empty_for_a_file_without_a_list(file: Any) -> None:
    assert portability_text(file) == ""


def test_facts_name_trial_and_target() -> None:
    trials: Any = [
        SimpleNamespace(number=0, artifact=artifact(Conv=1), artifacts={}),
        SimpleNamespace(number=7, artifact=None, artifacts={"a": artifact(Conv=1), "b": {}}),
        SimpleNamespace(number=8, artifact=None, artifacts={}),
    ]
    text = "all 1 operators run on the CPU, coreml, nnapi, qnn"
    assert portability_facts(trials) == [("baseline", text), ("trial 7 on a", text)]
