from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from appliance.security import audit_verbs, peer_verbs, users
from appliance.security.peers import Peer
from appliance.store import callers
from appliance.store.store import Store
from appliance.studies import search
from appliance.web import fragments
from tests.web.conftest import PASSWORD, TESTER, PageClient

LIVE = "/overview/live"


def test_nothing_comes_while_nothing_changed(store: Store, admin: PageClient) -> None:
    first = admin.get(LIVE)
    seen = first.get_etag()[0]
    assert seen and f"seen={seen}" in first.text
    again = admin.get(f"{LIVE}?seen={seen}")
    assert (again.status_code, again.data) == (204, b"")
    cached = admin.get(LIVE, headers={"If-None-Match": f'"{seen}"'})
    assert (cached.status_code, cached.data) == (304, b"")


def test_a_change_brings_the_part_anew(store: Store, admin: PageClient) -> None:
    seen = admin.get(LIVE).get_etag()[0]
    peer_verbs.add_peer(store, Peer(name="MR", ae_title="MR"), TESTER)
    got = admin.get(f"{LIVE}?seen={seen}")
    assert got.status_code == 200 and got.get_etag()[0] != seen


def test_another_language_brings_the_part_anew(admin: PageClient) -> None:
    seen = admin.get(LIVE).get_etag()[0]
    got = admin.get(f"{LIVE}?seen={seen}", headers={"Accept-Language": "ru"})
    assert got.status_code == 200 and "Место на накопителе" in got.text


def test_the_page_asks_for_what_it_does_not_show_yet(store: Store, admin: PageClient) -> None:
    page = admin.get("/").text
    assert f'data-hx-get="{LIVE}?seen={admin.get(LIVE).get_etag()[0]}"' in page


def test_looking_at_a_live_part_writes_nothing(store: Store, admin: PageClient) -> None:
    admin.get(LIVE)
    before = store.database.changes()
    for _ in range(5):
        admin.get(LIVE)
    assert store.database.changes() == before


LISTS = ("/studies/live", "/print-jobs/live", "/discs/live")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The searches for studies that really ran."""
    ran: list[str] = []

    def find(store: Store, query: search.Query) -> list[dict[str, Any]]:
        ran.append(query.text)
        return find_studies(store, query)

    find_studies = search.find_studies
    monkeypatch.setattr(search, "find_studies", find)
    return ran


def _change(store: Store) -> None:
    with store.database.write("study"):
        pass


def test_a_list_that_changes_all_the_while_is_made_once_for_all_who_watch(
    store: Store, visitor_as: Callable[[str], PageClient], made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fragments, "FRESH_SECONDS", 60.0)
    watchers = [visitor_as("clerk") for _ in range(3)]
    shown = []
    for watcher in watchers:
        _change(store)
        shown.append(watcher.get("/studies/live").text)
    assert len(made) == 1 and len(set(shown)) == 1


def test_a_change_is_shown_to_those_who_ask_after_a_second(
    store: Store, visitor_as: Callable[[str], PageClient], made: list[str]
) -> None:
    clerk = visitor_as("clerk")
    seen = clerk.get("/studies/live").get_etag()[0]
    _change(store)
    time.sleep(fragments.FRESH_SECONDS)
    assert clerk.get(f"/studies/live?seen={seen}").status_code == 200
    assert len(made) == 2


def test_nobody_is_shown_less_than_they_have_seen(
    store: Store, visitor_as: Callable[[str], PageClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person changes something and is shown the whole page anew; its list must not go back to an older one."""
    monkeypatch.setattr(fragments, "FRESH_SECONDS", 60.0)
    clerk = visitor_as("clerk")
    before = clerk.get("/studies/live").get_etag()[0]
    _change(store)
    newer = re.search(r"/studies/live\?seen=([^\"]+)", clerk.get("/studies").text)
    assert newer and newer[1] != before
    assert clerk.get(f"/studies/live?seen={newer[1]}").status_code == 204


@pytest.mark.parametrize("path", LISTS)
def test_a_shared_list_is_the_same_for_all_of_a_role_and_no_other(
    store: Store, browser_of: Callable[..., PageClient], app: Flask, path: str
) -> None:
    """Each made for itself: what is shared may hold nothing of the person who asked first."""
    users.add_user(store, "clerk2", "clerk", PASSWORD, TESTER)
    shown = {}
    for name in ("clerk", "clerk2", "viewer"):
        app.extensions["fragments"] = fragments.Fragments()
        person = browser_of()
        person.log_in(name)
        shown[name] = re.sub(r"seen=\d+", "seen=", person.get(path).text)
    assert shown["clerk"] == shown["clerk2"] and "clerk" not in shown["clerk"]
    assert 'class="scroll"' in shown["viewer"]


def test_people_of_other_roles_languages_and_searches_share_nothing(
    visitor_as: Callable[[str], PageClient], made: list[str]
) -> None:
    clerk, viewer = visitor_as("clerk"), visitor_as("viewer")
    assert "Ticked" in clerk.get("/studies/live").text
    assert "Ticked" not in viewer.get("/studies/live").text
    assert "Пациент" in clerk.get("/studies/live", headers={"Accept-Language": "ru"}).text
    assert "text=lin" in clerk.get("/studies/live?text=lin").text
    assert made == ["", "", "", "lin"]


def test_each_who_is_shown_a_shared_search_stands_in_the_trail(
    store: Store, visitor_as: Callable[[str], PageClient], browser_of: Callable[..., PageClient]
) -> None:
    users.add_user(store, "clerk2", "clerk", PASSWORD, TESTER)
    second = browser_of()
    second.log_in("clerk2")
    for watcher in (visitor_as("clerk"), second):
        watcher.get("/studies/live?text=lin")
    found = audit_verbs.read_entries(store, audit_verbs.Wanted(event="studies-searched"), TESTER)
    assert sorted(entry.actor for entry in found) == ["clerk", "clerk2"]


def test_a_stranger_who_calls_shows_up_by_itself(store: Store, admin: PageClient) -> None:
    found = re.search(r'data-hx-get="(/peers/strangers/live\?seen=[^"]+)"', admin.get("/peers").text)
    assert found and admin.get(found[1]).status_code == 204
    with store.database.write("caller") as connection:
        call = callers.Call(
            peer="",
            ae_title="NEWCT",
            address="192.0.2.9",
            called_ae_title="APPLIANCE",
            asked="association",
            outcome="rejected",
        )
        callers.put(connection, [call])
    part = admin.get(found[1]).text
    assert "NEWCT" in part and "Strangers who called" in part
