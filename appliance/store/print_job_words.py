"""The words a print job is found by: kept beside it, searched by their beginnings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, exists, func, or_, select

from appliance.store.tables.printing import print_job, print_job_word

FEW = 2000
"""So many jobs are looked up by their word; where every word has more, the list is walked from its newest job."""


def put(connection: Connection, job_id: int, words: Collection[str]) -> None:
    """Make a job be found by these words and no others."""
    connection.execute(delete(print_job_word).where(print_job_word.c.job_id == job_id))
    if words:
        connection.execute(print_job_word.insert(), [{"word": word, "job_id": job_id} for word in sorted(words)])


def fitting(connection: Connection, prefixes: Sequence[str]) -> list[ColumnElement[bool]]:
    """Conditions on print_job: for each prefix a word of the job begins so, or it is the job's number."""
    rare = min(prefixes, key=lambda prefix: _uses(connection, prefix), default=None)
    few = rare is not None and _uses(connection, rare) < FEW
    return [_looked_up(each) if few and each == rare else _walked(each) for each in dict.fromkeys(prefixes)]


def _begins(prefix: str) -> ColumnElement[bool]:
    return and_(print_job_word.c.word >= prefix, print_job_word.c.word < prefix + "\U0010ffff")


def _uses(connection: Connection, prefix: str) -> int:
    """How many words begin so, counted up to FEW."""
    some = select(print_job_word.c.job_id).where(_begins(prefix)).limit(FEW).subquery()
    return int(connection.scalar(select(func.count()).select_from(some)) or 0)


def _looked_up(prefix: str) -> ColumnElement[bool]:
    found: Select[Any] = select(print_job_word.c.job_id).where(_begins(prefix))
    number = _number(prefix)
    wanted = found if number is None else found.union(select(print_job.c.job_id).where(print_job.c.job_id == number))
    return print_job.c.job_id.in_(wanted)


def _walked(prefix: str) -> ColumnElement[bool]:
    has = exists().where(print_job_word.c.job_id == print_job.c.job_id, _begins(prefix))
    number = _number(prefix)
    return has if number is None else or_(has, print_job.c.job_id == number)


def _number(prefix: str) -> int | None:
    return int(prefix) if prefix.isascii() and prefix.isdigit() and len(prefix) < 10 else None
