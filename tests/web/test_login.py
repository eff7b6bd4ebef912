from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

import pytest
from flask import Flask

from appliance.security import sessions, users
from appliance.store.store import Store
from appliance.web.visitor import local_path
from tests.web.conftest import PASSWORD, TESTER, PageClient

Browsers = Callable[..., PageClient]


def test_the_right_password_opens_the_overview(browser_of: Browsers) -> None:
    client = browser_of()
    assert client.get("/").headers["Location"] == "/login?next=/"
    assert client.log_in("ADMIN").headers["Location"] == "/"
    assert client.get("/").status_code == 200


def test_a_wrong_name_and_a_wrong_password_look_the_same(browser_of: Browsers) -> None:
    def answer(name: str) -> tuple[int, str]:
        got = browser_of().log_in(name, "not the password")
        return got.status_code, re.sub(r'value="[^"]*"', "", got.text)

    assert answer("admin") == answer("nobody")
    assert answer("admin")[0] == 401


def test_what_was_typed_stays_but_not_the_password(browser_of: Browsers) -> None:
    page = browser_of().log_in("natalia", "not the password").text
    assert 'value="natalia"' in page and "not the password" not in page


def test_the_sixth_try_has_to_wait(browser_of: Browsers) -> None:
    client = browser_of("198.51.100.4")
    assert [client.log_in("admin", "wrong words").status_code for _ in range(5)] == [401] * 5
    got = client.log_in("admin", PASSWORD)
    assert got.status_code == 429 and "Try again in" in got.text
    assert browser_of("192.0.2.9").log_in("clerk").status_code == 303


def test_a_log_in_gives_a_new_id_and_new_form_tokens(browser_of: Browsers) -> None:
    client = browser_of()
    client.set_cookie("session", "chosen-by-an-attacker")
    before = client.form_token("/login")
    client.submit("/login", seen_on="/login", name="admin", password=PASSWORD)
    cookie = client.get_cookie("session")
    assert cookie is not None and cookie.value != "chosen-by-an-attacker" and len(cookie.value) >= 43
    stale = client.post("/account/language", data={"csrf_token": before, "language": "ru"})
    assert stale.status_code == 403


def test_cookies_are_out_of_reach_of_script_and_other_sites(browser_of: Browsers) -> None:
    cookies = browser_of().log_in("admin").headers.getlist("Set-Cookie")
    assert any(cookie.startswith("session=") for cookie in cookies)
    for cookie in cookies:
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Domain" not in cookie


def test_cookies_are_bound_to_the_host_behind_tls(app: Flask, browser_of: Browsers) -> None:
    client = browser_of()
    client.environ_base["wsgi.url_scheme"] = "https"
    page = client.get("/login", base_url="https://localhost")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token
    got = client.post(
        "/login",
        base_url="https://localhost",
        data={"csrf_token": token[1], "name": "admin", "password": PASSWORD},
        headers={"Referer": "https://localhost/login"},
    )
    session = next(cookie for cookie in got.headers.getlist("Set-Cookie") if "session=" in cookie)
    assert session.startswith("__Host-session=") and "Secure" in session and "Path=/" in session
    assert "max-age" in got.headers["Strict-Transport-Security"]


def alive(client: PageClient) -> bool:
    return client.get("/account").status_code == 200


def test_logging_out_ends_the_session_on_the_server(app: Flask, admin: PageClient) -> None:
    cookie = admin.get_cookie("session")
    assert cookie is not None
    assert admin.submit("/logout").status_code == 303
    admin.set_cookie("session", cookie.value)
    assert not alive(admin)


def test_logging_out_everywhere_ends_the_other_browsers(visitor_as: Callable[[str], PageClient]) -> None:
    here, there, somebody = visitor_as("clerk"), visitor_as("clerk"), visitor_as("viewer")
    here.submit("/account/log-out-everywhere")
    assert not alive(here) and not alive(there) and alive(somebody)


def later(monkeypatch: pytest.MonkeyPatch, **more: int) -> None:
    moment = sessions.now() + dt.timedelta(**more)
    monkeypatch.setattr(sessions, "now", lambda: moment)


def test_an_idle_session_ends(admin: PageClient, monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch, minutes=31)
    assert not alive(admin)


