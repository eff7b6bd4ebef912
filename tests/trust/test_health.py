"""The health list says what is wrong and what to do next."""

from __future__ import annotations

import datetime as dt
import json
import socket
import subprocess
import sys
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
from appliance.upkeep import health
from appliance.upkeep.finding import Finding


def about(findings: list[Finding], topic: str, level: str = "") -> list[Finding]:
    return [finding for finding in findings if finding.topic == topic and level in ("", finding.level)]


def test_whatever_is_wrong_has_a_next_step(store: Store) -> None:
    findings = health.look(store, thorough=True)
    assert all(finding.advice for finding in findings if finding.level != "fine")
    levels = [finding.level for finding in findings]
    assert levels == sorted(levels, key=["error", "warning", "fine"].index), "the worst first"


def test_a_port_somebody_else_has_and_a_closed_one_are_told_apart(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused and nobody else can have it
        settings = Settings.model_validate({"dicom": {"ports": [taken.getsockname()[1]]}, "web": {"port": 0}})
        store = open_store(tmp_path, settings=settings)
        assert "Another program has it" in about(health.look(store), "ports", "error")[0].advice
    assert "Start the service" in about(health.look(store), "ports", "error")[0].advice
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
    assert "set back" in about(health.look(store), "clock", "error")[0].advice


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
    command = [sys.executable, "-m", "appliance", "check", "--quick", "--json", "--data", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "wrong: see above" in result.stderr
    assert {"level", "topic", "text", "advice"} == set(json.loads(result.stdout)[0])
