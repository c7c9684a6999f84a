"""paretune monitor: logs of deployed models against their exports, from the call to the alarm."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.search.export.manifest import Manifest, content_digest
from paretune.search.monitoring.drift import drifts
from paretune.search.monitoring.monitor import MonitorRequest, monitor
from support.command_line import Cli
from support.logged_exports import FILE, code_of, run_stream

Images = tuple[np.ndarray, np.ndarray]
COUNT = 200


def drawn(images: Images, seed: int = 0, weights: Any = None) -> Images:
    """Draws examples of the test part."""
    random = np.random.default_rng(seed)
    chances = None if weights is None else weights / weights.sum()
    rows = random.choice(len(images[0]), COUNT, replace=weights is not None, p=chances)
    return images[0][rows], images[1][rows]


def noisy(images: Images) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 40, (COUNT, 1, 8, 8))
    return np.asarray(np.clip(drawn(images)[0] + noise, 0, 255).astype(np.uint8))


DRIFTS: dict[str, Callable[[Images], np.ndarray]] = {
    "noise": noisy,
    "shift": lambda images: np.roll(drawn(images)[0], 1, axis=3),
    "contrast": lambda images: (drawn(images)[0] * 0.6).astype(np.uint8),
    "classes": lambda images: drawn(images, weights=np.where(images[1] < 3, 5.0, 1.0))[0],
}


@pytest.mark.parametrize("kind", DRIFTS)
def test_drifted_stream_is_found(
    exported: Path, tmp_path: Path, test_images: Images, cli: Cli, kind: str
) -> None:
    log = tmp_path / "calls.jsonl"
    run_stream(exported, log, DRIFTS[kind](test_images))
    result = cli("monitor", exported, "--log", log, "--json")
    assert result.code == 1, result.out + result.err
    found = json.loads(result.out)
    assert found["log"]["examples"] == COUNT and not found["ok"] and found["alarms"]
    has_input = any(name.startswith("inputs.") for name in found["alarms"])
    assert has_input == (kind in ("noise", "contrast"))
    assert "outputs.class" in found["alarms"] if kind == "classes" else True


def test_calm_stream_raises_no_alarm(
    exported: Path, tmp_path: Path, test_images: Images, cli: Cli
) -> None:
    log = tmp_path / "calls.jsonl"
    run_stream(exported, log, drawn(test_images, 3)[0])
    result = cli("monitor", exported, "--log", log)
    assert result.code == 0, result.out
    assert "calm: nothing is off in 9 tests" in result.out and "next:" not in result.out


def test_calm_stream_raises_no_alarm_in_50_runs(
    exported: Path, tmp_path: Path, test_images: Images
) -> None:
    log = tmp_path / "calls.jsonl"
    run_stream(exported, log, test_images[0], batch=32)
    result = monitor(MonitorRequest(exported, log))
    reference = result.manifest.content["monitoring"]["reference"][FILE]["validation"]
    statistics = result.records.statistics
    assert result.records.examples == len(test_images[0])
    alarms = []
    for seed in range(50):
        rows = np.random.default_rng(seed).permutation(len(test_images[0]))[:COUNT]
        stream = {name: values[rows] for name, values in statistics.items()}
        alarms += [row.name for row in drifts(reference, stream) if row.level == "off"]
    assert alarms == []


def test_labels_tell_the_accuracy(
    exported: Path, tmp_path: Path, test_images: Images, cli: Cli
) -> None:
    log, labels = tmp_path / "calls.jsonl", tmp_path / "labels.csv"
    images, classes = drawn(test_images)
    run_stream(exported, log, images, batch=16)
    labels.write_text("label\n" + "\n".join(map(str, classes)) + "\n")
    good = json.loads(cli("monitor", exported, "--log", log, "--labels", labels, "--json").out)
    [score] = good["scores"]
    assert score["count"] == COUNT and score["low"] < score["value"] < score["high"]
    assert score["part"] == "test" and score["level"] == "ok" and score["value"] > 0.85
    labels.write_text("label\n" + "\n".join(map(str, (classes + 1) % 10)) + "\n")
    bad = cli("monitor", exported, "--log", log, "--labels", labels)
    assert bad.code == 1 and "OFF: accuracy." in bad.out
    assert "The accuracy on your labels is worse than recorded" in bad.out


def test_labels_find_their_examples_by_id(
    exported: Path, tmp_path: Path, test_images: Images
) -> None:
    log, labels = tmp_path / "calls.jsonl", tmp_path / "labels.jsonl"
    code = code_of(exported)
    images, classes = drawn(test_images)
    for _ in range(2):  # two processes; each has its own order
        model = code["load"](exported / FILE, log=log, sample=1)
    for number in range(0, COUNT, 2):
        model(code["prepare"](images[number : number + 2]), log_ids=[f"a{number}", number])
    rows = [{"id": f"a{n}", "label": int(classes[n])} for n in range(0, COUNT, 2)]
    labels.write_text("\n".join(map(json.dumps, rows)))
    [score] = monitor(MonitorRequest(exported, log, labels)).scores
    assert score.count == COUNT // 2 and score.level == "ok"


def test_environment_begins_a_log_and_off_is_the_default(
    exported: Path, tmp_path: Path, test_images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = code_of(exported)
    inputs = code["prepare"](test_images[0][:2])
    model = code["load"](exported / FILE)
    model(inputs, log_ids=["a", "b"])
    assert model.log is None and not list(tmp_path.glob("*.jsonl"))
    monkeypatch.setenv("PARETUNE_LOG", str(tmp_path / "calls.jsonl"))
    code["load"](exported / FILE)(inputs)
    assert len((tmp_path / "calls.jsonl").read_text().splitlines()) == 2
    code["load"](exported / FILE, log=False)(inputs)
    assert len((tmp_path / "calls.jsonl").read_text().splitlines()) == 2


def test_slow_calls_on_this_host_are_off(
    exported: Path, tmp_path: Path, test_images: Images, cli: Cli
) -> None:
    log = tmp_path / "calls.jsonl"
    run_stream(exported, log, drawn(test_images)[0])
    slower = []
    for line in map(json.loads, log.read_text().splitlines()):
        slower.append({**line, **({"seconds": 0.2} if "seconds" in line else {})})
    log.write_text("\n".join(map(json.dumps, slower)) + "\n")
    result = cli("monitor", exported, "--log", log, "--study", "studies/tiny.yaml")
    assert result.code == 1 and "OFF: latency." in result.out
    retarget = "paretune retarget studies/tiny.yaml --runtime onnxruntime --threads 1"
    assert retarget in result.out and "--again" in result.out
    [row] = json.loads(cli("monitor", exported, "--log", log, "--json").out)["latency"]
    assert row["ratio"] == pytest.approx(4, rel=1e-3) and row["level"] == "off"


def test_times_of_another_host_are_shown_and_not_compared(
    exported: Path, tmp_path: Path, test_images: Images, cli: Cli
) -> None:
    log = tmp_path / "calls.jsonl"
    run_stream(exported, log, drawn(test_images)[0])
    text = log.read_text().replace('"host":{"host":"', '"host":{"host":"phone-')
    log.write_text(text.replace('"seconds":0', '"seconds":9'))
    result = cli("monitor", exported, "--log", log)
    assert result.code == 0 and "measured on another host" in result.out
    assert "The study has no times of phone-" in result.out and "paretune retarget" in result.out


def test_latest_examples_can_be_compared_alone(
    exported: Path, tmp_path: Path, test_images: Images
) -> None:
    log = tmp_path / "calls.jsonl"
    run_stream(exported, log, drawn(test_images)[0])
    run_stream(exported, log, noisy(test_images))
    late = monitor(MonitorRequest(exported, log, last=150))
    assert late.records.examples == 150 and not late.ok
    assert len(late.records.headers) == 2


def test_few_examples_are_not_tested(
    exported: Path, tmp_path: Path, test_images: Images, cli: Cli
) -> None:
    log = tmp_path / "calls.jsonl"
    run_stream(exported, log, noisy(test_images)[:20])
    result = cli("monitor", exported, "--log", log)
    assert result.code == 0 and "too few examples to test for drift" in result.out


# -- bad input -----------------------------------------------------------------------------------


@pytest.fixture
def log(exported: Path, tmp_path: Path, test_images: Images) -> Path:
    """A log of 40 calls."""
    file = tmp_path / "calls.jsonl"
    run_stream(exported, file, test_images[0][:40])
    return file


def refused(cli: Cli, *arguments: object) -> str:
    result = cli("monitor", *arguments)
    assert result.code == 2 and "Traceback" not in result.err, result.out + result.err
    return result.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no such file; run the model with PARETUNE_LOG="),
        ("", "the log is empty; run the model with PARETUNE_LOG="),
        ("\n\n", "the log is empty"),
        ("hello\nworld\n", "none of its 2 lines is a line of a log"),
        ('[1]\n{"process": 3}\n', "none of its 2 lines"),
        ("\x00\x01\n", "none of its 1 lines"),
    ],
)
def test_log_without_calls_is_refused(
    cli: Cli, exported: Path, tmp_path: Path, content: str | None, words: str
) -> None:
    file = tmp_path / "calls.jsonl"
    if content is not None:
        file.write_text(content)
    assert words in refused(cli, exported, "--log", file)


def test_log_without_header_is_refused(cli: Cli, exported: Path, log: Path) -> None:
    log.write_text("\n".join(log.read_text().splitlines()[1:]))
    assert "there is no header, the line that names the model" in refused(
        cli, exported, "--log", log
    )


def test_log_with_a_header_alone_is_refused(cli: Cli, exported: Path, log: Path) -> None:
    log.write_text(log.read_text().splitlines()[0] + "\n")
    assert "there is a header, but no call" in refused(cli, exported, "--log", log)


def test_log_of_another_model_is_refused(cli: Cli, exported: Path, log: Path) -> None:
    header = json.loads(log.read_text().splitlines()[0])
    log.write_text(log.read_text().replace(header["model"], "0" * 64))
    error = refused(cli, exported, "--log", log)
    assert "this is the log of another model: its header names model.onnx" in error
    assert header["model"][:12] in error


def test_log_of_other_statistics_is_refused(cli: Cli, exported: Path, log: Path) -> None:
    log.write_text(log.read_text().replace('"summary":1', '"summary":9'))
    assert "its statistics have version 9" in refused(cli, exported, "--log", log)


def test_broken_lines_are_skipped_and_counted(cli: Cli, exported: Path, log: Path) -> None:
    lines = log.read_text().splitlines()
    half = lines[5][:40]  # a killed process, and a line of another one behind it
    odd = '{"process":"x","time":1,"seconds":NaN,"batch":1,"first":0,"inputs":{},"outputs":{}}'
    lines = [*lines[:5], half + lines[5], *lines[6:], odd, lines[7][:60]]
    log.write_text("\n".join(lines))
    result = json.loads(cli("monitor", exported, "--log", log, "--json").out)
    assert "3 broken lines skipped" in result["notes"]
    assert result["log"]["calls"] == 40


def test_clock_that_goes_back_is_said(cli: Cli, exported: Path, log: Path) -> None:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines[20]["time"] -= 3600
    log.write_text("\n".join(map(json.dumps, lines)))
    result = cli("monitor", exported, "--log", log)
    assert result.code == 0 and "the clock went back 1 time; calls are taken in" in result.out


def test_calls_of_a_process_without_header_are_left_out(
    cli: Cli, exported: Path, log: Path
) -> None:
    line = json.loads(log.read_text().splitlines()[-1])
    with log.open("a") as file:
        file.write(json.dumps({**line, "process": "unknown"}) + "\n")
    result = cli("monitor", exported, "--log", log)
    assert "1 call skipped: their process has no header" in result.out


def test_older_part_of_a_full_log_is_read_first(cli: Cli, exported: Path, log: Path) -> None:
    older = log.with_name("calls.jsonl.1")
    lines = log.read_text().splitlines(keepends=True)
    older.write_text("".join(lines[:20]))
    log.write_text("".join([lines[0], *lines[20:]]))
    result = json.loads(cli("monitor", exported, "--log", log, "--json").out)
    assert result["log"]["calls"] == 40
    assert result["log"]["files"] == [str(older), str(log)]


def test_folder_that_is_no_export_is_refused(cli: Cli, tmp_path: Path, log: Path) -> None:
    assert "give a folder that paretune export wrote" in refused(cli, tmp_path, "--log", log)
    assert "manifest" in refused(cli, tmp_path / "nothing", "--log", log)


def changed(exported: Path, change: Callable[[dict[str, Any]], None], sign: bool = True) -> None:
    content = json.loads((exported / "manifest.json").read_text())
    change(content)
    if sign:
        Manifest(exported, content).write()
    else:
        (exported / "manifest.json").write_text(json.dumps(content))


def test_export_of_an_older_paretune_is_refused(cli: Cli, exported: Path, log: Path) -> None:
    changed(exported, lambda content: content.pop("monitoring"))
    error = refused(cli, exported, "--log", log)
    assert "has no reference that a log is compared with; an older Paretune wrote it" in error
    assert "paretune export STUDY --pick TRIAL -o DIR" in error


def test_changed_manifest_is_refused(cli: Cli, exported: Path, log: Path) -> None:
    changed(exported, lambda content: content.update(trial=9), sign=False)
    assert "was changed, so its reference is not to be trusted" in refused(
        cli, exported, "--log", log
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no such file"),
        ("", "its columns are none; the first line is id,label or label"),
        ("a,b\n1,2\n", "its columns are a, b; the first line is id,label or label"),
        ("label\n", "there are no labels"),
        ("id,label\na,\n", "labels.csv:2: there is no label"),
        ("id,label\na,1\na,2\n", "labels.csv:3: the id a has a label already"),
        ("id,label\nx,1\ny,2\n", "none of its 2 labels fits an example of the log"),
        ("label\nseven\n", "the model has no class seven; it has 0, 1, 2"),
        ('{"id": 1\n', "labels.csv:1: is no JSON"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    cli: Cli, exported: Path, log: Path, tmp_path: Path, text: str | None, words: str
) -> None:
    labels = tmp_path / "labels.csv"
    if text is not None:
        labels.write_text(text)
    assert words in refused(cli, exported, "--log", log, "--labels", labels)


def test_labels_in_order_need_one_process(
    cli: Cli, exported: Path, log: Path, tmp_path: Path, test_images: Images
) -> None:
    run_stream(exported, log, test_images[0][:40])
    (tmp_path / "labels.csv").write_text("label\n1\n")
    error = refused(cli, exported, "--log", log, "--labels", tmp_path / "labels.csv")
    assert "2 processes wrote the log" in error and "log_ids" in error


def test_json_has_the_digest_of_the_file(cli: Cli, exported: Path, log: Path) -> None:
    result = json.loads(cli("monitor", exported, "--log", log, "--json").out)
    content = json.loads((exported / "manifest.json").read_text())
    assert result["schema"] == 1
    assert result["export"]["sha256"] == content["artifacts"][0]["sha256"]
    assert content["digest"] == content_digest(content)
    assert len(json.dumps(content["monitoring"])) < 8000


def test_checks_of_an_export_write_no_log(
    cli: Cli, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARETUNE_LOG", str(tmp_path / "calls.jsonl"))
    result = cli("verify", exported, "--no-latency")
    assert result.code == 0, result.out + result.err
    command = [sys.executable, str(exported / "verify.py")]
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert not (tmp_path / "calls.jsonl").exists()
