"""Runs the epochs of a training: with the steps of the recipe, or in the task's own loop."""

from __future__ import annotations

from paretune.spaces.strides import correct_gradients
from paretune.spaces.training.own_loop import OwnLoop
from paretune.spaces.training.snapshot import Saver, Snapshot
from paretune.spaces.training.steps import Steps
from paretune.spaces.training.training_stage import TrainingStage
from paretune.spaces.training.training_state import TrainingState


def run_epochs(
    state: TrainingState,
    until: int,
    resume: Snapshot | None,
    keep: bool,
    saver: Saver | None = None,
) -> None:
    """Trains up to an epoch or an early end; then the model has the best weights.

    Args:
        state: The training.
        until: The last epoch, counted from the start of the training.
        resume: Snapshot of an earlier part from which to continue.
        keep: Whether to take a snapshot at the end.
        saver: Saves snapshots between epochs.
    """
    state.keep, state.saver = keep, saver
    try:
        with correct_gradients(state.model, state.context.device):
            _run(state, until, resume)
    finally:
        if state.distiller:
            state.distiller.close()
    if state.average:
        state.average.apply()
    state.monitor.restore(state.model)
    if state.trunk:
        state.trunk.unfreeze()


def _run(state: TrainingState, until: int, resume: Snapshot | None) -> None:
    if state.task_loop:
        loop = OwnLoop(state, state.task_loop)
        loop.run(until, resume, TrainingStage(loop))
        return
    steps = Steps(state)
    for epoch in state.numbers(until, resume):
        steps.epoch(epoch)
