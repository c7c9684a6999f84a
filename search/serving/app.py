"""The web application: addresses, and what they answer.

    GET  /                              the list of studies
    GET  /s/{id}                        the page of a study
    GET  /static/{name}                 files of the pages
    POST /login                         {"token"}: sets the cookie
    GET  /api/studies                   the list as JSON (`ServedStudies.json`)
    GET  /api/studies/{id}              the state of a study (`state.py`)
    GET  /api/studies/{id}/events       server-sent events; ?since=SEQ&epoch=EPOCH
    GET  /api/studies/{id}/trials/{n}   one trial (`trial_detail.py`)
    POST /api/studies/{id}/control      {"action", "trials", "constraints", "goals"}
    POST /api/studies/{id}/exports      {"pick", "target"} -> {"job"}
    GET  /api/exports/{job}             its progress
    GET  /api/exports/{job}/zip         its files

An error is {"error": text}.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from paretune.search.database.reader import study_reader
from paretune.search.errors import UserError
from paretune.search.interface.reading import NoSuchTrial, read_trial
from paretune.search.serving.controls import storage_option
from paretune.search.serving.exports import Exports
from paretune.search.serving.page_files import page_bytes, page_file, page_names
from paretune.search.serving.security import Access, Guard
from paretune.search.serving.served_studies import ServedStudies
from paretune.search.serving.study_index import StudyEntry
from paretune.search.serving.trial_detail import trial_curves, trial_detail

MOST_LISTENERS = 300
"""Most pages that receive events at the same time."""

MOST_BODY = 64_000
"""Most bytes of a request."""

LOGIN_DELAY = 0.5
"""Seconds after which a wrong token is answered."""

MOST_LOGINS = 10
"""Most logins that are answered at the same time."""

LARGEST_TRIAL = 2**31 - 1

Handler = Callable[[Request], Awaitable[Response]]


class WebServer:
    """What the addresses answer.

    Attributes:
        studies: The studies.
        exports: The exports.

    Args:
        paths: Folders and study files.
        access: Decides who may use the server.
    """

    def __init__(self, paths: Sequence[Path], access: Access) -> None:
        self.studies = ServedStudies(paths, secrets.token_hex(4))
        self.exports = Exports()
        self._access = access
        self._logins = 0

    def app(self) -> ASGIApp:
        """Returns the application with its guard."""
        api = "/api/studies/{study}"
        routes = [
            Route("/", self._index),
            Route("/s/{study}", self._study_page),
            Route("/static/{name}", self._static),
            Route("/login", self._login, methods=["POST"]),
            Route("/api/studies", self._list),
            Route(api, self._state),
            Route(f"{api}/events", self._events),
            Route(f"{api}/trials/{{number:int}}", self._trial),
            Route(f"{api}/control", self._control, methods=["POST"]),
            Route(f"{api}/exports", self._export, methods=["POST"]),
            Route("/api/exports/{job}", self._job),
            Route("/api/exports/{job}/zip", self._zip),
        ]
        errors: dict[Any, Any] = {HTTPException: _http_error, UserError: _user_error}
        return Guard(
            Starlette(routes=routes, exception_handlers=errors),
            self._access,
            page_bytes("login.html"),
        )

    # -- pages -----------------------------------------------------------------------------------

    async def _index(self, request: Request) -> Response:
        return _file(request, "index.html")

    async def _study_page(self, request: Request) -> Response:
        """Returns the page; it says itself that there is no such study."""
        entry = await self.studies.entry(request.path_params["study"])
        response = _file(request, "study.html")
        response.status_code = response.status_code if entry else 404
        return response

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in page_names():
            raise HTTPException(404, "there is no such file")
        return await asyncio.to_thread(_file, request, name)

    async def _login(self, request: Request) -> Response:
        body = await _body(request)
        if not self._access.needs_token:
            return JSONResponse({"ok": True})
        if self._access.is_token(body.get("token")):
            return JSONResponse({"ok": True}, headers={"set-cookie": self._access.set_cookie()})
        if self._logins >= MOST_LOGINS:
            raise HTTPException(429, "too many logins at the same time; try again")
        self._logins += 1
        try:
            await asyncio.sleep(LOGIN_DELAY)
        finally:
            self._logins -= 1
        raise HTTPException(403, "this is not the token that paretune serve printed")

    # -- studies ---------------------------------------------------------------------------------

    async def _entry(self, request: Request) -> StudyEntry:
        entry = await self.studies.entry(request.path_params["study"])
        if entry is None:
            raise HTTPException(404, "there is no such study")
        return entry

    async def _list(self, request: Request) -> Response:
        return JSONResponse(await self.studies.json())

    async def _state(self, request: Request) -> Response:
        watched = self.studies.watched(await self._entry(request))
        return _packed(await watched.state(), "application/json")

    async def _events(self, request: Request) -> Response:
        watched = self.studies.watched(await self._entry(request))
        if self.studies.listeners >= MOST_LISTENERS:
            headers = {"retry-after": "10"}
            raise HTTPException(503, "too many pages are open; close some of them", headers)
        epoch, since = _position(request)
        return EventStream(watched.events(epoch, since))

    async def _trial(self, request: Request) -> Response:
        entry = await self._entry(request)
        number = request.path_params["number"]
        if number > LARGEST_TRIAL:
            raise HTTPException(404, f"trial {number}: there is no such trial")
        return JSONResponse(await asyncio.to_thread(_trial_json, entry.location.url, number))

    async def _control(self, request: Request) -> Response:
        entry = await self._entry(request)
        answer = await self.studies.controls(entry).act(await _body(request))
        await self.studies.search(now=True)  # a run may have made the database
        return JSONResponse(answer)

    # -- exports ---------------------------------------------------------------------------------

    async def _export(self, request: Request) -> Response:
        entry = await self._entry(request)
        storage = await asyncio.to_thread(storage_option, entry.location)
        job = self.exports.add(entry.id, entry.location, await _body(request), storage)
        return JSONResponse({"job": job.id}, status_code=202)

    async def _job(self, request: Request) -> Response:
        job = self.exports.get(request.path_params["job"])
        if job is None:
            raise HTTPException(404, "there is no such export; it may have made room for others")
        answer = job.json()
        return JSONResponse(answer)

    async def _zip(self, request: Request) -> Response:
        job = self.exports.get(request.path_params["job"])
        if job is None or job.zip is None or not job.zip.is_file():
            raise HTTPException(404, "there is no such file; the export may have made room")
        return FileResponse(job.zip, media_type="application/zip", filename=job.zip.name)


class EventStream(Response):
    """A response of server-sent events, which ends as soon as the page is closed."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[str]) -> None:
        super().__init__()
        del self.headers["content-length"]  # nobody knows it
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends events until the page is closed."""
        sending = asyncio.create_task(self._send(send))
        closing = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait([sending, closing], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, closing):
                task.cancel()
            await asyncio.gather(sending, closing, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async with aclosing(self._events) as events:  # type: ignore[type-var]
            async for event in events:
                await send(
                    {"type": "http.response.body", "body": event.encode(), "more_body": True}
                )
        await send({"type": "http.response.body", "body": b""})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _position(request: Request) -> tuple[str | None, int]:
    """Returns epoch and number of the state that a page has."""
    last = request.headers.get("last-event-id", "")
    epoch, _, since = last.rpartition(".") if last else ("", "", "")
    epoch = epoch or request.query_params.get("epoch", "")
    since = since or request.query_params.get("since", "")
    return epoch or None, int(since) if since.isascii() and since.isdigit() else -1


def _trial_json(url: str, number: int) -> dict[str, Any]:
    try:
        view = read_trial(url, number)
    except NoSuchTrial as error:
        raise HTTPException(404, str(error)) from error
    with study_reader(url) as reader:
        curves = trial_curves(reader.rows, view.trial)
    return trial_detail(view, curves)


async def _body(request: Request) -> dict[str, Any]:
    """Returns the JSON object of a request.

    Raises:
        HTTPException: It is too long, or no JSON object.
    """
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BODY:
            raise HTTPException(413, f"at most {MOST_BODY} bytes")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "the body is not JSON") from error
    if not isinstance(body, dict):
        raise HTTPException(400, "the body must be a JSON object")
    return body


def _file(request: Request, name: str) -> Response:
    """Returns a file of the page; a browser that has it gets no content."""
    file = page_file(name)
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers={"etag": file.tag})
    return _packed(file.packed, file.kind, {"etag": file.tag, "cache-control": "no-cache"})


def _packed(content: bytes, kind: str, headers: dict[str, str] | None = None) -> Response:
    """Returns compressed content; every browser of the last 20 years reads it."""
    return Response(
        content,
        headers={"content-encoding": "gzip", "content-type": kind, **(headers or {})},
    )


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse(
        {"error": error.detail}, status_code=error.status_code, headers=error.headers
    )


async def _user_error(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=409)
