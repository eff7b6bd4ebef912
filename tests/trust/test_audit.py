"""The audit trail: chained, kept for its time, sent to a collector as DICOM's messages, whatever happens to it."""

from __future__ import annotations

import base64
import datetime as dt
import errno
import json
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import delete, insert, select, update

from appliance.config import Settings
from appliance.dicom.incident_audit import Damper, IncidentAudit
from appliance.dicom.server import DicomServer
from appliance.events import Actor
from appliance.network.incidents import Incident
from appliance.security.audit import FIRST, entry_hash, first_broken, record
from appliance.store import audit as rows
from appliance.store.store import Store, open_store
from appliance.store.tables.base import now
from appliance.store.tables.security import audit
from appliance.studies.removal import delete_study
from appliance.upkeep import audit_codes, purging, service_checks
from appliance.upkeep.audit_message import Source, message
from appliance.upkeep.forwarding import Forwarder
from tests.support.ports import free_port
from tests.support.service import running
from tests.trust.collector import collecting, eventually
from tests.trust.conftest import Identity, make_identity
from tests.trust.test_known_peers import echoes
from tests.web.made import study as made_study

US = Source(ae_title="APPLIANCE", host="films.example", site="Hospital")
BURNED = {"patient_id": "P-1", "studies": ["1.2.3"], "burner": "drive", "sha256": "00", "requested_by": "clerk"}


def add(store: Store, event: str, actor: Actor, **values: object) -> None:
    with store.database.write() as connection:
        record(connection, event, actor, **values)  # type: ignore[arg-type]


def broken(store: Store) -> int | None:
    with store.database.read() as connection:
        return first_broken(connection)


def entries(store: Store) -> list[object]:
    with store.database.read() as connection:
        return list(rows.in_order(connection))


# the chain ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def trail(store: Store, clerk: Actor) -> Store:
    for number in range(1, 8):
        add(store, "study-viewed", clerk, object_kind="study", object_id=f"1.2.{number}")
    return store


def tampered(store: Store, change: object) -> int | None:
    with store.database.write() as connection:
        connection.execute(change)  # type: ignore[call-overload]
    return broken(store)


def test_a_trail_nobody_touched_is_whole(trail: Store) -> None:
    assert broken(trail) is None


@pytest.mark.parametrize("values", [{"actor": "x"}, {"object_id": "9"}, {"at": now()}, {"detail": {"a": 1}}])
def test_a_changed_entry_is_found(trail: Store, values: dict[str, object]) -> None:
    assert tampered(trail, update(audit).where(audit.c.audit_id == 4).values(**values)) == 4


def test_a_removed_entry_is_found(trail: Store) -> None:
    assert tampered(trail, delete(audit).where(audit.c.audit_id == 4)) == 5


def test_a_removed_beginning_is_found(trail: Store) -> None:
    assert tampered(trail, delete(audit).where(audit.c.audit_id < 4)) == 4


def test_an_entry_put_in_is_found(trail: Store) -> None:
    with trail.database.read() as connection:
        row = connection.execute(select(audit).where(audit.c.audit_id == 7)).one()
    forged = row._asdict() | {"audit_id": 8, "actor": "someone"}
    assert tampered(trail, insert(audit).values(**forged)) == 8


def test_a_rewritten_entry_with_its_own_hash_right_is_found_by_the_next(trail: Store) -> None:
    with trail.database.read() as connection:
        row = connection.execute(select(audit).where(audit.c.audit_id == 4)).one()
    values = {key: getattr(row, key) for key in rows.HASHED} | {"actor": "someone"}
    new = entry_hash(row.previous_hash, values)
    assert tampered(trail, update(audit).where(audit.c.audit_id == 4).values(actor="someone", hash=new)) == 5


