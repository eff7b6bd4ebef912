"""What mad peers cost a good modality, and figures of the DICOM ports under load (reliability.md 3.5, G3, G4, G7, G9).

Everything runs against the real dicom process: ``python -m benchmarks hostile``.
"""

from __future__ import annotations

import contextlib
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.crowd import all_at_once
from benchmarks.network import cpu_of
from benchmarks.support import resident, workplace
from tests.dicom.clients import boxes, gray_image, print_client
from tests.faults.plant import make_template
from tests.network.raw import ECHO_RQ, IMPLICIT, VERIFICATION, RawPeer, associate_rq, command, presentation_context
from tests.support.certificates import identity
from tests.support.ports import free_port
from tests.support.service import running

FILM_BOX = "1.2.840.10008.5.1.1.2"
MAD, HOSTILE, MANY, STALLED, JOBS = 200, 100, 200, 50, 100_000
ROUNDS = 8
FILMS_BEFORE = 16
"""As many as the rounds themselves send: what films alone warm up (pages of the database, statements) is not theirs."""
TIDY = 4.0
"""Seconds after which the service has tidied up behind a crowd (appliance.network.tidying)."""
ROOMY = {"APPLIANCE_DICOM_ASSOCIATIONS_PER_ADDRESS": "400", "APPLIANCE_DICOM_ASSOCIATIONS": "400"}
"""One address plays all the modalities here."""

HELLO = associate_rq(presentation_context(1, VERIFICATION, IMPLICIT))


def mute(peer: RawPeer) -> None:
    """Says nothing."""


def drip(peer: RawPeer) -> None:
    peer.send(HELLO[:1])


def stall(peer: RawPeer) -> None:
    peer.send(HELLO)
    peer.pdu()
    peer.send(b"\x04\x00\x00\x00\xff\xff\x00")


def giant(peer: RawPeer) -> None:
    peer.send(b"\x04\x00\xff\xff\xff\xff")


def greedy(peer: RawPeer) -> None:
    """Asks, and never reads."""
    peer.send(HELLO + command(ECHO_RQ) * 400)


SILENT = (mute, drip, stall, giant)
KINDS: tuple[Callable[[RawPeer], None], ...] = (*SILENT, greedy)


@contextlib.contextmanager
def mad_peers(port: int, count: int, kinds: tuple[Callable[[RawPeer], None], ...] = KINDS) -> Iterator[list[RawPeer]]:
    """So many connections that misbehave, each in its way."""
    peers = []
    for number in range(count):
        peers.append(RawPeer(port))
        with contextlib.suppress(OSError):
            kinds[number % len(kinds)](peers[-1])
    try:
        yield peers
    finally:
        for peer in peers:
            peer.socket.close()


def film(port: int) -> float:
    """Seconds from the association to the answer of N-ACTION, 2048 × 2048 × 12 bits."""
    item = gray_image(2048, 2048)
    began = time.perf_counter()
    with print_client(port) as client:
        made = client.film(client.session(), FilmSizeID="8INX10IN")
        assert client.image(boxes(made)[0], item=item).status == 0
        assert client.action(FILM_BOX, made.instance).status == 0
        return time.perf_counter() - began


def echo(port: int) -> float:
    """Seconds of an association with one C-ECHO."""
    began = time.perf_counter()
    with RawPeer(port) as peer:
        peer.associate()
        peer.send(command(ECHO_RQ))
        assert peer.pdu()
        return time.perf_counter() - began


