"""Locks for several machines: advisory locks of PostgreSQL, all of a process in one session of its own.

Three spans make them safe for what can't be taken back, a film that leaves for a printer:

- a holder trusts its locks for LEASE_SECONDS after the server last answered it, and stops what it drives then;
- the server drops a session that says nothing for SILENT_SECONDS (a process or machine that stands still), and one
  whose machine is gone;
- who finds a lock free takes it and waits for GRACE_SECONDS, longer than the lease, before it counts its holder dead.

So a machine that was cut off or stood still has noticed before another one begins, and a server that was started again
costs nobody a lock: sessions come back within the lease, and nobody inherits before its own session is as old.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from appliance import clock
from appliance.errors import ResourceError
from appliance.store import postgresql
from appliance.words import say

BEAT_SECONDS = 2.0
LEASE_SECONDS = 8.0
SILENT_SECONDS = 9
GRACE_SECONDS = 9.0
FORGET_SECONDS = 30.0
"""A dead one's lock that nobody has asked about for so long is given up: its claims are settled."""

_TAKE = text("SELECT pg_try_advisory_lock(:key)")
_GIVE = text("SELECT pg_advisory_unlock(:key)")
_NAME = text("SELECT set_config('application_name', :name, false)")
_CLOCK = text("SELECT clock_timestamp()")
_LIVING = text(
    "SELECT application_name FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name LIKE 'appliance locks %' ORDER BY application_name"
)

log = logging.getLogger(__name__)


