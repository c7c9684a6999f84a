"""The network and the deployed file of a trial, from a study that is opened for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from paretune.search.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from paretune.objectives.predictor import Predictor
    from paretune.search.interface.study_source import StudySource
    from paretune.search.study.records import TrialRecord
    from paretune.search.trial.stage_study import StageStudy


@contextmanager
def opened(source: StudySource) -> Iterator[StageStudy]:
    """Opens a study with its data and its stage cache.

    Raises:
        UserError: It cannot be opened, for example because its data is gone.
    """
    from paretune.search.trial.stage_study import StageStudy

    with source.at_work():
        study = StageStudy(source.location.spec())
        try:
            yield study
        finally:
            study.close()


def network_of(source: StudySource, record: TrialRecord) -> nn.Module:
    """Returns the trained network of a complete trial, as it is deployed to the first target.

    Raises:
        UserError: It cannot be built.
    """
    from paretune.search.building.watch import StageError, Watch
    from paretune.search.study.plan import Plan

    plan = Plan.from_json(record.plan)
    with opened(source) as study:
        pipeline = study.workbench.pipeline
        try:
            candidate = pipeline.candidate(plan, Watch())
            target = study.workbench.targets[0]
            if target.name is not None:
                candidate, _ = pipeline.suited(plan, candidate, target.deployment)
        except StageError as error:
            raise UserError(f"trial {record.number}: {error}") from error
        model: nn.Module = candidate.model.cpu().eval()
    return model


def predictor_of(source: StudySource, record: TrialRecord, target: str | None) -> Predictor:
    """Returns the deployed file of a trial as a function.

    Raises:
        UserError: The file is gone or changed, or its runtime cannot be used here.
    """
    from paretune.objectives.errors import Unmeasurable
    from paretune.objectives.predictor import Predictor
    from paretune.search.files import sha256_of

    with opened(source) as study:
        artifact = study.workbench.artifact(record, target)
        chosen = next(t for t in study.workbench.targets if target in (None, t.name))
        shape = study.workbench.data.shape
    if not artifact.path.is_file() or sha256_of(artifact.path) != artifact.sha256:
        raise UserError(
            f"{artifact.path}: the measured file is gone or changed; run the study again"
        )
    deployment = chosen.deployment
    try:
        session = deployment.runtime.load(artifact.path, deployment.options)
    except Unmeasurable as error:
        raise UserError(f"trial {record.number}: {error}") from error
    return Predictor.of(session, shape, artifact)
