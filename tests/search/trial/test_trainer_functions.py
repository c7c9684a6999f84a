"""Which functions of the user's own trainer are refused."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import pytest

from paretune.search.errors import UserError
from paretune.search.trial.trainer_functions import (
    refuse_without_seed,
    requires_seed,
    takes_seed,
    trainer_function,
)


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    monkeypatch.syspath_prepend(tmp_path)

    def write(code: str) -> ModuleType:
        name = f"functions_{abs(hash((request.node.nodeid, code)))}"
        (tmp_path / f"{name}.py").write_text(code)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    return write


SEEDLESS = "def evaluate(plan, report):\n    return {'error': 0.1}\n"


def test_trainer_that_reads_no_seed_is_refused_with_what_to_type(module) -> None:  # type: ignore[no-untyped-def]
    for code in (SEEDLESS, f"import random\nrandom.seed(0)\n{SEEDLESS}"):
        with pytest.raises(UserError, match=r"mine:evaluate reads no seed.*report\.seed.*param"):
            refuse_without_seed("mine:evaluate", module(code).evaluate)


@pytest.mark.parametrize(
    "code",
    [
        "def evaluate(plan, report, seed=0):\n    return {}\n",
        "def train(report):\n    report.seed\ndef evaluate(plan, report):\n    train(report)\n",
    ],
)
def test_trainer_with_a_seed_is_taken(module, code: str) -> None:  # type: ignore[no-untyped-def]
    refuse_without_seed("mine:evaluate", module(code).evaluate)


def test_function_with_a_required_seed_is_called_with_it(module) -> None:  # type: ignore[no-untyped-def]
    trainer = module("def evaluate(plan, report, *, seed):\n    return {}\n")
    function = trainer_function("evaluate", f"{trainer.__name__}:evaluate")
    assert takes_seed(function) and requires_seed(function)
    assert not requires_seed(module("def evaluate(plan, report, seed=1):\n    pass\n").evaluate)


def test_function_with_other_required_arguments_is_refused(module) -> None:  # type: ignore[no-untyped-def]
    trainer = module("def evaluate(plan, report, seed, more):\n    return {}\n")
    with pytest.raises(UserError, match="must take the arguments"):
        trainer_function("evaluate", f"{trainer.__name__}:evaluate")
