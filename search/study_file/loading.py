"""Loads a study file as a StudySpec; reports all its mistakes at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from paretune.search.data import DATASETS, load_data
from paretune.search.data.published_preset import concrete_params, starts_from_published
from paretune.search.errors import UserError
from paretune.search.shell import without_password
from paretune.search.study.elastic import (
    ELASTIC,
    TRAINING,
    elastic_node,
    teacher_description,
    with_sources,
)
from paretune.search.study.spec import BaselineSpec, Selection, StudySpec
from paretune.search.study_file.beliefs import BeliefReader
from paretune.search.study_file.distillation import check_distillation, teacher_names
from paretune.search.study_file.document import Document, read_document
from paretune.search.study_file.elastic_checks import check_elastic
from paretune.search.study_file.elastic_section import ElasticReader
from paretune.search.study_file.files_section import FilesReader
from paretune.search.study_file.input_kinds import check_kinds
from paretune.search.study_file.missing_file import missing_study
from paretune.search.study_file.networks import NetworkReader
from paretune.search.study_file.option_names import option_names
from paretune.search.study_file.problems import Key, Problems
from paretune.search.study_file.quantities import QuantityReader
from paretune.search.study_file.racing import RacingReader
from paretune.search.study_file.resources_section import ResourcesReader
from paretune.search.study_file.search_and_budget import (
    SearchAndBudgetReader,
    format_variants_of,
    size_in_bytes,
)
from paretune.search.study_file.section_reader import SectionReader
from paretune.search.study_file.space import EIGHTHS, SpaceReader
from paretune.search.study_file.starting_weights import checkpoint_of, without_weights
from paretune.search.study_file.targets import TargetReader
from paretune.search.study_file.task_metrics import TaskMetrics
from paretune.search.study_file.task_section import TaskReader, network_of
from paretune.search.study_file.tracking_section import TrackingReader
from paretune.search.study_file.trainer_section import TrainerReader
from paretune.search.study_file.trainer_space import TrainerSpaceReader
from paretune.search.tasks import TASKS, TaskChoice, brings_data
from paretune.search.user_code import add_import_folders
from paretune.spaces.architecture import ARCHITECTURES
from paretune.spaces.distillation import DISTILLATIONS
from paretune.spaces.domains import Fixed, Node, Record, assign, parameters
from paretune.spaces.params import Params
from paretune.spaces.pruning import PRUNINGS
from paretune.spaces.quantization import QUANTIZATIONS
from paretune.spaces.table import Table
from paretune.spaces.training.recipe import Recipe

SECTIONS = (
    "study",
    "evaluate",
    "cheap",
    "task",
    "data",
    "baseline",
    "teachers",
    "space",
    "runtime",
    "targets",
    "objectives",
    "quantities",
    "constraints",
    "goals",
    "search",
    "first",
    "prior",
    "budget",
    "storage",
    "files",
    "resources",
    "track",
    "device",
)
SPACE_KEYS = ("architecture", "pretrain", "pruning", "distillation", "finetune", "quantization")
NONE = Fixed({"none": {}})
NOTHING = Selection("none", {})
"""Data and runtime of a study with the user's own trainer."""


