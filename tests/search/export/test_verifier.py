"""Verify: what is not the recorded model is found, and nothing of it is run or unpickled."""

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

from paretune.search.export.check_results import Finding
from paretune.search.export.verifier import verify_export


class Trap:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.path), "w")


def off(folder: Path, **more: Any) -> list[Finding]:
    """What is off, latency left out."""
    found = verify_export(folder, latency=False, **more)
    return [finding for finding in found.findings if not finding.ok]


def artifact_of(folder: Path, study: Path, number: int) -> Path:
    """The file of a trial in the study's folder."""
    return study.with_suffix("") / "artifacts" / f"trial-{number:05d}.onnx"


def other_model(folder: Path, study: Path) -> Path:
    """A file of the study that is not the exported one."""
    ours = (folder / "model.onnx").read_bytes()
    files = sorted((study.with_suffix("") / "artifacts").iterdir())
    return next(f for f in files[1:] if f.read_bytes() != ours)


def test_verify_works_where_the_study_is_not(exported: Path, cli: Any) -> None:
    said = cli("verify", exported, "--json")
    assert said.code == 0, said.out + said.err
    answer = json.loads(said.out)
    assert answer["ok"]
    found = {f["what"]: f for f in answer["findings"]}
    assert {"digest", "sha256", "opset", "outputs", "accuracy", "latency"} <= set(found)
    assert found["accuracy"]["numbers"]["found"]["count"] == 450  # the digits are at hand
    assert found["opset"]["numbers"]["found"]["opset"]["ai.onnx"] == 17
    now = found["latency"]["numbers"]["found"]
    assert 0 < now["low"] < now["value"] < now["high"]


# -- what is found -------------------------------------------------------------------------------


