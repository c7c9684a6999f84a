"""Study files -> StudySpec: what loads, and what every mistake says."""

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
from paretune.search.study_file.check import check_info
from paretune.search.study_file.loading import load_source, load_study
from paretune.search.study_file.search_and_budget import DEFAULT_TRIALS, storage_url
from paretune.search.trial.resume_check import identity
from paretune.spaces.domains import Choice, Fixed, Float, Int, parameters
from support.studies import problems

STUDIES = Path(__file__).parents[3] / "studies"

STUDY = """\
study: small
data: digits
baseline:
  architecture: simple_cnn
  pretrain: {epochs: 2, optimizer: {adam: {lr: 1e-3}}}
space:
  architecture:
    choice:
      simple_cnn: {width: {choice: [0.25, 0.5]}}
      separable_cnn: {width: {float: [0.5, 1.0], step: 0.25}}
  pruning:
    choice:
      none: {}
      structured: {ratio: {float: [0.1, 0.8]}, round_to: 4}
  distillation: none
  finetune:
    optimizer: {choice: {sgd: {lr: {float: [1e-3, 1e-1], log: true}}, adamw: {}}}
    epochs: {int: [1, 4]}
  quantization: {choice: [none, dynamic]}
runtime: onnxruntime
objectives:
  accuracy: maximize
  latency: {minimize: p50, batch: 4}
  size: minimize
constraints:
  - accuracy >= baseline - 3%
goals: ["size <= 20 KB"]
search: {sampler: random, seed: 7}
budget: {trials: 10, time: 1h}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(STUDY, encoding="utf-8")
    return file


def changed(file: Path, old: str, new: str) -> int:
    """Replaces a part of the study file; gives the line where the new text ends."""
    assert STUDY.count(old) == 1
    before, after = STUDY.split(old)
    file.write_text(before + new + after, encoding="utf-8")
    return (before + new).count("\n") + 1 - new.endswith("\n")


# -- what loads ----------------------------------------------------------------------------------


@pytest.mark.parametrize("study", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_study_loads(study: Path) -> None:
    spec = load_study(study)

    assert spec.name == study.stem
    assert spec.folder == study.with_suffix("")
    assert spec.storage == f"sqlite:///{study.with_suffix('')}/study.db"
    assert list(parameters(spec.space))


def test_two_studies_ship() -> None:
    assert {path.stem for path in STUDIES.glob("*.yaml")} >= {"quickstart", "cifar10"}


def test_every_section_is_read(file: Path) -> None:
    spec = load_study(file)

    assert (spec.name, spec.file, spec.folder) == ("small", file, file.parent / "small")
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
    assert spec.source == yaml.safe_load(STUDY.replace("1e-3", "0.001").replace("1e-1", "0.1"))


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


def test_source_loads_to_the_same_study(file: Path) -> None:
    spec = load_study(file, ["search.seed=3", "space.finetune.epochs=2"])

    again = load_source(json.loads(json.dumps(spec.source)), file)

    assert identity(again) == identity(spec)
    assert again.seed == 3


def test_parameters_carry_their_branches(file: Path) -> None:
    found = {p.name: (p.domain, p.condition) for p in parameters(load_study(file).space)}

    assert list(found) == [
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
    assert found["pruning.structured.ratio"] == (
        Float(0.1, 0.8),
        (("pruning", "structured"),),
    )
    assert found["finetune.optimizer.sgd.lr"] == (
        Float(0.001, 0.1, log=True),
        (("finetune.optimizer", "sgd"),),
    )
    assert found["architecture.separable_cnn.width"][0] == Float(0.5, 1.0, step=0.25)
    assert found["architecture.simple_cnn.width"][0] == Choice(
        (("0.25", Fixed(0.25)), ("0.5", Fixed(0.5)))
    )
    assert found["finetune.epochs"] == (Int(1, 4), ())


@pytest.mark.parametrize(
    ("override", "attribute", "value"),
    [
        ("search.seed=12", "seed", 12),
        ("search.max_failures=2", "max_failures", 2),
        ("budget.stop_at_goals=true", "stop_at_goals", True),
        ("budget={time: 90s}", "seconds", 90.0),
        ("budget={time: 90s}", "trials", None),
        ("budget.time=1h30m", "seconds", 5400.0),
        ("budget.time=2m5s", "seconds", 125.0),
        ("budget.time=2.5", "seconds", 2.5),
        ("device=cpu", "device", "cpu"),
        ("study=another name", "name", "another name"),
        (
            "search.sampler={tpe: {multivariate: true}}",
            "sampler",
            Selection("tpe", {"multivariate": True}),
        ),
        ("search.sampler={tpe: }", "sampler", Selection("tpe", {})),
        ("data={digits: {validation: 0.1}}", "data", None),
        ("storage=sqlite:////var/x.db", "storage", "sqlite:////var/x.db"),
        ("storage=postgresql://me@host/db", "storage", "postgresql+psycopg://me@host/db"),
        ("storage=postgres://me:pw@host/db", "storage", "postgresql+psycopg://me:pw@host/db"),
    ],
)
def test_override_reaches_the_spec(file: Path, override: str, attribute: str, value: Any) -> None:
    found = getattr(load_study(file, [override]), attribute)

    if attribute == "data":
        assert found.params["validation"] == 0.1
    else:
        assert found == value


def test_override_may_give_a_number_with_an_exponent(file: Path) -> None:
    spec = load_study(file, ["baseline.pretrain.optimizer={sgd: {lr: 5e-3}}"])

    assert spec.baseline.pretrain is not None
    assert spec.baseline.pretrain["optimizer"]["sgd"]["lr"] == 0.005


def test_options_win_over_the_file(file: Path) -> None:
    spec = load_study(file, storage="sqlite:///elsewhere.db", trials=3, time="30m")

    assert (spec.storage, spec.trials, spec.seconds) == ("sqlite:///elsewhere.db", 3, 1800.0)


def test_on_and_no_are_words(file: Path) -> None:
    spec = load_study(file, ["baseline.pretrain.channels_last=on", "study=no"])

    assert spec.baseline.pretrain is not None
    assert spec.baseline.pretrain["channels_last"] == "on"
    assert spec.name == "no"


def test_checkpoint_is_taken_from_the_study_files_folder(file: Path) -> None:
    (file.parent / "weights.pt").write_bytes(b"")
    baseline = "baseline={architecture: simple_cnn, checkpoint: weights.pt}"

    spec = load_study(file, [baseline, "space.architecture="])

    assert spec.baseline.checkpoint == str(file.parent / "weights.pt")
    assert dict(spec.space.fields)["checkpoint"] == Fixed(spec.baseline.checkpoint)  # type: ignore[union-attr]


def test_storage_url_names_the_studys_folder() -> None:
    assert storage_url("sqlite", Path("/a/b")) == "sqlite:////a/b/study.db"


# -- what every mistake says ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "key", "of", "near"),
    [
        ("budget:", "bugdet:", "bugdet", "", "budget"),
        ("goals:", "wishes:", "wishes", "", ""),
        ("  distillation: none", "  destillation: none", "space.destillation", "", "distillation"),
        (
            "round_to: 4",
            "round_too: 4",
            "space.pruning.choice.structured.round_too",
            "structured",
            "round_to",
        ),
        ("log: true", "lgo: true", "space.finetune.optimizer.choice.sgd.lr.lgo", "float", "log"),
        (
            "pretrain: {epochs: 2",
            "pretrain: {epochs: 2, batchsize: 8",
            "baseline.pretrain.batchsize",
            "a recipe",
            "batch_size",
        ),
        (
            "{minimize: p50, batch: 4}",
            "{minimize: p50, bach: 4}",
            "objectives.latency.bach",
            "",
            "batch",
        ),
        ("seed: 7", "sed: 7", "search.sed", "", "seed"),
        ("time: 1h", "tiem: 1h", "budget.tiem", "", "time"),
        (
            "runtime: onnxruntime",
            "runtime: {onnxruntime: {treads: 1}}",
            "runtime.onnxruntime.treads",
            "onnxruntime",
            "threads",
        ),
        (
            "data: digits",
            "data: {digits: {validaton: 0.1}}",
            "data.digits.validaton",
            "digits",
            "validation",
        ),
    ],
)
def test_unknown_key_is_refused_with_the_nearest(
    file: Path, old: str, new: str, key: str, of: str, near: str
) -> None:
    line = changed(file, old, new)

    [problem] = problems(file)

    which = f" for {of}" if of else ""
    hint = f'; did you mean "{near}"?' if near else "."
    assert problem.startswith(f"{file}:{line}: {key}: unknown key{which}{hint} Known: ")
    assert near in problem.partition("Known: ")[2]


@pytest.mark.parametrize(
    ("old", "new", "key", "kind", "near"),
    [
        ("data: digits", "data: digit", "data", "data set", "digits"),
        (
            "architecture: simple_cnn",
            "architecture: simple_cn",
            "baseline.architecture",
            "architecture",
            "simple_cnn",
        ),
        (
            "separable_cnn:",
            "seperable_cnn:",
            "space.architecture.choice.seperable_cnn",
            "architecture",
            "separable_cnn",
        ),
        ("structured:", "structurd:", "space.pruning.choice.structurd", "pruning", "structured"),
        (
            "distillation: none",
            "distillation: logit",
            "space.distillation",
            "distillation",
            "logits",
        ),
        (
            "[none, dynamic]",
            "[none, dynamik]",
            "space.quantization.choice.1",
            "quantization",
            "dynamic",
        ),
        ("{adam: ", "{adm: ", "baseline.pretrain.optimizer", "optimizer", "adam"),
        ("runtime: onnxruntime", "runtime: onxruntime", "runtime", "runtime", "onnxruntime"),
        ("sampler: random", "sampler: randm", "search.sampler", "sampler", "random"),
        ("accuracy: maximize", "acuracy: maximize", "objectives.acuracy", "objective", "accuracy"),
        ('"size <= 20 KB"', '"sise <= 20 KB"', "goals.0", "objective", "size"),
        (
            "  - accuracy >= baseline - 3%",
            "  - acuracy >= 0.5",
            "constraints.0",
            "objective",
            "accuracy",
        ),
    ],
)
def test_unknown_name_is_refused_with_the_nearest(
    file: Path, old: str, new: str, key: str, kind: str, near: str
) -> None:
    line = changed(file, old, new)

    [problem] = problems(file)

    head, _, known = problem.partition(" Known: ")
    assert head.startswith(f'{file}:{line}: {key}: unknown {kind} "')
    assert head.endswith(f'"; did you mean "{near}"?')
    assert near in known.rstrip(".").split(", ")


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ("study: small", "study: 3", "study", "must be a valid string, got 3"),
        (
            "study: small",
            "study: a/b",
            "study",
            "string should match pattern '^[\\w. -]+$', got 'a/b'",
        ),
        ("data: digits", "data: 3", "data", "give one data set: a name, or {name: parameters}"),
        (
            "data: digits",
            "data: {digits: 3}",
            "data",
            "digits takes a mapping of parameters, not 3",
        ),
        (
            "epochs: 2",
            "epochs: two",
            "baseline.pretrain.epochs",
            "must be a valid integer, got 'two'",
        ),
        (
            "epochs: 2",
            "epochs: 2.5",
            "baseline.pretrain.epochs",
            "must be a valid integer, got 2.5",
        ),
        (
            "epochs: 2",
            "epochs: true",
            "baseline.pretrain.epochs",
            "must be a valid integer, got True",
        ),
        (
            "epochs: 2",
            "epochs: 2, augment: {flip: yes}",
            "baseline.pretrain.augment.flip",
            "must be a valid boolean, got 'yes'",
        ),
        (
            "epochs: 2",
            "epochs: 2, augment: 3",
            "baseline.pretrain.augment",
            "give a mapping of parameters, not 3",
        ),
        (
            "{lr: 1e-3}",
            "{lr: '1e-3'}",
            "baseline.pretrain.optimizer.adam.lr",
            "must be a valid number, got '1e-3'",
        ),
        (
            "{lr: 1e-3}",
            "3",
            "baseline.pretrain.optimizer",
            "adam takes a mapping of parameters, not 3",
        ),
        (
            "round_to: 4",
            "round_to: [4]",
            "space.pruning.choice.structured.round_to",
            "must be a valid integer, got [4]",
        ),
        (
            "choice: [0.25, 0.5]",
            "choice: [0.25, half]",
            "space.architecture.choice.simple_cnn.width.choice.1",
            "must be a valid number, got 'half'",
        ),
        (
            "choice: [0.25, 0.5]",
            "choice: {a: 0.25}",
            "space.architecture.choice.simple_cnn.width.choice",
            "give a list of values, not {'a': 0.25}",
        ),
        ("seed: 7", "seed: '7'", "search.seed", "must be a valid integer, got '7'"),
        ("trials: 10", "trials: ten", "budget.trials", "must be a valid integer, got 'ten'"),
        ('["size <= 20 KB"]', "size <= 20 KB", "goals", 'give a list: ["latency <= 2 ms"]'),
        ('["size <= 20 KB"]', "[3]", "goals.0", 'give text: "latency <= 2 ms", not 3'),
        (
            "ratio: {float: [0.1, 0.8]}, ",
            "",
            "space.pruning.choice.structured",
            "give ratio, macs or per_layer: how much to remove",
        ),
        (
            "data: digits",
            "data:",
            "data",
            "is missing; give one data set: digits, torchvision, npz, images, python, text",
        ),
        (
            "  pretrain: {epochs: 2, optimizer: {adam: {lr: 1e-3}}}",
            "  pretrain: {optimizer: {adam: {lr: 1e-3}}}",
            "baseline.pretrain",
            '"epochs" is missing for a recipe',
        ),
        (
            "accuracy: maximize",
            "accuracy: minimize",
            "objectives.accuracy",
            "accuracy is better when higher: write maximize",
        ),
        (
            "accuracy: maximize",
            "accuracy: best",
            "objectives.accuracy",
            "give maximize, not 'best'",
        ),
        ("accuracy: maximize", "accuracy:", "objectives.accuracy", "give maximize, not None"),
        (
            "{minimize: p50, batch: 4}",
            "{minimize: p50, statistic: p90}",
            "objectives.latency",
            "write minimize: p90, no statistic",
        ),
        (
            "size: minimize",
            "size: {minimize: p50}",
            "objectives.size",
            "has one statistic only: write size: minimize",
        ),
        (
            "{minimize: p50, batch: 4}",
            "{batch: 4}",
            "objectives.latency",
            "give a direction: {minimize: ...}",
        ),
        (
            "{minimize: p50, batch: 4}",
            "{minimize: p51}",
            "objectives.latency.statistic",
            "must be 'p50', 'p90', 'p99' or 'mean', got 'p51'",
        ),
        (
            '"size <= 20 KB"',
            '"size is small"',
            "goals.0",
            (
                '"size is small" is no constraint; write "latency <= 2 ms", "latency <= 0.5 x '
                'baseline", "accuracy >= baseline - 1%"'
            ),
        ),
        (
            '"size <= 20 KB"',
            '"size <= tiny"',
            "goals.0",
            (
                '"size <= tiny": "tiny" is no bound; write "latency <= 2 ms", "latency <= 0.5 '
                'x baseline", "accuracy >= baseline - 1%"'
            ),
        ),
        (
            '"size <= 20 KB"',
            '"size <= 20 ms"',
            "goals.0",
            '"size <= 20 ms": "ms" is no unit of it; give b, kb, mb, gb, kib, mib, gib, bytes',
        ),
        (
            '"size <= 20 KB"',
            '"size <= 20%"',
            "goals.0",
            '"size <= 20%": a per cent of what? Write "0.2 x baseline"',
        ),
        (
            '"size <= 20 KB"',
            '"accuracy >= 97"',
            "goals.0",
            '"accuracy >= 97": give 0 to 100 %, or a plain number from 0 to 1',
        ),
        (
            "sampler: random",
            "sampler: grid",
            "search.sampler",
            (
                "grid needs finite domains; give a step or a choice to "
                "pruning.structured.ratio, finetune.optimizer.sgd.lr"
            ),
        ),
        (
            "sampler: random",
            "sampler: {tpe: 3}",
            "search.sampler.tpe",
            "give a mapping of options, not 3",
        ),
        (
            "time: 1h",
            "time: soon",
            "budget.time",
            "give a time such as 2h, 30m, 1h30m or 90s, not 'soon'",
        ),
        ("time: 1h", "time: 0", "budget.time", "give a time such as 2h, 30m, 1h30m or 90s, not 0"),
        (
            "time: 1h",
            "time: true",
            "budget.time",
            "give a time such as 2h, 30m, 1h30m or 90s, not True",
        ),
        (
            "time: 1h",
            "time: 30m1h",
            "budget.time",
            "give a time such as 2h, 30m, 1h30m or 90s, not '30m1h'",
        ),
        (
            "time: 1h",
            "time: 0s",
            "budget.time",
            "give a time such as 2h, 30m, 1h30m or 90s, not '0s'",
        ),
        (
            "study: small",
            "storage: banana",
            "storage",
            "give sqlite, sqlite:///FILE or postgresql://USER@HOST/DATABASE, not 'banana'",
        ),
        (
            "study: small",
            "storage: 3",
            "storage",
            "give sqlite, sqlite:///FILE or postgresql://USER@HOST/DATABASE, not 3",
        ),
        (
            "study: small",
            "storage: mysql://h/db",
            "storage",
            "give sqlite, sqlite:///FILE or postgresql://USER@HOST/DATABASE, not 'mysql://h/db'",
        ),
        (
            "study: small",
            "device: gpu",
            "device",
            "must be 'auto', 'cpu', 'cuda' or 'mps', got 'gpu'",
        ),
    ],
)
def test_wrong_value_is_refused(file: Path, old: str, new: str, key: str, said: str) -> None:
    line = changed(file, old, new)

    assert problems(file) == [f"{file}:{line}: {key}: {said}"]


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        ("seed: 7", "seed: -1", "search.seed", "must be greater than or equal to 0, got -1"),
        ("trials: 10", "trials: 0", "budget.trials", "must be greater than or equal to 1, got 0"),
        (
            "batch: 4",
            "batch: 0",
            "objectives.latency.batch",
            "must be greater than or equal to 1, got 0",
        ),
        (
            "{lr: 1e-3}",
            "{lr: 0}",
            "baseline.pretrain.optimizer.adam.lr",
            "must be greater than 0, got 0",
        ),
        (
            "float: [0.1, 0.8]",
            "float: [0.8, 0.1]",
            "space.pruning.choice.structured.ratio.float",
            "low must not be above high, got [0.8, 0.1]",
        ),
        (
            "{int: [1, 4]}",
            "{int: [0, 4], log: true}",
            "space.finetune.epochs",
            "log needs a low end above 0, got 0",
        ),
        (
            "runtime: onnxruntime",
            "runtime: {choice: [onnxruntime]}",
            "runtime",
            "takes fixed values; only `space` is searched",
        ),
        (
            "epochs: 2",
            "epochs: {int: [1, 2]}",
            "baseline.pretrain",
            "takes fixed values; search in space.pretrain",
        ),
    ],
)
def test_bound_or_domain_is_refused(file: Path, old: str, new: str, key: str, said: str) -> None:
    line = changed(file, old, new)

    assert problems(file) == [f"{file}:{line}: {key}: {said}"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("no.pt", "{folder}/no.pt: there is no such file"),
        ("3", "give the path of a .safetensors or .pt file, not 3"),
        ('"a\\0b"', "give the path of a .safetensors or .pt file, not 'a\\x00b'"),
    ],
)
def test_checkpoint_is_refused(file: Path, given: str, said: str) -> None:
    line = changed(
        file, "architecture: simple_cnn\n", f"architecture: simple_cnn\n  checkpoint: {given}\n"
    )

    assert problems(file) == [
        f"{file}:{line}: baseline.checkpoint: {said.replace('{folder}', str(file.parent))}"
    ]


def test_trials_are_refused_when_both_sections_give_them(file: Path) -> None:
    changed(file, "seed: 7", "trials: 3")

    assert problems(file) == [
        f"{file}:29: budget.trials: is given in search as well; keep one of them"
    ]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        (
            "baseline=",
            "baseline: is missing; give the model as it is: baseline: {architecture: ...}",
        ),
        (
            "baseline={architecture: simple_cnn}",
            "baseline: has no weights; give pretrain: (a recipe), checkpoint: (a file), or a "
            "torchvision model with weights: DEFAULT",
        ),
        (
            "space=",
            "space: is missing; give what to search: architecture, pretrain, pruning, "
            "distillation, finetune, quantization",
        ),
        ("objectives={}", "objectives: is missing; give at least one, `accuracy: maximize`: "),
        ("search=3", "search: give a mapping, not 3"),
        ("budget=[1]", "budget: give a mapping, not [1]"),
        (
            "data={digits: {}, npz: x.npz}",
            "data: give one data set: a name, or {name: parameters}, not digits, npz",
        ),
        ("search.sampler=[tpe]", 'search.sampler: unknown sampler "'),
        ("stduy=x", 'stduy: unknown key; did you mean "study"? Known: '),
        ("a.b.c=3", "a: unknown key. Known: "),
        (
            "space.finetune.optimizer={torch: Radam}",
            'space.finetune.optimizer.name: torch.optim has no "Radam"; did you mean "RAdam"? ',
        ),
        (
            "space.finetune.optimizer={torch: LBFGS}",
            "space.finetune.optimizer.name: torch.optim.LBFGS evaluates the loss several times",
        ),
        (
            "space.finetune.optimizer={torch: RAdam, args: {betass: [0.9, 0.99]}}",
            'space.finetune.optimizer: torch.optim.RAdam has no argument "betass"; did you mean',
        ),
    ],
)
def test_override_is_named_in_its_mistake(file: Path, override: str, said: str) -> None:
    [problem] = problems(file, override)

    assert problem.startswith(f"--set {override}: {said}")


@pytest.mark.parametrize(
    ("section", "given", "said"),
    [
        (
            "space.architecture",
            "{'os:path': {}}",
            '"os:path" is no architecture: it has no Params; your own code is python: "os:path"',
        ),
        (
            "data",
            "{'os:path': {}}",
            '"os:path" is no data set: it has no Params; your own code is python: "os:path"',
        ),
        ("space.pruning", "{'os:path': {}}", '"os:path" is no pruning: it has no Params'),
        (
            "space.pruning",
            "'no_such_module:x'",
            'pruning "no_such_module:x": ModuleNotFoundError: ',
        ),
        ("space.pruning", "':'", 'pruning ":": ValueError: Empty module name'),
        ("space.pruning", "'.a:b'", 'pruning ".a:b": '),
    ],
)
def test_dotted_path_is_refused_when_it_leads_to_no_entry(
    file: Path, section: str, given: str, said: str
) -> None:
    [problem] = problems(file, f"{section}={given}")

    place, _, text = problem.removeprefix(f"--set {section}={given}: ").partition(": ")
    assert place == section
    assert text.startswith(said)


def test_dotted_path_is_refused_when_it_leads_to_no_objective(file: Path) -> None:
    given = "objectives={accuracy: maximize, 'os:path': minimize}"

    assert problems(file, given, "constraints=['os:path <= 3']")[0] == (
        f"--set {given}: objectives.os:path: "
        '"os:path" is no objective: it has no Params, unit or better'
    )


@pytest.mark.parametrize("given", ["3", "[accuracy]", "accuracy"])
def test_objectives_are_refused_when_they_are_no_mapping(file: Path, given: str) -> None:
    found = problems(file, f"objectives={given}")

    assert f"--set objectives={given}: objectives: give a mapping, not " in found[0]


def test_distillation_is_refused_when_nothing_is_finetuned(file: Path) -> None:
    found = problems(file, "space.distillation=logits", "space.finetune=")

    assert found == [
        "--set space.distillation=logits: space.distillation: logits needs space.finetune or a "
        "quantization that trains: it is a loss of these stages"
    ]


def test_float_domain_is_refused_when_the_field_is_an_integer(file: Path) -> None:
    found = problems(file, "space.finetune.epochs={float: [1, 5]}")

    assert [line.rpartition(": ")[2] for line in found] == [
        "must be a valid integer, got 1.0",
        "must be a valid integer, got 5.0",
    ]


def test_quantization_is_refused_when_the_runtime_has_none(file: Path) -> None:
    [problem] = problems(file, "runtime=torchscript")

    assert problem == (
        f'{file}:19: space.quantization: torchscript has no quantization "dynamic"; it has none'
    )


def test_other_architectures_are_refused_when_nothing_trains_them(file: Path) -> None:
    (file.parent / "w.pt").write_bytes(b"")

    [problem] = problems(file, "baseline={architecture: simple_cnn, checkpoint: w.pt}")

    assert problem == (
        f"{file}:7: space.architecture: other architectures need training; "
        "give space.pretrain (a recipe)"
    )


def test_options_rules_are_checked_together(file: Path) -> None:
    override = "baseline.pretrain.optimizer={sgd: {nesterov: true, momentum: 0}}"

    [problem] = problems(file, override)

    assert problem.endswith("baseline.pretrain.optimizer.sgd: nesterov needs a momentum above 0")


def test_parameter_is_refused_when_two_branches_give_it(file: Path) -> None:
    weights = "weights: {choice: [DEFAULT, null]}"
    override = (
        "space.architecture={choice: [{torchvision: resnet18, "
        f"{weights}}}, {{torchvision: resnet34, {weights}}}]}}"
    )

    [problem] = problems(file, override, "space.pretrain={epochs: 1}")

    assert problem == (
        f"{file}:6: space: two branches give the parameter architecture.torchvision.weights; "
        "give one of them a fixed value"
    )


def test_command_line_options_are_named_in_their_mistakes(file: Path) -> None:
    assert problems(file, time="soon", storage="banana") == [
        "--time soon: --time: give a time such as 2h, 30m, 1h30m or 90s, not 'soon'",
        "--storage banana: --storage: give sqlite, sqlite:///FILE or "
        "postgresql://USER@HOST/DATABASE, not 'banana'",
    ]


def test_every_mistake_is_reported_in_one_go(file: Path) -> None:
    text = (
        STUDY.replace("data: digits", "data: digit")
        .replace("width: {float", "widht: {float")
        .replace("[0.1, 0.8]", "[0.8, 0.1]")
        .replace("accuracy: maximize", "acuracy: maximize")
        .replace("20 KB", "20 ms")
        .replace("sampler: random, seed: 7", "sampler: randm, sed: 7, trails: 3, max_failures: 0")
        .replace("time: 1h", "time: soon")
        + "storage: banana\nextra: 1\n"
    )
    file.write_text(text)

    found = problems(file, "space.quantization=int4")

    places = [line.removeprefix(f"{file}:").split(": ", 2)[:2] for line in found]
    assert sorted(places) == sorted(
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


def test_mistakes_in_a_baseline_without_architecture_are_reported_with_it(file: Path) -> None:
    found = problems(file, "baseline={pretrain: {epochs: 1, optimiser: sgd}}")

    assert found[0].endswith(": baseline.architecture: is missing")
    assert 'unknown key for a recipe; did you mean "optimizer"?' in found[1]


def test_study_is_refused_when_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.yaml: there is no such study file"):
        load_study(tmp_path / "nothing.yaml")


def test_study_is_refused_when_the_path_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such study file"):
        load_study(tmp_path)


@pytest.mark.parametrize("text", ["", "# empty\n", "[]\n", "a: [\n", "a: !!python/object:x.y {}\n"])
def test_study_is_refused_when_it_is_no_mapping_of_plain_values(file: Path, text: str) -> None:
    file.write_text(text)

    assert problems(file)[0].startswith(f"{file}:")


# -- no other exception, whatever stands in the file ---------------------------------------------

QUICKSTART = yaml.safe_load((STUDIES / "quickstart.yaml").read_text().replace("1e-", "1.0e-"))


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every key and every item of plain data."""
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


