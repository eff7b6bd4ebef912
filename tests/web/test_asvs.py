"""What ASVS level 1 asks for and no other test looks at: by walking our sources and our answers."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from appliance.security import sessions, tokens, users
from appliance.store.store import Store
from appliance.studies import search
from tests.support.service import ROOT
from tests.web import made
from tests.web.conftest import PASSWORD, TESTER, PageClient
from tests.web.test_access import routes

MARKUP = re.compile(r"innerHTML|outerHTML\s*=|insertAdjacentHTML|document\.write|\beval\(")
SOURCES = sorted((ROOT / "appliance").rglob("*.py"))
INJECTIONS = (
    "' OR '1'='1",
    "'; DROP TABLE study; --",
    '" OR 1=1 --',
    "1) UNION SELECT password_hash FROM user --",
    "%' ESCAPE '\\",
    "\\' OR 1",
    "x'; ATTACH DATABASE '/tmp/evil' AS evil; --",
)
ASKED = {
    "/studies": ("text", "modality", "source"),
    "/print-jobs": ("text", "printer", "originator", "state"),
    "/discs": ("text", "burner", "status"),
    "/audit": ("text", "actor", "event"),
    "/studies/archives": ("peer", "PatientName", "PatientID"),
}
TRAVERSALS = (
    "../../appliance.db",
    "..%2f..%2fappliance.db",
    "%2e%2e/appliance.db",
    "/etc/passwd",
    "....//appliance.db",
)


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """(dotted name, call) of each call in a file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nothing_is_run_by_a_shell_and_nothing_typed_is_run() -> None:
    wrong = []
    for path in SOURCES:
        for name, call in calls(path):
            shell = any(word.arg == "shell" and ast.unparse(word.value) != "False" for word in call.keywords)
            if shell or name in ("eval", "exec", "os.system", "os.popen", "compile", "pickle.loads", "marshal.loads"):
                wrong.append(f"{path.name}:{call.lineno} {name}")
    assert not wrong


def test_no_broken_hash_and_no_guessable_secret() -> None:
    wrong = [
        f"{path.name}:{call.lineno} {name}"
        for path in SOURCES
        for name, call in calls(path)
        if name in ("hashlib.md5", "hashlib.sha1", "random.random", "random.randint", "random.choice", "uuid.uuid1")
    ]
    assert not wrong


def test_our_scripts_write_text_never_markup() -> None:
    scripts = (ROOT / "appliance" / "web" / "static").glob("*.js")
    for path in scripts:
        found = re.search(
            r"innerHTML|outerHTML\s*=|insertAdjacentHTML|document\.write|\beval\(", path.read_text("utf-8")
        )
        assert not found, path.name


@pytest.mark.parametrize("text", INJECTIONS)
def test_sql_typed_into_a_search_finds_nothing_and_does_nothing(
    store: Store, admin: PageClient, tmp_path: Path, text: str
) -> None:
    made.study(store, tmp_path)
    for path, names in ASKED.items():
        assert admin.get(path, query_string=dict.fromkeys(names, text)).status_code == 200, path
    assert "IVANOVA" not in admin.get("/studies", query_string={"text": text}).text
    assert len(search.find_studies(store, search.Query())) == 1


@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_address_leads_to_a_file_beside_those_meant(admin: PageClient, name: str) -> None:
    for path in ("/static/", "/print-jobs/1/films/", "/studies/instances/", "/printers/", "/discs/1/volumes/"):
        got = admin.get(path + name, follow_redirects=True)
        assert got.status_code == 404 and b"SQLite format" not in got.data and b"root:" not in got.data


@pytest.mark.parametrize("path", ["/.git/config", "/.git/HEAD", "/.svn/entries", "/pyproject.toml", "/appliance.toml"])
def test_nothing_of_how_it_was_made_is_served(admin: PageClient, path: str) -> None:
    assert admin.get(path).status_code == 404


def test_every_answer_says_what_it_is_and_shares_itself_with_no_other_site(app: Flask, admin: PageClient) -> None:
    for _, path, _ in routes(app, changing=False):
        got = admin.get(path, headers={"Origin": "https://evil.example"})
        assert not [name for name in got.headers.keys() if name.startswith("Access-Control-")], path  # noqa: SIM118
        if got.data and got.mimetype.startswith("text/"):
            assert "charset=utf-8" in got.headers["Content-Type"], path


def test_passwords_are_masked_and_managers_may_fill_them_in(app: Flask, admin: PageClient, store: Store) -> None:
    client = app.test_client()
    for page in (client.get("/login").text, admin.get("/account").text, admin.get("/users/new").text):
        fields = re.findall(r"<input[^>]*password[^>]*>", page)
        assert fields
        for field in fields:
            assert 'type="password"' in field and "autocomplete=" in field and "readonly" not in field
            assert "onpaste" not in field and 'autocomplete="off"' not in field


def test_no_password_is_cut_short_or_made_small(store: Store, browser_of: Callable[..., PageClient]) -> None:
    secret = "Three ODD words " * 5
    users.add_user(store, "long", "viewer", secret, TESTER)
    for tried, wanted in ((secret, 303), (secret[:72], 401), (secret.lower(), 401)):
        assert browser_of(f"198.51.100.{len(tried)}").log_in("long", tried).status_code == wanted


def test_session_ids_and_tokens_can_not_be_guessed(store: Store) -> None:
    made_up = {sessions.log_in(store, "clerk", PASSWORD, address="127.0.0.1") for _ in range(3)}
    made_up |= {tokens.create_token(store, "x", "viewer", TESTER).removeprefix(tokens.PREFIX) for _ in range(3)}
    assert len(made_up) == 6 and all(len(each) >= 43 for each in made_up)  # 256 bits in base 64


def test_no_user_is_there_before_the_first_run_makes_one(empty_store: Store) -> None:
    assert users.all_users(empty_store) == []
    for name, password in (("admin", "admin"), ("root", "root"), ("admin", "")):
        with pytest.raises(Exception, match=r".+"):
            sessions.log_in(empty_store, name, password, address="127.0.0.1")


def test_a_token_in_an_address_opens_nothing(app: Flask, store: Store) -> None:
    secret = tokens.create_token(store, "x", "admin", TESTER)
    for name in ("token", "access_token", "api_key", "session"):
        assert app.test_client().get("/api/v1/users", query_string={name: secret}).status_code == 401


def test_logging_out_clears_what_the_browser_kept(admin: PageClient) -> None:
    assert "cache" in admin.submit("/logout").headers["Clear-Site-Data"]


def test_the_api_gives_no_hash_and_no_secret_of_anybody(app: Flask, store: Store) -> None:
    secret = tokens.create_token(store, "x", "admin", TESTER)
    for path in ("/users", "/tokens", "/peers", "/printers", "/events"):
        text = app.test_client().get(f"/api/v1{path}", headers={"Authorization": f"Bearer {secret}"}).text
        assert "argon2" not in text and "hash" not in text.replace('"previous_hash"', "").replace('"hash"', ""), path
        assert secret not in text
