"""A study file -> a StudySpec. Reports every mistake in one go."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from search.data import DATASETS
from search.errors import UserError
from search.plugins import OBJECTIVES, RUNTIMES, SAMPLER_NAMES
from search.spec import (
    BaselineSpec,
    Chosen,
    Constraint,
    Direction,
    ObjectiveSpec,
    StudySpec,
)
from search.study_file.constraints import read_constraint
from search.study_file.document import Document, read_document
from search.study_file.problems import Key, Problems
from search.study_file.space import SpaceReader, message
from spaces.architecture import ARCHITECTURES
from spaces.distillation import DISTILLATIONS
from spaces.domains import Choice, Fixed, Float, Node, Record, assign, parameters
from spaces.params import Params
from spaces.pruning import PRUNINGS
from spaces.quantization import QUANTIZATIONS
from spaces.table import Table, nearest
from spaces.training.recipe import Recipe

SECTIONS = (
    "study",
    "data",
    "baseline",
    "space",
    "runtime",
    "objectives",
    "constraints",
    "goals",
    "search",
    "budget",
    "storage",
    "device",
)
BASELINE_KEYS = ("architecture", "checkpoint", "pretrain")
SPACE_KEYS = ("architecture", "pretrain", "pruning", "distillation", "finetune", "quantization")
NONE = Fixed({"none": {}})


class SearchParams(Params):
    """The section `search`."""

    trials: int | None = Field(None, ge=1, description="how many, besides the baseline")
    seed: int = Field(0, ge=0, lt=2**32, description="every random stream starts from it")
    max_failures: int = Field(5, ge=1, description="failed trials in a row that end the run")


class BudgetParams(Params):
    """The section `budget`."""

    trials: int | None = Field(None, ge=1, description="how many, besides the baseline")
    stop_at_goals: bool = Field(False, description="end when one trial reaches all goals")


class StudyParams(Params):
    """Plain values at the top of a study file."""

    study: str = Field(pattern=r"^[\w. -]+$", description="name of the study")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="where networks are trained"
    )


STORAGE = re.compile(r"^(sqlite|sqlite(\+\w+)?:///.+|postgres(ql)?(\+\w+)?://.+)$")

DEFAULT_TRIALS = 100
"""Where neither a number of trials nor a time is given."""


def load_study(
    path: Path | str,
    overrides: Sequence[str] = (),
    *,
    storage: str | None = None,
    trials: int | None = None,
    time: str | None = None,
) -> StudySpec:
    """Reads and checks a study file.

    Args:
        path: The file.
        overrides: --set options, `a.b=c`.
        storage: --storage, in place of the file's.
        trials: --trials, in place of the file's.
        time: --time, in place of the file's ("30m").

    Raises:
        StudyFileError: With every mistake found.
        UserError: There is no such file.
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"{file}: there is no such study file")
    document = read_document(file, overrides)
    return _Loader(document, file, storage, trials, time).load()


def load_source(source: Mapping[str, Any], file: Path, *, storage: str | None = None) -> StudySpec:
    """A study from the plain data that a database keeps, as if it stood in `file`.

    Raises:
        StudyFileError: A checkpoint or the like is no longer there.
    """
    return _Loader(Document(str(file), dict(source)), file, storage, None, None).load()


