"""Lines for the section `space` of a study file."""

from __future__ import annotations

from pathlib import Path

import pytest

from paretune.search.profiling.advice.change import Change
from paretune.search.profiling.advice.space_lines import space_line, without_defaults
from paretune.search.study_file.loading import load_study

STUDY = """
study: pasted
data: digits
baseline: {{architecture: {{simple_cnn: {{width: 0.5}}}}, pretrain: {{epochs: 1}}}}
space:
  finetune: {{epochs: 1}}
  {line}
objectives: {{accuracy: maximize, latency: minimize}}
search: {{trials: 3}}
"""


@pytest.mark.parametrize("change", Change)
def test_space_line_can_be_pasted_into_a_study_file(change: Change, tmp_path: Path) -> None:
    line = space_line(change, "3", {"simple_cnn": {"width": 0.5}}, (48, 64), ("static", "dynamic"))
    file = tmp_path / "pasted.yaml"
    file.write_text(STUDY.format(line=line))
    assert load_study(file).name == "pasted"


def test_architecture_is_written_without_default_values() -> None:
    architecture = {"simple_cnn": {"width": 1.0, "resolution": None}}
    assert without_defaults(architecture) == {"simple_cnn": {}}
