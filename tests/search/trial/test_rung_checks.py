"""Trials of the built-in stages that race: real training, files, runtimes, workers, kills."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from paretune.search.building.network_structure import zeros
from paretune.search.building.watch import Pace, StageError, TrainingPaused, Watch
from paretune.search.database.engine import open_engine
from paretune.search.database.rungs import Rungs
from paretune.search.racing.promotion import RungEntry, best_trials
from paretune.search.running.runner import Runner
from paretune.search.study.plan import Plan
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import EpochDone, Event, TrialEnded
from paretune.search.trial.stage_study import StageStudy
from support.studies import record_of

STUDY = """\
study: rung_checks
data: digits
baseline:
  architecture: {simple_cnn: {width: 0.0625}}
  pretrain: {optimizer: {adam: {lr: 2e-3}}, schedule: cosine, epochs: 1, batch_size: 64}
space:
  pruning: {choice: {none: {}, structured: {ratio: {choice: [0.2, 0.4]}, round_to: 1}}}
  quantization: {choice: [none, dynamic]}
  finetune:
    epochs: 4
    batch_size: 64
    schedule: {choice: [cosine, one_cycle]}
    optimizer: {adam: {lr: {float: [1e-4, 1e-2], log: true}}}
objectives: {accuracy: maximize, latency: {minimize: p50, seconds: 0.1}, size: minimize}
search: {sampler: random, trials: 9, seed: 3, format_variants: false, racing: {}}
budget: {final: off}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    study = tmp_path / "rung_checks.yaml"
    study.write_text(STUDY)
    return study


def rungs_of(file: Path) -> Rungs:
    return Rungs(open_engine(f"sqlite:///{file.with_suffix('') / 'study.db'}"))


def trainings(file: Path) -> list[str]:
    """Returns the names of the stored trainings that can be resumed."""
    folder = file.with_suffix("") / "stages" / "trainings"
    return sorted(path.name for path in folder.glob("*.safetensors"))


def run(file: Path, *sets: str) -> list[Event]:
    events: list[Event] = []
    Runner(load_study(file, sets), events.append).run()
    return events


def epochs_of(events: list[Event]) -> list[tuple[int, int]]:
    """Returns (trial, epoch) of each trained epoch of the stage that races."""
    epochs = [e for e in events if isinstance(e, EpochDone) and e.trial and e.stage == "finetune"]
    return [(event.trial, event.epoch) for event in epochs]


def own(record: StudyRecord) -> list[TrialRecord]:
    return [t for t in record.trials if t.number and t.repeat_of is None]


def losses(values: Any) -> dict[str, float]:
    return {name: -v if name == "accuracy" else v for name, v in values.items()}


def check_race(file: Path) -> None:
    """Checks what holds at the end of any run of the study above."""
    trials = own(record_of(file))
    assert {t.state for t in trials} == {"complete", "stopped"}
    assert all(t.held_by_racing == (t.state == "stopped") for t in trials)
    assert all(set(t.values) == {"accuracy", "latency", "size"} for t in trials)
    assert trainings(file) == []
    for step, reached in rungs_of(file).all().items():
        entries = [RungEntry(r.trial, losses(r.values), r.promoted) for r in reached]
        paused = {e.trial for e in entries if not e.promoted}
        assert step == 1
        assert not paused & set(best_trials(entries, 3)), f"paused among the best at epoch {step}"


# -- a training in parts -------------------------------------------------------------------------


@pytest.fixture
def study(file: Path) -> Iterator[StageStudy]:
    open_study = StageStudy(load_study(file))
    yield open_study
    open_study.close()


def plan_of(study: StageStudy, schedule: str = "cosine", quantization: Any = None) -> Plan:
    from paretune.spaces.training.recipe import Recipe

    optimizer = {"adam": {"lr": 1e-3}}
    recipe = {"epochs": 4, "batch_size": 64, "schedule": schedule, "optimizer": optimizer}
    return study.plan(
        {
            "architecture": {"simple_cnn": {"width": 0.0625}},
            "pretrain": study.spec.baseline.pretrain,
            "pruning": {"structured": {"ratio": 0.4, "round_to": 1}},
            "finetune": Recipe.model_validate(recipe).model_dump(),
            "quantization": quantization or {"none": {}},
        }
    )


def held_up_at(*epochs: int) -> Watch:
    """Returns a watch that stops the training of the last stage at its first rung."""

    def look(candidate: Any, epoch: int, seconds: float) -> None:
        raise TrainingPaused(f"epoch {epoch}")

    return Watch(pace=Pace("finetune", epochs, look))


