"""Whole study files: what is loaded, and that all mistakes are reported at once."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paretune.search.errors import UserError
from paretune.search.study.spec import Bound, Selection, canonical
from paretune.search.study_file.check import check_info, domain_text
from paretune.search.study_file.loading import load_source, load_study
from paretune.search.study_file.problems import StudyFileError
from paretune.search.study_file.search_and_budget import DEFAULT_TRIALS
from paretune.search.trial.resume_check import identity
from paretune.spaces.domains import Choice, Fixed, Float, Int, parameters
from support.mistakes import assert_override_refused, assert_refused
from support.studies import problems
from support.study_texts import SMALL

STUDIES = Path(__file__).parents[3] / "studies"

# -- what is loaded ------------------------------------------------------------------------------


@pytest.mark.parametrize("study", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_study_loads(study: Path) -> None:
    spec = load_study(study)

    assert spec.name == study.stem
    assert spec.folder == study.with_suffix("")
    assert spec.storage == f"sqlite:///{study.with_suffix('')}/study.db"
    assert list(parameters(spec.space))


def test_quickstart_and_cifar10_are_shipped() -> None:
    assert {path.stem for path in STUDIES.glob("*.yaml")} >= {"quickstart", "cifar10"}


def test_every_section_is_read(small: Path) -> None:
    spec = load_study(small)

    assert (spec.name, spec.file, spec.folder) == ("small", small, small.parent / "small")
    assert spec.data.name == "digits"
    assert spec.data.params["validation"] == 0.2
    assert spec.baseline.architecture == {"simple_cnn": {"resolution": None, "width": 1.0}}
    assert spec.baseline.checkpoint is None
    assert spec.baseline.pretrain is not None
    assert spec.baseline.pretrain["optimizer"]["adam"]["lr"] == 0.001
    assert spec.runtime == Selection("onnxruntime", {"provider": "cpu", "threads": 1})
    assert [(o.name, o.direction, o.unit) for o in spec.objectives] == [
        ("accuracy", "maximize", "fraction"),
        ("latency", "minimize", "ms"),
        ("size", "minimize", "bytes"),
    ]
    assert spec.objectives[1].options["statistic"] == "p50"
    assert spec.objectives[1].options["batch"] == 4
    assert [c.bound for c in spec.constraints] == [Bound(1.0, -0.03)]
    assert [g.bound for g in spec.goals] == [Bound(0.0, 20_000.0)]
    assert spec.sampler == Selection("random", {})
    assert (spec.trials, spec.seconds, spec.stop_at_goals) == (10, 3600.0, False)
    assert (spec.seed, spec.device, spec.max_failures) == (7, "auto", 5)
    assert spec.source == yaml.safe_load(SMALL.replace("1e-3", "0.001").replace("1e-1", "0.1"))


def test_left_out_sections_get_their_defaults(tmp_path: Path) -> None:
    file = tmp_path / "tiny.yaml"
    file.write_text(
        "data: digits\n"
        "baseline: {architecture: simple_cnn, pretrain: {epochs: 1}}\n"
        "space: {}\n"
        "objectives: {accuracy: maximize}\n"
    )

    spec = load_study(file)

    assert (spec.name, spec.runtime.name, spec.sampler.name) == ("tiny", "onnxruntime", "auto")
    assert (spec.trials, spec.seconds, spec.seed) == (DEFAULT_TRIALS, None, 0)
    assert spec.constraints == spec.goals == ()
    assert list(parameters(spec.space)) == []


def test_source_loads_to_the_same_study(small: Path) -> None:
    spec = load_study(small, ["search.seed=3", "space.finetune.epochs=2"])

    again = load_source(json.loads(json.dumps(spec.source)), small)

    assert identity(again) == identity(spec)
    assert again.seed == 3


def test_parameters_carry_their_branches(small: Path) -> None:
    domains = {p.name: (p.domain, p.condition) for p in parameters(load_study(small).space)}

    assert list(domains) == [
        "architecture",
        "architecture.simple_cnn.width",
        "architecture.separable_cnn.width",
        "pruning",
        "pruning.structured.ratio",
        "finetune.epochs",
        "finetune.optimizer",
        "finetune.optimizer.sgd.lr",
        "quantization",
    ]
    assert domains["pruning.structured.ratio"] == (
        Float(0.1, 0.8),
        (("pruning", "structured"),),
    )
    assert domains["finetune.optimizer.sgd.lr"] == (
        Float(0.001, 0.1, log=True),
        (("finetune.optimizer", "sgd"),),
    )
    assert domains["architecture.separable_cnn.width"][0] == Float(0.5, 1.0, step=0.25)
    assert domains["architecture.simple_cnn.width"][0] == Choice(
        (("0.25", Fixed(0.25)), ("0.5", Fixed(0.5)))
    )
    assert domains["finetune.epochs"] == (Int(1, 4), ())


@pytest.mark.parametrize(
    ("override", "attribute", "value"),
    [("device=cpu", "device", "cpu"), ("study=another name", "name", "another name")],
)
def test_override_reaches_the_study(small: Path, override: str, attribute: str, value: str) -> None:
    assert getattr(load_study(small, [override]), attribute) == value


def test_override_reaches_the_options_of_the_data(small: Path) -> None:
    spec = load_study(small, ["data={digits: {validation: 0.1}}"])

    assert spec.data.params["validation"] == 0.1


def test_override_may_give_a_number_with_an_exponent(small: Path) -> None:
    spec = load_study(small, ["baseline.pretrain.optimizer={sgd: {lr: 5e-3}}"])

    assert spec.baseline.pretrain is not None
    assert spec.baseline.pretrain["optimizer"]["sgd"]["lr"] == 0.005


def test_words_on_and_no_are_read_as_text(small: Path) -> None:
    spec = load_study(small, ["baseline.pretrain.channels_last=on", "study=no"])

    assert spec.baseline.pretrain is not None
    assert spec.baseline.pretrain["channels_last"] == "on"
    assert spec.name == "no"


# -- ratios by layer -----------------------------------------------------------------------------

PER_LAYER = "space.pruning={structured: {per_layer: %s}}"


def layer_domains(overrides: list[str]) -> dict[str, str]:
    spec = load_study(STUDIES / "quickstart.yaml", overrides)
    head = "pruning.structured.per_layer."
    return {
        p.name.removeprefix(head): domain_text(p.domain)
        for p in parameters(spec.space)
        if p.name.startswith(head)
    }


def test_ratios_of_layers_may_be_domains() -> None:
    override = PER_LAYER % '{"3": {float: [0, 0.8]}, "2/4": {choice: [0.25, 0.5]}, "0": 0.5}'
    assert layer_domains([override]) == {"3": "0 .. 0.8", "2/4": "0.25 | 0.5"}


def test_one_domain_is_repeated_for_every_layer_when_there_is_one_architecture() -> None:
    override = ["space.architecture={resnet: {blocks: 1}}", PER_LAYER % "{float: [0, 0.8]}"]
    assert layer_domains(override) == dict.fromkeys(
        ["0", "3.conv1", "4.conv1", "4.conv2", "5.conv1", "5.conv2"], "0 .. 0.8"
    )


def test_one_domain_is_repeated_for_eighths_when_there_are_several_architectures() -> None:
    override = [
        "space.architecture={choice: [simple_cnn, separable_cnn]}",
        PER_LAYER % "{float: [0, 0.8]}",
    ]
    assert layer_domains(override) == {f"{part}/8": "0 .. 0.8" for part in range(1, 9)}


@pytest.mark.parametrize(
    ("ratios", "text"),
    [
        ('{"3": {float: [0, 1.5]}}', "must be less than 1"),
        ('{"3": {choice: [0.5, much]}}', "must be a valid number"),
        ('{"3": 1.5}', "must be less than 1"),
        ("{float: [0, 1.5]}", "must be less than 1"),
        ("7", "valid dictionary"),
    ],
    ids=str,
)
def test_ratios_of_layers_are_refused_when_one_is_wrong(ratios: str, text: str) -> None:
    with pytest.raises(StudyFileError, match=text):
        load_study(STUDIES / "quickstart.yaml", [PER_LAYER % ratios])


def test_one_domain_for_every_layer_is_refused_when_there_is_no_data(tmp_path: Path) -> None:
    override = ["space.architecture=simple_cnn", f"data={{npz: {tmp_path}/none.npz}}"]
    with pytest.raises(StudyFileError, match=r"every layer needs the data.*none.npz"):
        load_study(STUDIES / "quickstart.yaml", [*override, PER_LAYER % "{float: [0, 0.8]}"])


# -- mistakes ------------------------------------------------------------------------------------

MISTAKES = [
    ("budget:", "bugdet:", "bugdet", 'unknown key; did you mean "budget"? Known: ...'),
    ("goals:", "wishes:", "wishes", "unknown key. Known: ..."),
    (
        "data: digits",
        "data: {digits: {validaton: 0.1}}",
        "data.digits.validaton",
        'unknown key for digits; did you mean "validation"? Known: ...',
    ),
    (
        "data: digits",
        "data: digit",
        "data",
        'unknown data set "digit"; did you mean "digits"? Known: ...',
    ),
    ("study: small", "study: 3", "study", "must be a valid string, got 3"),
    ("study: small", "study: a/b", "study", "string should match pattern '^[\\w. -]+$', got 'a/b'"),
    ("data: digits", "data: 3", "data", "give one data set: a name, or {name: parameters}"),
    ("data: digits", "data: {digits: 3}", "data", "digits takes a mapping of parameters, not 3"),
    (
        "data: digits",
        "data:",
        "data",
        "is missing; give one data set: digits, torchvision, npz, images, masks, boxes, table, "
        "python, text",
    ),
    ("study: small", "device: gpu", "device", "must be 'auto', 'cpu', 'cuda' or 'mps', got 'gpu'"),
]

OVERRIDES = [
    (
        "data={digits: {}, npz: x.npz}",
        "data: give one data set: a name, or {name: parameters}, not digits, npz",
    ),
    ("stduy=x", 'stduy: unknown key; did you mean "study"? Known: '),
    ("a.b.c=3", "a: unknown key. Known: "),
]


@pytest.mark.parametrize(("old", "new", "key", "text"), MISTAKES)
def test_mistake_is_refused_at_its_line(
    small: Path, old: str, new: str, key: str, text: str
) -> None:
    assert_refused(small, old, new, key, text)


@pytest.mark.parametrize(("override", "text"), OVERRIDES)
def test_mistake_in_an_override_is_refused_by_its_name(
    small: Path, override: str, text: str
) -> None:
    assert_override_refused(small, override, text)


def test_all_mistakes_are_reported_at_once(small: Path) -> None:
    text = (
        SMALL.replace("data: digits", "data: digit")
        .replace("width: {float", "widht: {float")
        .replace("[0.1, 0.8]", "[0.8, 0.1]")
        .replace("accuracy: maximize", "acuracy: maximize")
        .replace("20 KB", "20 ms")
        .replace("sampler: random, seed: 7", "sampler: randm, sed: 7, trails: 3, max_failures: 0")
        .replace("time: 1h", "time: soon")
        + "storage: banana\nextra: 1\n"
    )
    small.write_text(text)

    reported = problems(small, "space.quantization=int4")

    keys = [line.removeprefix(f"{small}:").split(": ", 2)[:2] for line in reported]
    assert sorted(keys) == sorted(
        [
            ["2", "data"],
            ["10", "space.architecture.choice.separable_cnn.widht"],
            ["14", "space.pruning.choice.structured.ratio.float"],
            ["--set space.quantization=int4", "space.quantization"],
            ["22", "objectives.acuracy"],
            ["27", "goals.0"],
            ["28", "search.sampler"],
            ["28", "search.sed"],
            ["28", "search.trails"],
            ["28", "search.max_failures"],
            ["29", "budget.time"],
            ["30", "storage"],
            ["31", "extra"],
        ]
    )


def test_study_is_refused_when_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.yaml: there is no such study file"):
        load_study(tmp_path / "nothing.yaml")


def test_study_is_refused_when_the_path_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such study file"):
        load_study(tmp_path)


@pytest.mark.parametrize("text", ["", "# empty\n", "[]\n", "a: [\n", "a: !!python/object:x.y {}\n"])
def test_study_is_refused_when_it_is_not_a_mapping_of_plain_values(small: Path, text: str) -> None:
    small.write_text(text)

    assert problems(small)[0].startswith(f"{small}:")


# -- any other file: loaded, or a UserError -------------------------------------------------------

QUICKSTART = yaml.safe_load((STUDIES / "quickstart.yaml").read_text().replace("1e-", "1.0e-"))


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Returns the path of every key and every item of plain data."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in items:
        yield (*path, key)
        if isinstance(child, dict | list):
            yield from paths(child, (*path, key))


VALUES = st.sampled_from(
    [
        None, True, False, 0, 1, -1, 7, 2**70, 0.5, -0.5, 1e-320, 1e300, "", "x", "none",
        "simple_cnn", "digits", "1e-3", "a.b:c", ":", ".x:y", "accuracy >= 0.5", "\0", "é" * 40,
        [], [None], [1, 2], [2, 1], [0, 0], ["none"], [[1]], [{}], {}, {"x": 1}, {"choice": []},
        {"choice": [1, "a"]}, {"choice": {"none": 3}}, {"float": [0, 1]}, {"float": [1e308, 0]},
        {"float": [0.1, 0.2], "log": True, "step": None}, {"int": [1, 2], "step": True},
        {"int": [1, 3]}, {"int": []}, {"none": {}}, {"simple_cnn": {"width": {"float": [1, 2]}}},
        {"choice": {"choice": {"choice": []}}},
    ]
)  # fmt: skip


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, tuple[Any, ...], Any]:
    path = draw(st.sampled_from(list(paths(QUICKSTART))))
    kind = draw(st.sampled_from(["delete", "rename", "replace", "replace", "insert"]))
    name = st.sampled_from(["x", "choice", "float", "none", "", "a:b", "width", "time", "1"])
    return kind, path, draw(VALUES if kind == "replace" else name)


def mutate(data: dict[str, Any], kind: str, path: tuple[Any, ...], value: Any) -> None:
    parent: Any = data
    try:
        for step in path[:-1]:
            parent = parent[step]
        last = path[-1]
        old = parent[last]
    except (KeyError, IndexError, TypeError):
        return  # an earlier mutation removed it
    if not isinstance(parent, dict | list):
        return  # an earlier mutation made it a text
    if kind == "replace":
        parent[last] = copy.deepcopy(value)
    elif kind == "delete" or isinstance(parent, list):
        del parent[last]
    else:
        if kind == "rename":
            del parent[last]
        parent[value] = old


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(mutations(), min_size=1, max_size=3))
def test_mutated_study_is_loaded_or_refused_as_the_users_mistake(
    tmp_path: Path, changes: list[tuple[str, tuple[Any, ...], Any]]
) -> None:
    data = copy.deepcopy(QUICKSTART)
    for change in changes:
        mutate(data, *change)
    file = tmp_path / "mutated.yaml"
    file.write_text(json.dumps(data), encoding="utf-8")

    try:
        spec = load_study(file)
    except UserError as error:
        assert str(error)
    else:
        assert check_info(spec).to_json()
        assert canonical(identity(spec))
        assert canonical(spec.source)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.sampled_from(list(paths(QUICKSTART))),
    value=VALUES,
)
def test_override_is_loaded_or_refused_as_the_users_mistake(
    tmp_path: Path, path: tuple[Any, ...], value: Any
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(json.dumps(QUICKSTART), encoding="utf-8")

    try:
        spec = load_study(file, [f"{'.'.join(map(str, path))}={json.dumps(value)}"])
    except UserError as error:
        assert str(error)
    else:
        assert canonical(identity(spec))
