"""The sections `objectives`, `constraints` and `goals`."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.measuring.gauge import Gauge
from paretune.search.study.spec import Bound
from paretune.search.study_file.loading import load_study
from support.mistakes import assert_override_refused, assert_refused
from support.studies import problems


def test_objectives_have_direction_unit_and_options(small: Path) -> None:
    objectives = load_study(small).objectives

    assert [(o.name, o.direction, o.unit) for o in objectives] == [
        ("accuracy", "maximize", "fraction"),
        ("latency", "minimize", "ms"),
        ("size", "minimize", "bytes"),
    ]
    assert objectives[1].options["statistic"] == "p50"
    assert objectives[1].options["batch"] == 4


def test_constraints_and_goals_are_bounds(small: Path) -> None:
    spec = load_study(small)

    assert [c.bound for c in spec.constraints] == [Bound(1.0, -0.03)]
    assert [g.bound for g in spec.goals] == [Bound(0.0, 20_000.0)]


@pytest.mark.parametrize(
    ("cold", "hot"),
    [
        ("{minimize: p90, batch: 4}", "minimize"),
        ("{minimize: p90}", "{minimize: null, batch: 4}"),
        ("{minimize: p90, batch: 4}", "{minimize: null, batch: 4}"),
    ],
)
def test_options_count_for_all_values_of_one_measurement(small: Path, cold: str, hot: str) -> None:
    text = small.read_text().replace("{minimize: p50, batch: 4}", cold)
    text = text.replace("  size: minimize", f"  latency.sustained: {hot}\n  size: minimize")
    board = 'runtime: {onnxruntime: {}, device: "ssh://pi@cam", sustained: 60s}'
    small.write_text(text.replace("runtime: onnxruntime", board))

    spec = load_study(small)

    options = {o.name: o.options for o in spec.objectives}
    assert options["latency"] | {"statistic": "p50"} == options["latency.sustained"]
    assert options["latency"]["statistic"] == "p90"
    assert dict(Gauge.of(spec).quantities)["latency"]["batch"] == 4


MISTAKES = [
    (
        "{minimize: p50, batch: 4}",
        "{minimize: p50, bach: 4}",
        "objectives.latency.bach",
        'unknown key; did you mean "batch"? Known: ...',
    ),
    (
        "accuracy: maximize",
        "acuracy: maximize",
        "objectives.acuracy",
        'unknown objective "acuracy"; did you mean "accuracy"? Known: ...',
    ),
    (
        '"size <= 20 KB"',
        '"sise <= 20 KB"',
        "goals.0",
        'unknown objective "sise"; did you mean "size"? Known: ...',
    ),
    (
        "  - accuracy >= baseline - 3%",
        "  - acuracy >= 0.5",
        "constraints.0",
        'unknown objective "acuracy"; did you mean "accuracy"? Known: ...',
    ),
    ('["size <= 20 KB"]', "size <= 20 KB", "goals", 'give a list: ["latency <= 2 ms"]'),
    ('["size <= 20 KB"]', "[3]", "goals.0", 'give text: "latency <= 2 ms", not 3'),
    (
        "accuracy: maximize",
        "accuracy: minimize",
        "objectives.accuracy",
        "accuracy is better when higher: write maximize",
    ),
    ("accuracy: maximize", "accuracy: best", "objectives.accuracy", "give maximize, not 'best'"),
    ("accuracy: maximize", "accuracy:", "objectives.accuracy", "give maximize, not None"),
    (
        "{minimize: p50, batch: 4}",
        "{minimize: p50, statistic: p90}",
        "objectives.latency",
        "write minimize: p90, no statistic",
    ),
    (
        "size: minimize",
        "size: {minimize: p50}",
        "objectives.size",
        "has one statistic only: write size: minimize",
    ),
    (
        "{minimize: p50, batch: 4}",
        "{batch: 4}",
        "objectives.latency",
        "give a direction: {minimize: ...}",
    ),
    (
        "{minimize: p50, batch: 4}",
        "{minimize: p51}",
        "objectives.latency.statistic",
        "must be 'p50', 'p90', 'p99' or 'mean', got 'p51'",
    ),
    (
        '"size <= 20 KB"',
        '"size is small"',
        "goals.0",
        '"size is small" is not a constraint; write "latency <= 2 ms", "latency <= 0.5 x '
        'baseline", "accuracy >= baseline - 1%"',
    ),
    (
        '"size <= 20 KB"',
        '"size <= tiny"',
        "goals.0",
        '"size <= tiny": "tiny" is not a bound; write "latency <= 2 ms", "latency <= 0.5 x '
        'baseline", "accuracy >= baseline - 1%"',
    ),
    (
        '"size <= 20 KB"',
        '"size <= 20 ms"',
        "goals.0",
        '"size <= 20 ms": wrong unit "ms"; give b, kb, mb, gb, kib, mib, gib, bytes',
    ),
    (
        '"size <= 20 KB"',
        '"size <= 20%"',
        "goals.0",
        '"size <= 20%": per cent needs a reference; write "0.2 x baseline"',
    ),
    (
        '"size <= 20 KB"',
        '"accuracy >= 97"',
        "goals.0",
        '"accuracy >= 97": give 0 to 100 %, or a plain number from 0 to 1',
    ),
    (
        "batch: 4",
        "batch: 0",
        "objectives.latency.batch",
        "must be greater than or equal to 1, got 0",
    ),
]

OVERRIDES = [
    ("objectives={}", "objectives: is missing; give at least one, `accuracy: maximize`: "),
]


@pytest.mark.parametrize(("old", "new", "key", "text"), MISTAKES)
def test_mistake_is_refused_at_its_line(
    small: Path, old: str, new: str, key: str, text: str
) -> None:
    assert_refused(small, old, new, key, text)


@pytest.mark.parametrize(("override", "text"), OVERRIDES)
def test_mistake_in_an_override_is_refused_by_its_name(
    small: Path, override: str, text: str
) -> None:
    assert_override_refused(small, override, text)


def test_objective_is_refused_when_the_dotted_path_is_not_an_objective(small: Path) -> None:
    override = "objectives={accuracy: maximize, 'os:path': minimize}"

    assert problems(small, override, "constraints=['os:path <= 3']")[0] == (
        f"--set {override}: objectives.os:path: "
        '"os:path" is not an objective: it has no Params, unit or better'
    )


@pytest.mark.parametrize("value", ["3", "[accuracy]", "accuracy"])
def test_objectives_are_refused_when_they_are_not_a_mapping(small: Path, value: str) -> None:
    lines = problems(small, f"objectives={value}")

    assert f"--set objectives={value}: objectives: give a mapping, not " in lines[0]
