"""The request for a study file, and its options as a study file has them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from paretune.search.data import DATASETS
from paretune.search.errors import UserError
from paretune.search.study.tables import RUNTIMES
from paretune.search.study_file.document import value_of
from paretune.search.tasks import TASKS, brings_data
from paretune.search.user_code import add_import_folders
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.table import Table, did_you_mean

DEFAULT_OUTPUT = Path("study.yaml")

OPTION = re.compile(r",\s*(?=[A-Za-z_]\w*=)")
"""Separates further options: `table:rents.csv, target=rent`."""

FILES = ("npz", "images", "masks", "boxes", "table", "text")
"""Data sets whose main option is a path."""

READERS = {".npz": "npz", ".csv": "table", ".tsv": "table", ".json": "boxes"}
"""Ending of a file -> the data set that reads it."""


@dataclass(frozen=True)
class InitRequest:
    """A model, its data, and what is wanted of it.

    Attributes:
        model: "torchvision:mobilenet_v2", "pkg.mod:Net", a family, or a mapping in YAML; None for
            a task that brings its network.
        task: Name of a task, "pkg.mod:Plates", or a mapping in YAML; None to tell it by the data.
        data: "images:photos", "digits", a path, or a mapping in YAML; None for a task that brings
            its data.
        checkpoint: File with the weights of the model, relative to the current folder.
        runtime: Name of a runtime, or a mapping in YAML; None for onnxruntime.
        goals: "latency <= 0.5 x baseline", ...
        time: "2h": the time of the study; None for a moderate one.
        output: The study file.
        targets: "phone=executorch", ...: several deployments instead of one runtime.
        objectives: "error:minimize" or "error:minimize:mm": scores of your own task.
        force: Whether an existing file is overwritten.
    """

    model: str | None = None
    task: str | None = None
    data: str | None = None
    checkpoint: str | None = None
    runtime: str | None = None
    goals: tuple[str, ...] = ()
    time: str | None = None
    output: Path = DEFAULT_OUTPUT
    targets: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    force: bool = False

    @property
    def folder(self) -> Path:
        """Folder of the study file, absolute; the paths in it are relative to it."""
        return self.output.absolute().parent

    def check_output(self) -> None:
        """Refuses an output that cannot be written, before anything else is done.

        Raises:
            UserError: The file exists, or its folder does not, or is not writable.
        """
        if self.output.is_dir():
            raise UserError(f"-o {self.output}: is a folder; give a file: -o study.yaml")
        if not self.folder.is_dir():
            raise UserError(
                f"-o {self.output}: there is no folder {self.folder}; make it, or write elsewhere"
            )
        if not os.access(self.output if self.output.exists() else self.folder, os.W_OK):
            raise UserError(f"-o {self.output}: cannot be written; give another file")
        if self.output.suffix.lower() not in (".yaml", ".yml"):
            raise UserError(f"-o {self.output}: give a file that ends with .yaml")
        if self.output.exists() and not self.force:
            raise UserError(
                f"-o {self.output}: the file exists; add --force to overwrite it, or give another"
            )

    def task_option(self) -> Any:
        """Returns the task as a study file has it; None if it is not named.

        Raises:
            UserError: There is no such task, or its text cannot be read.
        """
        if self.task is None:
            return None
        if ":" in self.task and not _is_mapping(self.task):
            return self.task
        option = _option(TASKS, self.task, "--task")
        name = next(iter(option), "") if isinstance(option, Mapping) else str(option)
        if ":" not in name and not TASKS.accepts(name):
            known = f"Known: {', '.join(TASKS.names)}."
            raise UserError(
                f"--task {self.task}: there is no such task"
                f"{did_you_mean(name, TASKS.names) or '.'} {known}"
            )
        return option

    @property
    def brings_data(self) -> bool:
        """Whether the task brings its network and its data."""
        task = self.task_option()
        if task is None:
            return False
        if isinstance(task, Mapping) and "factory" in task:
            return True
        name = next(iter(task)) if isinstance(task, Mapping) else task
        return ":" in name or brings_data(TASKS.get(name))

    def model_option(self) -> Any:
        """Returns the architecture as a study file has it.

        Raises:
            UserError: There is no model, or its text cannot be read.
        """
        if self.model is None:
            raise UserError(
                "--model: is missing; give torchvision:mobilenet_v2, timm:NAME, "
                '"pkg.mod:Net", or a family of `paretune list architectures`'
            )
        return _option(ARCHITECTURES, self.model, "--model")

    def data_option(self) -> Any:
        """Returns the data as a study file has it, with paths relative to the study file.

        Raises:
            UserError: There is no data, or its text cannot be read.
        """
        if self.data is None:
            raise UserError(
                "--data: is missing; give images:FOLDER, npz:FILE, 'table:FILE, target=COLUMN' or "
                "another one of `paretune list data`"
            )
        text = self.data
        head, comma, rest = text.partition(",")
        path = Path(head)
        if not _is_mapping(text) and head not in DATASETS.names and path.exists():
            text = f"{_reader(path)}:{head}{comma}{rest}"
        option = _option(DATASETS, text, "--data")
        if isinstance(option, Mapping) and isinstance(option.get("table"), str):
            _check_target(option)
        return self._relative(option)

    def checkpoint_option(self) -> str | None:
        """Returns the path of the checkpoint, relative to the study file.

        Raises:
            UserError: There is no such file.
        """
        if self.checkpoint is None:
            return None
        if self.brings_data:
            raise UserError(
                "--checkpoint: leave it out: the `model` of your task returns the network with "
                "its weights"
            )
        return self._path(self.checkpoint)

    def runtime_option(self) -> Any:
        """Returns the runtime as a study file has it; None if it is not named."""
        return None if self.runtime is None else _option(RUNTIMES, self.runtime, "--runtime")

    def target_options(self) -> dict[str, Any]:
        """Returns target -> runtime, as a study file has them.

        Raises:
            UserError: A target is not NAME=RUNTIME, or there is a runtime as well.
        """
        if self.targets and self.runtime is not None:
            raise UserError("--target: give targets or --runtime, not both")
        options: dict[str, Any] = {}
        for text in self.targets:
            name, equals, runtime = text.partition("=")
            if not equals or not name.strip() or not runtime.strip():
                raise UserError(f"--target {text}: give NAME=RUNTIME: --target phone=executorch")
            option = _option(RUNTIMES, runtime.strip(), f"--target {text}")
            options[name.strip()] = {option: {}} if isinstance(option, str) else option
        return options

    def _relative(self, option: Any) -> Any:
        """Returns data with its path relative to the study file."""
        if not isinstance(option, Mapping):
            return option
        for name in option:
            if name in FILES and isinstance(option[name], str):
                return {**option, name: self._path(option[name])}
        return option

    def _path(self, text: str) -> str:
        """Returns a path of the current folder as one of the study file's folder."""
        path = Path(text)
        if path.is_absolute() or not path.exists():
            return text
        return Path(os.path.relpath(path.absolute(), self.folder)).as_posix()


