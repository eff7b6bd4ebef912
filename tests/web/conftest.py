"""Fixtures of the page: a store of its own, clients logged in by role, a live server and Chromium."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2.bccache import Bucket, BytecodeCache
from playwright.sync_api import Browser, BrowserContext
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from appliance.config import Settings, WebSettings
from appliance.events import process_actor
from appliance.security import users
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store.store import Store, open_store
from appliance.web.app import create_app
from appliance.web.serve import make_server

PASSWORD = "three odd words"
TESTER = process_actor("tests")


def settings(**web: Any) -> Settings:
    return Settings(web=WebSettings(port=0, **web))


@pytest.fixture(scope="session")
def filled_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a user of each role, each named as the role, made once."""
    folder = tmp_path_factory.mktemp("filled")
    store = open_store(folder, settings=settings())
    for role in ("admin", "clerk", "viewer"):
        users.add_user(store, role, role, PASSWORD, TESTER)
    add_peer(store, Peer(name="CT 2", ae_title="CT2", address="192.0.2.7", host="ct2.example", port=104), TESTER)
    store.close()
    return folder


@pytest.fixture
def empty_store(tmp_path: Path) -> Iterator[Store]:
    """A fresh appliance: nobody there yet."""
    store = open_store(tmp_path / "data", settings=settings())
    yield store
    store.close()


@pytest.fixture
def store(filled_data: Path, tmp_path: Path) -> Iterator[Store]:
    """An appliance with an admin, a clerk, a viewer and a peer."""
    shutil.copytree(filled_data, tmp_path / "data")
    store = open_store(tmp_path / "data", settings=settings())
    yield store
    store.close()


class Compiled(BytecodeCache):
    """Templates compiled by an earlier test."""

    def __init__(self) -> None:
        self.by_key: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.by_key:
            bucket.bytecode_from_string(self.by_key[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.by_key[bucket.key] = bucket.bytecode_to_string()


COMPILED = Compiled()


@pytest.fixture(scope="session", autouse=True)
def _addresses_compiled_once() -> Iterator[None]:
    """Werkzeug compiles code that builds each address: nearly all of what making an application takes."""
    compiled: dict[tuple[str, ...], Any] = {}
    compile_builder = Rule._compile_builder

    def once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, repr(rule.defaults), str(append_unknown))
        if key not in compiled:
            compiled[key] = compile_builder(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", once)
        yield


@pytest.fixture
def app(store: Store) -> Flask:
    made = create_app(store)
    made.jinja_env.bytecode_cache = COMPILED
    return made


class PageClient(FlaskClient):
    """A browser without script: it posts forms with the token that stands on our pages."""

    def form_token(self, path: str = "/login") -> str:
        page = self.get(path, follow_redirects=True).text
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        assert found, f"no form token on {path}"
        return found[1]

    def submit(self, path: str, *, seen_on: str = "/account", **fields: Any) -> TestResponse:
        """Post a form as a browser does."""
        data = {"csrf_token": self.form_token(seen_on), **fields}
        return self.post(path, data=data, headers={"Origin": "http://localhost"})

    def log_in(self, name: str, password: str = PASSWORD) -> TestResponse:
        return self.submit("/login", seen_on="/login", name=name, password=password)


@pytest.fixture
def browser_of(app: Flask) -> Callable[..., PageClient]:
    """A client of an address, not logged in."""
    app.test_client_class = PageClient

    def make(address: str = "127.0.0.1") -> PageClient:
        client = app.test_client()
        client.environ_base["REMOTE_ADDR"] = address
        assert isinstance(client, PageClient)
        return client

    return make


@pytest.fixture
def visitor_as(browser_of: Callable[..., PageClient]) -> Callable[[str], PageClient]:
    """A client logged in as "admin", "clerk" or "viewer"."""

    def make(role: str) -> PageClient:
        client = browser_of()
        assert client.log_in(role).status_code == 303
        return client

    return make


@pytest.fixture
def admin(visitor_as: Callable[[str], PageClient]) -> PageClient:
    return visitor_as("admin")


def serving(store: Store) -> Iterator[str]:
    server = make_server(store)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://localhost:{server.effective_port}"
    server.close()
    server.task_dispatcher.shutdown()
    thread.join(5)


@pytest.fixture
def live_url(store: Store) -> Iterator[str]:
    """The page of `store` on a free port of this machine, behind waitress."""
    yield from serving(store)


@pytest.fixture
def empty_url(empty_store: Store) -> Iterator[str]:
    yield from serving(empty_store)


@pytest.fixture
def window(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Makes windows (browser contexts) in English, closed at the end."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        contexts.append(browser.new_context(**{"locale": "en-GB", **options}))
        return contexts[-1]

    yield make
    for context in contexts:
        context.close()
