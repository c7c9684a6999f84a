"""What an exporter prints is captured; other threads still print."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings

import pytest

from paretune.search.building.captured_output import captured


def test_prints_warnings_and_writes_of_c_are_captured(capfd: pytest.CaptureFixture[str]) -> None:
    with captured() as output:
        print("from Python")
        print("an error", file=sys.stderr)
        os.write(1, b"from C++\n")
        subprocess.run(["echo", "from a process"], check=True)
        warnings.warn("a warning", stacklevel=1)
    out, err = capfd.readouterr()
    assert out == err == ""
    for text in ("from Python", "an error", "from C++", "from a process"):
        assert text in output.text


def test_other_threads_print_to_the_terminal() -> None:
    code = (
        "import threading\n"
        "from paretune.search.building.captured_output import captured\n"
        "with captured() as output:\n"
        "    print('exporter')\n"
        "    thread = threading.Thread(target=print, args=('live view',))\n"
        "    thread.start()\n"
        "    thread.join()\n"
        "print('after', output.text.split())\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "live view\nafter ['exporter']\n"


def test_streams_are_restored_after_an_exception(capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with pytest.raises(ValueError, match="broken"), captured():
        raise ValueError("broken")
    assert sys.stdout is before
    os.write(1, b"seen\n")
    assert capfd.readouterr().out == "seen\n"


def test_captures_may_be_nested() -> None:
    with captured() as outer:
        print("outer")
        with captured() as inner:
            print("inner")
        print("outer again")
    assert inner.text == "inner\n"
    assert outer.text == "outer\nouter again\n"


def test_capture_in_another_thread_ends_with_it() -> None:
    texts: list[str] = []

    def work() -> None:
        with captured() as output:
            print("in a thread")
        texts.append(output.text)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert texts == ["in a thread\n"]
