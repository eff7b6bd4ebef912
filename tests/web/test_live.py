from __future__ import annotations

from appliance.security import peer_verbs
from appliance.security.peers import Peer
from appliance.store.store import Store
from tests.web.conftest import TESTER, PageClient

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
    assert f'hx-get="{LIVE}?seen={admin.get(LIVE).get_etag()[0]}"' in page


def test_looking_at_a_live_part_writes_nothing(store: Store, admin: PageClient) -> None:
    admin.get(LIVE)
    before = store.database.changes()
    for _ in range(5):
        admin.get(LIVE)
    assert store.database.changes() == before
