"""One trial as an object: its numbers, its plan, its network and its deployed file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from paretune.search.errors import UserError
from paretune.search.interface.opened import network_of, predictor_of
from paretune.search.interface.reading import TrialView, read_trial
from paretune.search.interface.shown import Shown
from paretune.search.views.states import state_text

if TYPE_CHECKING:
    from torch import nn

    from paretune.nests import Nest
    from paretune.objectives.base import Measurement
    from paretune.objectives.predictor import Predictor
    from paretune.search.export.check_results import Verification
    from paretune.search.interface.study_source import StudySource
    from paretune.search.study.records import State, TrialRecord
    from paretune.search.views.attribution import Contribution


class TrialPlan(Shown, Sequence[Mapping[str, Any]]):
    """The stages of a trial: each is {"kind": ..., "params": {...}}. As text, it is YAML."""

    def __init__(self, record: TrialRecord) -> None:
        self._record = record

    def __len__(self) -> int:
        return len(self._record.plan)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> Mapping[str, Any] | Sequence[Mapping[str, Any]]:
        return self._record.plan[index]

    @property
    def summary(self) -> str:
        """The plan in a few words: `simple_cnn width 0.25 · pruned 50 % · static int8`."""
        from paretune.search.views.plan_text import trial_plan_text

        return trial_plan_text(self._record)

    def text(self, width: int | None = None) -> str:
        """Returns the plan with the keys of a study file."""
        from paretune.search.views.plan_yaml import plan_lines

        return "\n".join(plan_lines(self._record.plan))


class Trial(Shown):
    """A trial of a study; trial 0 is the baseline.

    Attributes:
        record: Everything that is stored of it, times of the final session included.

    Args:
        source: The study.
        record: The trial.
    """

    def __init__(self, source: StudySource, record: TrialRecord) -> None:
        self._source = source
        self.record = record
        self._predictors: dict[str | None, Predictor] = {}

    @property
    def number(self) -> int:
        """Its number."""
        return self.record.number

    @property
    def state(self) -> State:
        """Its state: "complete", "infeasible", "failed", ..."""
        return self.record.state

    @property
    def feasible(self) -> bool:
        """Whether it is complete and breaks no constraint."""
        return self.record.feasible

    @property
    def params(self) -> Mapping[str, Any]:
        """Parameter -> value that the sampler chose."""
        return self.record.params

    @property
    def values(self) -> Mapping[str, float]:
        """Objective -> value."""
        return self.record.values

    @property
    def measurements(self) -> Mapping[str, Measurement]:
        """Name -> measurement on the validation part: value, unit, low, high, conditions."""
        return self.record.measurements

    @property
    def test(self) -> Mapping[str, Measurement]:
        """Name -> measurement on the test part, for the baseline and the front; else empty."""
        return self.record.test

    @property
    def reason(self) -> str | None:
        """Why the trial is paused, stopped, infeasible or failed; None for a complete one."""
        return None if self.record.reason is None else self.record.reason.get("text")

    @property
    def plan(self) -> TrialPlan:
        """Its stages, as text and as data."""
        return TrialPlan(self.record)

    @property
    def contributions(self) -> Sequence[Contribution]:
        """What each of its techniques contributed; see `paretune show`."""
        return self._view().contributions

    @property
    def artifact(self) -> Path:
        """The deployed file, that of the first target.

        Raises:
            UserError: The trial has none.
        """
        return self.artifact_of(None)

    def artifact_of(self, target: str | None) -> Path:
        """Returns the deployed file for a target of the study.

        Raises:
            UserError: The trial has none.
        """
        from paretune.search.database.reader import study_reader
        from paretune.search.trial.study_store import bring_artifact
        from paretune.search.trial.workbench import stored_artifact

        location = self._source.location
        artifact = stored_artifact(self._with_model("artifact"), location.folder, target)
        with study_reader(location.url) as reader:
            bring_artifact(artifact, reader.study()["info"])
        return artifact.path

    def model(self) -> nn.Module:
        """Returns the trained network with its weights, on the CPU in evaluation mode.

        Each call returns a network of its own. In int8, it is the network before rounding, or the
        one that was trained for it. Stages that are no longer stored are trained again.

        Raises:
            UserError: The trial has no network.
        """
        return network_of(self._source, self._with_model("network"))

    def predict(self, *inputs: Nest, target: str | None = None, **named: Any) -> Nest:
        """Runs the deployed file in its runtime: the file that was measured.

        Inputs come in the network's form, as arrays or tensors [B, ...] or nests of them:
        `predict(x)`, `predict((a, b))`, `predict(a, b)`, `predict({"x": a})` or `predict(x=a)`.

        Args:
            *inputs: The inputs of a batch.
            target: Target of the study; None for the first one.
            **named: The inputs by name.

        Returns:
            Arrays in the form of the network's outputs.

        Raises:
            UserError: The file is gone or changed, or the inputs do not fit the network.
        """
        from paretune.objectives.errors import Unmeasurable

        if target not in self._predictors:
            record = self._with_model("file")
            self._predictors[target] = predictor_of(self._source, record, target)
        try:
            return self._predictors[target](*inputs, **named)
        except Unmeasurable as error:
            raise UserError(f"trial {self.number}: predict: {error}") from error

    def export(
        self,
        folder: str | os.PathLike[str],
        *,
        to: str | Sequence[str] = (),
        target: str | None = None,
        force: bool = False,
        baseline: bool | None = None,
        hub: str | os.PathLike[str] | None = None,
        latency: bool = True,
        strict: bool = False,
    ) -> Verification:
        """Writes the deployed file with manifest, model card and code, and checks it.

        Args:
            folder: The folder to write; made if it does not exist.
            to: Formats to write instead of the measured file: "torchscript", ["onnx", "openvino"].
            target: Target of the study; None for the first one.
            force: Write even if the folder is not empty.
            baseline: Whether to add the baseline's file; None adds one below 50 MB.
            hub: Another folder, which is laid out as the Hugging Face Hub wants a model.
            latency: Whether to compare the latency with that of the baseline's file.
            strict: Fail at small differences in latency, too.

        Returns:
            The results of the checks. If `ok` is false, the files are in DIR.unverified.

        Raises:
            UserError: The trial has no file, a format is unknown, or the folder is not empty.
        """
        from paretune.search.export.exporter import ExportOptions, export_trial
        from paretune.search.export.hub_folder import refuse_hub_folder, write_hub_folder

        if hub is not None:
            refuse_hub_folder(Path(hub), Path(folder))
        options = ExportOptions(
            query=str(self.number),
            formats=(to,) if isinstance(to, str) else tuple(to),
            folder=Path(folder),
            force=force,
            baseline=baseline,
            target=target,
            latency=latency,
            strict=strict,
        )
        with self._source.at_work():
            result = export_trial(self._source.location, options)
        if hub is not None and result.manifest is not None and result.verification.ok:
            write_hub_folder(result.manifest, Path(hub))
        return result.verification

    def show(self) -> str:
        """Returns the trial as `paretune show` prints it: plan, measurements, files."""
        return self._view().text()

    def to_json(self) -> dict[str, Any]:
        """Returns everything that is stored of the trial, as `paretune show --json`."""
        return self._view().to_json()

    def text(self, width: int | None = None) -> str:
        """Returns the trial in full."""
        return self.show()

    def __repr__(self) -> str:
        from paretune.search.study.units import format_quantity

        values = ", ".join(
            f"{name} {format_quantity(value, self.measurements[name])}"
            for name, value in self.values.items()
            if name in self.measurements
        )
        name = f"Trial {self.number}" if self.number else "Baseline"
        what = self.reason or values
        return f"<{name}: {self.state}; {self.plan.summary}; {what}>"

    def _view(self) -> TrialView:
        return read_trial(self._source.location.url, self.number)

    def _with_model(self, what: str) -> TrialRecord:
        """Returns the record if the trial has a network, or that of the trial that it repeats.

        Raises:
            UserError: It has none, with the reason.
        """
        record = self.record
        if record.repeat_of is not None:
            record = read_trial(self._source.location.url, record.repeat_of).trial
        if not record.measured_now:
            reason = self.reason or state_text(record)
            raise UserError(
                f"trial {record.number}: this trial has no {what}: {record.state} ({reason})"
            )
        if record.artifact is None:
            raise UserError(
                f"trial {record.number}: its model is made by your own trainer, so Paretune has no "
                f"{what} of it"
            )
        return record
