"""A profile on the terminal."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from paretune.inputs import Tokens
from paretune.search.profiling.profile import Profile
from paretune.search.profiling.text import conditions_text, profile_view


def test_table_fits_80_columns_and_its_shares_add_up(profile: Profile) -> None:
    console = Console(width=80, file=io.StringIO())
    console.print(profile_view(profile))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 80
    [worst] = [line for line in text.splitlines() if "out_proj" in line and "75 %" in line]
    assert worst.split()[0].startswith("…")
    [network] = [line for line in text.splitlines() if line.split()[:1] == ["(network)"]]
    assert "25 %" in network and "100 %" in network
    assert any("act" in line and "fused" in line for line in text.splitlines())
    assert "the whole: no change saves 3 % or more" in text


def test_conditions_name_runtime_options_batch_input_and_processor(profile: Profile) -> None:
    expected = "onnxruntime (threads 1), batch 1, input 3x32x32; a processor"
    assert conditions_text(profile) == expected
    texts = replace(profile, shape=Tokens(128, 8000))
    assert "input 128 tokens, vocabulary 8000;" in conditions_text(texts)
