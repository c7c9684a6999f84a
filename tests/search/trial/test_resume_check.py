"""Some changes between two runs of a study are refused, others pass."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from paretune.search.errors import UserError
from paretune.search.study.spec import StudySpec
from paretune.search.study_file.loading import load_study
from paretune.search.trial.resume_check import (
    difference_lines,
    differences,
    identity,
    refuse_changes,
    refuse_other_data,
)

STUDY = """\
study: small
data: {npz: data.npz, workers: 0}
baseline:
  architecture: simple_cnn
  pretrain: {epochs: 2}
space:
  architecture:
    choice:
      simple_cnn: {width: {choice: [0.25, 0.5]}}
      separable_cnn: {width: {float: [0.5, 1.0], step: 0.25}}
  pruning:
    choice:
      none: {}
      structured: {ratio: {float: [0.1, 0.8]}}
  finetune:
    optimizer: {adam: {lr: {float: [1e-3, 1e-1], log: true}}}
    epochs: {int: [1, 4]}
  quantization: {choice: [none, dynamic]}
objectives:
  accuracy: maximize
  latency: {minimize: p50, batch: 4}
  size: minimize
constraints: ["accuracy >= baseline - 3%"]
goals: ["size <= 20 KB"]
search: {sampler: random, seed: 7}
budget: {trials: 10}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(STUDY)
    return file


def stored(spec: StudySpec) -> Any:
    """Returns the identity as the database returns it."""
    return json.loads(json.dumps(identity(spec)))


def refusal(file: Path, *overrides: str) -> str:
    with pytest.raises(UserError) as error:
        refuse_changes(stored(load_study(file)), load_study(file, overrides))
    return str(error.value)


@pytest.mark.parametrize(
    "override",
    [
        "budget.trials=50",
        "budget={time: 1h}",
        "budget.stop_at_goals=true",
        "goals=[]",
        "goals=[latency <= 1 ms]",
        "storage=postgresql://me@host/db",
        "search.max_failures=2",
        "device=cpu",
        "data.workers=4",
        "data={npz: data.npz, memory: stream, pin_memory: true, prefetch: 4}",
        # the same in other words
        "space.quantization={choice: {none: {}, dynamic: {}}}",
        "baseline.architecture={simple_cnn: {width: 1}}",
        "runtime={onnxruntime: {threads: 1}}",
        "space.distillation=",
        "space.pretrain={epochs: 2}",
    ],
)
def test_compatible_change_passes(file: Path, override: str) -> None:
    refuse_changes(stored(load_study(file)), load_study(file, [override]))


@pytest.mark.parametrize(
    ("override", "change"),
    [
        ("data={npz: other.npz}", "data.npz.file: was data.npz, now other.npz"),
        ("data={npz: data.npz, validation: 0.3}", "data.npz.validation: was 0.2, now 0.3"),
        ("baseline.pretrain.epochs=3", "baseline.pretrain.epochs: was 2, now 3"),
        (
            "baseline.architecture={simple_cnn: {width: 2}}",
            "baseline.architecture.simple_cnn.width: was 1.0, now 2.0",
        ),
        ("runtime={onnxruntime: {threads: 2}}", "runtime.onnxruntime.threads: was 1, now 2"),
    ],
)
def test_other_change_is_refused_by_its_key(file: Path, override: str, change: str) -> None:
    text = refusal(file, override)

    assert text.startswith(
        "small.yaml: the study file changed in what all its trials depend on:\n  "
    )
    assert f"\n  {change}" in text
    assert "type paretune run NEW.yaml --from small.yaml, which takes over what carries" in text
    assert f"remove {file.parent / 'small'}. (Space, objectives, " in text


