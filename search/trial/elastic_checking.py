"""Checks an elastic training once its subnets are scored, and refuses one that is of no use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from paretune.search.building.elastic_stages import ElasticNetworks, concrete_choice
from paretune.search.building.watch import Watch
from paretune.search.errors import UserError
from paretune.search.measuring.host_lock import host_lock
from paretune.search.study.elastic import ELASTIC, SubnetScore, is_full, only_source
from paretune.search.study.elastic_check import (
    AloneComparison,
    ElasticCheck,
    Score,
    advice,
    median_score,
    rate_of,
)
from paretune.search.study.raced_stage import longest_training
from paretune.spaces.base import InfeasibleCandidate
from paretune.spaces.domains import Node, Record
from paretune.spaces.elastic.arrangement import space_of

if TYPE_CHECKING:
    from paretune.search.database.elastic_checks import ElasticChecks
    from paretune.search.study.plan import Plan
    from paretune.search.trial.workbench import Workbench
    from paretune.spaces.elastic.estimates import SubnetEstimate


class ElasticChecking:
    """Checks the elastic trainings of a study.

    Args:
        workbench: The study's parts.
        checks: Database table of the checks.
        notify: Shows a text to the user.
    """

    def __init__(
        self, workbench: Workbench, checks: ElasticChecks, notify: Callable[[str], None]
    ) -> None:
        self._bench = workbench
        self._checks = checks
        self._notify = notify
        self._known: dict[str, ElasticCheck] = {}
        self._useful: set[str] = set()

    def check(
        self, plan: Plan, stage: str, source: str, scores: Sequence[SubnetScore], watch: Watch
    ) -> None:
        """Checks the elastic training of a plan; says so if it is doubtful.

        Args:
            plan: A plan whose elastic training is in the cache.
            stage: Key of the training.
            source: `source_key` of the plan.
            scores: Scores of its subnets.
            watch: Receives the epochs of a comparison.
        """
        check = self._checked(plan, scores, watch)
        if check is None:
            return
        self._checks.put(stage, source, check)
        self._known[stage] = check
        if check.verdict == "doubtful":
            self._notify(check.text())

    def is_checked(self, stage: str) -> bool:
        """Returns whether an elastic training was checked, here or by another worker."""
        if stage not in self._known and (check := self._checks.check(stage)) is not None:
            self._known[stage] = check
        return stage in self._known

    def is_useless(self, stage: str) -> bool:
        """Returns whether no subnet of a checked training is better than chance."""
        return stage in self._known and self._known[stage].verdict == "useless"

    def refuse(self, stage: str) -> None:
        """Refuses a subnet of a useless training.

        Raises:
            InfeasibleCandidate: Always; with the figures.
        """
        raise InfeasibleCandidate(self._known[stage].text())

    def refuse_search(self, space: Node) -> None:
        """Refuses to go on if all networks of a space come from a useless training.

        Args:
            space: The space of the study.

        Raises:
            UserError: No subnet is better than chance.
        """
        fields = dict(space.fields) if isinstance(space, Record) else {}
        source = only_source(fields["architecture"]) if "architecture" in fields else None
        if source is None or source in self._useful:
            return
        check = self._checks.of_source(source)
        if check is not None and check.verdict == "useless":
            raise UserError(check.text())
        if check is not None:
            self._useful.add(source)

    def _checked(
        self, plan: Plan, scores: Sequence[SubnetScore], watch: Watch
    ) -> ElasticCheck | None:
        """Returns the figures of a training; None if it has too few scores, or is not cached."""
        from paretune.spaces.elastic.estimates import chance_level, network_estimate
        from paretune.spaces.pruning.training_loss import BATCH, batches

        others = [score for score in scores if not is_full(score.params)]
        full = [score for score in scores if is_full(score.params)]
        if not others or not full:
            return None
        networks = self._bench.pipeline.elastic_networks(plan)
        if networks is None:
            return None
        context, examples = networks.context, full[0].examples
        with host_lock.working():
            chance = chance_level(context, examples)
            batch = batches(context, examples, BATCH)
            source = network_estimate(networks.source.model, batch, context)
        correct = [score.correct for score in others if score.correct is not None]
        training = plan.stage(ELASTIC)
        assert training is not None
        most = longest_training(self._bench.spec.space, "finetune")
        check = ElasticCheck(
            examples=examples,
            subnets=len(others),
            full=_score(full[0]),
            source=_score(source),
            median=median_score([_score(score) for score in others]),
            best=max(correct) if len(correct) == len(others) else None,
            chance=chance if correct else None,
            advice=advice(training.params, most),
            rate=rate_of(training.params),
        )
        if check.verdict != "doubtful":
            return check
        typical = _typical(others, check.median)
        return replace(
            check, comparison=self._compared(networks, training.params, typical, most, watch)
        )

    def _compared(
        self,
        networks: ElasticNetworks,
        training: Mapping[str, Any],
        subnet: SubnetScore,
        finetune_epochs: int,
        watch: Watch,
    ) -> AloneComparison | None:
        """Returns the comparison with a training alone; None if one of them diverges."""
        from paretune.spaces.elastic.alone import compared_with_alone
        from paretune.spaces.training.recipe import Recipe

        recipe = Recipe.model_validate(training["recipe"])
        space = space_of(networks.trained)
        choice = space.checked(concrete_choice(space, subnet.params))
        self._notify(
            "the subnets are far behind; one of them is trained alone as well, to compare "
            f"({space.text(choice)})"
        )
        context = replace(networks.context, report=watch.epoch_done)
        data = self._bench.data
        try:
            with host_lock.working():
                compared = compared_with_alone(
                    networks.source, networks.trained, choice, recipe, finetune_epochs, context
                )
        except InfeasibleCandidate:
            return None
        return AloneComparison(
            subnet=space.text(choice),
            before=_score(compared.before),
            finetuned=_score(compared.finetuned),
            finetune_epochs=finetune_epochs,
            alone=_score(compared.alone),
            epochs=recipe.epochs,
            examples=data.size("validation"),
            seconds=compared.seconds,
            elastic_seconds=networks.seconds,
        )


def _score(estimate: SubnetEstimate | SubnetScore) -> Score:
    return Score(estimate.loss, estimate.correct)


def _typical(scores: Sequence[SubnetScore], median: Score) -> SubnetScore:
    """Returns the subnet whose score is nearest to the median."""

    def distance(score: SubnetScore) -> float:
        if score.correct is not None and median.correct is not None:
            return abs(score.correct - median.correct)
        return abs(score.loss - median.loss)

    return min(scores, key=distance)
