"""Gathers what a survey measured into the facts from which a study file is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from paretune.inputs import kind_of, signature_of
from paretune.objectives.host import cores, load_average
from paretune.search.data.dataset import Dataset
from paretune.search.preflight.data_facts import data_facts
from paretune.search.preflight.rehearsal import Rehearsal
from paretune.search.profiling.profile import Profile
from paretune.search.starting.baseline_weights import elements
from paretune.search.starting.draft import Draft
from paretune.search.starting.facts import ScoreFact, StartFacts, TriedOption, TriedRate, Weights
from paretune.search.views.words import count_text

BUSY = 2.0
"""Load per core above which times are not to be trusted."""

SLOWEST = 3
"""Layers that are named as the bottleneck."""


@dataclass(frozen=True)
class Surveyed:
    """What a survey has measured and tried.

    Attributes:
        rehearsal: The study, with the baseline deployed.
        draft: The draft of the study file.
        weights: Where the baseline's weights come from.
        profile: Profile of the baseline's file.
        score: The main score.
        layers: Layer that can be pruned -> its units.
        alignment: Channels that the kernels of the runtime take at once.
        epoch: Seconds of a training epoch of the baseline; 0 if it cannot be trained.
        kept_whole: Layer that stays whole -> reason.
        batch: Batch size that suits the data.
        latency_batch: Inputs in one timed run.
        notes: What the checks noted.
        tried: Options that were tried.
        rates: Learning rates that were tried.
        seconds: Seconds that all this took.
    """

    rehearsal: Rehearsal
    draft: Draft
    weights: Weights
    profile: Profile
    score: ScoreFact
    layers: Mapping[str, int]
    alignment: int
    epoch: float
    kept_whole: Mapping[str, str]
    batch: int
    latency_batch: int
    notes: tuple[str, ...]
    tried: tuple[TriedOption, ...]
    rates: tuple[TriedRate, ...]
    seconds: float

    def facts(self) -> StartFacts:
        """Returns the facts."""
        rehearsal, data, draft, profile = self.rehearsal, self.data, self.draft, self.profile
        spec = rehearsal.spec
        [(family, params)] = spec.baseline.architecture.items()
        values = {m.name: m.value for m in profile.numbers}
        pixels = bool(data.white())
        return StartFacts(
            subject=subject_of(draft),
            weights=self.weights,
            family=family,
            architecture=_written(draft.source["baseline"].get("architecture")),
            defaults=params,
            task=data.task.name if draft.request.brings_data else spec.task.name,
            own_task=draft.request.brings_data,
            score=self.score,
            inputs=kind_of(data.shape),
            targets=data.facts.kind if data.facts else None,
            per=data.task.outputs.per,
            shape="; ".join(data_facts(data)),
            elements=elements(data),
            pixels=pixels,
            channels=_channels(data) if pixels else 0,
            side=_side(data) if pixels else 0,
            data=spec.data.name,
            data_name=str(spec.data.params.get("name", "")),
            class_names=tuple(data.class_names),
            sizes={part: data.size(part) for part in ("train", "validation", "test")},
            loader_batch=data.loader_batch,
            notes=tuple(dict.fromkeys((*self.notes, *_busy()))),
            host=_host(profile.host),
            runtimes={target.name or "": target.deployment.name for target in rehearsal.targets},
            alignment=self.alignment,
            formats=tuple(rehearsal.targets[0].deployment.runtime.quantizations),
            parameters=int(values.get("parameters", 0)),
            macs=values.get("macs", 0.0),
            size=rehearsal.deployed[0].artifact.bytes,
            latency=profile.latency,
            latency_batch=self.latency_batch,
            epoch=self.epoch,
            batch=self.batch,
            measure=rehearsal.seconds.get("measure", 0.0),
            deploy=rehearsal.seconds.get("deploy", 0.0),
            layers=self.layers,
            whole=self.kept_whole,
            bottleneck=tuple(
                (_layer_name(row.name, row.layer.kind), row.shares["time"])
                for row in profile.rows[:SLOWEST]
                if row.ms
            ),
            rates=self.rates,
            tried=self.tried,
            seconds=self.seconds,
        )

    @property
    def data(self) -> Dataset:
        """The data of the study."""
        return self.rehearsal.data


def subject_of(draft: Draft) -> str:
    """Returns the model in words."""
    return draft.request.model or str(draft.request.task)


def _written(option: Any) -> Mapping[str, Any]:
    """Returns an architecture as the study file has it."""
    if option is None:
        return {}
    return option if isinstance(option, Mapping) else {option: {}}


def _busy() -> Iterator[str]:
    """Yields a note if other programs took the processors, so that times are too long."""
    load = load_average()
    if load is not None and load > BUSY * cores():
        yield (
            f"the machine was busy (load {load:.0f} on {count_text(cores(), 'core')}), so the "
            "times are too long; ratios such as 2x faster hold, since files ran in turn"
        )


def _layer_name(name: str, kind: str) -> str:
    """Returns a name that says something: that of a layer, with its kind if it is a number."""
    return name if any(letter.isalpha() for letter in name) else f"{kind} {name}"


def _channels(data: Dataset) -> int:
    return signature_of(data.shape).inputs[0].shape[0]


def _side(data: Dataset) -> int:
    return min(signature_of(data.shape).inputs[0].shape[1:], default=0)


def _host(host: Mapping[str, Any]) -> str:
    cores = host.get("cores", 1)
    return f"{host.get('cpu', 'this machine')}, {cores} core{'s' if cores != 1 else ''}"