@pytest.mark.parametrize(
    ("override", "change"),
    [
        (
            "space.pruning.choice.structured.ratio={float: [0.2, 0.8]}",
            "space.pruning.choice.structured.ratio.float: was [0.1, 0.8], now [0.2, 0.8]",
        ),
        (
            "space.pruning.choice.structured.ratio={float: [0.1, 0.8], log: true}",
            "space.pruning.choice.structured.ratio.log: was False, now True",
        ),
        (
            "space.finetune.epochs={int: [1, 5]}",
            "space.finetune.epochs.int: was [1, 4], now [1, 5]",
        ),
        ("space.finetune.epochs=3", "space.finetune.epochs: was {'int': [1, 4], "),
        (
            "space.architecture.choice.simple_cnn.width={choice: [0.25]}",
            "space.architecture.choice.simple_cnn.width.choice.0.5: was 0.5, now absent",
        ),
        (
            "space.quantization={choice: [none, dynamic, static]}",
            "space.quantization.choice.static: was absent, now {'static': ",
        ),
        (
            "space.quantization={choice: [dynamic, none]}",
            "order.quantization: was ['none', 'dynamic'], now ['dynamic', 'none']",
        ),
        ("objectives.latency.batch=1", "objectives.latency.minimize.batch: was 4, now 1"),
        ("objectives.macs=minimize", "objectives.macs: was absent, now {'minimize': {}}"),
        (
            "objectives={accuracy: maximize, size: minimize, latency: {minimize: p50, batch: 4}}",
            "order.objectives: was ['accuracy', 'latency', 'size'], now ['accuracy', 'size', 'lat",
        ),
        (
            'constraints=["accuracy >= baseline - 2%"]',
            "constraints: was ['accuracy >= baseline - 3%'], now ['accuracy >= baseline - 2%']",
        ),
        ("search.seed=8", "search.seed: was 7, now 8"),
        ("search.sampler=tpe", "search.sampler.random: was {}, now absent"),
    ],
)
def test_other_change_makes_a_new_version(file: Path, override: str, change: str) -> None:
    old, spec = stored(load_study(file)), load_study(file, [override])
    refuse_changes(old, spec)

    assert change in difference_lines(differences(old, spec))


def test_changed_order_is_named_when_nothing_else_changed(file: Path) -> None:
    spec = load_study(file, ["space.quantization={choice: [static, none]}"])
    text = difference_lines(differences(stored(load_study(file)), spec))

    assert "space.quantization.choice.static: was absent" in text
    assert "order." not in text


def test_other_study_is_named(file: Path) -> None:
    text = refusal(file, "study=another")

    assert 'small.yaml: this is the database of another study, "small":' in text
    assert "\n  study: was small, now another\n" in text


def test_study_in_its_own_folder_begins_again_without_that_folder(file: Path) -> None:
    text = refusal(file, "study=another")

    assert "with another name in `study:`, and type paretune run NEW.yaml" in text
    assert f"start from nothing: remove {load_study(file).folder}." in text


@pytest.mark.parametrize("url", ["postgresql://me:secret@host/plates", "sqlite:////srv/plates.db"])
def test_study_in_another_database_begins_again_in_an_empty_one(file: Path, url: str) -> None:
    """Its folder has no database, so removing the folder would not help."""
    text = refusal(file, "study=another", f"storage={url}")

    assert "another name in `study:` and another database in `storage:`, and type" in text
    assert "start from nothing: name an empty database in `storage:` (or --storage)" in text
    assert "remove" not in text
    assert "secret" not in text


def test_every_refused_change_is_named_up_to_eight(file: Path) -> None:
    two = refusal(file, "baseline.pretrain.epochs=3", "runtime={onnxruntime: {threads: 3}}")
    text = refusal(file, "search.seed=9", "data={npz: x.npz, validation: 0.1, unseen: [test]}",
                   "runtime={onnxruntime: {threads: 3}}", "baseline.pretrain.epochs=3",
                   "baseline.pretrain.batch_size=9", "baseline.pretrain.clip=2",
                   "baseline.pretrain.ema=0.9", "baseline.pretrain.label_smoothing=0.1",
                   "baseline.architecture={simple_cnn: {width: 2}}")  # fmt: skip

    assert "baseline.pretrain.epochs: was 2, now 3" in two
    assert "runtime.onnxruntime.threads: was 1, now 3" in two
    assert text.count(": was ") == 8
    assert "\n  and " in text
    assert "search.seed" not in text


