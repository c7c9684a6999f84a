"""The generated JSON Schema: as shipped, true to the loader, refusing what it refuses."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from paretune.search.errors import UserError
from paretune.search.study_file.document import read_document
from paretune.search.study_file.loading import SECTIONS, load_study
from paretune.search.study_file.schema import study_schema

STUDIES = Path(__file__).parents[3] / "studies"
SCHEMA = study_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
QUICKSTART = read_document(STUDIES / "quickstart.yaml").data


def test_schema_is_the_shipped_one() -> None:
    shipped = json.loads((STUDIES / "paretune.schema.json").read_text(encoding="utf-8"))

    assert shipped == SCHEMA, "write it anew: paretune schema > studies/paretune.schema.json"


def test_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_schema_knows_every_section() -> None:
    assert set(SCHEMA["properties"]) == set(SECTIONS)


def test_every_reference_leads_somewhere_and_every_definition_is_used() -> None:
    referred = {value.removeprefix("#/$defs/") for key, value in strings(SCHEMA) if key == "$ref"}

    assert referred == set(SCHEMA["$defs"])


def strings(value: Any) -> Iterator[tuple[str, str]]:
    """(key, text) of every text under a key."""
    if isinstance(value, dict):
        for key, child in value.items():
            if isinstance(child, str):
                yield key, child
            yield from strings(child)
    elif isinstance(value, list):
        for child in value:
            yield from strings(child)


@pytest.mark.parametrize("study", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_study_is_valid(study: Path) -> None:
    assert list(VALIDATOR.iter_errors(read_document(study).data)) == []


@pytest.mark.parametrize("study", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_study_names_the_schema(study: Path) -> None:
    first = study.read_text(encoding="utf-8").splitlines()[0]

    assert first == "# yaml-language-server: $schema=paretune.schema.json"


@pytest.mark.parametrize(
    "override",
    [
        "data=digits",
        "data={digits: }",
        "data={digits: {validation: 0.1}}",
        "data={npz: data.npz}",
        "data={npz: data.npz, validation: 0.1}",
        "data={npz: {file: data.npz}}",
        "data={torchvision: CIFAR10, root: data, download: false}",
        "data={images: folder, size: 32, memory: stream, workers: 2}",
        'data={python: "pkg.mod:make", args: {n: 3}}',
        "baseline.architecture=mobilenet_v2",
        "baseline.architecture={torchvision: resnet18, weights: DEFAULT}",
        "baseline.pretrain.schedule={cosine: {warmup: 0.1}}",
        "baseline.pretrain.clip=1",
        "space={}",
        "space.architecture={choice: [simple_cnn, {resnet: {width: 8}}, mobilenet_v2]}",
        "space.architecture={choice: {simple_cnn: , separable_cnn: {width: 1}}}",
        "space.architecture={resnet: {blocks: [1, {int: [1, 3]}, 2], widths: [8, 16, 16]}}",
        "space.architecture={resnet: {blocks: {choice: [2, [1, 2, 3]]}}}",
        "space.architecture={staged: {stages: [{width: {choice: [8, 16]}, kernel: 5}]}}",
        "baseline.architecture={staged: {stages: [{width: 8}], resolution: 16}}",
        "space.pruning=none",
        "space.pruning={structured: {ratio: 0.5, criterion: {choice: [magnitude, lamp]}}}",
        "space.pruning={structured: {ratio: {float: [0.1, 0.7], step: 0.2}}}",
        "space.finetune.batch_size={choice: [16, 32]}",
        "space.finetune.batch_size={int: [16, 64], log: true}",
        "space.finetune.epochs={int: [2, 6], step: 2}",
        "space.finetune.augment={flip: {choice: [true, false]}, crop: {int: [0, 2]}}",
        "space.finetune.label_smoothing={float: [0, 0.2]}",
        "runtime=onnxruntime",
        "runtime={onnxruntime: {threads: 2}}",
        "objectives={accuracy: {maximize: top1}, latency: minimize, macs: minimize}",
        "constraints=[]",
        "goals=[latency <= 2 ms]",
        "search={sampler: {tpe: {multivariate: true}}, trials: 3}",
        "budget={time: 1h30m}",
        "budget={time: 90, stop_at_goals: true}",
        "storage=postgresql://me@host/db",
        "device=cpu",
    ],
)  # fmt: skip
def test_what_loads_is_valid(override: str) -> None:
    assert load_study(STUDIES / "quickstart.yaml", [override])

    data = read_document(STUDIES / "quickstart.yaml", [override]).data
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []


@pytest.mark.parametrize(
    ("override", "place"),
    [
        ("stduy=x", "$"),
        ("study=3", "$.study"),
        ("study=a/b", "$.study"),
        ("data=digit", "$.data"),
        ("data={digits: {validation: 0.9}}", "$.data"),
        ("data={npz: {}}", "$.data"),
        ("baseline={}", "$.baseline"),
        ("baseline.architecture={simple_cnn: {width: {choice: [1]}}}", "$.baseline.architecture"),
        ("baseline.pretrain.epochs={int: [1, 2]}", "$.baseline.pretrain.epochs"),
        ("baseline.pretrain.optimizer=adm", "$.baseline.pretrain.optimizer"),
        ("space.pruing=none", "$.space"),
        ("space.pruning={structurd: {ratio: 0.5}}", "$.space.pruning"),
        ("space.pruning={unstructured: {}}", "$.space.pruning"),
        ("space.pruning={structured: {ratio: 1.5}}", "$.space.pruning"),
        ("space.pruning={structured: {ratio: {float: [0.1]}}}", "$.space.pruning"),
        ("space.pruning={structured: {ratio: {float: [0.1, 0.2], lgo: true}}}", "$.space.pruning"),
        ("space.architecture={choice: []}", "$.space.architecture"),
        ("space.architecture={choice: {}}", "$.space.architecture"),
        ("space.architecture={resnet: {blocks: [0]}}", "$.space.architecture"),
        ("space.architecture={staged: {stages: [{width: {int: [0]}}]}}", "$.space.architecture"),
        ("space.architecture={staged: {stages: [{kernel: 3}]}}", "$.space.architecture"),
        ("space.finetune.epochs={float: [1, 5]}", "$.space.finetune.epochs"),
        ("space.finetune.epochs=1.5", "$.space.finetune.epochs"),
        ("space.finetune.schedule={choice: [cosine, linear]}", "$.space.finetune.schedule"),
        ("space.finetune={}", "$.space.finetune"),
        ("runtime={choice: [onnxruntime]}", "$.runtime"),
        ("runtime=onnx", "$.runtime"),
        ("objectives={}", "$.objectives"),
        ("objectives={accuracy: minimize}", "$.objectives.accuracy"),
        ("objectives={latency: {minimize: p51}}", "$.objectives.latency"),
        ("objectives={latency: {batch: 1}}", "$.objectives.latency"),
        ("objectives={acuracy: maximize}", "$.objectives"),
        ("constraints=accuracy >= 0.5", "$.constraints"),
        ("constraints=[3]", "$.constraints[0]"),
        ("search.sampler=tppe", "$.search.sampler"),
        ("search.seed=-1", "$.search.seed"),
        ("search.sed=1", "$.search"),
        ("budget={time: soon}", "$.budget.time"),
        ("budget={time: 0}", "$.budget.time"),
        ("budget=3", "$.budget"),
        ("device=gpu", "$.device"),
        ("storage=3", "$.storage"),
    ],
)
def test_what_does_not_load_is_invalid_at_its_place(override: str, place: str) -> None:
    with pytest.raises(UserError):
        load_study(STUDIES / "quickstart.yaml", [override])

    data = read_document(STUDIES / "quickstart.yaml", [override]).data
    assert [error.json_path for error in VALIDATOR.iter_errors(data)] == [place]


@pytest.mark.parametrize("section", ["data", "baseline", "space", "objectives"])
def test_study_is_invalid_when_a_section_is_missing(section: str) -> None:
    data = {key: value for key, value in QUICKSTART.items() if key != section}

    [error] = VALIDATOR.iter_errors(data)

    assert error.message == f"'{section}' is a required property"


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every key and item of plain data."""
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(child, dict | list):
            yield from paths(child, (*path, key))


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.sampled_from(list(paths(QUICKSTART))),
    value=st.sampled_from(
        [True, 0, 1, 2.5, "x", "none", [], [1, 2], {}, {"x": 1}, {"choice": [1, 2]}]
    ),
)
def test_mutated_study_is_valid_when_it_loads(
    tmp_path: Path, path: tuple[Any, ...], value: Any
) -> None:
    data = copy.deepcopy(QUICKSTART)
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    file = tmp_path / "study.yaml"
    file.write_text(json.dumps(data), encoding="utf-8")

    try:
        load_study(file)
    except UserError:
        return
    assert [error.json_path for error in VALIDATOR.iter_errors(data)] == []