@pytest.mark.parametrize(
    "schedule",
    [
        "cosine",
        "one_cycle",
        pytest.param("constant", marks=pytest.mark.slow),
        pytest.param("plateau", marks=pytest.mark.slow),
    ],
)
def test_training_paused_twice_gives_the_weights_of_one_training(
    study: StageStudy, tmp_path: Path, schedule: str
) -> None:
    plan = plan_of(study, schedule)
    for epochs in ((1, 3), (3,)):
        with pytest.raises(StageError, match=f"epoch {epochs[0]}"):
            study.workbench.pipeline.candidate(plan, held_up_at(*epochs))
    resumed = Watch(pace=Pace("finetune", (), lambda *_: None))
    parts = study.workbench.pipeline.candidate(plan, resumed)
    other = tmp_path / "other" / "rung_checks.yaml"
    other.parent.mkdir()
    other.write_text(STUDY)
    whole_study = StageStudy(load_study(other))
    uninterrupted = whole_study.workbench.pipeline.candidate(plan, Watch())
    whole_study.close()
    for name, tensor in uninterrupted.model.state_dict().items():
        assert torch.equal(tensor, parts.model.state_dict()[name]), name


def test_paused_training_continues_from_its_last_epoch(study: StageStudy) -> None:
    plan = plan_of(study)
    with pytest.raises(StageError):
        study.workbench.pipeline.candidate(plan, held_up_at(3))
    heard: list[int] = []
    watch = Watch(
        epoch=lambda event: heard.append(event.epoch),
        pace=Pace("finetune", (), lambda *_: None),
    )
    study.workbench.pipeline.candidate(plan, watch)
    assert heard == [4]


@pytest.mark.slow
def test_training_time_excludes_the_rung_checks(study: StageStudy) -> None:
    import time

    watch = Watch(pace=Pace("finetune", (1,), lambda *_: time.sleep(5)))
    begun = time.perf_counter()
    study.workbench.pipeline.candidate(plan_of(study), watch)
    spent = time.perf_counter() - begun
    assert watch.seconds["finetune"] < spent - 5
    assert watch.stage_seconds["finetune"] < spent - 5


def test_forgotten_training_leaves_folder_and_database(study: StageStudy, file: Path) -> None:
    with pytest.raises(StageError):
        study.workbench.pipeline.candidate(plan_of(study), held_up_at(1))
    assert len(trainings(file)) == 1
    before = study.store.cached_bytes()
    study.forget(plan_of(study))
    assert trainings(file) == []
    assert study.store.cached_bytes() < before


def test_candidate_at_a_rung_is_quantized_by_the_plan(study: StageStudy) -> None:
    for mode, stands in (("dynamic", "dynamic"), ("qat", "static")):
        plan = plan_of(study, quantization={mode: {}})
        finetuned = Plan(tuple(s for s in plan.stages if s.kind != "quantize"))
        trained = study.workbench.pipeline.candidate(finetuned, Watch())
        early = study.workbench.pipeline.ended_early(plan, "finetune", trained)
        assert list(early.quantization or {}) == [stands]
        assert early.model is trained.model


def test_zeros_are_the_share_of_pruned_weights() -> None:
    model = torch.nn.Linear(10, 9)
    with torch.no_grad():
        model.weight.fill_(1.0)
        model.bias.fill_(1.0)
        assert zeros(model) == 0
        model.weight[:5] = 0.0
    assert zeros(model) == round(50 / 99, 2)


# -- whole runs ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    """The study after a run, and its events; shared by several tests."""
    study = tmp_path_factory.mktemp("raced") / "rung_checks.yaml"
    study.write_text(STUDY)
    return study, run(study)


@pytest.mark.slow
def test_run_trains_the_best_to_the_end_and_stops_the_others(
    raced: tuple[Path, list[Event]],
) -> None:
    file, events = raced
    check_race(file)
    trials = own(record_of(file))
    assert len(trials) == 9
    complete = [t for t in trials if t.state == "complete"]
    assert 3 <= len(complete) <= 5
    epochs = epochs_of(events)
    assert len(epochs) == len(set(epochs)), "no epoch is trained twice"
    assert len(epochs) <= 9 + 3 * len(complete)
    assert {e for t, e in epochs if t == complete[0].number} == {1, 2, 3, 4}
    stopped = next(t for t in trials if t.held_by_racing)
    assert stopped.reason is not None
    assert stopped.reason["stage"] == "finetune"
    assert stopped.reason["text"].startswith("after epoch ")
    assert stopped.seconds["finetune"] > 0


