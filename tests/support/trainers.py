"""Studies of a trainer that needs no network and no data, run in this process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from paretune.search.running.runner import Runner
from paretune.search.running.stopping import Ending
from paretune.search.study.records import StudyRecord
from paretune.search.study_file.loading import load_study
from paretune.search.trial.events import Event, Notice, RunEnded, TrialEnded, TrialStarted
from support.studies import record_of

TRAINER = '''\
"""A trainer that fails for the depths in a file."""

from pathlib import Path

FOLDER = Path(__file__).parent


def evaluate(plan, report):
    with (FOLDER / "calls").open("a") as calls:
        calls.write(f"{plan['depth']}\\n")
    if str(plan["depth"]) in (FOLDER / "failing").read_text().split():
        raise RuntimeError(f"the machine of {plan['depth']} is away")
    report(1, error=1.0 / plan["depth"])
    return {"error": 1.0 / plan["depth"], "cost": plan["depth"]}
'''

STUDY = """\
study: depths
evaluate: "{module}:evaluate"
space: {space}
objectives: {{error: {{minimize: {{}}}}, cost: {{minimize: {{}}}}}}
search: {{sampler: {sampler}, trials: {trials}}}
"""


@dataclass
class TrainerStudyFile:
    """A study file with its trainer.

    Attributes:
        file: The study file.
        events: Events of the last run.
    """

    file: Path
    events: list[Event] = field(default_factory=list)

    def run(self, *overrides: str, **options: Any) -> Ending:
        """Runs the study in this process.

        Args:
            overrides: --set options.
            options: Options of `Runner`.
        """
        self.events.clear()
        return Runner(load_study(self.file, overrides), self.events.append, **options).run()

    def fail(self, *depths: int) -> None:
        """Lets the trainer fail for these depths from now on."""
        (self.file.parent / "failing").write_text(" ".join(map(str, depths)))

    @property
    def calls(self) -> list[int]:
        """The depths for which the trainer was called."""
        file = self.file.parent / "calls"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    @property
    def record(self) -> StudyRecord:
        """The stored study."""
        return record_of(self.file)

    @property
    def notices(self) -> list[str]:
        """Texts of the notices of the last run."""
        return [event.text for event in self.events if isinstance(event, Notice)]

    @property
    def started(self) -> list[TrialStarted]:
        """Trials that the last run started."""
        return [event for event in self.events if isinstance(event, TrialStarted)]

    @property
    def ended(self) -> list[TrialEnded]:
        """Trials that the last run ended."""
        return [event for event in self.events if isinstance(event, TrialEnded)]

    @property
    def reason(self) -> str:
        """Why the last run ended."""
        return next(event.reason for event in self.events if isinstance(event, RunEnded))


def trainer_study(
    folder: Path,
    space: str = "{depth: {int: [1, 5]}}",
    sampler: str = "random",
    trials: int = 100,
) -> TrainerStudyFile:
    """Writes a study and its trainer.

    Args:
        folder: An existing folder; its name makes the module's name unique.
        space: The space in YAML.
        sampler: The sampler in YAML.
        trials: Number of trials.
    """
    module = "depths_" + "".join(c if c.isalnum() else "_" for c in folder.name)
    (folder / f"{module}.py").write_text(TRAINER)
    (folder / "failing").write_text("")
    file = folder / "depths.yaml"
    file.write_text(STUDY.format(module=module, space=space, sampler=sampler, trials=trials))
    return TrainerStudyFile(file)


def named_trainer(
    monkeypatch: pytest.MonkeyPatch, module: str, evaluate: Callable[..., Any]
) -> str:
    """Makes a test's own function importable; returns its name for `evaluate` in a study file."""
    made = ModuleType(module)
    made.evaluate = evaluate  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module, made)
    return f"{module}:evaluate"
