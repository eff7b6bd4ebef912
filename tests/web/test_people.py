from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.media.burners import add_first_burner
from appliance.security import peer_verbs, tokens, users
from appliance.security.peers import Peer
from appliance.store import audit
from appliance.store.store import Store, open_store
from appliance.web.app import create_app
from tests.web.conftest import PASSWORD, TESTER, PageClient

HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "a\u2028b", "\u202egnp.exe"]


def test_an_admin_adds_a_user_who_then_logs_in(admin: PageClient, browser_of: Callable[[], PageClient]) -> None:
    got = admin.submit("/users/new", name="Marta", role="clerk", password="quiet river 7")
    assert got.status_code == 303
    assert "The user is added." in admin.get("/users").text
    assert browser_of().log_in("marta", "quiet river 7").status_code == 303


def test_a_refused_user_keeps_what_was_typed_and_says_why_at_the_field(admin: PageClient) -> None:
    page = admin.submit("/users/new", name="Marta", role="clerk", password="marta1234").text
    assert 'value="Marta"' in page and "marta1234" not in page
    assert re.search(r'aria-invalid="true"[^>]*id="password"|id="password"[^>]*aria-invalid="true"', page) or (
        "password-complaint" in page
    )
    assert re.search(r'<input checked[^>]*value="clerk"', page)


def test_an_admin_sets_role_password_and_standing(store: Store, admin: PageClient) -> None:
    admin.submit("/users/viewer/role", role="clerk")
    admin.submit("/users/viewer/disable")
    viewer = users.get_user(store, "viewer")
    assert (viewer.role, viewer.disabled) == ("clerk", True)
    admin.submit("/users/viewer/enable")
    admin.submit("/users/viewer/password", password="quiet river 7")
    assert not users.get_user(store, "viewer").disabled
    admin.submit("/users/viewer/remove")
    assert [user.name for user in users.all_users(store)] == ["admin", "clerk"]


def test_the_last_admin_stays(admin: PageClient) -> None:
    got = admin.submit("/users/admin/remove")
    assert got.status_code == 409 and "last admin" in got.text
    assert "last admin" in admin.submit("/users/admin/role", role="viewer").text


def test_one_changes_ones_own_password_knowing_the_old(
    visitor_as: Callable[[str], PageClient], browser_of: Callable[[], PageClient]
) -> None:
    here, there = visitor_as("clerk"), visitor_as("clerk")
    new = {"password": "quiet river 7", "again": "quiet river 7"}
    wrong = here.submit("/account/password", old="not this", **new)
    assert wrong.status_code == 400 and "This is not your password." in wrong.text
    assert here.submit("/account/password", old=PASSWORD, **new).status_code == 303
    assert here.get("/account").status_code == 200 and there.get("/account").status_code == 303
    assert browser_of().log_in("clerk", "quiet river 7").status_code == 303


def test_an_open_page_is_no_place_to_guess_the_password(
    visitor_as: Callable[[str], PageClient], browser_of: Callable[[], PageClient]
) -> None:
    here = visitor_as("clerk")
    new = {"password": "quiet river 7", "again": "quiet river 7"}
    answers = [here.submit("/account/password", old=f"guess {number}", **new).text for number in range(6)]
    assert "This is not your password." in answers[4] and "Too many failed tries." in answers[5]
    assert "Too many failed tries." in here.submit("/account/password", old=PASSWORD, **new).text
    assert browser_of().log_in("clerk").status_code == 429, "nor is there another count at the log-in"


def test_a_token_is_shown_once_and_opens_the_page_for_its_role(
    store: Store, admin: PageClient, browser_of: Callable[[], PageClient]
) -> None:
    page = admin.submit("/tokens", name="Monitoring", role="viewer", days="30").text
    found = re.search(r'id="secret">(appl_[\w-]{43})<', page)
    assert found and found[1] not in admin.get("/tokens").text
    program = browser_of()
    bearer = {"Authorization": f"Bearer {found[1]}"}
    assert program.get("/", headers=bearer).status_code == 200
    assert program.get("/users", headers=bearer).status_code == 403
    assert program.get("/account", headers=bearer).status_code == 403
    admin.submit("/tokens/1/revoke")
    assert program.get("/", headers=bearer).status_code == 401


def test_a_token_needs_no_form_token_but_a_cookie_beside_it_counts_for_nothing(store: Store, admin: PageClient) -> None:
    secret = tokens.create_token(store, "t", "viewer", TESTER)
    got = admin.post("/users/clerk/remove", headers={"Authorization": f"Bearer {secret}"})
    assert got.status_code == 403 and users.get_user(store, "clerk")
    got = admin.post("/users/clerk/remove", headers={"Authorization": "Bearer wrong"})
    assert got.status_code == 401 and users.get_user(store, "clerk")


PEER = {"name": "MR 1", "ae_title": "MR1", "address": "", "host": "", "port": "", "allows": ["print"]}
CHOICES = {"answering": "strict", "printer_status": "device", "done_when": "queued", "events": "y"}


def test_an_admin_adds_changes_and_removes_a_peer(store: Store, admin: PageClient) -> None:
    assert admin.submit("/peers/new", **PEER, **CHOICES).status_code == 303
    peer, version = peer_verbs.read_peer(store, "MR 1")
    assert peer == Peer(
        name="MR 1",
        ae_title="MR1",
        allows=("print",),
        answering="strict",
        separate_classes=False,
        printer_status="device",
        done_when="queued",
    )
    add_first_burner(store)
    changed = {**PEER, **CHOICES, "address": "192.0.2.0/24", "burner": "folder", "version": str(version)}
    assert admin.submit("/peers/MR%201", **changed).status_code == 303
    peer = peer_verbs.get_peer(store, "MR 1")
    assert (peer.address, peer.burner) == ("192.0.2.0/24", "folder")
    late = admin.submit("/peers/MR%201", **{**changed, "address": "192.0.2.1"})
    assert "was changed by someone else" in late.text and 'value="192.0.2.1"' in late.text
    admin.submit("/peers/MR%201/remove")
    assert [peer.name for peer in peer_verbs.all_peers(store)] == ["CT 2"]


