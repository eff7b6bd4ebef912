from __future__ import annotations

import logging
import re
from collections.abc import Callable

import pytest
from flask import Flask

from appliance.web.csv_export import safe_cell
from appliance.web.hosts import OnlyOurHosts
from tests.web.conftest import PageClient
from tests.web.test_access import routes


def test_every_answer_has_the_headers_that_keep_a_page_safe(app: Flask, admin: PageClient) -> None:
    paths = [path for _, path, _ in routes(app, changing=False)] + ["/no-such-page"]
    for path in paths:
        got = admin.get(path)
        policy = got.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy, path
        assert got.headers["X-Content-Type-Options"] == "nosniff", path
        assert got.headers["X-Frame-Options"] == "DENY", path
        assert got.headers["Referrer-Policy"] == "same-origin", path
        assert "Server" not in got.headers, path
        kept = got.headers["Cache-Control"]
        assert ("immutable" in kept) if path.startswith("/static/") else kept == "no-store", path


def test_no_page_has_script_or_style_within(app: Flask, admin: PageClient) -> None:
    for _, path, _ in routes(app, changing=False):
        got = admin.get(path)
        if got.mimetype == "text/html":
            assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?![^>]*\ssrc=)", got.text), path


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.2", "localhost@evil.example", ""])
def test_another_host_name_is_refused(app: Flask, host: str) -> None:
    got = app.test_client().get("/login", headers={"Host": host})
    assert got.status_code == 400 and "evil" not in got.text


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080"])
def test_our_host_names_are_answered(app: Flask, host: str) -> None:
    assert app.test_client().get("/login", headers={"Host": host}).status_code == 200


def test_a_line_break_in_a_parameter_adds_no_header(browser_of: Callable[[], PageClient]) -> None:
    got = browser_of().get("/users?x=%0d%0aSet-Cookie:%20evil=1")
    assert "evil" not in str(got.headers.getlist("Set-Cookie")) and got.status_code == 303


def test_a_broken_page_says_a_number_that_stands_in_the_log(
    app: Flask, admin: PageClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> str:
        raise RuntimeError("the secret inside")

    broken.permission, broken.upload = "about.see", False  # type: ignore[attr-defined]
    monkeypatch.setitem(app.view_functions, "about.index", broken)
    with caplog.at_level(logging.ERROR):
        got = admin.get("/about")
    assert got.status_code == 500 and "the secret inside" not in got.text
    number = re.search(r"<code>([0-9a-f]{8})</code>", got.text)
    assert number and number[1] in [getattr(record, "number", "") for record in caplog.records]


@pytest.mark.parametrize(("path", "status"), [("/no-such-page", 404), ("/users/nobody", 404), ("/logout", 405)])
def test_an_error_is_a_page_of_ours(admin: PageClient, path: str, status: int) -> None:
    got = admin.get(path)
    assert got.status_code == status and 'class="side"' in got.text and "To the overview" in got.text


def test_the_api_answers_errors_as_problems(admin: PageClient) -> None:
    got = admin.get("/api/v1/no-such-thing")
    assert got.status_code == 404 and got.mimetype == "application/problem+json"
    assert got.json is not None and got.json["status"] == 404


@pytest.mark.parametrize("fields", [{"name": "x" * 600_000}, {f"f{n}": "x" for n in range(60_000)}])
def test_a_form_too_large_is_refused(admin: PageClient, fields: dict[str, str]) -> None:
    token = admin.form_token("/account")
    assert admin.post("/users/new", data={"csrf_token": token, **fields}).status_code == 413


def test_a_multipart_form_of_too_many_parts_is_refused(admin: PageClient) -> None:
    data = {"csrf_token": admin.form_token("/account"), **{f"f{n}": "x" for n in range(1100)}}
    assert admin.post("/users/new", data=data, content_type="multipart/form-data").status_code == 413


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =cmd|' /C calc'!A0"])
def test_a_cell_is_never_a_formula(text: str) -> None:
    assert safe_cell(text).startswith("'")


@pytest.mark.parametrize("text", ["Иванов^Иван", "a=b", "1.2.840", "", "李^四"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text


def test_an_ipv6_address_among_the_hosts_needs_no_brackets() -> None:
    ours = OnlyOurHosts(None, ("2001:DB8::5", "[::1]"))  # type: ignore[arg-type]
    assert ours.is_ours("[2001:db8::5]:443") and ours.is_ours("[::1]") and not ours.is_ours("[2001:db8::6]")
