"""Chooses every section of a study file by the facts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from paretune.search.starting.commented_yaml import Path
from paretune.search.starting.facts import StartFacts
from paretune.search.starting.format_choice import format_choice
from paretune.search.starting.goal_choice import (
    constraints_choice,
    goals_choice,
    objectives_choice,
)
from paretune.search.starting.network_choice import architecture_choice, distillation_choice
from paretune.search.starting.pruning_choice import pruning_choice
from paretune.search.starting.section_choice import LeftOut, SectionChoice
from paretune.search.starting.time_plan import TimePlan
from paretune.search.starting.training_choice import finetune_choice, pretrain_choice
from paretune.search.study.spec import StudySpec
from paretune.search.study.units import format_value

COMPARE_SCORE = "compare it with your script"
COMPARE = "if your script has more, give data its resize, crop, mean and std"


@dataclass(frozen=True)
class StudyChoices:
    """A study file as plain data, and the reason for each value.

    Attributes:
        source: The study file.
        comments: Path of a key -> reason.
        left_out: What it does not offer, and why.
        aliases: Path of a key -> that of an earlier one with the same value.
        networks: Networks of the family that are trained from scratch.
        learns: Whether trials are trained after pruning.
    """

    source: Mapping[str, Any]
    comments: Mapping[Path, str]
    left_out: tuple[LeftOut, ...]
    aliases: Mapping[Path, Path] = field(default_factory=dict)
    networks: int = 1
    learns: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns the choices with their reasons, as JSON."""
        reasons = {".".join(path): text for path, text in self.comments.items()}
        left_out = [{"option": each.option, "reason": each.reason} for each in self.left_out]
        return {"study": dict(self.source), "reasons": reasons, "left_out": left_out}

    def with_trials(self, trials: int, text: str) -> StudyChoices:
        """Returns the choices with another number of trials, and its reason."""
        search = {**self.source["search"], "trials": trials}
        comments = {**self.comments, ("search",): text}
        return replace(self, source={**self.source, "search": search}, comments=comments)


class _Writer:
    """Collects sections, comments and what was left out."""

    def __init__(self) -> None:
        self.source: dict[str, Any] = {}
        self.comments: dict[Path, str] = {}
        self.left_out: list[LeftOut] = []
        self.aliases: dict[Path, Path] = {}

    def put(self, path: Path, choice: SectionChoice) -> bool:
        """Writes a section, and returns whether it has a value."""
        self.left_out += choice.left_out
        if choice.value is None:
            return False
        section = self.source
        for key in path[:-1]:
            section = section.setdefault(key, {})
        section[path[-1]] = choice.value
        self.comments |= {(*path, *inner): text for inner, text in choice.comments.items() if text}
        return True


def spaces_of(facts: StartFacts) -> dict[str, SectionChoice]:
    """Returns the sections of the space that do not depend on the time."""
    pruning = pruning_choice(facts)
    if not facts.epoch:
        text = "a pruned network has to be trained, and training did not work here"
        pruning = SectionChoice(None, {}, (LeftOut("pruning", text),))
    return {
        "architecture": architecture_choice(facts),
        "pruning": pruning,
        "distillation": distillation_choice(facts),
        "quantization": format_choice(facts),
    }


def study_choices(
    facts: StartFacts,
    draft: Mapping[str, Any],
    spec: StudySpec,
    sections: Mapping[str, SectionChoice],
    plan: TimePlan,
) -> StudyChoices:
    """Returns the whole study file.

    Args:
        facts: What was measured.
        draft: The study as the request has it, as plain data.
        spec: The same, checked.
        sections: The sections of the space that do not depend on the time.
        plan: Epochs and trials.
    """
    writer = _Writer()
    for key in ("study", "task", "data"):
        if key in draft:
            writer.put((key,), SectionChoice(draft[key]))
    if "data" in draft:
        writer.comments["data",] = _data_text(facts)
    elif "task" in draft:
        writer.comments["task",] = _data_text(facts)
    _put_baseline(writer, facts, draft, plan)
    _put_space(writer, facts, sections, plan)
    for key in ("runtime", "targets"):
        if key in draft:
            writer.put((key,), SectionChoice(draft[key]))
    writer.put(("objectives",), objectives_choice(facts, dict(draft["objectives"])))
    writer.put(("constraints",), constraints_choice(facts, spec.goals))
    writer.put(("goals",), goals_choice(facts, spec.goals))
    writer.put(("search",), SectionChoice({"trials": plan.trials}))
    if "budget" in draft:
        writer.put(("budget",), SectionChoice(draft["budget"]))
    return StudyChoices(
        writer.source,
        writer.comments,
        tuple(writer.left_out),
        writer.aliases,
        networks_of(sections["architecture"]),
        learns(sections),
    )


