"""The sections `runtime` and `targets`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from paretune.search.study.spec import Selection
from paretune.search.study.target_device import TargetDevice
from paretune.search.study_file.check import check_info
from paretune.search.study_file.loading import load_study
from paretune.search.study_file.problems import StudyFileError
from paretune.search.study_file.targets import target_notes
from paretune.search.trial.resume_check import identity
from support.mistakes import assert_refused
from support.studies import problems


def test_runtime_has_its_options(small: Path) -> None:
    spec = load_study(small)

    assert spec.runtime == Selection("onnxruntime", {"provider": "cpu", "threads": 1})
    assert spec.targets == {}


def test_runtime_is_the_first_targets(two_targets: Path) -> None:
    spec = load_study(two_targets)

    assert list(spec.targets) == ["a", "b"]
    assert spec.runtime == spec.targets["a"]


def test_check_notes_the_meaning_of_short_names_and_what_is_deployed_in_float(
    two_targets: Path,
) -> None:
    info = check_info(load_study(two_targets))

    assert info.runtime == ""
    assert info.targets == (
        "a: onnxruntime (provider cpu, threads 1)",
        "b: torchscript (threads 1)",
    )
    assert "deploy to a and b" in info.stages
    notes = "\n".join(info.notes)
    assert "a name without a target means the first target: accuracy is accuracy@a" in notes
    assert "b: torchscript has no dynamic; it deploys such candidates in float" in notes


# -- mistakes ------------------------------------------------------------------------------------

MISTAKES = [
    (
        "runtime: onnxruntime",
        "runtime: {onnxruntime: {treads: 1}}",
        "runtime.onnxruntime.treads",
        'unknown key for onnxruntime; did you mean "threads"? Known: ...',
    ),
    (
        "runtime: onnxruntime",
        "runtime: onxruntime",
        "runtime",
        'unknown runtime "onxruntime"; did you mean "onnxruntime"? Known: ...',
    ),
    (
        "runtime: onnxruntime",
        "runtime: {choice: [onnxruntime]}",
        "runtime",
        "takes fixed values; only `space` is searched",
    ),
]


@pytest.mark.parametrize(("old", "new", "key", "text"), MISTAKES)
def test_mistake_is_refused_at_its_line(
    small: Path, old: str, new: str, key: str, text: str
) -> None:
    assert_refused(small, old, new, key, text)


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
    ],
)
def test_mistake_in_targets_is_refused_with_its_key(
    two_targets: Path, override: str, key: str, text: str
) -> None:
    lines = "\n".join(problems(two_targets, override))

    assert f": {key}: " in lines
    assert text in lines


def test_quantization_is_refused_when_the_runtime_does_not_support_it(small: Path) -> None:
    [problem] = problems(small, "runtime=torchscript")

    assert problem == (
        f'{small}:19: space.quantization: torchscript has no quantization "dynamic"; it has none'
    )


# -- devices -------------------------------------------------------------------------------------


def with_device(file: Path, beside: str, runtime: str = "onnxruntime: {threads: 1}") -> Path:
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace("runtime: onnxruntime", f"runtime: {{{runtime}, {beside}}}"), encoding="utf-8"
    )
    return file


def test_device_stands_beside_a_runtime_and_changes_no_plan(small: Path) -> None:
    plain = load_study(small)

    spec = load_study(
        with_device(small, 'device: "ssh://pi@cam", sustained: 1m30s, scores: device')
    )

    assert spec.runtime == plain.runtime
    assert spec.devices == {None: TargetDevice("ssh://pi@cam", 90.0, "device")}
    assert identity(plain)["runtime"].keys() == {"onnxruntime"}
    assert identity(spec)["runtime"] == {
        "onnxruntime": {"provider": "cpu", "threads": 1},
        "device": True,
        "sustained": 90.0,
        "scores": "device",
    }


@pytest.mark.parametrize(
    ("threads", "notes"),
    [
        (
            4,
            ["onnxruntime is to use 4 threads, and the address of the device has 2 of its cores; "],
        ),
        (2, []),
        (0, []),
    ],
)
def test_more_threads_than_cores_of_the_address_are_noted(
    small: Path, threads: int, notes: list[str]
) -> None:
    runtime = f"onnxruntime: {{threads: {threads}}}"
    spec = load_study(with_device(small, 'device: "ssh://pi@cam?cpus=0,3"', runtime))

    told = [note.partition("give")[0] for note in target_notes(spec) if "threads" in note]

    assert told == notes


@pytest.mark.parametrize(
    ("beside", "runtime", "text"),
    [
        ("device: cam", "onnxruntime: {}", "must begin with ssh://, adb:// or local://"),
        ('device: "ssh://pi:secret@cam"', "onnxruntime: {}", "use a key"),
        ('device: "ssh://pi@cam"', "torchscript: {}", "does not run on devices"),
        ('device: "local://", sustained: 1s', "onnxruntime: {}", "give a time of 5s to 1h"),
        ('device: "local://", scores: host', "onnxruntime: {}", "'auto' or 'device'"),
        ("sustained: 60s", "onnxruntime: {}", "needs a device beside it"),
        ('device: "local://"', "sustained: 60s", "names a device but no runtime"),
    ],
)
def test_wrong_device_is_refused(small: Path, beside: str, runtime: str, text: str) -> None:
    with pytest.raises(StudyFileError, match=re.escape(text)):
        load_study(with_device(small, beside, runtime))


def test_sustained_latency_is_refused_without_a_device_under_load(small: Path) -> None:
    file = with_device(small, 'device: "local://"')
    text = file.read_text(encoding="utf-8").replace("size <= 20 KB", "latency.sustained <= 2 ms")
    file.write_text(text, encoding="utf-8")

    with pytest.raises(StudyFileError, match="needs a target with a device and `sustained: 60s`"):
        load_study(file)
