"""Composition root: which part is plugged into which, and the supervisor of the processes they run in.

``serve`` supervises one process a part; ``serve --only PART`` is one of them, and a systemd unit of its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import logging
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from appliance.config import DicomSettings, Settings, WebSettings
from appliance.errors import ConflictError, DamagedError, ResourceError
from appliance.jobs.keeping import Rounds
from appliance.logs import start_logging
from appliance.security.audit_verbs import note_part
from appliance.store.locks import OnlyOne
from appliance.store.occupancy import shared
from appliance.store.soundness import refuse_damaged
from appliance.store.store import Store, open_store
from appliance.upkeep.place import note_place
from appliance.upkeep.pulse import Pulse, page_answers, store_answers

PARTS = ("dicom", "web", "films", "discs")
RESTART_SECONDS = (0.5, 1, 2, 5, 10)
STOP_SECONDS = 15.0
"""What a part may take to stop after its associations are drained."""
BEAT_SECONDS = 30.0
"""A part that shows no life for so long feeds no watchdog."""
STUCK_SECONDS = {"dicom": 60.0, "web": 60.0, "films": 300.0, "discs": 300.0}
"""A part that shows no life for so long is killed and started again; as WatchdogSec= of its unit."""
START_SECONDS = 900.0
"""What a part may take until it is ready: a large database is read through, an upgrade is tried on a copy."""
FILM_MEMORY = 6 << 30
"""Address space of a film worker: a film too large for it fails alone."""
NAME_SECONDS = 20.0
"""How long a part's predecessor may take to let go of the machine's name."""
FOLDER_SECONDS = 2.0
"""How often a part looks whether the share is still there."""
PR_SET_PDEATHSIG = 1
M_ARENA_MAX = -8  # mallopt(3)

log = logging.getLogger(__name__)

Beat = Pulse


# one part ------------------------------------------------------------------------------------------------------------


def run_part(part: str, data: Path, config: Path | None, ready_fd: int | None = None) -> None:
    """Run one part in this process until SIGTERM or SIGINT."""
    _die_with_parent()
    _one_arena()
    store = open_store(data, config, part=part)
    start_logging(store.settings.log.level, store.settings.log.format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info("starts", extra={"part": part})
    refuse_damaged(store.database, store.folder.database)
    tallies = threading.Thread(target=store.tally.run, args=(store.database, stop), name="tally", daemon=True)
    tallies.start()
    note_part(store, part, "application-started")
    try:
        with occupied(store):
            if part != "web" and not store.database.is_sqlite:  # the page stays and says what is wrong
                beside(lambda until: _end_without_folder(store, until), stop)
            RUNNERS[part](store, stop, Pulse(_beat_to(ready_fd), store_answers(store)))
        note_part(store, part, "application-stopped")
    except OSError as error:
        why = _why_deaf(error, store.settings.web if part == "web" else store.settings.dicom)
        if why is None:
            raise
        raise ConflictError(f"Part {part} can't listen: {why}") from error
    finally:
        stop.set()
        tallies.join(5)
        store.close()
    log.info("stopped", extra={"part": part})


def _end_without_folder(store: Store, stop: threading.Event) -> None:
    """A share that went away, or is read-only, ends a part: it starts again once the share is back.

    Meanwhile another machine does its work, which this one would only spoil.
    """
    while not stop.wait(FOLDER_SECONDS):
        try:
            store.database.before_working()
        except ResourceError as error:
            log.error("%s This part ends, and starts when it is there.", error)
            stop.set()


def _why_deaf(error: OSError, settings: DicomSettings | WebSettings) -> str | None:
    """Why a part can't listen, and what to do; None: that is not what is wrong."""
    ports = settings.ports if isinstance(settings, DicomSettings) else [settings.port]
    named = " or ".join(str(port) for port in ports)
    if isinstance(error, socket.gaierror):
        return f"nobody knows the address {settings.address!r}. Correct it in the settings."
    return {
        errno.EADDRINUSE: f"another program has port {named}. Stop it, or set others.",
        errno.EADDRNOTAVAIL: f"this machine has no address {settings.address}. Correct it in the settings.",
        errno.EACCES: f"port {named} needs a capability. Start it by systemd, or set one above 1023.",
    }.get(error.errno or 0)


def _run_dicom(store: Store, stop: threading.Event, beat: Beat) -> None:
    from appliance.dicom.commitment_scp import CommitmentScp, Committer
    from appliance.dicom.incident_audit import IncidentAudit
    from appliance.dicom.media_creation_scp import MediaCreationScp
    from appliance.dicom.server import DicomServer
    from appliance.dicom.storage_scp import StorageScp
    from appliance.studies.fetching import Retriever

    mine = hold_name(store)
    prepare(store)
    commitment = CommitmentScp(store)
    incidents = IncidentAudit(store)
    server = DicomServer(store, [StorageScp(store), commitment, MediaCreationScp(store)], incidents)
    retriever = Retriever(store, moves=True)  # before the port is open: callers may take all descriptors at once
    gc.freeze()  # what is here stays: collecting what associations leave needs not look at it, and takes no time
    server.start()
    incidents.start()
    beside(lambda until: keep_name(store, mine, until), stop)
    beside(retriever.run, stop)
    beside(Committer(store, commitment).run, stop)
    beat.proofs.append(server.answers_itself)
    try:
        while not stop.wait(1.0):
            beat()
    finally:
        server.stop()
        incidents.stop()
        mine.close()


