"""Checks the baseline: it is built, trained for a moment, exported, and compared as it is."""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch

from paretune.search.building.watch import Watch
from paretune.search.measuring.gauge import measure_one
from paretune.search.preflight.attempts import Refusal, attempt
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.rehearsal import NO_TRAINING, Rehearsal, Rehearsed
from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage
from paretune.search.study.units import format_value
from paretune.search.trial.workbench import Deployed
from paretune.spaces.base import Candidate, InfeasibleCandidate

KEY = ("baseline",)
ACCURACY = "accuracy"


def check_baseline(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields whether the baseline can be built, trained, exported and run."""
    for step, action in (
        ("pretrain", lambda: _built(rehearsal)),
        ("deploy", lambda: rehearsal.real.probe(rehearsal.baseline, Watch())),
        ("pretrain", lambda: _trained(rehearsal)),
        ("deploy", lambda: _deployed(rehearsal)),
    ):
        refusal = attempt(step, action)
        if isinstance(refusal, Refusal) and refusal.diverged:
            # A warm-up of three epochs on a few batches is steeper than that of the whole training.
            yield Finding("baseline", "note", f"on a few batches {refusal.text}", KEY)
        elif isinstance(refusal, Refusal):
            rehearsal.refused = True
            verb = "cannot be built or trained" if step == "pretrain" else "cannot be deployed"
            yield Finding("baseline", "mistake", f"it {verb}: {refusal.text}", KEY)
            return
    assert rehearsal.network is not None
    names = " and ".join(dict.fromkeys(t.deployment.name for t in rehearsal.targets))
    parameters = sum(p.numel() for p in rehearsal.network.candidate.model.parameters())
    yield Finding("baseline", "ok", f"{parameters:,} parameters; runs in {names}")
    yield from _as_it_is(rehearsal)


def check_outputs(candidate: Candidate, inputs: torch.Tensor) -> None:
    """Runs a network on a few examples.

    Raises:
        InfeasibleCandidate: Its outputs have another shape, or are not finite.
    """
    with torch.inference_mode():
        outputs = candidate.model.eval()(inputs)
    shape = list(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
    if shape != [len(inputs), candidate.outputs.size]:
        raise InfeasibleCandidate(
            f"outputs for {len(inputs)} examples have the shape {shape}; the data needs "
            f"{[len(inputs), candidate.outputs.size]}"
        )
    if not outputs.isfinite().all():
        raise InfeasibleCandidate("the outputs are not finite (NaN or infinite)")


def _built(rehearsal: Rehearsal) -> None:
    """Builds the baseline with the weights that it starts with."""
    first, *rest = rehearsal.baseline.stages
    untrained = Stage(first.kind, {**first.params, "recipe": NO_TRAINING})
    network = rehearsal.build(Plan((untrained, *rest)))
    check_outputs(network.candidate, rehearsal.batch())
    rehearsal.network = network


def _trained(rehearsal: Rehearsal) -> None:
    network: Rehearsed = rehearsal.build(rehearsal.baseline)
    check_outputs(network.candidate, rehearsal.batch())
    rehearsal.network = network


def _deployed(rehearsal: Rehearsal) -> None:
    assert rehearsal.network is not None
    candidate = rehearsal.network.candidate
    begun = time.perf_counter()
    for target in rehearsal.targets:
        artifact = rehearsal.deploy(candidate, target)
        rehearsal.deployed.append(Deployed(target, artifact, candidate.model))
    rehearsal.seconds["deploy"] = time.perf_counter() - begun


def _as_it_is(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields the accuracy of a baseline that is not trained, for users to compare with theirs."""
    trained = rehearsal.spec.baseline.pretrain
    if rehearsal.quick or (trained and trained["epochs"]):
        return
    deployed = rehearsal.deployed[0]
    subject = deployed.target.subject(deployed.artifact, deployed.model, rehearsal.data)
    answer = attempt("measure", lambda: measure_one(subject, ACCURACY, {}, "validation"))
    if isinstance(answer, Refusal):
        yield Finding("your model as it is", "mistake", answer.text, KEY)
        return
    first = answer[0] if isinstance(answer, list | tuple) else answer
    value = format_value(first.value, first.unit)
    count = rehearsal.data.size("validation")
    text = f"accuracy {value} on {count:,} validation examples; compare this with your script"
    yield Finding("your model as it is", "ok", text)
