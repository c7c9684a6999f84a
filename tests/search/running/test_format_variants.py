"""FormatVariants: one trained network in every number format that needs no further training."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest

from paretune.search.study.records import StudyRecord
from support.studies import record_of

FORMATS = "{choice: {none: {}, dynamic: {}, static: {}}}"


@pytest.fixture
def study(tiny: Path) -> Path:
    text = tiny.read_text().replace(", format_variants: false", ", format_variants: true")
    tiny.write_text(text.replace("{choice: [none, dynamic]}", FORMATS))
    return tiny


@pytest.mark.slow
def test_format_variants_share_the_training_and_do_not_count_as_trials(
    study: Path, cli: Any
) -> None:
    output = cli("run", study, "--trials", 2)
    assert output.code == 0, output.err
    record = record_of(study)
    trained = [t for t in record.trials if t.number and t.variant_of is None]
    assert len(trained) == 2
    for trial in trained:
        family = [trial, *(t for t in record.trials if t.variant_of == trial.number)]
        assert {t.params["quantization"] for t in family} == {"none", "dynamic", "static"}
        rest = [{k: v for k, v in t.params.items() if k != "quantization"} for t in family]
        assert rest == [rest[0]] * 3
        for variant_of in family[1:]:
            assert {"pretrain", "finetune"} <= set(variant_of.cached)
            assert variant_of.state == "complete"
            assert variant_of.artifact and variant_of.artifact["sha256"] != trial.artifact["sha256"]
    status = json.loads(cli("status", study, "--json").out)
    assert (status["done"], status["variants"]) == (2, 4)
    assert "and 4 format variants" in cli("status", study).out
    assert "(trained in 1)" in output.out


@pytest.mark.slow
def test_sampler_and_optuna_receive_format_variants(study: Path, cli: Any) -> None:
    assert cli("run", study, "--trials", 2).code == 0
    url = f"sqlite:///{study.with_suffix('') / 'study.db'}"
    second = optuna.load_study(study_name="tiny", storage=url).trials
    marked = [t for t in second if "variant_of" in t.user_attrs]
    assert len(marked) == 4
    assert all(len(t.values) == 3 for t in marked)


@pytest.mark.slow
def test_next_run_tries_the_format_variants_that_a_killed_run_left(study: Path, cli: Any) -> None:
    assert cli("run", study, "--trials", 1).code == 0
    before = record_of(study)
    database = study.with_suffix("") / "study.db"
    with sqlite3.connect(database) as connection:  # as if killed before the last variant_of began
        connection.execute("DELETE FROM paretune_trials WHERE number = 3")
        connection.execute("DELETE FROM paretune_measurements WHERE trial = 3")
        connection.execute("DELETE FROM paretune_examples WHERE trial = 3")
    assert cli("run", study, "--trials", 1).code == 0
    after = record_of(study)
    assert [(t.number, t.params, t.variant_of) for t in after.trials] == [
        (t.number, t.params, t.variant_of) for t in before.trials
    ]


@pytest.mark.slow
def test_no_format_variants_when_switched_off(study: Path, cli: Any) -> None:
    assert cli("run", study, "--trials", 2, "--set", "search.format_variants=false").code == 0
    assert len(record_of(study).trials) == 3


def families(record: StudyRecord) -> dict[int, set[str]]:
    """Returns trial -> the number formats that its network was tried in."""
    formats = {
        t.number: {t.params["quantization"]} for t in record.trials[1:] if t.variant_of is None
    }
    for trial in record.trials:
        if trial.variant_of is not None:
            formats[trial.variant_of].add(trial.params["quantization"])
    return formats


@pytest.mark.slow
def test_format_variants_of_the_front_come_at_the_end(study: Path, cli: Any) -> None:
    output = cli("run", study, "--trials", 4, "--set", "search.format_variants=front")
    assert output.code == 0, output.err
    record = record_of(study)
    trained = [t.number for t in record.trials if t.variant_of is None]
    assert trained == [0, 1, 2, 3, 4], "the search is not kept waiting"
    front = {number for point in record.growth for number in point.members}
    complete = {n for n, formats in families(record).items() if len(formats) == 3}
    assert complete
    assert complete <= front
    again = cli("run", study, "--trials", 4, "--set", "search.format_variants=front")
    assert again.code == 0
    assert len(record_of(study).trials) == len(record.trials), "they are all there"
