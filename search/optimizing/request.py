"""The request of an optimization: what the user typed, and where its study is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from paretune.search.errors import UserError
from paretune.search.locate import MODEL_SUFFIXES
from paretune.search.study_file.missing_file import SUFFIXES, missing_study

NO_TIME = "give --time, for example --time 1h: the time of everything, from the first measurement"


@dataclass(frozen=True)
class OptimizeRequest:
    """A model or a study, and what is wanted of it.

    Attributes:
        subject: MODEL ("torchvision:mobilenet_v2", "pkg.mod:Net", a family) or a study file; None
            for a task that brings its network.
        output: Folder of the verified export.
        goals: "latency <= 0.5 x baseline", ...; of a study file, they replace its own.
        time: "1h": the time of everything; None for the time that the study file gives.
        data: Data of MODEL, as `paretune init` takes it.
        checkpoint: File with the weights of MODEL.
        task: Name of a task, or "pkg.mod:Task".
        runtime: Name of a runtime; None for onnxruntime.
        stop_at_goal: Whether it ends when a trial meets every goal.
    """

    subject: str | None
    output: Path
    goals: tuple[str, ...] = ()
    time: str | None = None
    data: str | None = None
    checkpoint: str | None = None
    task: str | None = None
    runtime: str | None = None
    stop_at_goal: bool = False

    @property
    def is_study(self) -> bool:
        """Whether the subject is a study file."""
        return self.subject is not None and Path(self.subject).suffix.lower() in SUFFIXES

    @property
    def file(self) -> Path:
        """The study file: the user's own, or one beside the output folder."""
        if self.is_study:
            return Path(self.subject or "")
        absolute = self.output.absolute()
        return absolute.with_name(f"{absolute.name}.study.yaml")

    def check(self) -> None:
        """Refuses what cannot be right, before anything is loaded.

        Raises:
            UserError: The subject is no study and no model, options do not go together, or the
                output is a file.
        """
        if self.output.exists() and not self.output.is_dir():
            raise UserError(f"-o {self.output}: this is a file; give a folder")
        if self.is_study:
            self._check_study()
            return
        if self.subject is None and self.task is None:
            raise UserError(
                "give a MODEL such as torchvision:mobilenet_v2 with --data, a study file, or "
                "--task pkg.mod:Task of a task that brings its network"
            )
        if self.subject is not None and Path(self.subject).suffix.lower() in MODEL_SUFFIXES:
            raise UserError(
                f"{self.subject}: this is a file of weights; name its network, and the file as "
                f'--checkpoint: paretune optimize "my_module:Net" --checkpoint {self.subject} ...'
            )
        if self.subject is not None and Path(self.subject).is_dir():
            raise UserError(
                f"{self.subject}: this is a folder; give a study file (study.yaml), or a MODEL "
                "such as torchvision:mobilenet_v2"
            )
        if not self.goals:
            raise UserError(
                'give at least one --goal, for example --goal "latency <= 0.5 x baseline" '
                '--goal "accuracy >= baseline - 1%"'
            )
        if self.time is None:
            raise UserError(NO_TIME)

    def _check_study(self) -> None:
        if not self.file.is_file():
            raise missing_study(self.file)
        options = {
            "--data": self.data,
            "--checkpoint": self.checkpoint,
            "--task": self.task,
            "--runtime": self.runtime,
        }
        for option, value in options.items():
            if value is not None:
                raise UserError(
                    f"{option}: the study file names it already; leave {option} out, or change "
                    f"{self.subject}"
                )
