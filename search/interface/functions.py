"""The commands that need no study, as functions."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paretune.search.errors import UserError
from paretune.search.interface.live_sections import importable_path
from paretune.search.interface.study import Study

if TYPE_CHECKING:
    from paretune.search.export.check_results import Verification
    from paretune.search.interface.results import NetworkProfile, Retargeting, StudyComparison
    from paretune.search.interface.started_study import StartedStudy
    from paretune.search.profiling.networks import ProfiledNetwork

DEFAULT_RUNTIME = "onnxruntime"

PathLike = str | os.PathLike[str]


def verify(
    folder: PathLike, data: PathLike | None = None, *, latency: bool = True, strict: bool = False
) -> Verification:
    """Checks an exported model against its manifest, in a process without Paretune.

    Args:
        folder: A folder that an export wrote.
        data: Examples to measure the accuracy on; None takes the study's own, if they are here.
        latency: Whether to compare the latency with that of the baseline's file.
        strict: Fail at small differences in latency, too.

    Returns:
        The results; `ok` is false if a check failed, `text()` lists them.

    Raises:
        UserError: There is no manifest, or it cannot be read.
    """
    from paretune.search.export.verifier import verify_export

    return verify_export(Path(folder), None if data is None else os.fspath(data), latency, strict)


def without_waiting() -> AbstractContextManager[None]:
    """Measures in a `with` block without waiting for calm on a busy host, as --no-wait.

    The conditions of such measurements have `waited: False`.
    """
    from paretune.objectives import calm

    return calm.without_waiting()


def profile(
    model: Any,
    *,
    shape: Any = None,
    trial: str | int = "baseline",
    classes: int = 10,
    runtime: str | None = None,
    threads: int | None = None,
    batch: int = 1,
    folder: PathLike | None = None,
) -> NetworkProfile:
    """Returns where the time and size of a network go, and what to change.

    Args:
        model: A network; a class or function that makes one; a name such as
            "torchvision:mobilenet_v2"; or, without `shape`, a Study or the path of one.
        shape: Shape of one input: (3, 32, 32); a text as --shape has it, such as "128,8000"; or a
            mapping of names to shapes.
        trial: The trial of a study: "baseline", a number, "knee", "fastest" or "smallest".
        classes: Number of classes of a network that is made by name.
        runtime: A runtime, or a target of a study; None for the study's own, else onnxruntime.
        threads: Threads of one inference; 0: all cores.
        batch: Inputs per run.
        folder: Where profile.html and profile.json are written; None writes nothing.

    Raises:
        UserError: The network cannot be built, deployed or measured.
    """
    from paretune.search.interface.results import NetworkProfile
    from paretune.search.profiling.profiler import profile_network

    is_study = isinstance(model, Study) or (
        shape is None and isinstance(model, str | os.PathLike) and Path(model).exists()
    )
    if not is_study and shape is None:
        raise UserError("profile: give the shape of one input, too: shape=(3, 32, 32)")
    with (
        tempfile.TemporaryDirectory(prefix="paretune-") as temporary,
        ExitStack() as stack,
    ):
        scratch = Path(temporary)
        if is_study:
            study = model if isinstance(model, Study) else Study(model)
            network = stack.enter_context(study.network(str(trial), runtime, threads, scratch))
        else:
            network = _network(model, _shape_text(shape), classes, runtime, threads, scratch)
        result = profile_network(network, batch, scratch)
    if folder is not None:
        from paretune.search.profiling.html_page import write_profile

        write_profile(result, Path(folder))
    return NetworkProfile(result)


def retarget(study: Study | PathLike, runtime: str | None = None, **options: Any) -> Retargeting:
    """Measures the models of a study in another runtime or on this machine.

    Args:
        study: The study, or its path.
        runtime: The runtime; None for the study's own.
        **options: As `Study.retarget` takes them.
    """
    chosen = study if isinstance(study, Study) else Study(study)
    return chosen.retarget(runtime, **options)


def compare(*studies: Study | PathLike, output: PathLike | None = None) -> StudyComparison:
    """Compares studies: fronts, hypervolume on common axes, and what differs beyond noise.

    Args:
        *studies: The studies, or their paths.
        output: The page to write, with the figures; None writes nothing.

    Raises:
        UserError: There are fewer than two studies, or they have no objective in common.
    """
    from paretune.search.comparing.comparison import compare_studies
    from paretune.search.comparing.studies import read_studies
    from paretune.search.interface.results import StudyComparison

    paths = [str(s.folder) if isinstance(s, Study) else os.fspath(s) for s in studies]
    info = compare_studies(*read_studies(paths))
    if output is not None:
        from paretune.search.comparing.html_page import write_comparison

        write_comparison(info, Path(output))
    return StudyComparison(info)


def catalogue(kind: str) -> list[dict[str, Any]]:
    """Returns the names that a study can use, with their parameters, as `paretune list`.

    Args:
        kind: "tasks", "architectures", "techniques", "objectives", "runtimes", "samplers", "data"
            or "training".

    Raises:
        UserError: There is no such kind.
    """
    from paretune.search.interface.catalogue import TABLES
    from paretune.search.interface.catalogue import catalogue as entries
    from paretune.spaces.table import did_you_mean

    kinds = [*TABLES, "samplers"]
    if kind not in kinds:
        hint = did_you_mean(kind, kinds) or "."
        raise UserError(f'there is no list "{kind}"{hint} Known: {", ".join(sorted(kinds))}.')
    return entries(kind)


def init(
    model: Any = None,
    data: str | None = None,
    *,
    task: Any = None,
    checkpoint: PathLike | None = None,
    runtime: str | None = None,
    targets: Mapping[str, str] | None = None,
    goals: str | Sequence[str] = (),
    objectives: Sequence[str] = (),
    time: str | None = None,
    output: PathLike = "study.yaml",
    force: bool = False,
    tell: Callable[[str], None] = lambda step: None,
) -> StartedStudy:
    """Measures a model and writes a commented study file for it, as `paretune init`.

    Args:
        model: "torchvision:NAME", "timm:NAME", a family such as "resnet", "pkg.mod:Net", or a class
            or function of a module.
        data: "images:photos", "npz:FILE", "digits", ...
        task: A task, or one of your own: "pkg.mod:Plates", or its class.
        checkpoint: File with the trained weights of the model.
        runtime: Where to deploy; None for onnxruntime.
        targets: Name -> runtime, of several deployments instead of one runtime.
        goals: "latency <= 0.5 x baseline", ...
        objectives: Scores of your own task with their direction: "error:minimize".
        time: "2h": epochs and trials fit into it.
        output: The study file.
        force: Whether an existing file is overwritten.
        tell: Called with each step.

    Raises:
        UserError: The data or the model does not work, or the file exists.
    """
    from paretune.search.interface.started_study import StartedStudy
    from paretune.search.starting.init import InitRequest, init_study

    request = InitRequest(
        model=named("model", model),
        task=named("task", task),
        data=data_text(data),
        checkpoint=None if checkpoint is None else os.fspath(checkpoint),
        runtime=runtime,
        goals=(goals,) if isinstance(goals, str) else tuple(goals),
        time=time,
        output=Path(output),
        targets=tuple(f"{name}={value}" for name, value in (targets or {}).items()),
        objectives=tuple(objectives),
        force=force,
    )
    return StartedStudy(init_study(request, tell))


def data_text(data: Any) -> str | None:
    """Returns data as --data has it: a text, a path, or a mapping of a study file.

    Raises:
        UserError: It is something else, such as an array.
    """
    if data is None or isinstance(data, str):
        return data
    if isinstance(data, os.PathLike):
        return str(os.fspath(data))
    if isinstance(data, Mapping):
        return json.dumps(dict(data))
    raise UserError(
        f"data: give a text such as images:photos or npz:FILE, not a {type(data).__name__}, as the "
        "study file must name it; for arrays and Datasets: paretune.Study(data={...}, ...)"
    )


def named(what: str, value: Any) -> str | None:
    """Returns the name of a model or task for a study file.

    Args:
        what: What it is, for errors.
        value: A name, a mapping of a study file, or a class or function of a module.

    Raises:
        UserError: No study file can name it.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return json.dumps(dict(value))
    path = importable_path(value)
    if path is None:
        name = getattr(value, "__name__", type(value).__name__)
        raise UserError(
            f"{what}: {name} is not defined in a module file, and the study file must name it; "
            f'move it into a file, such as my_model.py, and give "my_model:{name}"; or make the '
            "study in Python: paretune.Study(...)"
        )
    return path


