"""The page as it is served: limits of waitress, and a proxy before it."""

from __future__ import annotations

import hashlib
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from appliance.config import Settings, WebSettings
from appliance.events import process_actor
from appliance.security import first_admin, sessions, tokens
from appliance.store import audit
from appliance.store.store import Store, open_store
from appliance.web import serve
from tests.web.conftest import PASSWORD, PageClient, serving

ROOT = Path(__file__).parents[2]


def talk(url: str, request: bytes) -> bytes:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as connection:
        connection.sendall(request)
        answer = b""
        with suppress(ConnectionResetError):  # it does not read what it refuses
            while part := connection.recv(65536):
                answer += part
        return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join((f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *lines, "", "")).encode()


def test_a_body_too_large_is_refused_before_it_is_sent(live_url: str) -> None:
    assert status(talk(live_url, head("POST", "/login", "Content-Length: 1073741824"))) == 413
    assert status(talk(live_url, head("GET", "/login"))) == 200


def test_a_chunked_body_too_large_is_refused_on_the_way(live_url: str) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    request = head("POST", "/login", "Transfer-Encoding: chunked") + chunk * 12
    assert status(talk(live_url, request)) == 413


def test_only_people_we_know_may_upload_and_only_where_uploads_go(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "upload_paths", lambda app: ("/studies/import",))
    session_id = sessions.log_in(store, "clerk", PASSWORD, address="127.0.0.1")
    secret = tokens.create_token(store, "t", "clerk", process_actor("tests"))
    server = serve.make_server(store)
    try:
        for line, path, much in (
            (f"Cookie: page=x; session={session_id}", "/studies/import", True),
            (f"Cookie: __Host-session={session_id}", "/studies/import", True),
            (f"Authorization: Bearer {secret}", "/studies/import/more", True),
            (f"Authorization: Bearer {secret}x", "/studies/import", False),
            ("Cookie: session=made-up", "/studies/import", False),
            ("X-Nothing: x", "/studies/import", False),
            (f"Cookie: session={session_id}", "/login", False),
        ):
            parser = serve._Parser(server.adj)
            parser.received(head("POST", path, line, "Content-Length: 10"))
            limit = server.adj.max_request_body_size if much else serve.FORM_BYTES + 1
            assert parser.adj.max_request_body_size == limit, (line, path)
    finally:
        server.close()


def test_a_header_too_large_is_refused(live_url: str) -> None:
    assert status(talk(live_url, head("GET", "/login", "X-Large: " + "x" * 300_000))) == 431


def test_an_unknown_host_is_refused(live_url: str) -> None:
    assert status(talk(live_url, b"GET /login HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")) == 400
    assert status(talk(live_url, b"GET /login HTTP/1.0\r\n\r\n")) == 400


def test_the_page_lives_among_idle_and_slow_connections(live_url: str) -> None:
    parts = urlsplit(live_url)
    with ExitStack() as opened:
        for number in range(210):
            connection = socket.create_connection((parts.hostname or "", parts.port or 0))
            opened.enter_context(connection)
            if number % 2:
                connection.sendall(b"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        assert status(talk(live_url, head("GET", "/login"))) == 200


@contextmanager
def served(data: Path, **web: str) -> Iterator[tuple[str, Store]]:
    store = open_store(data, settings=Settings(web=WebSettings(port=0, **web)))
    try:
        running = serving(store)
        yield next(running), store
        next(running, None)
    finally:
        store.close()


FORWARDED = ("X-Forwarded-For: 203.0.113.5", "X-Forwarded-Proto: https")


def failed_from(url: str, store: Store) -> str:
    """The address a failed log-in is held against, with what a stranger claims about it."""
    page = talk(url, head("GET", "/login", *FORWARDED)).decode()
    cookie = next(line.split(": ")[1].split(";")[0] for line in page.splitlines() if line.startswith("Set-Cookie"))
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    body = f"csrf_token={token}&name=x&password=y"
    scheme = "https" if cookie.startswith("__Host") else "http"
    lines = (
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        f"Cookie: {cookie}",
        f"Referer: {scheme}://localhost/login",
    )
    assert status(talk(url, head("POST", "/login", *FORWARDED, *lines) + body.encode())) == 401
    with store.database.read() as connection:
        return audit.page(connection, event="login")[0].address


def test_a_forwarded_address_is_believed_from_the_trusted_proxy_alone(filled_data: Path, tmp_path: Path) -> None:
    with served(tmp_path / "a") as (url, store):
        assert failed_from(url, store) == "127.0.0.1"
        assert b"Strict-Transport-Security" not in talk(url, head("GET", "/login", *FORWARDED))
    with served(tmp_path / "b", trusted_proxy="127.0.0.1") as (url, store):
        assert failed_from(url, store) == "203.0.113.5"
        assert b"Strict-Transport-Security" in talk(url, head("GET", "/login", *FORWARDED))
    with served(tmp_path / "c", trusted_proxy="192.0.2.77") as (url, store):
        assert failed_from(url, store) == "127.0.0.1"


def test_the_first_admins_link_is_said_on_the_console_once(
    empty_store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    first_admin.announce(empty_store, "http://localhost:8080")
    link = next(word for word in capsys.readouterr().err.split() if word.startswith("http"))
    key = link.rpartition("/")[2]
    first_admin.make_first_admin(empty_store, key, "anna", PASSWORD, address="127.0.0.1")
    first_admin.announce(empty_store, "http://localhost:8080")
    assert capsys.readouterr().err == ""


def test_the_first_load_is_small(live_url: str) -> None:
    page = urllib.request.urlopen(f"{live_url}/login").read()
    names = [part.split(b'"')[0].decode() for part in page.replace(b"src=", b"href=").split(b'href="')[1:]]
    files = [name for name in names if name.startswith("/static/")] + ["/static/icons.svg"]
    total = len(page) + sum(len(urllib.request.urlopen(live_url + name).read()) for name in files)
    assert len(files) >= 5 and total < 200_000


@pytest.mark.parametrize("folder", ["appliance/web/static/vendor", "tests/web/vendor"])
def test_vendored_files_are_those_that_were_taken(folder: str) -> None:
    listed = dict(reversed(line.split()) for line in (ROOT / folder / "SHA256SUMS").read_text().splitlines())  # type: ignore[misc]
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (ROOT / folder).iterdir()}
    found.pop("SHA256SUMS")
    assert found == listed


def test_static_files_lead_nowhere_else(admin: PageClient) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/..%2f..%2fconfig.py"):
        assert admin.get(path, follow_redirects=True).status_code == 404, path
