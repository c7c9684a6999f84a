"""Describes what a run of a study would do; pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from paretune.search.measuring.structural_constraints import SCREEN, structural_constraints
from paretune.search.shell import without_password
from paretune.search.study.beliefs import OptionBelief, value_at
from paretune.search.study.elastic import (
    ELASTIC,
    SOURCE,
    SUBNET,
    TRAINING,
    elastic_node,
    with_sources,
)
from paretune.search.study.raced_stage import longest_training, raced_stage
from paretune.search.study.spec import (
    ObjectiveSpec,
    Selection,
    StudySpec,
    TrainerSpec,
    checkpoint_name,
)
from paretune.search.study_file.distillation import learning_stages, teacher_names, training_stages
from paretune.search.study_file.networks import AVERAGE, description
from paretune.search.study_file.option_names import option_names
from paretune.search.study_file.starting_weights import may_be
from paretune.search.study_file.targets import target_notes
from paretune.search.tasks import TASKS, brings_data
from paretune.search.tasks.python import NETWORK
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.domains import (
    Choice,
    Domain,
    Fixed,
    Float,
    Int,
    Items,
    Node,
    Parameter,
    Record,
    count,
    parameters,
)
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS


@dataclass(frozen=True)
class ParameterInfo:
    """One parameter of the space, as text."""

    name: str
    domain: str
    condition: str


@dataclass(frozen=True)
class CheckInfo:
    """The facts that `paretune check` shows; all can be written as JSON."""

    study: str
    data: str
    baseline: str
    teachers: tuple[str, ...]
    parameters: tuple[ParameterInfo, ...]
    plans: str
    stages: tuple[str, ...]
    objectives: tuple[str, ...]
    constraints: tuple[str, ...]
    goals: tuple[str, ...]
    runtime: str
    targets: tuple[str, ...]
    sampler: str
    first: tuple[str, ...]
    prior: tuple[str, ...]
    racing: str
    budget: str
    storage: str
    folder: str
    notes: tuple[str, ...]
    files: str = ""
    """URL of the store; empty if the folder has the only copy."""
    change: Mapping[str, Any] | None = None
    """How the file differs from the study that was run before, as JSON; None if it does not."""

    def to_json(self) -> dict[str, Any]:
        """Returns all fields as JSON; `change` and `files` only if there are any."""
        fields = asdict(self)
        return {k: v for k, v in fields.items() if v or k not in ("change", "files")}


def _data_text(spec: StudySpec) -> str:
    """Returns the data set in words; a task that brings its data stands for it."""
    if spec.trainer:
        return ""
    return _option_text(spec.task if brings_data(TASKS.get(spec.task.name)) else spec.data)


def check_info(spec: StudySpec) -> CheckInfo:
    """Describes a study."""
    space = list(parameters(spec.space))
    limits = [f"{spec.trials} trials"] if spec.trials else []
    limits += [f"{spec.seconds:g} s per run"] if spec.seconds else []
    limits += [_final_text(spec.final_seconds)] if spec.final_seconds is not None else []
    limits += [f"{spec.repeats} seeds for the front"] if spec.repeats > 1 else []
    return CheckInfo(
        study=spec.name,
        data=_data_text(spec),
        baseline=_plan_text(spec.trainer)
        if spec.trainer
        else _network_text(description(spec.baseline)),
        teachers=tuple(
            f"{name}: {_network_text(teacher)}" for name, teacher in spec.teachers.items()
        ),
        parameters=tuple(
            ParameterInfo(p.name, domain_text(p.domain), _condition_text(p)) for p in space
        ),
        plans=plans_text(spec.space),
        stages=tuple(_functions(spec.trainer) if spec.trainer else _stages(spec)),
        objectives=tuple(map(_objective_text, spec.objectives)),
        constraints=tuple(c.text for c in spec.constraints),
        goals=tuple(g.text for g in spec.goals),
        runtime="" if spec.trainer or spec.targets else _option_text(spec.runtime),
        targets=tuple(
            f"{name}: {_option_text(selection)}" for name, selection in spec.targets.items()
        ),
        sampler=f"{_option_text(spec.sampler)}, seed {spec.seed}",
        first=tuple(map(assignment_text, spec.first)),
        prior=tuple(f"{name}: {value}" for name, value in belief_texts(spec).items()),
        racing=_racing_text(spec),
        budget=", ".join(limits),
        storage=without_password(spec.storage),
        folder=str(spec.folder),
        notes=tuple(_notes(spec)),
        files=str(spec.files["url"]) if spec.files else "",
    )


def assignment_text(params: Mapping[str, Any]) -> str:
    """Returns the values of parameters: `pruning: structured, pruning.structured.ratio: 0.4`."""
    return ", ".join(f"{name}: {value}" for name, value in params.items()) or "any plan"


def belief_texts(spec: StudySpec) -> dict[str, str]:
    """Returns parameter name -> the user's belief: `0.4, from 0.3 to 0.5`, `static 75 %`."""
    domains = {p.name: p.domain for p in parameters(spec.space)}
    texts = {}
    for name, belief in spec.prior.items():
        domain = domains[name]
        if isinstance(belief, OptionBelief) or isinstance(domain, Choice):
            assert isinstance(belief, OptionBelief)
            shares = sorted(belief.shares.items(), key=lambda item: -item[1])
            texts[name] = ", ".join(f"{label} {100 * p:.0f} %" for label, p in shares if p)
            continue
        center, low, high = (
            f"{value_at(domain, belief.center + shift):.3g}"
            for shift in (0.0, -belief.spread, belief.spread)
        )
        texts[name] = f"{center}, mostly from {low} to {high}"
    return texts


