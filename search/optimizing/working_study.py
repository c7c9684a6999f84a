"""The study that an optimization works on: the user's own, or one that `init` writes.

The user's study file is never changed: the studies of the rounds are in its database. A file that
`init` wrote is changed with each round.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from paretune.search.errors import UserError
from paretune.search.files import write_atomically
from paretune.search.optimizing.request import OptimizeRequest
from paretune.search.optimizing.study_text import with_space
from paretune.search.optimizing.survey_notes import SurveyNotes
from paretune.search.study.spec import StudySpec, digest
from paretune.search.study_file.document import Document, read_document
from paretune.search.study_file.loading import load_document
from paretune.search.study_file.problems import StudyFileError

REQUEST = "optimize.json"
"""File in the study's folder: for what MODEL `init` wrote the study."""


@dataclass(frozen=True)
class WorkingStudy:
    """The study file of an optimization.

    Attributes:
        request: What the user typed.
        document: The study file as it is on disk.
        made: Whether `init` wrote it for this optimization.
        seconds: Seconds that this took, in this or an earlier run of the command.
        notes: What `init` learned; None for the user's own study.
    """

    request: OptimizeRequest
    document: Document
    made: bool
    seconds: float = 0.0
    notes: SurveyNotes | None = None

    @property
    def file(self) -> Path:
        """The study file."""
        return self.request.file

    @property
    def digest(self) -> str:
        """Digest of the file's content, without comments."""
        return digest(self.document.data)

    @property
    def source(self) -> dict[str, Any]:
        """The study as plain data, with the goals of the command line."""
        goals = self.request.goals
        return {**self.document.data, **({"goals": list(goals)} if goals else {})}

    def spec(self, source: Mapping[str, Any] | None = None) -> StudySpec:
        """Returns a study in the place of this file.

        Args:
            source: The study as plain data; None for that of the file.

        Raises:
            StudyFileError: It has mistakes; those of goals name their option --goal.
        """
        document = Document(self.document.file, dict(source or self.source))
        document.lines = self.document.lines if source is None else {}
        for index, text in enumerate(self.request.goals):
            document.origins["goals", str(index)] = f'--goal "{text}"'
        return load_document(document, self.file)

    def accepts(self, source: Mapping[str, Any]) -> bool:
        """Returns whether a study has no mistakes."""
        try:
            self.spec(source)
        except StudyFileError:
            return False
        return True

    def with_space(self, space: Mapping[str, Any], reasons: tuple[str, ...]) -> WorkingStudy:
        """Writes a file that `init` made with the space of the next round."""
        if not self.made:
            return self
        text = self.file.read_text(encoding="utf-8")
        write_atomically(self.file, with_space(text, space, reasons))
        return replace(self, document=read_document(self.file))


def working_study(
    request: OptimizeRequest, say: Callable[[str], None] = lambda step: None
) -> WorkingStudy:
    """Opens the study of an optimization; lets `init` write it in the first run.

    Raises:
        UserError: The model or its data has mistakes, or the study of another model is in its
            place.
    """
    if request.is_study:
        return WorkingStudy(request, read_document(request.file), made=False)
    if request.file.exists():
        return _continued(request)
    begun = time.monotonic()
    _write_request(request, 0.0)  # first: a run that is killed here leaves no file without it
    try:
        notes = _initialize(request, say)
    except UserError:
        _request_file(request).unlink()
        with suppress(OSError):  # an older folder, with something in it
            _request_file(request).parent.rmdir()
        raise
    seconds = time.monotonic() - begun
    _write_request(request, seconds, notes)
    document = read_document(request.file)
    return WorkingStudy(request, document, made=True, seconds=seconds, notes=notes)


def _write_request(
    request: OptimizeRequest, seconds: float, notes: SurveyNotes | None = None
) -> None:
    survey = None if notes is None else notes.to_json()
    facts = {**_facts(request), "seconds": seconds, "survey": survey}
    write_atomically(_request_file(request), json.dumps(facts, indent=2) + "\n")


def _initialize(request: OptimizeRequest, say: Callable[[str], None]) -> SurveyNotes:
    """Writes the study file of the first round; returns what was learned for it.

    Raises:
        UserError: The model, its data or the goals have mistakes.
    """
    from paretune.search.starting.init import init_study
    from paretune.search.starting.request import InitRequest

    request.file.parent.mkdir(parents=True, exist_ok=True)
    wanted = InitRequest(
        model=request.subject,
        task=request.task,
        data=request.data,
        checkpoint=request.checkpoint,
        runtime=request.runtime,
        goals=request.goals,
        time=request.time,
        output=request.file,
    )
    try:
        result = init_study(wanted, say, brief=True)
    except UserError as error:
        text = str(error).replace("--model:", "MODEL:").replace("--model ", "MODEL ")
        raise type(error)([text] if isinstance(error, StudyFileError) else text) from error
    goals = load_document(read_document(request.file), request.file).goals
    return SurveyNotes.of(result, goals)


def _continued(request: OptimizeRequest) -> WorkingStudy:
    """Opens the study that an earlier run of the command made.

    Raises:
        UserError: It is of another model or other data, or not of this command.
    """
    try:
        stored = json.loads(_request_file(request).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{request.file}: this study is not of `paretune optimize`; optimize it as a study: "
            f"paretune optimize {request.file} ..., or give another -o"
        ) from error
    for name, value in _facts(request).items():
        if stored.get(name) != value:
            raise UserError(
                f"-o {request.output}: {request.file.name} beside it is a study of "
                f"{name} {stored.get(name)}, not {value}; give another -o"
            )
    seconds = float(stored.get("seconds", 0.0))
    survey = stored.get("survey")
    notes = None if survey is None else SurveyNotes.from_json(survey)
    document = read_document(request.file)
    return WorkingStudy(request, document, made=True, seconds=seconds, notes=notes)


def _facts(request: OptimizeRequest) -> dict[str, Any]:
    """Returns what must be the same when the command is typed again."""
    return {
        "model": request.subject,
        "data": request.data,
        "checkpoint": request.checkpoint,
        "task": request.task,
        "runtime": request.runtime,
    }


def _request_file(request: OptimizeRequest) -> Path:
    return request.file.with_suffix("") / REQUEST