def learns(sections: Mapping[str, SectionChoice]) -> bool:
    """Returns whether trials are trained after pruning or on a smaller network."""
    return sections["pruning"].value is not None


def networks_of(architecture: SectionChoice) -> int:
    """Returns the number of networks of the family in the space."""
    count = 1
    if architecture.value is not None:
        [(_, params)] = architecture.value.items()
        for value in params.values():
            count *= len(value["choice"]) if isinstance(value, Mapping) else 1
    return count


def _put_baseline(
    writer: _Writer, facts: StartFacts, draft: Mapping[str, Any], plan: TimePlan
) -> None:
    baseline = {k: v for k, v in draft["baseline"].items() if k != "pretrain"}
    if baseline:
        writer.put(("baseline",), SectionChoice(baseline))
    if not facts.trained:
        writer.put(("baseline", "pretrain"), pretrain_choice(facts, plan.pretrain))
        writer.comments["baseline", "pretrain"] = _training_text(facts, plan)
    if "architecture" in baseline:
        writer.comments["baseline", "architecture"] = _network_text(facts)
    if "checkpoint" in baseline:
        text = (
            f"{facts.score.name} {facts.score.text}; {COMPARE if facts.pixels else COMPARE_SCORE}"
        )
        writer.comments["baseline", "checkpoint"] = text


def _network_text(facts: StartFacts) -> str:
    text = f"{format_value(facts.parameters, 'parameters')} parameters"
    published = facts.family in ("torchvision", "timm") and facts.weights == "random"
    option = "weights: DEFAULT" if facts.family == "torchvision" else "pretrained: true"
    return f"{text}; {option} would start from published weights" if published else text


def _training_text(facts: StartFacts, plan: TimePlan) -> str:
    from paretune.search.preflight.estimate import duration

    seconds = duration(plan.pretrain * facts.epoch)
    if facts.weights == "published":
        return f"the classifier is new, so the network is trained: {seconds}"
    return f"without a checkpoint the baseline is trained first: {seconds}"


def _put_space(
    writer: _Writer, facts: StartFacts, sections: Mapping[str, SectionChoice], plan: TimePlan
) -> None:
    searched = writer.put(("space", "architecture"), sections["architecture"])
    if searched:
        recipe = writer.source["baseline"]["pretrain"]
        writer.put(("space", "pretrain"), SectionChoice(recipe, {(): "as the baseline"}))
        writer.aliases["space", "pretrain"] = ("baseline", "pretrain")
    writer.put(("space", "pruning"), sections["pruning"])
    trains = learns(sections)
    if trains:
        writer.put(("space", "distillation"), sections["distillation"])
    writer.put(("space", "finetune"), finetune_choice(facts, plan.finetune, trains))
    written = writer.put(("space", "quantization"), sections["quantization"])
    if not written and "space" not in writer.source:
        writer.put(("space", "quantization"), SectionChoice("none"))
    if facts.whole and sections["pruning"].value is not None:
        reasons = dict.fromkeys(facts.whole.values())
        names = list(facts.whole)
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        writer.left_out.append(LeftOut(f"pruning of {shown}", "; ".join(reasons)))


def _data_text(facts: StartFacts) -> str:
    sizes = ", ".join(f"{count:,} {part}" for part, count in facts.sizes.items() if count)
    return f"{sizes}; {facts.shape}"
