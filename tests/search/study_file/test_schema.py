"""The generated JSON Schema is the shipped one, and agrees with the loader."""

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


def test_shipped_schema_is_up_to_date() -> None:
    shipped = json.loads((STUDIES / "paretune.schema.json").read_text(encoding="utf-8"))

    assert shipped == SCHEMA, "write it again: paretune schema > studies/paretune.schema.json"


def test_schema_is_valid_itself() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_schema_has_every_section() -> None:
    assert set(SCHEMA["properties"]) == set(SECTIONS)


def test_references_and_definitions_are_the_same() -> None:
    referred = {value.removeprefix("#/$defs/") for key, value in strings(SCHEMA) if key == "$ref"}

    assert referred == set(SCHEMA["$defs"])


def strings(value: Any) -> Iterator[tuple[str, str]]:
    """Yields (key, text) of every text in a schema."""
    if isinstance(value, dict):
        for key, child in value.items():
            if isinstance(child, str):
                yield key, child
            yield from strings(child)
    elif isinstance(value, list):
        for child in value:
            yield from strings(child)


def properties(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yields (key, its schema) of every key in a schema."""
    if isinstance(schema, list):
        for child in schema:
            yield from properties(child)
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for child in schema.values():
            yield from properties(child)


def test_every_key_has_a_description() -> None:
    missing = [
        key for key, schema in properties(SCHEMA) if schema and not schema.get("description")
    ]

    assert missing == []


def test_every_parameter_has_a_default_unless_it_is_required() -> None:
    records = {name: d for name, d in SCHEMA["$defs"].items() if name.startswith("paretune.")}
    missing = [
        (name, key)
        for name, definition in records.items()
        for key, schema in definition["properties"].items()
        if "default" not in schema and key not in definition.get("required", ())
    ]

    assert missing == []


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
def test_study_that_is_loaded_is_valid(override: str) -> None:
    assert load_study(STUDIES / "quickstart.yaml", [override])

    data = read_document(STUDIES / "quickstart.yaml", [override]).data
    assert [error.message for error in VALIDATOR.iter_errors(data)] == []


@pytest.mark.parametrize(
    ("override", "path"),
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
def test_study_that_is_refused_is_invalid_at_that_key(override: str, path: str) -> None:
    with pytest.raises(UserError):
        load_study(STUDIES / "quickstart.yaml", [override])

    data = read_document(STUDIES / "quickstart.yaml", [override]).data
    assert [error.json_path for error in VALIDATOR.iter_errors(data)] == [path]


@pytest.mark.parametrize("section", ["data", "baseline", "space", "objectives"])
def test_study_is_invalid_when_a_section_is_missing(section: str) -> None:
    data = {key: value for key, value in QUICKSTART.items() if key != section}

    [error] = VALIDATOR.iter_errors(data)

    assert error.message == f"'{section}' is a required property"


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Returns the path of every key and item of plain data."""
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
def test_mutated_study_is_valid_when_it_is_loaded(
    tmp_path: Path, path: tuple[Any, ...], value: Any
) -> None:
    data = copy.deepcopy(QUICKSTART)
    parent = data
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = value
    file = tmp_path / "study.yaml"
    file.write_text(json.dumps(data), encoding="utf-8")

    try:
        load_study(file)
    except UserError:
        return
    assert [error.json_path for error in VALIDATOR.iter_errors(data)] == []
