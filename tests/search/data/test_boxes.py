"""Images with boxes: tables, COCO, Pascal VOC and YOLO give the same data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from paretune.search.data import load_data
from paretune.search.data.image_dataset import ImageDataset
from paretune.search.errors import UserError
from paretune.search.tasks import TaskChoice

HEIGHT, WIDTH = 20, 30
PARTS = {"train": 6, "valid": 3, "test": 2}
Box = tuple[int, int, int, int, str]


def boxes_of(part: str, row: int) -> list[Box]:
    """Returns as many boxes as the number of the image, at most 2."""
    shift = row + len(part)
    return [(shift, 2, shift + 5, 12, "cat"), (1, 5 + row, 9, 19, "dog")][: row % 3]


def images(folder: Path, part: str, count: int) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for row in range(count):
        pixels = np.random.default_rng([row, len(part)]).integers(
            0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8
        )
        names.append(f"{part}{row}.png")
        Image.fromarray(pixels).save(folder / names[-1])
    return names


def as_table(base: Path) -> str:
    lines = ["part,image,xmin,ymin,xmax,ymax,label"]
    for part, count in PARTS.items():
        for row, name in enumerate(images(base / "images", part, count)):
            found = boxes_of(part, row)
            lines += [f"{part},{name},{a},{b},{c},{d},{label}" for a, b, c, d, label in found]
            lines += [] if found else [f"{part},{name},,,,,"]
    (base / "boxes.csv").write_text("\n".join(lines) + "\n")
    return "boxes.csv"


def coco(names: list[str], part: str) -> dict[str, Any]:
    annotations = [
        {"id": 10 * row + i, "image_id": row, "category_id": {"cat": 3, "dog": 7}[label],
         "bbox": [a, b, c - a, d - b], "iscrowd": 0}
        for row in range(len(names))
        for i, (a, b, c, d, label) in enumerate(boxes_of(part, row))
    ]  # fmt: skip
    categories = [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]
    listed = [{"id": row, "file_name": name} for row, name in enumerate(names)]
    return {"images": listed, "annotations": annotations, "categories": categories}


def as_coco(base: Path) -> str:
    (base / "annotations").mkdir()
    for part, count in PARTS.items():
        names = images(base / "images", part, count)
        content = json.dumps(coco(names, part))
        (base / "annotations" / f"instances_{part}2017.json").write_text(content)
    return "."


def as_roboflow(base: Path) -> str:
    for part, count in PARTS.items():
        names = images(base / part, part, count)
        (base / part / "_annotations.coco.json").write_text(json.dumps(coco(names, part)))
    return "."


def voc(name: str, found: list[Box]) -> str:
    objects = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{a + 1}</xmin><ymin>{b + 1}</ymin>"
        f"<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
        for a, b, c, d, label in found
    )
    return f"<annotation><filename>{name}</filename>{objects}</annotation>"


def as_voc(base: Path) -> str:
    for folder in ("Annotations", "ImageSets/Main"):
        (base / folder).mkdir(parents=True)
    for part, count in PARTS.items():
        names = images(base / "JPEGImages", part, count)
        for row, name in enumerate(names):
            file = base / "Annotations" / f"{Path(name).stem}.xml"
            file.write_text(voc(name, boxes_of(part, row)))
        lines = [Path(name).stem for name in names]
        (base / "ImageSets/Main" / f"{part}.txt").write_text("\n".join(lines))
    return "."


def as_voc_folders(base: Path) -> str:
    for part, count in PARTS.items():
        for row, name in enumerate(images(base / part, part, count)):
            file = base / part / f"{Path(name).stem}.xml"
            file.write_text(voc(name, boxes_of(part, row)))
    return "."


def as_yolo(base: Path) -> str:
    for part, count in PARTS.items():
        (base / part / "labels").mkdir(parents=True)
        for row, name in enumerate(images(base / part / "images", part, count)):
            lines = [
                f"{['cat', 'dog'].index(label)} {(a + c) / 2 / WIDTH} {(b + d) / 2 / HEIGHT} "
                f"{(c - a) / WIDTH} {(d - b) / HEIGHT}"
                for a, b, c, d, label in boxes_of(part, row)
            ]
            if lines:
                (base / part / "labels" / f"{Path(name).stem}.txt").write_text("\n".join(lines))
    (base / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
        "nc: 2\nnames: {0: cat, 1: dog}\n"
    )
    return "data.yaml"


def as_yolo_in_one_folder(base: Path) -> str:
    base = base / "images" / "all"
    base.mkdir(parents=True)
    as_yolo(base)
    for part in PARTS:
        for file in (base / part / "labels").iterdir():
            file.rename(base / part / "images" / file.name)
        (base / part / "images").rename(base / part / "both")
    text = (base / "data.yaml").read_text().replace("/images", "/both")
    (base / "data.yaml").write_text(text)
    return "images/all"


def load(base: Path, path: str, **options: Any) -> ImageDataset:
    params = {"path": path, **options}
    data = load_data("boxes", params, base, task=TaskChoice("detection"))
    assert isinstance(data, ImageDataset)
    return data


@pytest.mark.parametrize(
    "write",
    [as_table, as_coco, as_roboflow, as_voc, as_voc_folders, as_yolo, as_yolo_in_one_folder],
)
def test_every_format_gives_the_same_boxes(tmp_path: Path, write: Callable[[Path], str]) -> None:
    data = load(tmp_path, write(tmp_path))

    assert data.info()["sizes"] == {"train": 6, "validation": 3, "test": 2}
    assert data.class_names == ["cat", "dog"]
    assert data.shape == (3, HEIGHT, WIDTH)
    assert data.facts.image == (HEIGHT, WIDTH)
    for part, name in (("train", "train"), ("validation", "valid"), ("test", "test")):
        [(_, targets)] = data.batches(part, 99)
        for row, target in enumerate(targets):
            expected = boxes_of(name, row)
            corners = [list(box[:4]) for box in expected]
            assert target["boxes"].numpy() == pytest.approx(
                np.array(corners, dtype=float).reshape(-1, 4), abs=1e-4
            )
            assert target["labels"].tolist() == [["cat", "dog"].index(b[4]) for b in expected]
    assert data.counts("train") == [4, 2]


def test_boxes_follow_resize_and_crop(tmp_path: Path) -> None:
    data = load(tmp_path, as_table(tmp_path), resize=[10, 15], crop=[10, 11])

    _, targets = next(data.batches("train", 2))
    assert targets[1]["boxes"].tolist() == [[1, 1, 3.5, 6]]
    assert data.facts.image == (10, 11)


def test_table_without_parts_is_split(tmp_path: Path) -> None:
    names = images(tmp_path, "a", 10)
    rows = [f"{name},1,1,5,5,x\n" for name in names]
    (tmp_path / "b.csv").write_text("image,xmin,ymin,xmax,ymax,label\n" + "".join(rows))

    data = load(tmp_path, "b.csv")

    assert data.info()["sizes"] == {"train": 6, "validation": 2, "test": 2}


def test_crowds_are_left_out(tmp_path: Path) -> None:
    names = images(tmp_path, "train", 9)
    content = coco(names, "train")
    content["annotations"][0]["iscrowd"] = 1
    (tmp_path / "all.json").write_text(json.dumps(content))

    data = load(tmp_path, "all.json")

    assert data.notes[0] == "1 boxes of crowds are left out."


def table(base: Path, row: str, count: int = 6) -> str:
    for part in ("train", "val", "test"):
        images(base, part, count)
    rows = [f"{part},{part}{row}.png,1,1,5,5,x" for part in ("train", "val", "test") for row in
            range(count)]  # fmt: skip
    header = "part,image,xmin,ymin,xmax,ymax,label"
    (base / "b.csv").write_text("\n".join([header, *rows, row]) + "\n")
    return "b.csv"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("train,train0.png,9,1,5,5,x", r"b.csv:2: train0.png: box 1 \(xmin 9, .* is inverted"),
        ("train,train0.png,5,1,5,5,x", r"box 1 .* is empty; .* or type faulty: drop"),
        ("train,train0.png,1,1,5,50,x", r"box 1 .* lies outside of the image; .* width 30 and hei"),
        ("train,train0.png,nan,1,5,5,x", r"box 1 .* is not finite"),
        ("train,train0.png,a,1,5,5,x", r"b.csv:20: xmin is 'a'; give a number"),
        ("train,train0.png,1,1,5,5,", r"b.csv:20: this box lacks its label"),
        (
            "train,other.png,1,1,5,5,x",
            r"b.csv:20: there is no image other.png in .*images: FOLD",
        ),
        ("old,train0.png,1,1,5,5,x", r'b.csv:20: part "old"; write train, validation or test'),
        ("val,train0.png,1,1,5,5,x", r"the image train0.png is in the parts train and validation"),
        ("val,val0.png,1,1,5,5,new", r'val0.png: class "new" is not in the training part'),
        ("train,train0.png", r"b.csv:20: this row has 2 cells and the header 7"),
    ],
)
def test_rows_are_refused_with_the_line(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(tmp_path, table(tmp_path, row))


def test_faulty_boxes_are_dropped_if_asked_for(tmp_path: Path) -> None:
    data = load(tmp_path, table(tmp_path, "train,train0.png,5,1,5,5,x"), faulty="drop")

    assert "1 faulty box is dropped." in data.notes
    assert data.counts("train") == [6]


def test_images_of_different_sizes_need_a_resize(tmp_path: Path) -> None:
    path = table(tmp_path, "train,odd.png,1,1,5,5,x")
    Image.new("RGB", (15, 10)).save(tmp_path / "odd.png")

    with pytest.raises(UserError, match=r"the images differ in size: .*give resize: .HEIGHT, WID"):
        load(tmp_path, path)
    data = load(tmp_path, path, resize=[20, 30])
    [(_, targets)] = data.batches("train", 99)
    assert targets[-1]["boxes"].tolist() == [[2, 2, 10, 10]]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", r"a.json:1: cannot be read as JSON"),
        ("a.json", "[]", r"give a COCO file with images, annotations and categories"),
        ("a.json", '{"images": [{}], "annotations": [], "categories": []}', r"lacks 'id'"),
        ("a.json", '{"images": [], "annotations": [{"id": 4}], "categories": []}',
         r"annotation 4: image_id, category_id or bbox is wrong"),
        ("data.yaml", "a: b", r"data.yaml: give train, val and names"),
        ("data.yaml", "train: nowhere\nnames: [a]", r"data.yaml: there is no .*nowhere"),
        ("data.yaml", "a: [", r"cannot be read as YAML"),
        ("a.txt", "", r"give a .csv, a COCO .json, a YOLO data.yaml, or a folder"),
        ("a.csv", "image,label\nx,y\n", r'has no column "xmin". Its columns are image, label$'),
    ],
)  # fmt: skip
def test_files_are_refused_with_the_reason(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(UserError, match=message):
        load(tmp_path, name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>", r"a.xml:1: cannot be read as XML"),
        ("<annotation><object/></annotation>", r"a.xml: an object lacks its name or bndbox"),
        ("<annotation><object><name>x</name><bndbox><xmin>1</xmin></bndbox></object></annotation>",
         r"a.xml: ymin is None; give a number"),
    ],
)  # fmt: skip
def test_damaged_voc_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    images(tmp_path, "a", 1)
    (tmp_path / "a0.png").rename(tmp_path / "a.png")
    (tmp_path / "a.xml").write_text(text)

    with pytest.raises(UserError, match=message):
        load(tmp_path, ".")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.1", r"train1.txt:1: 4 numbers; write class, center x, center y"),
        ("5 0.5 0.5 0.1 0.1", r"train1.txt:1: class 5, but names has 0 to 1"),
        ("0 x 0.5 0.1 0.1", r"train1.txt:1: a value is 'x'; give a number"),
        ("0 0.5 0.5 1.5 0.1", r"train1.png: box 0 .* lies outside"),
    ],
)
def test_damaged_yolo_files_are_refused(tmp_path: Path, line: str, message: str) -> None:
    path = as_yolo(tmp_path)
    (tmp_path / "train/labels/train1.txt").write_text(line)

    with pytest.raises(UserError, match=message):
        load(tmp_path, path)


def test_folder_without_boxes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no data.yaml, .json or .xml files of boxes"):
        load(tmp_path, ".")
    with pytest.raises(UserError, match="there is no such file or folder"):
        load(tmp_path, "nothing")
    images(tmp_path, "train", 3)
    with pytest.raises(UserError, match=r"images: .* there is no such folder"):
        load(tmp_path, ".", images="nothing")
