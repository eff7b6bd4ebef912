"""Which of several servers is the one: after a fail-over, that which was promoted last.

A first server that comes back as if nothing had happened takes writes, too: some connections would be to the one, some
to the other, and each would know half of the films. A server that is promoted counts its history on from there (its
timeline); the share remembers how far that was, so that every machine refuses the one that was left behind.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from appliance.store import files
from appliance.store.belonging import MARK
from appliance.words import Words, say

NOTE = "database-timeline"
"""Name of the note in the folder."""

_HISTORY = (
    "SELECT system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int "
    "FROM pg_control_system()"
)

log = logging.getLogger(__name__)


class LeftBehindError(psycopg.OperationalError):
    """Another server was promoted since."""

    def __init__(self, words: Words) -> None:
        super().__init__(words)
        self.words = words


@dataclass
class Lineage:
    """How far the history of an appliance's database has come."""

    root: Path
    """The data folder."""
    _cluster: int = 0
    _timeline: int = 0

    def refuse_left_behind(self, connection: psycopg.Connection[Any]) -> None:
        """Raise LeftBehindError for a server of an older history than was met before; remember a newer one."""
        try:
            [(cluster, timeline)] = connection.execute(_HISTORY).fetchall()
        except psycopg.errors.InsufficientPrivilege:  # its administrator has taken that from us
            return
        for known, furthest in (self._noted(), (self._cluster, self._timeline)):
            if known == cluster and timeline < furthest:
                raise LeftBehindError(self._words(connection, timeline, furthest))
        if (cluster, timeline) not in ((self._cluster, self._timeline), self._noted()):
            self._note(cluster, timeline)
        self._cluster, self._timeline = cluster, timeline

    def _words(self, connection: psycopg.Connection[Any], timeline: int, furthest: int) -> Words:
        return say(
            "The server %(host)s was left behind when another was promoted (timeline %(timeline)s, not "
            "%(furthest)s): make it a stand-by. If it is the right one, restored: remove %(path)s.",
            host=connection.info.host,
            timeline=timeline,
            furthest=furthest,
            path=self._path,
        )

    @property
    def _path(self) -> Path:
        return self.root / NOTE

    def _noted(self) -> tuple[int, int]:
        """What some machine has met; zeros for nothing."""
        try:
            cluster, timeline = self._path.read_text("ascii").split()
            return int(cluster), int(timeline)
        except (OSError, ValueError):
            return 0, 0

    def _note(self, cluster: int, timeline: int) -> None:
        """For all machines. Where the share is away nothing is written: it would lie in the folder beneath."""
        try:
            if (self.root / MARK).exists():
                own = self.root / f"{NOTE}.{secrets.token_hex(4)}"  # all processes may meet it in one moment
                files.rename(files.write_file(own, f"{cluster} {timeline}\n".encode()), self._path)
        except OSError as error:
            log.warning("%s can't be written: %s", self._path, error.strerror)
