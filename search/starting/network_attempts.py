"""Builds one option on an excerpt of the data, deploys it, and scores its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paretune.objectives.runtimes.onnx_portability import lacking_everywhere
from paretune.search.measuring.targets import NO_MODEL, Target
from paretune.search.preflight.attempts import Refusal, attempt
from paretune.search.preflight.baseline_check import check_outputs
from paretune.search.preflight.rehearsal import NO_TRAINING, Rehearsal, Rehearsed
from paretune.search.preflight.variants import NONE, Variant
from paretune.search.starting.facts import ScoreFact, TriedOption
from paretune.search.starting.measured_score import measured_score
from paretune.search.starting.timed_files import FileTimes

if TYPE_CHECKING:
    from paretune.objectives.runtimes.base import Artifact
    from paretune.spaces.base import Candidate

NOTHING: Mapping[str, Any] = {
    "finetune": None,
    "distillation": {NONE: {}},
    "pruning": {NONE: {}},
    "quantization": {NONE: {}},
}
"""Choices of a plan that changes nothing after the baseline's first stage."""


class NetworkAttempts:
    """Builds and deploys changed networks beside a baseline.

    Args:
        rehearsal: The study, with its baseline built and deployed.
        score: The main score.
        trained: Whether the baseline needs no training.
        times: Collects the files, which are timed together at the end.
    """

    def __init__(
        self, rehearsal: Rehearsal, score: ScoreFact, trained: bool, times: FileTimes
    ) -> None:
        self._rehearsal = rehearsal
        self._score = score
        self._trained = trained
        self._times = times

    def build(self, **choices: Any) -> Rehearsed:
        """Builds a plan on an excerpt; only the sections in `choices` differ from the baseline."""
        rehearsal = self._rehearsal
        first = {} if self._trained else {"pretrain": NO_TRAINING}
        return rehearsal.build(
            rehearsal.plan(rehearsal.choices(Variant(), **{**NOTHING, **first, **choices}))
        )

    def build_checked(self, **choices: Any) -> Rehearsed:
        """Builds a plan, and checks what its network returns.

        Raises:
            UserError: The outputs are not those of the task.
        """
        built = self.build(**choices)
        check_outputs(built.candidate, self._rehearsal.batch())
        return built

    def untrained(self, architecture: Mapping[str, Any]) -> Candidate:
        """Builds another architecture, and checks what it returns."""
        candidate = self._rehearsal.untrained_network(architecture)
        check_outputs(candidate, self._rehearsal.batch())
        return candidate

    def deployed(
        self, tried: TriedOption, candidate: Candidate, target: Target | None = None
    ) -> TriedOption:
        """Deploys a network to a target, or the first one, and notes the file for the timing."""
        rehearsal = self._rehearsal
        target = target or rehearsal.targets[0]
        tried = replace(tried, target=target.name)
        artifact = attempt("deploy", lambda: rehearsal.deploy(candidate, target))
        if isinstance(artifact, Refusal):
            return refused(tried, artifact)
        baseline = next(d for d in rehearsal.deployed if d.target.name == target.name)
        size = artifact.bytes / max(1, baseline.artifact.bytes)
        score = self._scored(target, artifact) if tried.section == "quantization" else None
        facts = {**tried.facts, **_portability(artifact)}
        tried = replace(tried, size=size, score=score, facts=facts)
        self._times.add(tried, target, artifact)
        return tried

    def _scored(self, target: Target, artifact: Artifact) -> float | None:
        """Returns the score of a file of a trained baseline on some validation examples."""
        if not self._trained:
            return None
        subject = target.subject(artifact, NO_MODEL, self._rehearsal.measured_data())
        quantities = dict(target.gauge.quantities)
        name = self._score.name
        answer = attempt("measure", lambda: measured_score(subject, quantities, name))
        return None if isinstance(answer, Refusal) else answer.value


def full_params(table: Any, option: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns parameters with their defaults, as plans have them."""
    full: dict[str, Any] = (
        table.get(option).Params.model_validate(dict(params)).model_dump(mode="json")
    )
    return full


def refused(tried: TriedOption, refusal: Refusal) -> TriedOption:
    """Returns an option with the reason why it does not work."""
    return replace(tried, refusal=refusal.text)


def _portability(artifact: Artifact) -> dict[str, Any]:
    """Returns the fact `cpu_only`: operators that no accelerator of a phone runs; or nothing."""
    only = lacking_everywhere(artifact.info.get("operators", {}))
    return {"cpu_only": only} if only else {}
