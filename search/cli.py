"""The command line: parse, one library call, print. Heavy modules are imported by their command."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from paretune.search.commands.export import export
from paretune.search.commands.profile import profile
from paretune.search.commands.retarget import retarget
from paretune.search.commands.shared import (
    DONE,
    INTERRUPTED,
    NOTHING,
    WRONG_INPUT,
    coloured,
    json_option,
    print_json,
    set_option,
    storage_option,
    study_argument,
    terminal_width,
)
from paretune.search.commands.verify import verify
from paretune.search.errors import UserError


class _Group(click.Group):
    """Turns a UserError into its text and exit code 2; --debug shows tracebacks."""

    def main(self, args: Sequence[str] | None = None, **kwargs: Any) -> Any:  # type: ignore[override]
        kwargs["standalone_mode"] = False
        given = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in given  # before the command or behind it
        try:
            result = super().main([a for a in given if a != "--debug"], **kwargs)
        except UserError as error:
            if debug:
                raise
            _fail(str(error))
        except click.ClickException as error:
            error.show()
            sys.exit(WRONG_INPUT)
        except (KeyboardInterrupt, click.exceptions.Abort):  # click makes the one the other
            click.echo("interrupted; what is done is kept, the same command goes on", err=True)
            sys.exit(INTERRUPTED)
        except BrokenPipeError:
            sys.stderr.close()  # the reader of a pipe went away: nothing to say to anybody
            sys.exit(DONE)
        except Exception as error:
            if debug:
                raise
            _fail(
                f"paretune: a bug of ours: {type(error).__name__}: {error}\n"
                "Type the command again with --debug for the traceback.",
                NOTHING,
            )
        sys.exit(result if isinstance(result, int) else DONE)


def _fail(text: str, code: int = WRONG_INPUT) -> None:
    click.echo(text, err=True)
    sys.exit(code)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="paretune", prog_name="paretune")
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks; goes anywhere.")
def main() -> None:
    """Search architecture, pruning, quantization, distillation and training together.

    Begin with: paretune check STUDY.yaml, then paretune run STUDY.yaml
    """


@main.command()
@study_argument
@set_option
@storage_option
@json_option
def check(study: str, overrides: tuple[str, ...], storage: str | None, as_json: bool) -> None:
    """Show what would run: parameters, stages, objectives. Nothing is done."""
    from paretune.search.study_file.check import check_info
    from paretune.search.study_file.loading import load_study

    info = check_info(load_study(study, overrides, storage=storage))
    if as_json:
        print_json(info.to_json())
        return
    from paretune.search.views.check_text import check_view

    _console().print(check_view(info))


def _run_options(command: Any) -> Any:
    for option in (
        click.option("--trials", type=click.IntRange(1), help="How many trials in all."),
        click.option("--time", metavar="30m", help="How long this run may take."),
        set_option,
        storage_option,
    ):
        command = option(command)
    return command


@main.command()
@study_argument
@_run_options
@click.option("--workers", type=click.IntRange(1, 256), default=1, help="Processes on this host.")
def run(
    study: str,
    trials: int | None,
    time: str | None,
    overrides: tuple[str, ...],
    storage: str | None,
    workers: int,
) -> int:
    """Run a study, or go on where it stopped."""
    from paretune.search.study_file.loading import load_study

    spec = load_study(study, overrides, storage=storage, trials=trials, time=time)
    _stop_on_terminate()
    from paretune.search.commands.running import run_study

    return DONE if run_study(spec, _console(), workers, study) else NOTHING


@main.command()
@study_argument
@_run_options
@click.option("--threads", type=click.IntRange(1), help="Of training in this process.")
def worker(
    study: str,
    trials: int | None,
    time: str | None,
    overrides: tuple[str, ...],
    storage: str | None,
    threads: int | None,
) -> int:
    """Join a study from another process or machine."""
    from paretune.search.study_file.loading import load_study

    spec = load_study(study, overrides, storage=storage, trials=trials, time=time)
    _stop_on_terminate()
    from paretune.search.commands.running import work

    return DONE if work(spec, _console(), threads) else NOTHING


@main.command()
@study_argument
@storage_option
@json_option
def status(study: str, storage: str | None, as_json: bool) -> None:
    """Show how far a study is."""
    from paretune.search.database.reader import records
    from paretune.search.front.final_front import settled
    from paretune.search.locate import locate
    from paretune.search.views.status import status_info

    with records(locate(study, storage).url) as found:
        info = status_info(settled(found.outline()), found.counts())
    if as_json:
        print_json(info.to_json())
    else:
        click.echo(info.text())


@main.command()
@study_argument
@storage_option
@json_option
def front(study: str, storage: str | None, as_json: bool) -> int:
    """Show the trade-offs: the front beside the baseline."""
    from paretune.search.database.reader import records
    from paretune.search.front.final_front import settled
    from paretune.search.locate import locate
    from paretune.search.views.front import front_info

    with records(locate(study, storage).url) as found:
        info = front_info(settled(found.front_record()), found.trials)
    if as_json:
        print_json(info.to_json())
    else:
        from paretune.search.views.front_text import front_view

        click.echo(front_view(info, terminal_width()).text(), color=coloured())
    return DONE if info.rows else NOTHING


@main.command()
@study_argument
@click.argument("trial", type=int)
@storage_option
@json_option
def show(study: str, trial: int, storage: str | None, as_json: bool) -> None:
    """Show one trial: its plan, what was measured and how, or why it failed."""
    from paretune.search.database.reader import records
    from paretune.search.locate import locate
    from paretune.search.views.show import trial_json, trial_text

    with records(locate(study, storage).url) as stored:
        found = stored.trial(trial)
        steps = stored.steps(trial)
        last = stored.last_number()
    if found is None:
        raise UserError(f"trial {trial}: there is no such trial; the last is {last}")
    if as_json:
        print_json(trial_json(found, steps))
    else:
        click.echo(trial_text(found, steps))


@main.command()
@study_argument
@storage_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where to write it.")
def report(study: str, storage: str | None, output: Path | None) -> None:
    """Write the report: one HTML file that needs no network."""
    from paretune.search.database.reader import records
    from paretune.search.front.final_front import settled
    from paretune.search.locate import locate
    from paretune.search.views.report import write_report

    location = locate(study, storage)
    with records(location.url) as found:
        record = settled(found.record())
    file = output or location.folder / "report.html"
    write_report(record, file)
    click.echo(str(file))


main.add_command(export)
main.add_command(verify)


@main.command()
def schema() -> None:
    """Print the JSON Schema of a study file."""
    from paretune.search.study_file.schema import study_schema

    print_json(study_schema())


LISTS = ("architectures", "techniques", "objectives", "runtimes", "samplers", "data", "training")


@main.command("list")
@click.argument("what", type=click.Choice(LISTS))
@json_option
def list_(what: str, as_json: bool) -> None:
    """List what a study file can name."""
    from paretune.search.commands.catalogue import catalogue, catalogue_text

    entries = catalogue(what)
    if as_json:
        print_json(entries)
    else:
        click.echo(catalogue_text(entries))


main.add_command(profile)
main.add_command(retarget)


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False)


def _stop_on_terminate() -> None:
    """A terminated run ends like an interrupted one: its trial is given back."""

    def stop(_signal: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)


if __name__ == "__main__":
    main()
