"""The sections `search`, `budget` and `storage`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.errors import UserError
from paretune.search.study.spec import Selection
from paretune.search.study_file.loading import load_study
from paretune.search.study_file.search_and_budget import size_in_bytes
from support.mistakes import assert_override_refused, assert_refused, replace_part
from support.studies import problems


@pytest.mark.parametrize(
    ("override", "attribute", "value"),
    [
        ("search.seed=12", "seed", 12),
        ("search.max_failures=2", "max_failures", 2),
        ("budget.stop_at_goals=true", "stop_at_goals", True),
        ("budget={time: 90s}", "seconds", 90.0),
        ("budget={time: 90s}", "trials", None),
        ("budget.time=1h30m", "seconds", 5400.0),
        ("budget.time=2m5s", "seconds", 125.0),
        ("budget.time=2.5", "seconds", 2.5),
        (
            "search.sampler={tpe: {multivariate: true}}",
            "sampler",
            Selection("tpe", {"multivariate": True}),
        ),
        ("search.sampler={tpe: }", "sampler", Selection("tpe", {})),
        ("storage=sqlite:////var/x.db", "storage", "sqlite:////var/x.db"),
        ("storage=postgresql://me@host/db", "storage", "postgresql+psycopg://me@host/db"),
        ("storage=postgres://me:pw@host/db", "storage", "postgresql+psycopg://me:pw@host/db"),
    ],
)
def test_option_reaches_the_study(small: Path, override: str, attribute: str, value: Any) -> None:
    assert getattr(load_study(small, [override]), attribute) == value


def test_command_line_options_replace_the_files(small: Path) -> None:
    spec = load_study(small, storage="sqlite:///elsewhere.db", trials=3, time="30m")

    assert (spec.storage, spec.trials, spec.seconds) == ("sqlite:///elsewhere.db", 3, 1800.0)


@pytest.mark.parametrize(
    ("sampler", "option", "value"),
    [
        ("auto", "", "front"),
        ("thompson", "", "front"),
        ("{auto: {thompson: false}}", "", True),
        ("tpe", "", True),
        ("tpe", ", format_variants: front", "front"),
        ("auto", ", format_variants: true", True),
        ("auto", ", format_variants: false", False),
    ],
)
def test_format_variants_are_of_the_front_when_a_surrogate_chooses_formats(
    small: Path, sampler: str, option: str, value: Any
) -> None:
    replace_part(small, "sampler: random", f"sampler: {sampler}{option}")

    assert load_study(small).format_variants == value


@pytest.mark.parametrize(
    ("size", "expected"),
    [("500 MB", 500_000_000), ("1.5GiB", 1_610_612_736), ("2 TB", 2_000_000_000_000)],
)
def test_cache_limit_is_a_size(tiny: Path, size: str, expected: int) -> None:
    assert load_study(tiny).cache_limit == 20_000_000_000
    assert load_study(tiny, [f"search.cache={size}"]).cache_limit == expected
    assert size_in_bytes(size) == expected


# -- mistakes ------------------------------------------------------------------------------------

MISTAKES = [
    ("seed: 7", "sed: 7", "search.sed", 'unknown key; did you mean "seed"? Known: ...'),
    ("time: 1h", "tiem: 1h", "budget.tiem", 'unknown key; did you mean "time"? Known: ...'),
    (
        "sampler: random",
        "sampler: randm",
        "search.sampler",
        'unknown sampler "randm"; did you mean "random"? Known: ...',
    ),
    ("seed: 7", "seed: '7'", "search.seed", "must be a valid integer, got '7'"),
    ("trials: 10", "trials: ten", "budget.trials", "must be a valid integer, got 'ten'"),
    (
        "sampler: random",
        "sampler: grid",
        "search.sampler",
        "grid needs finite domains; give a step or a choice to pruning.structured.ratio, "
        "finetune.optimizer.sgd.lr",
    ),
    (
        "sampler: random",
        "sampler: {tpe: 3}",
        "search.sampler.tpe",
        "give a mapping of options, not 3",
    ),
    (
        "time: 1h",
        "time: soon",
        "budget.time",
        "give a time such as 2h, 30m, 1h30m or 90s, not 'soon'",
    ),
    ("time: 1h", "time: 0", "budget.time", "give a time such as 2h, 30m, 1h30m or 90s, not 0"),
    (
        "time: 1h",
        "time: true",
        "budget.time",
        "give a time such as 2h, 30m, 1h30m or 90s, not True",
    ),
    (
        "time: 1h",
        "time: 30m1h",
        "budget.time",
        "give a time such as 2h, 30m, 1h30m or 90s, not '30m1h'",
    ),
    ("time: 1h", "time: 0s", "budget.time", "give a time such as 2h, 30m, 1h30m or 90s, not '0s'"),
    (
        "study: small",
        "storage: banana",
        "storage",
        "give sqlite, sqlite:///FILE or postgresql://USER@HOST/DATABASE, not 'banana'",
    ),
    (
        "study: small",
        "storage: 3",
        "storage",
        "give sqlite, sqlite:///FILE or postgresql://USER@HOST/DATABASE, not 3",
    ),
    (
        "study: small",
        "storage: mysql://h/db",
        "storage",
        "give sqlite, sqlite:///FILE or postgresql://USER@HOST/DATABASE, not 'mysql://h/db'",
    ),
    ("seed: 7", "seed: -1", "search.seed", "must be greater than or equal to 0, got -1"),
    ("trials: 10", "trials: 0", "budget.trials", "must be greater than or equal to 1, got 0"),
]

OVERRIDES = [
    ("search=3", "search: give a mapping, not 3"),
    ("budget=[1]", "budget: give a mapping, not [1]"),
    ("search.sampler=[tpe]", 'search.sampler: unknown sampler "'),
    (
        "search.sampler={evolution: {pool: 3}}",
        "search.sampler.evolution.pool: unknown key. Known: none.",
    ),
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


def test_format_variants_are_refused_when_the_word_is_unknown(tiny: Path, cli: Any) -> None:
    result = cli("check", tiny, "--set", "search.format_variants=some")

    assert result.code == 2
    assert "search.format_variants" in result.err
    assert "front" in result.err


@pytest.mark.parametrize("size", ["5", "0 GB", "5 gigabytes"])
def test_cache_limit_is_refused_when_it_is_not_a_size(tiny: Path, size: str) -> None:
    with pytest.raises(UserError, match=r"search\.cache: .*500 MB or 20 GB"):
        load_study(tiny, [f"search.cache='{size}'"])


def test_trials_are_refused_when_both_sections_give_them(small: Path) -> None:
    replace_part(small, "seed: 7", "trials: 3")

    assert problems(small) == [
        f"{small}:29: budget.trials: is given in search as well; keep one of them"
    ]


def test_command_line_options_are_named_in_their_mistakes(small: Path) -> None:
    assert problems(small, time="soon", storage="banana") == [
        "--time soon: give a time such as 2h, 30m, 1h30m or 90s, not 'soon'",
        "--storage banana: give sqlite, sqlite:///FILE or "
        "postgresql://USER@HOST/DATABASE, not 'banana'",
    ]
