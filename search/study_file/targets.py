"""The sections `runtime` and `targets`: where the networks of a study are deployed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from paretune.objectives.devices.address import parse_address
from paretune.search.study.constraints import quantity_name
from paretune.search.study.spec import Selection, StudySpec
from paretune.search.study.tables import RUNTIMES
from paretune.search.study.target_device import KEYS, TargetDevice
from paretune.search.study_file.document import Document
from paretune.search.study_file.option_names import option_names
from paretune.search.study_file.problems import Problems
from paretune.search.study_file.section_reader import SectionReader
from paretune.search.study_file.space import SpaceReader
from paretune.search.study_file.target_devices import DeviceReader
from paretune.spaces.domains import Record

NAME = re.compile(r"^[A-Za-z]\w*$")
DEVICE_EXAMPLE = '{onnxruntime: {threads: 4}, device: "ssh://pi@cam"}'
EXAMPLE = "{phone: {executorch: {threads: 1}}, server: {onnxruntime: {threads: 4}}}"


class TargetReader(SectionReader):
    """Reads `runtime` and `targets`.

    Args:
        document: The study file.
        problems: Collects the mistakes.
        reader: Reads options of tables.

    Attributes:
        devices: Target -> its device, of the targets that have one; filled by `deployments`.
    """

    def __init__(self, document: Document, problems: Problems, reader: SpaceReader) -> None:
        super().__init__(document, problems)
        self._reader = reader
        self._device_reader = DeviceReader(document, problems)
        self.devices: dict[str | None, TargetDevice] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The targets' names, in order; empty in a study of one runtime."""
        section = self.data.get("targets")
        return tuple(map(str, section)) if isinstance(section, Mapping) else ()

    def deployments(self) -> dict[str | None, Selection]:
        """Returns target -> runtime with its options, in order; the target of `runtime` is None.

        Wrong runtimes are noted and left out.
        """
        if "targets" not in self.data:
            value = self.data.get("runtime", {"onnxruntime": {}})
            runtime = self._deployed(None, value, ("runtime",))
            return {} if runtime is None else {None: runtime}
        if "runtime" in self.data:
            self.problems.add(
                ("runtime",),
                "is given together with targets; keep one of them: runtime for one deployment, "
                "targets for several",
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
            runtime = self._deployed(str(name), value, key)
            if runtime is not None:
                yield str(name), runtime

    def _deployed(self, name: str | None, value: object, key: tuple[str, ...]) -> Selection | None:
        """Reads a runtime, and the device beside it."""
        if not isinstance(value, Mapping) or not any(each in value for each in KEYS):
            return self._runtime(value, key)
        beside = {each: value[each] for each in KEYS if each in value}
        rest = {each: option for each, option in value.items() if each not in KEYS}
        if not rest:
            self.problems.add(key, f"names a device but no runtime: {DEVICE_EXAMPLE}")
            return None
        runtime = self._runtime(rest, key)
        device = self._device_reader.device(beside, runtime, key)
        if device is not None:
            self.devices[name] = device
        return runtime

    def _runtime(self, value: object, key: tuple[str, ...]) -> Selection | None:
        if value is None:
            names = ", ".join(RUNTIMES.names)
            self.problems.add(key, f"is missing; give one runtime: {names}")
            return None
        return self.fixed_option(self._reader.option(RUNTIMES, value, key), key)

    def check_modes(
        self, deployments: Mapping[str | None, Selection], modes: Iterator[str]
    ) -> None:
        """Notes the quantizations of a space that no runtime supports.

        If some targets support it, it is not a mistake: the others deploy such candidates in float.
        """
        supported = {
            name: ("none", *RUNTIMES.get(runtime.name).quantizations)
            for name, runtime in deployments.items()
        }
        for mode in modes:
            if not supported or any(mode in of_runtime for of_runtime in supported.values()):
                continue
            if None in deployments:
                text = f'{deployments[None].name} has no quantization "{mode}"; it has '
                text += ", ".join(supported[None])
            else:
                each = [
                    f"{name} ({deployments[name].name}) has {', '.join(of_runtime)}"
                    for name, of_runtime in supported.items()
                ]
                text = f'no target has quantization "{mode}"; {"; ".join(each)}'
            self.problems.add(("space", "quantization"), text)


def target_notes(spec: StudySpec) -> Iterator[str]:
    """Yields the notes of `check` about a study's targets."""
    for target, device in spec.devices.items():
        where = f"{target}: " if target else ""
        yield f"{where}latency, memory and energy are those of the device {device.address}"
        runtime = spec.targets[target] if target else spec.runtime
        cores, threads = parse_address(device.address).cores, runtime.params["threads"]
        if cores is not None and threads > cores:
            yield (
                f"{where}{runtime.name} is to use {threads} threads, and the address of the device "
                f"has {cores} of its cores; give threads: {cores} or fewer"
            )
    if not spec.targets:
        return
    written = list(zip(spec.source["objectives"], (o.name for o in spec.objectives), strict=True))
    written += [(quantity_name(c.text), c.quantity) for c in (*spec.constraints, *spec.goals)]
    short = {name: full for name, full in written if name != full}
    if short:
        means = ", ".join(f"{name} is {full}" for name, full in short.items())
        yield f"a name without a target means the first target: {means}"
    assert isinstance(spec.space, Record)
    modes = [
        mode for mode in option_names(dict(spec.space.fields)["quantization"]) if mode != "none"
    ]
    for name, runtime in spec.targets.items():
        supported = RUNTIMES.get(runtime.name).quantizations
        missing = [mode for mode in modes if mode not in supported]
        if missing:
            yield (
                f"{name}: {runtime.name} has no {', '.join(missing)}; it deploys such candidates "
                "in float"
            )
