"""kill -9 of the audit's forwarder: the collector gets every entry at least once, in order, by TCP and by TLS."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from appliance.config import Settings
from appliance.events import process_actor
from appliance.security.audit import record
from appliance.store.store import Store, open_store
from appliance.upkeep import forwarding
from tests.faults.forked import kills
from tests.faults.plant import SETTINGS
from tests.trust.collector import collecting
from tests.trust.conftest import Identity, make_identity

COUNT = 7


def sending_to(store: Store, transport: str, port: int, authorities: Path | None) -> Store:
    syslog = {"host": "127.0.0.1", "port": port, "transport": transport, "authorities": authorities}
    return replace(store, settings=Settings.model_validate({**store.settings.model_dump(), "syslog": syslog}))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A trail nobody was sent yet."""
    store = open_store(tmp_path / "data", settings=SETTINGS)
    with store.database.write() as connection:
        for number in range(1, COUNT + 1):
            record(
                connection, "study-viewed", process_actor("tests"), object_kind="study", object_id=f"1.2.{number}"
            )  # fmt: skip
    store.close()
    return tmp_path / "data"


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_no_entry_is_lost_whenever_the_forwarder_is_killed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    identity: Identity | None = make_identity(tmp_path, "collector") if transport == "tls" else None
    monkeypatch.setattr(forwarding, "AT_ONCE", 3)
    with collecting(transport, identity) as collector:

        def forward() -> None:
            store = open_store(data, settings=SETTINGS)
            there = sending_to(store, transport, collector.port, identity and identity.certificate)
            forwarding.Forwarder(there).forward()
            store.close()

        died = list(kills(forward, ("audit.sent",), lambda: None, step=1))
        forward()
        collector.wait_for(COUNT)
    got = [ET.fromstring(body).findall("*")[-1].get("ParticipantObjectID") for body in collector.bodies()]
    assert list(dict.fromkeys(got)) == [f"1.2.{number}" for number in range(1, COUNT + 1)], "lost or out of order"
    assert len(got) > COUNT, "it died between sending and noting it: at least once"
    assert len(died) >= 3