@pytest.mark.parametrize(
    ("field", "value"), [("ae_title", "x\\y"), ("ae_title", "ÄÖ"), ("address", "192.0.2.300"), ("name", "a/b")]
)
def test_a_peer_that_cannot_be_is_refused_at_its_field(admin: PageClient, field: str, value: str) -> None:
    page = admin.submit("/peers/new", **{**PEER, field: value}, **CHOICES).text
    assert f'id="{field}-complaint"' in page


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_names_comes_out_as_text(store: Store, admin: PageClient, text: str) -> None:
    name = text.replace("/", "")
    try:
        peer_verbs.add_peer(store, Peer(name=name, ae_title="X", host="192.0.2.7", port=1), TESTER)
    except Exception:
        return  # refused is fine, too
    tokens.create_token(store, "t", "viewer", TESTER)
    for path in ("/peers", "/audit"):
        page = admin.get(path).text
        assert "<script>alert" not in page and "<img src=x" not in page and ">49<" not in page


def test_a_peer_is_called_and_the_answer_shown(store: Store, visitor_as: Callable[[str], PageClient]) -> None:
    clerk = visitor_as("clerk")
    peer_verbs.add_peer(store, Peer(name="Dead", ae_title="DEAD", host="127.0.0.1", port=9), TESTER)
    page = clerk.submit("/peers/Dead/echo").text
    assert "It does not answer." in page
    with store.database.read() as connection:
        assert audit.page(connection, event="peer-echoed")[0].outcome == "failure"


def test_the_audit_trail_is_filtered_and_paged(store: Store, admin: PageClient) -> None:
    for number in range(60):
        peer_verbs.add_peer(store, Peer(name=f"P{number}", ae_title=f"X{number}"), TESTER)
    first = admin.get("/audit?event=peer-added").text
    assert first.count("Peer added</td>") == 50 and "P59" in first and "P9<" not in first
    older = re.search(r'href="(/audit\?before=[^"]+)"', first)
    assert older
    rest = admin.get(older[1].replace("&amp;", "&")).text
    assert rest.count("Peer added</td>") == 11 and "P9<" in rest
    assert "Nothing fits." in admin.get("/audit?since=2999-01-01").text
    assert "Nothing fits." not in admin.get("/audit?since=not-a-day").text
    assert "Nothing fits." not in admin.get("/audit?until=9999-12-31").text


def test_the_audit_trail_leaves_as_csv_without_formulas(store: Store, admin: PageClient) -> None:
    peer_verbs.add_peer(store, Peer(name="=cmd|calc", ae_title="X"), TESTER)
    got = admin.get("/audit/export.csv")
    rows = list(csv.reader(io.StringIO(got.text.lstrip("\ufeff"))))
    assert got.mimetype == "text/csv" and "attachment" in got.headers["Content-Disposition"]
    assert len({len(row) for row in rows}) == 1
    assert "'=cmd|calc" in {cell for row in rows for cell in row}
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]
    assert "audit-exported" in {row[2] for row in rows}


def test_tampering_with_the_trail_shows(store: Store, admin: PageClient) -> None:
    assert "The trail is whole" in admin.submit("/audit/check").text
    with store.database.write() as connection:
        connection.exec_driver_sql("UPDATE audit SET object_id = 'mallory' WHERE audit_id = 2")
    assert "Entry 2 does not follow" in admin.submit("/audit/check").text


def test_settings_show_where_they_come_from_and_what_waits_for_a_restart(
    store: Store, admin: PageClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APPLIANCE_DICOM_AE_TITLE", "OTHER")
    (store.folder.root / "appliance.toml").write_text("[storage]\nfilms_days = 99\n")
    page = admin.get("/settings").text
    assert "after a restart: 99" in page and "after a restart: OTHER" in page and "environment" in page
    (store.folder.root / "appliance.toml").write_text("[storage]\nfilm_days = 99\n")
    assert "did you mean storage.films_days" in admin.get("/settings").text


def test_settings_of_a_file_that_was_named_wait_for_no_restart(tmp_path: Path) -> None:
    named = tmp_path / "named.toml"
    named.write_text("[storage]\nfilms_days = 99\n")
    store = open_store(tmp_path / "data", named)
    users.add_user(store, "ada", "admin", PASSWORD, TESTER)
    app = create_app(store)
    app.test_client_class = PageClient
    client = app.test_client()
    assert isinstance(client, PageClient) and client.log_in("ada").status_code == 303
    page = client.get("/settings").text
    assert str(named) in page and ">99<" in page and "after a restart" not in page
    store.close()


def test_a_password_in_the_databases_address_is_not_shown() -> None:
    from appliance.web.pages.settings import _text

    assert _text("database", "url", "postgresql://films:s3/c@ret@db/appliance") == "postgresql://•••@db/appliance"


def test_about_names_every_part_with_its_licence(admin: PageClient) -> None:
    page = admin.get("/about").text
    for part in ("Flask", "pydicom", "htmx", "Pico CSS", "SQLAlchemy"):
        assert f">{part}</th>" in page
    assert "<td>?</td>" not in page
