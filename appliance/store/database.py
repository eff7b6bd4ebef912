"""The database: one engine, two ways in. Reading sees one moment; writing is BEGIN IMMEDIATE and counts as a change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from appliance.errors import ResourceError
from appliance.store import files
from appliance.store.tables.ground import change, number

BUSY_MILLISECONDS = 5000
"""How long a writer waits for another one."""


class Database:
    """Rows of one appliance, on SQLite or PostgreSQL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _open(url)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises ResourceError when the database can't be read now."""
        try:
            with self.engine.connect() as connection, connection.begin():
                yield connection
        except OperationalError as error:
            raise ResourceError(f"The database can't be read: {error.orig}. See the health page.") from error

    @contextmanager
    def write(self, *topics: str) -> Iterator[Connection]:
        """A transaction that writes; each topic's change counter is raised with it.

        Raises ResourceError when the database stays locked or its disk is full; then nothing was written.
        """
        try:
            with self.engine.connect().execution_options(appliance_write=True) as connection, connection.begin():
                yield connection
                for topic in topics:
                    _raise_counter(connection, topic)
                files.operation("commit", self.url)
        except OperationalError as error:
            raise ResourceError(f"The database can't be written: {error.orig}. See the health page.") from error

    def changes(self, *topics: str) -> int:
        """A number that rises with every transaction that wrote one of the topics (all when none is named)."""
        query = select(func.coalesce(func.sum(change.c.counter), 0))
        with self.read() as connection:
            return int(connection.scalar(query.where(change.c.topic.in_(topics)) if topics else query) or 0)

    def prepare(self) -> None:
        """What a new database needs once, before anyone else opens it: on SQLite the write-ahead log."""
        if self.is_sqlite:
            with self.engine.connect() as connection:
                connection.exec_driver_sql("COMMIT")  # the journal can't be changed inside a transaction
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                connection.exec_driver_sql("BEGIN")

    def close(self) -> None:
        self.engine.dispose()


def next_number(connection: Connection, name: str) -> int:
    """The next running number of its name, from 1; given out once, whatever becomes of it."""
    insert = _insert(connection)(number).values(name=name, last=1)
    insert = insert.on_conflict_do_update(index_elements=["name"], set_={"last": number.c.last + 1})
    return int(connection.scalar(insert.returning(number.c.last)))


def _insert(connection: Connection) -> Any:
    return sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert


def _raise_counter(connection: Connection, topic: str) -> None:
    name = connection.dialect.name
    if name not in _raise:
        insert = _insert(connection)(change).values(topic=bindparam("topic"), counter=1)
        again = {"counter": change.c.counter + 1}
        _raise[name] = insert.on_conflict_do_update(index_elements=["topic"], set_=again)
    connection.execute(_raise[name], {"topic": topic})


_raise: dict[str, Any] = {}
"""The statement for each dialect: made once, for it runs in every transaction."""


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


def _open(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"check_same_thread": False})
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
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