def test_a_session_of_a_time_to_come_ends_when_the_clock_is_put_back(
    admin: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch, days=-3650)
    assert not alive(admin)


def test_use_puts_the_idle_end_off_but_not_the_last_end(
    store: Store, admin: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = sessions.now()

    def seen_at(hours: float) -> bool:
        moment = start + dt.timedelta(hours=hours)
        monkeypatch.setattr(sessions, "now", lambda: moment)
        monkeypatch.setattr("appliance.store.sessions.now", lambda: moment)
        return alive(admin)

    assert all(seen_at(quarter / 4) for quarter in range(1, 48))
    assert not seen_at(12.01)


def test_a_page_that_only_polls_is_idle(admin: PageClient, monkeypatch: pytest.MonkeyPatch) -> None:
    start = sessions.now()
    for minutes in (10, 20, 29):
        moment = start + dt.timedelta(minutes=minutes)
        monkeypatch.setattr(sessions, "now", lambda moment=moment: moment)
        assert admin.get("/overview/live", headers={"HX-Request": "true"}).status_code == 200
    later(monkeypatch, minutes=2)
    got = admin.get("/overview/live", headers={"HX-Request": "true"})
    assert got.status_code == 401 and got.headers["HX-Refresh"] == "true"


@pytest.mark.parametrize("end", ["disable", "remove", "password"])
def test_a_user_put_out_is_out_at_once(store: Store, visitor_as: Callable[[str], PageClient], end: str) -> None:
    client = visitor_as("clerk")
    if end == "disable":
        users.set_disabled(store, "clerk", True, TESTER)
    elif end == "remove":
        users.remove_user(store, "clerk", TESTER)
    else:
        users.set_password(store, "clerk", "another odd one", TESTER)
    assert not alive(client)


def test_a_role_taken_away_is_away_at_once(store: Store, visitor_as: Callable[[str], PageClient]) -> None:
    users.add_user(store, "second", "admin", PASSWORD, TESTER)
    client = visitor_as("second")
    assert client.get("/users").status_code == 200
    users.set_role(store, "second", "viewer", TESTER)
    assert client.get("/users").status_code == 403


ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "\\\\evil.example",
    "javascript:alert(1)",
    "/ok\r\nSet-Cookie: a=b",
    "http:evil",
    "",
]


@pytest.mark.parametrize("target", ELSEWHERE)
def test_a_log_in_leads_nowhere_else(browser_of: Browsers, target: str) -> None:
    assert local_path(target) is None
    client = browser_of()
    token = client.form_token()
    got = client.post(
        "/login", query_string={"next": target}, data={"csrf_token": token, "name": "admin", "password": PASSWORD}
    )
    assert got.status_code == 303 and got.headers["Location"] == "/"


def test_a_log_in_leads_to_the_page_that_was_asked_for(browser_of: Browsers) -> None:
    client = browser_of()
    got = client.submit("/login?next=/audit?event=login", seen_on="/login", name="admin", password=PASSWORD)
    assert got.headers["Location"] == "/audit?event=login"


def test_first_run_makes_an_admin_and_then_is_over(empty_store: Store) -> None:
    from appliance.security import first_admin
    from appliance.web.app import create_app

    key = first_admin.new_key(empty_store)
    app = create_app(empty_store)
    app.test_client_class = PageClient
    client = app.test_client()
    assert isinstance(client, PageClient)
    assert "Nobody can log in yet" in client.get("/login").text
    assert client.get("/first-run/guess").status_code == 404
    link = f"/first-run/{key}"
    differ = client.submit(link, seen_on=link, name="Olena", password=PASSWORD, again="other words")
    assert "The two passwords differ." in differ.text and 'value="Olena"' in differ.text
    weak = client.submit(link, seen_on=link, name="Olena", password="password1", again="password1")
    assert "one of the first that would be tried" in weak.text
    made = client.submit(link, seen_on=link, name="Olena", password=PASSWORD, again=PASSWORD)
    assert made.status_code == 303 and client.get("/users").status_code == 200
    assert client.get(link).status_code == 404
    assert "Nobody can log in yet" not in app.test_client().get("/login").text