def _final_text(seconds: float) -> str:
    return f"final session at most {seconds:g} s" if seconds else "no final session"


def plans_text(space: Node) -> str:
    """Returns the number of distinct plans of a space, as text."""
    number = count(space)
    if math.isfinite(number):
        return f"{number:,.0f} distinct plan{'s' if number != 1 else ''}"
    continuous = [p.name for p in parameters(space) if _continuous(p.domain)]
    others = count(_without_continuous(space))
    return (
        f"unbounded: {len(continuous)} continuous parameter{'s' if len(continuous) > 1 else ''}, "
        f"{others:,.0f} combinations of the others"
    )


def domain_text(domain: Domain) -> str:
    """Returns a domain as text: `0.1 .. 0.8, log`."""
    match domain:
        case Choice():
            return " | ".join(domain.labels)
        case Float(low, high, log, step) | Int(low, high, log, step):
            extras = [", log"] if log else []
            extras += [f", step {step:g}"] if step and step != 1 else []
            kind = "int " if isinstance(domain, Int) else ""
            return f"{kind}{low:g} .. {high:g}{''.join(extras)}"


def _objective_text(objective: ObjectiveSpec) -> str:
    unit = f" [{objective.unit}]" if objective.unit else ""
    worst = "" if objective.worst is None else f", worst {objective.worst:g}"
    options = _measuring_text(objective.options)
    return f"{objective.direction} {objective.name}{unit}{options}{worst}"


def _racing_text(spec: StudySpec) -> str:
    """Returns at which epochs or steps trials are compared, as text."""
    if spec.racing is None:
        return ""
    racing, (length, stage) = spec.racing, _racing_length(spec)
    unit, total = ("epoch", f"{length} of {stage}") if stage else ("step", str(length))
    rungs = racing.rungs(length)
    at = f"{unit}{'s' * (len(rungs) > 1)} {', '.join(map(str, rungs))}"
    return f"at {at} of {total}, 1 of {racing.eta} trials goes on"


def _racing_length(spec: StudySpec) -> tuple[int, str]:
    """Returns the epochs and the stage of the longest raced training; (steps, "") of a trainer."""
    if spec.racing is not None and spec.racing.steps:
        return spec.racing.steps, ""
    stage = raced_stage(spec.space)
    return longest_training(spec.space, stage), stage


def _racing_notes(spec: StudySpec) -> list[str]:
    if spec.racing is None or spec.trials is None:
        return []
    racing, (length, _) = spec.racing, _racing_length(spec)
    first = racing.eta ** len(racing.rungs(length))
    if first <= spec.trials:
        return []
    return [
        f"racing trains no trial to its end before {first} have begun, and there are only "
        f"{spec.trials}"
    ]


def _functions(trainer: TrainerSpec) -> list[str]:
    """Returns the user's functions, in the order they are called."""
    first = [f"cheap {trainer.cheap}"] if trainer.cheap else []
    return [*first, f"evaluate {trainer.evaluate}"]


