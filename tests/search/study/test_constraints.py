"""Constraints and goals are read from text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paretune.search.study.constraints import read_constraint
from paretune.search.study.spec import Bound

UNITS = {
    "accuracy": "fraction",
    "latency": "ms",
    "size": "bytes",
    "parameters": "parameters",
    "macs": "MACs",
    "my.mod:power": "W",
}


@pytest.mark.parametrize(
    ("text", "upper", "factor", "offset"),
    [
        # absolute, with and without units
        ("latency <= 2 ms", True, 0, 2),
        ("latency <= 2ms", True, 0, 2),
        ("latency<=2", True, 0, 2),
        ("latency < 2", True, 0, 2),
        ("latency >= 500 us", False, 0, 0.5),
        ("latency > 1.5 s", False, 0, 1500),
        ("latency <= 1e-3 s", True, 0, 1),
        ("latency <= .5", True, 0, 0.5),
        ("latency <= 2.", True, 0, 2),
        ("size <= 61.2 KB", True, 0, 61_200),
        ("size <= 1 MB", True, 0, 1_000_000),
        ("size <= 1 mib", True, 0, 1_048_576),
        ("size <= 2 KiB", True, 0, 2048),
        ("size <= 1 GB", True, 0, 1e9),
        ("size <= 1000 bytes", True, 0, 1000),
        ("size <= 10 B", True, 0, 10),
        ("parameters <= 1.5 M", True, 0, 1.5e6),
        ("parameters <= 9 parameters", True, 0, 9),
        ("macs <= 3 G", True, 0, 3e9),
        ("macs <= 30k", True, 0, 30_000),
        ("macs <= 7 MACs", True, 0, 7),
        ("my.mod:power <= 3", True, 0, 3),
        ("my.mod:power <= 3 W", True, 0, 3),
        # a fraction: per cent are points
        ("accuracy >= 0.9", False, 0, 0.9),
        ("accuracy >= 90%", False, 0, 0.9),
        ("accuracy >= 90 %", False, 0, 0.9),
        ("accuracy >= 0", False, 0, 0),
        ("accuracy >= 100%", False, 0, 1),
        ("accuracy >= baseline - 1%", False, 1, -0.01),
        ("accuracy >= baseline + 0.02", False, 1, 0.02),
        ("accuracy >= -1%", False, 1, -0.01),
        ("accuracy >= +2%", False, 1, 0.02),
        ("accuracy >= 0.5 x baseline - 1%", False, 0.5, -0.01),
        # relative: per cent of anything else are hundredths of the baseline
        ("latency <= baseline", True, 1, 0),
        ("latency <= 0.5 x baseline", True, 0.5, 0),
        ("latency <= 0.5x baseline", True, 0.5, 0),
        ("latency <= 0.5 * baseline", True, 0.5, 0),
        ("latency <= 0.5x", True, 0.5, 0),
        ("latency <= baseline - 10%", True, 0.9, 0),
        ("latency <= -10%", True, 0.9, 0),
        ("latency <= 2 x baseline + 10%", True, 2.1, 0),
        ("latency <= baseline + 0.5 ms", True, 1, 0.5),
        ("latency <= baseline - 500us", True, 1, -0.5),
        ("size <= 0.1 x baseline + 1 KB", True, 0.1, 1000),
    ],
)
def test_constraint_is_read_as_its_formula(
    text: str, upper: bool, factor: float, offset: float
) -> None:
    constraint = read_constraint(text, UNITS)

    assert constraint.upper is upper
    assert constraint.bound.factor == pytest.approx(factor)
    assert constraint.bound.offset == pytest.approx(offset)
    assert constraint.text == text
    assert constraint.quantity == text.split("<")[0].split(">")[0].strip()


EXAMPLES = '"latency <= 2 ms", "latency <= 0.5 x baseline", "accuracy >= baseline - 1%"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", " is not a constraint; write {EXAMPLES}"),
        ("latency", " is not a constraint; write {EXAMPLES}"),
        ("latency == 2", " is not a constraint; write {EXAMPLES}"),
        ("latency <=", ': "=" is not a bound; write {EXAMPLES}'),
        ("2 <= latency", ': "latency" is not a bound; write {EXAMPLES}'),
        ("latency <= fast", ': "fast" is not a bound; write {EXAMPLES}'),
        ("latency <= nan", ': "nan" is not a bound; write {EXAMPLES}'),
        ("latency <= 1 <= 2", ': "1 <= 2" is not a bound; write {EXAMPLES}'),
        ("latency <= baseline * 2", ': "baseline * 2" is not a bound; write {EXAMPLES}'),
        ("latency <= half x baseline", ': "half x baseline" is not a bound; write {EXAMPLES}'),
        ("latency <= 1e999", ': "1e999" is not finite'),
        ("latency <= 1e999 x baseline", ': "1e999 x baseline" is not finite'),
        ("latency <= 2 KB", ': wrong unit "KB"; give ms, us, s'),
        ("size <= 2 ms", ': wrong unit "ms"; give b, kb, mb, gb, kib, mib, gib, bytes'),
        ("macs <= 2 Q", ': wrong unit "Q"; give k, m, g, macs'),
        ("my.mod:power <= 3 V", ': wrong unit "V"; give w'),
        ("accuracy >= 2 ms", ': wrong unit "ms"; give % or a plain number from 0 to 1'),
        ("latency <= 50%", ': per cent needs a reference; write "0.5 x baseline"'),
        ("accuracy >= 97", ": give 0 to 100 %, or a plain number from 0 to 1"),
        ("accuracy >= 101%", ": give 0 to 100 %, or a plain number from 0 to 1"),
        ("accuracy >= -0.1", ": give 0 to 100 %, or a plain number from 0 to 1"),
        ("accuracy >= baseline - 1", ": is 100 points or more; one point is written 1%"),
        ("accuracy >= -100%", ": is 100 points or more; one point is written 1%"),
    ],
)
def test_wrong_text_is_refused_with_what_to_type(text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        read_constraint(text, {**UNITS, "2": "ms"})

    assert str(error.value) == f'"{text}"{message.replace("{EXAMPLES}", EXAMPLES)}'


def test_unknown_quantity_is_named_by_the_error() -> None:
    with pytest.raises(KeyError) as error:
        read_constraint("speed <= 2", UNITS)

    assert error.value.args == ("speed",)


positive = st.floats(1e-6, 1e6)


@given(points=st.integers(0, 99), baseline=st.floats(0, 1))
def test_per_cent_of_a_fraction_is_a_point(points: int, baseline: float) -> None:
    bound = read_constraint(f"accuracy >= baseline - {points}%", UNITS).bound

    assert bound.resolve(baseline) == pytest.approx(baseline - points / 100)


@given(share=st.integers(0, 500), baseline=positive)
def test_per_cent_of_any_other_unit_is_a_hundredth_of_the_baseline(
    share: int, baseline: float
) -> None:
    bound = read_constraint(f"latency <= baseline + {share}%", UNITS).bound

    assert bound.resolve(baseline) == pytest.approx(baseline * (1 + share / 100))


@given(
    number=st.floats(0, 1e6, allow_subnormal=False),
    unit=st.sampled_from([("us", 1e-3), ("ms", 1.0), ("s", 1e3), ("MS", 1.0), ("", 1.0)]),
    space=st.sampled_from(["", " ", "  "]),
)
def test_unit_scales_the_number(number: float, unit: tuple[str, float], space: str) -> None:
    suffix, factor = unit

    bound = read_constraint(f"latency <= {number!r}{space}{suffix}", UNITS).bound

    assert bound == Bound(0.0, number * factor)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        constraint = read_constraint(text, UNITS)
    except KeyError as error:
        assert error.args[0] not in UNITS
    except ValueError as error:
        assert text in str(error)
    else:
        assert constraint.quantity in UNITS


def test_name_of_a_logged_score_is_read() -> None:
    constraint = read_constraint("val/acc-1 >= 70%", {"val/acc-1": "fraction"})
    assert (constraint.quantity, constraint.bound.offset) == ("val/acc-1", 0.7)
