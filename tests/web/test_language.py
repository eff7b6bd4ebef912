from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from flask import Flask

from appliance.security import users
from appliance.security.users import LANGUAGES
from appliance.store.store import Store
from appliance.web import wording
from tests.web.conftest import PageClient

ROOT = Path(__file__).parents[2]


def script(name: str) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(name, str(ROOT / "scripts" / name))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


translations = script("translations")


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_every_string_of_the_page_is_translated(language: str) -> None:
    assert translations.missing(language) == []


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_the_compiled_catalog_is_that_of_the_text(language: str) -> None:
    kept = translations.path_of(language).with_suffix(".mo").read_bytes()
    assert kept == translations.compiled(language), "run scripts/translations compile"


def test_the_scripts_languages_are_those_of_the_page() -> None:
    assert {"en", *translations.LANGUAGES} == set(LANGUAGES)


WANTED = [
    ("ru-RU,ru;q=0.9,en;q=0.5", "ru", "Войти"),
    ("uk", "uk", "Увійти"),
    ("pt-BR", "pt", "Entrar"),
    ("pt-PT,en", "pt", "Entrar"),
    ("zh-CN,zh;q=0.9", "zh-Hans", "登录"),
    ("zh-TW", "zh-Hans", "登录"),
    ("zh-Hans-SG", "zh-Hans", "登录"),
    ("de-DE,de;q=0.9", "en", "Log in"),
    ("de,ru;q=0.4", "ru", "Войти"),
    ("", "en", "Log in"),
    ("*", "en", "Log in"),
    ("x" * 500, "en", "Log in"),
]


@pytest.mark.parametrize(("accepted", "language", "words"), WANTED)
def test_the_browser_is_answered_in_its_language(app: Flask, accepted: str, language: str, words: str) -> None:
    page = app.test_client().get("/login", headers={"Accept-Language": accepted}).text
    assert f'<html lang="{language}">' in page and words in page


def test_a_choice_stays_with_the_browser_and_with_the_user(store: Store, admin: PageClient, app: Flask) -> None:
    admin.submit("/language", language="uk", next="/peers")
    assert "Вузли" in admin.get("/peers").text
    admin.submit("/account/language", language="pt")
    assert users.get_user(store, "admin").language == "pt"
    assert "Pares" in admin.get("/peers", headers={"Accept-Language": "ru"}).text


def test_dates_and_numbers_are_in_the_way_of_the_region(store: Store, admin: PageClient) -> None:
    def created(accepted: str) -> str:
        return admin.get("/users", headers={"Accept-Language": accepted}).text

    moment = users.get_user(store, "clerk").created.astimezone()
    assert f"{moment.day} {moment:%b %Y}" in created("en-GB")
    assert f"{moment:%b} {moment.day}, {moment.year}" in created("en-US")
    assert f"{moment.year}年{moment.month}月{moment.day}日" in created("zh-CN")
    assert f"{moment.day} de " in created("pt-BR")


def test_messages_of_verbs_are_translated(admin: PageClient) -> None:
    got = admin.submit("/users/admin/remove", seen_on="/account")
    assert "last admin" in got.text
    token = admin.form_token("/account")
    got = admin.post("/users/admin/remove", data={"csrf_token": token}, headers={"Accept-Language": "ru"})
    assert "admin — последний администратор" in got.text


def test_words_of_forms_come_in_the_readers_language(admin: PageClient) -> None:
    token = admin.form_token("/account")
    data = {"csrf_token": token, "name": "x" * 70, "port": "many"}
    page = admin.post("/peers/new", data=data, headers={"Accept-Language": "zh-CN"}).text
    assert "最多 64 个字符。" in page and "请填写此项。" in page and "Not a valid" not in page


def events_in(path: Path) -> set[str]:
    """Names of events that code hands to the audit trail as they stand."""
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    named = [call for call in calls if getattr(call.func, "id", getattr(call.func, "attr", "")) in ("record", "_audit")]
    return {
        argument.value
        for call in named
        for argument in call.args[1:2]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def test_every_event_of_the_audit_trail_has_words() -> None:
    events = {event for path in (ROOT / "appliance").rglob("*.py") for event in events_in(path)}
    assert len(events) > 20
    assert events - set(wording.EVENTS) == set(), "say them in appliance/web/wording.py"


def test_an_unknown_keyword_is_shown_as_it_is() -> None:
    assert wording.state_words("never-heard-of")[0] == "never-heard-of"
