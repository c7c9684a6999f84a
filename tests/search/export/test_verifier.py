"""Verification: finds files that are not the recorded model, and runs or unpickles none of them."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from paretune.search.export.check_results import CheckResult
from paretune.search.export.verifier import verify_export
from paretune.search.measuring.host_lock import HostLock


class Trap:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.path), "w")


def failed(folder: Path, **options: Any) -> list[CheckResult]:
    """Returns the checks that fail, without latency."""
    verification = verify_export(folder, latency=False, **options)
    return [result for result in verification.results if not result.ok]


def other_model(folder: Path, study: Path) -> Path:
    """Returns a file of the study that is not the exported one."""
    exported = (folder / "model.onnx").read_bytes()
    files = sorted((study.with_suffix("") / "artifacts").iterdir())
    return next(f for f in files[1:] if f.read_bytes() != exported)


def test_verify_works_without_the_study(exported: Path, cli: Any) -> None:
    result = cli("verify", exported, "--json")
    assert result.code == 0, result.out + result.err
    answer = json.loads(result.out)
    assert answer["ok"]
    checks = {check["check"]: check for check in answer["results"]}
    assert {"digest", "sha256", "opset", "outputs", "accuracy", "latency"} <= set(checks)
    assert checks["accuracy"]["numbers"]["actual"]["count"] == 450  # the digits are embedded
    assert checks["opset"]["numbers"]["actual"]["opset"]["ai.onnx"] == 17
    latency = checks["latency"]["numbers"]["actual"]
    assert 0 < latency["low"] < latency["value"] < latency["high"]


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("--no-wait",)])
def test_verify_beside_another_measurement_does_not_wait_for_its_end(
    options: tuple[str, ...], exported: Path, cli: Any
) -> None:
    with HostLock().measuring() as alone:  # it would end after the verification only
        result = cli("verify", exported, "--json", *options)
        assert alone.value is False
    assert result.code == 0, result.out + result.err
    [latency] = [r for r in json.loads(result.out)["results"] if r["check"] == "latency"]
    conditions = latency["numbers"]["measured"]["conditions"]
    assert conditions["alone"] is False
    assert conditions.get("waited") is (False if options else None)


# -- changed files -------------------------------------------------------------------------------


def test_changed_byte_is_found(exported: Path) -> None:
    content = bytearray((exported / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (exported / "model.onnx").write_bytes(content)
    [result] = failed(exported)
    assert (result.file, result.check) == ("model.onnx", "sha256")
    assert re.search(r"^[0-9a-f]{64}, recorded [0-9a-f]{64}: it is another file$", result.text)


def test_truncated_file_is_found(exported: Path) -> None:
    content = (exported / "model.onnx").read_bytes()
    (exported / "model.onnx").write_bytes(content[:-100])
    [result] = failed(exported)
    assert result.text == (
        f"{len(content) - 100} bytes, recorded {len(content)}: it is another file"
    )


@pytest.mark.parametrize("name", ["model.onnx", "probe.npz", "load.py", "baseline/model.onnx"])
def test_missing_file_is_found(exported: Path, name: str) -> None:
    (exported / name).unlink()
    [result] = failed(exported)
    assert (result.file, result.text) == (name, "is missing")


def test_swapped_file_is_found_by_its_digest(exported: Path, finished: Path) -> None:
    shutil.copyfile(other_model(exported, finished), exported / "model.onnx")
    [result] = failed(exported)
    assert (result.file, result.check) == ("model.onnx", "sha256")
    assert "another file" in result.text


def test_swapped_file_with_its_digest_forged_is_found_by_the_manifests_digest(
    exported: Path, finished: Path, forge: Any
) -> None:
    recorded = json.loads((exported / "manifest.json").read_text())["digest"]
    shutil.copyfile(other_model(exported, finished), exported / "model.onnx")
    forge(exported)
    content = json.loads((exported / "manifest.json").read_text())
    (exported / "manifest.json").write_text(json.dumps({**content, "digest": recorded}))
    first = failed(exported)[0]
    assert (first.file, first.check) == ("manifest.json", "digest")
    assert f"was changed: its digest is {content['digest']}, recorded {recorded}" in first.text


def test_swapped_file_with_every_digest_forged_is_found_by_its_outputs(
    exported: Path, finished: Path, forge: Any
) -> None:
    shutil.copyfile(other_model(exported, finished), exported / "model.onnx")
    forge(exported)
    [result] = failed(exported)
    assert (result.file, result.check) == ("model.onnx", "outputs")
    assert re.search(
        "of the classes agree on 16 examples; logits differ by 0.* of their range", result.text
    )


def test_wrong_opset_is_found(exported: Path, forge: Any) -> None:
    model = onnx.load(exported / "model.onnx")
    model.opset_import[0].version = 16
    onnx.save(model, exported / "model.onnx")
    forge(exported)
    results = {result.check: result for result in failed(exported)}
    assert "ai.onnx 16" in results["opset"].text
    assert "recorded ai.onnx 17" in results["opset"].text


def test_opset_that_the_runtime_lacks_is_found(exported: Path, forge: Any) -> None:
    model = onnx.load(exported / "model.onnx")
    model.opset_import[0].version = 999
    onnx.save(model, exported / "model.onnx")
    content = json.loads((exported / "manifest.json").read_text())
    [artifact] = content["artifacts"]
    artifact["stamp"]["opset"]["ai.onnx"] = 999
    forge(exported, artifacts=[artifact])
    [result] = failed(exported)
    assert result.check == "runs" and "999" in result.text


def test_changed_preprocessing_is_found(exported: Path, forge: Any) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    forge(exported, preprocessing={**content["preprocessing"], "mean": [0.9]})
    results = {result.check: result for result in failed(exported)}
    assert "inputs of 16 examples differ by at most" in results["preprocessing"].text


def test_accuracy_outside_of_its_interval_is_found(exported: Path, forge: Any) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    [artifact] = content["artifacts"]
    artifact["expected"]["test"]["accuracy"] |= {"value": 0.2, "low": 0.15, "high": 0.25}
    forge(exported, artifacts=[artifact])
    [result] = failed(exported)
    assert result.check == "accuracy"
    assert "recorded 20.00 % (95 % interval 15.0-25.0 %)" in result.text


def test_latency_far_from_the_recorded_one_is_found(exported: Path, forge: Any) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    [artifact] = content["artifacts"]
    ratio = artifact["expected"]["latency"]["ratio"]
    ratio |= {key: ratio[key] / 1e4 for key in ("value", "low", "high")} | {"cpu": "Another"}
    forge(exported, artifacts=[artifact])
    [result] = [r for r in verify_export(exported).results if not r.ok]
    assert result.check == "latency"
    assert re.search("95 % intervals are .* apart; recorded on Another, this is", result.text)


# -- manifests -----------------------------------------------------------------------------------


def test_code_that_a_manifest_names_is_not_imported(exported: Path, cli: Any) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    content["artifacts"][0]["runtime"] = "antigravity:fly"
    (exported / "manifest.json").write_text(json.dumps(content))
    result = cli("verify", exported)
    assert result.code == 2
    assert "needs antigravity:fly, a user's own code, which is not imported" in result.err


def test_values_of_a_manifest_are_not_run_as_code(
    exported: Path, forge: Any, tmp_path: Path
) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    [artifact] = content["artifacts"]
    trap = f'"]); open({str(tmp_path / "sprung")!r}, "w"); x = (["'
    artifact["options"]["provider"] = trap
    preprocessing = {**content["preprocessing"], "class_names": [trap] * 10}
    forge(exported, artifacts=[artifact], preprocessing=preprocessing)
    failed(exported)
    assert not (tmp_path / "sprung").exists()


# -- pickles -------------------------------------------------------------------------------------


def test_pickles_in_arrays_are_not_read(exported: Path, forge: Any, tmp_path: Path) -> None:
    with np.load(exported / "probe.npz") as probe:
        arrays = dict(probe)
    arrays["model.onnx"] = np.array([Trap(tmp_path / "sprung")], dtype=object)
    np.savez(exported / "probe.npz", **arrays)
    forge(exported)
    [result] = failed(exported)
    assert "allow_pickle=False" in result.text
    np.savez(tmp_path / "data.npz", x_test=arrays["model.onnx"], y_test=np.zeros(1))
    with pytest.raises(
        Exception, match=r"cannot be read as an \.npz archive: .*allow_pickle=False"
    ):
        failed(exported, data=str(tmp_path / "data.npz"))
    assert not (tmp_path / "sprung").exists()


def with_pickle(file: Path, member: str, trap: Path, config: bool) -> None:
    """Replaces a member of an archive by a pickle, which its loader would unpickle."""
    with zipfile.ZipFile(file) as old:
        content = {name: old.read(name) for name in old.namelist()}
    [target] = [name for name in content if name.endswith(member)]
    content[target] = pickle.dumps(Trap(trap))
    if config:
        [table] = [name for name in content if name.endswith("weights_config.json")]
        weights = json.loads(content[table])
        for entry in weights["config"].values():
            entry["use_pickle"] = True
        content[table] = json.dumps(weights).encode()
    with zipfile.ZipFile(file, "w") as new:
        for name, data in content.items():
            new.writestr(name, data)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runtime", "file", "member", "message"),
    [
        ("torch_export", "model.pt2", "weights/weight_0", "holds pickled objects"),
        ("torchscript", "model.pt", "/data.pkl", ""),
    ],
)
def test_pickles_in_a_model_are_not_read(
    finished: Path,
    cli: Any,
    forge: Any,
    tmp_path: Path,
    runtime: str,
    file: str,
    member: str,
    message: str,
) -> None:
    folder = finished.parent / "other"
    result = cli("export", finished, "--pick", "1", "--to", runtime, "-o", folder, "--no-latency")
    assert result.code == 0, result.out  # this format alone, without the measured file
    note = "measured on the study's own file; the exported files are other formats"
    assert note in result.out and note in (folder / "MODEL_CARD.md").read_text()
    with_pickle(folder / file, member, tmp_path / "sprung", runtime == "torch_export")
    forge(folder)
    [result] = failed(folder)
    assert result.check == "runs" and message in result.text
    assert not (tmp_path / "sprung").exists()


# -- data ----------------------------------------------------------------------------------------


def test_accuracy_is_measured_on_data_of_the_user(exported: Path, tmp_path: Path, cli: Any) -> None:
    from paretune.search.data.digits import FILE

    with np.load(FILE) as arrays:
        np.savez(tmp_path / "mine.npz", x_test=arrays["x_test"], y_test=arrays["y_test"])
    result = cli("verify", exported, "--data", tmp_path / "mine.npz", "--no-latency")
    assert result.code == 0, result.out + result.err
    assert "on 450 test examples, recorded" in result.out


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros(1)}, "x_test and y_test are missing"),
        (
            {"x_test": np.zeros((2, 9, 9), np.uint8), "y_test": np.zeros(2, int)},
            r"images of shape \[1, 9, 9\]; the model takes \[1, 8, 8\]",
        ),
        (
            {"x_test": np.zeros((2, 8, 8), np.uint8), "y_test": np.array([0, 12])},
            "label 12; the model has 10 classes",
        ),
    ],
)
def test_data_that_does_not_fit_is_refused(
    exported: Path, tmp_path: Path, cli: Any, arrays: Any, message: str
) -> None:
    np.savez(tmp_path / "mine.npz", **arrays)
    result = cli("verify", exported, "--data", tmp_path / "mine.npz")
    assert result.code == 2
    assert re.search(message, result.err)


def test_missing_data_is_refused(exported: Path, cli: Any) -> None:
    result = cli("verify", exported, "--data", "gone.npz")
    assert result.code == 2
    assert "gone.npz: there is no such file or folder" in result.err
