"""PostgreSQL for several appliances: its sessions, its one writer at a time, and what became of a commit.

Every transaction that writes takes one advisory lock first, as BEGIN IMMEDIATE does on SQLite: what is read in it stays
true until it is committed, the audit trail stays one chain, and numbers rise in the order of commits. Sessions are set
so that the server drops those of a machine that is cut off or stands still, and with them what they held.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from appliance.errors import SettingError
from appliance.words import say

if TYPE_CHECKING:
    from psycopg import Connection as DriverConnection
    from psycopg.types.string import StrDumper
    from sqlalchemy.pool import ConnectionPoolEntry

DRIVER = "postgresql+psycopg"
WRITERS = 0x6170706C
"""The advisory lock of those who write: any number nobody else of this database takes."""
LOCK_SECONDS = 5
"""How long a writer waits for another one, and who reads for an administrator who has a table to himself."""
IDLE_IN_WRITE_SECONDS = 10
"""A writer that stands still so long is dropped: the others wait for it."""
ASK_SECONDS = 20.0
"""How long a lost server is waited for, to be asked what became of a commit."""

SESSION = {
    "lock_timeout": f"{LOCK_SECONDS}s",
    "synchronous_commit": "on",  # what was acknowledged is on the server's disk, whatever its default
    "idle_in_transaction_session_timeout": "120s",
    "client_connection_check_interval": "2s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "timezone": "UTC",
}
CLIENT = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
    "target_session_attrs": "read-write",  # a stand-by gives locks, too: to each who asks it, whoever holds them here
}
"""The same for our end: a server that is gone is noticed. No stand-by will do."""

_ENTER = text(
    "SELECT pg_current_xact_id()::text, set_config('lock_timeout', :wait, true), "
    "set_config('idle_in_transaction_session_timeout', :idle, true), "
    "pg_advisory_xact_lock(:writers)"
)
_FACTS = text(
    "SELECT current_setting('server_version'), current_setting('fsync'), current_setting('full_page_writes'), "
    "clock_timestamp()"
)
_WRITER = text(
    "SELECT application_name AS name, wait_event, extract(epoch FROM clock_timestamp() - xact_start) AS seconds "
    "FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE pg_locks.locktype = 'advisory' AND granted "
    "AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND classid = 0 AND objid = :writers AND objsubid = 1"
)
_STATUS = text("SELECT pg_xact_status(CAST(:number AS xid8))")
_LIFE = "SELECT stats_reset FROM pg_stat_bgwriter"
"""A crash loses these figures, and a stand-by has its own: the moment they began at tells one life from the next."""


_SEVERAL = re.compile(r"(?<=//)(?P<who>[^/?#]*@)?(?P<hosts>[^@/?#]*,[^@/?#]*)(?P<name>/[^?#]*)?[?]?")
"""Several servers as libpq writes them: h1:p1,h2:p2."""


def _named(found: re.Match[str]) -> str:
    """The same as SQLAlchemy writes it."""
    hosts = "&".join(f"host={host}" for host in found["hosts"].split(","))
    return f"{found['who'] or ''}{found['name'] or '/'}?{hosts}&"


def server_url(url: str) -> URL:
    """A ``postgresql:`` address with the driver we have. Raises SettingError."""
    try:
        found = make_url(_SEVERAL.sub(_named, url))
    except Exception:
        raise SettingError(say("database.url can't be read. It looks like postgresql://USER@HOST/DATABASE.")) from None
    if found.get_backend_name() != "postgresql":
        raise SettingError(
            say(
                "database.url names %(kind)s: SQLite and PostgreSQL can be used.",
                kind=found.get_backend_name(),
            )
        )
    return found.set(drivername=DRIVER)


def options(part: str = "", **more: str) -> dict[str, Any]:
    """What a connection is opened with; `part` is what the server's administrator sees it is for."""
    session = " ".join(f"-c {name}={value}" for name, value in {**SESSION, **more}.items())
    return {**CLIENT, "options": session, "application_name": f"appliance {part}".strip()[:63]}


def be_patient(engine: Engine, root: Path) -> None:
    """Have an engine open connections to the right server, and wait no longer than it lives."""
    from appliance.store import lineage, server_session  # load the driver, which only those need who have a server

    server_session.be_patient(engine, lineage.Lineage(root))


