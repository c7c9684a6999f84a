"""What a run would do, without doing it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from paretune.search.measuring.structural_constraints import SCREEN, foreseen
from paretune.search.study.raced_stage import longest, raced_stage
from paretune.search.study.spec import ObjectiveSpec, Selection, StudySpec, TrainerSpec
from paretune.search.study_file.distillation import named_teachers, taught, training_stages
from paretune.search.study_file.input_kinds import named
from paretune.search.study_file.networks import AVERAGE, described
from paretune.search.study_file.targets import target_notes
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
    """A dimension of the space, in words."""

    name: str
    domain: str
    condition: str


@dataclass(frozen=True)
class CheckInfo:
    """What `paretune check` shows; all of it JSON."""

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
    racing: str
    budget: str
    storage: str
    folder: str
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All fields as JSON."""
        return asdict(self)


def check_info(spec: StudySpec) -> CheckInfo:
    """Describes a study; pure."""
    space = list(parameters(spec.space))
    limits = [f"{spec.trials} trials"] if spec.trials else []
    limits += [f"{spec.seconds:g} s a run"] if spec.seconds else []
    limits += [_final_text(spec.final_seconds)] if spec.final_seconds is not None else []
    return CheckInfo(
        study=spec.name,
        data="" if spec.trainer else _chosen(spec.data.name, spec.data.params),
        baseline=_plan_text(spec.trainer)
        if spec.trainer
        else _network_text(described(spec.baseline)),
        teachers=tuple(
            f"{name}: {_network_text(teacher)}" for name, teacher in spec.teachers.items()
        ),
        parameters=tuple(
            ParameterInfo(p.name, domain_text(p.domain), _condition_text(p)) for p in space
        ),
        plans=plans_text(spec.space),
        stages=tuple(_calls(spec.trainer) if spec.trainer else _stages(spec)),
        objectives=tuple(map(_objective_text, spec.objectives)),
        constraints=tuple(c.text for c in spec.constraints),
        goals=tuple(g.text for g in spec.goals),
        runtime="" if spec.trainer or spec.targets else _place(spec.runtime),
        targets=tuple(f"{name}: {_place(place)}" for name, place in spec.targets.items()),
        sampler=_chosen(spec.sampler.name, spec.sampler.params) + f", seed {spec.seed}",
        racing=_race_text(spec),
        budget=", ".join(limits),
        storage=shown_url(spec.storage),
        folder=str(spec.folder),
        notes=tuple(_notes(spec)),
    )


def _final_text(seconds: float) -> str:
    what = "the front measured again at the end"
    return f"{what}, at most {seconds:g} s" if seconds else f"{what}: off"


def plans_text(space: Node) -> str:
    """How many distinct plans a space has."""
    number = count(space)
    if math.isfinite(number):
        return f"{number:,.0f} distinct plans"
    endless = [p.name for p in parameters(space) if _endless(p.domain)]
    others = count(_without_continua(space))
    return (
        f"unbounded: {len(endless)} continuous parameter{'s' if len(endless) > 1 else ''}, "
        f"{others:,.0f} combinations of the others"
    )


def domain_text(domain: Domain) -> str:
    """A domain in words: `0.1 .. 0.8, log`."""
    match domain:
        case Choice():
            return " | ".join(domain.labels)
        case Float(low, high, log, step) | Int(low, high, log, step):
            extras = [", log"] if log else []
            extras += [f", step {step:g}"] if step and step != 1 else []
            kind = "int " if isinstance(domain, Int) else ""
            return f"{kind}{low:g} .. {high:g}{''.join(extras)}"


def shown_url(url: str) -> str:
    """A storage URL without its password."""
    head, at, tail = url.rpartition("@")
    scheme, slashes, user = head.partition("://")
    name, colon, _ = user.partition(":")
    return f"{scheme}{slashes}{name}:***@{tail}" if at and colon else url


def _objective_text(objective: ObjectiveSpec) -> str:
    unit = f" [{objective.unit}]" if objective.unit else ""
    worst = "" if objective.worst is None else f", worth nothing from {objective.worst:g}"
    options = _options_text(objective.options)
    return f"{objective.direction} {objective.name}{unit}{options}{worst}"


def _race_text(spec: StudySpec) -> str:
    """Where trials are compared, in words."""
    if spec.racing is None:
        return ""
    racing, (whole, stage) = spec.racing, _race_length(spec)
    unit, of = ("epoch", f"{whole} of {stage}") if stage else ("step", str(whole))
    rungs = racing.rungs(whole)
    at = f"{unit}{'s' * (len(rungs) > 1)} {', '.join(map(str, rungs))}"
    return f"at {at} of {of}, the best 1 of {racing.eta} goes on"


def _race_length(spec: StudySpec) -> tuple[int, str]:
    """Epochs of the longest training that races, and its stage; steps of one's own trainer, ""."""
    if spec.racing is not None and spec.racing.steps:
        return spec.racing.steps, ""
    stage = raced_stage(spec.space)
    return longest(spec.space, stage), stage


def _race_notes(spec: StudySpec) -> list[str]:
    if spec.racing is None or spec.trials is None:
        return []
    racing, (whole, _) = spec.racing, _race_length(spec)
    first = racing.eta ** len(racing.rungs(whole))
    if first <= spec.trials:
        return []
    return [f"no trial is trained to its end before {first} have come, of {spec.trials} in all"]


def _calls(own: TrainerSpec) -> list[str]:
    """The user's functions, in the order they are called."""
    first = [f"cheap {own.cheap}"] if own.cheap else []
    return [*first, f"evaluate {own.evaluate}"]