def hold_name(store: Store) -> OnlyOne:
    """This machine's name among several, or a data folder alone, is one DICOM part's: another's would empty its spool.

    Raises ConflictError.
    """
    mine = store.locks.only_one(f"node-{store.node}" if store.node else "dicom")
    end = time.monotonic() + NAME_SECONDS
    while not mine.take():
        if time.monotonic() > end:
            raise ConflictError(_name_is_taken(store))
        time.sleep(0.5)
    return mine


def _name_is_taken(store: Store) -> str:
    if store.node:
        return f"Another machine is named {store.node}: set node.name, another one on each."
    return f"The service runs on {store.folder.root} already: stop it first, or use another data folder."


def keep_name(store: Store, mine: OnlyOne, stop: threading.Event) -> None:
    """Take the name again until `stop`: a server that was away for longer than a lease has forgotten whose it is."""
    rounds = Rounds("keeping the name of this machine", log)
    while not stop.wait(1.0):
        with rounds.one():
            if not mine.take():
                raise ResourceError(_name_is_taken(store))


def _run_web(store: Store, stop: threading.Event, beat: Beat) -> None:
    from appliance.upkeep.keeper import Keeper
    from appliance.web.serve import serve

    os.nice(5)  # associations go before: a modality waits for its answer, a page may wait a moment
    beside(Keeper(store).run, stop)
    serve(store, stop, beat, lambda host, port: beat.proofs.append(partial(page_answers, host, port)))


def _run_films(store: Store, stop: threading.Event, beat: Beat) -> None:
    import cv2

    from appliance.printing.worker import FilmWorker

    os.nice(10)
    limit_memory(FILM_MEMORY)
    cv2.setNumThreads(1)  # one worker a core: threads of its own would only get in the other's way
    FilmWorker(store).run(stop, beat)


def _run_discs(store: Store, stop: threading.Event, beat: Beat) -> None:
    from appliance.media.worker import DiscWorker
    from appliance.studies.retention import Keeper
    from appliance.studies.upload_worker import Importer

    os.nice(10)
    beside(Keeper(store).run, stop)
    beside(Importer(store).run, stop)
    DiscWorker(store).run(stop, beat)


def occupied(store: Store) -> contextlib.AbstractContextManager[None]:
    """No restore may begin under us. Several machines on one server's database are not restored by us."""
    return shared(store.folder.root) if store.database.is_sqlite else contextlib.nullcontext()


def _one_arena() -> None:
    """Threads come and go: with an arena for each, the C library's free memory scatters and stays.

    Before the first thread: an arena that is there stays. Python's threads take turns anyway.
    """
    ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def limit_memory(wanted: int) -> None:
    """Bound this process's address space; a smaller bound it was started with stays."""
    _, given = resource.getrlimit(resource.RLIMIT_AS)
    limit = wanted if given == resource.RLIM_INFINITY else min(wanted, given)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def beside(work: Callable[[threading.Event], None], stop: threading.Event) -> None:
    """Work of a part that goes on beside its main one, in a thread."""
    name = getattr(work, "__self__", work).__class__.__name__.lower()
    threading.Thread(target=work, args=(stop,), name=name, daemon=True).start()


RUNNERS: dict[str, Callable[[Store, threading.Event, Beat], None]] = {
    "dicom": _run_dicom,
    "web": _run_web,
    "films": _run_films,
    "discs": _run_discs,
}


def _beat_to(ready_fd: int | None) -> Callable[[], None]:
    """A beat is a byte to the supervisor; the first says ready. Without one, systemd is told."""
    first = True

    def beat() -> None:
        nonlocal first
        if ready_fd is not None:
            try:
                os.write(ready_fd, b".")
            except BrokenPipeError:  # the supervisor is gone, and we with it
                os.kill(os.getpid(), signal.SIGTERM)
        else:
            notify("READY=1\nWATCHDOG=1" if first else "WATCHDOG=1")
        first = False

    return beat


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def notify(state: str) -> None:
    """Tell systemd, when it started us (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
        connection.connect("\0" + address[1:] if address[0] == "@" else address)
        connection.sendall(state.encode())


# the supervisor ------------------------------------------------------------------------------------------------------


@dataclass
class Child:
    """One part's process."""

    part: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    pipe: int = -1  # we read its beats here
    begun: float = 0.0  # monotonic moment of its start
    beaten: float = 0.0  # monotonic moment of the last beat; 0: not ready yet
    failures: int = 0
    start_at: float = field(default=0.0)

    def start(self) -> None:
        """Raises OSError when the system gives no process, or no descriptors."""
        reading, writing = os.pipe()
        os.set_inheritable(writing, True)
        try:
            command = [*self.command, "--ready-fd", str(writing)]
            self.process = subprocess.Popen(command, pass_fds=(writing,), stdin=subprocess.DEVNULL)
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        os.set_blocking(reading, False)
        self.pipe, self.beaten, self.begun = reading, 0.0, time.monotonic()

    def silent(self) -> float:
        """Seconds since it last showed life; what a start may take doesn't count."""
        return time.monotonic() - (self.beaten or self.begun + START_SECONDS)

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def forget(self) -> None:
        if self.pipe >= 0:
            os.close(self.pipe)
        self.process, self.pipe = None, -1


