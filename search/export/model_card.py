"""The model card: what an exported model is, how it was made, how good it is, how to use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.export.latency_ratio import LatencyRatio
from paretune.search.export.load_script import script_name
from paretune.search.export.loading_code import usage_text
from paretune.search.export.log_script import MONITORING
from paretune.search.export.manifest import MANIFEST, PROBE, conversion_note
from paretune.search.export.task_facts import (
    answers,
    described,
    returned,
    score_text,
    taken,
    targets_text,
)
from paretune.search.study.spec import checkpoint_name
from paretune.search.study.units import format_interval, format_quantity
from paretune.search.views.plan_text import plan_text
from paretune.search.views.portability_text import portability_text
from paretune.search.views.seed_text import deviation_text
from paretune.search.views.shown_measurements import headline_measurements, without_repeats

CARD = """\
# {study}, trial {trial}

{described}: {plan_text}. It is trial {trial} of the Paretune study
`{study}`, exported as `{file}`.

## Measurements

{measurements}

{conditions}

## How it was made

{origin}

## How to use it

{usage}

## Checks

{checks}

## Licence

{licence}

## Limits

{limits}
"""


def card_text(manifest: Mapping[str, Any]) -> str:
    """Returns the card in Markdown.

    Args:
        manifest: Content of the manifest, verified.
    """
    return CARD.format(
        study=manifest["study"],
        trial=manifest["trial"],
        plan_text=manifest["plan_text"],
        described=described(manifest),
        file=manifest["artifacts"][0]["file"],
        measurements="\n".join(_measurements(manifest)),
        conditions="\n".join(f"- {line}" for line in _conditions(manifest)),
        origin="\n".join(f"- {line}" for line in _origin(manifest)),
        usage="\n\n".join(_usage(manifest)),
        checks=_checks(manifest),
        licence="\n".join(f"- {line}" for line in _licence(manifest)),
        limits="\n".join(f"- {line}" for line in _limits(manifest)),
    )


def _measurements(manifest: Mapping[str, Any]) -> Iterator[str]:
    trial, baseline = manifest["measurements"], manifest["baseline"]
    ratios = manifest["times_better_than_baseline"]
    test = {**trial["test"], **manifest["artifacts"][0]["expected"]["test"]}
    columns = {
        "validation": trial["validation"],
        "test": test,
        "baseline, validation": baseline["validation"],
        "baseline, test": baseline["test"],
    }
    if manifest["data"].get("no_test"):
        columns = {name: measured for name, measured in columns.items() if "test" not in name}
    yield f"| | {' | '.join(columns)} | times better |"
    yield f"|{'---|' * (len(columns) + 2)}"
    for name in dict.fromkeys([*without_repeats(trial["validation"]), *without_repeats(test)]):
        cells = [_cell(measurements.get(name)) for measurements in columns.values()]
        times = f"{ratios[name]:.3g}" if name in ratios else ""
        yield f"| {name} | {' | '.join(cells)} | {times} |"


def _cell(measurement: Mapping[str, Any] | None) -> str:
    if not measurement:
        return ""
    measured = Measurement(**measurement)
    interval = format_interval(measured)
    value = format_quantity(measured.value, measured)
    if not interval:
        return value
    return f"{value} {interval}" if measured.unit == "ms" else f"{value} ({interval})"


def _conditions(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yields the conditions under which the measurements were taken."""
    measurements = manifest["measurements"]
    note = conversion_note(manifest)
    if note:
        yield note
    for name, measurement in measurements["validation"].items():
        if "host" in measurement["conditions"]:
            yield f"{name}: {_timing(measurement)}"
    for part in ("validation", "test"):
        counts = {m["count"] for m in measurements[part].values() if _is_score(m)}
        if counts:
            yield f"{part}: {max(counts)} examples"
    if measurements["test"]:
        yield (
            "the search compared trials on the validation part, so those values are slightly "
            "optimistic; it never used the test part"
        )
    yield from _seeds(manifest)
    data = manifest["data"]
    yield from (data["no_test"],) if data.get("no_test") else ()
    yield from data.get("notes") or ()
    yield "intervals are 95 %"
    compared = manifest.get("compared_with_baseline") or ()
    yield from (f"compared with the baseline: {text}" for text in compared)
    if not any(" on " in text for text in compared):
        yield "differences of accuracies within the intervals may be chance; they are not paired"


