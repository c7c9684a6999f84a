"""The output of `paretune check` on a terminal."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from paretune.search.study_file.check import CheckInfo


def check_view(info: CheckInfo) -> RenderableType:
    """Returns a table of facts, a table of parameters, and notes."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    for name, value in (
        ("study", info.study),
        ("data", info.data),
        ("baseline", info.baseline),
        *((("teachers", "\n".join(info.teachers)),) if info.teachers else ()),
        ("stages", " -> ".join(info.stages)),
        ("runtime", info.runtime),
        ("targets", "\n".join(info.targets)),
        ("objectives", "\n".join(info.objectives)),
        ("constraints", "\n".join(info.constraints) or "none"),
        ("goals", "\n".join(info.goals) or "none"),
        ("sampler", info.sampler),
        ("first", "\n".join(info.first)),
        ("prior", "\n".join(info.prior)),
        ("racing", info.racing),
        ("budget", info.budget),
        ("storage", info.storage),
        ("files", info.files),
    ):
        if value:  # a study with your own trainer names neither data nor runtime
            facts.add_row(name, Text(value))
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("parameter", no_wrap=True)
    table.add_column("domain")
    for parameter in info.parameters:
        domain = Text(parameter.domain)
        if parameter.condition:
            domain.append(f"   if {parameter.condition}", style="dim")
        table.add_row(parameter.name, domain)
    notes = [Text(f"note: {note}", style="yellow") for note in info.notes]
    change = [Text(f"a run makes {info.change['line']}", style="bold")] if info.change else []
    return Group(facts, table, Text(info.plans), *notes, *change)
