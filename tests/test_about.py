"""Lines of the log say which association and peer they are about, whoever wrote them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from appliance.about import About, lines_are_about
from appliance.calm import ABOUT_ONE, Calm
from tests.network.raw import RawPeer
from tests.support.ports import free_port


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


def test_every_line_of_an_association_bears_its_number_and_peer(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "appliance", "serve", "--only", "dicom", "--data", str(tmp_path)]
    log = tmp_path / "log"
    with log.open("wb") as file:
        service = subprocess.Popen(command, stderr=file, env={**os.environ, "APPLIANCE_DICOM_PORT": str(port)})
    try:
        for _ in range(2):
            call = ["echoscu", "-aet", "CT1", "-aec", "APPLIANCE", "127.0.0.1", str(port)]
            for _ in range(100):
                if subprocess.run(call, capture_output=True, check=False).returncode == 0:
                    break
                time.sleep(0.2)
        with RawPeer(port, 5) as peer:
            peer.send(b"GET / HTTP/1.0\r\n\r\n")
            peer.pdu()
    finally:
        service.terminate()
        service.wait(30)
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    of_calls = [line for line in lines if "CT1@127.0.0.1" in line["says"]]
    assert [line["peer"] for line in of_calls] == ["CT1@127.0.0.1"] * 2
    strange = [line for line in lines if line["says"].startswith("unknown-pdu")]
    assert len({line["association"] for line in of_calls + strange}) == 3
