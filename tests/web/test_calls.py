"""Peers that are mute: the page goes on for everybody else, and shows what an archive told before its limit."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flask import Flask

from appliance.security import tokens
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store.store import Store
from tests.studies.odd_pacs import OddArchive
from tests.studies.test_pacs_troubles import images, until
from tests.web.conftest import TESTER, PageClient


def known(store: Store, odd: OddArchive) -> None:
    add_peer(store, Peer(name="archive", ae_title="PACS", host="127.0.0.1", port=odd.port), TESTER)


def test_clerks_who_wait_for_a_mute_archive_leave_threads_for_others(store: Store, app: Flask) -> None:
    headers = {"Authorization": f"Bearer {tokens.create_token(store, 'clerk', 'clerk', TESTER)}"}
    codes: list[int] = []

    def ask() -> None:
        body = {"peer": "archive", "keys": {"PatientID": "P*"}}
        codes.append(app.test_client().post("/api/v1/studies/query", json=body, headers=headers).status_code)

    most = store.settings.web.threads // 2
    with OddArchive(images(1), 1, ponders=threading.Event()).listening() as odd:
        known(store, odd)
        clerks = [threading.Thread(target=ask) for _ in range(most + 2)]
        for each in clerks:
            each.start()
        until(lambda: len(codes) == 2)
        assert codes == [503, 503]
        assert odd.ponders is not None
        odd.ponders.set()
        for each in clerks:
            each.join()
    assert sorted(codes) == [200] * most + [503, 503]
    ask()
    assert codes[-1] == 502  # nothing listens any more: its place was free


def test_what_an_archive_told_before_its_limit_stands_on_the_page(
    store: Store, visitor_as: Callable[[str], PageClient]
) -> None:
    with OddArchive(images(1), 1, ends_with=0xFE00).listening() as odd:
        known(store, odd)
        page = visitor_as("clerk").get("/studies/archives?peer=archive&PatientID=P*").text
    assert "has not told everything: it tells no more at a time, status FE00" in page
    assert 'name="study"' in page and "DOE JANE" in page


def test_a_study_an_archive_does_not_name_can_not_be_ticked(
    store: Store, visitor_as: Callable[[str], PageClient]
) -> None:
    with OddArchive(images(1), 1, names_no_study=True).listening() as odd:
        known(store, odd)
        page = visitor_as("clerk").get("/studies/archives?peer=archive&PatientID=P*").text
    assert "DOE JANE" in page and 'name="study"' not in page
