"""The cluster that a run gets its workers from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from paretune.search.clusters.address import cluster_address
from paretune.search.interface.joining import join_study
from paretune.search.trial.events import Reporter

if TYPE_CHECKING:
    from paretune.search.running.stopping import Ending
    from paretune.search.study.spec import StudySpec


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster.

    Attributes:
        address: `ray://HOST:PORT`, or None for the cluster that this host is a node of.
        workers: Number of workers that train; None for as many as the cluster holds.
    """

    address: str | None = None
    workers: int | None = None

    @property
    def options(self) -> list[str]:
        """The options of `paretune run` that name it."""
        workers = [] if self.workers is None else ["--workers", str(self.workers)]
        return ["--cluster", self.address or "ray", *workers]

    @classmethod
    def named(cls, text: str | None, workers: int | None = None) -> Cluster | None:
        """Returns the cluster that `--cluster` names; None without this option.

        Raises:
            UserError: It is no address of a cluster.
        """
        return None if text is None else cls(cluster_address(text), workers)

    def refuse(self, spec: StudySpec) -> None:
        """Returns if the cluster's workers can share a study.

        Raises:
            UserError: The study lacks a shared database or store, or a host that measures.
        """
        from paretune.search.clusters.requirements import refuse_unshared

        refuse_unshared(spec)

    def run(
        self,
        spec: StudySpec,
        report: Reporter,
        overrides: tuple[str, ...] = (),
        retry_failed: bool = False,
    ) -> Ending:
        """Runs a study on the cluster, and reports the trials of all workers.

        Args:
            spec: The study.
            report: Receives the events.
            overrides: Options --set, with their values.
            retry_failed: Whether failed trials are run again.

        Raises:
            UserError: The cluster cannot be used, or a worker refuses the study.
        """
        from paretune.search.clusters.ray_run import ClusterRun, run_on_ray

        values = tuple(word for word in overrides if word != "--set")
        request = ClusterRun(
            spec, join_study, _begin_version, values, retry_failed, self.workers, self.address
        )
        return run_on_ray(request, report)


def _begin_version(spec: StudySpec) -> None:
    from paretune.search.running.version_start import begin_version

    begin_version(spec, lambda event: None)
