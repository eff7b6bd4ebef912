"""Every route × every role, every change against forged requests, by enumeration: new pages are in by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from werkzeug.routing import AnyConverter, IntegerConverter, Rule

from appliance.security import roles
from appliance.store import audit
from appliance.store.store import Store
from appliance.web.app import create_app
from appliance.web.visitor import PUBLIC, check_views, needs
from tests.web.conftest import PageClient

VALUES = {"name": "nobody", "key": "nokey", "filename": "page.js"}
"""For the placeholders of addresses: things that are not there. Numbers are 999999."""


def address(rule: Rule) -> str:
    values = {name: VALUES.get(name, "nobody") for name in rule.arguments}
    for name, converter in rule._converters.items():
        if isinstance(converter, IntegerConverter):
            values[name] = 999999  # type: ignore[assignment]
        if isinstance(converter, AnyConverter):
            values[name] = min(converter.items)
    return rule.build(values)[1]  # type: ignore[index]


def routes(app: Flask, *, changing: bool | None = None) -> Iterator[tuple[str, str, str]]:
    """(method, address, permission) of every route."""
    for rule in app.url_map.iter_rules():
        permission = app.view_functions[rule.endpoint].permission  # type: ignore[attr-defined]
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if changing is None or changing == (method != "GET"):
                yield method, address(rule), permission


@pytest.mark.parametrize("role", roles.ROLES)
def test_a_role_gets_what_it_may_and_nothing_else(
    app: Flask, visitor_as: Callable[[str], PageClient], role: str
) -> None:
    wrong = []
    client = visitor_as(role)
    for method, path, permission in routes(app):
        if path in ("/logout", "/account/log-out-everywhere"):
            continue  # end the session they are asked with
        token = client.form_token("/account") if method != "GET" else ""
        data = {"csrf_token": token} if token else None
        got = client.open(path, method=method, data=data, headers={"X-CSRFToken": token} if token else {})
        allowed = permission == PUBLIC or roles.may(role, permission)
        if (got.status_code == 403) == allowed or got.status_code in (401, 500):
            wrong.append((method, path, permission, got.status_code))
    assert not wrong


def test_asking_for_more_than_ones_role_allows_is_kept(store: Store, visitor_as: Callable[[str], PageClient]) -> None:
    assert visitor_as("viewer").get("/users").status_code == 403
    with store.database.read() as connection:
        entry = audit.page(connection, event="access-denied")[0]
    assert (entry.actor, entry.outcome, entry.object_id) == ("viewer", "denied", "GET /users")


def test_a_stranger_gets_nothing_but_the_way_in(app: Flask, browser_of: Callable[[], PageClient]) -> None:
    client = browser_of()
    for method, path, permission in routes(app):
        got = client.open(path, method=method)
        if permission == PUBLIC:
            continue
        if path.startswith("/api/"):
            assert got.status_code == 401, path
        else:
            assert got.status_code == 303 and got.headers["Location"].startswith("/login"), (method, path)


def test_every_change_without_its_forms_token_is_refused(app: Flask, visitor_as: Callable[[str], PageClient]) -> None:
    client, other = visitor_as("admin"), visitor_as("admin")
    foreign = other.form_token("/account")
    for method, path, _ in routes(app, changing=True):
        for data in ({}, {"csrf_token": "made-up"}, {"csrf_token": foreign}):
            assert client.open(path, method=method, data=data).status_code == 403, (method, path, data)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://localhost:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_every_change_from_another_site_is_refused(app: Flask, admin: PageClient, headers: dict[str, str]) -> None:
    token = admin.form_token("/account")
    for method, path, _ in routes(app, changing=True):
        got = admin.open(path, method=method, data={"csrf_token": token}, headers=headers)
        assert got.status_code == 403, (method, path)


def test_no_change_is_made_by_getting(app: Flask, admin: PageClient) -> None:
    getting = {path for _, path, _ in routes(app, changing=False)}
    for _, path, _ in routes(app, changing=True):
        if path not in getting:
            assert admin.get(path).status_code in (404, 405), path


def test_a_view_nobody_marked_stops_the_page(app: Flask) -> None:
    app.view_functions["forgotten"] = lambda: "open to all"
    with pytest.raises(AssertionError, match="forgotten"):
        check_views(app)


def test_a_mistyped_permission_stops_the_page() -> None:
    with pytest.raises(KeyError):
        needs("printers.chnage")


def test_two_pages_of_one_appliance_share_sessions(app: Flask, admin: PageClient) -> None:
    again = create_app(app.extensions["store"]).test_client()
    cookie = admin.get_cookie("session")
    assert cookie is not None
    again.set_cookie("session", cookie.value)
    assert again.get("/users").status_code == 200
