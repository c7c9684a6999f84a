#!/usr/bin/env python3
"""The runner: Paretune's program on a device; it runs networks and times them.

The host sends it, so it is one file: Python 3.8, the standard library, NumPy and the runtime's own
package. It imports nothing of Paretune. Standard input brings requests and standard output takes
answers. A message is a line of JSON; its key `bytes` says how many bytes follow the line.

It ends when its input ends, and when the host gives no sign of life.
"""

# ruff: noqa: B905, UP022, UP031
from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import glob
import hashlib
import importlib
import json
import mmap
import os
import platform
import queue
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import traceback
import uuid
import zipfile
from array import array
from typing import Any

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

ROOT = "/"
"""Folder of /sys, /proc and /etc."""

ALIVE_S = 2.0
"""Seconds between two signs of life."""

QUIET_S = 10.0
"""Seconds between two signs of life while networks are timed."""

FILES_BYTES = 2 << 30
"""Files that are kept on the device, in bytes; the ones that were used longest ago go first."""

KEPT_S = 3600.0
"""A file that was used in the last hour stays, because another runner may use it."""

SPARE_BYTES = 64 << 20
"""Bytes that stay free on the disk."""

PROCESS_S = 300
"""Seconds that a process of `memory` may take."""

COOL = 65.0
"""Degrees Celsius at the start of a session, for devices that declare no limit."""

BELOW_TRIP = 15.0
"""A session starts this many degrees below the temperature at which the device slows down."""

GATE_LOOK_S = 1.0
"""Seconds between two looks at the temperature."""


class Refusal(Exception):
    """A request that cannot be done.

    Attributes:
        kind: "refused" (a person must change something), "unmeasurable" (this file cannot be
            measured), "failed" (the network raised an exception), "missing" (a file is not here),
            "busy" (another holds the lease).
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def one_line(error: BaseException) -> str:
    """Returns an exception's class and text in one line of at most 500 characters."""
    return "{}: {}".format(type(error).__name__, " ".join(str(error).split()))[:500]


# --- Messages ------------------------------------------------------------------------------------


class Channel:
    """Reads requests in a thread of its own and writes answers.

    Args:
        source: File descriptor of the requests.
        target: File descriptor of the answers.
        silence: Seconds without a byte from the host, after which the process ends.
        files: Takes the files that are put.
    """

    def __init__(self, source: int, target: int, silence: float, files: Files) -> None:
        self._input = os.fdopen(source, "rb", 1 << 16)
        self._target = target
        self._files = files
        self._silence = silence
        self._lock = threading.Lock()
        self._read = self._written = time.monotonic()
        self.quiet = False
        self.requests: queue.Queue[tuple[dict[str, Any], bytes]] = queue.Queue()
        for work in (self._receive, self._live):
            threading.Thread(target=work, daemon=True).start()

    def send(self, message: dict[str, Any], data: bytes = b"") -> None:
        """Writes a message and its data."""
        if data:
            message = dict(message, bytes=len(data))
        with self._lock:
            self._write(json.dumps(message).encode() + b"\n" + data)

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        try:
            while view:
                view = view[os.write(self._target, view[: 1 << 16]) :]
                self._written = time.monotonic()
        except OSError:
            leave(0)

    def _receive(self) -> None:
        try:
            for line in iter(self._input.readline, b""):
                self._read = time.monotonic()
                message = json.loads(line)
                length = message.get("bytes", 0)
                if message["do"] == "put":
                    message["problem"] = self._files.take(message, self._chunks(length))
                    self.requests.put((message, b""))
                elif message["do"] != "ping":
                    self.requests.put((message, b"".join(self._chunks(length))))
        except (OSError, ValueError):
            pass
        leave(0)  # the host has closed the link

    def _chunks(self, length: int) -> Any:
        while length:
            chunk = self._input.read(min(length, 1 << 16))
            if not chunk:
                leave(0)
            self._read = time.monotonic()
            length -= len(chunk)
            yield chunk

    def _live(self) -> None:
        """Gives signs of life, and ends the process if the host gives none."""
        while True:
            time.sleep(ALIVE_S)
            now = time.monotonic()
            if now - self._read > self._silence:
                leave(3)
            silent = now - self._written
            # Without waiting for the lock: a long answer is a sign of life itself.
            due = silent >= (QUIET_S if self.quiet else ALIVE_S / 2)
            if due and self._lock.acquire(blocking=False):
                try:
                    self._write(b'{"alive": true}\n')
                finally:
                    self._lock.release()


def leave(status: int) -> None:
    """Ends the process at once; the kernel releases the lease."""
    Files.remove_part()
    os._exit(status)


# --- Files ---------------------------------------------------------------------------------------


