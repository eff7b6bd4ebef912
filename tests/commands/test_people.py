"""``appliance user`` and ``appliance token`` by the real command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.security.sessions import log_in
from appliance.security.tokens import find_token
from appliance.store.store import Store, open_store

ROOT = Path(__file__).parents[2]


def run(data: Path, *arguments: str, given: str = "", code: int = 0) -> str:
    line = [sys.executable, "-m", "appliance", *arguments, "--data", str(data)]
    result = subprocess.run(line, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    assert result.returncode == code, result.stderr
    return result.stderr if code else result.stdout


@pytest.fixture
def data(tmp_path: Path) -> Path:
    run(tmp_path / "data", "user", "add", "ada", "--role", "admin", "--password-stdin", given="a long enough one\n")
    return tmp_path / "data"


def opened(data: Path) -> Store:
    return open_store(data)


def test_a_person_added_at_the_command_line_can_log_in(data: Path) -> None:
    assert log_in(opened(data), "ada", "a long enough one", address="127.0.0.1")
    assert [user["role"] for user in json.loads(run(data, "user", "list", "--json"))] == ["admin"]


def test_a_new_password_replaces_the_old_one(data: Path) -> None:
    run(data, "user", "passwd", "ada", "--password-stdin", given="another long one\n")
    assert log_in(opened(data), "ada", "another long one", address="127.0.0.1")


def test_what_can_t_be_is_one_clear_line_and_an_exit_code(data: Path) -> None:
    assert "ada" in run(data, "user", "remove", "ada", code=1)  # the last admin
    assert "nobody" in run(data, "user", "passwd", "nobody", "--password-stdin", given="a long enough one\n", code=1)
    assert "clerk2" not in run(data, "user", "list")
    run(data, "user", "add", "short", "--role", "clerk", "--password-stdin", given="x\n", code=2)


def test_a_token_is_shown_once_and_opens_until_revoked(data: Path) -> None:
    secret = json.loads(run(data, "token", "create", "monitoring", "--role", "viewer", "--json"))["token"]
    token = find_token(opened(data), secret)
    assert token is not None and token.role == "viewer"
    assert secret not in run(data, "token", "list", "--json")
    run(data, "token", "revoke", str(token.token_id))
    assert find_token(opened(data), secret) is None
