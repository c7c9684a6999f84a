"""Facts -> the text of a study file, which passes its check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paretune.search.starting.choices import StudyChoices, spaces_of, study_choices
from paretune.search.starting.facts import StartFacts
from paretune.search.starting.init import InitResult, checked
from paretune.search.starting.study_text import study_text
from paretune.search.starting.summary import summary
from paretune.search.starting.time_plan import time_plan
from paretune.search.study.spec import StudySpec
from paretune.search.study_file.document import Document
from paretune.search.study_file.loading import load_document
from support.start_facts import FACTS, facts, tried, untrained

CNN: dict[str, Any] = {
    "study": "mine",
    "data": "digits",
    "baseline": {"architecture": "simple_cnn", "pretrain": {"epochs": 1}},
    "space": {"quantization": "none"},
    "objectives": {"accuracy": "maximize", "latency": "minimize", "size": "minimize"},
    "goals": ["latency <= 0.5 x baseline", "accuracy >= baseline - 1%"],
    "budget": {"time": "1h"},
}


def spec_of(source: dict[str, Any], folder: Path) -> StudySpec:
    """Returns a study that is no file."""
    return load_document(Document("mine.yaml", source), folder / "mine.yaml")


def chosen(start: StartFacts, source: dict[str, Any], folder: Path) -> StudyChoices:
    """Returns the choices for facts and a draft."""
    spec = spec_of(source, folder)
    sections = spaces_of(start)
    plan = time_plan(start, spec.seconds, 3, sections["pruning"].value is not None)
    assert plan is not None
    return study_choices(start, source, spec, sections, plan)


def trained(folder: Path) -> dict[str, Any]:
    """Returns the draft of a checkpoint."""
    (folder / "net.pt").write_bytes(b"")
    return {**CNN, "baseline": {"architecture": {"python": "net:Net"}, "checkpoint": "net.pt"}}


def test_text_of_an_untrained_family_passes_its_check(tmp_path: Path) -> None:
    start = untrained(data="digits", side=8, channels=1)
    choices = chosen(start, CNN, tmp_path)
    text = study_text(start, choices, "mine.yaml")
    checked(text, choices, tmp_path / "mine.yaml")
    assert "pretrain: *pretrain" in text and "width: {choice: [0.25, 0.5, 1.0]}" in text
    assert max(map(len, text.splitlines())) <= 100
    assert "# - dynamic int8: takes 1.50x the time of the baseline when tried" in text


def test_text_of_a_checkpoint_starts_from_it(tmp_path: Path) -> None:
    source = trained(tmp_path)
    choices = chosen(FACTS, source, tmp_path)
    text = study_text(FACTS, choices, "mine.yaml")
    checked(text, choices, tmp_path / "mine.yaml")
    assert "pretrain" not in text and "checkpoint: net.pt" in text
    assert "architecture" not in choices.source["space"]
    assert "accuracy 97.0 ±1.0 %" in text


def test_network_that_cannot_be_trained_gets_formats_only(tmp_path: Path) -> None:
    choices = chosen(facts(epoch=0.0), trained(tmp_path), tmp_path)
    assert list(choices.source["space"]) == ["quantization"]
    assert "training did not work" in study_text(FACTS, choices, "mine.yaml")


def test_network_for_which_nothing_works_gets_an_empty_space(tmp_path: Path) -> None:
    start = facts(tried=(tried("quantization", "static", refusal="no"),))
    choices = chosen(start, trained(tmp_path), tmp_path)
    assert choices.source["space"] == {"quantization": "none"}
    checked(study_text(start, choices, "mine.yaml"), choices, tmp_path / "mine.yaml")


def test_every_option_has_a_reason(tmp_path: Path) -> None:
    choices = chosen(FACTS, trained(tmp_path), tmp_path)
    for section in ("pruning", "quantization"):
        for option in choices.source["space"][section]["choice"]:
            if option != "none":
                assert choices.comments["space", section, "choice", option]


def test_text_that_reads_as_another_study_is_a_bug(tmp_path: Path) -> None:
    choices = chosen(FACTS, trained(tmp_path), tmp_path)
    text = study_text(FACTS, choices, "mine.yaml").replace("trials:", "seed:")
    with pytest.raises(RuntimeError, match="reads as another one"):
        checked(text, choices, tmp_path / "mine.yaml")


def test_summary_has_under_15_lines_and_the_next_command(tmp_path: Path) -> None:
    choices = chosen(FACTS, trained(tmp_path), tmp_path)
    lines = summary(InitResult("", Path("mine.yaml"), FACTS, choices)).splitlines()
    assert len(lines) < 15 and lines[-1] == "next: paretune run mine.yaml"
    assert "pruning structured; distillation logits; quantization static" in "\n".join(lines)


def test_facts_and_choices_can_be_written_as_json(tmp_path: Path) -> None:
    import json

    choices = chosen(FACTS, trained(tmp_path), tmp_path)
    written = json.dumps(InitResult("", Path("mine.yaml"), FACTS, choices).to_json())
    assert json.loads(written)["reasons"]["space.quantization.choice.static"]