def _network(
    model: Any, shape: str, classes: int, runtime: str | None, threads: int | None, folder: Path
) -> ProfiledNetwork:
    """Returns a network to profile, from a name, a module, or a class or function for one."""
    from paretune.search.interface.live_sections import LiveSections
    from paretune.search.profiling.named_network import named_network
    from paretune.search.user_code.live import live_objects

    name = runtime or DEFAULT_RUNTIME
    if isinstance(model, str):
        return named_network(model, shape, classes, name, threads, folder)
    live = LiveSections({"baseline": model})
    path = live.data["baseline"]["architecture"]["python"]
    with live_objects(live.objects):
        return named_network(path, shape, classes, name, threads, folder)


def _shape_text(shape: Any) -> str:
    """Returns a shape as --shape has it.

    Raises:
        UserError: It is none.
    """
    if isinstance(shape, str):
        return shape
    if isinstance(shape, int):
        return str(shape)
    if isinstance(shape, Mapping):
        return " ".join(f"{name}={_sizes(each)}" for name, each in shape.items())
    if isinstance(shape, Sequence) and shape and all(isinstance(each, int) for each in shape):
        return ",".join(map(str, shape)) if len(shape) == 3 else _sizes(shape)
    if isinstance(shape, Sequence) and shape:
        return " ".join(map(_sizes, shape))
    raise UserError(f"shape: give the sizes of one input, such as (3, 32, 32), not {shape!r}")


def _sizes(shape: Any) -> str:
    if isinstance(shape, str | int):
        return str(shape)
    return "x".join(map(str, shape))
