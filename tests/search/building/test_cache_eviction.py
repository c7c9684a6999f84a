"""Which stages leave the cache: by cost, size and idleness; and what never does."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.building.cache_eviction import CachedStage, to_drop
from paretune.search.building.stage_cache import StageCache
from paretune.search.database.counts import counts_of
from paretune.search.database.engine import open_engine
from paretune.search.database.rows import engine_rows
from paretune.search.database.store import Store
from paretune.spaces.base import Candidate
from paretune.spaces.rebuild import initial_candidate, rebuild

NOW = 1000.0


def entry(key: str, size: int = 100, seconds: float = 10.0, idle: float = 60.0) -> CachedStage:
    return CachedStage(key, size, seconds, NOW - idle)


def dropped(*entries: CachedStage, limit: int, needed: frozenset[str] = frozenset()) -> list[str]:
    return [kept.key for kept in to_drop(entries, limit, needed, NOW)]


def test_nothing_is_dropped_while_all_fits() -> None:
    assert dropped(entry("a"), entry("b"), limit=200) == []


@pytest.mark.parametrize(
    "least",
    [entry("least", seconds=5), entry("least", size=200), entry("least", idle=120)],
    ids=["cheap", "large", "idle"],
)
def test_cheapest_per_byte_and_idleness_goes_first(least: CachedStage) -> None:
    assert dropped(entry("a"), least, entry("b"), limit=299) == ["least"]


def test_twice_the_cost_makes_up_for_twice_the_size() -> None:
    large, small = entry("large", size=200, seconds=20.0), entry("small")
    assert large.worth(NOW) == small.worth(NOW)


def test_eviction_frees_a_tenth_of_the_limit() -> None:
    entries = [entry(str(n), seconds=n + 1.0) for n in range(10)]
    assert dropped(*entries, limit=999) == ["0", "1"]  # 1000 -> at most 899


def test_needed_stages_stay_for_any_size() -> None:
    entries = [entry("front", seconds=0.1), entry("a"), entry("b", seconds=20)]
    assert dropped(*entries, limit=250, needed=frozenset({"front"})) == ["a"]
    assert dropped(*entries, limit=1, needed=frozenset({"front", "a", "b"})) == []


# -- in the cache ------------------------------------------------------------------------------


@pytest.fixture
def network() -> Candidate:
    return initial_candidate({"simple_cnn": {"width": 0.0625}}, (1, 8, 8), 10, seed=0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True))


def size_of(network: Candidate, folder: Path) -> int:
    other_store = Store(open_engine(f"sqlite:///{folder / 'other.db'}", create=True))
    StageCache(folder / "other", other_store).save("x", "pretrain", None, network, 1.0, {})
    return (folder / "other" / "x.safetensors").stat().st_size


def test_stage_beyond_the_limit_drops_the_cheapest_one_and_its_cost_stays_known(
    tmp_path: Path, network: Candidate, store: Store
) -> None:
    limit = int(2.5 * size_of(network, tmp_path))
    cache = StageCache(tmp_path / "stages", store, limit, lambda: {"front"})
    for key, seconds in (("front", 0.1), ("cheap", 1.0), ("dear", 50.0)):
        cache.save(key, "pretrain", None, network, seconds, {})
    assert not cache.has("cheap")
    assert cache.load("cheap", rebuild) is None
    assert cache.load("front", rebuild) is not None
    assert cache.load("dear", rebuild) is not None
    assert {row["key"] for row in store.cached_stages()} == {"front", "dear"}
    counts = counts_of(engine_rows(store.engine))
    assert (counts.stage_seconds, counts.cache_stages, counts.dropped) == (51.1, 2, 1)
    assert counts.cache_bytes == store.cached_bytes()
    assert store.cached_bytes() <= limit


def test_dropped_stage_that_is_made_again_is_no_longer_dropped(
    tmp_path: Path, network: Candidate, store: Store
) -> None:
    limit = int(1.5 * size_of(network, tmp_path))
    cache = StageCache(tmp_path / "stages", store, limit)
    cache.save("a", "pretrain", None, network, 1.0, {})
    cache.save("b", "pretrain", None, network, 1.0, {})
    assert not cache.has("a")
    cache.save("a", "pretrain", None, network, 1.0, {})
    dropped = counts_of(engine_rows(store.engine)).dropped
    assert (cache.has("a"), cache.has("b"), dropped) == (True, False, 1)


def test_locked_stage_is_not_dropped(tmp_path: Path, network: Candidate, store: Store) -> None:
    limit = int(1.5 * size_of(network, tmp_path))
    cache = StageCache(tmp_path / "stages", store, limit)
    cache.save("a", "pretrain", None, network, 1.0, {})
    with cache.lock("a"):
        cache.save("b", "pretrain", None, network, 1.0, {})
        assert cache.has("a")
    cache.save("b", "pretrain", None, network, 1.0, {})
    assert not cache.has("a")
