"""The tables of names."""

from __future__ import annotations

from paretune.search.sampling.samplers import SAMPLERS
from paretune.search.study.tables import OBJECTIVES, RUNTIMES, SAMPLER_NAMES


def test_names_of_samplers_are_the_keys_of_their_table() -> None:
    assert sorted(SAMPLER_NAMES) == sorted(SAMPLERS)


def test_every_objective_and_runtime_has_parameters() -> None:
    for table in (OBJECTIVES, RUNTIMES):
        assert all(hasattr(table.get(name), "Params") for name in table.names)
