"""Results of commands as objects: a check, a profile, a retargeting, the progress."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paretune.search.interface.shown import Shown, columns_of, plain_text

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from paretune.search.comparing.compared_records import ComparisonInfo
    from paretune.search.preflight.preflight import PreflightInfo
    from paretune.search.profiling.profile import Profile
    from paretune.search.retargeting.table import RetargetInfo
    from paretune.search.study_file.check import CheckInfo
    from paretune.search.views.status import StatusInfo


class StudyCheck(Shown):
    """What a run would do, and what a full check tried.

    Attributes:
        info: Stages, objectives, parameters and notes.
        full: What was tried, with an estimate of the time; None without a full check.
    """

    def __init__(self, info: CheckInfo, full: PreflightInfo | None = None) -> None:
        self.info = info
        self.full = full

    def text(self, width: int | None = None) -> str:
        """Returns what `paretune check` prints."""
        from paretune.search.preflight.text import preflight_view
        from paretune.search.views.check_text import check_view

        views = [check_view(self.info), *([preflight_view(self.full)] if self.full else [])]
        return "\n".join(plain_text(view, width) for view in views)

    def to_json(self) -> dict[str, Any]:
        """Returns what `paretune check --json` prints."""
        return {**self.info.to_json(), **({"full": self.full.to_json()} if self.full else {})}


class StudyStatus(Shown):
    """The progress of a study.

    Attributes:
        info: The counts.
        reasons: Why no trial is feasible, if none is.
    """

    def __init__(self, info: StatusInfo, reasons: list[str]) -> None:
        self.info = info
        self.reasons = tuple(reasons)

    def text(self, width: int | None = None) -> str:
        """Returns what `paretune status` prints."""
        return "\n".join([self.info.text(), *self.reasons])

    def to_json(self) -> dict[str, Any]:
        """Returns what `paretune status --json` prints."""
        return self.info.to_json()


class NetworkProfile(Shown):
    """Where the time and size of a network go, and what to change.

    Attributes:
        profile: Measurements, layers and advice.
    """

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    def text(self, width: int | None = None) -> str:
        """Returns what `paretune profile` prints."""
        from paretune.search.profiling.text import profile_view

        return plain_text(profile_view(self.profile), width)

    def to_json(self) -> dict[str, Any]:
        """Returns what `paretune profile --json` prints."""
        return self.profile.to_json()


class StudyComparison(Shown):
    """The fronts of several studies beside each other.

    Attributes:
        info: Fronts, hypervolumes on common axes, and what differs beyond noise.
    """

    def __init__(self, info: ComparisonInfo) -> None:
        self.info = info

    def text(self, width: int | None = None) -> str:
        """Returns what `paretune compare` prints."""
        import click

        from paretune.search.comparing.text import comparison_view

        return click.unstyle(comparison_view(self.info, columns_of(width)).text())

    def plots(self) -> dict[str, go.Figure]:
        """Returns title -> plotly figure with the fronts of all studies."""
        from paretune.search.comparing.figures import front_figures

        return dict(front_figures(self.info))

    def to_json(self) -> dict[str, Any]:
        """Returns what `paretune compare --json` prints."""
        return self.info.to_json()


class Retargeting(Shown):
    """The models of a study in another runtime or on another machine.

    Attributes:
        info: The table.
    """

    def __init__(self, info: RetargetInfo) -> None:
        self.info = info

    def text(self, width: int | None = None) -> str:
        """Returns what `paretune retarget` prints."""
        from paretune.search.retargeting.text import retarget_view

        return plain_text(retarget_view(self.info, columns_of(width)), width)

    def to_json(self) -> dict[str, Any]:
        """Returns what `paretune retarget --json` prints."""
        return self.info.to_json()
