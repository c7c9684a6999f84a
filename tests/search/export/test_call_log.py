"""call_log.py: a line for each call of an exported model, which never breaks the call."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paretune.search.export.log_script import call_log_text
from paretune.search.export.standalone_log import CallLog, call_log

ABOUT: dict[str, Any] = {
    "kind": "class",
    "names": ["a", "b", "c"],
    "inputs": [{"name": "input"}],
    "runtime": "onnxruntime",
    "packages": ["numpy", "a-package-that-is-not-installed"],
}
MakeLog = Callable[..., CallLog]


@pytest.fixture
def make(tmp_path: Path) -> MakeLog:
    """`make(limit=...)` returns a log in log.jsonl of a model file; it writes every call.

    `sample=None` asks for the default, which stops when writing takes long: on a busy host, any
    call may.
    """
    (tmp_path / "model.onnx").write_bytes(b"a model")

    def made(file: str = "log.jsonl", **options: Any) -> CallLog:
        values = {"sample": 1, **options}
        values = {name: value for name, value in values.items() if value is not None}
        log = call_log(str(tmp_path / "model.onnx"), tmp_path / file, ABOUT, values)
        assert isinstance(log, CallLog)
        return log

    return made


def call(log: CallLog, batch: int = 1, ids: Any = None, seed: int = 0) -> None:
    random = np.random.default_rng(seed)
    inputs, logits = random.normal(size=(batch, 4, 4)), random.normal(size=(batch, 3))
    log(0.002, [inputs.astype(np.float32)], [logits.astype(np.float32)], logits, ids)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines() if line]


def test_call_becomes_one_line_behind_a_header(make: MakeLog, tmp_path: Path) -> None:
    log = make()
    call(log, 2)
    call(log, 3)
    header, first, second = lines(tmp_path / "log.jsonl")
    assert header["paretune_log"] == 1 and header["file"] == "model.onnx"
    assert header["versions"]["numpy"] == np.__version__
    assert header["versions"]["a-package-that-is-not-installed"] is None
    assert {"host", "cpu", "cores"} <= set(header["host"])
    assert (first["batch"], first["first"], second["first"]) == (2, 0, 2)
    assert first["seconds"] == 0.002 and abs(first["time"] - time.time()) < 600
    assert set(first["outputs"]) == {"class", "confidence", "entropy", "nan"}
    assert [len(values) for values in second["outputs"].values()] == [3, 3, 3, 3]
    assert log.written == 2 and log.dropped == 0


def test_no_value_of_an_input_or_output_is_written(make: MakeLog, tmp_path: Path) -> None:
    log = make()
    inputs = np.array([[[0.123456, 0.654321, 0.222333, 0.987654]]], np.float32)
    log(0.1, [inputs], [np.array([[1.234567, 2.345678, 0.987654]])], None, None)
    text = (tmp_path / "log.jsonl").read_text()
    for value in ("0.654321", "0.6543", "0.2223", "1.2345", "2.3456"):
        assert value not in text
    assert '"input.max":[0.9877]' in text  # an extreme is a statistic: the page says so


def test_large_batch_is_summed_up_at_evenly_spaced_examples(make: MakeLog, tmp_path: Path) -> None:
    call(make(), 2560)
    line = lines(tmp_path / "log.jsonl")[1]
    assert line["rows"] == list(range(0, 2560, 10)) and len(line["outputs"]["class"]) == 256


def test_ids_name_the_examples(make: MakeLog, tmp_path: Path) -> None:
    log = make()
    call(log, 2, ids=["x", 7])
    call(log, 1, ids="y")
    assert [line["ids"] for line in lines(tmp_path / "log.jsonl")[1:]] == [["x", "7"], ["y"]]
    call(log, 2, ids=["only one"])
    assert log.dropped == 1 and "log_ids has 1 names" in log.error


def test_inputs_can_be_left_out(make: MakeLog, tmp_path: Path) -> None:
    call(make(inputs=False))
    assert lines(tmp_path / "log.jsonl")[1]["inputs"] == {}


def test_summary_of_the_user_is_added(make: MakeLog, tmp_path: Path) -> None:
    log = make(summary=lambda outputs: {"margin": outputs.max(1) - outputs.min(1)})
    call(log, 2)
    assert len(lines(tmp_path / "log.jsonl")[1]["outputs"]["summary.margin"]) == 2


def test_broken_summary_breaks_no_call(make: MakeLog) -> None:
    log = make(summary=lambda outputs: {"margin": [1.0]})
    call(log, 2)
    assert log.dropped == 1 and "one per example" in log.error


@pytest.mark.parametrize("sample", [0.0, 0.3])
def test_sample_is_the_share_of_the_calls(make: MakeLog, sample: float) -> None:
    log = make(sample=sample)
    for _ in range(300):
        call(log)
    assert log.written + log.skipped == 300
    assert log.written == 0 if sample == 0 else 50 < log.written < 150


def test_skipped_calls_are_counted_and_keep_the_numbers(make: MakeLog, tmp_path: Path) -> None:
    log = make(sample=None)
    log._credit = 1e9
    call(log)
    log._credit = -1e9  # the time for writing is used up
    for _ in range(5):
        call(log)
    log._credit = 1e9
    call(log)
    last = lines(tmp_path / "log.jsonl")[-1]
    assert (last["first"], last["skipped"], log.written) == (6, 5, 2)


def test_full_log_becomes_one_older_file(make: MakeLog, tmp_path: Path) -> None:
    log = make(limit=20_000)
    for _ in range(300):
        call(log)
    file, older = tmp_path / "log.jsonl", tmp_path / "log.jsonl.1"
    assert file.stat().st_size <= 20_000 and older.stat().st_size <= 20_000
    assert "paretune_log" in lines(file)[0] and "paretune_log" in lines(older)[0]
    assert lines(file)[-1]["first"] == 299 and log.dropped == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"model.onnx", "log.jsonl", "log.jsonl.1"}


def test_log_that_another_process_renamed_is_opened_again(make: MakeLog, tmp_path: Path) -> None:
    log = make()
    call(log)
    (tmp_path / "log.jsonl").rename(tmp_path / "moved.jsonl")
    call(log)
    assert len(lines(tmp_path / "log.jsonl")) == 2 and len(lines(tmp_path / "moved.jsonl")) == 2


def test_lock_of_a_killed_process_does_not_last(make: MakeLog, tmp_path: Path) -> None:
    lock = tmp_path / "log.jsonl.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    log = make(limit=10_000)
    for _ in range(100):
        call(log)
    assert (tmp_path / "log.jsonl.1").exists() and not lock.exists()


def test_half_a_line_of_a_killed_process_is_ended(make: MakeLog, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text('{"process":"1-a","time":1')
    call(make())
    broken, header, line = file.read_text().splitlines()
    assert broken == '{"process":"1-a","time":1'
    assert "paretune_log" in json.loads(header) and json.loads(line)["batch"] == 1


@pytest.mark.parametrize("where", ["no/such/folder/log.jsonl", "."])
def test_log_that_cannot_be_written_breaks_no_call(make: MakeLog, where: str, caplog: Any) -> None:
    log = make(where)
    for _ in range(5):
        call(log)
    assert log.dropped == 5 and log.written == 0 and log.error
    assert len(caplog.records) == 1  # one warning, and not one for each call


def test_dropped_calls_are_counted_in_the_log(make: MakeLog, tmp_path: Path) -> None:
    log = make("later/log.jsonl")
    call(log)
    (tmp_path / "later").mkdir()
    call(log)
    assert lines(tmp_path / "later" / "log.jsonl")[-1]["dropped"] == 1


def test_warnings_that_are_errors_break_nothing(make: MakeLog, tmp_path: Path) -> None:
    log = make()
    odd = np.full((1, 4), np.nan, np.float32), np.array([[np.inf, 3e38, -np.inf]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        log(0.1, [odd[0]], [odd[1]], None, None)
        log(0.1, [np.full((1, 9000), 3e38, np.float32)], [odd[1]], None, None)
    assert log.dropped == 0
    line = lines(tmp_path / "log.jsonl")[1]
    assert line["inputs"]["input.mean"] == [None] and line["inputs"]["input.nan"] == [1.0]
    assert line["outputs"]["confidence"] == [None]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sample": "often"}, "sample .*'often'; give a number from 0 to 1"),
        ({"sample": 2}, "give a number from 0 to 1"),
        ({"limit": 10}, "limit .*give a number from 10000"),
        ({"colour": 1}, "unknown option colour; known: sample, limit, inputs, summary"),
    ],
)
def test_wrong_option_is_refused_when_the_model_is_loaded(
    make: MakeLog, options: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        make(**options)


def test_environment_sets_the_options(make: MakeLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARETUNE_LOG_SAMPLE", "0")
    monkeypatch.setenv("PARETUNE_LOG_INPUTS", "0")
    log = make(sample=None)
    call(log)
    assert log.skipped == 1 and log._inputs is False
    assert make(sample=1)._sample == 1


def test_code_needs_numpy_and_the_standard_library_only(tmp_path: Path) -> None:
    (tmp_path / "call_log.py").write_text(call_log_text())
    check = (
        "import sys; sys.path.insert(0, '.'); before = set(sys.modules); import call_log, numpy; "
        "names = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(sorted(names - set(sys.stdlib_module_names)))"
    )
    command = [sys.executable, "-I", "-c", check]
    printed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "['call_log', 'numpy']"


WRITER = """
import sys; sys.path.insert(0, '.')
import numpy as np
from call_log import call_log
about = {"kind": "class", "inputs": [{"name": "input"}], "runtime": "x", "packages": []}
log = call_log("model.onnx", "log.jsonl", about, {"sample": 1, "limit": float(sys.argv[1])})
x, y = np.ones((4, 8), np.float32), np.ones((4, 3), np.float32)
for number in range(int(sys.argv[2])):
    log(0.001, [x], [y], y, None)
    if number == 0:
        print("started", flush=True)