def test_changed_byte_is_found(exported: Path) -> None:
    content = bytearray((exported / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (exported / "model.onnx").write_bytes(content)
    [finding] = off(exported)
    assert (finding.file, finding.what) == ("model.onnx", "sha256")
    assert re.search(r"^[0-9a-f]{64} is another file, recorded [0-9a-f]{64}$", finding.text)


def test_truncated_file_is_found(exported: Path) -> None:
    content = (exported / "model.onnx").read_bytes()
    (exported / "model.onnx").write_bytes(content[:-100])
    [finding] = off(exported)
    assert finding.text == (
        f"{len(content) - 100} bytes, recorded {len(content)}: it is another file"
    )


@pytest.mark.parametrize("name", ["model.onnx", "probe.npz", "load.py", "baseline/model.onnx"])
def test_missing_file_is_found(exported: Path, name: str) -> None:
    (exported / name).unlink()
    [finding] = off(exported)
    assert (finding.file, finding.text) == (name, "is missing")


def test_swapped_file_is_found_by_its_digest(exported: Path, finished: Path) -> None:
    shutil.copyfile(other_model(exported, finished), exported / "model.onnx")
    [finding] = off(exported)
    assert (finding.file, finding.what) == ("model.onnx", "sha256")
    assert "another file" in finding.text


def test_swapped_file_with_its_digest_in_the_manifest_is_found_by_the_manifest_s(
    exported: Path, finished: Path, forge: Any
) -> None:
    said = json.loads((exported / "manifest.json").read_text())["digest"]
    shutil.copyfile(other_model(exported, finished), exported / "model.onnx")
    forge(exported)
    content = json.loads((exported / "manifest.json").read_text())
    (exported / "manifest.json").write_text(json.dumps({**content, "digest": said}))
    first = off(exported)[0]
    assert (first.file, first.what) == ("manifest.json", "digest")
    assert f"was changed: its content has {content['digest']}, it says {said}" in first.text


def test_swapped_file_with_every_digest_forged_is_found_by_its_outputs(
    exported: Path, finished: Path, forge: Any
) -> None:
    shutil.copyfile(other_model(exported, finished), exported / "model.onnx")
    forge(exported)
    [finding] = off(exported)
    assert (finding.file, finding.what) == ("model.onnx", "outputs")
    assert re.search("of the classes agree, logits differ by 0.* of their span", finding.text)


def test_wrong_opset_is_found(exported: Path, forge: Any) -> None:
    model = onnx.load(exported / "model.onnx")
    model.opset_import[0].version = 16
    onnx.save(model, exported / "model.onnx")
    forge(exported)
    found = {finding.what: finding for finding in off(exported)}
    assert "ai.onnx 16" in found["opset"].text
    assert "recorded ai.onnx 17" in found["opset"].text


def test_opset_that_the_runtime_has_not_is_found(exported: Path, forge: Any) -> None:
    model = onnx.load(exported / "model.onnx")
    model.opset_import[0].version = 999
    onnx.save(model, exported / "model.onnx")
    content = json.loads((exported / "manifest.json").read_text())
    [artifact] = content["artifacts"]
    artifact["stamp"]["opset"]["ai.onnx"] = 999
    forge(exported, artifacts=[artifact])
    [finding] = off(exported)
    assert finding.what == "runs" and "999" in finding.text


def test_other_preprocessing_is_found(exported: Path, forge: Any) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    forge(exported, preprocessing={**content["preprocessing"], "mean": [0.9]})
    found = {finding.what: finding for finding in off(exported)}
    assert "inputs differ by at most" in found["preprocessing"].text


def test_accuracy_outside_of_its_interval_is_found(exported: Path, forge: Any) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    [artifact] = content["artifacts"]
    artifact["expected"]["test"]["accuracy"] |= {"value": 0.2, "low": 0.15, "high": 0.25}
    forge(exported, artifacts=[artifact])
    [finding] = off(exported)
    assert finding.what == "accuracy"
    assert "recorded 20.00 % (95 % interval 15.0-25.0 %)" in finding.text


def test_latency_far_from_the_recorded_one_is_found(exported: Path, forge: Any) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    [artifact] = content["artifacts"]
    ratio = artifact["expected"]["latency"]["ratio"]
    ratio |= {key: ratio[key] / 1e4 for key in ("value", "low", "high")} | {"cpu": "Another"}
    forge(exported, artifacts=[artifact])
    found = [f for f in verify_export(exported).findings if not f.ok]
    assert [f.what for f in found] == ["latency"]
    assert "beyond both 95 % intervals; recorded on Another, this is" in found[0].text


# -- manifests -----------------------------------------------------------------------------------


def test_manifest_of_an_older_version_is_refused(exported: Path, cli: Any) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    del content["manifest"]
    (exported / "manifest.json").write_text(json.dumps(content))
    said = cli("verify", exported)
    assert said.code == 2
    assert "a manifest of version 1, and this Paretune reads version 2; export" in said.err


@pytest.mark.parametrize("name", ["../model.onnx", "/model.onnx", 'a"b.onnx', "a\nb", ""])
def test_file_outside_of_the_folder_is_refused(exported: Path, cli: Any, name: str) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    content["artifacts"][0]["file"] = name
    (exported / "manifest.json").write_text(json.dumps(content))
    said = cli("verify", exported)
    assert said.code == 2
    assert "is no name of a file in the folder" in said.err


def test_code_that_a_manifest_names_is_not_imported(exported: Path, cli: Any) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    content["artifacts"][0]["runtime"] = "antigravity:fly"
    (exported / "manifest.json").write_text(json.dumps(content))
    said = cli("verify", exported)
    assert said.code == 2
    assert "is for antigravity:fly, code of a user's own: it is not imported" in said.err


def test_values_of_a_manifest_do_not_become_code(
    exported: Path, forge: Any, tmp_path: Path
) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    [artifact] = content["artifacts"]
    trap = f'"]); open({str(tmp_path / "sprung")!r}, "w"); x = (["'
    artifact["options"]["provider"] = trap
    how = {**content["preprocessing"], "class_names": [trap] * 10}
    forge(exported, artifacts=[artifact], preprocessing=how)
    off(exported)
    assert not (tmp_path / "sprung").exists()


# -- pickles -------------------------------------------------------------------------------------


def test_pickles_among_the_arrays_are_not_read(exported: Path, forge: Any, tmp_path: Path) -> None:
    with np.load(exported / "probe.npz") as probe:
        arrays = dict(probe)
    arrays["model.onnx"] = np.array([Trap(tmp_path / "sprung")], dtype=object)
    np.savez(exported / "probe.npz", **arrays)
    forge(exported)
    [finding] = off(exported)
    assert "allow_pickle=False" in finding.text
    np.savez(tmp_path / "data.npz", x_test=arrays["model.onnx"], y_test=np.zeros(1))
    with pytest.raises(
        Exception, match=r"cannot be read as an \.npz archive: .*allow_pickle=False"
    ):
        off(exported, data=str(tmp_path / "data.npz"))
    assert not (tmp_path / "sprung").exists()


def with_pickle(file: Path, member: str, trap: Path, config: bool) -> None:
    """Puts a pickle into a member of an archive, which its loader would unpickle."""
    with zipfile.ZipFile(file) as old:
        content = {name: old.read(name) for name in old.namelist()}
    [place] = [name for name in content if name.endswith(member)]
    content[place] = pickle.dumps(Trap(trap))
    if config:
        [table] = [name for name in content if name.endswith("weights_config.json")]
        told = json.loads(content[table])
        for entry in told["config"].values():
            entry["use_pickle"] = True
        content[table] = json.dumps(told).encode()
    with zipfile.ZipFile(file, "w") as new:
        for name, data in content.items():
            new.writestr(name, data)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runtime", "file", "member", "why"),
    [
        ("torch_export", "model.pt2", "weights/weight_0", "holds pickled objects"),
        ("torchscript", "model.pt", "/data.pkl", "runs"),
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
    why: str,
) -> None:
    folder = finished.parent / "other"
    said = cli("export", finished, "--pick", "1", "--to", runtime, "-o", folder, "--no-latency")
    assert said.code == 0, said.out  # one other format alone, without the file of the study
    with_pickle(folder / file, member, tmp_path / "sprung", runtime == "torch_export")
    forge(folder)
    [finding] = off(folder)
    assert finding.what == "runs" and (why in finding.text or why == "runs")
    assert not (tmp_path / "sprung").exists()


# -- data ----------------------------------------------------------------------------------------


def test_data_of_the_user_s_are_measured_on(exported: Path, tmp_path: Path, cli: Any) -> None:
    from paretune.search.data.digits import FILE

    with np.load(FILE) as arrays:
        np.savez(tmp_path / "mine.npz", x_test=arrays["x_test"], y_test=arrays["y_test"])
    said = cli("verify", exported, "--data", tmp_path / "mine.npz", "--no-latency")
    assert said.code == 0, said.out + said.err
    assert "on 450 test examples, recorded" in said.out


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
def test_data_that_do_not_fit_are_refused(
    exported: Path, tmp_path: Path, cli: Any, arrays: Any, message: str
) -> None:
    np.savez(tmp_path / "mine.npz", **arrays)
    said = cli("verify", exported, "--data", tmp_path / "mine.npz")
    assert said.code == 2
    assert re.search(message, said.err)


def test_data_that_are_not_there_are_refused(exported: Path, cli: Any) -> None:
    said = cli("verify", exported, "--data", "gone.npz")
    assert said.code == 2
    assert "gone.npz: there is no such file or folder" in said.err
