"""A request to retarget: which trials, and the runtime with its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import ValidationError

from paretune.search.errors import UserError
from paretune.search.front.pick import trial_number
from paretune.search.study.deployment import Deployment
from paretune.search.study.records import StudyRecord, TrialRecord
from paretune.search.study.spec import Selection, StudySpec
from paretune.search.study.tables import RUNTIMES
from paretune.search.study_file.space import message
from paretune.spaces.table import UnknownName, did_you_mean

COMMON_OPTIONS = ("threads",)
"""Options that have the same meaning in every runtime."""


@dataclass(frozen=True)
class RetargetRequest:
    """The trials to measure, and the runtime to measure them in.

    Attributes:
        runtime: Name of the runtime; None for that of the study.
        options: Options of the runtime, as the user typed them.
        target: Name of the target to take models and quantities of; None for the first.
        trials: "front", "all", or numbers separated by commas.
        again: True to repeat measurements that are stored.
        device: Address of the device to measure on; None for this machine.
    """

    runtime: str | None = None
    options: Mapping[str, Any] | None = None
    target: str | None = None
    trials: str = "front"
    again: bool = False
    device: str | None = None


def parse_option(text: str) -> tuple[str, Any]:
    """Reads an option: `threads=2` -> ("threads", 2); the value is YAML.

    Raises:
        UserError: The text has no key, or its value is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError(f"--option {text}: give a key and a value: --option threads=2")
    try:
        return key.strip(), yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UserError(f"--option {text}: the value is not YAML") from error


def deployment_of(spec: StudySpec, request: RetargetRequest) -> Deployment:
    """Returns the runtime with its options: of the request, else of the study, else defaults.

    Another runtime takes only the number of threads from the study, so that the two compare.

    Raises:
        UserError: The target, runtime or option does not exist.
    """
    study_runtime = _study_runtime(spec, request.target)
    name = request.runtime or study_runtime.name
    try:
        runtime = RUNTIMES.get(name)
    except UnknownName as error:
        raise UserError(f"--runtime: {error}") from error
    fields = runtime.Params.model_fields
    inherited = dict(study_runtime.params)
    if name != study_runtime.name:
        inherited = {key: value for key, value in inherited.items() if key in COMMON_OPTIONS}
    typed = dict(request.options or {})
    for key in typed:
        if key not in fields:
            hint = did_you_mean(key, list(fields)) or "."
            raise UserError(
                f"--option {key}: {name} has no such option{hint} Known: {', '.join(fields)}."
            )
    values = {key: value for key, value in {**inherited, **typed}.items() if key in fields}
    try:
        options = runtime.Params.model_validate(values)
    except ValidationError as error:
        key = ".".join(map(str, error.errors()[0]["loc"]))
        raise UserError(f"--option {key}: {message(error, values.get(key))}") from error
    target = (request.target or next(iter(spec.targets))) if spec.targets else None
    return Deployment(target, name, options)


def _study_runtime(spec: StudySpec, target: str | None) -> Selection:
    if target is None:
        return spec.runtime
    if target not in spec.targets:
        names = ", ".join(spec.targets) or "none: the study has one runtime"
        hint = did_you_mean(target, list(spec.targets)) or "."
        raise UserError(f'--target: the study has no target "{target}"{hint} Known: {names}.')
    return spec.targets[target]


def requested_trials(record: StudyRecord, text: str) -> list[TrialRecord]:
    """Returns the trials of `RetargetRequest.trials`, the baseline first.

    Raises:
        UserError: A trial does not exist, or has no model of its own.
    """
    with_model = {
        trial.number: trial
        for trial in record.trials
        if trial.measured_now and trial.repeat_of is None
    }
    if text == "front":
        numbers = set(record.members)
    elif text == "all":
        numbers = set(with_model)
    else:
        typed = [trial_number(part) for part in text.split(",")]
        numbers = {number for number in typed if number is not None}
        if None in typed:
            raise UserError(f"--trials {text}: give front, all, or numbers: 3,7")
    for number in sorted(numbers - set(with_model)):
        raise UserError(f"--trials: trial {number} has no model of its own; see: paretune show")
    return [with_model[number] for number in sorted({0, *numbers})]
