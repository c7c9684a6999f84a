"""Claims of trial numbers: each worker has its own, and none is lost with a worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from paretune.search.database.claims import Claim, Claims
from paretune.search.database.engine import open_engine
from paretune.search.database.store import Store
from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(open_engine(f"sqlite:///{tmp_path / 'study.db'}", create=True))
    yield store
    store.close()


def begin(store: Store, number: int) -> None:
    plan = Plan((Stage("evaluate", {"x": number}),))
    store.begin(number, "w", plan, {"x": number}, {"params": {}, "attributes": {}})


def numbers(*claims: Claim) -> list[int | None]:
    return [claim.number for claim in claims]


def test_each_worker_claims_a_number_of_its_own(store: Store) -> None:
    claims = Claims(store.engine)
    begin(store, 1)
    first, second, third = (claims.claim(name) for name in "abc")
    assert numbers(first, second, third) == [2, 3, 4]
    assert (third.ahead, third.others) == (2, {"a", "b"})
    begin(store, 2)  # its own trial ends the claim
    assert numbers(claims.claim("a"), claims.claim("b")) == [5, 3], "one that began none keeps it"


def test_number_that_was_given_back_or_whose_worker_left_is_free(store: Store) -> None:
    claims = Claims(store.engine)
    assert numbers(claims.claim("a"), claims.claim("b"), claims.claim("c")) == [1, 2, 3]
    claims.give_back("a")
    store.remove_worker("b")
    assert numbers(claims.claim("d"), claims.claim("e")) == [1, 2]


def test_number_of_a_dead_worker_is_free_also_below_later_trials(store: Store) -> None:
    claims = Claims(store.engine)
    claims.claim("dead"), claims.claim("b")
    begin(store, 2)
    assert numbers(claims.claim("c", absent={1})) == [3], "it may be alive"
    assert numbers(claims.claim("d", absent={1}, dead={"dead"})) == [1]


def test_claims_count_among_the_trials_of_the_search(store: Store) -> None:
    claims = Claims(store.engine)
    begin(store, 1)
    assert numbers(claims.claim("a", most=2), claims.claim("b", most=2)) == [2, None]
    assert claims.claim("b", most=2).others == {"a"}, "else it could not see that it is dead"
    assert numbers(claims.claim("b", dead={"a"}, most=2)) == [2]