def _stages(spec: StudySpec) -> list[str]:
    fields = dict(spec.space.fields) if isinstance(spec.space, Record) else {}
    looked_at = dict.fromkeys(c.quantity for c in foreseen(spec))
    stages = {SCREEN: f"{SCREEN} by {' and '.join(looked_at)}"} if looked_at else {}
    stages["pretrain"] = "pretrain" + _epochs(fields["pretrain"])
    if not _none(fields["pruning"]):
        stages["prune"] = "prune"
    if fields["finetune"] != Fixed(None) and _epochs(fields["finetune"]) != " (0 epochs)":
        stages["finetune"] = "finetune" + _epochs(fields["finetune"])
    if not _none(fields["quantization"]):
        stages["quantize"] = "quantize"
    learning = {stage for _, listed in taught(fields["distillation"]) for stage in listed}
    learning &= training_stages(fields)
    shown = [text + ", distilled" * (stage in learning) for stage, text in stages.items()]
    where = " and ".join(spec.targets) or spec.runtime.name
    return [*shown, f"deploy to {where}", "measure"]


def _none(node: Node) -> bool:
    """Whether `none` is all that a technique's tree can lead to."""
    match node:
        case Choice(options):
            return all(_none(child) for _, child in options)
        case Record(fields):
            return [name for name, _ in fields] == ["none"]
        case _:
            return node == Fixed({"none": {}})


def _epochs(recipe: Node) -> str:
    """The number of epochs of a recipe's tree, where it is known."""
    value: Any = None
    if isinstance(recipe, Record):
        node = dict(recipe.fields).get("epochs")
        value = node.value if isinstance(node, Fixed) else None
    elif isinstance(recipe, Fixed) and isinstance(recipe.value, Mapping):
        value = recipe.value.get("epochs")
    return f" ({value} epochs)" if value is not None else ""


def _notes(spec: StudySpec) -> list[str]:
    """What a user may have overlooked."""
    notes = []
    named = {c.quantity for c in (*spec.constraints, *spec.goals)}
    if spec.trainer is not None:
        unused = sorted(set(spec.trainer.quantities) - named)
        if unused:
            notes.append(f"quantities that nothing bounds: {', '.join(unused)}")
        notes += _unscaled(spec)
    extra = sorted(named - {o.name for o in spec.objectives})
    if extra:
        notes.append(f"measured for constraints or goals only: {', '.join(extra)}")
    notes += [f"{name}: {text}" for name, text in _entry_notes(spec).items()]
    notes += target_notes(spec)
    notes += _race_notes(spec)
    idle = [name for name in spec.teachers if name not in _teaching(spec)]
    if idle:
        notes.append(f"no distillation learns from the teachers {', '.join(idle)}")
    if not list(parameters(spec.space)):
        notes.append("the space has no parameter: there is one plan besides the baseline")
    return notes


def _teaching(spec: StudySpec) -> set[str]:
    """The teachers that the space names, and the members of its averages."""
    section = (spec.source.get("space") or {}).get("distillation")
    found = {str(name) for _, name in named_teachers(section)}
    given = spec.source.get("teachers") or {}
    for name in list(given) * len(given):  # an average may be a member of another
        if name in found and isinstance(given[name], Mapping):
            found |= set(given[name].get(AVERAGE, ()))
    return found


def _entry_notes(spec: StudySpec) -> dict[str, str]:
    """What the techniques in the space have to say of themselves, by name."""
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
        for name in named(node)
        if hasattr(entry := tables[section].get(name), "note")
    }


def _unscaled(spec: StudySpec) -> list[str]:
    """Objectives of a trainer of one's own that nothing gives a scale while the study runs."""
    if spec.trainer is None or spec.trainer.baseline is not None:
        return []
    names = [o.name for o in spec.objectives if o.worst is None and o.unit != "fraction"]
    if not names:
        return []
    what = f"give a baseline, or worst: to {', '.join(names)}"
    return [f"the hypervolume is known at the end only: {what}"]


def _plan_text(own: TrainerSpec) -> str:
    """The baseline of a trainer of one's own."""
    plan = own.baseline
    return "" if plan is None else ", ".join(f"{name} {value}" for name, value in plan.items())


def _network_text(network: Mapping[str, Any]) -> str:
    """A network's description (the parameters of a pretrain stage, or an average) in words."""
    if AVERAGE in network:
        return "average of " + "; ".join(_network_text(member) for member in network[AVERAGE])
    [(name, params)] = network["architecture"].items()
    text = _chosen(name, params)
    if network["checkpoint"]:
        text += f", weights from {network['checkpoint']}"
    if network["recipe"]:
        text += f", trained {network['recipe']['epochs']} epochs"
    return text


def _place(place: Selection) -> str:
    return _chosen(place.name, place.params)


def _chosen(name: str, params: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{key} {value}" for key, value in params.items() if value not in (None, {}))
    return f"{name} ({shown})" if shown else name


def _options_text(options: Mapping[str, Any]) -> str:
    said = {key: value for key, value in options.items() if value not in (None, False)}
    shown = ", ".join(f"{key} {value}" for key, value in said.items())
    return f" ({shown})" if shown else ""


def _condition_text(parameter: Parameter) -> str:
    return " and ".join(f"{name} = {label}" for name, label in parameter.condition)


def _endless(domain: Domain) -> bool:
    return isinstance(domain, Float) and math.isinf(domain.count)


def _without_continua(node: Node) -> Node:
    match node:
        case Record(fields):
            return Record(tuple((key, _without_continua(child)) for key, child in fields))
        case Items(items):
            return Items(tuple(_without_continua(child) for child in items))
        case Choice(options):
            return Choice(tuple((label, _without_continua(child)) for label, child in options))
        case Float() if math.isinf(node.count):
            return Fixed(None)
        case _:
            return node
