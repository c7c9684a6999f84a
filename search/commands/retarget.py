"""`paretune retarget`: the stored models of a study in another runtime, or on another machine."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("study", metavar="STUDY")
@click.option(
    "--storage", metavar="URL", help="Database: sqlite, sqlite:///FILE, postgresql://USER@HOST/DB."
)
@click.option("--runtime", metavar="NAME", help="Where to measure; the study's own if not given.")
@click.option("--threads", type=click.IntRange(0, 1024), help="Of one inference; 0: all cores.")
@click.option(
    "--option", "options", multiple=True, metavar="K=V", help="Another option of the runtime."
)
@click.option("--target", metavar="NAME", help="Of a study with targets; the first if not given.")
@click.option(
    "--trials", default="front", metavar="WHICH", help="front, all, or numbers: 3,7. [front]"
)
@click.option("--again", is_flag=True, help="Measure even what is stored already.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def retarget(
    study: str,
    storage: str | None,
    runtime: str | None,
    threads: int | None,
    options: tuple[str, ...],
    target: str | None,
    trials: str,
    again: bool,
    as_json: bool,
) -> None:
    """Measure a study's models elsewhere: another runtime, options, machine. Trains nothing."""
    from paretune.search.locate import locate
    from paretune.search.retargeting.retarget import Wanted, option_of
    from paretune.search.retargeting.retarget import retarget as measured
    from paretune.search.retargeting.retarget_text import retarget_info, retarget_view

    given = dict(map(option_of, options))
    if threads is not None:
        given["threads"] = threads
    wanted = Wanted(runtime, given, target, trials, again)
    found = measured(locate(study, storage), wanted, lambda text: click.echo(text, err=True))
    info = retarget_info(found)
    if as_json:
        click.echo(json.dumps(info.to_json(), indent=2))
        return
    from rich.console import Console

    console = Console(highlight=False)
    console.print(retarget_view(info, console.width))
