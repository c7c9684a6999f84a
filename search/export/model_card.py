"""The model card: what an exported model is, how it was made, how good it is, how to use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paretune.objectives.base import Measurement
from paretune.search.export.latency_ratio import Ratio
from paretune.search.export.load_script import script_name
from paretune.search.export.manifest import MANIFEST, PROBE
from paretune.search.study.units import format_interval, format_value
from paretune.search.views.plan_text import plan_text

CARD = """\
# {study}, trial {trial}

{plan_text}: a classifier of {classes} classes, chosen by Paretune among the trade-offs of the study
`{study}` and exported as `{file}`.

## Numbers

{numbers}

{conditions}

## How it was made

{made}

## Use it

{use}

## Checked

{checked}

## Licence

{licence}

## Limits

{limits}
"""


def card_of(manifest: Mapping[str, Any], folder: Path) -> str:
    """The card in Markdown.

    Args:
        manifest: Its content, verified.
        folder: Where the code lies that the card shows.
    """
    return CARD.format(
        study=manifest["study"],
        trial=manifest["trial"],
        plan_text=manifest["plan_text"],
        classes=len(manifest["preprocessing"]["class_names"]),
        file=manifest["artifacts"][0]["file"],
        numbers="\n".join(_numbers(manifest)),
        conditions="\n".join(f"- {line}" for line in _conditions(manifest)),
        made="\n".join(f"- {line}" for line in _made(manifest)),
        use="\n\n".join(_use(manifest, folder)),
        checked=_checked(manifest),
        licence="\n".join(f"- {line}" for line in _licence(manifest)),
        limits="\n".join(f"- {line}" for line in _limits(manifest)),
    )


def _numbers(manifest: Mapping[str, Any]) -> Iterator[str]:
    ours, base = manifest["measurements"], manifest["baseline"]
    ratios = manifest["times_better_than_baseline"]
    test = {**ours["test"], **manifest["artifacts"][0]["expected"]["test"]}
    yield "| | validation | test | baseline: validation | test | times better |"
    yield "|---|---|---|---|---|---|"
    for name in dict.fromkeys([*ours["validation"], *test]):
        cells = [
            _cell(found.get(name))
            for found in (ours["validation"], test, base["validation"], base["test"])
        ]
        times = f"{ratios[name]:.3g}" if name in ratios else ""
        yield f"| {name} | {' | '.join(cells)} | {times} |"


def _cell(found: Mapping[str, Any] | None) -> str:
    if not found:
        return ""
    measured = Measurement(**found)
    interval = format_interval(measured)
    value = format_value(measured.value, measured.unit)
    if not interval:
        return value
    return f"{value} {interval}" if measured.unit == "ms" else f"{value} ({interval})"


def _conditions(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Under which the numbers hold."""
    ours = manifest["measurements"]
    for name, found in ours["validation"].items():
        said = found["conditions"]
        if "host" in said:
            yield f"{name}: {_timing(found)}"
    for part, found in (("validation", ours["validation"]), ("test", ours["test"])):
        counts = {m["count"] for m in found.values() if m["unit"] == "fraction"}
        if counts:
            yield f"{part}: {max(counts)} examples"
    if ours["test"]:
        yield (
            "the search went by the validation part, so that its figures are a little lucky; the "
            "test part it never saw"
        )
    yield "intervals are 95 %; differences within them are not differences"


def _timing(found: Mapping[str, Any]) -> str:
    """How something was timed."""
    said = found["conditions"]
    threads = said.get("threads")
    shown = "" if threads is None else f"{threads or 'all'} thread{'s' * (threads != 1)}, "
    return (
        f"{said.get('statistic', 'value')} of {found['count']} runs, "
        f"batch {said.get('batch')}, {shown}"
        f"{said.get('runtime')} on {said.get('cpu')} (host {said.get('host')})"
    )


def _made(manifest: Mapping[str, Any]) -> Iterator[str]:
    data = manifest["data"]
    sizes = ", ".join(f"{count} {part}" for part, count in data["sizes"].items())
    yield f"data: {data['name']} ({data['source']}), {sizes} examples, {data['classes']} classes"
    yield f"fingerprint of data and split: `{data['fingerprint']}`, seed {data['seed']}"
    for stage in manifest["plan"]:
        yield f"{stage['kind']}: {_stage(stage)}"
    yield f"every parameter: `plan` in `{MANIFEST}`"
    if manifest["baseline"]["plan_text"]:
        yield f"the baseline it is compared with: {manifest['baseline']['plan_text']}"
    yield "made with " + ", ".join(f"{k} {v}" for k, v in manifest["versions"].items())


def _stage(stage: Mapping[str, Any]) -> str:
    """A stage in a few words: its architecture or technique, and how it was trained."""
    params = stage["params"]
    words = [plan_text([stage])]
    if params.get("checkpoint"):
        words.append(f"from {Path(params['checkpoint']).name}")
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
        words.append(" ".join([name, *(f"{k} {v}" for k, v in options.items())]))
    return ", ".join(word for word in words if word)


def _use(manifest: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """What a user types; the code is the one that was run to check the file."""
    how = manifest["preprocessing"]
    several = len(manifest["artifacts"]) > 1
    yield f"The model takes {how['input']}: {how['formula']}. It gives logits, one for each class."
    for artifact in manifest["artifacts"]:
        script = script_name(artifact["runtime"], several)
        packages = ", ".join(f"{k} {v}" for k, v in artifact["packages"].items())
        yield (
            f"`{artifact['file']}` ({artifact['bytes']} bytes, sha256 `{artifact['sha256']}`): "
            f"{artifact['note']}. It was checked with {packages}, by this code, which is "
            f"`{script}`, in a process without Paretune:"
        )
        code = (folder / script).read_text(encoding="utf-8").rstrip()
        yield f"```python\n{code}\n```"


def _checked(manifest: Mapping[str, Any]) -> str:
    found = manifest["verified"]
    lines = [
        f"- {f['file']}: {f['what']}: {f['text']}"
        + (" **(off)**" if f["level"] == "off" else " (warning)" * (f["level"] == "warning"))
        for f in found["findings"]
        if f["what"] != "sha256" or f["level"] != "ok"
    ]
    state = "as measured" if found["ok"] else "NOT WHAT THE STUDY MEASURED"
    head = f"{found['time']} on {found['host']['cpu']}: {state}. Again, anywhere: "
    return "\n".join([head + "`paretune verify` with this folder.", "", *lines])


def _licence(manifest: Mapping[str, Any]) -> Iterator[str]:
    yield from manifest["licences"]
    yield f"Data ({manifest['data']['source']}): {_data_licence(manifest['data']['name'])}"


def _data_licence(name: str) -> str:
    if name == "digits":
        return "UCI optical recognition of handwritten digits, CC BY 4.0, by way of scikit-learn."
    return "no licence is recorded; see where you had them from."


def _limits(manifest: Mapping[str, Any]) -> Iterator[str]:
    test = manifest["artifacts"][0]["expected"]["test"]
    counts = [m["count"] for m in test.values() if m["unit"] == "fraction"]
    if counts:
        yield f"Accuracy rests on {max(counts)} test examples, of the training data's source."
    yield "Nothing was measured on other data, on shifted or hostile inputs, nor by group."
    expected = manifest["artifacts"][0]["expected"]["latency"]
    if expected:
        cpu = Ratio(**expected["ratio"]).cpu
        yield f"Milliseconds are those of {cpu}; int8 is fast only where the processor has it."
    yield f"`{PROBE}` holds 16 validation examples; `{MANIFEST}` has digests, and is not signed."