assert not log.dropped, log.error
"""


def writers(folder: Path, count: int, limit: float, calls: int) -> list[subprocess.Popen[str]]:
    (folder / "model.onnx").write_bytes(b"a model")
    (folder / "call_log.py").write_text(call_log_text())
    command = [sys.executable, "-I", "-c", WRITER, str(limit), str(calls)]
    pipe = subprocess.PIPE
    return [
        subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True)
        for _ in range(count)
    ]


def test_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    for process in writers(tmp_path, 3, 1e9, 300):
        assert process.wait(120) == 0, process.communicate()[1]
        process.communicate()
    written = lines(tmp_path / "log.jsonl")
    headers = {line["process"] for line in written if "paretune_log" in line}
    assert len(headers) == 3 and len(written) == 3 + 900
    for name in headers:
        mine = [line for line in written if line["process"] == name]
        numbers = [line["first"] for line in mine if "first" in line]
        assert numbers == list(range(0, 1200, 4))


def test_processes_that_rename_a_full_log_lose_no_line_by_it(tmp_path: Path) -> None:
    for process in writers(tmp_path, 2, 60_000, 150):
        assert process.wait(120) == 0, process.communicate()[1]
        process.communicate()
    both = [*lines(tmp_path / "log.jsonl.1"), *lines(tmp_path / "log.jsonl")]
    assert all("process" in line for line in both)
    assert (tmp_path / "log.jsonl").stat().st_size <= 60_000
    assert not (tmp_path / "log.jsonl.lock").exists()


def test_killed_process_leaves_complete_lines_before_its_last(tmp_path: Path) -> None:
    [process] = writers(tmp_path, 1, 1e9, 10**9)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.kill()
    process.communicate()
    text = (tmp_path / "log.jsonl").read_text()
    for line in text.splitlines()[:-1]:
        json.loads(line)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_forked_process_begins_its_own_count(make: MakeLog, tmp_path: Path) -> None:
    log = make()
    call(log)
    child = os.fork()
    if child == 0:
        call(log)
        os._exit(0)
    os.waitpid(child, 0)
    call(log)
    headers = [line["process"] for line in lines(tmp_path / "log.jsonl") if "file" in line]
    calls = [line for line in lines(tmp_path / "log.jsonl") if "batch" in line]
    assert len(headers) == 2
    assert [(headers.index(c["process"]), c["first"]) for c in calls] == [(0, 0), (1, 0), (0, 1)]