class StudyParams(Params):
    """Plain values at the top of a study file."""

    study: str = Field(
        pattern=r"^[\w. -]+$", description="name of the study; the file's name if it is left out"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="where networks are trained; auto: a GPU if there is one, else the CPU"
    )


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
        storage: --storage; replaces the file's storage.
        trials: --trials; replaces the file's number of trials.
        time: --time ("30m"); replaces the file's time budget.

    Raises:
        StudyFileError: The file has mistakes; the error lists all of them.
        UserError: There is no such file.
    """
    file = Path(path)
    if not file.is_file():
        raise missing_study(file)
    document = read_document(file, overrides)
    return _StudyLoader(document, file, storage, trials, time).load()


def load_source(source: Mapping[str, Any], file: Path, *, storage: str | None = None) -> StudySpec:
    """Loads a study from the plain data that its database keeps, as if it were read from `file`.

    Raises:
        StudyFileError: Something that it names, such as a checkpoint, does not exist any more.
    """
    loader = _StudyLoader(Document(str(file), dict(source)), file, storage, None, None)
    loader.measures = False
    return loader.load()


def load_document(
    document: Document,
    file: Path,
    *,
    storage: str | None = None,
    trials: int | None = None,
    time: str | None = None,
) -> StudySpec:
    """Checks a study that is no file yet, as if it were read from `file`.

    Args:
        document: Its sections; `origins` name where each of them comes from.
        file: Path of the study file; relative paths in the study start at its folder.
        storage: Replaces the storage of the document.
        trials: Replaces its number of trials.
        time: Replaces its time budget ("30m").

    Raises:
        StudyFileError: The study has mistakes; the error lists all of them.
    """
    return _StudyLoader(document, file, storage, trials, time).load()


class _StudyLoader(SectionReader):
    """Reads one document: the sections data and space here, the others by their readers.

    Attributes:
        measures: Whether this machine will measure; if so, quantities that it cannot measure are
            mistakes.
    """

    measures = True

    def __init__(
        self,
        document: Document,
        file: Path,
        storage: str | None,
        trials: int | None,
        time: str | None,
    ) -> None:
        super().__init__(document, Problems(document.where))
        self._reader = SpaceReader(self.problems)
        self._targets = TargetReader(document, self.problems, self._reader)
        self._quantities = QuantityReader(document, self.problems, self._targets.names)
        self._trainer = TrainerReader(document, self.problems)
        self._limits = SearchAndBudgetReader(document, self.problems)
        self._file = file.resolve()
        self._networks = NetworkReader(document, self.problems, self._file.parent)
        self._folder = self._file.with_suffix("")
        self._options = (storage, trials, time)

    def load(self) -> StudySpec:
        add_import_folders(self._file.parent)
        self.check_keys(self.data, SECTIONS, ())
        storage, trials, time = self._options
        plain = self.checked(
            StudyParams,
            {
                "study": self.data.get("study", self._file.stem),
                **({"device": self.data["device"]} if "device" in self.data else {}),
            },
            (),
        )
        fields = self._own_trainer() if "evaluate" in self.data else self._built_in_stages()
        search, sampler = self._limits.search(fields["space"])
        racing = RacingReader(self.document, self.problems).racing(
            fields["space"], fields["objectives"]
        )
        beliefs = BeliefReader(self.document, self.problems)
        first = beliefs.first(fields["space"])
        prior = beliefs.prior(fields["space"], sampler)
        trackers = TrackingReader(self.document, self.problems).trackers()
        resources = ResourcesReader(self.document, self.problems).resources()
        budget, seconds = self._limits.budget(time)
        number = trials or self._limits.trials(search, budget, seconds)
        url = self._limits.storage(storage, self._folder)
        files = FilesReader(self.document, self.problems).files(self._file.parent)
        self.problems.raise_any()
        assert plain and search and budget
        return StudySpec(
            name=plain["study"],
            file=self._file,
            folder=self._folder,
            **fields,
            sampler=sampler,
            trials=number,
            seconds=seconds,
            stop_at_goals=budget["stop_at_goals"],
            final_seconds=budget["final"],
            seed=search["seed"],
            device=plain.get("device", "auto"),
            max_failures=search["max_failures"],
            format_variants=format_variants_of(search["format_variants"], sampler),
            screening=search["screening"],
            reuse_timings=search["reuse_timings"],
            repeats=search["repeats"],
            cache_limit=size_in_bytes(search["cache"]),
            storage=url,
            files=files,
            source=_without_secrets(self.data),
            racing=racing,
            first=first,
            prior=prior,
            trackers=trackers,
            resources=resources,
        )

    # -- sections --------------------------------------------------------------------------------

    def _built_in_stages(self) -> dict[str, Any]:
        """Reads the sections of a study of the built-in stages, as fields of the StudySpec."""
        task = TaskReader(self.document, self.problems).task()
        self._check_trainer_sections(task)
        self._quantities.task = TaskMetrics.of(task)
        data = NOTHING if brings_data(TASKS.get(task.name)) else self._option(DATASETS, "data")
        deployments = self._targets.deployments()
        baseline = self._networks.baseline(network_of(task))
        teachers = self._networks.teachers(baseline)
        space = self._space(task, baseline, deployments, list(self.mapping("teachers") or ()))
        teachers |= self._elastic_teacher(space)
        self._check_kinds(task, data, baseline, teachers, space)
        self._check_preset(data, baseline)
        if self.measures:
            self._quantities.check_available(deployments, self._targets.devices)
        return {
            "task": task,
            "data": data,
            "baseline": baseline,
            "space": space,
            "runtime": next(iter(deployments.values()), NOTHING),
            "targets": {
                target: selection for target, selection in deployments.items() if target is not None
            },
            "devices": dict(self._targets.devices),
            "teachers": teachers,
            "objectives": self._quantities.objectives(),
            "constraints": self._quantities.constraints("constraints"),
            "goals": self._quantities.constraints("goals"),
            "metrics": self._quantities.metrics,
        }

    def _elastic_teacher(self, space: Node) -> dict[str, dict[str, Any]]:
        """Returns the teacher that an elastic training makes, if a distillation names it."""
        section = (self.mapping("space") or {}).get("distillation")
        if ELASTIC not in {name for _, name in teacher_names(section) if isinstance(name, str)}:
            return {}
        fields = dict(space.fields) if isinstance(space, Record) else {}
        teacher = teacher_description(fields.get("architecture", Fixed(None)))
        return {ELASTIC: teacher} if teacher else {}

    def _check_trainer_sections(self, task: Selection) -> None:
        """Notes sections that only your own trainer, or your own task, may have."""
        allowed = 'is allowed only with evaluate: "pkg.mod:function"'
        if "cheap" in self.data:
            self.problems.add(("cheap",), allowed)
        if brings_data(TASKS.get(task.name)):
            self._quantities.declared()
        elif "quantities" in self.data:
            self.problems.add(("quantities",), f"{allowed}, or with a task of your own")

    def _own_trainer(self) -> dict[str, Any]:
        """Reads the sections of a study with `evaluate`, as fields of the StudySpec."""
        self._trainer.refuse_built_in()
        functions = self._trainer.functions(self._file.parent)
        space = TrainerSpaceReader(self.problems).space(self.mapping("space"))
        objectives = self._trainer.objectives()
        trainer = self._trainer.trainer(functions, space, objectives)
        units = {**{o.name: o.unit for o in objectives}, **trainer.quantities}
        relative = trainer.baseline is not None
        return {
            "data": NOTHING,
            "baseline": BaselineSpec({}, None, None),
            "space": space,
            "runtime": NOTHING,
            "teachers": {},
            "objectives": objectives,
            "constraints": self._quantities.bounds("constraints", units, relative),
            "goals": self._quantities.bounds("goals", units, relative),
            "trainer": trainer,
        }

    def _option(self, table: Table, section: str) -> Selection | None:
        """Reads a section that picks one option, without domains."""
        value = self.data.get(section)
        if value is None:
            names = ", ".join(table.names)
            self.problems.add((section,), f"is missing; give one {table.kind}: {names}")
            return None
        node = self._reader.option(table, value, (section,))
        return self.fixed_option(node, (section,))

    def _space(
        self,
        task: Selection,
        baseline: BaselineSpec | None,
        deployments: Mapping[str | None, Selection],
        teachers: list[str],
    ) -> Node:
        section = self.mapping("space")
        if section is None:
            self.problems.add(
                ("space",), f"is missing; give what to search: {', '.join(SPACE_KEYS)}"
            )
            return Fixed(None)
        self.check_keys(section, SPACE_KEYS, ("space",))
        searched = section.get("architecture") is not None
        elastic = ElasticReader(self.problems, self._reader, baseline, section.get("pretrain"))
        self._reader.branches[ARCHITECTURES.kind, ELASTIC] = elastic.node
        architecture = self._part(section, "architecture", ARCHITECTURES, baseline)
        self._reader.layers = lambda: self._layers(architecture, baseline, task)
        fields: list[tuple[str, Node]] = [
            ("architecture", architecture),
            ("pretrain", self._recipe(section, "pretrain", baseline)),
            ("pruning", self._part(section, "pruning", PRUNINGS)),
            ("distillation", self._part(section, "distillation", DISTILLATIONS)),
            ("finetune", self._recipe(section, "finetune", None)),
            ("quantization", self._part(section, "quantization", QUANTIZATIONS)),
            (
                "checkpoint",
                checkpoint_of(
                    architecture,
                    baseline,
                    searched=searched,
                    recipe=section.get("pretrain") is not None,
                ),
            ),
        ]
        space = Record(tuple(fields))
        self._check_space(dict(fields), baseline if searched else None)
        self._targets.check_modes(deployments, option_names(dict(fields)["quantization"]))
        if elastic_node(architecture) is not None:
            teachers = [*teachers, ELASTIC]
        check_elastic(self.problems, section, dict(fields), teachers)
        check_distillation(self.problems, section.get("distillation"), dict(fields), teachers)
        return space

    def _layers(
        self, architecture: Node, baseline: BaselineSpec | None, task: Selection
    ) -> Sequence[str]:
        """Returns the prunable layers if a space has one architecture, else eighths of a network.

        The layers depend on the inputs, so this reads the data and builds a network.
        """
        task_has_data = brings_data(TASKS.get(task.name))
        data = NOTHING if task_has_data else self._option(DATASETS, "data")
        if list(parameters(architecture)) or data is None:
            return EIGHTHS
        from paretune.spaces.pruning.layer_names import prunable_layer_names

        value = assign(architecture, lambda name, domain: None)
        if not isinstance(value, Mapping):
            return EIGHTHS  # its mistake is noted already
        try:
            first = baseline.architecture if baseline else value
            params = data.params if task_has_data else concrete_params(data.params, first)
            dataset = load_data(
                data.name, params, self._file.parent, task=TaskChoice(task.name, task.params)
            )
        except UserError as error:
            self.problems.add(
                ("space", "pruning"),
                f"one domain for every layer needs the data, to list the layers: {error}",
            )
            return EIGHTHS
        made = dataset.task
        return prunable_layer_names(value, dataset.shape, made.outputs, made.keep) or EIGHTHS

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

    def _check_preset(self, data: Selection | None, baseline: BaselineSpec | None) -> None:
        """Notes a preset that cannot be known; nothing is imported for one that can."""
        if data is None or data == NOTHING or baseline is None or self.problems:
            return
        if starts_from_published(baseline.architecture):
            return
        try:
            concrete_params(data.params, baseline.architecture)
        except UserError as error:
            self.problems.add(("data", "preset"), str(error).removeprefix("data: preset: "))

    def _check_kinds(
        self,
        task: Selection,
        data: Selection | None,
        baseline: BaselineSpec | None,
        teachers: Mapping[str, Mapping[str, Any]],
        space: Node,
    ) -> None:
        if data is None or baseline is None or not isinstance(space, Record):
            return
        fields = dict(space.fields)
        section = self.mapping("space") or {}
        parts: dict[Key, Node] = {
            ("baseline", "architecture"): Fixed(dict(baseline.architecture)),
            ("baseline", "pretrain"): Fixed(baseline.pretrain),
            **{
                ("teachers", name, key): Fixed(teacher.get(part))
                for name, teacher in teachers.items()
                for key, part in (("architecture", "architecture"), ("pretrain", "recipe"))
            },
            **_elastic_recipes(fields["architecture"]),
            **{
                ("space", name): with_sources(fields[name])
                for name in ("architecture", "pretrain", "finetune", "distillation")
                if section.get(name) is not None
            },
        }
        check_kinds(self.problems, task, data.name, parts)

    def _check_space(self, fields: dict[str, Node], baseline: BaselineSpec | None) -> None:
        """Checks rules between the sections of the space.

        Args:
            fields: The sections.
            baseline: The baseline; None if the space has no other architecture.
        """
        if baseline and fields["pretrain"] == Fixed(None) and not self.problems:
            network = without_weights(fields["architecture"], baseline)
            if network is not None:
                self.problems.add(
                    ("space", "architecture"),
                    "other architectures need training; give space.pretrain (a recipe): there are "
                    f"no weights for {network}",
                )
        names = [p.name for p in parameters(Record(tuple(fields.items())))]
        for name in dict.fromkeys(name for name in names if names.count(name) > 1):
            self.problems.add(
                ("space",),
                f"two branches give the parameter {name}; give one of them a fixed value",
            )


def _elastic_recipes(architecture: Node) -> dict[Key, Node]:
    """Returns the recipe of an elastic training by its key, if the space has one."""
    branch = elastic_node(architecture)
    training = dict(branch.fields).get(TRAINING) if branch else None
    if not isinstance(training, Fixed):
        return {}
    return {("space", "architecture", ELASTIC): Fixed(training.value["recipe"])}


def _without_secrets(source: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the study file as it may be stored and shown: without the password of a storage."""
    storage = source.get("storage")
    if not isinstance(storage, str) or without_password(storage) == storage:
        return source
    return {**source, "storage": without_password(storage)}