class _Loader:
    """Reads the sections of one document."""

    def __init__(
        self,
        document: Document,
        file: Path,
        storage: str | None,
        trials: int | None,
        time: str | None,
    ) -> None:
        self._document = document
        self._data = document.data
        self._problems = Problems(document.where)
        self._reader = SpaceReader(self._problems)
        self._file = file.resolve()
        self._folder = self._file.with_suffix("")
        self._options = (storage, trials, time)

    def load(self) -> StudySpec:
        self._known(self._data, SECTIONS, ())
        storage, trials, time = self._options
        plain = self._plain(
            StudyParams,
            {
                "study": self._data.get("study", self._file.stem),
                **({"device": self._data["device"]} if "device" in self._data else {}),
            },
            (),
        )
        data = self._fixed(DATASETS, "data")
        runtime = self._fixed(RUNTIMES, "runtime", {"onnxruntime": {}})
        baseline = self._baseline()
        space = self._space(baseline, runtime)
        objectives = self._objectives()
        constraints = self._constraints("constraints")
        goals = self._constraints("goals")
        search, sampler = self._search(space)
        budget, seconds = self._budget(time)
        wanted = trials or self._trials(search, budget, seconds)
        url = self._storage(storage)
        self._problems.raise_any()
        assert data and runtime and baseline and plain and search and budget
        return StudySpec(
            name=plain["study"],
            file=self._file,
            folder=self._folder,
            data=data,
            baseline=baseline,
            space=space,
            runtime=runtime,
            objectives=objectives,
            constraints=constraints,
            goals=goals,
            sampler=sampler,
            trials=wanted,
            seconds=seconds,
            stop_at_goals=budget["stop_at_goals"],
            seed=search["seed"],
            device=plain.get("device", "auto"),
            max_failures=search["max_failures"],
            storage=url,
            source=self._data,
        )

    # -- sections --------------------------------------------------------------------------------

    def _fixed(
        self, table: Table, section: str, default: Mapping[str, Any] | None = None
    ) -> Chosen | None:
        """A section that picks one option, without domains."""
        value = self._data.get(section, default)
        if value is None:
            names = ", ".join(table.names)
            self._problems.add((section,), f"is missing; give one {table.kind}: {names}")
            return None
        node = self._reader.option(table, value, (section,))
        return self._concrete(node, (section,))

    def _concrete(self, node: Node, key: Key) -> Chosen | None:
        """The single option of a tree, which must have no parameters to search."""
        searched = [p.name for p in parameters(node)]
        if searched:
            self._problems.add(key, "takes fixed values; only `space` is searched")
            return None
        value = assign(node, lambda name, domain: None)
        if not isinstance(value, Mapping):
            return None  # a mistake that is noted already
        [(name, params)] = value.items()
        return Chosen(name, params)

    def _baseline(self) -> BaselineSpec | None:
        section = self._mapping("baseline")
        if section is None:
            self._problems.add(
                ("baseline",), "is missing; give the model as it is: baseline: {architecture: ...}"
            )
            return None
        self._known(section, BASELINE_KEYS, ("baseline",))
        key = ("baseline", "architecture")
        architecture = recipe = None
        if "architecture" in section:
            architecture = self._concrete(
                self._reader.option(ARCHITECTURES, section["architecture"], key), key
            )
        else:
            self._problems.add(key, "is missing")
        if section.get("pretrain") is not None:
            key = ("baseline", "pretrain")
            node = self._reader.record(Recipe, section["pretrain"], key, "a recipe")
            if list(parameters(node)):
                self._problems.add(key, "takes fixed values; search in space.pretrain")
            elif isinstance(node, Record):
                recipe = assign(node, lambda name, domain: None)
        checkpoint = self._checkpoint(section)
        if architecture is None:
            return None
        ships = architecture.params.get("weights") or architecture.name == "python"
        if recipe is None and checkpoint is None and not ships and not self._problems:
            self._problems.add(
                ("baseline",),
                "has no weights; give pretrain: (a recipe), checkpoint: (a file), or a torchvision "
                "model with weights: DEFAULT",
            )
        return BaselineSpec({architecture.name: dict(architecture.params)}, checkpoint, recipe)

    def _checkpoint(self, section: Mapping[str, Any]) -> str | None:
        given = section.get("checkpoint")
        if given is None:
            return None
        key = ("baseline", "checkpoint")
        if not isinstance(given, str) or "\0" in given:
            self._problems.add(key, f"give the path of a .safetensors or .pt file, not {given!r}")
            return None
        file = (self._file.parent / given).resolve()
        if not file.is_file():
            self._problems.add(key, f"{file}: there is no such file")
        return str(file)

    def _space(self, baseline: BaselineSpec | None, runtime: Chosen | None) -> Node:
        section = self._mapping("space")
        if section is None:
            self._problems.add(
                ("space",), f"is missing; give what to search: {', '.join(SPACE_KEYS)}"
            )
            return Fixed(None)
        self._known(section, SPACE_KEYS, ("space",))
        own = section.get("architecture") is not None
        fields: list[tuple[str, Node]] = [
            ("architecture", self._part(section, "architecture", ARCHITECTURES, baseline)),
            ("pretrain", self._recipe(section, "pretrain", baseline)),
            ("pruning", self._part(section, "pruning", PRUNINGS)),
            ("distillation", self._part(section, "distillation", DISTILLATIONS)),
            ("finetune", self._recipe(section, "finetune", None)),
            ("quantization", self._part(section, "quantization", QUANTIZATIONS)),
            # Only the baseline's own architecture can start from its checkpoint.
            ("checkpoint", Fixed(None if own or baseline is None else baseline.checkpoint)),
        ]
        space = Record(tuple(fields))
        self._check_space(dict(fields), section, own, runtime)
        return space

    def _part(
        self, section: Mapping[str, Any], name: str, table: Table, baseline: Any = None
    ) -> Node:
        if section.get(name) is not None:
            return self._reader.option(table, section[name], ("space", name))
        if name == "architecture":
            return Fixed(dict(baseline.architecture)) if baseline else Fixed(None)
        return NONE

    def _recipe(self, section: Mapping[str, Any], name: str, baseline: BaselineSpec | None) -> Node:
        if section.get(name) is not None:
            return self._reader.record(Recipe, section[name], ("space", name), "a recipe")
        return Fixed(baseline.pretrain if baseline else None)

    def _check_space(
        self, fields: dict[str, Node], section: Mapping[str, Any], own: bool, runtime: Chosen | None
    ) -> None:
        if section.get("distillation") is not None and section.get("finetune") is None:
            self._problems.add(
                ("space", "distillation"), "needs space.finetune: it is a loss of that stage"
            )
        untrained = own and fields["pretrain"] == Fixed(None) and not self._problems
        if untrained and not _ships_weights(fields["architecture"]):
            self._problems.add(
                ("space", "architecture"),
                "other architectures need training; give space.pretrain (a recipe)",
            )
        if runtime is not None:
            supported = ("none", *RUNTIMES.get(runtime.name).quantizations)
            for name in _names(fields["quantization"]):
                if name not in supported:
                    self._problems.add(
                        ("space", "quantization"),
                        f'{runtime.name} has no quantization "{name}"; it has '
                        f"{', '.join(supported)}",
                    )
        names = [p.name for p in parameters(Record(tuple(fields.items())))]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            self._problems.add(
                ("space",),
                f"two branches give the parameter {name}; give one of them a fixed value",
            )

    def _objectives(self) -> tuple[ObjectiveSpec, ...]:
        section = self._mapping("objectives")
        if not section:
            names = ", ".join(OBJECTIVES.names)
            self._problems.add(
                ("objectives",), f"is missing; give at least one, `accuracy: maximize`: {names}"
            )
            return ()
        found = [self._objective(name, value) for name, value in section.items()]
        return tuple(objective for objective in found if objective is not None)

    def _objective(self, name: str, value: Any) -> ObjectiveSpec | None:
        key = ("objectives", name)
        try:
            entry = OBJECTIVES.get(name)
        except ValueError as error:
            self._problems.add(key, str(error))
            return None
        if not all(hasattr(entry, part) for part in ("Params", "unit", "better")):
            self._problems.add(key, f'"{name}" is no objective: it has no Params, unit or better')
            return None
        right: Direction = "minimize" if entry.better == "lower" else "maximize"
        options: dict[str, Any] = {}
        if isinstance(value, Mapping):
            options = dict(value)
            directions = [d for d in ("minimize", "maximize") if d in options]
            if len(directions) != 1:
                self._problems.add(key, f"give a direction: {{{right}: ...}}")
                return None
            direction = directions[0]
            if "statistic" in options:
                self._problems.add(key, f"write {direction}: {options['statistic']}, no statistic")
                return None
            statistic = options.pop(direction)
            if statistic is not None:
                options["statistic"] = statistic
        else:
            direction = value
        if direction not in ("minimize", "maximize"):
            self._problems.add(key, f"give {right}, not {direction!r}")
            return None
        if direction != right:
            self._problems.add(key, f"{name} is better when {entry.better}: write {right}")
            return None
        if "statistic" in options and "statistic" not in entry.Params.model_fields:
            self._problems.add(key, f"has one statistic only: write {name}: {right}")
            return None
        checked = self._plain(entry.Params, options, key)
        return ObjectiveSpec(name, right, entry.unit, checked) if checked is not None else None

    def _constraints(self, section: str) -> tuple[Constraint, ...]:
        given = self._data.get(section)
        if given is None:
            return ()
        if not isinstance(given, list):
            self._problems.add((section,), 'give a list: ["latency <= 2 ms"]')
            return ()
        units = {name: OBJECTIVES.get(name).unit for name in OBJECTIVES.names}
        for name in self._mapping("objectives") or {}:
            if ":" in name and name not in units:
                try:
                    units[name] = OBJECTIVES.get(name).unit
                except (ValueError, AttributeError):
                    continue  # noted where it stands
        found = []
        for index, text in enumerate(given):
            key = (section, str(index))
            if not isinstance(text, str):
                self._problems.add(key, f'give text: "latency <= 2 ms", not {text!r}')
                continue
            try:
                found.append(read_constraint(text, units))
            except KeyError as error:
                name = str(error.args[0])
                hint = nearest(name, list(units)) or "."
                self._problems.add(
                    key, f'unknown objective "{name}"{hint} Known: {", ".join(units)}.'
                )
            except ValueError as error:
                self._problems.add(key, str(error))
        return tuple(found)

    def _search(self, space: Node) -> tuple[dict[str, Any] | None, Chosen]:
        section = dict(self._mapping("search") or {})
        sampler = section.pop("sampler", "auto")
        checked = self._plain(SearchParams, section, ("search",), ["sampler"])
        key = ("search", "sampler")
        options: Mapping[str, Any] = {}
        if isinstance(sampler, Mapping) and len(sampler) == 1:
            [(sampler, given)] = sampler.items()
            options = {} if given is None else given
        if not isinstance(options, Mapping):
            self._problems.add((*key, str(sampler)), f"give a mapping of options, not {options!r}")
            options = {}
        if sampler not in SAMPLER_NAMES:
            hint = nearest(str(sampler), list(SAMPLER_NAMES)) or "."
            self._problems.add(
                key, f'unknown sampler "{sampler}"{hint} Known: {", ".join(SAMPLER_NAMES)}.'
            )
            return checked, Chosen("auto", {})
        if sampler == "grid":
            endless = [
                p.name
                for p in parameters(space)
                if isinstance(p.domain, Float) and p.domain.count == float("inf")
            ]
            if endless:
                self._problems.add(
                    key,
                    f"grid needs finite domains; give a step or a choice to {', '.join(endless)}",
                )
        return checked, Chosen(str(sampler), dict(options))

    def _budget(self, option: str | None) -> tuple[dict[str, Any] | None, float | None]:
        section = dict(self._mapping("budget") or {})
        time = section.pop("time", None)
        checked = self._plain(BudgetParams, section, ("budget",), ["time"])
        if option is not None:
            self._document.origins["--time",] = f"--time {option}"
            return checked, self._seconds(option, ("--time",))
        return checked, None if time is None else self._seconds(time, ("budget", "time"))

    def _seconds(self, value: Any, key: Key) -> float | None:
        """`2h`, `1h30m`, `90s`, or a number of seconds."""
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            return float(value)
        parts = (
            re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", value or "x")
            if isinstance(value, str)
            else None
        )
        total = 0.0
        if parts:
            hours, minutes, seconds = (int(part or 0) for part in parts.groups())
            total = hours * 3600.0 + minutes * 60 + seconds
        if total <= 0:
            self._problems.add(key, f"give a time such as 2h, 30m, 1h30m or 90s, not {value!r}")
            return None
        return total

    def _trials(
        self,
        search: Mapping[str, Any] | None,
        budget: Mapping[str, Any] | None,
        seconds: float | None,
    ) -> int | None:
        given = [s["trials"] for s in (search, budget) if s and s["trials"] is not None]
        if len(given) > 1:
            self._problems.add(("budget", "trials"), "is given in search as well; keep one of them")
        if given:
            return int(given[0])
        return None if seconds else DEFAULT_TRIALS

    def _storage(self, option: str | None) -> str:
        key, given = ("storage",), self._data.get("storage", "sqlite")
        if option is not None:
            key, given = ("--storage",), option
            self._document.origins[key] = f"--storage {option}"
        if given is None:
            given = "sqlite"
        if not isinstance(given, str) or not STORAGE.match(given):
            self._problems.add(
                key,
                f"give sqlite, sqlite:///FILE or postgresql://USER@HOST/DATABASE, not {given!r}",
            )
            return ""
        return storage_url(given, self._folder)

    # -- helpers ---------------------------------------------------------------------------------

    def _mapping(self, section: str) -> Mapping[str, Any] | None:
        value = self._data.get(section)
        if value is None or isinstance(value, Mapping):
            return value
        self._problems.add((section,), f"give a mapping, not {value!r}")
        return {}

    def _known(self, section: Mapping[str, Any], known: Sequence[str], key: Key) -> None:
        for name in section:
            if name not in known:
                self._problems.unknown((*key, str(name)), known)

    def _plain(
        self,
        params: type[Any],
        values: Mapping[str, Any],
        key: Key,
        besides: Sequence[str] = (),
    ) -> dict[str, Any] | None:
        """Literal values checked against a Params; None when something is wrong."""
        fields = params.model_fields
        unknown = [name for name in values if name not in fields]
        for name in unknown:
            self._problems.unknown((*key, str(name)), [*fields, *besides])
        known = {name: value for name, value in values.items() if name in fields}
        try:
            checked = params.model_validate(known)
            return None if unknown else dict(checked.model_dump())
        except ValidationError as error:
            for one in error.errors(include_url=False):
                where = (*key, *(str(step) for step in one["loc"]))
                single = ValidationError.from_exception_data(error.title, [_line(one)])
                self._problems.add(where, message(single, one["input"]))
            return None


def _line(error: Any) -> Any:
    """An error's details in the form that makes a ValidationError of it."""
    return {key: error[key] for key in ("type", "loc", "input", "ctx") if key in error}


def storage_url(given: str, folder: Path) -> str:
    """A SQLAlchemy URL: a SQLite file in the study's folder, or what is given."""
    if given == "sqlite":
        return f"sqlite:///{folder / 'study.db'}"
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", given)


def _names(node: Node) -> list[str]:
    """The options that a tree of {name: parameters} can lead to."""
    match node:
        case Record(fields):
            return [name for name, _ in fields]
        case Choice(options):
            return [name for _, child in options for name in _names(child)]
        case Fixed(value) if isinstance(value, Mapping):
            return [str(name) for name in value]
        case _:
            return []


def _ships_weights(node: Node) -> bool:
    """Whether every architecture of a tree may come with weights of its own."""
    match node:
        case Choice(options):
            return all(_ships_weights(child) for _, child in options)
        case Record(((("python", _)),)):
            return True
        case Record((("torchvision", Record(fields)),)):
            return dict(fields)["weights"] != Fixed(None)
        case _:
            return False