def test_stored_study_without_an_order_is_accepted(file: Path) -> None:
    old = stored(load_study(file))
    del old["order"]

    refuse_changes(old, load_study(file))


def test_stored_study_without_newer_options_of_the_data_is_accepted(file: Path) -> None:
    """Options that are not typed do not change a study that began before they existed."""
    old = stored(load_study(file))
    [options] = old["data"].values()
    for name in ("unseen", "resize", "crop", "interpolation", "mean", "std", "preset"):
        options.pop(name)
    refuse_changes(old, load_study(file))
    with pytest.raises(UserError, match=r"unseen: was \[\], now \['test'\]"):
        refuse_changes(old, load_study(file, ["data.unseen=[test]"]))


def test_other_data_is_refused(file: Path) -> None:
    spec = load_study(file)
    refuse_other_data(spec, {}, "a")
    refuse_other_data(spec, {"fingerprint": "a"}, "a")
    with pytest.raises(UserError, match="the data, or its split into parts, is not that of") as e:
        refuse_other_data(spec, {"fingerprint": "b"}, "a")
    assert "Bring the data back to continue, or start another study: copy the file" in str(e.value)


def test_identity_survives_json(file: Path) -> None:
    before_json = identity(load_study(file))

    assert json.loads(json.dumps(before_json, allow_nan=False)) == before_json


# -- files that networks are made of -----------------------------------------------------------

OWN = """\
study: own
data: digits
baseline: {architecture: {python: "resumed_net:Net"}, checkpoint: weights/net.pt}
teachers:
  big: {architecture: {resnet: {width: 8}}, checkpoint: {file: weights/big.pt, key: ema}}
space:
  finetune: {epochs: 1}
  distillation: {logits: {teacher: big}}
objectives: {accuracy: maximize, size: minimize}
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study of the user's own network with checkpoints, in a folder that can be moved."""
    folder = tmp_path / "first"
    (folder / "weights").mkdir(parents=True)
    (folder / "weights" / "net.pt").write_bytes(b"weights")
    (folder / "weights" / "big.pt").write_bytes(b"big weights")
    (folder / "resumed_net.py").write_text("class Net: pass\n")
    (folder / "own.yaml").write_text(OWN)
    monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    return folder / "own.yaml"


def test_copy_of_the_folder_is_the_same_study(own: Path) -> None:
    old = stored(load_study(own))
    copied = own.parent.parent / "elsewhere"
    shutil.copytree(own.parent, copied)
    shutil.rmtree(own.parent / "weights")

    refuse_changes(old, load_study(copied / "own.yaml"))


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("weights/net.pt", "weights/net.pt"),
        ("weights/big.pt", "weights/big.pt"),
        ("resumed_net.py", "resumed_net:Net"),
    ],
)
def test_changed_content_is_refused_by_its_file(own: Path, file: str, name: str) -> None:
    old = stored(load_study(own))
    (own.parent / file).write_bytes((own.parent / file).read_bytes() + b"x = 1\n")

    with pytest.raises(UserError, match=rf"content of {name}: was \w{{16}}, now \w{{16}}") as error:
        refuse_changes(old, load_study(own))

    assert f"(The content of {name} changed: the study's earlier trials had other" in str(
        error.value
    )


def test_comment_in_the_user_s_code_is_no_change(own: Path) -> None:
    old = stored(load_study(own))
    (own.parent / "resumed_net.py").write_text("# Mine.\nclass Net: pass\n")
    refuse_changes(old, load_study(own))


def test_study_of_an_earlier_version_with_absolute_paths_is_accepted(own: Path) -> None:
    old = stored(load_study(own))
    del old["content"]
    file = str(own.parent / "weights" / "net.pt")
    old["baseline"]["checkpoint"] = old["space"]["checkpoint"] = file
    refuse_changes(old, load_study(own))

    old["baseline"]["checkpoint"] = str(own.parent / "weights" / "big.pt")
    with pytest.raises(UserError, match=r"baseline\.checkpoint: was /.*, now weights/net\.pt"):
        refuse_changes(old, load_study(own))


def test_study_of_built_in_networks_stores_no_content(file: Path) -> None:
    assert "content" not in identity(load_study(file))