def key_of(name: str) -> int:
    """The number a name is locked by: 64 bits of its hash, signed."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def awake() -> float:
    """Seconds that go on while the machine sleeps: a lease that ran out in its sleep is known to have."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class ServerLocks:
    """Locks of one process."""

    def __init__(self, url: URL, node: str, root: Path) -> None:
        self._node = node
        session = postgresql.options("locks", idle_session_timeout=f"{SILENT_SECONDS}s")
        self._engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=session)
        postgresql.be_patient(self._engine, root)
        self._guard = threading.RLock()  # of the session and what is below
        self._session: Connection | None = None
        self._since = 0.0  # when the session was opened
        self._workers: dict[str, str] = {}  # name -> kind, of those that are held
        self._inherited: dict[str, float] = {}  # locks of the dead, and since when they are ours
        self._asked: dict[str, float] = {}  # when each of those was asked about last
        self._held: frozenset[str] = frozenset()
        self._answered = 0.0  # a moment at which the server certainly had our locks
        self._beating: threading.Thread | None = None
        self._stop = threading.Event()

    def hold(self, kind: str) -> ServerWorkerLock:
        name = f"{kind}-{self._node}-{os.getpid()}-{secrets.token_hex(4)}"
        if not self.take(name):
            raise ResourceError(
                say(
                    "The lock %(name)s is taken: look whether another machine is named %(node)s, too.",
                    name=name,
                    node=self._node,
                )
            )
        self._workers[name] = kind
        with self._asking() as session:
            self._show(session)
        return ServerWorkerLock(self, name)

    def only_one(self, name: str) -> ServerOnlyOne:
        return ServerOnlyOne(self, name)

    def holds(self, name: str) -> bool:
        return name in self._held and awake() - self._answered < LEASE_SECONDS

    def dead(self, names: Iterable[str]) -> list[str]:
        asked = set(names) - self._held
        with self._guard:
            self._asked.update(dict.fromkeys(asked, awake()))
            for name in [name for name, last in self._asked.items() if awake() - last > FORGET_SECONDS]:
                self._forget(name)
            return [name for name in sorted(asked) if self._is_dead(name)]

    def living(self, kind: str) -> list[str]:
        with self._asking() as session:
            shown = [str(name).split() for name in session.execute(_LIVING).scalars()]
        workers = [(node, pid, kinds.split(",")) for _, _, node, pid, *rest in shown for kinds in rest]
        return [f"{kind}-{node}-{pid}" for node, pid, kinds in workers for each in kinds if each == kind]

    def sweep(self, kinds: tuple[str, ...]) -> None:
        """The server keeps nothing of the dead."""

    def close(self) -> None:
        self._stop.set()
        with self._guard:
            self._drop()
            self._held = frozenset()
        self._engine.dispose()

    # --- taking and giving ---

    def take(self, name: str) -> bool:
        """Whether a lock is ours now. Raises ResourceError."""
        if self.holds(name):
            return True
        with self._asking() as session:
            if name not in self._held and not session.execute(_TAKE, {"key": key_of(name)}).scalar_one():
                return False
            self._held |= {name}
        self._beat_on()
        return True

    def give(self, name: str) -> None:
        """Let a lock go."""
        with self._guard:
            self._held -= {name}
            self._workers.pop(name, None)
            with suppress(ResourceError), self._asking() as session:
                session.execute(_GIVE, {"key": key_of(name)})
                self._show(session)

    def _is_dead(self, name: str) -> bool:
        with self._asking() as session:
            began = self._inherited.get(name)
            if began is not None:
                return awake() - began > GRACE_SECONDS
            if awake() - self._since > LEASE_SECONDS and session.execute(_TAKE, {"key": key_of(name)}).scalar_one():
                self._inherited[name] = awake()
        self._beat_on()
        return False

    def _forget(self, name: str) -> None:
        """Its claims are settled: nobody of this process asks about it any more."""
        del self._asked[name]
        if self._inherited.pop(name, None) is not None:
            with suppress(ResourceError), self._asking() as session:
                session.execute(_GIVE, {"key": key_of(name)})

    # --- the session ---

    @contextmanager
    def _asking(self) -> Iterator[Connection]:
        """The session, opened when there is none. Raises ResourceError when the server can't be asked."""
        with self._guard:
            try:
                moment = awake()
                if self._session is None:
                    self._open()
                    moment = awake()
                assert self._session is not None
                yield self._session
                self._answered = moment
            except DBAPIError as error:
                self._drop()
                raise ResourceError(
                    say("The database's locks can't be asked: %(why)s", why=postgresql.words_of(error))
                ) from error

    def _open(self) -> None:
        """A new session, with what was held a moment ago. What can't be had again, or is too long ago, is lost."""
        self._session = self._engine.connect()
        self._since = awake()
        kept = {name for name in self._held if self._retake(name)}
        if lost := self._held - kept:
            log.error(
                "locks were lost: %s. What they claimed is found out about, then goes on", ", ".join(sorted(lost))
            )
        self._held = frozenset(kept)
        self._workers = {name: kind for name, kind in self._workers.items() if name in kept}
        self._show(self._session)

    def _show(self, session: Connection) -> None:
        """Name the session after who works here: others count them by it."""
        kinds = ",".join(sorted(self._workers.values()))
        session.execute(_NAME, {"name": f"appliance locks {self._node} {os.getpid()} {kinds}".strip()[:63]})

    def _retake(self, name: str) -> bool:
        assert self._session is not None
        fresh = awake() - self._answered < LEASE_SECONDS
        return fresh and bool(self._session.execute(_TAKE, {"key": key_of(name)}).scalar_one())

    def _drop(self) -> None:
        """The session is no more, and with it what was inherited: the dead may have come back."""
        session, self._session = self._session, None
        self._inherited.clear()
        if session is not None:
            with suppress(Exception):
                session.invalidate()
                session.close()

    def _beat_on(self) -> None:
        if self._beating is None:
            self._beating = threading.Thread(target=self._beat, name="locks", daemon=True)
            self._beating.start()

    def _beat(self) -> None:
        """Ask the server now and then: it knows that we live, and we that it has our locks."""
        failed = False
        while not self._stop.wait(0.5 if failed else BEAT_SECONDS):
            try:
                with self._asking() as session:
                    asked = clock.machine()
                    theirs = session.execute(_CLOCK).scalar_one()
                clock.follow(theirs, asked, clock.machine())
                failed = False
            except ResourceError as error:
                if not failed:
                    log.warning("%s", error)
                failed = True
            except Exception:
                log.exception("the locks' session broke")
                failed = True


class ServerWorkerLock:
    """One worker's advisory lock."""

    def __init__(self, locks: ServerLocks, name: str) -> None:
        self._locks = locks
        self.name = name

    def is_held(self) -> bool:
        return self._locks.holds(self.name)

    def release(self) -> None:
        self._locks.give(self.name)


class ServerOnlyOne:
    """A right that is an advisory lock."""

    def __init__(self, locks: ServerLocks, name: str) -> None:
        self._locks = locks
        self._name = name

    @property
    def held(self) -> bool:
        return self._locks.holds(self._name)

    def take(self) -> bool:
        return self._locks.take(self._name)

    def close(self) -> None:
        if self._locks.holds(self._name):
            self._locks.give(self._name)
