"""Checks trainings: every branch of the recipes and distillations trains on a few batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from paretune.search.preflight.attempts import Refusal, attempt, judged, nothing_left
from paretune.search.preflight.finding import Finding
from paretune.search.preflight.rehearsal import UNTRAINED, Rehearsal
from paretune.search.preflight.variants import NONE, Variant, variants
from paretune.search.study.elastic import elastic_node
from paretune.spaces.domains import Node, Record

RECIPES = ("pretrain", "finetune")
DISTILLATION = "distillation"


def check_trainings(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields a finding for each recipe of the space, and one for each branch that is refused."""
    network = _network(rehearsal)
    for section in _recipes(rehearsal.spec.space) if network else ():
        works, refused = 0, dict[str, Finding]()
        for variant in variants(rehearsal.spec.space, section, _is_batch_size):
            recipe = rehearsal.choices(variant)[section]
            if not recipe or not recipe["epochs"]:
                continue
            if rehearsal.over and (works or refused):
                break
            choices = {**UNTRAINED, section: {**recipe, "compile": _compiles(rehearsal, recipe)}}
            plan = rehearsal.plan(rehearsal.choices(network or variant, **choices))
            answer = attempt(section, lambda plan=plan: rehearsal.build(plan))  # type: ignore[misc]
            if isinstance(answer, Refusal):
                refused.setdefault(answer.text, _refused(section, variant, answer))
            else:
                works += 1
        if works:
            yield Finding(section, "ok", _times_text(works, "trained"), count=works)
        yield from refused.values()
        if not works:
            yield from nothing_left(section, list(refused.values()))


def _recipes(space: Node) -> tuple[str, ...]:
    """Returns the sections of recipes; an elastic architecture alone has its own first ones."""
    architecture = dict(space.fields)["architecture"] if isinstance(space, Record) else None
    alone = isinstance(architecture, Record) and elastic_node(architecture) is not None
    return RECIPES[1:] if alone else RECIPES


def _refused(section: str, variant: Variant, refusal: Refusal) -> Finding:
    """Returns the finding for a recipe that cannot be trained."""
    name = _recipe_name(section, variant)
    key: tuple[str, ...] = ("space", section)
    for parameter, label in variant.pins.items():
        key = ("space", *parameter.split("."), "choice", str(label))
    if refusal.infeasible:
        return Finding(name, "note" if refusal.diverged else "infeasible", refusal.text, key)
    return Finding(name, "mistake", f"every training with it fails: {refusal.text}", key)


def _is_batch_size(name: str) -> bool:
    """Returns whether both ends of a number are tried: only large batches may not fit."""
    return name.endswith("batch_size")


def check_distillations(rehearsal: Rehearsal) -> Iterator[Finding]:
    """Yields a finding for each distillation of the space, with its teachers and their layers."""
    options: dict[str, list[Mapping[str, Any]]] = {}
    for variant in variants(rehearsal.spec.space, DISTILLATION, lambda name: False):
        value = rehearsal.choices(variant)[DISTILLATION]
        [name] = value
        options.setdefault(name, []).append(value)
    findings: list[Finding] = []
    for option, values in options.items():
        if option != NONE:
            findings += _distillation(rehearsal, option, values)
    yield from findings
    if NONE not in options:
        yield from nothing_left(DISTILLATION, findings)


def _distillation(
    rehearsal: Rehearsal, option: str, values: list[Mapping[str, Any]]
) -> list[Finding]:
    """Lets one network learn from every teacher, and one of each architecture from the first."""
    tried: list[tuple[str, Refusal | None]] = []
    networks = _networks(rehearsal)
    pairs = [(network, values[0]) for network in networks]
    pairs += [(networks[0], value) for value in values[1:]] if networks else []
    for network, value in pairs:
        if rehearsal.over and tried:
            break
        nothing = {"pruning": UNTRAINED["pruning"], "quantization": UNTRAINED["quantization"]}
        plan = rehearsal.plan(rehearsal.choices(network, distillation=value, **nothing))
        answer = attempt("teacher", lambda plan=plan: rehearsal.build(plan))  # type: ignore[misc]
        refusal = answer if isinstance(answer, Refusal) else None
        teacher = value[option].get("teacher", "baseline")
        [name] = plan.stages[0].params["architecture"]
        tried.append((f"{option} of {name} from {teacher}", refusal))
    text = _times_text(sum(refusal is None for _, refusal in tried), "learned")
    return judged(option, tried, text, rehearsal.option_key(DISTILLATION, option))


def _networks(rehearsal: Rehearsal) -> list[Variant]:
    """Returns one variant of each architecture that can be built."""
    first: dict[str, Variant] = {}
    for _, variant in rehearsal.sizes:
        first.setdefault(variant.option, variant)
    return list(first.values())[: 2 if rehearsal.quick else None]


def _network(rehearsal: Rehearsal) -> Variant | None:
    """Returns the largest network that can be built: if it fits into memory, all others do."""
    return max(rehearsal.sizes, key=lambda pair: pair[0])[1] if rehearsal.sizes else None


def _compiles(rehearsal: Rehearsal, recipe: Mapping[str, Any]) -> bool:
    """Returns whether the network is compiled; the first step of a run has no time for that."""
    return bool(recipe["compile"]) and not rehearsal.quick


def _recipe_name(section: str, variant: Variant) -> str:
    pins = [f"{name.removeprefix(f'{section}.')} {value}" for name, value in variant.pins.items()]
    return f"{section} with {', '.join(pins)}" if pins else section


def _times_text(count: int, verb: str) -> str:
    what = f"{count} variants" if count > 1 else "it"
    return f"{what} {verb} on a few batches"
