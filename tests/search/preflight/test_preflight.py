"""A full check refuses what `paretune check` accepts and a run would stumble over."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from paretune.search.preflight.preflight import full_check, loaded
from paretune.search.study_file.document import read_document
from paretune.search.study_file.loading import load_study
from paretune.search.study_file.problems import StudyFileError
from support.preflight_studies import mistakes, of, tried

Study = Callable[..., Path]

BASELINE = "architecture: {simple_cnn: {width: 0.125}}"
SPACE = "  architecture: {simple_cnn: {width: {float: [0.0625, 0.125]}}}"
PRUNING = "pruning: {choice: {none: {}, structured: {ratio: {float: [0.1, 0.5]}, round_to: 1}}}"
PRETRAIN = "  pretrain: {epochs: 2, batch_size: 64}\n"
FINETUNE = "finetune: {epochs: 2, batch_size: 64}"


# -- data ----------------------------------------------------------------------------------------


def test_data_that_cannot_be_loaded_is_a_mistake_with_its_line(
    study: Study, tmp_path: Path
) -> None:
    (tmp_path / "images.npz").write_bytes(b"not an archive")
    file = study("data: digits", "data: {npz: images.npz}")
    with pytest.raises(StudyFileError) as error:
        full_check(load_study(file), read_document(file).where)
    [problem] = error.value.problems
    assert problem.startswith(f"{file}:2: data: ")


def test_batches_larger_than_the_training_part_are_noted(study: Study) -> None:
    file = study(FINETUNE, FINETUNE.replace("64", "5000"))
    [note] = of(tried(file, "data"), "data", "note")
    assert note.item == "batch_size"
    assert note.text == "5000 is more than the 899 training examples: an epoch is one step"


# -- the baseline --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "text"),
    [
        ("Misfit", "mat1 and mat2 shapes cannot be multiplied"),
        ("Endless", "not finite"),
        ("Flat", ""),
    ],
)
def test_baseline_that_cannot_run_is_a_mistake(
    study: Study, module: str, network: str, text: str
) -> None:
    file = study(
        BASELINE,
        f'architecture: {{python: "{module}:{network}"}}',
        SPACE,
        f"{SPACE}\n  pretrain: {{epochs: 1}}",
    )
    info = tried(file, "baseline")
    [problem] = mistakes(file, info)
    assert problem.startswith(f"{file}:3: baseline: it cannot be ")
    assert text in problem
    assert "Traceback" not in problem


def test_checkpoint_of_another_network_is_a_mistake(study: Study, tmp_path: Path) -> None:
    torch.save({"some.weight": torch.zeros(3)}, tmp_path / "other.pt")
    file = study(PRETRAIN, "  checkpoint: other.pt\n", f"{SPACE}\n", "")
    [problem] = mistakes(file, tried(file, "baseline"))
    assert problem.startswith(f"{file}:3: baseline: ")
    assert "other.pt" in problem


def test_accuracy_of_a_baseline_with_weights_is_shown_as_it_is(
    study: Study, tmp_path: Path
) -> None:
    from paretune.search.data import load_data
    from paretune.spaces.rebuild import initial_candidate

    data = load_data("digits", {}, tmp_path)
    architecture = {"simple_cnn": {"width": 0.125}}
    network = initial_candidate(architecture, data.shape, data.classes, 5).model.eval()
    torch.save(network.state_dict(), tmp_path / "mine.pt")
    file = study(PRETRAIN, "  checkpoint: mine.pt\n", f"{SPACE}\n", "")
    spec = load_study(file)
    validation = loaded(spec, read_document(file).where)
    with torch.inference_mode():
        inputs, labels = next(iter(validation.batches("validation", 10_000)))
        right = float((network(inputs).argmax(1) == labels).float().mean())
    info = tried(file, "baseline")
    [finding] = [f for f in info.findings if f.item == "your model as it is"]
    assert f"accuracy {100 * right:.2f} % on {len(labels)} validation examples" in finding.text


# -- the space -----------------------------------------------------------------------------------


def test_architecture_that_always_fails_is_a_mistake_beside_one_that_works(
    study: Study, module: str
) -> None:
    file = study(
        SPACE,
        "  architecture:\n    choice:\n      simple_cnn: {width: 0.0625}\n"
        f'      "{module}:Broken": {{}}\n  pretrain: {{epochs: 1}}',
    )
    info = tried(file, "architecture")
    assert [f.item for f in of(info, "architecture", "ok")] == ["simple_cnn"]
    [problem] = mistakes(file, info)
    assert problem.startswith(f"{file}:10: space.architecture.choice.{module}:Broken: ")
    assert "every network with it fails" in problem
    assert "ZeroDivisionError" in problem


def test_architecture_that_fails_at_one_end_is_noted_as_infeasible(
    study: Study, module: str
) -> None:
    file = study(
        SPACE,
        f'  architecture: {{python: "{module}:Net", args: {{width: {{choice: [0, 4, 8]}}}}}}\n'
        "  pretrain: {epochs: 1}",
    )
    info = tried(file, "architecture")
    assert not info.mistakes
    [ok] = of(info, "architecture", "ok")
    assert ok.count == 2
    [refused] = of(info, "architecture", "infeasible")
    assert refused.text


def test_study_without_any_architecture_that_works_is_refused(study: Study, module: str) -> None:
    file = study(
        SPACE,
        f'  architecture: {{choice: [{{python: "{module}:Misfit"}}, {{python: "{module}:Flat"}}]}}'
        "\n  pretrain: {epochs: 1}",
    )
    info = tried(file, "architecture")
    assert info.mistakes
    assert not of(info, "architecture", "ok")


def test_pruning_that_is_never_possible_is_refused_when_there_is_no_other(study: Study) -> None:
    file = study(PRUNING, "pruning: {structured: {ratio: 0.5, ignore: [no_such_layer]}}")
    [problem] = mistakes(file, tried(file, "baseline", "architecture", "pruning"))
    assert problem.startswith(f"{file}:8: space.pruning: every trial would be infeasible")
    assert "no_such_layer" in problem


def test_pruning_that_is_never_possible_is_noted_when_there_is_another(study: Study) -> None:
    file = study("none: {}, structured: {ratio: {float: [0.1, 0.5]}, round_to: 1}",
                 "none: {}, structured: {ratio: 0.5, ignore: [no_such_layer]}")  # fmt: skip
    info = tried(file, "baseline", "architecture", "pruning")
    assert not info.mistakes
    [finding] = of(info, "pruning", "infeasible")
    assert "no_such_layer" in finding.text


def test_pruning_says_how_much_it_removes(study: Study) -> None:
    [finding] = of(tried(study(), "baseline", "architecture", "pruning"), "pruning", "ok")
    assert finding.item == "structured"
    assert finding.count == 3  # the middle and both ends
    assert "it removes" in finding.text


def test_technique_with_a_mistake_is_refused(study: Study, module: str) -> None:
    file = study(PRUNING, f'pruning: {{choice: {{none: {{}}, "{module}:BadPruning": {{}}}}}}')
    [problem] = mistakes(file, tried(file, "baseline", "architecture", "pruning"))
    assert f"space.pruning.choice.{module}:BadPruning" in problem
    assert "AttributeError: 'Candidate' object has no attribute 'no_such_attribute'" in problem


def test_hints_between_layers_that_do_not_exist_are_refused(study: Study) -> None:
    file = study(
        "distillation: none",
        "distillation: {hints: {student_layers: [nowhere], teacher_layers: [nowhere]}}",
    )
    info = tried(file, "baseline", "architecture", "distillation")
    [problem] = mistakes(file, info)
    assert "space.distillation: every trial would be infeasible" in problem
    assert 'no layer "nowhere"' in problem


def test_optimizer_that_cannot_be_made_is_refused(study: Study, module: str) -> None:
    file = study(
        FINETUNE,
        "finetune: {epochs: 2, batch_size: 64, "
        f'optimizer: {{choice: {{sgd: {{}}, "{module}:BadOptimizer": {{}}}}}}}}',
    )
    info = tried(file, "baseline", "architecture", "training")
    findings = [f for f in info.findings if f.check == "training" and f.item == "finetune"]
    assert findings
    bad = [f for f in info.findings if "no optimizer here" in f.text]
    assert bad and "BadOptimizer" in bad[0].item
    assert bad[0].state == "mistake"


def test_int8_that_the_runtime_cannot_make_is_noted_and_the_others_are_tried(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paretune.objectives.errors import Unmeasurable
    from paretune.search.building import exporting
    from paretune.search.preflight import rehearsal

    def refused(candidate: Any, *arguments: Any) -> Any:
        if candidate.quantization:
            raise Unmeasurable("no int8 here")
        return exporting.export(candidate, *arguments)

    monkeypatch.setattr(rehearsal, "export", refused)
    info = tried(study(), "baseline", "architecture", "quantization")
    assert [f.item for f in of(info, "quantization", "ok")] == ["none"]
    [finding] = of(info, "quantization", "infeasible")
    assert finding.item == "dynamic int8 in onnxruntime"
    assert finding.text == "no int8 here"
    assert not info.mistakes


# -- what is measured ----------------------------------------------------------------------------


def test_objective_with_a_mistake_is_refused(study: Study, module: str) -> None:
    file = study("size: minimize}", f'size: minimize, "{module}:BadObjective": minimize}}')
    [problem] = mistakes(file, tried(file, "baseline", "objectives"))
    assert problem.startswith(f"{file}:12: objectives.{module}:BadObjective: ")
    assert "measure must return a Measurement" in problem


def test_constraint_that_no_network_can_hold_is_refused_with_the_best_value(study: Study) -> None:
    file = study(
        "search: {", 'constraints: ["size <= 1 KB", "parameters <= 0.9 x baseline"]\nsearch: {'
    )
    info = tried(file, "baseline", "architecture", "objectives", "constraints")
    [problem] = mistakes(file, info)
    assert problem.startswith(f"{file}:13: constraints: size <= 1 KB: no network that was tried")
    assert "the bound is 1.00 KB; raise the bound, or add smaller networks" in problem


def test_goal_that_is_out_of_reach_is_noted(study: Study) -> None:
    file = study("search: {", 'goals: ["size <= 1 KB"]\nsearch: {')
    info = tried(file, "baseline", "architecture", "objectives", "constraints")
    assert not info.mistakes
    [note] = of(info, "constraints", "note")
    assert note.item == "size <= 1 KB"


def test_full_disk_is_refused(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 1000, 1000))
    file = study()
    [problem] = mistakes(file, tried(file, "baseline", "architecture", "disk"))
    assert "1.00 KB are free, but one trial needs" in problem
    assert "make room" in problem


def test_all_mistakes_come_at_once(study: Study, module: str) -> None:
    file = study(
        PRUNING,
        f'pruning: {{"{module}:BadPruning": {{}}}}',
        "size: minimize}",
        f'size: minimize, "{module}:BadObjective": minimize}}',
        "search: {",
        'constraints: ["size <= 10 B"]\nsearch: {',
    )
    info = tried(file, "baseline", "architecture", "objectives", "pruning", "constraints")
    problems = mistakes(file, info)
    assert any("BadPruning" in problem for problem in problems)
    assert any("BadObjective" in problem for problem in problems)