def among_the_mad(port: int, pid: int) -> list[dict[str, Any]]:
    """A good modality's film and echo, with 200 mad connections open and without, in turn."""
    for _ in range(FILMS_BEFORE):
        film(port)
    time.sleep(TIDY)
    idle, among, echoes, held = [], [], [], [resident(pid)]
    for _ in range(ROUNDS):
        idle.append(film(port))
        with mad_peers(port, MAD):
            among.append(film(port))
            echoes += [echo(port) for _ in range(5)]
        time.sleep(TIDY)
        held.append(resident(pid))
    ours, bare = statistics.median(among), statistics.median(idle)
    grown = [(each - held[0]) / (1 << 20) for each in held]
    return [
        {"name": "film among 200 mad connections", "ours_s": ours, "bare_s": bare, "ratio": ours / bare, "goal": 2.0},
        {"name": "echo among 200 mad connections", "ours_s": max(echoes), "goal": 0.1},
        {"name": "memory after the first round of them", "memory_mib": grown[1]},
        {"name": f"memory after {ROUNDS} rounds of them", "memory_mib": grown[-1], "goal": 1.0},
        {"name": "of which in the later half", "memory_mib": grown[-1] - grown[ROUNDS // 2], "goal": 0.5},
    ]


def one_hostile_peer(port: int, tls_port: int, pid: int) -> list[dict[str, Any]]:
    """A hundred connections of each kind, by themselves, held until they are cut: memory meanwhile, others' echo."""
    found: list[dict[str, Any]] = []
    places = [(kind.__name__, kind, port) for kind in SILENT] + [("mute TLS", mute, tls_port)]
    for name, kind, where in places:
        time.sleep(TIDY)
        before, began = resident(pid), time.perf_counter()
        with mad_peers(where, HOSTILE, (kind,)) as peers:
            echoes = [echo(port) for _ in range(10)]
            grown = (resident(pid) - before) / (1 << 20)
            for peer in peers:
                peer.socket.settimeout(60)
                assert peer.closed()
        cut = time.perf_counter() - began
        found.append({"name": f"echo among {HOSTILE} × {name}", "ours_s": max(echoes), "goal": 0.1})
        found.append({"name": f"memory while {HOSTILE} × {name} are held", "memory_mib": grown, "goal": 1.0})
        found.append({"name": f"until all {HOSTILE} × {name} are cut", "ours_s": cut, "goal": 31.0})
    return found


def two_hundred(port: int, pid: int) -> list[dict[str, Any]]:
    """200 associations at once: all accepted, echo p99, idle CPU."""
    began, used = time.perf_counter(), cpu_of(pid)
    peers = [RawPeer(port) for _ in range(MANY)]
    for peer in peers:
        peer.send(HELLO)
    accepted = sum(peer.pdu()[:1] == b"\x02" for peer in peers)
    took, used = time.perf_counter() - began, cpu_of(pid) - used
    sent, echoes = time.perf_counter(), []
    for peer in peers:
        peer.send(command(ECHO_RQ))
    for peer in peers:
        peer.pdu()
        echoes.append(time.perf_counter() - sent)
    before = cpu_of(pid)
    time.sleep(3)
    busy = (cpu_of(pid) - before) / 3
    for peer in peers:
        peer.socket.close()
    return [
        {"name": f"{accepted} of {MANY} associations accepted", "ours_s": took, "goal": 1.0, "cpu_s": used},
        {"name": "echo p99, 200 at once", "ours_s": sorted(echoes)[int(MANY * 0.99) - 1], "goal": 0.3},
        {"name": "one core's share, 200 idle", "ratio": busy, "goal": 0.2},
    ]


def stop_with_stalled(data: Path) -> dict[str, Any]:
    """SIGTERM with 50 peers stalled inside a PDU."""
    port = free_port()
    with running(data, port, ["dicom"], **ROOMY) as (process,), mad_peers(port, STALLED, (stall,)):
        began = time.perf_counter()
        process.terminate()
        process.wait(90)
        return {"name": "stop with 50 stalled peers", "ours_s": time.perf_counter() - began, "goal": 10.0}


def start_with_jobs(data: Path) -> dict[str, Any]:
    """From the command to the first C-ECHO, with 100,000 printed jobs in the database."""
    _fill(data)
    port = free_port()
    began = time.perf_counter()
    with running(data, port, ["dicom"]) as (process,):
        echo(port)
        took, used = time.perf_counter() - began, cpu_of(process.pid)
    size = (data / "appliance.db").stat().st_size / (1 << 20)
    name = "start with 100,000 jobs to C-ECHO"
    return {"name": name, "ours_s": took, "goal": 3.0, "cpu_s": used, "database_mib": size}


def _fill(data: Path) -> None:
    """Copies of one real job's rows under other numbers."""
    with contextlib.closing(sqlite3.connect(data / "appliance.db")) as connection, connection:
        for table in ("print_job", "film"):
            columns = [row[1] for row in connection.execute(f"pragma table_info({table})")]
            chosen = [{"job_id": "n", "print_job_uid": "'2.25.' || n"}.get(name, name) for name in columns]
            connection.execute(
                f"with recursive counting(n) as "
                f"(select 1000 union all select n + 1 from counting where n < 999 + {JOBS}) "
                f"insert into {table} select {', '.join(chosen)} from {table}, counting where job_id = 1"
            )


def _with_tls(folder: Path, port: int) -> dict[str, str]:
    us = identity(folder, "appliance")
    return {
        "APPLIANCE_DICOM_TLS_PORT": str(port),
        "APPLIANCE_TLS_CERTIFICATE": str(us.certificate),
        "APPLIANCE_TLS_KEY": str(us.key),
        "APPLIANCE_TLS_MUTUAL": "false",
    }


def run() -> list[dict[str, Any]]:
    """All of it."""
    with workplace() as folder:
        data = make_template(folder / "data")
        port, tls_port = free_port(), free_port()
        with running(data, port, ["dicom"], **ROOMY, **_with_tls(folder, tls_port)) as (process,):
            found = among_the_mad(port, process.pid) + two_hundred(port, process.pid)
            found += one_hostile_peer(port, tls_port, process.pid)
            found.append(all_at_once(port, process.pid, data))
        found.append(stop_with_stalled(data))
        found.append(start_with_jobs(data))
        return found