class Files:
    """Files by the digest of their content, in a folder that is kept between runs."""

    part = ""

    def __init__(self, folder: str) -> None:
        self.folder = os.path.join(folder, "files")
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self._checked: dict[str, tuple[int, int]] = {}
        self._remove_parts()

    def path(self, name: str) -> str:
        """Returns the path of a file by its name: digest and suffix."""
        if os.path.basename(name) != name or name.startswith("."):
            raise Refusal("refused", "a file's name must be a digest and a suffix: " + name)
        return os.path.join(self.folder, name)

    def has(self, name: str) -> bool:
        """Returns whether a file is here; its content is compared with the digest once."""
        path = self.path(name)
        try:
            status = os.stat(path)
            stamp = (status.st_size, status.st_mtime_ns)
            if self._checked.get(name) != stamp and digest_of(path) != name.split(".")[0]:
                os.remove(path)  # damaged: the host sends it again
                return False
            os.utime(path)
            status = os.stat(path)
            self._checked[name] = (status.st_size, status.st_mtime_ns)
            return True
        except OSError:
            return False

    def take(self, message: dict[str, Any], chunks: Any) -> str | None:
        """Writes a file that arrives; returns why it could not be written, or None."""
        name, problem = message["name"], None
        digest = hashlib.sha256()
        part = os.path.join(self.folder, ".part-%d-%s" % (os.getpid(), uuid.uuid4().hex))
        try:
            self._make_room(message["bytes"])
            Files.part = part
            with open(part, "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            if digest.hexdigest() == name.split(".")[0]:
                os.replace(part, self.path(name))
                status = os.stat(self.path(name))
                self._checked[name] = (status.st_size, status.st_mtime_ns)
            else:
                problem = "the content that arrived has another digest"
        except OSError as error:
            problem = self._room_text(message["bytes"], error)
        for _ in chunks:  # what follows in the input is the next message
            pass
        Files.remove_part()
        return problem

    @staticmethod
    def remove_part() -> None:
        """Removes the file that is being written, if there is one."""
        if Files.part:
            with contextlib.suppress(OSError):
                os.remove(Files.part)
            Files.part = ""

    def _make_room(self, size: int) -> None:
        """Removes the files that were used longest ago.

        Raises:
            OSError: The disk has no room even so.
        """
        paths = [os.path.join(self.folder, n) for n in os.listdir(self.folder) if n[0] != "."]
        oldest = sorted((os.stat(path).st_mtime, os.path.getsize(path), path) for path in paths)
        kept = sum(length for _, length, _ in oldest)
        used = set(map(self.path, self._checked))
        for when, length, path in oldest:
            full = shutil.disk_usage(self.folder).free < size + SPARE_BYTES
            old = kept + size > FILES_BYTES and abs(time.time() - when) > KEPT_S
            if (full or old) and path not in used:
                os.remove(path)
                kept -= length
        if shutil.disk_usage(self.folder).free < size + SPARE_BYTES:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _room_text(self, size: int, error: OSError) -> str:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return f"{self.folder} cannot be written: {error.strerror or error}"
        free = shutil.disk_usage(self.folder).free
        return (
            f"no room for a file of {size / 1e6:.1f} MB: {self.folder} has {free / 1e6:.1f} MB "
            f"free, and {SPARE_BYTES / 1e6:.0f} MB must stay free; remove files there, or name "
            "another folder by ?folder= in the address"
        )

    def _remove_parts(self) -> None:
        """Removes parts of files that a runner left behind when it was killed."""
        for path in glob.glob(os.path.join(self.folder, ".part-*")):
            with contextlib.suppress(OSError):
                if time.time() - os.stat(path).st_mtime > KEPT_S:
                    os.remove(path)


def digest_of(path: str) -> str:
    """Returns the SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


# --- The lease -----------------------------------------------------------------------------------


class Lease:
    """The device's lock: a file that one process of all users holds, until it ends."""

    def __init__(self, folder: str) -> None:
        # In the folder of temporary files, because users of one device have different caches.
        shared = os.path.isdir("/tmp") and os.access("/tmp", os.W_OK)
        self.path = os.path.join("/tmp" if shared else folder, "paretune-device.lock")
        self._file = -1

    @property
    def is_held(self) -> bool:
        """Whether this process holds it."""
        return self._file >= 0

    def holder(self) -> str | None:
        """Returns the name of the present holder, or None if the device is free."""
        if self._file < 0:
            if not self.take("", record=False):
                return self._holder() or "another process"
            self.release()
            return None
        return self._holder()

    def take(self, holder: str, record: bool = True) -> bool:
        """Takes the lease; returns False if another process holds it."""
        if fcntl is None:
            raise Refusal(
                "refused", "this system has no file locks (fcntl): no lease of the device"
            )
        if self._file >= 0:
            return True
        file = self._open()
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._file = file
        if record:
            # The file may be another user's, which this one may not write.
            with contextlib.suppress(OSError), open(self.path, "w") as target:
                target.write(holder)
        return True

    def release(self) -> None:
        """Releases the lease, if it is held."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> int:
        with contextlib.suppress(OSError):  # an existing file, perhaps another user's
            return os.open(self.path, os.O_RDONLY)
        before = os.umask(0)
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            text = f"the device's lock {self.path} cannot be made: {error}"
            raise Refusal("refused", text) from error
        finally:
            os.umask(before)

    def _holder(self) -> str | None:
        try:
            with open(self.path) as file:
                return file.read(200).strip() or None
        except OSError:
            return None


# --- Facts ---------------------------------------------------------------------------------------


def text_of(*parts: str) -> str | None:
    """Returns the content of a file of the system, or None."""
    try:
        with open(os.path.join(ROOT, *parts), errors="replace") as file:
            return file.read().strip("\0\n ")
    except OSError:
        return None


def number_of(*parts: str) -> float | None:
    """Returns the number in a file of the system, or None."""
    try:
        return float(text_of(*parts) or "")
    except ValueError:
        return None


def paths(pattern: str) -> list[str]:
    """Returns the paths of the system that match a pattern."""
    return sorted(glob.glob(os.path.join(ROOT, pattern)))


def cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


PROCESSOR_SENSORS = ("cpu", "soc", "pkg", "core", "k10temp", "zenpower", "big", "little", "tsens")
"""Parts of the names of temperature sensors in the processor."""


def sensors() -> dict[str, float]:
    """Returns the processor's temperatures in Celsius, or those of all sensors."""
    values = {}
    for zone in paths("sys/class/thermal/thermal_zone*"):
        values[text_of(zone, "type") or os.path.basename(zone)] = number_of(zone, "temp")
    for folder in paths("sys/class/hwmon/hwmon*"):
        for path in glob.glob(os.path.join(folder, "temp*_input")):
            name = "{} {}".format(text_of(folder, "name"), os.path.basename(path)[:-6])
            values[name] = number_of(path)
    celsius = {n: v / 1000 for n, v in values.items() if v is not None and 0 < v < 150_000}
    of_processor = {
        n: v for n, v in celsius.items() if any(p in n.lower() for p in PROCESSOR_SENSORS)
    }
    return of_processor or celsius


def trip_point() -> float | None:
    """Returns the lowest temperature in Celsius at which the device reduces clocks, or None."""
    points = []
    for path in paths("sys/class/thermal/thermal_zone*/trip_point_*_type"):
        celsius = number_of(path[: -len("type")] + "temp")
        if text_of(path) == "passive" and celsius and 30_000 < celsius < 150_000:
            points.append(celsius / 1000)
    return min(points) if points else None


def clocks() -> list[float]:
    """Returns the present clock of each core in MHz."""
    frequencies = [
        number_of(p) for p in paths("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
    ]
    mhz = [round(khz / 1000, 1) for khz in frequencies if khz]
    if not mhz:
        lines = (text_of("proc/cpuinfo") or "").splitlines()
        with contextlib.suppress(ValueError):
            mhz = [float(line.split(":")[1]) for line in lines if line.startswith("cpu MHz")]
    return mhz


def governors() -> list[str]:
    """Returns the distinct governors of the clocks."""
    files = paths("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    return sorted({text_of(path) or "" for path in files} - {""})


PI_FLAGS = ("under-voltage", "clock capped", "throttled", "soft temperature limit")
"""The lowest bits of a Raspberry Pi's `get_throttled`; higher bits are of the past."""


class Throttling:
    """Signs of reduced clocks. Intel's processors count events, so looks are compared."""

    def __init__(self) -> None:
        self._events = self._count()

    def signs(self) -> list[str]:
        """Returns the signs now; events since the last look count as now."""
        signs = [name for bit, name in enumerate(PI_FLAGS) if self._pi() >> bit & 1]
        for folder in paths("sys/class/thermal/cooling_device*"):
            kind, state = text_of(folder, "type") or "", number_of(folder, "cur_state") or 0
            if state > 0 and any(part in kind.lower() for part in ("cpu", "processor")):
                signs.append(f"{kind}: level {state:.0f}")
        events, self._events = self._events, self._count()
        if self._events > events:
            signs.append(f"{self._events - events:.0f} thermal events")
        return signs

    @staticmethod
    def _count() -> float:
        files = paths("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count")
        return sum(number_of(path) or 0 for path in files)

    @staticmethod
    def _pi() -> int:
        value = text_of("sys/devices/platform/soc/soc:firmware/get_throttled")
        if value is None and shutil.which("vcgencmd"):
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                value = subprocess.check_output(["vcgencmd", "get_throttled"], timeout=5).decode()
        try:
            return int((value or "0").split("=")[-1], 16)
        except ValueError:
            return 0


throttling = Throttling()


def load_average() -> float | None:
    """Returns the load of the last minute, or None."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def state() -> dict[str, Any]:
    """Returns temperature, clocks and throttling now."""
    celsius = sensors()
    return {
        "celsius": max(celsius.values()) if celsius else None,
        "mhz": clocks(),
        "governors": governors(),
        "throttled": throttling.signs(),
        "load_average": load_average(),
    }


PACKAGES = {
    "onnxruntime": (
        ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-qnn"),
        "onnxruntime",
    ),
    "litert": (("ai-edge-litert", "tflite-runtime"), "ai_edge_litert.interpreter"),
    "openvino": (("openvino",), "openvino"),
    "ncnn": (("ncnn",), "ncnn"),
    "mnn": (("MNN",), "MNN"),
    "executorch": (("executorch",), "executorch.runtime"),
}
"""Runtime -> packages that have it, of which one is enough, and the module to import."""


def versions(names: Any) -> str | None:
    """Returns the version of the first package that is installed; it is not imported."""
    from importlib import metadata

    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            return f"{name} {metadata.version(name)}"
    return None


def hello(files: Files, lease: Lease) -> dict[str, Any]:
    """Returns what this device is."""
    version = versions(["numpy"])
    runtimes = {name: versions(packages) for name, (packages, _) in PACKAGES.items()}
    counters, reason = energy_counters()
    return {
        "identity": hashlib.sha256(serial().encode()).hexdigest()[:16],
        "machine": platform.machine(),
        "system": platform.platform(),
        "model": model(),
        "cpu": processor(),
        "cores": cores(),
        "memory_bytes": memory_bytes(),
        "python": platform.python_version(),
        "numpy": version.split()[1] if version else None,
        "runtimes": {name: version for name, version in runtimes.items() if version},
        "counters": sorted(counters),
        "no_counters": reason,
        "holder": lease.holder(),
        "state": state(),
        "runner": digest_of(os.path.abspath(__file__)),
        "pid": os.getpid(),
        "executable": sys.executable,
        "folder": files.folder,
    }


def serial() -> str:
    """Returns a number that only this device has."""
    return (
        text_of("proc/device-tree/serial-number")
        or text_of("etc/machine-id")
        or android("ro.serialno")
        or f"{platform.node()} {uuid.getnode()}"
    )


def model() -> str:
    """Returns the name of the board or host."""
    return (
        text_of("proc/device-tree/model")
        or android("ro.product.model")
        or text_of("sys/class/dmi/id/product_name")
        or platform.node()
    )


def android(name: str) -> str | None:
    """Returns a property of an Android system, or None."""
    if not shutil.which("getprop"):
        return None
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return subprocess.check_output(["getprop", name], timeout=5).decode().strip() or None
    return None


def processor() -> str:
    """Returns the name of the processor."""
    for line in (text_of("proc/cpuinfo") or "").splitlines():
        if line.startswith(("model name", "Model", "Hardware")):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def memory_bytes() -> int | None:
    """Returns the memory of the device, or None."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


# --- Energy --------------------------------------------------------------------------------------


class Counter:
    """An energy counter: microjoules in a file, which starts again at a limit."""

    def __init__(self, path: str, limit: float | None = None) -> None:
        self._path, self._limit = path, limit
        self._last, self._total = self._value(), 0.0

    def joules(self) -> float:
        """Returns the Joules since the counter was made."""
        value = self._value()
        step = value - self._last
        if step < 0:
            if not self._limit:
                raise Refusal("refused", f"the energy counter {self._path} ran backwards")
            step += self._limit
        self._last, self._total = value, self._total + step
        return self._total / 1e6

    def _value(self) -> float:
        with open(self._path) as file:
            return float(file.read())


def energy_counters() -> tuple[dict[str, Any], str | None]:
    """Returns a function for each counter that makes it, or the reason why there is none.

    Counters of processor packages and their memory, else one of the board. Sensors of power are
    not used: their samples would have to be added up, which is an estimate.
    """
    files = {}
    for zone in paths("sys/class/powercap/intel-rapl:*"):
        name = text_of(zone, "name") or ""
        if os.path.basename(zone).count(":") == 1 and name.startswith("package"):
            files["RAPL " + name] = zone
            for inner in glob.glob(os.path.join(zone, "intel-rapl:*")):
                if text_of(inner, "name") == "dram":
                    files[f"RAPL {name} dram"] = inner
    counters = {
        name: (os.path.join(zone, "energy_uj"), number_of(zone, "max_energy_range_uj"))
        for name, zone in files.items()
    }
    if not counters:
        counters = board_counters()
        if isinstance(counters, str):
            return {}, counters
    unreadable = [path for path, _ in counters.values() if not os.access(path, os.R_OK)]
    if unreadable:
        return {}, f"only root may read the energy counters (sudo chmod a+r {unreadable[0]})"
    return {name: (lambda a=a: Counter(*a)) for name, a in counters.items()}, None


def board_counters() -> Any:
    """Returns the energy counters of sensor chips, or the reason why there is none to use."""
    inputs = paths("sys/class/hwmon/hwmon*/energy*_input")
    labels = {path: text_of(path[: -len("input")] + "label") or "" for path in inputs}
    sockets = [path for path in inputs if labels[path].startswith("Esocket")]
    chosen = sockets or inputs
    if not chosen:
        return "no energy counters (/sys/class/powercap and /sys/class/hwmon have none)"
    if len(chosen) > 1 and not sockets:
        return "several energy counters ({}): which of them count the board is unknown".format(
            ", ".join(labels[path] or path for path in chosen)
        )
    chip = [text_of(os.path.dirname(path), "name") or "hwmon" for path in chosen]
    return {f"{n} {labels[p]}".strip(): (p, None) for n, p in zip(chip, chosen)}


# --- Runtimes ------------------------------------------------------------------------------------


def numpy() -> Any:
    """Returns NumPy.

    Raises:
        Refusal: It is missing or broken.
    """
    try:
        import numpy as np
    except Exception as error:
        raise Refusal("refused", install_text("NumPy", "numpy", error)) from error
    return np


def check_runtime(name: str) -> str:
    """Imports NumPy and a runtime; returns its version.

    Raises:
        Refusal: One of them is missing or broken.
    """
    if name not in PACKAGES:
        raise Refusal("refused", "the runner has no runtime " + name)
    packages, _ = PACKAGES[name]
    numpy()
    try:
        importlib.import_module(module_of(name))
    except Exception as error:
        raise Refusal("refused", install_text(name, packages[0], error)) from error
    return versions(packages) or "unknown"


def module_of(name: str) -> str:
    """Returns the module of a runtime; many Raspberry Pis have LiteRT under its older name."""
    if name == "litert" and not versions(["ai-edge-litert"]) and versions(["tflite-runtime"]):
        return "tflite_runtime.interpreter"
    return PACKAGES[name][1]


def install_text(name: str, package: str, error: BaseException) -> str:
    """Returns what to type on the device to install a package."""
    missing = isinstance(error, ImportError) and versions([package]) is None
    problem = "is not installed" if missing else f"does not work ({one_line(error)})"
    python = sys.executable
    where = f"{python} (Python {platform.python_version()}, {platform.machine()})"
    if is_externally_managed():
        packages = package if package == "numpy" else f"numpy {package}"
        return (
            f"{name} {problem} in {where}, where pip must not install; type there: "
            f"{environment_text(python, packages)}"
        )
    return (
        f"{name} {problem} in {where}; type there: {python} -m pip install {package}, or name "
        "another Python by ?python= in the address"
    )


def environment_text(python: str, packages: str) -> str:
    """Returns what to type on the device for an environment with some packages."""
    return (
        f"{python} -m venv ~/.paretune && ~/.paretune/bin/pip install {packages}, and add "
        "?python=~/.paretune/bin/python to the address"
    )


def is_externally_managed() -> bool:
    """Returns whether this Python is the system's own, and pip refuses to install into it.

    Source: https://peps.python.org/pep-0668
    """
    marker = os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    return sys.prefix == sys.base_prefix and os.path.exists(marker)


class OnnxSession:
    """A session of ONNX Runtime, with the settings that the host uses."""

    denormals = "flushed"

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        import onnxruntime as ort

        settings = ort.SessionOptions()
        settings.intra_op_num_threads = options["threads"]
        settings.inter_op_num_threads = 1
        settings.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        settings.log_severity_level = 3
        settings.add_session_config_entry("session.set_denormal_as_zero", "1")
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        provider = options["provider"]
        if provider not in ort.get_available_providers():
            raise Refusal(
                "refused",
                "ONNX Runtime has no {} here; it has: {}".format(
                    provider, ", ".join(ort.get_available_providers())
                ),
            )
        providers = [(provider, self._own(provider, options["threads"]))]
        self._session = ort.InferenceSession(path, settings, providers=providers)
        used = self._session.get_providers()
        if provider not in used:
            raise Refusal(
                "refused",
                "{} could not be started here; ONNX Runtime would use {}".format(
                    provider, ", ".join(used)
                ),
            )
        self._inputs = [each.name for each in self._session.get_inputs()]
        self._outputs = [each.name for each in self._session.get_outputs()]

    @staticmethod
    def _own(provider: str, threads: int) -> dict[str, str]:
        """Returns a provider's own options; OpenVINO's ignores the session's thread count."""
        if provider != "OpenVINOExecutionProvider":
            return {}
        return {"device_type": "CPU", "num_of_threads": str(threads or cores())}

    def __call__(self, *inputs: Any) -> Any:
        """Returns the outputs."""
        return self._session.run(self._outputs, dict(zip(self._inputs, inputs)))


class LiteRtSession:
    """A session of LiteRT, which runs the examples of a batch one by one."""

    denormals = "kept"

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        module = importlib.import_module(module_of("litert"))
        self._interpreter = module.Interpreter(path, num_threads=options["threads"] or cores())
        self._interpreter.allocate_tensors()
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        if not len(inputs) == len(outputs) == 1:
            signature = self._interpreter.get_signature_runner("serving_default")
            inputs = self._in_order(signature.get_input_details())
            outputs = self._in_order(signature.get_output_details())
        self._inputs, self._outputs = inputs, outputs

    @staticmethod
    def _in_order(details: Any) -> list[Any]:
        return [details[name] for name in sorted(details, key=lambda n: int(n.rpartition("_")[2]))]

    def __call__(self, *inputs: Any) -> Any:
        """Returns the outputs in float32 where the file rounds them."""
        import numpy as np

        rounded = [self._rounded(*each) for each in zip(inputs, self._inputs)]
        rows = [self._run([each[i : i + 1] for each in rounded]) for i in range(len(inputs[0]))]
        columns = map(np.concatenate, zip(*rows))
        return [self._unrounded(*each) for each in zip(columns, self._outputs)]

    def _run(self, example: list[Any]) -> list[Any]:
        for values, details in zip(example, self._inputs):
            self._interpreter.set_tensor(details["index"], values)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(details["index"]) for details in self._outputs]

    @staticmethod
    def _rounded(values: Any, details: Any) -> Any:
        import numpy as np

        scale, zero = details["quantization"]
        kind = details["dtype"]
        if not scale:
            return values.astype(kind, copy=False)
        limits = np.iinfo(kind)
        return np.clip(np.rint(values / scale) + zero, limits.min, limits.max).astype(kind)

    @staticmethod
    def _unrounded(values: Any, details: Any) -> Any:
        import numpy as np

        scale, zero = details["quantization"]
        return (values.astype(np.float32) - zero) * np.float32(scale) if scale else values


class OpenVinoSession:
    """A session of OpenVINO, with the settings that the host uses."""

    denormals = "flushed"

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        import openvino

        device = options["device"]
        settings = {"INFERENCE_PRECISION_HINT": options["precision"], "PERFORMANCE_HINT": "LATENCY"}
        core = openvino.Core()
        if device == "CPU":
            settings["INFERENCE_NUM_THREADS"] = options["threads"] or cores()
            settings["CPU_DENORMALS_OPTIMIZATION"] = True
        kinds = {name.partition(".")[0] for name in [*core.available_devices, "AUTO"]}
        if device.partition(".")[0].partition(":")[0] not in kinds:
            raise Refusal(
                "refused",
                "OpenVINO has no device {} here; it has: {}".format(device, ", ".join(kinds)),
            )
        compiled = core.compile_model(core.read_model(path), device, settings)
        self._request = compiled.create_infer_request()

    def __call__(self, *inputs: Any) -> Any:
        """Returns copies of the outputs; the next call overwrites the request's own."""
        results = self._request.infer(dict(enumerate(inputs)), share_inputs=True)
        return [results[index].copy() for index in range(len(results))]


class ExecuTorchSession:
    """A session of ExecuTorch, which also needs torch on the device."""

    denormals = "flushed"

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        import torch
        from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
        from executorch.runtime import Runtime

        torch.set_flush_denormal(True)
        _unsafe_reset_threadpool(options["threads"] or cores())
        self._largest = options["largest_batch"]
        with open(path, "rb") as file:
            self._program = Runtime.get().load_program(file.read())
        self._method = self._program.load_method("forward")

    def __call__(self, *inputs: Any) -> Any:
        """Returns the outputs; a batch larger than the file's runs in parts."""
        import numpy as np

        starts = range(0, len(inputs[0]), self._largest)
        parts = [self._run([each[i : i + self._largest] for each in inputs]) for i in starts]
        return list(map(np.concatenate, zip(*parts)))

    def _run(self, inputs: list[Any]) -> list[Any]:
        import torch

        outputs = self._method.execute([torch.from_numpy(each) for each in inputs])
        return [output.numpy().copy() for output in outputs]


class NcnnSession:
    """A session of ncnn on an archive of its two files; it runs a batch one by one."""

    denormals = "flushed"

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        import ncnn

        with zipfile.ZipFile(path) as file, tempfile.TemporaryDirectory() as folder:
            self._layout = json.loads(file.read("layout.json"))
            self._net = ncnn.Net()
            self._net.opt.num_threads = options["threads"] or cores()
            for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic"):
                setattr(self._net.opt, name, self._layout["float16"])
            size, expected = file.getinfo("model.ncnn.bin").file_size, self._layout["weight_bytes"]
            if size != expected:  # ncnn would read beyond the end of a shorter file, and crash
                raise ValueError(f"model.ncnn.bin has {size} bytes, not {expected}")
            param, weights = file.read("model.ncnn.param"), file.extract("model.ncnn.bin", folder)
            if self._net.load_param_mem(param.decode()) or self._net.load_model(weights):
                raise ValueError("a layer or its weights are damaged")

    def __call__(self, *inputs: Any) -> Any:
        """Returns the outputs."""
        import numpy as np

        rows = [self._run([each[i] for each in inputs]) for i in range(len(inputs[0]))]
        return [np.stack(column) for column in zip(*rows)]

    def _run(self, example: list[Any]) -> list[Any]:
        import ncnn
        import numpy as np

        extractor = self._net.create_extractor()
        for each in self._layout["inputs"]:
            values = np.ascontiguousarray(example[each["index"]], each["type"])
            extractor.input(each["blob"], ncnn.Mat(values).clone())
        outputs = []
        for index, shape in enumerate(self._layout["outputs"]):
            status, blob = extractor.extract(f"out{index}")
            if status:
                raise ValueError(f"ncnn cannot compute out{index} (status {status})")
            outputs.append(np.array(blob).reshape(shape))
        return outputs


class MnnSession:
    """A session of MNN on a file of Paretune, whose free text says how to run it."""

    denormals = "kept"

    def __init__(self, path: str, options: dict[str, Any]) -> None:
        from MNN import expr, nn

        notes = self._notes(path)
        settings = {"backend": "CPU", "numThread": options["threads"] or cores()}
        settings["precision"] = 2 if notes["float16"] else 1  # low, high
        settings["memory"] = 2 if notes["low_memory"] else 0  # low, normal
        manager = nn.create_runtime_manager((settings,))
        names = notes["inputs"], list(notes["outputs"])
        self._module = nn.load_module_from_file(path, *names, runtime_manager=manager)
        self._expr, self._outputs = expr, list(notes["outputs"].values())
        self._types = {"float32": expr.float, "int32": expr.int, "uint8": expr.uint8}

    def __call__(self, *inputs: Any) -> Any:
        """Returns the outputs."""
        results = self._module.forward([self._variable(each) for each in inputs])
        if len(results) != len(self._outputs):
            raise ValueError("MNN cannot run the network on these inputs")
        outputs = [self._expr.convert(each, self._expr.NCHW) for each in results]
        # `read` returns memory of the output, which lives until the copy.
        return [each.read().astype(kind) for each, kind in zip(outputs, self._outputs)]

    @staticmethod
    def _notes(path: str) -> dict[str, Any]:
        """Returns the text that begins the root table of the flatbuffer, which is JSON."""
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            [root] = struct.unpack_from("<I", data, 0)
            table = root - struct.unpack_from("<i", data, root)[0]
            entry = root + struct.unpack_from("<H", data, table + 4)[0]
            text = entry + struct.unpack_from("<I", data, entry)[0]
            [length] = struct.unpack_from("<I", data, text)
            return dict(json.loads(data[text + 4 : text + 4 + length]))

    def _variable(self, values: Any) -> Any:
        import numpy as np

        kind = {"int64": "int32", "bool": "int32"}.get(str(values.dtype), str(values.dtype))
        array = np.ascontiguousarray(values, kind)
        return self._expr.const(array, list(array.shape), self._expr.NCHW, self._types[kind])


SESSIONS: dict[str, Any] = {
    "onnxruntime": OnnxSession,
    "litert": LiteRtSession,
    "openvino": OpenVinoSession,
    "executorch": ExecuTorchSession,
    "ncnn": NcnnSession,
    "mnn": MnnSession,
}


class Network:
    """A file and the inputs it runs on; `load` makes a session.

    Args:
        request: `runtime`, `options`, `file` and `inputs`: names of files.
        files: The files of this device.
    """

    def __init__(self, request: dict[str, Any], files: Files) -> None:
        self.runtime, self._options = request["runtime"], request["options"]
        check_runtime(self.runtime)
        self._path = self._present(files, request["file"])
        np = numpy()
        self.inputs = [np.load(self._present(files, name)) for name in request.get("inputs", ())]
        self.denormals = SESSIONS[self.runtime].denormals

    @staticmethod
    def _present(files: Files, name: str) -> str:
        if not files.has(name):
            raise Refusal("missing", name)
        return files.path(name)

    def load(self) -> Any:
        """Returns a session.

        Raises:
            Refusal: The runtime cannot load the file.
        """
        try:
            return SESSIONS[self.runtime](self._path, self._options)
        except Refusal:
            raise
        except Exception as error:
            text = "{} on the device cannot load the file: {}"
            raise Refusal("unmeasurable", text.format(self.runtime, one_line(error))) from error

    def run(self, session: Any, inputs: list[Any]) -> Any:
        """Returns the outputs; the first run of a session goes through here, for a clear error."""
        try:
            return session(*inputs)
        except Exception as error:
            lines = traceback.format_exc().strip().splitlines()[-3:]
            text = "{} on the device raised {} ({})"
            text = text.format(self.runtime, one_line(error), " | ".join(lines))
            raise Refusal("failed", text) from error


# --- Timing --------------------------------------------------------------------------------------


def _work() -> int:
    return sum(range(400))


def quantile(figures: Any, share: float) -> float:
    """Returns a quantile, interpolated linearly; `share` is in [0, 1]."""
    ordered = sorted(figures)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (ordered[above] - ordered[below]) * (position - below))


class Probe:
    """Times a tiny piece of fixed work: is the core at full speed?"""

    def __init__(self, rules: dict[str, Any]) -> None:
        self._share = rules["best_quantile"]
        self.best_ms = float("inf")
        self.learn([self() for _ in range(rules["first_probes"])])

    def __call__(self) -> float:
        """Returns the milliseconds of the work, which is done once before, untimed."""
        _work()
        begun = time.perf_counter_ns()
        _work()
        return (time.perf_counter_ns() - begun) / 1e6

    def learn(self, probes_ms: Any) -> None:
        """Lowers `best_ms` to the best of these probes; ignores fewer than 20 probes."""
        if len(probes_ms) >= 1 / self._share:
            self.best_ms = min(self.best_ms, sorted(probes_ms)[int(self._share * len(probes_ms))])


class Runs:
    """Runs of one network. It does what the host's TimedRuns does, by rules that the host sends."""

    def __init__(self, network: Network, probe: Probe, rules: dict[str, Any]) -> None:
        self._network, self._probe, self._rules = network, probe, rules
        self._inputs = network.inputs
        self._session: Any = None
        self.wall, self.cpu, self.probe = array("d"), array("d"), array("d")
        self.visits = 0
        self.has_cpu_clock = True
        self.reload()

    def reload(self) -> None:
        """Loads the file again, because its location in memory affects the time."""
        self._session = None  # frees the old session before the new one is loaded
        begun = time.perf_counter()
        self._session = self._network.load()
        self.load_seconds = time.perf_counter() - begun

    def warm_up(self) -> int:
        """Runs until the time of a run is stable; returns the number of runs."""
        self._network.run(self._session, self._inputs)
        seconds = self._rules["warm_seconds"]
        begun = time.perf_counter()
        recent: list[tuple[float, float]] = []
        while time.perf_counter() - begun < seconds or len(recent) < 5:
            recent.append(self._time_run())
            spent = time.perf_counter() - begun
            if len(recent) >= 20 and spent > self._rules["warm_share"] * seconds:
                before = statistics.median(wall for wall, _ in recent[-20:-10])
                after = statistics.median(wall for wall, _ in recent[-10:])
                if abs(after - before) <= 0.05 * before:
                    break
        ratios = [wall / max(cpu, 1e-6) for wall, cpu in recent]
        self.has_cpu_clock = quantile(ratios, 0.1) < 1.1
        return len(recent)

    def begin_block(self) -> None:
        """Starts a new block."""
        self.wall, self.cpu, self.probe = array("d"), array("d"), array("d")

    def visit(self) -> None:
        """Makes a run that does not count, and then runs for some milliseconds."""
        seconds = self._rules["visit_seconds"]
        begun = time.perf_counter()
        self._session(*self._inputs)
        before = self._probe()
        until = max(begun, time.perf_counter() - seconds) + seconds
        while True:
            wall, cpu = self._time_run()
            after = self._probe()
            self.wall.append(wall)
            self.cpu.append(cpu)
            self.probe.append(max(before, after))
            before = after
            if time.perf_counter() >= until:
                break
        self.visits += 1

    def is_calm(self) -> bool:
        """Returns whether the block has enough undisturbed runs."""
        rules = self._rules
        limit = rules["shared"] * self._probe.best_ms
        undisturbed = sum(
            probe <= limit
            and (
                not self.has_cpu_clock
                or wall <= rules["interrupted"] * cpu + rules["interrupted_ms"]
            )
            for wall, cpu, probe in zip(self.wall, self.cpu, self.probe)
        )
        return bool(undisturbed >= min(rules["least_calm"], len(self.wall)))

    def _time_run(self) -> tuple[float, float]:
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
        self._session(*self._inputs)
        cpu_end, wall_end = time.thread_time_ns(), time.perf_counter_ns()
        return (wall_end - wall) / 1e6, (cpu_end - cpu) / 1e6


@contextlib.contextmanager
def steady(channel: Channel, pin: bool) -> Any:
    """Turns off garbage collection and most signs of life; with `pin`, keeps to one core."""
    kept = os.sched_getaffinity(0) if pin and hasattr(os, "sched_setaffinity") else None
    gc.disable()
    channel.quiet = True
    if kept:
        os.sched_setaffinity(0, {max(kept)})
    try:
        yield
    finally:
        if kept:
            os.sched_setaffinity(0, kept)
        channel.quiet = False
        gc.enable()


class Timing:
    """Networks that are timed in turn, a block at a time."""

    def __init__(self, request: dict[str, Any], files: Files, channel: Channel) -> None:
        self._rules, self._pin, self._channel = request["rules"], request["pin"], channel
        networks = [Network(each, files) for each in request["networks"]]
        self.probe = Probe(self._rules)
        self._runs = [Runs(each, self.probe, self._rules) for each in networks]
        self.denormals = sorted({each.denormals for each in networks})

    def warm_up(self) -> list[dict[str, Any]]:
        """Warms up each network; returns what was seen."""
        with steady(self._channel, self._pin):
            warm = [runs.warm_up() for runs in self._runs]
        return [
            {"warm_up_runs": w, "cpu_clock": r.has_cpu_clock, "load_seconds": r.load_seconds}
            for w, r in zip(warm, self._runs)
        ]

    def block(self, seconds: float, reload: bool) -> tuple[dict[str, Any], bytes]:
        """Makes rounds for some seconds; returns each network's runs."""
        begun = time.perf_counter()
        if reload:
            for runs in self._runs:
                runs.reload()
        throttling.signs()  # events before this block are not of this block
        with steady(self._channel, self._pin):
            self._rounds(seconds)
        took = time.perf_counter() - begun
        data = b"".join(
            part.tobytes() for runs in self._runs for part in (runs.wall, runs.cpu, runs.probe)
        )
        answer = {
            "seconds": took,
            "best_ms": self.probe.best_ms,
            "runs": [len(runs.wall) for runs in self._runs],
            "visits": [runs.visits for runs in self._runs],
            "load_seconds": [runs.load_seconds for runs in self._runs],
            "order": sys.byteorder,
            "state": state(),
        }
        return answer, data

    def _rounds(self, seconds: float) -> None:
        """Visits all networks in turn; those that lack undisturbed runs, for longer."""
        everything = list(self._runs)
        order = list(self._runs)
        for runs in order:
            runs.begin_block()
        begun = time.perf_counter()
        rounds = 0
        while order:
            for runs in order:
                runs.visit()
            order.reverse()  # the next round starts with another network
            rounds += 1
            spent = time.perf_counter() - begun
            if rounds >= self._rules["least_rounds"] and spent >= seconds:
                self.probe.learn(everything[0].probe)
                lacking = [runs for runs in order if not runs.is_calm()]
                order = lacking if spent < self._rules["patience"] * seconds else []
        for runs in everything:
            self.probe.learn(runs.probe)


# --- The thermal gate ----------------------------------------------------------------------------


def pass_gate(request: dict[str, Any]) -> dict[str, Any]:
    """Waits for a cool device; returns how that ended."""
    limit = request["celsius"]
    if limit is None:
        trip = trip_point()
        limit = COOL if trip is None else trip - BELOW_TRIP
    begun = time.monotonic()
    while True:
        now, waited = state(), time.monotonic() - begun
        warm = now["celsius"] is not None and now["celsius"] > limit
        if not (warm or now["throttled"]) or waited >= request["wait_s"]:
            break
        time.sleep(min(GATE_LOOK_S, max(0.01, request["wait_s"] - waited)))
    return {
        "passed": not (warm or now["throttled"]),
        "waited_s": round(waited, 2),
        "celsius": now["celsius"],
        "limit": limit,
        "throttled": now["throttled"],
    }


# --- Windows -------------------------------------------------------------------------------------


class Windows:
    """Sessions of one network that run without pause, in windows of some seconds."""

    def __init__(self, request: dict[str, Any], files: Files) -> None:
        self._network = Network(request["network"], files)
        self._seconds, self._count = request["seconds"], request["windows"]
        self._sessions = [self._network.load() for _ in range(request["replicas"])]
        self._counters = self._make_counters() if request["energy"] else {}
        if request["warm_up"]:
            self._run_window()

    @staticmethod
    def _make_counters() -> dict[str, Counter]:
        makers, reason = energy_counters()
        if reason:
            raise Refusal("refused", reason)
        return {name: make() for name, make in makers.items()}

    def measure(self) -> dict[str, Any]:
        """Returns the windows, and the conditions around them."""
        before = state()
        return {
            "before": before,
            "windows": [self._window() for _ in range(self._count)],
            "after": state(),
            "counters": sorted(self._counters),
        }

    def _window(self) -> dict[str, Any]:
        joules = self._joules()
        begun = time.perf_counter()
        runs, rate = self._run_window()
        took = time.perf_counter() - begun
        now, mhz = state(), clocks()
        return {
            "seconds": took,
            "runs": runs,
            "rate": rate,
            "joules": self._joules() - joules if self._counters else None,
            "celsius": now["celsius"],
            "mhz": statistics.mean(mhz) if mhz else None,
            "throttled": now["throttled"],
        }

    def _joules(self) -> float:
        return sum(counter.joules() for counter in self._counters.values())

    def _run_window(self) -> tuple[int, float]:
        """Runs all sessions; returns their runs, and the sum of their rates."""
        results: list[Any] = []
        start = threading.Barrier(len(self._sessions))

        def work(session: Any) -> None:
            try:
                start.wait()
                results.append(self._run_session(session))
            except Refusal as error:
                results.append(error)

        if len(self._sessions) == 1:
            work(self._sessions[0])
        else:
            threads = [threading.Thread(target=work, args=(each,)) for each in self._sessions]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        for result in results:
            if isinstance(result, Refusal):
                raise result
        return sum(runs for runs, _ in results), sum(rate for _, rate in results)

    def _run_session(self, session: Any) -> tuple[int, float]:
        begun, runs = time.perf_counter(), 0
        inputs = self._network.inputs
        while runs == 0 or time.perf_counter() - begun < self._seconds:
            self._network.run(session, inputs)
            runs += 1
        return runs, runs / max(time.perf_counter() - begun, 1e-9)


# --- Memory --------------------------------------------------------------------------------------


def measure_memory(request: dict[str, Any], files: Files, folder: str) -> dict[str, Any]:
    """Runs processes that load the network, one after the other.

    Raises:
        Refusal: A process failed or took too long.
    """
    Network(request["network"], files)  # a missing file or runtime is refused here
    task = json.dumps(dict(request, folder=folder)).encode()
    results = []
    # The number of arenas that the C library makes varies with the timing of threads: allow one.
    environment = dict(os.environ, MALLOC_ARENA_MAX="1")
    for _ in range(request["processes"]):
        command = [sys.executable, os.path.abspath(__file__), "--memory"]
        try:
            done = subprocess.run(
                command,
                input=task,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                timeout=PROCESS_S,
            )
        except subprocess.TimeoutExpired as error:
            text = "the process that loads the file took more than {} s on the device"
            raise Refusal("unmeasurable", text.format(PROCESS_S)) from error
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip().splitlines() or [""]
            cause = words[-1] or f"status {done.returncode}"
            if done.returncode == -signal.SIGKILL:
                cause = "it was killed, perhaps for lack of memory"
            text = "the process that loads the file failed on the device: {}"
            raise Refusal("unmeasurable", text.format(cause))
        results.append(json.loads(done.stdout.decode().strip().splitlines()[-1]))
    return {
        "added": [result["added"] for result in results],
        "empty_bytes": results[0]["empty"],
        "method": results[0]["method"],
    }


def memory_process() -> None:
    """Loads and runs one network; writes the memory that it took."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: it ends with the runner
    answers = os.dup(1)
    os.dup2(2, 1)  # a runtime's own prints go to standard error
    task = json.load(sys.stdin)
    network = Network(task["network"], Files(task["folder"]))
    gc.collect()
    empty, method = reset_peak()
    session = network.load()
    for _ in range(task["runs"]):
        session(*network.inputs)
    result = {"added": max(0, peak() - empty), "empty": empty, "method": method}
    os.write(answers, json.dumps(result).encode() + b"\n")


def reset_peak() -> tuple[int, str]:
    """Resets the peak; returns the bytes resident now, and the name of the method."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # sets the high-water mark to the memory resident now
        return status_bytes("VmRSS"), "VmHWM of /proc/self/status"
    except OSError:
        return peak(), "ru_maxrss"


def peak() -> int:
    """Returns the peak of this process's resident memory, in bytes."""
    try:
        return status_bytes("VmHWM")
    except OSError:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def status_bytes(field: str) -> int:
    """Returns a field of this process's status, in bytes."""
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise OSError(f"no {field} in /proc/self/status")


# --- Requests ------------------------------------------------------------------------------------


class Runner:
    """Answers requests until the input ends."""

    def __init__(self, folder: str, silence: float) -> None:
        source, target = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(2, 1)  # a runtime's own prints go to standard error
        self._folder = folder
        self._files = Files(folder)
        self._lease = Lease(folder)
        self._channel = Channel(source, target, silence, self._files)
        self._timing: Timing | None = None
        self._network: Network | None = None
        self._session: Any = None

    def serve(self) -> None:
        """Answers requests, one after the other."""
        while True:
            message, data = self._channel.requests.get()
            try:
                answer, content = self._answer(message, data)
            except Refusal as error:
                answer, content = {"error": error.kind, "text": str(error)}, b""
            except MemoryError:
                answer, content = {"error": "unmeasurable", "text": "the device has no memory"}, b""
            except Exception as error:
                last = traceback.format_exc().strip().splitlines()[-3:]
                text = "the runner raised {} ({})".format(one_line(error), " | ".join(last))
                answer, content = {"error": "failed", "text": text}, b""
            self._channel.send(dict(answer, id=message.get("id")), content)

    def _answer(self, message: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        result = getattr(self, "do_" + message["do"])(message, data)
        return result if isinstance(result, tuple) else (result or {}, b"")

    def do_hello(self, message: dict[str, Any], data: bytes) -> Any:
        """Tells what this device is."""
        return hello(self._files, self._lease)

    def do_state(self, message: dict[str, Any], data: bytes) -> Any:
        """Tells temperature, clocks and throttling."""
        return {"state": state()}

    def do_runtime(self, message: dict[str, Any], data: bytes) -> Any:
        """Imports a runtime."""
        return {"version": check_runtime(message["runtime"])}

    def do_have(self, message: dict[str, Any], data: bytes) -> Any:
        """Tells which files are missing."""
        return {"missing": [name for name in message["names"] if not self._files.has(name)]}

    def do_put(self, message: dict[str, Any], data: bytes) -> Any:
        """Tells whether a file was written; the channel has written it."""
        if message["problem"]:
            raise Refusal("refused", message["problem"])

    def do_lock(self, message: dict[str, Any], data: bytes) -> Any:
        """Takes the lease, or tells the holder."""
        return {"taken": self._lease.take(message["holder"]), "holder": self._lease.holder()}

    def do_unlock(self, message: dict[str, Any], data: bytes) -> Any:
        """Releases the lease."""
        self._lease.release()

    def _check_lease(self) -> None:
        if not self._lease.is_held:
            raise Refusal("failed", "a measurement needs the lease of the device")

    def do_time_open(self, message: dict[str, Any], data: bytes) -> Any:
        """Loads networks, waits for a cool device and warms up."""
        self._check_lease()
        self._timing = None
        timing = Timing(message, self._files, self._channel)
        gate = pass_gate(message["gate"])
        answer = {
            "gate": gate,
            "networks": timing.warm_up(),
            "best_ms": timing.probe.best_ms,
            "denormals": timing.denormals,
            "state": state(),
        }
        self._timing = timing
        return answer

    def do_time_block(self, message: dict[str, Any], data: bytes) -> Any:
        """Times a block."""
        self._check_lease()
        assert self._timing is not None
        return self._timing.block(message["seconds"], message["reload"])

    def do_time_close(self, message: dict[str, Any], data: bytes) -> Any:
        """Frees the networks."""
        self._timing = None

    def do_run_open(self, message: dict[str, Any], data: bytes) -> Any:
        """Loads a network that will run batches."""
        self._session = None
        self._network = Network(message["network"], self._files)
        self._session = self._network.load()

    def do_run(self, message: dict[str, Any], data: bytes) -> Any:
        """Runs a batch: of files, or of arrays that came with the request."""
        assert self._network is not None
        np = numpy()
        if message["names"]:
            for name in message["names"]:
                if not self._files.has(name):
                    raise Refusal("missing", name)
            inputs = [np.load(self._files.path(name)) for name in message["names"]]
        else:
            inputs = arrays_of(message["arrays"], data)
        outputs = [np.ascontiguousarray(each) for each in self._network.run(self._session, inputs)]
        forms = [{"dtype": each.dtype.str, "shape": list(each.shape)} for each in outputs]
        return {"arrays": forms}, b"".join(each.tobytes() for each in outputs)

    def do_run_close(self, message: dict[str, Any], data: bytes) -> Any:
        """Frees the network."""
        self._network = self._session = None

    def do_memory(self, message: dict[str, Any], data: bytes) -> Any:
        """Measures memory in new processes."""
        self._check_lease()
        return measure_memory(message, self._files, self._folder)

    def do_windows(self, message: dict[str, Any], data: bytes) -> Any:
        """Runs a network in windows."""
        self._check_lease()
        windows = Windows(message, self._files)
        gate = pass_gate(message["gate"])
        self._channel.quiet = True
        try:
            return dict(windows.measure(), gate=gate)
        finally:
            self._channel.quiet = False


def arrays_of(forms: Any, data: bytes) -> list[Any]:
    """Returns the arrays of a message."""
    np = numpy()
    arrays, start = [], 0
    for form in forms:
        kind = np.dtype(form["dtype"])
        count = 1
        for size in form["shape"]:
            count *= size
        values = np.frombuffer(data, kind, count, start)
        arrays.append(values.reshape(form["shape"]))
        start += count * kind.itemsize
    return arrays


def keep_to_cores(cpus: str) -> None:
    """Keeps this process and its children on some cores, as `taskset` does: "0-1,3"."""
    if not cpus:
        return
    chosen = set()
    for part in cpus.split(","):
        first, _, last = part.partition("-")
        chosen |= set(range(int(first), int(last or first) + 1))
    if not hasattr(os, "sched_setaffinity"):
        raise OSError("this Python cannot keep a process on some cores")
    os.sched_setaffinity(0, chosen)


def main(arguments: list[str]) -> None:
    """Runs as the runner, or as a process of `memory`."""
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    if arguments == ["--memory"]:
        memory_process()
        return
    folder, silence, cpus = arguments
    try:
        keep_to_cores(cpus)
    except (OSError, ValueError) as error:
        text = "the cores {} cannot be used: {}; this device has {}"
        message = {"error": "refused", "text": text.format(cpus, error, os.cpu_count())}
        os.write(1, json.dumps(message).encode() + b"\n")
        return
    Runner(folder, float(silence)).serve()


if __name__ == "__main__":
    tempfile.tempdir = None
    main(sys.argv[1:])
