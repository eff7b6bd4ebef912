"""Runs fuzz cases against a DICOM port, and looks after the process behind it."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.mutations import Names, Step, draw
from tests.fuzz.recording import Association, pdus
from tests.network.raw import ECHO_RQ, RawPeer, command

HANG_SECONDS = 15.0
GIVEN = re.compile(rb"2\.25\.[0-9]+")
ACCEPTED = b"\x02"
RELEASE = struct.pack(">BBL4x", 5, 0, 4)


@dataclass
class Findings:
    """What went wrong, by case."""

    cases: int = 0
    answered: int = 0  # associations that were accepted
    hangs: list[str] = field(default_factory=list)


def run_cases(port: int, recorded: list[Association], seed: int, numbers: range, threads: int = 6) -> Findings:
    """Run cases of a seed, several at a time."""
    findings, lock, left = Findings(), threading.Lock(), iter(numbers)

    def work() -> None:
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                return
            accepted, hung = run_case(port, recorded, seed, number)
            with lock:
                findings.cases += 1
                findings.answered += accepted
                if hung:
                    findings.hangs.append(f"seed {seed}, case {number}: {hung}")

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return findings


def run_case(port: int, recorded: list[Association], seed: int, number: int) -> tuple[bool, str]:
    """Whether it was accepted, and what hung ("": nothing)."""
    chance = random.Random(f"{seed}/{number}")
    case, wire = draw(chance, recorded)
    peer = socket.create_connection(("127.0.0.1", port), HANG_SECONDS)
    with peer, contextlib.suppress(OSError):  # it may close at any moment
        return _play(peer, case, wire, abrupt=chance.random() < 0.3)
    return False, ""


def _play(peer: socket.socket, case: Association, wire: list[Step], *, abrupt: bool) -> tuple[bool, str]:
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer.sendall(wire[0]({}))
    first = _heard(peer)[:1]  # on a busy machine it comes later
    names: Names = {}
    given = [uid.encode() for uid in case.given]
    for step in wire[1:]:
        peer.sendall(step(names))
        if given and not names and step is not wire[-1]:  # image boxes get their UIDs from the server
            heard = _heard(peer, 0.05)
            first = first or heard[:1]
            names = dict(zip(given, dict.fromkeys(GIVEN.findall(heard)), strict=False))
    if abrupt:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return first == ACCEPTED, ""
    peer.sendall(RELEASE)
    peer.shutdown(socket.SHUT_WR)
    hung = ""
    try:
        while heard := peer.recv(65536):
            first = first or heard[:1]
    except TimeoutError:
        hung = "the connection stayed open after our end of it was closed"
    return first == ACCEPTED, hung


def _heard(peer: socket.socket, seconds: float = 0.25) -> bytes:
    """What comes within a moment."""
    peer.settimeout(seconds)
    try:
        return peer.recv(65536)
    except TimeoutError:
        return b""
    finally:
        peer.settimeout(HANG_SECONDS)


def echo(port: int) -> float:
    """Seconds an association with one C-ECHO takes; raises when it is not answered."""
    began = time.monotonic()
    with RawPeer(port, HANG_SECONDS) as peer:
        assert peer.associate()[:1] == ACCEPTED
        peer.send(command(ECHO_RQ))
        assert peer.pdu()[:1] == b"\x04"
        peer.send(RELEASE)
    return time.monotonic() - began


@dataclass(frozen=True)
class Health:
    """What a process holds."""

    threads: int
    files: int
    resident: int  # bytes

    @classmethod
    def of(cls, pid: int) -> Health:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines())
        descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return cls(int(status["Threads"]), descriptors, int(status["VmRSS"].split()[0]) * 1024)


def settled(pid: int, base: Health, seconds: float = 40) -> Health:
    """The health once threads and files are back to what they were, or as it is after a while."""
    end = time.monotonic() + seconds
    while True:
        now = Health.of(pid)
        if (now.threads <= base.threads + 1 and now.files <= base.files + 2) or time.monotonic() > end:
            return now
        time.sleep(0.2)


__all__ = ["Findings", "Health", "echo", "pdus", "run_case", "run_cases", "settled"]
