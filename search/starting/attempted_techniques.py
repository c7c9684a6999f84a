"""Tries each technique once on a baseline: applied, deployed, run and timed beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from paretune.search.measuring.targets import Target
from paretune.search.preflight.attempts import Refusal, attempt
from paretune.search.preflight.rehearsal import Rehearsal
from paretune.search.starting.facts import (
    NOTABLE,
    ScoreFact,
    TriedOption,
    TriedRate,
    first_working,
)
from paretune.search.starting.family_scales import scaled_params
from paretune.search.starting.network_attempts import NetworkAttempts, full_params, refused
from paretune.search.starting.ranges import CRITERIA, HALF, KEPT_FLOAT, RATIOS, round_to_of
from paretune.search.starting.rate_attempts import tried_rates
from paretune.search.starting.timed_files import FileTimes
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.training.losses.base import misfit
from paretune.spaces.training.recipe import Recipe

FORMATS = ("static", "dynamic", "float16", "bfloat16", "weight_only")
"""Number formats that need no training, in the order in which they are tried."""

DISTILLATION = "logits"


class TechniqueAttempts:
    """Attempts of techniques on one baseline.

    Args:
        rehearsal: The study, with its baseline built and deployed.
        recipe: Recipe of a training, as a study file has it.
        score: The main score.
        layers: Layer that can be pruned -> its units.
        alignment: Channels that the kernels of the runtime take at once.
        trained: Whether the baseline needs no training.
        latency_batch: Inputs in one timed run.
        say: Called with what is done next.
        brief: Whether attempts that hardly change the study file are left out.

    Attributes:
        kept_whole: Layer that stays whole -> reason.
        epoch: Seconds of a training epoch of the baseline; None if it cannot be trained.
    """

    def __init__(
        self,
        rehearsal: Rehearsal,
        recipe: Mapping[str, Any],
        score: ScoreFact,
        layers: Mapping[str, int],
        alignment: int,
        trained: bool,
        latency_batch: int,
        say: Callable[[str], None],
        brief: bool = False,
    ) -> None:
        self.kept_whole: dict[str, str] = {}
        self.epoch: float | None = None
        self._rehearsal = rehearsal
        self._recipe = Recipe.model_validate(dict(recipe)).to_json()
        self._score = score
        self._round_to = round_to_of(layers.values(), alignment)
        self._prunable = bool(layers)
        self._trained = trained
        self._say = say
        self._brief = brief
        self._times = FileTimes(rehearsal, latency_batch, brief)
        self._networks = NetworkAttempts(rehearsal, score, trained, self._times)

    def all(self) -> tuple[list[TriedOption], list[TriedRate]]:
        """Tries everything; returns the options and the learning rates."""
        tried: list[TriedOption] = []
        for name, step in (
            ("pruning", self._structured),
            ("pruning of blocks", self._depth),
            ("number formats", self._formats),
            ("smaller networks of the family", self._architectures),
            ("distillation", self._distillations),
        ):
            self._say(f"trying {name}")
            tried += step()
        if self._needs_qat(tried):
            self._say("trying quantization-aware training")
            tried += self._qat()
        self._say("trying learning rates")
        rates = self._rates(tried) if self.epoch is not None else []
        self._say("timing the files beside the baseline's")
        return self._times.timed(tried), rates

    def time_epoch(self) -> Refusal | None:
        """Times a training epoch of the baseline; returns why it cannot be trained."""
        network = self._rehearsal.network
        assert network is not None
        seconds = network.epochs.get("pretrain")
        if seconds is None:
            built = attempt("finetune", lambda: self._networks.build(finetune=self._recipe))
            if isinstance(built, Refusal):
                return built
            network, seconds = built, built.epochs.get("finetune", 0.0)
        loading = self._rehearsal.load_seconds(self._recipe["batch_size"])
        workers = self._rehearsal.spec.data.params.get("workers", 0)
        training = seconds / network.share
        self.epoch = max(training, loading) if workers else training + loading
        return None

    # -- techniques ------------------------------------------------------------------------------

    def _structured(self) -> Iterator[TriedOption]:
        """Yields structured pruning by each criterion, and by the ends of the ratio."""
        pairs = [(CRITERIA[0], ratio) for ratio in (HALF, *RATIOS)]
        pairs += [(criterion, HALF) for criterion in CRITERIA[1:]]
        for number, (criterion, ratio) in enumerate(pairs):
            params = {"ratio": ratio, "criterion": criterion, "round_to": self._round_to}
            tried = self._pruned("structured", params, deploy=number == 0)
            yield tried
            if number == 0 and not tried.works:
                return

    def _depth(self) -> Iterator[TriedOption]:
        """Yields the removal of all removable blocks, then of half of them."""
        every = self._pruned("depth", {"share": 1.0}, deploy=False)
        removed = len(every.facts.get("removed", ()))
        if every.works and removed:
            yield self._pruned("depth", {"blocks": max(1, removed // 2)}, deploy=True)
        yield every

    def _pruned(self, option: str, params: Mapping[str, Any], deploy: bool) -> TriedOption:
        tried = TriedOption("pruning", option, params)
        value = {option: full_params(PRUNINGS, option, params)}
        built = attempt("prune", lambda: self._networks.build_checked(pruning=value))
        if isinstance(built, Refusal):
            return refused(tried, built)
        info = dict(built.candidate.history[-1].info)
        self.kept_whole |= info.get("kept_whole", {})
        before, after = info.get("macs", (0, 0))
        facts = (
            {"removed": [str(n) for n, *_ in info.get("removed", ())]} if option == "depth" else {}
        )
        tried = replace(tried, macs=after / before if before else None, facts=facts)
        return self._networks.deployed(tried, built.candidate) if deploy else tried

    def _formats(self) -> Iterator[TriedOption]:
        """Yields each number format that a runtime of the study has, on each target."""
        for option in FORMATS:
            lacking = [t for t in self._rehearsal.targets if self._lacks(t, option)]
            if len(lacking) == len(self._rehearsal.targets):
                continue
            tried = self._format(option, {})
            yield from tried
            losses = [self._score.loss(each.score) or 0.0 for each in tried]
            if option == "static" and max(losses) >= NOTABLE:
                yield from self._format(option, {"keep_float": KEPT_FLOAT})

    def _lacks(self, target: Target, option: str) -> bool:
        return option not in target.deployment.runtime.quantizations

    def _format(self, option: str, params: Mapping[str, Any]) -> list[TriedOption]:
        """Returns a number format on each target that has it."""
        tried = TriedOption("quantization", option, params)
        value = {option: full_params(QUANTIZATIONS, option, params)}
        built = attempt("quantize", lambda: self._networks.build(quantization=value))
        if isinstance(built, Refusal):
            return [refused(tried, built)]
        return [
            self._networks.deployed(tried, built.candidate, target)
            for target in self._rehearsal.targets
            if not self._lacks(target, option)
        ]

    def _needs_qat(self, tried: list[TriedOption]) -> bool:
        """Returns whether to try training for int8.

        A study offers it only if static int8 costs accuracy, which an untrained baseline hides.
        """
        works = any(t.works for t in tried if t.option == "static") and self.epoch is not None
        return works and not (self._brief and not self._trained)

    def _qat(self) -> Iterator[TriedOption]:
        if any(not self._lacks(target, "qat") for target in self._rehearsal.targets):
            params = {k: self._recipe[k] for k in ("batch_size",)}
            yield from self._format("qat", params)

    def _architectures(self) -> Iterator[TriedOption]:
        """Yields smaller networks of the baseline's family, if they have to be trained anyway."""
        if self._trained:
            return
        [(name, values)] = self._rehearsal.spec.baseline.architecture.items()
        for params in scaled_params(name, values):
            tried = TriedOption("architecture", name, params)
            architecture = {name: {**values, **params}}
            built = attempt("pretrain", lambda a=architecture: self._networks.untrained(a))  # type: ignore[misc]
            if isinstance(built, Refusal):
                yield refused(tried, built)
            else:
                yield self._networks.deployed(tried, built)

    def _distillations(self) -> Iterator[TriedOption]:
        """Yields learning from the baseline's outputs."""
        facts = self._rehearsal.data.facts
        fits = getattr(DISTILLATIONS.get(DISTILLATION), "targets", None)
        tried = TriedOption("distillation", DISTILLATION)
        reason = misfit(DISTILLATION, fits, facts.kind) if fits and facts else None
        if reason:
            yield replace(tried, refusal=reason)
            return
        if self._brief:  # the built-in tasks have the outputs that it learns from
            yield tried
            return
        value = {DISTILLATION: full_params(DISTILLATIONS, DISTILLATION, {})}
        built = attempt(
            "teacher", lambda: self._networks.build(finetune=self._recipe, distillation=value)
        )
        yield refused(tried, built) if isinstance(built, Refusal) else tried

    def _rates(self, tried: list[TriedOption]) -> list[TriedRate]:
        pruned = first_working(t for t in tried if t.option == "structured")
        return list(tried_rates(self._networks, self._recipe, self._trained, self._brief, pruned))
