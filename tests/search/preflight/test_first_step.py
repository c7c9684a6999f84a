"""A run checks its study first of all, once, and stops before any training on mistakes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paretune.search.preflight.first_step import first_step, has_baseline
from paretune.search.study_file.document import read_document
from paretune.search.study_file.loading import load_study
from support.command_line import Cli

Study = Callable[..., Path]


def steps(file: Path) -> Any:
    return first_step(load_study(file), read_document(file).where)


def test_mistake_stops_a_run_with_2_before_anything_is_stored(
    study: Study, module: str, cli: Cli
) -> None:
    file = study("size: minimize}", f'size: minimize, "{module}:BadObjective": minimize}}')
    result = cli("run", file)
    assert result.code == 2
    assert result.err.startswith(f"{file}:12: objectives.{module}:BadObjective: ")
    assert "trial" not in result.out
    assert not (file.with_suffix("") / "study.db").exists()


def test_run_prints_what_was_checked_before_its_trials(first_run: Any) -> None:
    first, second, *_ = first_run.out.splitlines()
    assert re.match(r"checked 2 networks, [123] prunings?, .* per trial", first)
    assert second.startswith("study tiny: 6 trials")


def test_study_with_a_baseline_is_not_checked_again(finished: Path, cli: Cli) -> None:
    assert has_baseline(load_study(finished))
    assert steps(finished) is None
    result = cli("run", finished)
    assert result.code == 0
    assert "checked" not in result.out


def test_new_study_has_no_baseline(tiny: Path) -> None:
    assert not has_baseline(load_study(tiny))


def test_changed_study_file_is_left_to_the_run(finished: Path, cli: Cli) -> None:
    finished.write_text(finished.read_text().replace("width: 0.25", "width: 0.5"))
    assert steps(finished) is None
    result = cli("run", finished)
    assert result.code == 2
    assert "changed in what all its trials depend on" in result.err


def test_new_technique_of_a_changed_study_is_tried_first(finished: Path, cli: Cli) -> None:
    text = finished.read_text()
    finished.write_text(text.replace("{float: [0.1, 0.5]}", "{float: [0.1, 0.6]}"))
    assert steps(finished) is None  # a wider range is no new part
    finished.write_text(text.replace("[none, dynamic]", "[none, dynamic, static]"))
    assert steps(finished) is not None


@pytest.mark.slow
def test_data_is_loaded_once_and_handed_to_the_run(
    study: Study, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paretune.search.trial import study_data

    loads: list[str] = []
    real = study_data.load_data

    def counted(name: str, *arguments: Any, **options: Any) -> Any:
        loads.append(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(study_data, "load_data", counted)
    assert cli("run", study(), "--trials", 1, "--set", "budget.final=off").code == 0
    assert loads == ["digits"]


def test_export_probes_of_the_first_step_are_not_repeated_by_trials(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paretune.search.trial.stage_study import StageStudy

    file = study()
    data, info = steps(file)
    assert not info.mistakes

    monkeypatch.setattr(
        "paretune.search.building.pipeline.initial_candidate",
        lambda *arguments, **options: pytest.fail("built and exported again"),
    )
    opened = StageStudy(load_study(file), data)
    opened.workbench.pipeline.probe(opened.baseline, _watch())
    opened.close()


def test_quick_check_without_time_tries_each_option_once(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    from paretune.search.preflight import preflight

    monkeypatch.setattr(preflight, "SHORTEST", -1.0)
    monkeypatch.setattr(preflight, "SHARE", 0.0)
    _, info = steps(study())
    tried = {f.item: f.count for f in info.findings if f.check in ("pruning", "quantization")}
    assert tried == {"structured": 1, "none": 1, "dynamic": 1}
    assert info.estimate is not None and info.estimate.plans == 1


def test_fault_of_a_check_does_not_end_a_run(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from paretune.search.preflight import preflight

    def faulty(rehearsal: Any) -> Any:
        raise AssertionError("a fault of the check")

    monkeypatch.setattr(preflight, "_checks", lambda: {"pruning": faulty})
    _, info = steps(study())
    [finding] = info.findings
    assert (finding.state, finding.text) == (
        "skipped",
        "not checked: AssertionError: a fault of the check",
    )


@pytest.mark.slow
def test_first_step_changes_no_trial(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The baseline's weights are those of a run without a first step."""
    from paretune.search.building.watch import Watch
    from paretune.search.trial.stage_study import StageStudy

    file = study()

    def weights(data: Any) -> Any:
        opened = StageStudy(load_study(file), data)
        candidate = opened.workbench.pipeline.candidate(opened.baseline, Watch())
        opened.close()
        return candidate.model.state_dict()

    plain = weights(None)
    (file.with_suffix("") / "study.db").unlink()
    for stage in (file.with_suffix("") / "stages").glob("*.safetensors"):
        stage.unlink()
    data, _ = steps(file)
    checked = weights(data)
    assert plain.keys() == checked.keys()
    assert all((plain[name] == checked[name]).all() for name in plain)


def test_study_with_an_own_trainer_has_no_first_step(tmp_path: Path, module: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        f'evaluate: "{module}:evaluate"\nspace: {{depth: {{int: [1, 4]}}}}\n'
        "objectives: {error: minimize}\n"
    )
    assert steps(file) is None


def _watch() -> Any:
    from paretune.search.building.watch import Watch

    return Watch()
