"""Statements that run for every instance, compiled once for each dialect and handed to the driver as they are.

SQLAlchemy's way from a statement to the driver costs several times the statement itself. It stays the way for all
others: these few bring their values through the column types' own processors, and their rows as the driver gives them.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

Processor = Callable[[Any], Any] | None


@dataclass(frozen=True, kw_only=True)
class _Compiled:
    """One statement in one dialect."""

    text: str
    binds: list[tuple[str, Any, Processor]]  # name, value where none is given, what makes the driver's value of it
    is_positional: bool
    row: Any  # type of its rows; None where it has none

    def values(self, given: Mapping[str, Any]) -> Any:
        pairs = ((name, given.get(name, own), process) for name, own, process in self.binds)
        if self.is_positional:
            return [process(value) if process else value for _, value, process in pairs]
        return {name: process(value) if process else value for name, value, process in pairs}


class Prepared:
    """A SELECT of plain columns (numbers, texts, bytes), or an INSERT or UPDATE whose values are all given."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Any]:
        """Run it; its rows by name. Raises what SQLAlchemy would raise."""
        compiled = self._in(connection.dialect)
        found = self._run(connection, compiled, values)
        return [compiled.row._make(row) for row in found]

    def run(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Run it for what it does. Raises what SQLAlchemy would raise."""
        self._run(connection, self._in(connection.dialect), values)

    def _run(self, connection: Connection, compiled: _Compiled, values: Mapping[str, Any]) -> Any:
        cursor = at_once(connection, compiled.text, compiled.values(values))
        try:
            return cursor.fetchall() if compiled.row is not None else ()
        finally:
            cursor.close()

    def _in(self, dialect: Dialect) -> _Compiled:
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = _compile(self._statement, dialect)
        return found


def at_once(connection: Connection, text: str, values: Any = ()) -> Any:
    """Hand a statement to the driver; its cursor. Raises what SQLAlchemy would raise."""
    cursor = connection.connection.cursor()
    try:
        cursor.execute(text, values)
    except Exception as error:
        cursor.close()
        base: Any = connection.dialect.loaded_dbapi.Error
        raise DBAPIError.instance(text, values, error, base, dialect=connection.dialect) from error
    return cursor


def _compile(statement: Any, dialect: Dialect) -> _Compiled:
    compiled: SQLCompiler = statement.compile(dialect=dialect)
    names = compiled.positiontup if compiled.positiontup is not None else list(compiled.binds)
    return _Compiled(
        text=str(compiled),
        binds=[(name, compiled.binds[name].value, _processor(compiled.binds[name], dialect)) for name in names],
        is_positional=compiled.positiontup is not None,
        row=namedtuple("Row", statement.selected_columns.keys()) if statement.is_select else None,  # noqa: PYI024
    )


def _processor(bind: Any, dialect: Dialect) -> Processor:
    found: Processor = bind.type.dialect_impl(dialect).bind_processor(dialect)
    return found