def test_what_is_past_its_days_goes_and_the_rest_stays_a_chain(trail: Store, clerk: Actor) -> None:
    """Entries are as old as their moment says: the trail is written anew with old ones, hashes and all."""
    with trail.database.write() as connection:
        previous = FIRST
        for row in list(rows.in_order(connection)):
            age = dt.timedelta(days=10_000 if row.audit_id <= 5 else 0)
            values = {key: getattr(row, key) for key in rows.HASHED} | {"at": row.at - age}
            changed = values | {"previous_hash": previous, "hash": entry_hash(previous, values)}
            connection.execute(update(audit).where(audit.c.audit_id == row.audit_id).values(**changed))
            previous = changed["hash"]
    assert broken(trail) is None
    assert purging.purge_audit(trail, clerk) == 5
    assert [row.event for row in entries(trail)] == ["study-viewed", "study-viewed", "audit-purged"]  # type: ignore[attr-defined]
    assert broken(trail) is None
    assert tampered(trail, delete(audit).where(audit.c.audit_id == 6)) == 7, "nobody else may shorten it"


def test_the_command_verifies(tmp_path: Path, clerk: Actor) -> None:
    open_store(tmp_path).close()
    command = [sys.executable, "-m", "appliance", "audit", "verify", "--data", str(tmp_path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    store = open_store(tmp_path)
    with store.database.write() as connection:
        connection.execute(update(audit).where(audit.c.audit_id == 1).values(actor="x"))
    store.close()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "entry 1 " in result.stderr


def test_an_end_that_was_cut_off_is_found_by_a_hash_noted_elsewhere(trail: Store, tmp_path: Path) -> None:
    def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "appliance", "audit", "verify", "--data", str(tmp_path / "data"), *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    said = json.loads(verify("--json").stdout)
    assert said["whole"]
    assert said["hash"] in verify().stdout
    assert verify("--noted", said["hash"]).returncode == 0
    with trail.database.write() as connection:
        connection.execute(delete(audit).where(audit.c.audit_id == said["number"]))
    assert verify().returncode == 0, "the rest is a chain"
    cut = verify("--noted", said["hash"])
    assert cut.returncode == 1
    assert "cut off" in cut.stderr


# messages -------------------------------------------------------------------------------------------------------------

SCHEMA = Path(__file__).with_name("audit_message.rng")


def judged(store: Store) -> ET.Element:
    """The message of the newest entry, which the standard's schema must let pass."""
    made = message(entries(store)[-1], US)  # type: ignore[arg-type]
    command = ["xmllint", "--noout", "--relaxng", str(SCHEMA), "-"]
    found = subprocess.run(command, input=made, capture_output=True, timeout=30, check=False)
    assert found.returncode == 0, found.stderr.decode()
    return ET.fromstring(made)


EVENTS = [
    ("application-started", "part", "dicom", {}, ("110100", "110120", "E")),
    ("application-stopped", "part", "dicom", {}, ("110100", "110121", "E")),
    ("association-refused", "association", "192.0.2.9", {"kind": "rejected"}, ("110113", "110126", "E")),
    ("instances-received", "study", "1.2.3", {"stored": 4}, ("110104", None, "C")),
    ("disc-burned", "piece", "A-1", BURNED, ("110106", None, "R")),
    ("film-printed", "print-job", "12", {"printer": "room1", "films": 1}, ("110106", None, "R")),
    ("study-viewed", "study", "1.2.3", {}, ("110103", None, "R")),
    ("print-job-viewed", "print-job", "12", {}, ("110110", None, "R")),
    ("login", "user", "clerk", {}, ("110114", "110122", "E")),
    ("printer-changed", "printer", "room1", {}, ("110113", "110131", "E")),
    ("peer-added", "peer", "ct", {}, ("110113", "110128", "E")),
    ("user-removed", "user", "x", {}, ("110113", "110137", "E")),
    ("study-purged", "study", "1.2.3", {}, ("110105", None, "D")),
    ("something-new", "", "", {}, ("110113", "110131", "E")),
]


@pytest.mark.parametrize(("event", "object_kind", "object_id", "detail", "wanted"), EVENTS, ids=[e[0] for e in EVENTS])
def test_every_event_is_a_message_of_the_standard(
    store: Store,
    clerk: Actor,
    event: str,
    object_kind: str,
    object_id: str,
    detail: dict[str, object],
    wanted: tuple[str, str | None, str],
) -> None:
    add(store, event, clerk, object_kind=object_kind, object_id=object_id, detail=detail)
    made = judged(store)
    head = made[0]
    type_code = head.find("EventTypeCode")
    code = head.find("EventID").get("csd-code")  # type: ignore[union-attr]
    assert (code, type_code.get("csd-code") if type_code is not None else None, head.get("EventActionCode")) == wanted
    assert made[1].get("UserID") == "clerk"
    assert made[1].get("NetworkAccessPointID") == "127.0.0.1"


# A.5.3: roles of participants that must be there, actions allowed
TABLES: dict[str, tuple[set[str], str]] = {
    "110100": ({"110150", "110151"}, "E"),
    "110101": (set(), "R"),
    "110102": ({"110152", "110153"}, "E"),
    "110103": (set(), "CRUD"),
    "110104": ({"110152", "110153"}, "CRU"),
    "110105": (set(), "D"),
    "110106": ({"110153", "110154"}, "R"),
    "110107": ({"110152", "110155"}, "C"),
    "110110": (set(), "CRUD"),
    "110112": ({"110152", "110153"}, "E"),
    "110113": (set(), "E"),
    "110114": (set(), "E"),
}
ABOUT = {
    "audit-viewed": ("audit", ""),
    "audit-exported": ("audit", ""),
    "archive-queried": ("peer", "pacs"),
    "access-denied": ("page", "/users"),
}


@pytest.mark.parametrize("event", sorted({*audit_codes.KINDS, "user-added", "printer-changed"}))
def test_every_event_has_what_its_table_demands(store: Store, clerk: Actor, event: str) -> None:
    kind, name = ABOUT.get(event, ("study", "1.2.3"))
    add(store, event, clerk, object_kind=kind, object_id=name, detail={"peer": "pacs", "number": 1})
    made = judged(store)
    code = made[0][0].get("csd-code") or ""
    wanted, actions = TABLES[code]
    roles = {each.get("csd-code") for each in made.findall("ActiveParticipant/RoleIDCode")}
    assert wanted <= roles
    assert made[0].get("EventActionCode") in list(actions)
    about = made.find("ParticipantObjectIdentification")
    assert about is not None
    if code == "110101":
        assert about.findtext("ParticipantObjectName") == "Security Audit Log"
        assert about.get("ParticipantObjectID") == "https://films.example/audit"
    if code == "110113":
        assert about.find("ParticipantObjectDetail[@type='Alert Description']") is not None
    if code == "110112":
        assert b"number" in base64.b64decode(about.findtext("ParticipantObjectQuery") or "")


def test_who_fetches_from_an_archive_names_it_as_the_source(store: Store, clerk: Actor) -> None:
    add(store, "retrieve-requested", clerk, object_kind="study", object_id="1.2.3", detail={"peer": "pacs"})
    parts = {
        each.get("UserID"): [role.get("csd-code") for role in each] for each in judged(store).iter("ActiveParticipant")
    }
    assert parts == {"clerk": [], "pacs": ["110153"], "APPLIANCE": ["110152"]}


@pytest.mark.parametrize(("medium", "code"), [("cd", "110032"), ("dvd", "110033"), ("usb", "110030")])
def test_a_dvd_is_told_as_a_dvd(store: Store, clerk: Actor, medium: str, code: str) -> None:
    add(store, "disc-burned", clerk, object_kind="piece", object_id="A-1", detail={**BURNED, "medium": medium})
    assert [each.get("csd-code") for each in judged(store).iter("MediaType")] == [code]


def test_an_entry_about_a_study_names_its_patient_as_long_as_it_is_told(
    store: Store, clerk: Actor, tmp_path: Path
) -> None:
    """Looked at and removed: the standard wants the patient in both, and afterwards nobody can look it up."""
    uid = made_study(store, tmp_path)
    add(store, "study-viewed", clerk, object_kind="study", object_id=uid)
    delete_study(store, uid, clerk)
    for entry in [each for each in entries(store) if each.object_id == uid][-2:]:  # type: ignore[attr-defined]
        told = ET.fromstring(message(entry, US))  # type: ignore[arg-type]
        objects = {each.get("ParticipantObjectID") for each in told.iter("ParticipantObjectIdentification")}
        assert objects == {uid, "P100"}


def test_a_message_is_one_line(store: Store, clerk: Actor) -> None:
    """rsyslog writes a line's end as #012: what it kept of our messages was no XML."""
    add(store, "study-viewed", clerk, object_kind="study", object_id="1.2.3", detail={"text": "a\nb"})
    assert b"\n" not in message(entries(store)[-1], US)  # type: ignore[arg-type]


def test_a_burned_disc_names_patient_study_and_medium(store: Store, clerk: Actor) -> None:
    add(store, "disc-burned", clerk, object_kind="piece", object_id="A-1", detail=BURNED)
    made = ET.fromstring(message(entries(store)[-1], US))  # type: ignore[arg-type]
    objects = [each.get("ParticipantObjectID") for each in made.iter("ParticipantObjectIdentification")]
    assert objects == ["A-1", "1.2.3", "P-1"]
    assert [each.get("csd-code") for each in made.iter("MediaType")] == [audit_codes.CD[0]]
    details = {each.get("type"): each.get("value") for each in made.iter("ParticipantObjectDetail")}
    assert base64.b64decode(details["burner"] or "") == b"drive"


def test_a_hostile_name_makes_no_other_message(store: Store) -> None:
    actor = Actor(name='x" UserIsRequestor="\0<b>\n', kind="peer", address="192.0.2.1")
    add(store, "peer-misbehaved", actor, outcome="failure", object_kind="association", object_id="]]>\x1b")
    made = judged(store)
    assert made[0].get("EventOutcomeIndicator") == "4"


# to the collector -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def collector_identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("collector"), "collector")


def sending_to(store: Store, transport: str, port: int, authorities: Path | None = None) -> Store:
    syslog = {"host": "127.0.0.1", "port": port, "transport": transport, "authorities": authorities}
    settings = Settings.model_validate({**store.settings.model_dump(), "syslog": syslog})
    return replace(store, settings=settings)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_entries_come_to_the_collector_in_order_and_once(
    trail: Store, collector_identity: Identity, transport: str
) -> None:
    secured = collector_identity if transport == "tls" else None
    with collecting(transport, secured) as collector:
        forwarder = Forwarder(sending_to(trail, transport, collector.port, secured and secured.certificate))
        assert forwarder.forward() == 7
        assert forwarder.forward() == 0
        collector.wait_for(7)
    studies = [ET.fromstring(body).findall("*")[-1].get("ParticipantObjectID") for body in collector.bodies()]
    assert studies == [f"1.2.{number}" for number in range(1, 8)]
    assert all(each.startswith(b"<85>1 ") for each in collector.received), "facility 10, severity 5"


def test_a_collector_of_two_addresses_is_told_by_udp_where_there_is_a_way(
    trail: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is of a family this machine has no way for."""
    with collecting("udp", None) as collector:
        no_way = (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("2001:db8::7", collector.port, 0, 0))
        there = (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", collector.port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [no_way, there])
        monkeypatch.setattr(socket, "socket", WithoutIPv6)
        assert Forwarder(sending_to(trail, "udp", collector.port)).forward() > 0
        collector.wait_for(1)


def test_a_slow_collector_loses_nothing_of_a_backlog_by_udp(trail: Store, clerk: Actor) -> None:
    """What came while it was away goes out at once; one that takes a datagram a millisecond has a small buffer."""
    for number in range(60):
        add(trail, "study-viewed", clerk, object_kind="study", object_id=f"1.3.{number}")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        slow.bind(("127.0.0.1", 0))
        slow.settimeout(5)
        sender = threading.Thread(target=Forwarder(sending_to(trail, "udp", slow.getsockname()[1])).forward)
        sender.start()
        for _ in range(67):
            assert slow.recv(65536).startswith(b"<85>1 ")
            time.sleep(0.001)
        sender.join()


class WithoutIPv6(socket.socket):
    def connect(self, address: Any) -> None:
        if self.family == socket.AF_INET6:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        super().connect(address)


def test_a_collector_that_nobody_vouches_for_gets_nothing(
    trail: Store, collector_identity: Identity, ct: Identity
) -> None:
    with collecting("tls", collector_identity) as collector:
        assert Forwarder(sending_to(trail, "tls", collector.port, ct.certificate)).forward() == 0
    assert not collector.received


def test_messages_wait_while_the_collector_is_away_and_survive_a_restart(trail: Store, clerk: Actor) -> None:
    port = free_port()
    away = sending_to(trail, "tcp", port)
    assert Forwarder(away).forward() == 0
    [finding] = service_checks.audit_collector(away)
    assert finding.level == "warning" and "can't be reached by tcp" in finding.text
    add(trail, "login", clerk, object_kind="user", object_id="clerk")
    with collecting("tcp", port=port) as collector:
        assert Forwarder(away).forward() == 8  # another forwarder: what it knows stands in the database
    assert len(collector.bodies()) == 8
    assert service_checks.audit_collector(away)[0].level == "fine"
    with collecting("tcp", port=port) as collector:
        add(trail, "logout", clerk, object_kind="user", object_id="clerk")
        assert Forwarder(away).forward() == 1
    assert b"Logout" in collector.bodies()[0]


def test_what_the_collector_has_not_got_is_kept_past_its_days(trail: Store, clerk: Actor) -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=5000)
    with collecting("tcp") as collector:
        away = sending_to(trail, "tcp", collector.port)
        assert purging.purge_audit(away, clerk, later) == 0
        assert Forwarder(away).forward() == 7
        add(trail, "login", clerk, object_kind="user", object_id="clerk")
        assert purging.purge_audit(away, clerk, later) == 7, "the login waits for the collector"
    assert broken(trail) is None


# what gets in ---------------------------------------------------------------------------------------------------------


def test_a_refused_association_is_in_the_trail(tmp_path: Path) -> None:
    settings = {"dicom": {"ports": [0], "unknown_peers": "refuse"}, "storage": {"reserve_percent": 0}}
    store = open_store(tmp_path, settings=Settings.model_validate(settings))
    incidents = IncidentAudit(store)
    server = DicomServer(store, on_incident=incidents)
    server.start()
    incidents.start()
    assert not echoes(server.port, ae="MALLORY")
    server.stop(0)
    incidents.stop()
    refused = [row for row in entries(store) if row.event == "association-refused"]  # type: ignore[attr-defined]
    assert [(row.actor, row.address) for row in refused] == [("MALLORY", "127.0.0.1")]  # type: ignore[attr-defined]
    store.close()


def test_a_device_refused_for_a_year_does_not_fill_the_trail(tmp_path: Path) -> None:
    damper = Damper()
    knock = Incident(kind="rejected", address="192.0.2.9", ae_title="FORGOTTEN", message="not recognised")
    week = range(0, 7 * 86400, 10)  # seconds; it tries again every ten
    written = [entry for at in week if (entry := damper.passes(knock, float(at)))]
    assert len(written) < 20 + 7 * 145
    assert sum(1 + entry.unreported for entry in written) > len(week) - 61, "each is counted in an entry"
    assert damper.passes(replace(knock, address="192.0.2.10"), 7 * 86400.0) is not None
    assert damper.passes(replace(knock, kind="pdu-too-long"), 7 * 86400.0) is not None


@pytest.mark.slow
def test_the_service_says_when_it_starts_and_stops_and_sends_it_on(tmp_path: Path) -> None:
    port = free_port()
    with (
        collecting("tcp") as collector,
        running(
            tmp_path,
            port,
            ["dicom", "web"],
            APPLIANCE_SYSLOG_HOST="127.0.0.1",
            APPLIANCE_SYSLOG_PORT=str(collector.port),
            APPLIANCE_SYSLOG_TRANSPORT="tcp",
        ),
    ):
        eventually(lambda: sum(b'"Application Start"' in each for each in list(collector.received)) >= 2)
    store = open_store(tmp_path)
    events = [(row.event, row.object_id) for row in entries(store)]  # type: ignore[attr-defined]
    assert ("application-stopped", "dicom") in events
    assert ("application-stopped", "web") in events
    store.close()
