"""Where a study is deployed: `runtime`, or several `targets`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from paretune.search.study.constraints import bounded
from paretune.search.study.spec import Selection, StudySpec
from paretune.search.study.tables import RUNTIMES
from paretune.search.study_file.document import Document
from paretune.search.study_file.input_kinds import named
from paretune.search.study_file.problems import Problems
from paretune.search.study_file.section_reader import SectionReader
from paretune.search.study_file.space import SpaceReader
from paretune.spaces.domains import Record

NAME = re.compile(r"^[A-Za-z]\w*$")
EXAMPLE = "{phone: {executorch: {threads: 1}}, server: {onnxruntime: {threads: 4}}}"


class TargetReader(SectionReader):
    """Reads `runtime` and `targets`.

    Args:
        document: The study file.
        problems: Where mistakes are noted.
        reader: Of options.
    """

    def __init__(self, document: Document, problems: Problems, reader: SpaceReader) -> None:
        super().__init__(document, problems)
        self._reader = reader

    @property
    def names(self) -> tuple[str, ...]:
        """The targets' names, in order; empty in a study of one runtime."""
        given = self.data.get("targets")
        return tuple(map(str, given)) if isinstance(given, Mapping) else ()

    def deployments(self) -> dict[str | None, Selection]:
        """Target -> runtime with its options, the first target first; None for `runtime`.

        What is wrong is noted and left out.
        """
        if "targets" not in self.data:
            runtime = self._runtime(self.data.get("runtime", {"onnxruntime": {}}), ("runtime",))
            return {} if runtime is None else {None: runtime}
        if "runtime" in self.data:
            self.problems.add(
                ("runtime",),
                "is given beside targets; keep one of them: runtime for one place, targets for "
                "several",
            )
        section = self.data["targets"]
        if not isinstance(section, Mapping) or not section:
            self.problems.add(("targets",), f"give a runtime for each by its name: {EXAMPLE}")
            return {}
        return dict(self._named(section))

    def _named(self, section: Mapping[str, object]) -> Iterator[tuple[str, Selection]]:
        for name, value in section.items():
            key = ("targets", str(name))
            if not NAME.match(str(name)):
                self.problems.add(key, "give a name of letters, digits and _, as in latency@phone")
                continue
            runtime = self._runtime(value, key)
            if runtime is not None:
                yield str(name), runtime

    def _runtime(self, value: object, key: tuple[str, ...]) -> Selection | None:
        if value is None:
            names = ", ".join(RUNTIMES.names)
            self.problems.add(key, f"is missing; give one runtime: {names}")
            return None
        return self.concrete(self._reader.option(RUNTIMES, value, key), key)

    def check_modes(
        self, deployments: Mapping[str | None, Selection], modes: Iterator[str]
    ) -> None:
        """Notes the quantizations of a space that no place has.

        One that only some targets have is no mistake: the others take such candidates in float.
        """
        has = {
            name: ("none", *RUNTIMES.get(place.name).quantizations)
            for name, place in deployments.items()
        }
        for mode in modes:
            if not has or any(mode in supported for supported in has.values()):
                continue
            if None in deployments:
                text = f'{deployments[None].name} has no quantization "{mode}"; it has '
                text += ", ".join(has[None])
            else:
                known = [
                    f"{name} ({deployments[name].name}) has {', '.join(has[name])}" for name in has
                ]
                text = f'no target has quantization "{mode}"; {"; ".join(known)}'
            self.problems.add(("space", "quantization"), text)


def target_notes(spec: StudySpec) -> Iterator[str]:
    """What `check` says of a study's targets."""
    if not spec.targets:
        return
    written = list(zip(spec.source["objectives"], (o.name for o in spec.objectives), strict=True))
    written += [(bounded(c.text), c.quantity) for c in (*spec.constraints, *spec.goals)]
    plain = {name: full for name, full in written if name != full}
    if plain:
        means = ", ".join(f"{name} is {full}" for name, full in plain.items())
        yield f"a name without a target means the first: {means}"
    assert isinstance(spec.space, Record)
    modes = [mode for mode in named(dict(spec.space.fields)["quantization"]) if mode != "none"]
    for name, place in spec.targets.items():
        lacking = [mode for mode in modes if mode not in RUNTIMES.get(place.name).quantizations]
        if lacking:
            yield (
                f"{name}: {place.name} has no {', '.join(lacking)}; such candidates are in float "
                "there"
            )
