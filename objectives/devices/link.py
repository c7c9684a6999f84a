"""A conversation with a runner: requests and answers, signs of life, and how it ends."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from paretune.objectives.devices.address import DeviceAddress
from paretune.objectives.devices.errors import (
    DeviceLost,
    DeviceRefused,
    MissingFile,
    RunFailed,
    RunnerDied,
)
from paretune.objectives.devices.loader import MARK, OLDEST_PYTHON, runner_content
from paretune.objectives.devices.patience import Patience
from paretune.objectives.devices.transport import failure, start
from paretune.objectives.errors import Unmeasurable

LONGEST_LINE = 1 << 24
"""Bytes of a line of JSON at most. Longer text is not from the runner."""

GREETING = 1 << 16
"""Bytes that the device's shell may print before the loader."""

LAST_WORDS = 4096
"""Bytes of standard error that are kept."""

END_S = 5.0
"""Seconds that the transport may take to end by itself."""


class Answer(dict[str, Any]):
    """The JSON of an answer, with the bytes that followed it.

    Attributes:
        data: The bytes.
    """

    data: bytes = b""


class Link:
    """A link to a new runner on a device. One thread may ask at a time.

    Args:
        address: The device.
        patience: How long to wait.

    Raises:
        DeviceRefused: The device cannot be used as it is.
        DeviceLost: The device cannot be reached now.
    """

    def __init__(self, address: DeviceAddress, patience: Patience) -> None:
        self.address = address
        self._patience = patience
        self._process = start(address, patience)
        self._answers: queue.Queue[Answer | None] = queue.Queue()
        self._lock = threading.Lock()
        self._words = b""
        self._heard = time.monotonic()
        self._silent = False
        self._status: int | None = None
        self._number = 0
        self.ended = threading.Event()  # nothing can be asked any more
        self._listeners = [
            threading.Thread(target=work, daemon=True) for work in (self._listen, self._overhear)
        ]
        for listener in self._listeners:
            listener.start()
        try:
            self._begin()
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._keep_alive, daemon=True).start()

    def ask(
        self,
        do: str,
        values: Mapping[str, Any] | None = None,
        data: Iterable[bytes] = (),
        size: int = 0,
    ) -> Answer:
        """Sends a request and returns its answer.

        Args:
            do: Name of the request.
            values: Its JSON.
            data: Bytes that follow it.
            size: How many they are.

        Raises:
            DeviceLost: The link or the runner ended, or the runner is silent.
            DeviceRefused, Unmeasurable, RunFailed, MissingFile: What the runner answered.
        """
        if self.ended.is_set():
            raise DeviceLost(self.address.text, "its link has ended")
        self._number += 1
        request = {
            **(values or {}),
            "do": do,
            "id": self._number,
            **({"bytes": size} if size else {}),
        }
        with self._lock:
            self._write(json.dumps(request).encode() + b"\n")
            for part in data:
                self._write(part)
        answer = self._wait()
        while answer.get("id", self._number) != self._number:
            answer = self._wait()  # the answer of a request that an exception interrupted
        if "error" in answer:
            raise _error_of(self.address, answer)
        return answer

    def close(self) -> None:
        """Ends the runner and the link."""
        self.ended.set()
        process = self._process
        with suppress(OSError):
            if process.stdin:
                process.stdin.close()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for listener in self._listeners:
            listener.join(END_S)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()

    def _begin(self) -> None:
        """Talks with the loader until the runner has started."""
        while True:
            word = self._wait(self._patience.connect_s)["loader"]
            kind, _, rest = word.partition(" ")
            if kind == "have":
                return
            if kind == "need":
                with self._lock:
                    self._write(runner_content())
                continue
            raise self._loader_refusal(kind, rest)

    def _loader_refusal(self, kind: str, rest: str) -> Exception:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        reasons = {
            "old": f"its Python {rest} is too old: install Python {oldest} or newer, or name one: "
            "?python=PATH in the address",
            "folder": f"the runner cannot be kept there ({rest}); name a folder that can be "
            "written: ?folder=PATH in the address",
        }
        if kind in reasons:
            return DeviceRefused(f"the device {self.address.text} is refused: {reasons[kind]}")
        return DeviceLost(self.address.text, f"the runner arrived damaged ({kind} {rest})")

    def _wait(self, patience_s: float | None = None) -> Answer:
        """Returns the next answer.

        Raises:
            DeviceLost: The link ended, or there was no byte for too long.
            DeviceRefused: The link ended for a reason that waiting does not mend.
        """
        until = None if patience_s is None else time.monotonic() + patience_s
        while True:
            try:
                answer = self._answers.get(timeout=0.2)
            except queue.Empty:
                if until is not None and time.monotonic() > until:
                    self._silent = True
                    raise self._ending() from None
                continue
            if answer is None:
                self._answers.put(None)  # for the next one who asks
                raise self._ending()
            return answer

    def _ending(self) -> Exception:
        """Returns why the link ended, and ends it for all who would ask."""
        self.ended.set()
        if self._silent:
            seconds = time.monotonic() - self._heard
            self._process.kill()
            return DeviceLost(self.address.text, f"no sign of life for {seconds:.0f} s")
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)
        self._listeners[1].join(END_S)
        words = self._words.decode(errors="replace")
        if self._status is not None:
            last = (words.strip().splitlines() or [""])[-1]
            return RunnerDied(self.address.text, self._status, last)
        return failure(self.address, words, self._process.poll())

    def _write(self, content: bytes) -> None:
        assert self._process.stdin is not None
        view = memoryview(content)
        try:
            while view:
                view = view[self._process.stdin.write(view[: 1 << 16]) or 0 :]
        except (OSError, ValueError):
            # The thread that listens reads the device's last messages, and raises the error.
            with suppress(OSError, ValueError):
                self._process.stdin.close()

    def _keep_alive(self) -> None:
        """Gives signs of life, and ends the link when the runner gives none."""
        pinged = 0.0
        while not self.ended.wait(min(0.5, self._patience.silence_s / 4)):
            now = time.monotonic()
            if now - self._heard > self._patience.silence_s:
                self._silent = True
                self._process.kill()
                return
            # Without waiting for the lock: a long request is a sign of life itself.
            if now - pinged > self._patience.ping_s and self._lock.acquire(blocking=False):
                try:
                    self._write(b'{"do": "ping"}\n')
                finally:
                    self._lock.release()
                pinged = now

    def _listen(self) -> None:
        """Reads answers until the link ends."""
        try:
            with suppress(OSError, ValueError):
                self._read_answers()
        finally:
            self._answers.put(None)

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        buffer = _Buffer(self._process.stdout, self._hear)
        greeting, begun = 0, False
        while (line := buffer.line()) is not None:
            if line.startswith(f"{MARK} ".encode()):
                word = line.decode(errors="replace").strip().partition(" ")[2]
                if word.startswith("ended "):
                    self._status = int(word.split()[1])
                    return
                begun = word.startswith("have")
                self._answers.put(Answer(loader=word))
            elif not begun or not line.strip():
                greeting += len(line)
                if greeting > GREETING:
                    return
            else:
                answer = Answer(json.loads(line))
                answer.data = buffer.exactly(answer.get("bytes", 0))
                if "alive" not in answer:
                    self._answers.put(answer)

    def _hear(self) -> None:
        self._heard = time.monotonic()

    def _overhear(self) -> None:
        """Keeps the last words of standard error."""
        assert self._process.stderr is not None
        with suppress(OSError, ValueError):
            while content := self._process.stderr.read(4096):
                self._words = (self._words + content)[-LAST_WORDS:]


