"""The addresses of the server: what they answer, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from paretune.search.serving import app
from paretune.search.serving.app import MOST_BODY, WebServer
from paretune.search.serving.security import HEADERS, Access
from support.made_up_study import MadeUpStudy

BASE = "http://127.0.0.1:8585"
TOKEN = "correct horse battery"


@pytest.fixture(name="study")
def study_fixture(tmp_path: Path) -> Iterator[MadeUpStudy]:
    made_up = MadeUpStudy(tmp_path, 12)
    yield made_up
    made_up.close()


def client_of(study: MadeUpStudy, token: str | None = None) -> TestClient:
    web = WebServer([study.file.parent], Access(token, {"box"}, 8585))
    return TestClient(web.app(), base_url=BASE, raise_server_exceptions=True)


@pytest.fixture(name="client")
def client_fixture(study: MadeUpStudy) -> TestClient:
    return client_of(study)


CONTROL = "/api/studies/made-up/control"
PATHS = ("/", "/s/made-up", "/api/studies", "/api/studies/made-up", "/api/studies/made-up/trials/3")


@pytest.mark.parametrize("path", PATHS)
def test_page_answers_with_headers_that_bind_browsers(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert {name: response.headers[name] for name in HEADERS} == HEADERS
    policy = response.headers["content-security-policy"]
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert scripts == "script-src 'self'"
    assert "http" not in policy
    if path.startswith("/api/"):
        assert response.headers["cache-control"] == "no-store"


def test_every_file_of_the_page_is_served_and_has_no_inline_script(client: TestClient) -> None:
    for name in sorted(app.page_names()):
        response = client.get(f"/static/{name}")
        assert response.status_code == 200
        assert response.headers["x-content-type-options"] == "nosniff"
        again = client.get(f"/static/{name}", headers={"if-none-match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        if name.endswith(".html"):
            assert "<script>" not in response.text and " onclick=" not in response.text


def test_trial_has_numbers_plan_and_files(client: TestClient) -> None:
    trial = client.get("/api/studies/made-up/trials/3").json()
    assert trial["number"] == 3
    assert {entry["name"] for entry in trial["numbers"]} == {"accuracy", "latency", "size"}
    [latency] = [entry for entry in trial["numbers"] if entry["name"] == "latency"]
    assert latency["unit"] == "ms" and latency["low"] < latency["value"] < latency["high"]
    assert "faster" in latency["difference"] or "slower" in latency["difference"]
    assert trial["files"][0]["path"] == "artifacts/trial-00003.onnx"
    assert trial["lines"][0].startswith("trial 3:")


@pytest.mark.parametrize(
    "path",
    [
        "/api/studies/other",
        "/api/studies/made-up/trials/99",
        "/api/studies/made-up/trials/99999999999999999999",
        "/api/studies/made-up/trials/-1",
        "/api/exports/unknown",
        "/api/exports/unknown/zip",
        "/static/unknown.js",
        "/favicon.ico",
    ],
)
def test_unknown_address_is_404_with_a_text(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.json()["error"]


def test_page_of_an_unknown_study_is_404_and_tells_it_itself(client: TestClient) -> None:
    response = client.get("/s/other")
    assert response.status_code == 404
    assert response.text == client.get("/s/made-up").text


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e%2fapp.py",
        "/static/..%5capp.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/page.css%00.js",
        "/s/..%2f..%2fetc",
        "/api/studies/..%2fmade-up",
        "/api/studies/%2e%2e",
        "/api/exports/..%2f..%2fstudy.db/zip",
    ],
)
def test_path_trick_finds_nothing(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert "root:" not in response.text and "import" not in response.text


# -- forged requests -------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8585", "", "evil@box"])
def test_other_host_name_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/api/studies", headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost:8585", "[::1]:8585", "127.0.0.1", "BOX:8585"])
def test_name_of_this_server_is_accepted(client: TestClient, host: str) -> None:
    assert client.get("/api/studies", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "https://127.0.0.1:8585"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "multipart/form-data; boundary=application/json"}, 415),
        ({"content-type": ""}, 415),
        ({"origin": BASE, "sec-fetch-site": "same-origin"}, 409),
        ({}, 409),
    ],
)
def test_forged_post_is_refused(client: TestClient, headers: dict[str, str], status: int) -> None:
    headers = {"content-type": "application/json", **headers}
    for path in (CONTROL, "/api/studies/made-up/exports", "/login"):
        content = json.dumps({"action": "pause"})
        response = client.post(path, content=content, headers=headers)
        expected = 200 if path == "/login" and status == 409 else status
        assert response.status_code == expected
        assert status == 409 or response.json()["error"]


def test_page_of_another_site_reads_no_data(client: TestClient) -> None:
    headers = {"sec-fetch-site": "cross-site"}
    assert client.get("/api/studies/made-up/events", headers=headers).status_code == 403
    assert client.get("/", headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_method_is_refused(client: TestClient, method: str) -> None:
    assert client.request(method, CONTROL).status_code == 405


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 10_000, 400),
        (b" " * (MOST_BODY + 1), 413),
        (b'{"action": "jump"}', 409),
        (b'{"action": "stop", "folder": "/"}', 409),
        (b'{"action": "run", "trials": 0}', 409),
        (b'{"action": "run", "trials": true}', 409),
        (b'{"action": "run", "constraints": "size <= 1"}', 409),
        (b'{"action": "run", "constraints": ["speed <= 1"]}', 409),
        (b'{"action": "run", "goals": ["latency < banana"]}', 409),
        (b'{"action": "pause", "trials": 3}', 409),
    ],
)
def test_wrong_body_is_refused_with_a_text(client: TestClient, content: bytes, status: int) -> None:
    headers = {"content-type": "application/json"}
    response = client.post(CONTROL, content=content, headers=headers)
    assert (response.status_code, bool(response.json()["error"])) == (status, True)


# -- token -----------------------------------------------------------------------------------------


def test_server_with_a_token_shows_nothing_without_it(study: MadeUpStudy) -> None:
    client = client_of(study, TOKEN)
    for path in PATHS:
        response = client.get(path)
        assert response.status_code == 401
        assert "accuracy" not in response.text
    assert "Token" in client.get("/").text
    assert client.post(CONTROL, json={"action": "pause"}).status_code == 401
    assert client.get("/static/login.js").status_code == 200


def test_login_sets_a_cookie_that_no_script_and_no_other_site_can_use(
    study: MadeUpStudy,
) -> None:
    client = client_of(study, TOKEN)
    response = client.post("/login", json={"token": TOKEN})
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert client.get("/api/studies").status_code == 200


@pytest.mark.parametrize("token", ["", "wrong", None, 3, ["x"], "ä", TOKEN + "x", TOKEN[:-1]])
def test_wrong_token_is_refused(
    study: MadeUpStudy, monkeypatch: pytest.MonkeyPatch, token: Any
) -> None:
    monkeypatch.setattr(app, "LOGIN_DELAY", 0.0)
    client = client_of(study, TOKEN)
    assert client.post("/login", json={"token": token}).status_code == 403
    headers = {"authorization": f"Bearer {token}".encode(), "cookie": "paretune-8585=x"}
    assert client.get("/api/studies", headers=headers).status_code == 401


def test_token_in_a_header_is_accepted(study: MadeUpStudy) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert client_of(study, TOKEN).get("/api/studies", headers=headers).status_code == 200


# -- bounds ----------------------------------------------------------------------------------------


def test_too_many_open_pages_are_refused(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MOST_LISTENERS", 0)
    response = client.get("/api/studies/made-up/events")
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert client.get("/api/studies/made-up").status_code == 200


def test_list_names_all_studies_and_what_is_wrong_with_broken_ones(
    study: MadeUpStudy, client: TestClient, tmp_path: Path
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.db").write_bytes(b"nothing of a database")
    entries = {e["id"]: e for e in client.get("/api/studies").json()["studies"]}
    assert entries["made-up"]["budget"] == {"trials": 12, "done": 12}
    assert entries["made-up"]["members"] > 0 and entries["made-up"]["answer"]
    assert "cannot be read" in entries["broken"]["error"]
    response = client.get("/api/studies/broken")
    assert response.status_code == 409 and "damaged" in response.json()["error"]