def test_race_gives_the_file_that_an_undisturbed_run_gives(
    raced: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    file, _ = raced
    alone = tmp_path / "alone" / "rung_checks.yaml"
    alone.parent.mkdir()
    alone.write_text(STUDY)
    complete = next(t for t in own(record_of(file)) if t.state == "complete")
    open_study = StageStudy(load_study(alone, ["search.racing=null"]))
    plan = Plan.from_json(complete.plan)
    candidate = open_study.workbench.pipeline.candidate(plan, Watch())
    artifact = open_study.workbench.pipeline.deploy(plan, candidate, tmp_path / "a.onnx", Watch())
    open_study.close()
    assert complete.artifact is not None
    assert artifact.sha256 == complete.artifact["sha256"]


def test_stopped_trial_keeps_the_values_of_its_last_rung(
    raced: tuple[Path, list[Event]],
) -> None:
    file, _ = raced
    rungs = rungs_of(file).all()
    for trial in own(record_of(file)):
        if trial.held_by_racing:
            [reached] = [r for r in rungs[1] if r.trial == trial.number]
            assert trial.values == reached.values
    sizes = {r.trial: (r.values or {})["size"] for r in rungs[1]}
    for trial in own(record_of(file)):
        if trial.state == "complete":
            assert trial.values["size"] == pytest.approx(sizes[trial.number], rel=0.02)


def test_networks_of_one_structure_are_timed_once_at_rungs(
    raced: tuple[Path, list[Event]],
) -> None:
    file, _ = raced
    named = {
        t.number: (t.params.get("pruning.structured.ratio"), t.params["quantization"])
        for t in own(record_of(file))
    }
    latencies: dict[Any, set[float]] = {}
    for reached in rungs_of(file).at(1):
        latencies.setdefault(named[reached.trial], set()).add((reached.values or {})["latency"])
    assert len(latencies) < 9, "some have the same"
    assert all(len(values) == 1 for values in latencies.values())


@pytest.mark.slow
def test_paused_trial_resumes_at_once_when_another_trial_completed_its_training(file: Path) -> None:
    sets = [
        "space.pruning=null",
        "space.finetune.schedule=cosine",
        "space.finetune.optimizer={adam: {lr: {choice: [1e-5, 1e-2]}}}",
        "search.sampler=grid",
        "search.racing.eta=2",
    ]
    events = run(file, *sets)
    trials = own(record_of(file))
    assert len(trials) == 4
    trained: dict[float, set[str]] = {}
    for trial in trials:
        rate = trial.params["finetune.optimizer.adam.lr"]
        trained.setdefault(rate, set()).add(trial.state)
    assert {"complete"} in trained.values(), "both formats of the better rate"
    assert len(epochs_of(events)) <= 4 + 2, "and its epochs are trained once"
    assert trainings(file) == []


@pytest.mark.slow
def test_format_variants_come_after_a_complete_training_only(file: Path) -> None:
    events = run(
        file, "search.format_variants=true", "search.trials=4", "search.racing={first: 2, eta: 2}"
    )
    record = record_of(file)
    variants = [t for t in record.trials if t.variant_of is not None]
    states = {t.number: t.state for t in record.trials}
    assert variants
    assert all(states[t.variant_of] == "complete" for t in variants if t.variant_of is not None)
    assert {t.state for t in record.trials} == {"complete", "stopped"}
    ended = [e for e in events if isinstance(e, TrialEnded) and e.variant_of is not None]
    assert all(e.result.seconds["finetune"] == 0 for e in ended)


@pytest.mark.slow
def test_trials_race_in_pretraining_when_there_is_no_finetuning(file: Path) -> None:
    events = run(
        file,
        "space.finetune=null",
        "space.architecture={simple_cnn: {width: {choice: [0.0625, 0.125]}}}",
        "space.pretrain={epochs: 3, batch_size: 64, schedule: cosine, "
        "optimizer: {adam: {lr: {float: [1e-4, 1e-2], log: true}}}}",
        "search.trials=3",
    )
    trials = own(record_of(file))
    stopped = [t for t in trials if t.held_by_racing]
    assert len(stopped) == 2
    assert all((t.reason or {})["stage"] == "pretrain" for t in stopped)
    trained = [e for e in events if isinstance(e, EpochDone) and e.trial]
    assert len(trained) == 1 + 1 + 3
    assert trainings(file) == []


@pytest.mark.slow
def test_killed_run_continues_with_its_paused_trials(
    file: Path, start: Callable[..., Any], cli: Any
) -> None:
    running = start("run", file)
    running.wait_for("trial   2  paused")
    assert running.ended(signal.SIGKILL) == -signal.SIGKILL
    waiting = [t.number for t in record_of(file).trials if t.state == "paused"]
    assert waiting
    assert trainings(file)
    output = cli("run", file)
    assert output.code == 0, output.err
    check_race(file)
    assert len(own(record_of(file))) == 9
    assert (
        f"{sum(t.held_by_racing for t in own(record_of(file)))} trials were stopped early"
        in output.out
    )
    assert "stopped early, 0 paused" in cli("status", file).out


@pytest.mark.slow
def test_two_workers_share_a_race(file: Path, start: Callable[..., Any]) -> None:
    running = start("run", file, "--workers", 2, "--trials", 6)
    assert running.ended() == 0, running.log.read_text()
    check_race(file)


@pytest.mark.slow
def test_several_targets_are_all_measured_at_a_rung(file: Path) -> None:
    run(
        file,
        "targets={one: {onnxruntime: {threads: 1}}, plain: {torchscript: {}}}",
        "objectives={accuracy: maximize, latency@plain: {minimize: p50, seconds: 0.1}, "
        "size@one: minimize}",
        "search.trials=1",
    )
    values = rungs_of(file).at(1)[0].values
    assert values is not None
    assert set(values) == {"accuracy@one", "latency@plain", "size@one"}


def test_stopped_trial_stores_the_violation_of_exact_quantities(file: Path) -> None:
    run(file, 'constraints=["size <= 0.9 x baseline", "accuracy >= 99%"]', "search.trials=2")
    stopped = [t for t in own(record_of(file)) if t.held_by_racing]
    assert stopped
    assert all(set(t.violations) == {"size <= 0.9 x baseline"} for t in stopped)
