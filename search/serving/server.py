"""Runs the web server: chooses its port and token, prints its address, and ends at once."""

from __future__ import annotations

import errno
import ipaddress
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from paretune.search.errors import UserError
from paretune.search.serving.study_index import find_studies, refuse_no_study

if TYPE_CHECKING:
    from paretune.search.serving.app import WebServer

PORT = 8585
"""The port unless the user gives one."""

MOST_PORTS = 100
"""How many ports are tried, if the first ones are taken."""

SHORTEST_TOKEN = 12
"""Least characters of a token that the user chooses."""

AUTO = "auto"


def serve(
    paths: Sequence[Path],
    host: str,
    port: int,
    token: str | None,
    say: Callable[[str], None],
    opened: Callable[[str], Any] | None = None,
) -> None:
    """Serves studies until Ctrl-C.

    Args:
        paths: Folders and study files.
        host: Address to listen on.
        port: Port; 0, or one that is taken, for the next free one.
        token: The token, "auto" for a random one, None for none.
        say: Prints a line.
        opened: Opens an address in a browser; None to open none.

    Raises:
        UserError: There is no study, the address cannot be used, or a token is missing.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn
    except ImportError as error:
        raise UserError(
            f"paretune serve needs {error.name}; type: pip install 'paretune[serve]'"
        ) from error
    secret = checked_token(host, token)
    refuse_no_study(paths, find_studies(paths))
    listening = listen(host, port)
    bound = int(listening.getsockname()[1])
    from paretune.search.serving.app import WebServer
    from paretune.search.serving.security import Access, names_of_this_host

    web = WebServer(paths, Access(secret, names_of_this_host(host), bound))
    config = uvicorn.Config(
        web.app(),
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        backlog=512,
        timeout_graceful_shutdown=1,
    )
    address = f"http://{_shown_host(host)}:{bound}/" + (f"#{secret}" if secret else "")
    if bound != port and port:
        say(f"port {port} is taken; this is the next free one")
    say(f"serving at {address}")
    say("Ctrl-C ends the server; runs that a page has started go on")
    if opened is not None:
        opened(address)
    try:
        _server(uvicorn, config, web).run(sockets=[listening])
    finally:
        web.exports.close()
        listening.close()


def _server(uvicorn: Any, config: Any, web: WebServer) -> Any:
    """Returns a server that ends at once: it ends the events of open pages first."""

    class Server(uvicorn.Server):  # type: ignore[misc]
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.force_exit = bool(self.should_exit)  # the second Ctrl-C waits for nothing
            self.should_exit: bool = True

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            await web.studies.close()
            await super().shutdown(sockets)

    return Server(config)


def checked_token(host: str, token: str | None) -> str | None:
    """Returns the token; None if none is needed.

    Raises:
        UserError: Other machines can reach the address and there is no token, or it is too short.
    """
    if token == AUTO:
        return secrets.token_urlsafe(24)
    if token is not None:
        if len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable():
            raise UserError(
                f"--token: at least {SHORTEST_TOKEN} printable ASCII characters, or {AUTO} for a "
                "random one"
            )
        return token
    if not is_loopback(host):
        raise UserError(
            f"--host {host}: other machines can reach this address, so a token is needed; type: "
            f"--host {host} --token {AUTO}"
        )
    return None


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket that listens on a port, or on the next free one.

    Raises:
        UserError: The address is not one of this machine, or no port is free.
    """
    for number in range(port, port + MOST_PORTS) if port else [0]:
        if number > 65535:
            break
        try:
            return _bound(host, number)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise UserError(f"--host {host} --port {number}: {error.strerror}") from error
    raise UserError(f"--port {port}: this port and the {MOST_PORTS - 1} after it are taken")


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise UserError(f"--host {host}: {error.strerror}") from error
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(512)
    except OSError:
        listening.close()
        raise
    return listening


def _shown_host(host: str) -> str:
    """Returns the host for an address that a browser can open."""
    if host in ("0.0.0.0", "::"):
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host
