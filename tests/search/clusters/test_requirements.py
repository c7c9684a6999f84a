"""A study that several hosts cannot share is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.clusters.requirements import refuse_unshared
from paretune.search.errors import UserError
from paretune.search.study_file.loading import load_study
from support.studies import problems
from support.study_texts import TINY

SERVER = "postgresql://me@db/studies"


def test_study_without_server_store_and_host_is_refused_with_all_reasons(tiny: Path) -> None:
    with pytest.raises(UserError) as error:
        refuse_unshared(load_study(tiny))
    text = str(error.value)
    assert "storage: postgresql://USER@HOST/DATABASE" in text
    assert "files: s3://BUCKET/STUDY" in text
    assert "resources: {measure: {host: HOST}}" in text


def test_run_on_a_cluster_is_refused_before_a_database_is_made(tiny: Path, cli: Any) -> None:
    result = cli("run", tiny, "--cluster", "ray")
    assert result.code == 2
    assert "workers on several hosts cannot share it" in result.err
    assert not tiny.with_suffix("").exists()


def test_check_refuses_resources_without_a_shared_database(tiny: Path, cli: Any) -> None:
    tiny.write_text(TINY + "resources: {measure: {host: bench}}\n")
    result = cli("check", tiny)
    assert result.code == 2
    assert "a SQLite file is for one host" in result.err


@pytest.mark.parametrize(
    ("section", "text"),
    [
        ("{trian: {cpu: 2}}", 'resources.trian: unknown key; did you mean "train"?'),
        ("{train: {cpus: 2}}", "resources.train.cpus: unknown key"),
        ("{train: {cpu: 0}}", "resources.train.cpu"),
        ("{measure: {host: ''}}", "resources.measure.host"),
        ("{train: 4}", "resources.train: give {cpu: 1, gpu: 0}, not 4"),
        ("[4]", "resources: give a mapping"),
    ],
)
def test_wrong_resources_are_refused_with_their_key(tiny: Path, section: str, text: str) -> None:
    tiny.write_text(TINY + f"resources: {section}\n")
    assert any(text in problem for problem in problems(tiny)), problems(tiny)


def test_racing_is_refused_with_a_host_that_measures(tiny: Path) -> None:
    tiny.write_text(TINY + "resources: {measure: {host: bench}}\n")
    text = "\n".join(problems(tiny, "search.racing={}"))
    assert "resources.measure.host: is not for `search.racing`" in text