def open_engine(url: str, root: Path, part: str = "") -> Engine:
    """Connections to a server, tried before they are used: one that restarted costs nobody an error."""
    engine = create_engine(
        server_url(url), pool_pre_ping=True, pool_size=5, connect_args=options(part), json_serializer=_clean_json
    )
    be_patient(engine, root)
    event.listen(
        engine, "connect", _refuse_narrow, insert=True
    )  # before SQLAlchemy reads texts, which may come as bytes
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _refuse_narrow(connection: DriverConnection[Any], _: Any) -> None:
    """Raise SettingError where names in some script can't be kept: such films would be refused, one by one."""
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise SettingError(
            say(
                "The database %(name)s has the encoding %(encoding)s, which can't hold every name. Make it anew: "
                "createdb --encoding UTF8 --locale C.UTF-8 --template template0",
                name=connection.info.dbname,
                encoding=encoding,
            )
        )


def _prepare(connection: DriverConnection[Any], record: ConnectionPoolEntry) -> None:
    connection.adapters.register_dumper(str, _clean_text())
    connection.autocommit = True
    record.info["life"] = connection.execute(_LIFE).fetchone()
    connection.autocommit = False


@cache
def _clean_text() -> type[StrDumper]:
    """PostgreSQL takes no NUL in a text: a replacement character stands for it."""
    from psycopg.types.string import StrDumper  # loaded only where there is a server

    class CleanText(StrDumper):
        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else obj)

    return CleanText


def _clean_json(value: Any) -> str:
    """JSON is taken with such an escape, but no query can look into it then."""
    text = json.dumps(value)
    return json.dumps(storable(value)) if "\\u0000" in text or "\\ud" in text else text


def storable(value: Any) -> Any:
    """A JSON value as every database gives it back: replacement characters stand for NUL and halves of characters."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {storable(key): storable(each) for key, each in value.items()}
    return [storable(each) for each in value] if isinstance(value, list | tuple) else value


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("appliance_write", False):
        wait, idle = (f"{round(seconds * 1000)}ms" for seconds in (LOCK_SECONDS, IDLE_IN_WRITE_SECONDS))
        values = {"wait": wait, "idle": idle, "writers": WRITERS}
        connection.info["transaction"] = connection.execute(_ENTER, values).scalar_one()


def words_of(error: SQLAlchemyError) -> str:
    """The database's own words, in one line, and what to do next."""
    said = str(getattr(error, "orig", error)).strip().partition("\n")[0].rstrip(".")
    said = getattr(getattr(error, "orig", None), "words", said)
    if getattr(getattr(error, "orig", None), "sqlstate", None) == "55P03":
        said = say("it stays locked by another writer")
    return say("%(said)s. See the health page.", said=said)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a server says of itself."""

    version: str
    is_safe: bool  # what it has committed survives its power loss
    moment: dt.datetime  # its clock


def facts(connection: Connection) -> Facts:
    """Ask the server about itself."""
    version, fsync, pages, moment = connection.execute(_FACTS).one()
    return Facts(version=str(version).split()[0], is_safe=(fsync, pages) == ("on", "on"), moment=moment)


@dataclass(frozen=True, kw_only=True)
class Writer:
    """Who writes, and all others wait for."""

    name: str
    seconds: float
    waits_for_stand_by: bool


def writer(connection: Connection) -> Writer | None:
    """Who has the lock of those who write in this moment."""
    row = connection.execute(_WRITER, {"writers": WRITERS}).first()
    if row is None:
        return None
    return Writer(name=row.name, seconds=float(row.seconds or 0), waits_for_stand_by=row.wait_event == "SyncRep")


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """What a server can be asked about afterwards."""

    number: str
    life: Any  # of the server that gave the number


def transaction_of(connection: Connection) -> Transaction | None:
    """The writing transaction a connection is in; None on SQLite."""
    number = connection.info.get("transaction")
    return Transaction(number=number, life=connection.info["life"]) if number else None


def what_became_of(engine: Engine, ended: Transaction) -> str:
    """committed, aborted, or unknown: of a transaction whose answer was lost on the way."""
    end = time.monotonic() + ASK_SECONDS
    while time.monotonic() < end:
        try:
            with engine.connect() as connection:
                status = connection.execute(_STATUS, {"number": ended.number}).scalar()
                same = connection.info["life"] == ended.life
            if status == "committed" and not same:  # a number that was lost in a crash is given to the next one
                return "unknown"
            if status != "in progress":
                return str(status or "unknown")
        except DBAPIError as error:
            if not error.connection_invalidated and not _is_away(error):
                return "aborted"  # the server does not know the number: it never got that far
        time.sleep(0.5)
    return "unknown"


def is_too_large(error: OverflowError | DBAPIError) -> bool:
    """Whether it says that a number has more than 64 bits: SQLite's driver does by OverflowError."""
    return not isinstance(error, DBAPIError) or getattr(error.orig, "sqlstate", None) == "22003"


def _is_away(error: DBAPIError) -> bool:
    state = str(getattr(error.orig, "sqlstate", None) or "08")
    return state[:2] in ("08", "53", "57")  # connection, resources, operator's doing