def _stages(spec: StudySpec) -> list[str]:
    fields = dict(spec.space.fields) if isinstance(spec.space, Record) else {}
    branch = elastic_node(fields["architecture"])
    screened = dict.fromkeys(c.quantity for c in structural_constraints(spec))
    stages = {SCREEN: f"{SCREEN} by {' and '.join(screened)}"} if screened else {}
    if not isinstance(fields["architecture"], Record) or not branch:
        stages["pretrain"] = "pretrain" + _epochs(fields["pretrain"])
    if branch:
        stages |= _elastic_stages(branch)
    if not _always_none(fields["pruning"]):
        stages["prune"] = "prune"
    if fields["finetune"] != Fixed(None) and _epochs(fields["finetune"]) != " (0 epochs)":
        stages["finetune"] = "finetune" + _epochs(fields["finetune"])
    if not _always_none(fields["quantization"]):
        stages["quantize"] = "quantize"
    learning = {stage for _, stages in learning_stages(fields["distillation"]) for stage in stages}
    learning &= training_stages(fields)
    lines = [text + ", distilled" * (stage in learning) for stage, text in stages.items()]
    deployment = " and ".join(spec.targets) or spec.runtime.name
    return [*lines, f"deploy to {deployment}", "measure"]


def _elastic_stages(branch: Record) -> dict[str, str]:
    """Returns the stages of an elastic architecture as text."""
    fields = {name: node.value for name, node in branch.fields if isinstance(node, Fixed)}
    recipe = fields[SOURCE]["recipe"]
    first = {"pretrain": "pretrain" + _epochs(Fixed(recipe))} if recipe else {}
    training = f"{ELASTIC}{_epochs(Fixed(fields[TRAINING]['recipe']))}, once for all subnets"
    return {**first, ELASTIC: training, SUBNET: SUBNET}


def _always_none(node: Node) -> bool:
    """Returns whether a technique's tree can lead to `none` only."""
    match node:
        case Choice(options):
            return all(_always_none(child) for _, child in options)
        case Record(fields):
            return [name for name, _ in fields] == ["none"]
        case _:
            return node == Fixed({"none": {}})


def _epochs(recipe: Node) -> str:
    """Returns ` (3 epochs)` if a recipe's tree has one number of epochs, else an empty string."""
    value: Any = None
    if isinstance(recipe, Record):
        node = dict(recipe.fields).get("epochs")
        value = node.value if isinstance(node, Fixed) else None
    elif isinstance(recipe, Fixed) and isinstance(recipe.value, Mapping):
        value = recipe.value.get("epochs")
    return f" ({_epochs_text(value)})" if value is not None else ""


def _epochs_text(epochs: Any) -> str:
    return f"{epochs} epoch{'' if epochs == 1 else 's'}"


def _notes(spec: StudySpec) -> list[str]:
    """Returns what a user may have overlooked."""
    notes = []
    bounded = {c.quantity for c in (*spec.constraints, *spec.goals)}
    if spec.trainer is not None:
        unused = sorted(set(spec.trainer.quantities) - bounded)
        if unused:
            notes.append(f"quantities without a constraint or goal: {', '.join(unused)}")
        notes += _unscaled(spec)
        if spec.files is not None:
            notes.append("files: has no effect; your own trainer (evaluate) keeps its files itself")
    extra = sorted(bounded - {o.name for o in spec.objectives})
    if extra:
        notes.append(f"measured for constraints or goals only: {', '.join(extra)}")
    notes += [f"{name}: {text}" for name, text in _entry_notes(spec).items()]
    notes += _retraining_notes(spec)
    notes += target_notes(spec)
    notes += _racing_notes(spec)
    if spec.repeats == 2:
        notes.append("search.repeats: two seeds give very wide intervals; take 3 or more")
    idle = [name for name in spec.teachers if name not in _teaching(spec)]
    if idle:
        notes.append(f"no distillation learns from the teachers {', '.join(idle)}")
    if not list(parameters(spec.space)):
        notes.append("the space has no parameter: its only plan is compared with the baseline")
    return notes


def _retraining_notes(spec: StudySpec) -> list[str]:
    """Returns a note if the baseline's own architecture is trained from its first weights."""
    section = spec.source.get("space") or {}
    if spec.trainer or not spec.baseline.checkpoint or not section.get("pretrain"):
        return []
    fields = dict(spec.space.fields) if isinstance(spec.space, Record) else {}
    if not section.get("architecture"):
        return ["space.pretrain continues the training of the checkpoint's weights"]
    if not may_be(fields["architecture"], spec.baseline.architecture):
        return []
    return [
        "space.pretrain trains every architecture of the space from its first weights, also the "
        "baseline's; leave architecture out to start from the checkpoint"
    ]


