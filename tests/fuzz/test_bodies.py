"""Spoilt bodies for every operation of the API: each is understood or refused, none breaks it."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from appliance.security import tokens
from appliance.store.store import open_store
from appliance.web.api.describe import ENDPOINTS
from appliance.web.app import create_app
from tests.faults.plant import SETTINGS
from tests.fuzz.mutations import ON_DATA
from tests.web import made

CASES = int(os.environ.get("FUZZ_CASES", "20000")) // 100
SEED = int(os.environ.get("FUZZ_SEED", "1"))
CALLS_OTHERS = {"query_archive", "retrieve_study", "echo_peer", "check_printer"}
BODIES = (
    {"name": "two", "device_uri": "socket://192.0.2.9", "settings": {"bits": 8}},
    {"name": "two", "ae_title": "TWO", "allows": ["print"], "address": "192.0.2.0/24"},
    {"studies": ["1.2.3"], "copies": 2, "priority": "HIGH", "choices": {"viewer": False}},
    {"copies": 1, "printer": "film"},
    {"username": "x", "role": "clerk", "password": "three odd words"},
)
WHOLE = (
    b"",
    b"null",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"1" * 5000,
    b"NaN",
    b'{"name": "\\ud800"}',
    b'{"name": "\\u0000"}',
    b"\xff\xfe{}",
    b"1e99999",
    b'{"copies": 1e400}',
    b'{"copies": 99999999999999999999999999}',
)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Sends a body as an admin's program would; the status."""
    store = open_store(tmp_path / "data", settings=SETTINGS)
    made.devices(store)
    secret = tokens.create_token(store, "fuzz", "admin", made.TESTER)
    browser: FlaskClient = create_app(store).test_client()

    def send(method: str, path: str, body: bytes, kind: str) -> int:
        headers = {"Authorization": f"Bearer {secret}", "If-Match": "*"}
        return browser.open(path, method=method, data=body, content_type=kind, headers=headers).status_code

    yield send
    store.close()


def spoilt(chance: random.Random) -> bytes:
    if chance.random() < 0.2:
        return chance.choice(WHOLE)
    body = json.dumps(chance.choice(BODIES)).encode()
    for _ in range(chance.choice((1, 1, 3))):
        body = chance.choice(ON_DATA)(chance, body)
    return body


def test_a_spoilt_body_is_understood_or_refused(client: Callable[..., int]) -> None:
    operations = [
        each for each in ENDPOINTS if each.method in ("POST", "PUT", "PATCH") and each.name not in CALLS_OTHERS
    ]
    kinds = ("application/json", "application/json", "application/json", "text/plain", "multipart/form-data", "")
    refused = 0
    for number in range(CASES):
        chance = random.Random(f"{SEED}/body/{number}")
        operation, body, kind = chance.choice(operations), spoilt(chance), chance.choice(kinds)
        path = "/api/v1" + operation.rule.replace("<int:", "<").replace("<", "{").replace(">", "}")
        path = "/".join("1" if part.startswith("{") else part for part in path.split("/"))
        status = client(operation.method, path, body, kind)
        assert status < 500, f"seed {SEED}, case {number}: {status} from {operation.method} {path} with {body[:200]!r}"
        refused += status >= 400
    assert refused > CASES // 2
