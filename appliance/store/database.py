"""The database: one engine, two ways in. Reading sees one moment; one writes at a time, and it counts as a change."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, bindparam, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DataError, InterfaceError, InternalError, OperationalError, TimeoutError

from appliance.errors import NotFoundError, ResourceError, UncertainError
from appliance.store import files
from appliance.store import postgresql as server
from appliance.store.prepared import Prepared, at_once
from appliance.store.tables.ground import change, number
from appliance.words import say

BUSY_MILLISECONDS = 5000
"""How long a writer waits for another one."""
TURN_SECONDS = 30.0
"""How long a writer waits for other threads of its process, each of which waits no longer than the above."""
TROUBLE = (OperationalError, InternalError, InterfaceError, TimeoutError)
"""What is raised for a database that is away, locked, full or in nobody's hands, or while all connections to it wait:
trying again may help."""


class Database:
    """Rows of one appliance, on SQLite or PostgreSQL."""

    def __init__(self, url: str | URL, root: Path | None = None, part: str = "") -> None:
        """`root`: the data folder, of a database on a server."""
        self.engine = _open(url, root or Path(), part)
        self.url = self.engine.url.render_as_string(hide_password=True)
        self._writing = self.engine.execution_options(appliance_write=True)
        self.before_writing: Callable[[], None] = lambda: None
        self.before_working: Callable[[], None] = lambda: None
        """Raise ResourceError when nothing may be written now, and when this machine had better do no work."""
        self._turn = threading.RLock()
        self._kept: Connection | None = None  # of the writers of this process, one after the other

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @property
    def _reading(self) -> dict[str, Any]:
        return {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises ResourceError when the database can't be read now."""
        try:
            with self.engine.connect().execution_options(**self._reading) as connection, connection.begin():
                yield connection
        except TROUBLE as error:
            raise ResourceError(say("The database can't be read: %(why)s", why=server.words_of(error))) from error
        except (OverflowError, DataError) as error:
            if server.is_too_large(error):
                raise _nothing_so_numbered() from error
            raise

    @contextmanager
    def write(self, *topics: str) -> Iterator[Connection]:
        """A transaction that writes; each topic's change counter is raised with it.

        Raises ResourceError when the database stays locked, its disk is full or its folder is away; then nothing was
        written. When its server was lost in the very moment of the commit and can't be asked, UncertainError: it may
        have been.
        """
        self.before_writing()
        ended: server.Transaction | None = None
        try:
            with self._writer() as connection, connection.begin():
                begun = server.transaction_of(connection)
                yield connection
                for topic in topics:
                    _raise_counter(connection, topic)
                files.operation("commit", self.url)
                ended = begun
        except TROUBLE as error:
            became = server.what_became_of(self.engine, ended) if ended else "aborted"
            if became == "committed":
                return
            kind = UncertainError if became == "unknown" else ResourceError
            raise kind(say("The database can't be written: %(why)s", why=server.words_of(error))) from error
        except (OverflowError, DataError) as error:
            if server.is_too_large(error):
                raise _nothing_so_numbered() from error
            raise

    @contextmanager
    def _writer(self) -> Iterator[Connection]:
        """The connection to write by.

        SQLite lets one writer in and has the others try again by chance: under load some never come in. Threads of one
        process need not gamble; they take turns at one connection, whose cache of pages is mostly true. A server has a
        queue of its own.
        """
        if not self.is_sqlite:
            with self._writing.connect() as connection:
                yield connection
            return
        if not self._turn.acquire(timeout=TURN_SECONDS):
            raise ResourceError(say("The database can't be written: too much is being written."))
        try:
            with self._again() as connection:
                yield connection
        finally:
            self._turn.release()

    @contextmanager
    def _again(self) -> Iterator[Connection]:
        """The kept connection, or a new one; after any failure it goes back where it came from."""
        connection, self._kept = self._kept or self._writing.connect(), None
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._kept = connection

    def changes(self, *topics: str) -> int:
        """A number that rises with every transaction that wrote one of the topics (all when none is named)."""
        with self.read() as connection:
            return changes_of(connection, *topics)

    def prepare(self) -> None:
        """What a new database needs once, before anyone else opens it: on SQLite the write-ahead log."""
        if self.is_sqlite:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("COMMIT")  # the journal can't be changed inside a transaction
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                connection.exec_driver_sql("BEGIN")

    def close(self) -> None:
        with self._turn:
            if self._kept is not None:
                self._kept.close()
                self._kept = None
        self.engine.dispose()


def _nothing_so_numbered() -> NotFoundError:
    """What the driver, or the server, means when a number asked for has more than 64 bits."""
    return NotFoundError(say("Nothing here has so large a number."))


def changes_of(connection: Connection, *topics: str) -> int:
    """:meth:`Database.changes` as of the moment a transaction sees."""
    values = {f"topic{place}": topic for place, topic in enumerate(topics)}
    return int(_changes(len(topics)).rows(connection, values)[0].changes)


@cache
def _changes(topics: int) -> Prepared:
    query = select(func.coalesce(func.sum(change.c.counter), 0).label("changes"))
    named: list[Any] = [bindparam(f"topic{place}") for place in range(topics)]
    return Prepared(query.where(change.c.topic.in_(named)) if topics else query)


def next_number(connection: Connection, name: str) -> int:
    """The next running number of its name, from 1; given out once, whatever becomes of it."""
    insert = insert_of(connection)(number).values(name=name, last=1)
    insert = insert.on_conflict_do_update(index_elements=["name"], set_={"last": number.c.last + 1})
    return int(connection.scalar(insert.returning(number.c.last)))


def insert_of(connection: Connection) -> Any:
    """The INSERT of this database, which knows ON CONFLICT."""
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert


def _raise_counter(connection: Connection, topic: str) -> None:
    _RAISE[connection.dialect.name].run(connection, {"topic": topic})


def _raising(insert: Any) -> Prepared:
    first = insert(change).values(topic=bindparam("topic"), counter=1)
    return Prepared(first.on_conflict_do_update(index_elements=["topic"], set_={"counter": change.c.counter + 1}))


_RAISE = {"sqlite": _raising(sqlite.insert), "postgresql": _raising(postgresql.insert)}


def sqlite_url(path: Path) -> URL:
    """Of a file of any name: in text, "?" would end it."""
    return URL.create("sqlite", database=str(path))


def _open(url: str | URL, root: Path, part: str) -> Engine:
    if isinstance(url, str) and not url.startswith("sqlite"):
        return server.open_engine(url, root, part)
    # the connection used last first: SQLite's cache of pages is each connection's own, and stale after another's write
    engine = create_engine(url, connect_args={"check_same_thread": False}, pool_use_lifo=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN is deferred: two writers would lose updates
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("appliance_write", False)
    at_once(connection, "BEGIN IMMEDIATE" if writing else "BEGIN")
