"""`paretune retarget`: the models of a study in another runtime or on another machine."""

from __future__ import annotations

import click

from paretune.search.commands.shared import (
    THREADS,
    console,
    json_option,
    no_wait_option,
    print_json,
    storage_option,
    study_argument,
)


@click.command("retarget")
@study_argument
@storage_option
@click.option("--runtime", metavar="NAME", help="The runtime; by default the study's own.")
@click.option(
    "--threads", type=THREADS, metavar="N", help="Threads of one inference; 0: all cores."
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="K=V",
    help="Another option of the runtime; can be repeated.",
)
@click.option(
    "--device",
    metavar="ADDRESS",
    help="A phone or board: ssh://user@host, adb://SERIAL, local://; by default this machine.",
)
@click.option("--target", metavar="NAME", help="A target of the study; by default the first.")
@click.option(
    "--trials",
    default="front",
    show_default=True,
    metavar="WHICH",
    help="The trials: front, all, or numbers such as 3,7.",
)
@click.option("--again", is_flag=True, help="Repeat measurements that are already stored.")
@no_wait_option
@json_option
def command(
    study: str,
    storage: str | None,
    runtime: str | None,
    threads: int | None,
    options: tuple[str, ...],
    device: str | None,
    target: str | None,
    trials: str,
    again: bool,
    as_json: bool,
) -> None:
    """Measure the models of a study in another runtime or machine, or on a device.

    STUDY is a study file, or the folder of a study that was run, which may be copied from another
    machine. Nothing is trained, and the study's own measurements stay as they are.
    """
    from paretune.search.locate import locate

    location = locate(study, storage)  # reports a wrong STUDY before slow imports
    from paretune.search.retargeting.request import RetargetRequest, parse_option
    from paretune.search.retargeting.retarget import retarget
    from paretune.search.retargeting.table import retarget_info
    from paretune.search.retargeting.text import retarget_view

    values = dict(map(parse_option, options))
    if threads is not None:
        values["threads"] = threads
    request = RetargetRequest(runtime, values, target, trials, again, device)
    result = retarget(location, request, lambda text: click.echo(text, err=True))
    info = retarget_info(result)
    if as_json:
        print_json(info.to_json())
        return
    output = console()
    output.print(retarget_view(info, output.width))
