"""The health list says what is wrong and what to do next."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import update

from appliance.config import Settings
from appliance.events import Actor
from appliance.printing import printer_verbs
from appliance.printing.first_run import add_first_printer
from appliance.security import certificates
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store.store import Store, open_store
from appliance.store.tables.base import now
from appliance.store.tables.security import audit
from appliance.upkeep import health, notices
from appliance.upkeep.finding import Finding


def about(findings: list[Finding], topic: str, level: str = "") -> list[Finding]:
    return [finding for finding in findings if finding.topic == topic and level in ("", finding.level)]


def test_whatever_is_wrong_has_a_next_step(store: Store) -> None:
    findings = health.look(store, thorough=True)
    assert all(finding.advice for finding in findings if finding.level != "fine")
    levels = [finding.level for finding in findings]
    assert levels == sorted(levels, key=["error", "warning", "fine"].index), "the worst first"


def test_a_tool_is_told_by_its_name_and_number(store: Store) -> None:
    (xorriso,) = about(health.look(store), "tools")
    assert re.fullmatch(r"xorriso is installed: \d+(\.\d+)+", xorriso.text)


def test_a_port_somebody_else_has_and_a_closed_one_are_told_apart(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused and nobody else can have it
        settings = Settings.model_validate({"dicom": {"ports": [taken.getsockname()[1]]}, "web": {"port": 0}})
        store = open_store(tmp_path, settings=settings)
        assert "Another program has it" in about(health.look(store), "ports", "error")[0].advice
    assert "Start the service" in about(health.look(store), "ports", "error")[0].advice
    store.close()


@pytest.mark.parametrize("port", ["dicom", "web"])
def test_another_program_that_answers_on_our_port_is_not_taken_for_us(port: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = other.getsockname()[1]
        settings = {"dicom": {"ports": [0]}, "web": {"port": 0}}
        settings[port] = {"ports": [number]} if port == "dicom" else {"port": number}
        store = open_store(tmp_path, settings=Settings.model_validate(settings))
        threading.Thread(target=_say_something_else, args=(other,), daemon=True).start()
        [found] = about(health.look(store), "ports", "error")
        if port == "dicom":  # the DICOM part is at work
            lock = store.locks.hold("retrieve")
            assert not about(health.look(store), "ports", "error")
            lock.release()
    assert "it is not the appliance" in found.text
    assert f":{number}" in found.advice
    store.close()


def _say_something_else(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connection.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")
            connection.close()


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ({}, 0),  # on this machine alone
        ({"trusted_proxy": "127.0.0.1"}, 1),
        ({"address": "0.0.0.0", "hosts": ["appliance.example"]}, 1),
        ({"trusted_proxy": "127.0.0.1", "hosts": [socket.gethostname().upper()]}, 0),
    ],
)
def test_a_machine_that_was_renamed_hears_that_its_page_does_not_know(
    tmp_path: Path, web: dict[str, object], said: int
) -> None:
    store = open_store(tmp_path, settings=Settings.model_validate({"web": {"port": 0, **web}}))
    found = about(health.look(store), "ports", "warning")
    assert len(found) == said and all("web.hosts" in each.advice for each in found)
    store.close()


def test_the_end_of_the_page_s_certificate_is_told(tmp_path: Path, clerk: Actor) -> None:
    page = tmp_path / "page.pem"
    settings = Settings.model_validate({"web": {"certificate": page}})
    store = open_store(tmp_path / "data", settings=settings)
    certificates.make_certificate(store, clerk, days=10)
    (store.folder.root / "tls" / "certificate.pem").rename(page)
    [found] = about(health.look(store), "certificates", "warning")
    assert "The page's certificate is good until" in found.text
    assert "reload the proxy" in found.advice
    assert any("The page's certificate" in text for text in notices.problems(store).values())
    page.write_text("no certificate")
    [found] = about(health.look(store), "certificates", "warning")
    assert "web.certificate" in found.advice
    store.close()


def test_a_printer_that_is_gone_is_found(store: Store, clerk: Actor) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        uri = f"socket://127.0.0.1:{probe.getsockname()[1]}"
    values = printer_verbs.printer_settings({})
    printer_verbs.add_printer(
        store, printer_verbs.Printer(name="gone", device_uri=uri, ae_titles=(), settings=values), clerk
    )
    assert about(health.look(store, thorough=True), "printers", "error")


def test_a_peer_that_does_not_answer_and_a_name_that_is_none_are_found(store: Store, clerk: Actor) -> None:
    add_peer(store, Peer(name="pacs", ae_title="PACS", host="no-such-host.invalid", port=104), clerk)
    findings = health.look(store, thorough=True)
    assert "no-such-host.invalid" in about(findings, "names", "error")[0].text
    assert about(findings, "peers", "warning")


def test_a_certificate_that_ends_is_told_of(store: Store, clerk: Actor) -> None:
    certificates.make_certificate(store, clerk, days=20)
    findings = about(health.look(store), "certificates", "warning")
    assert "19 days" in findings[0].text


def test_a_changed_audit_trail_is_found(store: Store, clerk: Actor) -> None:
    add_first_printer(store)
    with store.database.write() as connection:
        connection.execute(update(audit).values(actor="nobody"))
    assert "entry 1 " in about(health.look(store, thorough=True), "audit", "error")[0].text


def test_a_clock_set_back_is_found(store: Store, clerk: Actor) -> None:
    add_first_printer(store)
    with store.database.write() as connection:
        connection.execute(update(audit).values(at=now() + dt.timedelta(days=2)))
    assert "clock is behind now" in about(health.look(store), "clock", "error")[0].advice


def test_a_short_disk_is_found(tmp_path: Path) -> None:
    settings = Settings.model_validate({"storage": {"reserve_mib": 1 << 40}})
    store = open_store(tmp_path, settings=settings)
    assert "refused" in about(health.look(store), "disk", "error")[0].advice
    store.close()


def test_a_check_that_breaks_does_not_hide_the_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Store) -> list[Finding]:
        raise OSError("no")

    monkeypatch.setattr(health, "QUICK", (broken, *health.QUICK))
    findings = health.look(store)
    assert about(findings, "broken", "error")
    assert about(findings, "disk")


def test_the_command_says_the_same_and_fails_when_something_is_wrong(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    command = [sys.executable, "-m", "appliance", "check", "--quick", "--json", "--data", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "wrong: see above" in result.stderr
    assert {"level", "topic", "text", "advice"} == set(json.loads(result.stdout)[0])
