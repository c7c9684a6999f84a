"""Refuses requests that no page of this server sends; adds headers that bind browsers.

- The Host header must name this server: a page of another site that points its name at this address
  (DNS rebinding) sends its own name.
- A request that changes something must be JSON from this origin. A browser sends another site's
  JSON only after a CORS preflight, which is never answered. Origin and Sec-Fetch-Site are checked
  as well (https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html).
- With a token, every request needs the cookie of the login, or `Authorization: Bearer TOKEN`.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import secrets
import socket
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""Headers of every response. Plots set styles from scripts, so inline styles are allowed."""

OPEN_PATHS = ("/login", "/static/")
"""Paths that need no token: the login and the files of the page, which hold no data."""

SAFE = ("GET", "HEAD")

SAME_SITE = ("same-origin", "none")
"""Values of Sec-Fetch-Site for a request of the page, or one that the user typed."""


class Access:
    """Decides who may use the server.

    Attributes:
        cookie: Name of the cookie of the login. Cookies of one host are shared by all its ports.

    Args:
        token: The token; None if none is needed.
        hosts: Further names of this server, besides addresses and `localhost`.
        port: Port of the server.
    """

    def __init__(self, token: str | None, hosts: Collection[str], port: int) -> None:
        self._token = token
        self._hosts = {host.lower() for host in hosts}
        self.cookie = f"paretune-{port}"
        # The cookie is not the token: whoever reads it cannot log in to another run of the server.
        self._session = hashlib.sha256(secrets.token_bytes(32) + (token or "").encode()).hexdigest()

    @property
    def needs_token(self) -> bool:
        """Whether a token is needed."""
        return self._token is not None

    def is_token(self, text: object) -> bool:
        """Returns whether a text is the token; takes the same time for every text."""
        token = (self._token or "").encode()
        return isinstance(text, str) and bool(token) and hmac.compare_digest(text.encode(), token)

    def set_cookie(self) -> str:
        """Returns the Set-Cookie header of a successful login."""
        return f"{self.cookie}={self._session}; Path=/; HttpOnly; SameSite=Strict"

    def is_host(self, host: str) -> bool:
        """Returns whether a Host header names this server."""
        name = _name(host).lower().rstrip(".")
        return name == "localhost" or name in self._hosts or _is_address(name)

    def is_allowed(self, headers: dict[str, str]) -> bool:
        """Returns whether a request has the token or the cookie, if one is needed."""
        if not self.needs_token:
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return self.is_token(token.strip())
        return hmac.compare_digest(self._cookie(headers).encode(), self._session.encode())

    def _cookie(self, headers: dict[str, str]) -> str:
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return ""
        return cookies[self.cookie].value if self.cookie in cookies else ""


def names_of_this_host(bound: str) -> set[str]:
    """Returns the names by which this machine may be addressed.

    Args:
        bound: The value of --host.
    """
    host = socket.gethostname()
    return {bound, host, socket.getfqdn(host)} - {""}


def problem(scope: Scope, access: Access) -> tuple[int, str] | None:
    """Returns the status and the text with which a request is refused; None if it is not."""
    headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
    host, path, method = headers.get("host", ""), scope["path"], scope["method"]
    if not access.is_host(host):
        return 400, "the Host header does not name this server; use the address that it printed"
    if method not in (*SAFE, "POST"):
        return 405, f"{method} is not possible here"
    is_data = path.startswith("/api/") or method == "POST"
    if is_data and headers.get("sec-fetch-site", "same-origin") not in SAME_SITE:
        return 403, "a page of another site sent this request"
    if method == "POST":
        if "origin" in headers and headers["origin"] != f"{scope['scheme']}://{host}":
            return 403, "a page of another origin sent this request"
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return 415, "the content type must be application/json"
    if not path.startswith(OPEN_PATHS) and not access.is_allowed(headers):
        return 401, "log in with the token that paretune serve printed"
    return None


class Guard:
    """The middleware that refuses requests and adds headers.

    Args:
        app: The application.
        access: Decides who may use the server.
        login_page: Content of the page that asks for the token.
    """

    def __init__(self, app: ASGIApp, access: Access, login_page: bytes) -> None:
        self._app, self._access, self._login = app, access, login_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _with_headers(message["headers"], scope["path"])
            await send(message)

        refused = problem(scope, self._access)
        if refused is None:
            await self._app(scope, receive, guarded)
            return
        await self._refuse(refused, scope, guarded)

    async def _refuse(self, refused: tuple[int, str], scope: Scope, send: Send) -> None:
        status, text = refused
        is_page = scope["path"] == "/" or scope["path"].startswith("/s/")
        if status == 401 and is_page and scope["method"] in SAFE:
            kind, body = b"text/html; charset=utf-8", self._login
        else:
            kind, body = b"application/json", json.dumps({"error": text}).encode()
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _with_headers(headers: Any, path: str) -> list[tuple[bytes, bytes]]:
    """Returns headers of a response with those of every response; data is not to be stored."""
    present = {name.lower() for name, _ in headers}
    added = dict(HEADERS)
    if not path.startswith("/static/"):
        added["cache-control"] = "no-store"
    return [
        *headers,
        *((k.encode(), v.encode()) for k, v in added.items() if k.encode() not in present),
    ]


def _name(host: str) -> str:
    """Returns the name or address in a Host header, without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
