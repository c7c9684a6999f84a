"""Several targets in one study: each deploys, measures and keeps its own file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paretune.search.errors import UserError
from paretune.search.files import sha256_of
from paretune.search.measuring.gauge import Gauge
from paretune.search.study.deployment import deployments, first_supporting, unquantized
from paretune.search.study.plan import Plan
from paretune.search.study.stage import Stage
from paretune.search.study_file.check import check_info
from paretune.search.study_file.loading import load_study
from paretune.search.study_file.problems import StudyFileError
from paretune.search.trial.resume_check import identity, refuse_changes
from paretune.search.trial.workbench import stored_artifact
from support.studies import record_of

TWO = """\
study: two
data: digits
baseline:
  architecture: {simple_cnn: {width: 0.125}}
  pretrain: {optimizer: {adam: {lr: 2e-3}}, epochs: 1, batch_size: 64}
space:
  architecture: {simple_cnn: {width: {choice: [0.0625, 0.125]}}}
  quantization: dynamic
targets: {a: {onnxruntime: {threads: 1}}, b: {torchscript: {}}}
objectives:
  accuracy: maximize
  latency: {minimize: p50, seconds: 0.1, references: false}
  latency@b: {minimize: p50, seconds: 0.1, references: false}
  size: minimize
constraints: ["size@b <= 1 MB", "accuracy >= 1%", "parameters <= 1 M"]
goals: ["size <= 0.9 x baseline"]
search: {trials: 1, sampler: random}
"""


@pytest.fixture(scope="module", name="done")
def done_fixture(tmp_path_factory: pytest.TempPathFactory, cli: Any) -> Path:
    """A finished study of two targets; dynamic int8 is what torchscript lacks."""
    file = tmp_path_factory.mktemp("targets") / "two.yaml"
    file.write_text(TWO)
    output = cli("run", file)
    assert output.code == 0, output.err
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "two.yaml"
    file.write_text(TWO)
    return file


def problems(file: Path, *overrides: str) -> str:
    with pytest.raises(StudyFileError) as error:
        load_study(file, overrides)
    return str(error.value)


# -- a finished study ----------------------------------------------------------------------------


def test_each_target_is_measured_on_its_own_file(done: Path) -> None:
    record = record_of(done)
    assert record.targets == ("a", "b")
    for trial in record.trials:
        assert {"accuracy@a", "latency@a", "latency@b", "size@a", "size@b"} <= set(
            trial.measurements
        )
        assert {"parameters", "macs"} <= set(trial.measurements)
        assert trial.artifact == trial.artifacts["a"]
        for target, runtime in (("a", "onnxruntime"), ("b", "torchscript")):
            stored = stored_artifact(trial, done.with_suffix(""), target)
            assert stored.runtime == runtime
            assert sha256_of(stored.path) == stored.sha256
            assert trial.measurements[f"size@{target}"].value == stored.path.stat().st_size
            assert trial.measurements[f"latency@{target}"].conditions["runtime"] == runtime
        assert set(trial.test) == {
            name for name in trial.measurements if name.startswith("accuracy")
        }


def test_target_without_the_quantization_takes_the_float_network_with_a_note(done: Path) -> None:
    trial = record_of(done).trials[1]
    assert "dynamic" in trial.artifacts["a"]["info"]["quantization"]
    assert trial.artifacts["b"]["info"]["note"] == "float32: torchscript has no dynamic"
    assert "note" not in trial.artifacts["a"]["info"]


def test_baseline_of_each_target_is_the_one_it_is_compared_with(done: Path) -> None:
    trial, base = record_of(done).trials[1], record_of(done).trials[0]
    for target in ("a", "b"):
        measured = trial.measurements[f"latency@{target}"]
        own = base.measurements[f"latency@{target}"]
        assert measured.conditions["relative_to"] == "baseline"
        assert measured.value == pytest.approx(measured.conditions["ratio"] * own.value)


def test_commands_show_the_quantities_of_targets(done: Path, cli: Any) -> None:
    shown = cli("show", done, 1)
    assert shown.code == 0, shown.err
    assert "latency@b" in shown.out and "size@b" in shown.out
    assert "b: artifacts/trial-00001.b.pt (float32: torchscript has no dynamic)" in shown.out
    front = cli("front", done)
    assert front.code == 0, front.err
    assert "latency@a" in front.out and "latency@b" in front.out
    rows = json.loads(cli("front", done, "--json").out)["rows"]
    assert {"accuracy@a", "latency@a", "latency@b", "size@a"} == set(rows[0]["validation"])
    assert cli("status", done).code == 0
    report = cli("report", done)
    page = Path(report.out.strip()).read_text()
    assert "latency@b" in page and "latency@a" in page


def test_goals_and_picks_take_plain_names_for_the_first_target(done: Path, cli: Any) -> None:
    folder = done.parent / "picked"
    output = cli("export", done, "--pick", "size <= 1 MB and latency@b <= 1000 ms", "-o", folder)
    assert output.code == 0, output.err
    assert json.loads((folder / "manifest.json").read_text())["artifacts"][0]["runtime"] == (
        "onnxruntime"
    )
    output = cli("export", done, "--pick", "size@c <= 1 MB", "-o", folder, "--force")
    assert output.code == 2
    assert "size@c" in output.err


def test_finished_study_goes_on_and_refuses_other_targets(done: Path) -> None:
    stored = json.loads(json.dumps(identity(load_study(done))))
    refuse_changes(stored, load_study(done))
    for change in (
        "targets={a: onnxruntime, b: torch}",
        "targets={b: torchscript, a: onnxruntime}",
    ):
        with pytest.raises(UserError, match="targets"):
            refuse_changes(stored, load_study(done, [change]))


def test_trial_without_an_artifact_for_a_target_says_which_there_are(done: Path) -> None:
    trial = record_of(done).trials[0]
    with pytest.raises(UserError, match=r'trial 0 has no target "c"\. Known: a, b\.'):
        stored_artifact(trial, done.with_suffix(""), "c")


# -- the study file ------------------------------------------------------------------------------


def test_plain_names_mean_the_first_target(file: Path) -> None:
    spec = load_study(file)
    names = [o.name for o in spec.objectives]
    assert names == ["accuracy@a", "latency@a", "latency@b", "size@a"]
    assert [c.quantity for c in spec.constraints] == ["size@b", "accuracy@a", "parameters"]
    assert spec.goals[0].quantity == "size@a"
    assert spec.goals[0].text == "size <= 0.9 x baseline"
    assert spec.runtime == spec.targets["a"]


def test_gauge_of_a_target_has_its_quantities_and_the_model_goes_with_the_first(
    file: Path,
) -> None:
    spec = load_study(file, ["objectives={accuracy: maximize, latency: {minimize: p90, batch: 2}}"])
    a, b = (dict(Gauge.of(spec, name, name == "a").quantities) for name in ("a", "b"))
    assert list(a) == ["parameters", "macs", "size", "latency", "accuracy"]
    assert list(b) == ["size"]
    spec = load_study(
        file,
        [
            "objectives={accuracy: maximize, latency: {minimize: p90, batch: 2}}",
            'constraints=["latency@b <= 1 ms"]',
        ],
    )
    bounded = dict(Gauge.of(spec, "b", False).quantities)
    assert bounded["latency"]["statistic"] == "p90" and bounded["latency"]["batch"] == 2


def test_check_says_which_target_a_plain_name_means_and_what_runs_in_float(file: Path) -> None:
    info = check_info(load_study(file))
    assert info.runtime == ""
    assert info.targets == (
        "a: onnxruntime (provider cpu, threads 1)",
        "b: torchscript (threads 1)",
    )
    assert "deploy to a and b" in info.stages
    notes = "\n".join(info.notes)
    assert "a name without a target means the first target: accuracy is accuracy@a" in notes
    assert "b: torchscript has no dynamic; it deploys such candidates in float" in notes


@pytest.mark.parametrize(
    ("override", "key", "text"),
    [
        ("runtime=onnxruntime", "runtime", "is given together with targets; keep one of them"),
        ("targets=onnxruntime", "targets", "give a runtime for each by its name"),
        ("targets={}", "targets", "give a runtime for each by its name"),
        ("targets={a-b: onnxruntime}", "targets.a-b", "give a name of letters, digits and _"),
        ("targets={a: null, b: torch}", "targets.a", "is missing; give one runtime"),
        ("targets={a: onxruntime, b: torch}", "targets.a", 'did you mean "onnxruntime"?'),
        ("targets.b={torchscript: {treads: 1}}", "targets.b.torchscript.treads", "threads"),
        (
            "targets.b={torchscript: {threads: {choice: [1, 2]}}}",
            "targets.b",
            "takes fixed values; only `space` is searched",
        ),
        (
            "targets={a: torchscript, b: torch}",
            "space.quantization",
            'no target has quantization "dynamic"; a (torchscript) has none; b (torch) has none',
        ),
        (
            "objectives.latency@c=minimize",
            "objectives.latency@c",
            'unknown target "c". Known: a, b.',
        ),
        (
            "objectives.macs@a=minimize",
            "objectives.macs@a",
            "macs is the same for every target, as the model alone decides it; write macs",
        ),
        (
            "objectives.latency@a=minimize",
            "objectives.latency@a",
            "is latency@a, which is given already",
        ),
        (
            'constraints=["latency@nowhere <= 1 ms"]',
            "constraints.0",
            'unknown target "nowhere". Known: a, b.',
        ),
        (
            'goals=["parameters@a <= 1 M"]',
            "goals.0",
            "parameters is the same for every target",
        ),
        ('constraints=["latncy@a <= 1 ms"]', "constraints.0", 'unknown objective "latncy@a"'),
        (
            'constraints=["size.nonsense@a <= 1 KB"]',
            "constraints.0",
            'no "nonsense"',
        ),
    ],
)
def test_mistake_is_refused_with_its_key(file: Path, override: str, key: str, text: str) -> None:
    texts = problems(file, override)
    assert f": {key}: " in texts
    assert text in texts


def test_mistake_is_refused_with_its_line(file: Path) -> None:
    file.write_text(TWO.replace("latency@b:", "latency@nowhere:"))
    line = TWO.splitlines().index("  latency@b: {minimize: p50, seconds: 0.1, references: false}")
    assert f"two.yaml:{line + 1}: objectives.latency@nowhere: unknown target" in problems(file)


def test_target_in_a_study_of_one_runtime_is_refused(tiny: Path) -> None:
    texts = problems(tiny, "objectives.latency@phone=minimize")
    assert (
        'there is no target "phone", as the study has one runtime; write latency, or give' in texts
    )


# -- plans ---------------------------------------------------------------------------------------


def plan_for(targets: dict[str, Any]) -> Plan:
    first = {"architecture": {"simple_cnn": {}}, "checkpoint": None, "recipe": None}
    return Plan(
        (
            Stage("pretrain", first),
            Stage("quantize", {"quantization": {"qat": {}}}),
            Stage("deploy", {"targets": targets}),
        )
    )


def test_deployments_of_a_plan_keep_their_order_and_name_their_files() -> None:
    targets = deployments(
        plan_for({"b": {"torchscript": {}}, "a": {"onnxruntime": {"threads": 2}}})
    )
    assert [(deployment.target, deployment.name, deployment.suffix) for deployment in targets] == [
        ("b", "torchscript", ".b.pt"),
        ("a", "onnxruntime", ".a.onnx"),
    ]
    assert targets[1].options.threads == 2


def test_int8_is_trained_for_the_first_target_that_has_it() -> None:
    plan = plan_for({"b": {"torchscript": {}}, "a": {"onnxruntime": {}}})
    assert first_supporting(deployments(plan), {"qat": {}}) == "onnxruntime"
    assert first_supporting(deployments(plan), {}) == "torchscript"
    kinds = [stage.kind for stage in unquantized(plan).stages]
    assert kinds == ["pretrain", "deploy"]


# -- elsewhere -----------------------------------------------------------------------------------


def test_retargeting_one_target_keeps_the_numbers_of_the_others(done: Path, cli: Any) -> None:
    output = cli("retarget", done, "--target", "b", "--runtime", "torch", "--trials", 1, "--json")
    assert output.code == 0, output.err
    content = json.loads(output.out)
    assert (content["target"], content["runtime"]) == ("b", "torch")
    trial = record_of(done).trials[1]
    new = next(row["new"] for row in content["rows"] if row["new"]["trial"] == 1)["validation"]
    assert new["latency@b"]["conditions"]["runtime"] == "torch"
    assert new["latency@a"]["value"] == trial.values["latency@a"]
    output = cli("retarget", done, "--target", "c")
    assert output.code == 2
    assert '--target: the study has no target "c". Known: a, b.' in output.err
