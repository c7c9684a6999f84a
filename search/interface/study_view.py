"""What a study shows: its trials, its front, its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.interface.front import StudyFront
from paretune.search.interface.reading import (
    read_front,
    read_front_within,
    read_record,
    read_status,
)
from paretune.search.interface.study_source import StudySource
from paretune.search.interface.trial import Trial
from paretune.search.interface.trial_list import TrialList

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from paretune.search.interface.results import StudyStatus
    from paretune.search.profiling.networks import ProfiledNetwork
    from paretune.search.study.records import StudyRecord


class StudyView:
    """A study to look at: nothing here runs or changes it.

    Args:
        source: Where the study comes from.
    """

    def __init__(self, source: StudySource) -> None:
        self._source = source

    def __repr__(self) -> str:
        return f"<paretune.Study {self.folder}>"

    @property
    def folder(self) -> Path:
        """The folder of trials, stages and deployed files."""
        return self._source.location.folder

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self._source.location.folder.name

    @property
    def trials(self) -> TrialList:
        """All trials; `trials[7]` is trial 7, `trials.to_pandas()` a data frame."""
        return TrialList(self._source)

    @property
    def front(self) -> StudyFront:
        """The best trade-offs and the baseline, as they are now."""
        return StudyFront(*read_front(self._source.location.url))

    def front_within(self, *conditions: str) -> StudyFront:
        """Returns the front of the trials that meet conditions, as `paretune front --within`.

        Args:
            *conditions: "size <= 1 MB", "latency <= 0.5 x baseline", ...

        Raises:
            UserError: A text is no condition of this study.
        """
        within = read_front_within(self._source.location.url, conditions)
        return StudyFront(within.info, [within.text])

    @property
    def baseline(self) -> Trial:
        """Trial 0: the model as it is.

        Raises:
            UserError: It is not measured yet, or the study has none.
        """
        return self.trials[0]

    @property
    def rounds(self) -> list[Mapping[str, Any]]:
        """The rounds of `paretune optimize`, in order; empty for any other study."""
        from paretune.search.database.reader import study_reader

        with study_reader(self._source.location.url) as reader:
            reader.study()  # refuses a database without a study
            return list(reader.rounds())

    def status(self) -> StudyStatus:
        """Returns the progress: finished, running and failed trials."""
        from paretune.search.interface.results import StudyStatus

        return StudyStatus(*read_status(self._source.location.url))

    def pick(self, query: str | int = "knee") -> Trial:
        """Returns the trial that a query means, as --pick.

        Args:
            query: "knee"; "fastest" or "smallest", near the baseline's score; "baseline"; a trial's
                number; or conditions such as "latency <= 5 ms and size <= 1 MB".

        Raises:
            UserError: The query is invalid, or no trial matches it.
        """
        from paretune.search.front.pick import pick

        return Trial(self._source, pick(self._record(), str(query)))

    def plot(self, name: str = "front", *objectives: str) -> go.Figure:
        """Returns a figure of the report.

        Args:
            name: "front", "importance", "history", "hypervolume", "parallel" or "space".
            *objectives: The objectives to draw: two for "front"; by default the first ones.

        Raises:
            UserError: There is no such figure or objective, or nothing to draw yet.
        """
        from paretune.search.interface.plots import figure

        return figure(self._record(), name, objectives)

    @contextmanager
    def network(
        self, query: str, runtime: str | None, threads: int | None, folder: Path
    ) -> Iterator[ProfiledNetwork]:
        """Yields the network of a trial to profile; `paretune.profile` calls it.

        Args:
            query: The trial, as `pick` takes it.
            runtime: A runtime or a target of the study; None for the study's own.
            threads: Threads of one inference; None for those of the study.
            folder: Folder of the file for another runtime.
        """
        from paretune.search.profiling.trial_network import trial_network

        with (
            self._source.at_work(),
            trial_network(self._source.location, query, runtime, threads, folder) as network,
        ):
            yield network

    def _record(self) -> StudyRecord:
        return read_record(self._source.location.url)