def _seeds(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yields the means over trainings with different seeds, of which the file is the first one."""
    for part, means in manifest.get("seeds", {}).items():
        for name, mean in headline_measurements(means).items():
            seeds, measured = mean["conditions"]["seeds"], Measurement(**mean)
            single = format_quantity(seeds["single"], measured)
            spread = deviation_text(seeds["deviation"], measured)
            yield (
                f"{name} on {part}: the mean of {seeds['count']} trainings with different seeds is "
                f"{_cell(mean)}, with a standard deviation of {spread} between them; this file is "
                f"the first of them, with {single}"
            )


def _timing(measurement: Mapping[str, Any]) -> str:
    """Returns how a quantity was timed."""
    conditions = measurement["conditions"]
    threads = conditions.get("threads")
    threads_text = "" if threads is None else f"{threads or 'all'} thread{'s' * (threads != 1)}, "
    return (
        f"{conditions.get('statistic', 'value')} of {measurement['count']} runs, "
        f"batch {conditions.get('batch')}, {threads_text}"
        f"{conditions.get('runtime')} on {conditions.get('cpu')} (host {conditions.get('host')})"
    )


def _origin(manifest: Mapping[str, Any]) -> Iterator[str]:
    data = manifest["data"]
    sizes = ", ".join(f"{count} {part}" for part, count in data["sizes"].items() if count)
    source = "" if data["source"] == data["name"] else f" ({data['source']})"
    targets = targets_text(manifest)
    yield f"data: {data['name']}{source}, {sizes} examples{f', {targets}' if targets else ''}"
    yield f"fingerprint of data and split: `{data['fingerprint']}`, seed {data['seed']}"
    for stage in manifest["plan"]:
        yield f"{stage['kind']}: {_stage(stage)}"
    yield f"all parameters: `plan` in `{MANIFEST}`"
    if manifest["baseline"]["plan_text"]:
        yield f"baseline: {manifest['baseline']['plan_text']}"
    yield "made with " + ", ".join(f"{k} {v}" for k, v in manifest["versions"].items())


def _stage(stage: Mapping[str, Any]) -> str:
    """Returns a stage in a few words: its architecture or technique, and its training."""
    params = stage["params"]
    words = [plan_text([stage])]
    if params.get("checkpoint"):
        words.append(f"from {checkpoint_name(params['checkpoint'])}")
    recipe = params.get("recipe")
    if recipe:
        [(optimizer, options)] = recipe["optimizer"].items()
        [schedule] = recipe["schedule"]
        rate = f" with lr {options['lr']:.4g}" if "lr" in options else ""
        words.append(
            f"{recipe['epochs']} epochs, {optimizer}{rate}, {schedule} schedule, "
            f"batches of {recipe['batch_size']}"
        )
    if "runtime" in params:
        [(name, options)] = params["runtime"].items()
        words += [name, *(f"{k} {v}" for k, v in options.items())]
    return ", ".join(word for word in words if word)


def _usage(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yields what a user types to run the files."""
    preprocessing = manifest["preprocessing"]
    has_several_files = len(manifest["artifacts"]) > 1
    yield (
        f"The model takes {taken(manifest)}: {preprocessing['formula']}. It returns "
        f"{returned(manifest)}."
    )
    for artifact in manifest["artifacts"]:
        script = script_name(artifact["runtime"], has_several_files)
        packages = ", ".join(f"{k} {v}" for k, v in artifact["packages"].items())
        yield (
            f"`{artifact['file']}` ({artifact['bytes']} bytes, sha256 `{artifact['sha256']}`): "
            f"{artifact['note']}. `{script}` ran it in a process without Paretune, with "
            f"{packages}. `python {script} FILE ...` prints {answers(manifest)} of your own "
            "examples. In your own code, in this folder:"
        )
        yield f"```python\n{usage_text(artifact, manifest)}\n```"
        if text := portability_text(artifact):
            yield f"Execution providers of ONNX Runtime that run `{artifact['file']}`: {text}."


def _checks(manifest: Mapping[str, Any]) -> str:
    verified = manifest["verified"]
    marks = {"ok": "", "warning": " (warning)", "failed": " **(failed)**"}
    lines = [
        f"- {result['file']}: {result['check']}: {result['text']}{marks[result['level']]}"
        for result in verified["results"]
        if result["check"] != "sha256" or result["level"] != "ok"
    ]
    outcome = "all checks passed" if verified["ok"] else "A CHECK FAILED"
    head = (
        f"{verified['time']} on {verified['host']['cpu']}: {outcome}. To check digests and outputs "
        "again, on any machine and without Paretune: `python verify.py`. With Paretune, also "
        f"{score_text(manifest).lower()} and latency: `paretune verify FOLDER`."
    )
    if MONITORING in manifest:
        head += (
            ' In use, `load(FILE, log="calls.jsonl")` logs statistics of the calls, and `paretune '
            "monitor FOLDER --log calls.jsonl` shows drift and slower calls."
        )
    return "\n".join([head, "", *lines])


def _licence(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield from manifest["licences"]
    yield f"Data ({manifest['data']['source']}): {_data_licence(manifest['data']['name'])}"


def _is_score(measurement: Mapping[str, Any]) -> bool:
    """Returns whether a measurement was made on examples of the data."""
    return measurement["unit"] == "fraction" or "part" in measurement["conditions"]


def _data_licence(name: str) -> str:
    if name == "digits":
        return "UCI optical recognition of handwritten digits, CC BY 4.0, from scikit-learn."
    return "no licence is recorded; look at its source."


def _limits(manifest: Mapping[str, Any]) -> Iterator[str]:
    expected = manifest["artifacts"][0]["expected"]
    counts = [m["count"] for m in expected["test"].values() if _is_score(m)]
    score = score_text(manifest)
    verb = "were" if ", " in score else "was"
    if counts:
        yield (
            f"{score} {verb} measured on {max(counts)} test examples, from the same source as the "
            "training data."
        )
    elif manifest["data"].get("no_test"):
        yield (
            f"{score} {verb} measured on the validation part only, by which the search compared "
            "trials, so it may be too good."
            if "task" in manifest
            else "Accuracy was measured on the validation part only, by which the search compared "
            "trials, so it may be too high."
        )
    yield "Nothing was measured on other data, on shifted or adversarial inputs, or by group."
    if expected["latency"]:
        cpu = LatencyRatio(**expected["latency"]["ratio"]).cpu
        yield f"Latency was measured on {cpu}; int8 is fast only on processors that support it."
    yield f"`{PROBE}` holds 16 validation examples; `{MANIFEST}` has digests but no signature."
