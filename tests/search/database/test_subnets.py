"""Scores of subnets are stored, replaced and read beside the results of their trials."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.database.elastic_checks import ElasticChecks
from paretune.search.database.engine import open_engine
from paretune.search.database.rows import open_rows
from paretune.search.database.subnet_rows import read_subnet_scores
from paretune.search.database.subnets import Subnets
from paretune.search.study.elastic import SubnetScore
from paretune.search.study.elastic_check import ElasticCheck, Score
from paretune.search.study.records import Axis

AXES = [Axis("size", "bytes", "lower"), Axis("accuracy", "fraction", "higher")]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


def score(width: float, loss: float, stage: str = "k") -> SubnetScore:
    return SubnetScore(stage, "source", {"width": width}, loss, None, 64, 0.5)


def test_scores_are_the_latest_of_each_subnet(url: str) -> None:
    subnets = Subnets(open_engine(url, create=True))
    subnets.put([score(0.5, 2.0), score(1.0, 1.0)])
    subnets.put([score(0.5, 3.0)])
    subnets.put([])

    found = {each.params["width"]: each.loss for each in subnets.scores("source")}
    assert found == {0.5: 3.0, 1.0: 1.0}
    assert subnets.scores("other") == []


def test_reader_counts_the_subnets_and_names_the_score(url: str) -> None:
    Subnets(open_engine(url, create=True)).put([score(0.5, 2.0), score(1.0, 1.0)])
    with open_rows(url) as rows:
        scores = read_subnet_scores(rows, AXES)
    assert scores is not None
    assert (scores.subnets, scores.seconds, scores.examples) == (2, 1.0, 64)
    assert (scores.objective, scores.better, scores.losses) == ("accuracy", "higher", ())


def test_reader_finds_nothing_in_a_database_without_scores(url: str) -> None:
    open_engine(url, create=True)
    with open_rows(url) as rows:
        assert read_subnet_scores(rows, AXES) is None


CHECK = ElasticCheck(512, 9, Score(0.1, 0.9), Score(0.1, 0.9), Score(0.5, 0.7), 0.8, 0.1, ("a",))


def test_reader_finds_the_check_of_the_latest_training(url: str) -> None:
    engine = open_engine(url, create=True)
    Subnets(engine).put([score(0.5, 2.0)])
    checks = ElasticChecks(engine)
    checks.put("k", "source", CHECK)
    checks.put("another", "other source", CHECK)

    assert checks.check("k") == checks.of_source("source") == CHECK
    assert checks.check("missing") is checks.of_source("missing") is None
    with open_rows(url) as rows:
        scores = read_subnet_scores(rows, AXES)
    assert scores is not None and scores.check == CHECK


def test_reader_meets_scores_of_a_version_without_checks(url: str) -> None:
    engine = open_engine(url, create=True)
    Subnets(engine).put([score(0.5, 2.0)])
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE paretune_elastic_checks")
    with open_rows(url) as rows:
        scores = read_subnet_scores(rows, AXES)
    assert scores is not None and scores.check is None
