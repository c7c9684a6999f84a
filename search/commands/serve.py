"""`paretune serve`: studies as live pages in a browser."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("serve")
@click.argument("studies", nargs=-1, metavar="[FOLDER|STUDY]...")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address to listen on; one that other machines can reach needs --token.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8585,
    show_default=True,
    metavar="N",
    help="Port to listen on; if it is 0 or taken, the next free one.",
)
@click.option(
    "--token",
    metavar="TEXT",
    envvar="PARETUNE_TOKEN",
    show_envvar=True,
    help="Token that the page asks for; auto makes one and prints it.",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
def command(studies: tuple[str, ...], host: str, port: int, token: str | None, opens: bool) -> None:
    """Show studies as live pages in a browser, and steer them.

    FOLDER: all studies below it are shown; by default below the current folder. STUDY is a study
    file, or the folder of a study that was run.
    """
    from paretune.search.serving.server import serve

    paths = [Path(study) for study in studies] or [Path()]
    serve(paths, host, port, token, click.echo, click.launch if opens else None)