def _check_target(option: Mapping[str, Any]) -> None:
    """Refuses a table whose column to predict is not named.

    Raises:
        UserError: The text lists its columns.
    """
    file = Path(option["table"])
    if "target" in option or not file.is_file():
        return
    from paretune.search.data.csv_table import read_columns

    columns = list(read_columns(file)[0])
    if "target" not in columns:
        raise UserError(
            f"--data table:{file}: name the column to predict: "
            f"--data 'table:{file}, target={columns[-1]}'. Its columns are {', '.join(columns)}."
        )


def _is_mapping(text: str) -> bool:
    return text.lstrip().startswith("{")


def _is_module(name: str) -> bool:
    """Returns whether Python finds a module, also in the current folder."""
    add_import_folders(Path())
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _reader(path: Path) -> str:
    """Returns the data set that reads a file or folder.

    Raises:
        UserError: The ending tells none.
    """
    if path.is_dir():
        inner = [path, path / "train"]
        return "masks" if any((p / "masks").is_dir() for p in inner) else "images"
    if path.suffix.lower() in READERS:
        return READERS[path.suffix.lower()]
    raise UserError(
        f"--data {path}: say how it is read: images:FOLDER, npz:FILE, table:FILE, boxes:FILE or "
        "text:FILE"
    )


def _option(table: Table, text: str, origin: str) -> Any:
    """Returns an option as a study file has it: a name, or {name: main value, option: value}.

    Args:
        table: The table of the name.
        text: `name`, `name:value, option=value`, "pkg.mod:Class", or a mapping in YAML.
        origin: The command-line option, for errors.

    Raises:
        UserError: The text cannot be read.
    """
    where = f"{origin} {text}"
    if _is_mapping(text):
        return value_of(text, where)
    head, *rest = OPTION.split(text.strip())
    values = {}
    for each in rest:
        key, _, value = each.partition("=")
        values[key.strip()] = value_of(value, where)
    name, colon, main = head.partition(":")
    is_entry = name in [*table.names, *table.plugins]
    hint = did_you_mean(name, table.names)
    if colon and not is_entry and hint and not _is_module(name):
        raise UserError(
            f'{where}: there is no {table.kind} "{name}", and no module of this name{hint}'
        )
    if colon and is_entry:
        return {name: main, **values}
    if colon and table.accepts("python"):
        return {"python": head, **({"args": values} if values else {})}
    return {head: values} if values else head
