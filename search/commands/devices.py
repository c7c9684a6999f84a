"""`paretune devices`: lists the devices that were tried, and tries devices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from paretune.search.commands.shared import (
    DONE,
    NOTHING,
    SCHEMA,
    WRONG_INPUT,
    json_option,
    print_json,
)

if TYPE_CHECKING:
    from paretune.search.study.spec import StudySpec


@click.command("devices")
@click.argument("devices", nargs=-1, metavar="[list | test [ADDRESS|STUDY]...]")
@click.option(
    "--runtime",
    "runtimes",
    multiple=True,
    metavar="NAME",
    help="A runtime that must work there; can be repeated.",
)
@json_option
def command(devices: tuple[str, ...], runtimes: tuple[str, ...], as_json: bool) -> int:
    """Try devices, or list those that were tried before.

    An ADDRESS is ssh://user@host, adb://SERIAL or local://. A STUDY stands for the devices of
    its targets, which are tried with their runtimes. `list` shows the devices of earlier tries,
    and `test` without an address tries them again. `test` may be left out.
    """
    from paretune.objectives.devices.remembered import remembered_devices
    from paretune.objectives.devices.trying import try_device
    from paretune.search.views.devices import remembered_text, tried_text

    remembered = remembered_devices()
    verb, devices = _verb(devices)
    devices = devices or (tuple(remembered) if verb == "test" else ())
    if not devices:
        if as_json:
            rows = [{"address": address, **facts} for address, facts in sorted(remembered.items())]
            print_json({"schema": SCHEMA, "devices": rows})
        else:
            click.echo(remembered_text(remembered))
        return DONE
    tried = []
    for address, wanted in _wanted(devices, runtimes).items():
        tried.append(try_device(address, dict(sorted(wanted.items()))))
        if not as_json:
            click.echo(tried_text(tried[-1]))
    if as_json:
        print_json({"schema": SCHEMA, "devices": [each.to_json() for each in tried]})
    verdicts = {each.verdict for each in tried}
    return WRONG_INPUT if "refused" in verdicts else NOTHING if "lost" in verdicts else DONE


def _verb(devices: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Returns "list" or "test", and the addresses and studies that follow it."""
    from paretune.search.errors import UserError

    if devices and devices[0] in ("list", "test"):
        if devices[0] == "list" and devices[1:]:
            raise UserError(f"list takes no address; type: paretune devices test {devices[1]}")
        return devices[0], devices[1:]
    return "test" if devices else "list", devices


def _wanted(devices: tuple[str, ...], runtimes: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Returns address -> runtime to try there -> most threads of a target there."""
    from paretune.objectives.devices.address import parse_address
    from paretune.objectives.devices.errors import DeviceRefused
    from paretune.objectives.devices.runtimes import check_on_device
    from paretune.search.errors import UserError

    wanted: dict[str, dict[str, int]] = {}
    try:
        for runtime in runtimes:
            check_on_device(runtime)
        for device in devices:
            if "://" in device:
                parse_address(device)
    except DeviceRefused as error:
        raise UserError(str(error)) from error
    for device in devices:
        if "://" in device:
            wanted.setdefault(device, {}).update(dict.fromkeys(runtimes, 0))
            continue
        if "@" in device:
            raise UserError(
                f"{device} is not a study file; an address begins with ssh://, as in ssh://{device}"
            )
        spec = _spec(device)
        if not spec.devices:
            raise UserError(
                f"{device}: no target of this study names a device, such as "
                'pi: {onnxruntime: {threads: 4}, device: "ssh://pi@cam"}'
            )
        for target, its_device in spec.devices.items():
            selected = spec.targets[target] if target else spec.runtime
            threads = wanted.setdefault(its_device.address, dict.fromkeys(runtimes, 0))
            most = max(threads.get(selected.name, 0), selected.params["threads"])
            threads[selected.name] = most
    return wanted


def _spec(study: str) -> StudySpec:
    """Returns a study by its file, or by its folder as it was run last.

    Raises:
        UserError: There is neither, or the file has mistakes.
    """
    from paretune.search.errors import UserError
    from paretune.search.locate import locate
    from paretune.search.study_file.loading import load_study

    if not Path(study).exists():
        raise UserError(
            f"{study}: there is no such study file or folder, and an address begins with ssh://, "
            "adb:// or local://"
        )
    return locate(study).spec() if Path(study).is_dir() else load_study(study)
