"""Studies with an elastic architecture: from the run to the export, and killed in its training."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from paretune.search.running.runner import Runner
from paretune.search.study.elastic import source_key, subnet_of
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import EpochDone, Event
from support.command_line import invoke
from support.studies import database_of, record_of, url_of

STUDY = """\
data: digits
baseline:
  architecture: {resnet: {stages: 2, blocks: 2, width: 8}}
  pretrain: {epochs: 1, batch_size: 64, optimizer: {adam: {lr: 3e-3}}}
space:
  architecture:
    elastic:
      of: baseline
      width: [0.5, 1]
      depth: [0.5, 1]
      resolution: [6]
      epochs: 2
      batch_size: 64
      optimizer: {adam: {lr: 3e-3}}
      estimates: 8
  distillation: {logits: {teacher: elastic}}
  finetune: {epochs: {choice: [0, 1]}, batch_size: 64, optimizer: {adam: {lr: 1e-3}}}
  quantization: {choice: [none, dynamic]}
objectives: {accuracy: maximize, latency: {minimize: p50, seconds: 0.1}, size: minimize}
search: {trials: 5, seed: 1, format_variants: false}
budget: {final: off}
"""

SHORT = """\
data: digits
baseline: {architecture: {simple_cnn: {width: 0.25}}, pretrain: {epochs: 0}}
space:
  architecture: {elastic: {of: baseline, width: [0.5, 1], epochs: 3, batch_size: 64, estimates: 0}}
objectives: {accuracy: maximize, size: minimize}
search: {trials: 1, seed: 1}
"""

USELESS = """\
data: digits
baseline: {architecture: {simple_cnn: {width: 0.125}}, pretrain: {epochs: 0}}
space:
  architecture:
    elastic:
      of: baseline
      width: [0.25, 0.5, 0.75, 1]
      epochs: 1
      optimizer: {sgd: {lr: 1e-9}}
      round_to: 1
objectives: {accuracy: maximize, size: minimize}
search: {trials: 4, seed: 1}
budget: {final: off}
"""
"""An elastic training that changes nothing: all subnets guess."""

LOST = """\
import sys, time

from paretune.search.building import resumable_training
from paretune.search.running.runner import Runner
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import EpochDone

resumable_training.SAVE_EVERY = 0.0
resumable_training.SHARE = float("inf")


def report(event):
    if isinstance(event, EpochDone) and (event.stage, event.epoch) == ("elastic", 2):
        print("after epoch 2 of 3", flush=True)
        time.sleep(600)


Runner(load_study(sys.argv[1]), report).run()
"""


def study_file(folder: Path, study: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "e.yaml"
    file.write_text(study)
    return file


@pytest.mark.slow
@pytest.mark.timeout(900)  # a busy host
def test_subnets_of_one_training_are_trials_that_can_be_exported(tmp_path: Path) -> None:
    file = study_file(tmp_path, STUDY)
    Runner(load_study(file), lambda event: None).run()

    record = record_of(file)
    trials = [t for t in record.trials if t.number and t.state == "complete" and not t.repeat_of]
    assert len({source_key(trial.plan) for trial in trials}) == 1
    assert sum("elastic" in t.seconds and "elastic" not in t.cached for t in trials) == 1
    assert len({json.dumps(subnet_of(trial.plan)) for trial in trials}) > 1
    first = trials[0]
    assert first.seconds["estimate"] > 0
    assert first.artifact is not None and "choice" in first.artifact["info"]["subnet"]
    scores = record.subnet_scores
    assert scores is not None and scores.subnets >= 8 and scores.objective == "accuracy"
    assert len(scores.losses) == len(trials)

    status = json.loads(invoke("status", file, "--json").out)
    assert status["subnets"]["subnets"] == scores.subnets
    smallest = min(trials, key=lambda trial: trial.values["size"])
    out = tmp_path / "out"
    exported = invoke("export", file, "--pick", smallest.number, "-o", out)
    assert exported.code == 0, exported.err
    card = (out / "MODEL_CARD.md").read_text()
    assert "subnet width" in card and "2 epochs, adam with lr 0.003" in card
    assert invoke("verify", out).code == 0


@pytest.mark.slow
@pytest.mark.timeout(900)  # a busy host
def test_killed_elastic_training_goes_on_with_the_same_weights(tmp_path: Path) -> None:
    undisturbed, file = (study_file(tmp_path / name, SHORT) for name in ("whole", "killed"))
    Runner(load_study(undisturbed), lambda event: None).run()
    command = [sys.executable, "-c", LOST, file]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as lost:
        assert lost.stdout is not None
        line = lost.stdout.readline()
        lost.kill()
    assert line == "after epoch 2 of 3\n"

    events: list[Event] = []
    Runner(load_study(file), events.append).run()

    epochs = [e.epoch for e in events if isinstance(e, EpochDone) and e.stage == "elastic"]
    assert epochs == [2, 3]  # the last snapshot was of epoch 1
    weights = [load_file(elastic_file(each)) for each in (undisturbed, file)]
    assert weights[0].keys() == weights[1].keys()
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])


@pytest.mark.slow
@pytest.mark.timeout(900)  # a busy host
def test_search_ends_after_one_trial_if_no_subnet_is_better_than_chance(tmp_path: Path) -> None:
    file = study_file(tmp_path, USELESS)
    for _ in range(2):  # a second run says it at once
        run = invoke("run", file)
        assert run.code == 2
        assert "no subnet of the elastic training is better than chance" in run.err
        assert "elastic: {epochs: 2} instead of 1" in run.err

    record = record_of(file)
    assert [trial.state for trial in record.trials] == ["complete", "infeasible"]
    assert elastic_file(file).is_file()
    subnets = json.loads(invoke("status", file, "--json").out)["subnets"]
    assert subnets["verdict"] == "useless" and subnets["doubts"]


def elastic_file(file: Path) -> Path:
    """Returns the weights of a study's elastic network."""
    from paretune.search.database.store import existing_store

    assert database_of(file).is_file()
    with existing_store(url_of(file)) as store:
        [row] = [row for row in store.cached_stages() if row["kind"] == "elastic"]
    return file.with_suffix("") / row["file"]
