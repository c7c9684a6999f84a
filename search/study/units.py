"""Formats numbers with their units for people."""

from __future__ import annotations

from paretune.objectives.base import Measurement
from paretune.objectives.metrics import PLAIN, metric_of
from paretune.search.study.records import Axis

_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "KB"), (1.0, "B"))
_COUNTS = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def shown_unit(unit: str, name: str) -> str:
    """Returns the unit that a quantity is shown in; a fraction such as r2 is a plain number."""
    if unit != "fraction":
        return unit
    metric = metric_of(name.partition("@")[0])
    return "" if metric is not None and metric in PLAIN else unit


def format_value(value: float, unit: str, name: str = "") -> str:
    """Returns `97.80 %`, `0.182 ms`, `61.2 KB`, `134 k`: three or four significant digits.

    Args:
        value: The value.
        unit: Its unit.
        name: The quantity; a fraction such as r2 is shown as a plain number.
    """
    unit = shown_unit(unit, name)
    match unit:
        case "fraction":
            return f"{100 * value:.2f} %"
        case "ms":
            return _milliseconds(value)
        case "bytes":
            return _scaled(value, _BYTES, " ")
        case "J":
            return f"{value:.4g} J" if value >= 1 else f"{1000 * value:.4g} mJ"
        case "parameters" | "MACs" | "activations":
            return _scaled(value, _COUNTS, " ").rstrip()
        case _:
            return f"{value:.4g} {unit}".rstrip()


def format_quantity(value: float, quantity: Measurement | Axis) -> str:
    """Returns a value of a quantity, as `format_value` does."""
    return format_value(value, quantity.unit, quantity.name)


def format_interval(measurement: Measurement) -> str:
    """Returns the 95 % interval, `96.1-98.9 %` or `± 1.2 %`; an empty string for an exact quantity.

    Ends are given for fractions, and where half the interval is larger than the value.
    """
    m, half = measurement, (measurement.high - measurement.low) / 2
    if m.low == m.high:
        return ""
    if shown_unit(m.unit, m.name) != m.unit:
        return f"{m.low:.4g} to {m.high:.4g}"
    if m.unit == "fraction":
        return f"{100 * m.low:.1f}-{100 * m.high:.1f} %"
    if half < abs(m.value):
        return f"± {100 * half / abs(m.value):.1f} %"
    return f"{format_value(m.low, '')} to {format_value(m.high, m.unit)}"


def format_about(measurement: Measurement, short: bool = False) -> str:
    """Returns the value and half of the 95 % interval: `98.7 ±1.1 %`, `0.0977 ms ±19 %`.

    Half the interval has two digits, or one if `short`. The value of a fraction has as many
    decimals.
    """
    m, half = measurement, (measurement.high - measurement.low) / 2
    if m.low == m.high:
        return format_value(m.value, m.unit, m.name)
    if shown_unit(m.unit, m.name) != m.unit:
        return f"{m.value:.4g} ±{half:.{1 if short else 2}g}"
    if m.unit == "fraction":
        digits = 1 if 100 * half >= (0.1 if short else 0.95) else 2
        return f"{100 * m.value:.{digits}f} ±{100 * half:.{digits}f} %"
    if not m.value:
        return f"{format_value(m.value, m.unit)} ±{half:.2g}"
    share = 100 * half / abs(m.value)
    digits = 0 if share >= (0.95 if short else 9.95) else 1
    return f"{format_value(m.value, m.unit)} ±{share:.{digits}f} %"


def format_chance(chance: float | None) -> str:
    """Returns a probability, `97 %`, `>99 %` or `<1 %`; an empty string for None."""
    if chance is None:
        return ""
    if chance > 0.995:
        return ">99 %"
    return f"{100 * chance:.0f} %" if chance >= 0.005 else "<1 %"


def format_times(ratio: float) -> str:
    """Returns `5.2x`, or `1.03x` if the first decimal would hide the difference."""
    if ratio >= 100:
        return f"{ratio:.0f}x"
    return f"{ratio:.1f}x" if ratio >= 1.995 else f"{ratio:.2f}x"


def _milliseconds(value: float) -> str:
    if value >= 999.5:
        return f"{value / 1000:.3g} s" if value < 999_500 else f"{value / 1000:.0f} s"
    if value < 1:
        return f"{value:.3f} ms" if value >= 0.1 else f"{value:.4f} ms"
    return f"{value:.0f} ms" if value >= 100 else f"{value:.2f} ms"


def _scaled(value: float, units: tuple[tuple[float, str], ...], space: str) -> str:
    for size, name in units:
        if value >= size or size == 1.0:
            scaled = value / size
            digits = 0 if size == 1.0 or scaled >= 100 else 1 if scaled >= 10 else 2
            return f"{scaled:.{digits}f}{space}{name}"
    raise AssertionError("the last unit is 1")
