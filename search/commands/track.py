"""`paretune track`: sends a study to its trackers."""

from __future__ import annotations

import click

from paretune.search.commands.shared import (
    DONE,
    NOTHING,
    json_option,
    print_json,
    set_option,
    storage_option,
    study_argument,
)


@click.command("track")
@study_argument
@set_option
@storage_option
@json_option
def command(study: str, overrides: tuple[str, ...], storage: str | None, as_json: bool) -> int:
    """Send a study to MLflow or Weights & Biases.

    STUDY is a study file; its section `track` names the trackers. A run sends to them while it
    searches. This command sends what is missing after an outage, or a study that was run without
    trackers.
    """
    from paretune.search.errors import UserError
    from paretune.search.locate import locate
    from paretune.search.study_file.loading import load_study
    from paretune.search.tracking.tracking import sender_of

    spec = load_study(study, overrides, storage=storage)
    if not spec.trackers:
        raise UserError(
            f"{study}: it names no tracker; add a section such as "
            "track: {mlflow: {uri: http://localhost:5000}}"
        )
    locate(study, storage)
    results = []
    for index, selection in enumerate(spec.trackers):
        sender = sender_of(spec, index)
        try:
            sent, error = sender.send(ended=True), None
        except UserError:
            raise
        except Exception as failure:  # the tracker's client can raise anything
            sent, error = 0, " ".join(str(failure).split())
        missing = sender.missing()
        results.append(
            {"tracker": selection.name, "sent": sent, "missing": missing, "error": error}
        )
    if as_json:
        print_json({"schema": 1, "trackers": results})
    else:
        for result in results:
            click.echo(_line(result))
    return DONE if all(result["error"] is None for result in results) else NOTHING


def _line(result: dict[str, object]) -> str:
    if result["error"] is None:
        return f"{result['tracker']}: {result['sent']} trials sent, none is missing"
    return f"{result['tracker']}: {result['missing']} trials are missing: {result['error']}"
