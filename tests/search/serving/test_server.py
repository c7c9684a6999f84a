"""`paretune serve`: address, port and token; what is refused; and a real server under load."""

from __future__ import annotations

import builtins
import gzip
import http.client
import json
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from paretune.search.errors import UserError
from paretune.search.serving.server import checked_token, is_loopback, listen
from support.made_up_study import MadeUpStudy

PAGES = 100


@pytest.fixture(name="study")
def study_fixture(tmp_path: Path) -> Iterator[MadeUpStudy]:
    made_up = MadeUpStudy(tmp_path, 3)
    yield made_up
    made_up.close()


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.7", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_only_loopback_needs_no_token(host: str, is_local: bool) -> None:
    assert is_loopback(host) == is_local
    if is_local:
        assert checked_token(host, None) is None
    else:
        with pytest.raises(UserError, match=r"a token is needed; type: .* --token auto"):
            checked_token(host, None)


def test_automatic_tokens_are_long_and_differ() -> None:
    tokens = {checked_token("0.0.0.0", "auto") for _ in range(5)}
    assert len(tokens) == 5 and all(len(str(token)) >= 32 for token in tokens)


@pytest.mark.parametrize("token", ["", "short", "ä" * 20, "with\nline break"])
def test_weak_token_is_refused(token: str) -> None:
    with pytest.raises(UserError, match="at least 12 printable ASCII characters"):
        checked_token("127.0.0.1", token)


def test_taken_port_gives_the_next_free_one() -> None:
    with closing(listen("127.0.0.1", 0)) as first:
        taken = first.getsockname()[1]
        with closing(listen("127.0.0.1", taken)) as second:
            assert taken < second.getsockname()[1] < taken + 100


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid"])
def test_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(UserError, match=f"--host {host}"):
        listen(host, 0)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("gone.yaml",), "there is no such study file, and no such folder"),
        (("--host", "0.0.0.0"), "a token is needed"),
        (("--token", "short"), "at least 12 printable ASCII characters"),
        (("--port", "70000"), "70000 is not in the range"),
        (("--port", "http"), "is not a valid integer"),
    ],
)
def test_bad_input_exits_with_2(
    study: MadeUpStudy, cli: Any, options: tuple[str, ...], text: str
) -> None:
    folder = () if options[0].endswith(".yaml") else (study.file.parent,)
    output = cli("serve", *folder, *options)
    assert output.code == 2
    assert text in output.err and "Traceback" not in output.err


def test_folder_without_a_study_exits_with_2(tmp_path: Path, cli: Any) -> None:
    output = cli("serve", tmp_path)
    assert output.code == 2
    assert "there is no study below this folder" in output.err


def test_missing_extra_is_named(
    study: MadeUpStudy, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "uvicorn":
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    output = cli("serve", study.file)
    assert output.code == 2
    assert "pip install 'paretune[serve]'" in output.err


class OpenPage:
    """A connection that receives events, read byte by byte as they come."""

    def __init__(self, port: int, path: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"
        self.socket.sendall(request.encode())
        self.received = b""

    def close(self) -> None:
        """Closes the connection."""
        self.socket.close()

    def wait_for(self, text: str) -> None:
        """Reads until the text has come."""
        while text.encode() not in self.received:
            chunk = self.socket.recv(65536)
            assert chunk, self.received[-500:]
            self.received += chunk
        self.received = self.received.partition(text.encode())[2]


def get(port: int, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    if response.headers.get("content-encoding") == "gzip":
        content = gzip.decompress(content)
    return json.loads(content)


@pytest.mark.slow
def test_hundred_open_pages_get_every_change_and_do_not_hold_up_the_end(
    study: MadeUpStudy, start: Any
) -> None:
    server = start("serve", study.file, "--port", 0)
    server.wait_for("Ctrl-C ends the server")
    port = int(server.log.read_text().partition("127.0.0.1:")[2].partition("/")[0])
    state = get(port, "/api/studies/made-up")
    query = f"/events?since={state['seq']}&epoch={state['epoch']}"
    path = f"/api/studies/made-up{query}"
    with ExitStack() as closed:
        pages = [closed.enter_context(closing(OpenPage(port, path))) for _ in range(PAGES)]
        for page in pages:
            page.wait_for("retry: ")
        [number] = study.add(1)
        for page in pages:
            page.wait_for(f'"number":[{number}]')
        assert len(get(port, "/api/studies/made-up")["trials"]["number"]) == number + 1
        for page in pages[: PAGES // 2]:
            page.close()
        [number] = study.add(1)
        pages[-1].wait_for(f'"number":[{number}]')
        assert server.ended(signal.SIGINT) == 0  # although the other pages are still open
