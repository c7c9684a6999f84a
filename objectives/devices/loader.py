"""The first program on a device: it takes the runner, checks it, keeps it, and starts it.

It stays as the runner's parent, and tells with which status the runner ended. So a crash there
differs from a lost link. Its text travels in the command line: Python alone, of any version, so
that an old Python can be refused with a clear text.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
import zlib
from functools import cache
from pathlib import Path

MARK = "PARETUNE"
"""Begins each line of the loader; lines before are greetings of the device's shell."""

OLDEST_PYTHON = (3, 8)

LOADER = """
import hashlib, os, subprocess, sys
def say(text):
    os.write(1, ("\\n%s " % MARK + text + "\\n").encode("utf-8", "replace"))
def digest(path):
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except (IOError, OSError):
        return ""
def main(folder, wanted, size, more):
    if sys.version_info < OLDEST:
        return say("old %d.%d" % sys.version_info[:2])
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    folder = os.path.expanduser(folder or os.path.join(cache, "paretune"))
    path = os.path.join(folder, "runner-%s.py" % wanted[:16])
    try:
        os.makedirs(folder, 0o700, exist_ok=True)
        if digest(path) != wanted:
            say("need")
            data = b""
            while len(data) < size:
                chunk = os.read(0, min(65536, size - len(data)))
                if not chunk:
                    return
                data += chunk
            draft = path + ".%d" % os.getpid()
            with open(draft, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
            if digest(path) != wanted:
                return say("damaged")
    except (IOError, OSError) as error:
        return say("folder %s: %s" % (folder, error))
    say("have")
    child = subprocess.Popen([sys.executable, path, folder] + more)
    os.close(0)
    say("ended %d" % child.wait())
main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
"""
"""The program. Its arguments: folder, digest and size of the runner, and more for the runner."""


@cache
def runner_content() -> bytes:
    """Returns the runner's text."""
    return Path(__file__).with_name("runner.py").read_bytes()


@cache
def runner_digest() -> str:
    """Returns the SHA-256 of the runner's text."""
    return hashlib.sha256(runner_content()).hexdigest()


def runner_name() -> str:
    """Returns the name of the runner's file on a device."""
    return f"runner-{runner_digest()[:16]}.py"


def loader_command(python: str, folder: str, silence_s: float, cpus: str) -> str:
    """Returns a command line, for any shell, that starts the runner.

    Args:
        python: Python on the device.
        folder: Folder for the runner and files; empty for the user's cache.
        silence_s: Seconds without a sign of life from the host, after which the runner ends.
        cpus: Cores that the runner keeps to; empty for all.
    """
    program = LOADER.replace("MARK", repr(MARK)).replace("OLDEST", repr(OLDEST_PYTHON))
    packed = base64.b64encode(zlib.compress(program.encode(), 9)).decode()
    start = f'import base64,zlib;exec(zlib.decompress(base64.b64decode("{packed}")))'
    content = runner_content()
    numbers = [folder, runner_digest(), str(len(content)), str(silence_s), cpus]
    arguments = " ".join(f"'{number}'" for number in numbers)
    return f"{_quoted(python)} -u -c '{start}' {arguments}"


def _quoted(path: str) -> str:
    """Returns a path for a shell, which still expands a leading ~."""
    if path.startswith("~/"):
        return "~/" + shlex.quote(path[2:])
    return shlex.quote(path)
