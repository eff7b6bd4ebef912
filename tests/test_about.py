"""Lines of the log say which association and peer they are about, whoever wrote them."""

from __future__ import annotations

import json
import logging
import subprocess
import threading
from pathlib import Path

import pytest

from appliance.about import About, lines_are_about
from appliance.calm import ABOUT_ONE, Calm
from tests.network.raw import RawPeer
from tests.support.ports import free_port
from tests.support.service import running


def kept_of(count: int, about: dict[str, str]) -> list[logging.LogRecord]:
    """The lines without an address that pass, of a thread that serves a peer."""
    kept: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    def serve() -> None:
        lines_are_about(about)
        for number in range(count):
            record = logging.LogRecord("appliance.dicom.film", logging.INFO, "", 0, f"ignored {number}", (), None)
            keep.handle(record)

    keep = Keep()
    keep.addFilter(About())
    keep.addFilter(Calm())
    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    return kept


def test_a_line_without_an_address_counts_for_the_peer_it_is_about() -> None:
    kept = kept_of(1000, {"association": "1234abcd", "peer": "CT@192.0.2.1"})
    assert len(kept) <= ABOUT_ONE[0] + 2
    assert {(record.association, record.peer) for record in kept} == {("1234abcd", "CT@192.0.2.1")}  # type: ignore[attr-defined]


def test_every_line_of_an_association_bears_its_number_and_peer(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    with running(tmp_path, port, ["dicom"], APPLIANCE_LOG_LEVEL="INFO"):
        for _ in range(2):
            call = ["echoscu", "-aet", "CT1", "-aec", "APPLIANCE", "127.0.0.1", str(port)]
            subprocess.run(call, capture_output=True, check=True)
        with RawPeer(port, 5) as peer:
            peer.send(b"GET / HTTP/1.0\r\n\r\n")
            peer.pdu()
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    of_calls = [line for line in lines if "CT1@127.0.0.1" in line["says"]]
    assert [line["peer"] for line in of_calls] == ["CT1@127.0.0.1"] * 2
    strange = [line for line in lines if line["says"].startswith("unknown-pdu")]
    assert len({line["association"] for line in of_calls + strange}) == 3
