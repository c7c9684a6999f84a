"""Reads what the user's `score(predict, part)` returns.

    {"map50": 0.71}                     a number, without an interval
    {"error": errors}                   a number for each example: their mean
    {"correct": [True, False, ...]}     whether each example is correct: their share
    {"map50": (examples, mean_ap)}      anything for each example, and what sums them up

The last three have an interval, and their differences from the baseline are paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from paretune.objectives.errors import Unmeasurable
from paretune.raised import raised_text
from paretune.task import Part, Predict, Scored

if TYPE_CHECKING:
    import numpy as np

Score = Callable[[Predict, str], Any]
"""The user's function."""


def scores_of_user(score: Score, predict: Predict, part: Part) -> dict[str, Scored]:
    """Calls the user's score, and returns its values.

    Args:
        score: `score(predict, name of the part)`.
        predict: The deployed file.
        part: The part of the data.

    Raises:
        Unmeasurable: It raised an error, or its values are invalid.
    """
    try:
        answer = score(predict, part.name)
    except Unmeasurable:
        raise
    except Exception as error:  # the user's code can raise anything
        raise Unmeasurable(f"score raised {raised_text(error)}") from error
    return values_of_score(answer, part)


def values_of_score(answer: Any, part: Part) -> dict[str, Scored]:
    """Returns name -> score, from what the user's `score` returned.

    Raises:
        Unmeasurable: A value is invalid; the text says what to return.
    """
    if not isinstance(answer, Mapping) or not answer:
        raise Unmeasurable(
            f"score returned {_described(answer)}; return a mapping with at least one value: "
            '{"map50": value}'
        )
    scores = {}
    for name, value in answer.items():
        if not isinstance(name, str):
            raise Unmeasurable(f'score returned the name {name!r}; give text: {{"map50": value}}')
        scores[name] = _scored(name, value, part)
    return scores


def _scored(name: str, value: Any, part: Part) -> Scored:
    if isinstance(value, tuple) and len(value) == 2 and callable(value[1]):
        return _summarized(name, value[0], value[1], part)
    if isinstance(value, bool | str | bytes | Mapping) or value is None:
        raise Unmeasurable(_refused(name, value))
    array = _as_array(name, value)
    if array.ndim == 0:
        if array.dtype.kind == "b":
            raise Unmeasurable(_refused(name, value))
        return Scored(float(array), part.size)
    _check_count(name, len(array), part)
    if array.dtype.kind == "b":
        return Scored(float(array.mean()), part.size, correct=array)
    values = array.astype(float)
    return Scored(float(values.mean()), part.size, values=values)


def _as_array(name: str, value: Any) -> np.ndarray:
    """Returns a number as an array without axes, and numbers of the examples as [N]."""
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    elif isinstance(value, Sequence):
        value = [v.item() if hasattr(v, "item") and np.ndim(v) == 0 else v for v in value]
    try:
        array = np.asarray(value)
    except ValueError:  # rows of several lengths
        raise Unmeasurable(_refused(name, value)) from None
    if array.dtype.kind not in "biuf" or array.ndim > 1:
        raise Unmeasurable(_refused(name, value))
    return array


def _summarized(name: str, examples: Any, summary: Callable[[Any], Any], part: Part) -> Scored:
    """Returns the score of anything for each example, with a function that sums it up."""
    import numpy as np

    if not hasattr(examples, "__len__") or not hasattr(examples, "__getitem__"):
        raise Unmeasurable(
            f"score returned {name} as (examples, function), but examples is "
            f"{_described(examples)}; give a list or an array with one entry for each example"
        )
    if isinstance(examples, Mapping):
        raise Unmeasurable(
            f"score returned {name} as (examples, function), but examples is a mapping; give a "
            "list or an array with one entry for each example"
        )
    _check_count(name, len(examples), part)
    table = getattr(examples, "iloc", None)  # pandas selects columns by []
    by_rows = hasattr(examples, "shape")

    def drawn(weights: np.ndarray) -> Any:
        rows = np.repeat(np.arange(len(weights)), weights.astype(np.int64))
        if table is not None:
            return table[rows]
        return examples[rows] if by_rows else [examples[row] for row in rows]

    def weighted(weights: np.ndarray) -> float:
        """Returns the score of a sample; NaN if the function cannot sum it up."""
        try:
            return _number(name, summary(drawn(weights)))
        except Exception:  # a sample may lack what the function needs
            return math.nan

    try:
        value = _number(name, summary(examples))
    except Unmeasurable:
        raise
    except Exception as error:  # the user's code can raise anything
        raise Unmeasurable(
            f"the function that sums up {name} raised {raised_text(error)}"
        ) from error
    return Scored(value, part.size, weighted=weighted)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool | str | bytes | Mapping) or value is None:
        raise Unmeasurable(_refused(name, value))
    array = _as_array(name, value)
    if array.ndim or array.dtype.kind == "b":
        raise Unmeasurable(_refused(name, value))
    return float(array)


def _check_count(name: str, count: int, part: Part) -> None:
    if count != part.size:
        raise Unmeasurable(
            f"score gives {count} values for {name}, but the {part.name} part has {part.size} "
            "examples; give one for each example, in their order, or one number"
        )


def _refused(name: str, value: Any) -> str:
    return (
        f"score gives {_described(value)} for {name}; give a number, a number for each example, or "
        "(examples, function)"
    )


def _described(value: Any) -> str:
    """Returns a value in words: `the text '0.5'`, `None`, `a list`, `an array of shape [3, 2]`."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if hasattr(value, "shape"):
        return f"an array of shape {list(value.shape)}"
    if isinstance(value, Mapping) and not value:
        return "an empty mapping"
    return f"a {type(value).__name__}"