class _Buffer:
    """Lines and exact numbers of bytes of an unbuffered stream; tells when bytes arrive."""

    def __init__(self, stream: Any, hear: Any) -> None:
        self._stream, self._hear = stream, hear
        self._content = bytearray()

    def line(self) -> bytes | None:
        """Returns the next line, or None at the end."""
        searched = 0
        while (end := self._content.find(b"\n", searched)) < 0:
            searched = len(self._content)
            if searched > LONGEST_LINE or not self._more():
                return None
        return self._taken(end + 1)

    def exactly(self, count: int) -> bytes:
        """Returns the next bytes.

        Raises:
            OSError: The stream ends before.
        """
        while len(self._content) < count:
            if not self._more():
                raise OSError("the stream ended")
        return self._taken(count)

    def _more(self) -> bool:
        content = self._stream.read(1 << 16)
        if content:
            self._hear()
            self._content += content
        return bool(content)

    def _taken(self, count: int) -> bytes:
        content = bytes(self._content[:count])
        del self._content[:count]
        return content


def _error_of(address: DeviceAddress, answer: Mapping[str, Any]) -> Exception:
    """Returns the error that the runner answered."""
    kind, text = answer["error"], answer["text"]
    if kind == "refused":
        return DeviceRefused(f"the device {address.text} is refused: {text}")
    if kind == "missing":
        return MissingFile(text)
    if kind == "unmeasurable":
        return Unmeasurable(text)
    return RunFailed(text)
