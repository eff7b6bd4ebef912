"""People are told once and on recovery, by real mail and web servers, and never of patients."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select, update

from appliance.config import Settings, SmtpSettings
from appliance.dicom.server import DicomServer
from appliance.events import Actor
from appliance.media import discs
from appliance.media.views import show_disc
from appliance.media.worker import DiscWorker
from appliance.printing import jobs
from appliance.printing.first_run import add_first_printer
from appliance.printing.printer_verbs import get_printer
from appliance.security import certificates
from appliance.store import print_jobs
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.store.tables.media import disc
from appliance.store.tables.printing import print_job, printer
from appliance.upkeep import absences, health, kept, service_checks, wire_checks
from appliance.upkeep.keeper import Keeper
from appliance.upkeep.mailing import Mailer
from appliance.upkeep.notice import Notice
from appliance.upkeep.notices import Notifier, changes, problems
from tests.media.disc_helpers import add, ordered, with_study
from tests.printing.films import add_folder_printer, submit_films
from tests.support.ports import free_port


class Mailbox:
    """What an SMTP server has taken: one without 8BITMIME."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.raw: list[bytes] = []

    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, hostname: str, told: list[str]) -> list[str]:
        session.host_name = hostname
        return [each for each in told if "8BITMIME" not in each]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.raw.append(envelope.content)
        self.mails.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=email.policy.default)))
        return "250 OK"

    @property
    def texts(self) -> list[str]:
        return [mail.get_content() for _, mail in self.mails]


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box, port = Mailbox(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


@pytest.fixture
def hook() -> Iterator[tuple[list[Any], int, list[int]]]:
    """A web server: what was posted to it, its port, the statuses it answers with (the last one for ever)."""
    posted: list[Any] = []
    answers = [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = answers.pop(0) if len(answers) > 1 else answers[0]
            if status == 200:
                posted.append(json.loads(body))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/login")
            self.end_headers()

        def do_GET(self) -> None:
            """The log-in page."""
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield posted, server.server_port, answers
    server.shutdown()
    thread.join()
    server.server_close()


def with_settings(store: Store, **sections: Any) -> Store:
    settings = Settings.model_validate({**store.settings.model_dump(), **sections})
    return replace(store, settings=settings)


def set_printer_state(store: Store, state: str) -> None:
    with store.database.write("printer") as connection:
        connection.execute(update(printer).values(printer_state=state, printer_state_reasons=["media-jam"]))


def test_a_stopped_printer_is_told_once_and_on_recovery(store: Store, mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    add_first_printer(store)
    mail = {"host": "127.0.0.1", "port": port, "recipients": ["it@example.org", "ray@example.org"]}
    told = with_settings(store, smtp=mail)
    set_printer_state(store, "stopped")
    assert Notifier(told).tell() == 1
    assert Notifier(told).tell() == 0, "told once, also after a restart"
    set_printer_state(store, "idle")
    assert Notifier(told).tell() == 1
    assert box.mails[0][0] == ["it@example.org", "ray@example.org"]
    assert box.texts[0].startswith("Printer film is stopped (film or paper is jammed).")
    assert box.texts[1].startswith("Well again: Printer film")


def test_a_webhook_that_fails_is_asked_again_and_the_other_way_is_not_told_twice(
    store: Store, mailbox: tuple[Mailbox, int], hook: tuple[list[Any], int, list[int]]
) -> None:
    (box, port), (posted, web, answers) = mailbox, hook
    answers[:] = [503, 200]
    add_first_printer(store)
    set_printer_state(store, "stopped")
    mail = {"host": "127.0.0.1", "port": port, "recipients": ["it@example.org"]}
    notifier = Notifier(with_settings(store, smtp=mail, notices={"webhook": f"http://127.0.0.1:{web}/hook"}))
    assert notifier.tell() == 1
    assert notifier.tell() == 1
    assert len(box.mails) == 1
    assert [notice["key"] for notice in posted[0]["notices"]] == ["printer:film"]


def test_a_webhook_that_leads_to_a_log_in_has_told_nobody(store: Store, hook: tuple[list[Any], int, list[int]]) -> None:
    posted, web, answers = hook
    answers[:] = [302, 200]
    add_first_printer(store)
    set_printer_state(store, "stopped")
    notifier = Notifier(with_settings(store, notices={"webhook": f"http://127.0.0.1:{web}/hook"}))
    assert notifier.tell() == 0
    assert notifier.tell() == 1 and len(posted) == 1


def test_a_webhook_that_speaks_no_http_is_tried_again(store: Store) -> None:
    add_first_printer(store)
    set_printer_state(store, "stopped")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: _answer(listener, b"SSH-2.0-OpenSSH_9.2\r\n"))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert Notifier(with_settings(store, notices={"webhook": url})).tell() == 0
        thread.join()


def _answer(listener: socket.socket, words: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(words)


def test_that_nobody_is_told_is_a_finding_until_somebody_is(store: Store, mailbox: tuple[Mailbox, int]) -> None:
    add_first_printer(store)
    set_printer_state(store, "stopped")
    away = {"host": "127.0.0.1", "port": free_port(), "recipients": ["a@example.org"]}
    silent, told = with_settings(store, smtp=away), with_settings(store, smtp={**away, "port": mailbox[1]})
    assert service_checks.notices(silent) == []
    assert [finding.level for finding in wire_checks.mail(silent)] == ["error"], (
        "known before there is anything to tell"
    )
    assert [finding.level for finding in wire_checks.mail(told)] == ["fine"]
    Notifier(silent).tell()
    [finding] = service_checks.notices(silent)
    assert finding.level == "error" and "Nobody is told by mail since 20" in finding.text and "refused" in finding.text
    Notifier(told).tell()
    assert service_checks.notices(told) == []


@pytest.mark.parametrize(
    "url",
    ["hooks/canary", "http://canary@host/x", "http://a:canary@host/x", "http://host/canary x", "http://h:canary/"],
)
def test_the_secret_of_an_address_that_is_none_is_told_nowhere(
    store: Store, caplog: pytest.LogCaptureFixture, url: str
) -> None:
    add_first_printer(store)
    set_printer_state(store, "stopped")
    spoilt = with_settings(store, notices={"webhook": url})
    assert Notifier(spoilt).tell() == 0
    assert "notices.webhook is no address" in caplog.text and "canary" not in caplog.text
    assert "canary" not in str(service_checks.notices(spoilt))


def test_nobody_there_is_no_error(store: Store) -> None:
    add_first_printer(store)
    set_printer_state(store, "stopped")
    smtp = {"host": "127.0.0.1", "port": free_port(), "recipients": ["a@example.org"]}
    assert Notifier(with_settings(store, smtp=smtp)).tell() == 0


def test_a_film_that_waits_is_told_without_its_patient(
    store: Store, clerk: Actor, hook: tuple[list[Any], int, list[int]]
) -> None:
    posted, web, _ = hook
    add_first_printer(store)
    job_id = submit_films(store, get_printer(store, "film"))
    with store.database.write() as connection:
        print_jobs.change(connection, job_id, label="SECRET^PATIENT")
        connection.execute(update(print_job).values(created=now() - dt.timedelta(minutes=11)))
    told = with_settings(store, notices={"webhook": f"http://127.0.0.1:{web}/"})
    assert Notifier(told).tell() == 1
    assert posted[0]["notices"][0]["text"] == "Films wait longer than 10 minutes for printer film."
    assert "SECRET" not in json.dumps(posted)


def test_many_films_that_wait_for_one_printer_silence_no_other(store: Store) -> None:
    late = {"created": now() - dt.timedelta(minutes=11)}
    first = submit_films(store, add_folder_printer(store, "jammed"))
    with store.database.write() as connection:
        jam = dict(connection.execute(select(print_job).where(print_job.c.job_id == first)).one()._mapping)
        copies = [{**jam, "job_id": number, "print_job_uid": f"2.25.{number}"} for number in range(1000, 1150)]
        connection.execute(print_job.insert(), copies)
        connection.execute(print_job.insert(), [{**jam, "job_id": 2000, "printer": "other", "print_job_uid": "2.25.2"}])
        connection.execute(update(print_job).values(late))
    assert {"films:jammed", "films:other"} <= problems(store).keys()
    for state, kind in (("pending-held", "held"), ("aborted", "job")):
        with store.database.write() as connection:
            connection.execute(update(print_job).values(job_state=state, completed=now()))
        assert f"{kind}:2000" in problems(store)


def test_a_film_the_appliance_holds_is_told_and_one_a_person_holds_is_not(
    store: Store, clerk: Actor, hook: tuple[list[Any], int, list[int]]
) -> None:
    posted, web, _ = hook
    add_first_printer(store)
    doubted, put_by = (submit_films(store, get_printer(store, "film")) for _ in range(2))
    jobs.hold(store, put_by, clerk)
    with store.database.write() as connection:
        print_jobs.change(connection, doubted, job_state="pending-held", job_state_reasons=["in-doubt"])
        connection.execute(update(print_job).values(created=now() - dt.timedelta(minutes=11)))
    notifier = Notifier(with_settings(store, notices={"webhook": f"http://127.0.0.1:{web}/"}))
    assert notifier.tell() == 1
    told = f"Print job {doubted} for printer film is held for a person: see the print jobs page."
    assert posted[0]["text"] == told
    jobs.cancel(store, doubted, clerk)
    assert notifier.tell() == 1 and posted[1]["text"] == f"Well again: {told}"


def test_a_disc_a_person_is_waited_for_is_told_until_one_has_come(store: Store, clerk: Actor) -> None:
    with_study(store)
    held, waits = ordered(store), ordered(store)
    with store.database.write() as connection:
        connection.execute(update(disc).where(disc.c.disc_id == held).values(held=True, reasons=["in-doubt"]))
    assert "disc-held:1" not in problems(store), "they have ten minutes"
    with store.database.write() as connection:
        connection.execute(update(disc).values(updated=now() - dt.timedelta(minutes=11)))
    assert [name for name in problems(store) if "disc" in name] == [f"disc-held:{held}"]
    discs.release(store, held, clerk)
    assert not [name for name in problems(store) if "disc" in name], waits


def test_a_disc_that_waits_for_its_agent_is_told(store: Store) -> None:
    with_study(store)
    add(store, "desk", "agent:desk")
    number = ordered(store, burner="desk")

    def waits() -> bool:
        with store.database.read() as connection:
            return connection.execute(select(disc.c.reasons)).scalar() == ["offline"]

    DiscWorker(store).work_off(until=waits)
    assert "discs:desk" not in problems(store), "it may be there in a moment"
    with store.database.write() as connection:
        connection.execute(update(disc).values(updated=now() - dt.timedelta(minutes=11)))
    assert problems(store)["discs:desk"] == "Discs wait longer than 10 minutes for burner desk."
    assert show_disc(store, number)["execution_status"] != "FAILURE"


def test_modalities_that_reach_nobody_are_told_of_when_it_lasts_and_when_it_is_over(
    store: Store, hook: tuple[list[Any], int, list[int]]
) -> None:
    posted, web, _ = hook
    add_first_printer(store)
    port = free_port()
    told = with_settings(store, notices={"webhook": f"http://127.0.0.1:{web}/"}, dicom={"ports": [port]})
    Keeper(told).round()
    assert posted == [], "a restart is no news"
    kept.keep(told, absences.SINCE, _longer_ago(kept.recall(told, absences.SINCE)))
    Keeper(told).round()
    assert sorted(notice["key"] for notice in posted[0]["notices"]) == ["part:discs", "part:films", f"port:{port}"]
    assert f"The DICOM port {port} on 127.0.0.1 is closed." in posted[0]["text"]
    server, lock = DicomServer(told), told.locks.hold("retrieve")
    server.start()
    try:
        Keeper(told).round()
        (over,) = posted[1]["notices"]
        assert (over["key"], over["recovered"]) == (f"port:{port}", True)
    finally:
        server.stop(0)
        lock.release()


def _longer_ago(absent: dict[str, Any]) -> dict[str, Any]:
    long_ago = (now() - dt.timedelta(minutes=11)).isoformat()
    return {key: {**said, "since": long_ago} for key, said in absent.items()}


def test_a_film_that_failed_is_told_until_it_is_printed_again(
    store: Store, clerk: Actor, hook: tuple[list[Any], int, list[int]]
) -> None:
    posted, web, _ = hook
    add_first_printer(store)
    job_id = submit_films(store, get_printer(store, "film"))
    with store.database.write() as connection:
        print_jobs.change(connection, job_id, job_state="aborted", completed=now())
    notifier = Notifier(with_settings(store, notices={"webhook": f"http://127.0.0.1:{web}/"}))
    assert notifier.tell() == 1
    assert posted[0]["text"] == f"Print job {job_id} for printer film failed: see the print jobs page."
    jobs.reprint(store, job_id, clerk, printer=get_printer(store, "film"))
    assert notifier.tell() == 1 and posted[1]["notices"][0]["recovered"]


def test_a_certificate_nobody_can_read_silences_nothing_else(
    store: Store, tmp_path: Path, hook: tuple[list[Any], int, list[int]]
) -> None:
    posted, web, _ = hook
    (tmp_path / "page.pem").write_text("no certificate")
    add_first_printer(store)
    set_printer_state(store, "stopped")
    told = with_settings(
        store, notices={"webhook": f"http://127.0.0.1:{web}/"}, web={"certificate": tmp_path / "page.pem"}
    )
    assert Notifier(told).tell() == 2
    assert {notice["key"] for notice in posted[0]["notices"]} == {"printer:film", "certificate-unreadable"}


def test_people_are_told_although_the_collectors_name_is_none(
    store: Store, hook: tuple[list[Any], int, list[int]]
) -> None:
    posted, web, _ = hook
    add_first_printer(store)
    set_printer_state(store, "stopped")
    mistyped = {"host": "collector..example"}
    Keeper(with_settings(store, notices={"webhook": f"http://127.0.0.1:{web}/"}, syslog=mistyped)).round()
    assert len(posted) == 1


def test_a_chore_of_upkeep_that_breaks_holds_up_no_other(store: Store, hook: tuple[list[Any], int, list[int]]) -> None:
    posted, web, _ = hook
    add_first_printer(store)
    set_printer_state(store, "stopped")
    keeper = Keeper(with_settings(store, notices={"webhook": f"http://127.0.0.1:{web}/"}))
    keeper.chores[0].do = lambda: 1 // 0
    keeper.round()
    assert len(posted) == 1


def test_a_certificate_that_ends_a_missed_backup_and_a_short_disk_are_told(
    store: Store, clerk: Actor, hook: tuple[list[Any], int, list[int]]
) -> None:
    posted, web, _ = hook
    certificates.make_certificate(store, clerk, days=10)
    kept.keep(store, kept.LAST_BACKUP, (now() - dt.timedelta(days=3)).isoformat())
    short = {"reserve_mib": 1 << 40}
    told = with_settings(store, notices={"webhook": f"http://127.0.0.1:{web}/"}, storage=short)
    assert Notifier(told).tell() == 3
    assert {notice["key"] for notice in posted[0]["notices"]} == {"certificate", "backup", "disk"}


def test_a_peer_s_certificate_that_ends_is_told_until_its_new_one_is_trusted(store: Store, clerk: Actor) -> None:
    """The old one stays in the file: once it has ended, nobody waits for it."""
    file = store.folder.root / "tls" / "certificate.pem"
    for days, told in ((10, 1), (400, 1), (0, 1)):  # the first ends soon, whatever else there is; the last is replaced
        certificates.make_certificate(store, clerk, names=["scanner.example"], days=days, replace=True)
        certificates.trust(store, file, clerk)
        ending = [text for key, text in problems(store).items() if key.startswith("trusted-certificate:")]
        assert len(ending) == told, days
        assert "CN=scanner.example is good until" in ending[0]
    certificates.make_certificate(store, clerk, replace=True)
    found = [finding for finding in health.look(store) if finding.topic == "certificates"]
    assert {finding.level for finding in found} == {"fine", "warning"}, found


def test_a_peer_s_certificate_that_has_ended_is_told(store: Store, clerk: Actor) -> None:
    certificates.make_certificate(store, clerk, days=0)
    certificates.trust(store, store.folder.root / "tls" / "certificate.pem", clerk)
    assert any(key.startswith("trusted-certificate:") for key in problems(store))


def test_a_collector_that_is_away_for_long_is_told_and_its_return(store: Store) -> None:
    there = with_settings(store, syslog={"host": "log.example"})
    why = "The audit collector log.example port 6514 can't be reached by tls: certificate has expired."
    kept.note_failing(there, "syslog", why)
    assert "collector" not in problems(there), "it may be started anew at night"
    known = kept.recall(there, kept.FAILING + "syslog")
    kept.keep(there, kept.FAILING + "syslog", {**known, "since": (now() - dt.timedelta(minutes=11)).isoformat()})
    assert why in problems(there)["collector"]
    assert "collector" not in problems(store), "none is set any more"
    kept.note_well(there, "syslog")
    assert "collector" not in problems(there)


@pytest.mark.parametrize(
    ("before", "present", "told"),
    [
        ({}, {}, []),
        ({}, {"a": "A"}, [("a", False)]),
        ({"a": "A"}, {"a": "A, still"}, []),
        ({"a": "A"}, {}, [("a", True)]),
        ({"a": "A"}, {"b": "B"}, [("b", False), ("a", True)]),
    ],
)
def test_only_changes_are_told(before: dict[str, str], present: dict[str, str], told: list[tuple[str, bool]]) -> None:
    notices: list[Notice] = changes(before, present)
    assert [(notice.key, notice.recovered) for notice in notices] == told


def test_a_mail_is_one_every_server_takes(mailbox: tuple[Mailbox, int]) -> None:
    """RFC 5322: Date and Message-ID; seven bits, for the server has not said that it takes eight; one line a header."""
    box, port = mailbox
    settings = SmtpSettings.model_validate({"host": "127.0.0.1", "port": port, "recipients": ["it@example.org"]})
    Mailer(settings).send([Notice(key="x", text="Принтер «Süd»\nзупинено. " + "ж" * 1200)])
    assert box.raw[0].isascii() and max(map(len, box.raw[0].splitlines())) <= 998
    mail = email.message_from_bytes(box.raw[0], policy=email.policy.strict)
    assert abs(mail["Date"].datetime - now()) < dt.timedelta(minutes=1)
    assert mail["Message-ID"].startswith("<") and "@" in mail["Message-ID"]
    assert "Принтер «Süd» зупинено." in mail["Subject"]
    assert mail.get_content().splitlines()[0] == "Принтер «Süd»"


def test_who_is_put_off_by_the_mail_server_is_told_later_and_nobody_twice(store: Store) -> None:
    class Greylisting(Mailbox):
        async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
            if address == "gone@example.org":
                return "550 no such user"
            if address == "ray@example.org" and not self.mails:
                return "451 come again"
            envelope.rcpt_tos.append(address)
            return "250 OK"

    box, port = Greylisting(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        add_first_printer(store)
        set_printer_state(store, "stopped")
        who = ["it@example.org", "ray@example.org", "gone@example.org"]
        notifier = Notifier(with_settings(store, smtp={"host": "127.0.0.1", "port": port, "recipients": who}))
        assert [notifier.tell(), notifier.tell(), notifier.tell()] == [1, 0, 0]
        assert [told for told, _ in box.mails] == [["it@example.org"], ["ray@example.org"]]
        assert box.texts[0] == box.texts[1]
    finally:
        controller.stop()


def test_notices_come_in_the_language_set(store: Store, mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    add_first_printer(store)
    mail = {"host": "127.0.0.1", "port": port, "recipients": ["it@example.org"]}
    told = with_settings(store, smtp=mail, notices={"language": "uk"})
    set_printer_state(store, "stopped")
    assert Notifier(told).tell() == 1
    set_printer_state(store, "idle")
    assert Notifier(told).tell() == 1, "what is over was kept in English"
    assert box.texts[0].startswith("Принтер film зупинено (зім’ято плівку або папір)."), box.texts[0]
    assert box.texts[1].startswith("Знову гаразд: Принтер film зупинено (зім’ято плівку або папір).")
    assert "Принтер film" in box.mails[0][1]["Subject"]