def _teaching(spec: StudySpec) -> set[str]:
    """Returns the teachers that the space names, and the members of those that are averages."""
    section = (spec.source.get("space") or {}).get("distillation")
    teaching = {str(name) for _, name in teacher_names(section)}
    teachers = spec.source.get("teachers") or {}
    for name in list(teachers) * len(teachers):  # an average may be a member of another
        if name in teaching and isinstance(teachers[name], Mapping):
            teaching |= set(teachers[name].get(AVERAGE, ()))
    return teaching


def _entry_notes(spec: StudySpec) -> dict[str, str]:
    """Returns name -> note of the techniques in the space that have a note.

    A note with `note_for` holds for that runtime only.
    """
    runtimes = {runtime.name for runtime in (spec.targets or {"": spec.runtime}).values()}
    assert isinstance(spec.space, Record)
    tables = {
        "architecture": ARCHITECTURES,
        "pruning": PRUNINGS,
        "distillation": DISTILLATIONS,
        "quantization": QUANTIZATIONS,
    }
    return {
        name: entry.note
        for section, node in spec.space.fields
        if section in tables
        for name in option_names(with_sources(node))
        if hasattr(entry := tables[section].get(name), "note")
        and getattr(entry, "note_for", None) in (None, *runtimes)
    }


def _unscaled(spec: StudySpec) -> list[str]:
    """Returns a note if an objective of the user's trainer has no scale while the study runs."""
    if spec.trainer is None or spec.trainer.baseline is not None:
        return []
    names = [o.name for o in spec.objectives if o.worst is None and o.unit != "fraction"]
    if not names:
        return []
    advice = f"give a baseline, or worst: to {', '.join(names)}"
    return [f"the hypervolume is computed at the end only; to see it grow, {advice}"]


def _plan_text(trainer: TrainerSpec) -> str:
    """Returns the baseline of the user's own trainer as text."""
    plan = trainer.baseline
    return "" if plan is None else ", ".join(f"{name} {value}" for name, value in plan.items())


def _network_text(network: Mapping[str, Any]) -> str:
    """Returns a network as text.

    Args:
        network: The parameters of a pretrain stage, or an average of such.
    """
    if AVERAGE in network:
        return "average of " + "; ".join(_network_text(member) for member in network[AVERAGE])
    if "stages" in network:
        source, training = (stage["params"] for stage in network["stages"])
        epochs = training["recipe"]["epochs"]
        return f"{_network_text(source)}, with {_epochs_text(epochs)} of elastic training"
    [(name, params)] = network["architecture"].items()
    text = _option_text(Selection(name, params))
    if params.get("factory") == NETWORK:
        text = f"the network of {params['args']['factory']}"
    if network["checkpoint"]:
        text += f", weights from {checkpoint_name(network['checkpoint'])}"
    if network["recipe"]:
        text += f", trained {_epochs_text(network['recipe']['epochs'])}"
    return text


def _option_text(option: Selection) -> str:
    shown = {key: value for key, value in option.params.items() if value not in (None, {}, [])}
    return option.name + _values_text(shown)


def _measuring_text(options: Mapping[str, Any]) -> str:
    return _values_text({key: v for key, v in options.items() if v not in (None, False)})


def _values_text(values: Mapping[str, Any]) -> str:
    text = ", ".join(f"{key} {value}" for key, value in values.items())
    return f" ({text})" if text else ""


def _condition_text(parameter: Parameter) -> str:
    return " and ".join(f"{name} = {label}" for name, label in parameter.condition)


def _continuous(domain: Domain) -> bool:
    return isinstance(domain, Float) and math.isinf(domain.count)


def _without_continuous(node: Node) -> Node:
    match node:
        case Record(fields):
            return Record(tuple((key, _without_continuous(child)) for key, child in fields))
        case Items(items):
            return Items(tuple(_without_continuous(child) for child in items))
        case Choice(options):
            return Choice(tuple((label, _without_continuous(child)) for label, child in options))
        case Float() if math.isinf(node.count):
            return Fixed(None)
        case _:
            return node
