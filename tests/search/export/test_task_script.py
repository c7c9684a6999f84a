"""load.py of built-in tasks: what outputs mean, and how examples become inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.search.data import load_data
from paretune.search.export.loading_code import script_text, usage_text
from paretune.search.export.task_facts import described, returned
from paretune.search.tasks import TaskChoice
from paretune.spaces.detection.decoding import decoded

Code = dict[str, Any]

FEATURES = {
    "normalize": "feature",
    "mean": [1.0, 2.0],
    "std": [2.0, 4.0],
    "input": "float32 [B, 2]",
}
IMAGES = {
    "scale": 1 / 255,
    "shape": [1, 4, 6],
    "mean": [0.5],
    "std": [0.25],
    "color": "L",
    "exif": True,
    "resize": None,
    "crop": None,
    "interpolation": "bilinear",
    "input": "float32 [B, C, H, W]",
}


def manifest_of(kind: str, names: list[str], preprocessing: Any = None, **more: Any) -> Any:
    preprocessing = preprocessing or FEATURES
    shape = preprocessing.get("shape", [2])
    artifact = {"file": "model.onnx", "runtime": "onnxruntime", "options": {}, "info": {}}
    task = {"name": "any", "kind": kind, "size": 3, "names": names, "shape": shape, **more}
    return {
        "task": task,
        "preprocessing": {"class_names": names, "formula": "", **preprocessing},
        "artifacts": [artifact],
        "data": {},
    }


def code_of(manifest: Any, folder: Path) -> Code:
    """Returns the names that load.py defines."""
    code: Code = {"__name__": "load", "__file__": str(folder / "load.py")}
    exec(compile(script_text(manifest["artifacts"][0], manifest), "load.py", "exec"), code)
    return code


def shown(code: Code, outputs: Any, capsys: pytest.CaptureFixture[str]) -> list[str]:
    code["show"](np.asarray(outputs, dtype=np.float32))
    return capsys.readouterr().out.splitlines()


def test_values_have_their_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = code_of(manifest_of("values", ["width", "height"]), tmp_path)
    outputs = np.array([[1.5, -2, 7]], dtype=np.float32)
    assert code["decode"](outputs) == [{"width": 1.5, "height": -2.0, "value 2": 7.0}]
    assert shown(code, outputs, capsys) == ["width 1.5, height -2, value 2 7"]


def test_labels_above_zero_apply(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = code_of(manifest_of("labels", ["red", "round", "big"]), tmp_path)
    outputs = [[1, -1, 0.1], [-1, -1, -1]]
    assert shown(code, outputs, capsys) == ["red, big", "no label"]


def test_largest_logit_is_the_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = code_of(manifest_of("class", ["cat", "dog"]), tmp_path)
    assert shown(code, [[0, 1, 0], [0, 1, 2]], capsys) == ["dog", "class 2"]


def test_mask_has_a_class_for_each_pixel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = code_of(manifest_of("mask", ["sky", "road", "car"], IMAGES), tmp_path)
    logits = np.zeros((1, 3, 2, 4), dtype=np.float32)
    logits[0, 1, :, 1:] = 1
    assert code["decode"](logits).tolist() == [[[0, 1, 1, 1], [0, 1, 1, 1]]]
    assert shown(code, logits, capsys) == ["road 75.0 %, sky 25.0 %"]


def test_next_token_is_the_likeliest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    preprocessing = {"vocabulary": 3, "shape": {"tokens": 2, "vocabulary": 3}}
    code = code_of(manifest_of("next", [], preprocessing), tmp_path)
    assert shown(code, [[[0, 1, 0], [0, 0, 1]]], capsys) == ["token 2"]
    assert code["prepare"]([[1, 2]]).dtype == np.int64


@pytest.mark.parametrize("seed", range(5))
def test_boxes_are_those_of_the_score(tmp_path: Path, seed: int) -> None:
    more = {"image": [64, 96], "overlap": 0.5}
    code = code_of(manifest_of("boxes", ["a", "b", "c"], IMAGES, **more), tmp_path)
    outputs = np.random.default_rng(seed).normal(size=(3, 7, 8, 12)).astype(np.float32)
    expected = decoded(outputs, (64, 96), threshold=0.3, overlap=0.5, most=20)
    for one, other in zip(code["decode"](outputs, 0.3, 20), expected, strict=True):
        assert np.allclose(one["boxes"], other.boxes, atol=1e-3)
        assert np.allclose(one["scores"], other.scores, atol=1e-5)
        assert one["names"] == ["abc"[label] for label in other.labels]


def test_boxes_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = {"image": [64, 64], "overlap": 0.5}
    code = code_of(manifest_of("boxes", ["cell"], IMAGES, **more), tmp_path)
    outputs = np.full((1, 5, 8, 8), -9, dtype=np.float32)
    outputs[0, :, 4, 4] = [0, 0, 0, 0, 9]
    lines = shown(code, outputs, capsys)
    assert lines == ["image 0: 1 objects", "  cell 1.00 at 28, 28, 44, 44"]


def test_tensors_are_normalized_as_in_training(tmp_path: Path) -> None:
    code = code_of(manifest_of("values", []), tmp_path)
    inputs = code["prepare"]([[3, 6], [1, 2]])
    assert inputs.dtype == np.float32
    assert inputs.tolist() == [[1, 1], [0, 0]]
    np.save(tmp_path / "a.npy", np.ones((2, 2)))
    assert code["read"]([str(tmp_path / "a.npy")] * 2).shape == (4, 2)


def test_images_of_other_tasks_are_prepared_as_those_of_classifiers(tmp_path: Path) -> None:
    code = code_of(manifest_of("mask", ["a", "b"], IMAGES), tmp_path)
    images = np.full((2, 1, 4, 6), 255, dtype=np.uint8)
    assert code["prepare"](images) == pytest.approx(np.full((2, 1, 4, 6), 2.0))


def test_model_takes_the_declared_shape_only(tmp_path: Path) -> None:
    code = code_of(manifest_of("values", []), tmp_path)
    code["load_session"] = code["load"].__globals__["load_session"] = lambda path: lambda x: 2 * x
    model = code["load"]("any")
    assert model(np.ones((3, 2))).tolist() == [[2, 2]] * 3
    with pytest.raises(
        ValueError, match=r"give input as float32 \[B, 2\]; this is float64 \[3, 5\]"
    ):
        model(np.ones((3, 5)))


@pytest.mark.parametrize(
    ("kind", "names", "words"),
    [
        ("class", ["a", "b", "c"], "A classifier with 3 classes (a, b, c)"),
        ("labels", [], "A classifier with 3 labels, of which several may apply"),
        ("values", ["x", "y", "z"], "A regression of 3 values (x, y, z)"),
        ("mask", [], "A segmentation network with 3 classes"),
        ("boxes", ["a", "b", "c"], "A detector of 3 classes (a, b, c)"),
        ("next", [], "A language model with 3 tokens"),
        (None, [], "A network for the task `any`"),
    ],
)
def test_card_names_the_task(kind: Any, names: list[str], words: str) -> None:
    manifest = manifest_of(kind, names, image=[4, 6], overlap=0.5)
    assert described(manifest) == words
    if kind is None:
        assert returned(manifest) == "an array [B, ...]"


def test_form_of_outputs_is_on_the_card() -> None:
    manifest = manifest_of("any", [])
    manifest["artifacts"][0]["info"]["outputs"] = {
        "dict": {"boxes": None, "more": {"tuple": [None]}}
    }
    assert returned(manifest) == "arrays in the form {boxes: array, more: (array)}"


def test_usage_prepares_runs_and_decodes() -> None:
    manifest = manifest_of("values", [])
    assert usage_text(manifest["artifacts"][0], manifest).splitlines() == [
        "from load import load, prepare, decode",
        "",
        'model = load("model.onnx")',
        "outputs = model(prepare(examples))",
        "answers = decode(outputs)",
    ]


TABLE = """city,age,flag,y
Bern,31,a,1
Rome,NA,b,2
Bern,50,,3
?,44,a,4
Rome,20,c,5
"""


@pytest.mark.parametrize("encode", ["one_hot", "integer"])
@pytest.mark.parametrize("mark", [",", ";", "\t"], ids=["commas", "semicolons", "tabs"])
def test_rows_of_a_table_become_the_features_of_the_study(
    tmp_path: Path, encode: str, mark: str
) -> None:
    name = "rows.tsv" if mark == "\t" else "rows.csv"
    (tmp_path / name).write_text(TABLE.replace(",", mark) * 1 + "Bern,31,a,1\n".replace(",", mark))
    text = (tmp_path / name).read_text()
    header, *rows = text.splitlines()
    (tmp_path / name).write_text("\n".join([header, *rows * 5]) + "\n")
    params = {"file": name, "target": "y", "encode": encode}
    data = load_data("table", params, tmp_path, task=TaskChoice("regression", {"keep": []}))
    preprocessing = data.preprocessing()
    code = code_of(manifest_of("values", ["y"], preprocessing), tmp_path)
    inputs = code["prepare"](code["read"]([str(tmp_path / name)]))
    expected = {tuple(row.tolist()) for x, _ in data.arrays("train", 64) for row in x}
    assert inputs.dtype == np.float32
    assert {tuple(row.tolist()) for row in inputs} == expected
    first = next(data.examples("train", 3))[0]
    assert np.array_equal(code["prepare"](first), next(data.arrays("train", 3))[0])
    assert code["prepare"]({"city": "Paris", "age": None, "flag": "a"}).shape == (
        1,
        inputs.shape[1],
    )
    with pytest.raises(ValueError, match="a row lacks the column age; give city, age, flag"):
        code["prepare"]([{"city": "Bern", "flag": "a"}])
    with pytest.raises(ValueError, match='column age: "old" is no finite number'):
        code["prepare"]([{"city": "Bern", "age": "old", "flag": "a"}])


def test_language_model_continues_a_text(tmp_path: Path) -> None:
    from paretune.search.data.language_tokenizer import train_language_tokenizer

    tokenizer = train_language_tokenizer("characters", ["abc abc abc"], 50, False)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    size = tokenizer.get_vocab_size()
    preprocessing = {
        "text_tokenizer": "tokenizer.json",
        "vocabulary": size,
        "length": 4,
        "shape": {"tokens": 4, "vocabulary": size},
    }
    code = code_of(manifest_of("next", [], preprocessing), tmp_path)
    inputs = code["prepare"](["ab", "abcabc"])
    assert inputs.dtype == np.int64 and inputs.shape == (2, 4)
    assert tokenizer.decode(inputs[1].tolist()) == "cabc"
    assert inputs[0, 2:].tolist() == [0, 0]
    assert np.array_equal(code["prepare"](inputs), inputs)
    after = {tokenizer.token_to_id(one): tokenizer.token_to_id(two) for one, two in
             ("ab", "bc", "ca")}  # fmt: skip

    def model(ids: Any) -> Any:
        logits = np.zeros((*ids.shape, size), np.float32)
        for row, numbers in enumerate(ids):
            for position, number in enumerate(numbers):
                logits[row, position, after.get(int(number), 0)] = 1
        return logits

    assert code["complete"](model, "a", 6) == "abcabca"
    assert code["complete"](model, "", 6) == ""
