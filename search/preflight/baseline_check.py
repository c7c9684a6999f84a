"""Checks the baseline: it is built, trained for a moment, exported, and compared as it is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from paretune.nests import leaves
from paretune.search.building.agreement import finite_rows
from paretune.search.building.network_outputs import OutputsError, run
from paretune.search.building.watch import Watch
from paretune.search.measuring.gauge import measure_one
from paretune.search.preflight.attempts import Refusal, attempt
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.loss_check import try_loss
from paretune.search.preflight.rehearsal import NO_TRAINING, Rehearsal, Rehearsed
from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage
from paretune.search.study.units import format_quantity
from paretune.search.tasks import CLASSIFICATION
from paretune.search.trial.workbench import Deployed
from paretune.spaces.base import Candidate, InfeasibleCandidate
from paretune.spaces.keeping import kept_modules
from paretune.task import Outputs

KEY = ("baseline",)
ACCURACY, SCORE = "accuracy", "score"


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


def check_outputs(candidate: Candidate, inputs: Any) -> None:
    """Runs a network on a few examples.

    Args:
        candidate: The network.
        inputs: Examples, as the network takes them [B, ...].

    Raises:
        InfeasibleCandidate: Its outputs have another shape, or are not finite.
    """
    try:
        outputs = run(candidate.model.eval(), inputs)
    except OutputsError as error:
        raise InfeasibleCandidate(f"the network: {error}") from error
    wanted, count = candidate.outputs, len(leaves(inputs)[0])
    if wanted.per != "any":
        first = next(iter(outputs.values()))
        shape = list(first.shape) if len(outputs) == 1 else sorted(outputs)
        if len(outputs) > 1 or not _fits(first.shape, wanted):
            raise InfeasibleCandidate(
                f"outputs for {count} examples have the shape {shape}; the data needs "
                f"{FORMS[wanted.per].format(count, wanted.size)}"
            )
    for name, values in outputs.items():
        if not finite_rows(values).all():
            which = f'values of output "{name}"' if name else "outputs"
            raise InfeasibleCandidate(f"the {which} are not finite (NaN or infinite)")


FORMS = {
    "example": "[{}, {}]",
    "position": "[{}, positions, {}]",
    "pixel": "[{}, {}, height, width]",
    "cell": "[{}, {}, rows, columns]",
}
"""What has one vector of outputs -> form of the outputs for a batch."""


def _fits(shape: tuple[int, ...], wanted: Outputs) -> bool:
    """Returns whether outputs [B, ...] have the rank and the vectors that a task needs."""
    rank = FORMS[wanted.per].count(",") + 1
    axis = 2 if wanted.per == "position" else 1
    return len(shape) == rank and wanted.size in (0, shape[axis])


def _built(rehearsal: Rehearsal) -> None:
    """Builds the baseline with the weights that it starts with."""
    first, *rest = rehearsal.baseline.stages
    untrained = Stage(first.kind, {**first.params, "recipe": NO_TRAINING})
    network = rehearsal.build(Plan((untrained, *rest)))
    kept_modules(network.candidate.model, rehearsal.data.task.keep)
    check_outputs(network.candidate, rehearsal.batch())
    if getattr(rehearsal.data.task, "train", None) is None:  # an own loop may use another loss
        recipe = rehearsal.spec.baseline.pretrain
        try_loss(network.candidate.model, rehearsal.data, recipe, rehearsal.training_batch())
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
    """Yields the score of a baseline that is not trained, for users to compare with theirs."""
    trained = rehearsal.spec.baseline.pretrain
    if rehearsal.quick or (trained and trained["epochs"]):
        return
    deployed = rehearsal.deployed[0]
    subject = deployed.target.subject(deployed.artifact, deployed.model, rehearsal.data)
    name, options = _score(rehearsal)
    answer = attempt("measure", lambda: measure_one(subject, name, options, "validation"))
    if isinstance(answer, Refusal):
        yield Finding("your model as it is", "mistake", answer.text, KEY)
        return
    several = answer if isinstance(answer, list | tuple) else [answer]
    if not several:  # the study names no score of the user's own task
        return
    first = several[0]
    value = format_quantity(first.value, first)
    count = rehearsal.data.size("validation")
    text = f"{first.name} {value} on {count:,} validation examples; compare this with your script"
    yield Finding("your model as it is", "ok", text)


def _score(rehearsal: Rehearsal) -> tuple[str, Mapping[str, Any]]:
    """Returns the objective that scores the study's task, and its options."""
    if rehearsal.data.task.name == CLASSIFICATION:
        return ACCURACY, {}
    quantities = dict(rehearsal.deployed[0].target.gauge.quantities)
    return SCORE, quantities.get(SCORE, {})
