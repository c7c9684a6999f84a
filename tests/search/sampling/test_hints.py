"""Plans to try first: each once, completed in the same way by every worker."""

from __future__ import annotations

from paretune.search.sampling.hints import HINT, Hints
from paretune.search.sampling.prior import Prior
from paretune.search.study.beliefs import NumberBelief
from paretune.spaces.domains import Choice, Fixed, Float, Record

SPACE = Record(
    (
        ("mode", Choice((("a", Fixed(1)), ("b", Record((("rate", Float(0, 1)),)))))),
        ("size", Choice((("1", Fixed(1)), ("2", Fixed(2))))),
    )
)


def hints(*plans: dict[str, object], prior: Prior | None = None) -> Hints:
    return Hints(plans, SPACE, prior, 5)


def test_hint_completes_the_plan_equally_in_every_worker() -> None:
    first, second = hints({"mode": "b"}), hints({"size": "1"}, {"mode": "b"})
    one, _ = first.next(lambda _: False), second.next(lambda _: False)
    second.begun({HINT: _.key if _ else ""})
    other = second.next(lambda _: False)
    assert one is not None and one == other
    assert one.params.keys() == {"mode", "mode.rate", "size"}


def test_hint_stays_until_its_trial_has_begun() -> None:
    waiting = hints({"mode": "a"}, {"mode": "b"})
    first = waiting.next(lambda _: False)
    assert first == waiting.next(lambda _: False)
    assert first is not None
    waiting.begun({"params": {}, HINT: first.key})
    second = waiting.next(lambda _: False)
    assert second is not None and second.params["mode"] == "b"
    waiting.begun({"params": {}, HINT: second.key})
    assert waiting.next(lambda _: False) is None and len(waiting) == 0


def test_trial_of_a_sampler_ends_no_hint() -> None:
    waiting = hints({"mode": "a"})
    waiting.begun({"params": {"mode": "a"}, "attributes": {}})
    assert len(waiting) == 1


def test_complete_plan_that_has_a_trial_is_dropped() -> None:
    waiting = hints({"mode": "a", "size": "1"}, {"mode": "a", "size": "2"})
    hint = waiting.next(lambda choices: choices == {"mode": 1, "size": 1})
    assert hint is not None and hint.params == {"mode": "a", "size": "2"}


def test_partial_plan_takes_another_draw_if_the_first_has_a_trial() -> None:
    seen: list[object] = []

    def is_begun(choices: object) -> bool:
        seen.append(choices)
        return choices == {"mode": 1, "size": 1}

    hint = hints({"mode": "a"}).next(is_begun)
    assert hint is not None and hint.params == {"mode": "a", "size": "2"}


def test_equal_entries_are_two_plans() -> None:
    waiting = hints({"mode": "b"}, {"mode": "b"})
    first = waiting.next(lambda _: False)
    assert first is not None
    waiting.begun({HINT: first.key})
    second = waiting.next(lambda _: False)
    assert second is not None and second.params != first.params


def test_other_parameters_are_drawn_by_the_beliefs() -> None:
    prior = Prior(SPACE, {"mode.rate": NumberBelief(0.5, 0.02)})
    waiting = hints(*({"mode": "b"} for _ in range(20)), prior=prior)
    near = 0
    while hint := waiting.next(lambda _: False):
        near += abs(hint.params["mode.rate"] - 0.5) < 0.1
        waiting.begun({HINT: hint.key})
    assert near > 10


def test_hint_that_another_worker_is_about_to_begin_is_left_to_it() -> None:
    waiting = hints({"mode": "a"}, {"size": "1"})
    first, second = waiting.next(lambda _: False), waiting.next(lambda _: False, ahead=1)
    assert first is not None and first.params["mode"] == "a"
    assert second is not None and second.params["size"] == "1" and second != first
    assert waiting.next(lambda _: False, ahead=2) is None and len(waiting) == 2
