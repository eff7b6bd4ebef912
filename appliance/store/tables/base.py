"""The one MetaData all tables hang on, and column kinds they share."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer, MetaData, String, func, or_
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeDecorator

from appliance import clock

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


Number = BigInteger().with_variant(Integer(), "sqlite")
"""Of rows that are numbered, and what names them: more than 2 thousand million, where SQLite needs to be told less."""


@compiles(String, "postgresql")
def _without_length(kind: String, compiler: Any, **words: Any) -> str:
    """Lengths are for readers: what SQLite takes, PostgreSQL must not refuse in the middle of a film."""
    return f'VARCHAR COLLATE "{kind.collation}"' if kind.collation else "VARCHAR"


class UtcDateTime(TypeDecorator[dt.datetime]):
    """A moment: aware datetimes in, UTC out, whatever the database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("moments carry a time zone")
        return value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


WORD = String(64).with_variant(String(64, collation="C"), "postgresql")
"""A word that is searched for, compared by code point: prefixes are ranges."""


def is_for(settings: Any, node: str) -> Any:
    """Whether what these settings are of is for this machine among several: bound to it, or to none."""
    return func.coalesce(settings["node"].as_string(), "").in_(("", node))


LONGEST_WAIT = dt.timedelta(minutes=10)
"""More than any back-off of a job (jobs.retry)."""


def is_due(not_before: Any, longest: dt.timedelta = LONGEST_WAIT) -> Any:
    """Whether a wait is over. One that is longer than any is meant to be is a clock that was put back: it is, too."""
    moment = now()
    return or_(not_before.is_(None), not_before <= moment, not_before > moment + longest)


def now() -> dt.datetime:
    """This moment, in UTC."""
    return clock.now()