def mutated(data: dict[str, Any], kind: str, path: tuple[Any, ...], value: Any) -> None:
    place: Any = data
    try:
        for step in path[:-1]:
            place = place[step]
        last = path[-1]
        old = place[last]
    except (KeyError, IndexError, TypeError):
        return  # gone by an earlier mutation
    if not isinstance(place, dict | list):
        return  # a text by an earlier mutation
    if kind == "replace":
        place[last] = copy.deepcopy(value)
    elif kind == "delete" or isinstance(place, list):
        del place[last]
    else:
        if kind == "rename":
            del place[last]
        place[value] = old


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(mutations(), min_size=1, max_size=3))
def test_mutated_study_loads_or_is_the_users_to_mend(
    tmp_path: Path, changes: list[tuple[str, tuple[Any, ...], Any]]
) -> None:
    data = copy.deepcopy(QUICKSTART)
    for change in changes:
        mutated(data, *change)
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
def test_override_loads_or_is_the_users_to_mend(
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


@pytest.mark.parametrize(
    ("given", "expected"),
    [("500 MB", 500_000_000), ("1.5GiB", 1_610_612_736), ("2 TB", 2_000_000_000_000)],
)
def test_limit_of_the_cache_is_a_size(tiny: Path, given: str, expected: int) -> None:
    assert load_study(tiny).cache_limit == 20_000_000_000
    assert load_study(tiny, [f"search.cache={given}"]).cache_limit == expected


@pytest.mark.parametrize("given", ["5", "0 GB", "5 gigabytes"])
def test_limit_of_the_cache_that_is_no_size_is_refused(tiny: Path, given: str) -> None:
    with pytest.raises(UserError, match=r"search\.cache: .*500 MB or 20 GB"):
        load_study(tiny, [f"search.cache='{given}'"])