def supervise(data: Path, config: Path | None) -> int:
    """Start every part and keep it running until SIGTERM or SIGINT; the exit code."""
    store = open_store(data, config)
    start_logging(store.settings.log.level, store.settings.log.format)
    settings = store.settings
    store.close()
    return Supervisor(data, config, settings).run()


def prepare(store: Store) -> None:
    """Before associations are taken: what a fresh folder needs, and what a crash left."""
    from appliance.media.burners import add_first_burner
    from appliance.printing import first_run, recovery

    recovery.sweep(store)
    note_place(store)
    first_run.add_first_printer(store)
    add_first_burner(store)


class Supervisor:
    """Starts parts, restarts those that die, stops them all."""

    def __init__(self, data: Path, config: Path | None, settings: Settings) -> None:
        self.settings = settings
        counts = {"films": settings.printing.workers, "discs": settings.discs.workers}
        base = [sys.executable, "-m", "appliance", "serve", "--data", str(data)]
        base += ["--config", str(config)] if config else []
        self.children = [Child(part, [*base, "--only", part]) for part in PARTS for _ in range(counts.get(part, 1))]
        self.stopping = False
        self.code = 0
        self.told_ready = False

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for child in self.children:
            self._start(child)
        while not self.stopping:
            self._look()
        return self._end()

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _look(self) -> None:
        """One round: read beats, restart the dead, feed the watchdog."""
        pipes = {child.pipe: child for child in self.children if child.pipe >= 0}
        readable, _, _ = select.select(list(pipes), [], [], 0.5)
        for pipe in readable:
            if os.read(pipe, 4096):
                pipes[pipe].beaten = time.monotonic()
            else:
                time.sleep(0.05)  # its end is closed: it is ending
        for child in self.children:
            self._keep(child)
        self._tell()

    def _keep(self, child: Child) -> None:
        if child.ended():
            assert child.process is not None
            code = child.process.returncode
            child.forget()
            if code == DamagedError.exit_code:  # it has said why: starting it again mends nothing
                self.code, self.stopping = code, True
            self._put_off(child, f"ended with {code}")
        elif child.process is None and time.monotonic() >= child.start_at:
            self._start(child)
        elif child.process is not None and child.silent() > STUCK_SECONDS[child.part]:
            log.error("shows no life; it is killed and started again", extra={"part": child.part})
            child.process.kill()
            child.beaten = time.monotonic()  # once is enough
        elif child.beaten and time.monotonic() - child.start_at > 60:
            child.failures = 0

    def _start(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:  # of processes, memory or descriptors there may be more in a moment
            self._put_off(child, f"can't be started ({error.strerror})")

    @staticmethod
    def _put_off(child: Child, what: str) -> None:
        wait = RESTART_SECONDS[min(child.failures, len(RESTART_SECONDS) - 1)]
        child.failures += 1
        child.start_at = time.monotonic() + wait
        log.error("%s; started again in %s s", what, wait, extra={"part": child.part})

    def _tell(self) -> None:
        moment = time.monotonic()
        if all(child.beaten and moment - child.beaten < BEAT_SECONDS for child in self.children):
            if not self.told_ready:
                self.told_ready = True
                notify("READY=1")
                print(welcome(self.settings), file=sys.stderr, flush=True)
            notify("WATCHDOG=1")

    def _end(self) -> int:
        notify("STOPPING=1")
        for child in self.children:
            if child.process is not None:
                child.process.terminate()
        end = time.monotonic() + self.settings.dicom.drain_seconds + STOP_SECONDS
        for child in self.children:
            if child.process is not None:
                _wait_or_kill(child.process, end)
        return self.code


def _wait_or_kill(process: subprocess.Popen[bytes], end: float) -> None:
    try:
        process.wait(max(0.1, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def welcome(settings: Settings) -> str:
    """Where it listens and how to send it a film, for the console."""
    dicom, web = settings.dicom, settings.web
    host = "127.0.0.1" if dicom.address in ("0.0.0.0", "::") else dicom.address
    ports = ", ".join(str(port) for port in dicom.ports)
    to = f"--to {host}:{dicom.ports[0]} --ae {dicom.ae_title}"
    return "\n".join(
        (
            "",
            f"  The appliance is running.  DICOM: {dicom.ae_title} at {dicom.address} port {ports}",
            f"  Page:  http://{web.address}:{web.port}/",
            f"  Send it a film:  .venv/bin/appliance send-film IMAGE.dcm {to}",
            "  Films come out in the data folder, under printed/.  Stop with Ctrl-C.",
            "",
        )
    )
