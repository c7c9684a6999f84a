"""A study on two hosts, with one database and one store; a host is a folder of its own."""

from __future__ import annotations

import math
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from paretune.search.building import resumable_training
from paretune.search.database.store import existing_store
from paretune.search.files import sha256_of
from paretune.search.running.runner import Runner
from paretune.search.stores.address import StoreError
from paretune.search.study.records import StudyRecord
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import EpochDone, Event, Reporter
from paretune.search.trial.study_store import bring_artifact
from paretune.search.trial.workbench import stored_artifact
from support.s3_server import s3_server
from support.studies import problems

STUDY = """\
study: plates
data: digits
baseline: {architecture: {simple_cnn: {width: 0.25}}, pretrain: {epochs: 1}}
space:
  architecture: {choice: {simple_cnn: {width: {choice: [0.25, 0.5]}}}}
  quantization: {choice: {none: {}, static: {}}}
runtime: onnxruntime
objectives: {accuracy: maximize, size: minimize}
search: {trials: 3, sampler: grid, format_variants: false}
"""

SECRET = "wJalrXUtnFEMI7MDENGbPxRfiCYEXAMPLEKEY"


def run(
    folder: Path,
    url: str,
    trials: int,
    *overrides: str,
    report: Reporter = lambda event: None,
) -> StudyRecord:
    """Runs a study on the host of this folder."""
    folder.mkdir(exist_ok=True)
    file = folder / "plates.yaml"
    file.write_text(STUDY)
    spec = load_study(file, overrides, storage=url, trials=trials)
    Runner(spec, report).run()
    with existing_store(url) as store:
        return store.record()


def test_wrong_store_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "plates.yaml"
    file.write_text(STUDY + "files: s3://me:hush-hush@bucket/x\n")
    [problem] = problems(file)
    assert problem.startswith(f"{file}:10: files: the URL holds a password")
    assert "hush" not in problem
    file.write_text(STUDY)
    [problem] = problems(file, "files=s3://me:hush-hush@bucket/x")
    assert "the URL holds a password" in problem
    assert "hush" not in problem


@pytest.mark.slow
def test_second_host_takes_stages_and_artifacts_of_the_first_from_s3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("s3fs", reason="the extra s3")
    pytest.importorskip("moto", reason="no S3 server to start")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    url = f"sqlite:///{tmp_path / 'study.db'}"
    a, b = tmp_path / "a", tmp_path / "b"
    with s3_server() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        run(a, url, 2, "files=s3://bucket/plates")
        shutil.rmtree(a)  # the first host is gone with its disk
        record = run(b, url, 4)  # finds the store by the database
        done = [trial for trial in record.trials if trial.repeat_of is None]
        assert {trial.state for trial in done} == {"complete"}
        assert any("pretrain" in trial.cached for trial in done[2:])
        for trial in done:
            artifact = stored_artifact(trial, b / "plates")
            bring_artifact(artifact, record.info)
            assert sha256_of(artifact.path) == artifact.sha256
        with pytest.raises(StoreError, match="bucket/other has no file"):
            run(b, url, 4, "files=s3://bucket/other")
    for file in (tmp_path / "study.db", *b.rglob("*")):
        assert file.is_dir() or SECRET.encode() not in file.read_bytes()
    assert SECRET not in caplog.text


@pytest.mark.slow
def test_study_that_began_in_its_folder_goes_on_with_a_store(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    run(tmp_path / "a", url, 1)
    record = run(tmp_path / "a", url, 2, f"files={tmp_path / 'store'}")
    shutil.rmtree(tmp_path / "a")
    for trial in record.trials:
        if trial.repeat_of is None:
            artifact = stored_artifact(trial, tmp_path / "b")
            bring_artifact(artifact, record.info)
            assert sha256_of(artifact.path) == artifact.sha256


@pytest.mark.slow
def test_lost_training_goes_on_from_its_last_epoch_on_another_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable_training, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(resumable_training, "SHARE", math.inf)
    url = f"sqlite:///{tmp_path / 'study.db'}"
    options = (f"files={tmp_path / 'store'}", "baseline.pretrain.epochs=4")
    epochs: list[int] = []

    def lost(event: Event) -> None:
        if isinstance(event, EpochDone) and event.epoch == 3:
            raise KeyboardInterrupt

    def note(event: Event) -> None:
        if isinstance(event, EpochDone) and event.trial == 0:
            epochs.append(event.epoch)

    with suppress(KeyboardInterrupt):
        run(tmp_path / "a", url, 1, *options, report=lost)
    shutil.rmtree(tmp_path / "a")
    record = run(tmp_path / "b", url, 1, *options, report=note)
    alone = run(tmp_path / "c", f"sqlite:///{tmp_path / 'alone.db'}", 1, options[1])
    assert epochs == [3, 4]
    assert record.trials[0].values == alone.trials[0].values
    assert [trial.state for trial in record.trials] == [trial.state for trial in alone.trials]
