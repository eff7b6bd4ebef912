"""Known peers: read, add, change, remove."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import Connection, Row

from appliance.config import is_ae_title, is_host
from appliance.errors import ConflictError, NotFoundError, UsageError
from appliance.events import Actor
from appliance.security.audit import record
from appliance.security.peers import PERMISSIONS, Peer, calls_alike
from appliance.store import callers, peers
from appliance.store.store import Store
from appliance.words import say


def all_peers(store: Store) -> list[Peer]:
    """Every known peer, by name."""
    with store.database.read() as connection:
        return peers_in(connection)


def peers_in(connection: Connection) -> list[Peer]:
    """:func:`all_peers` as of the moment a transaction sees."""
    return [from_row(row) for row in peers.all_peers(connection)]


def from_row(row: Row[Any]) -> Peer:
    known = {f.name for f in fields(Peer)}
    values = {key: value for key, value in row.settings.items() if key in known}
    values["allows"] = tuple(values.get("allows", ()))
    return Peer(name=row.name, ae_title=row.ae_title, **values)


def get_peer(store: Store, name: str) -> Peer:
    """A peer by name. Raises NotFoundError."""
    return read_peer(store, name)[0]


def read_peer(store: Store, name: str) -> tuple[Peer, int]:
    """A peer by name, and its version for :func:`set_peer`. Raises NotFoundError."""
    with store.database.read() as connection:
        row = peers.get(connection, name)
    if row is None:
        raise NotFoundError(say("There is no peer %(name)s.", name=name))
    return from_row(row), row.version


def add_peer(store: Store, peer: Peer, actor: Actor) -> None:
    """Add a peer. Raises UsageError naming the field, ConflictError when the name is taken."""
    check_peer(peer)
    with store.database.write("peer") as connection:
        if peers.get(connection, peer.name) is not None:
            raise ConflictError(say("There is a peer %(name)s already.", name=peer.name))
        _check_alone(connection, peer)
        peers.insert(connection, name=peer.name, ae_title=peer.ae_title, settings=_settings(peer))
        record(connection, "peer-added", actor, object_kind="peer", object_id=peer.name, detail=asdict(peer))


def set_peer(store: Store, peer: Peer, actor: Actor, *, version: int | None = None) -> None:
    """Change a peer. Raises NotFoundError, UsageError, ConflictError when `version` is not the stored one."""
    check_peer(peer)
    with store.database.write("peer") as connection:
        if peers.get(connection, peer.name) is None:
            raise NotFoundError(say("There is no peer %(name)s.", name=peer.name))
        _check_alone(connection, peer)
        if not peers.change(connection, peer.name, version=version, ae_title=peer.ae_title, settings=_settings(peer)):
            raise ConflictError(say("Peer %(name)s was changed by someone else: read it again.", name=peer.name))
        record(connection, "peer-changed", actor, object_kind="peer", object_id=peer.name, detail=asdict(peer))


def _check_alone(connection: Connection, peer: Peer) -> None:
    """Raise ConflictError when another calls as `peer` does: one of the two would never be found."""
    for other in peers_in(connection):
        if other.name != peer.name and calls_alike(other, peer):
            raise ConflictError(
                say(
                    "Peer %(name)s calls by the same AE title from the same addresses: give each its own.",
                    name=other.name,
                )
            )


def remove_peer(store: Store, name: str, actor: Actor) -> None:
    """Forget a peer. Raises NotFoundError."""
    with store.database.write("peer") as connection:
        if not peers.remove(connection, name):
            raise NotFoundError(say("There is no peer %(name)s.", name=name))
        record(connection, "peer-removed", actor, object_kind="peer", object_id=name)


def note_echo(store: Store, peer: Peer, actor: Actor, *, ok: bool) -> None:
    """Keep in the audit trail that a peer was called."""
    with store.database.write() as connection:
        outcome = "success" if ok else "failure"
        record(connection, "peer-echoed", actor, outcome=outcome, object_kind="peer", object_id=peer.name)


def latest_calls(store: Store, peer: Peer, *, limit: int = 10) -> list[Row[Any]]:
    """The latest associations of a peer, and of whoever had its AE title; rows of store.callers, the latest first."""
    ae_title = None if peer.ae_title == "*" else peer.ae_title
    with store.database.read() as connection:
        return callers.latest(connection, peer=peer.name, ae_title=ae_title, limit=limit)


def latest_strangers(store: Store, *, limit: int = 10) -> list[Row[Any]]:
    """The latest associations of applications that are no known peer."""
    with store.database.read() as connection:
        return callers.latest(connection, peer="", limit=limit)


def check_peer(peer: Peer) -> None:
    """Raise UsageError for what no peer can be."""
    if not 1 <= len(peer.name.strip()) <= 64 or not peer.name.isprintable() or "/" in peer.name:
        raise UsageError(say("A peer needs a name of 1 to 64 characters, without a slash."), field="name")
    check_ae_title(peer.ae_title)
    if peer.address:
        try:
            ipaddress.ip_network(peer.address, strict=False)
        except ValueError:
            raise UsageError(
                say("%(address)s is no IP address or network.", address=peer.address), field="address"
            ) from None
    if peer.host and not is_host(peer.host):
        raise UsageError(say("%(name)s is no host name or address.", name=repr(peer.host)), field="host")
    if peer.certificate and not re.fullmatch("[0-9a-f]{64}", peer.certificate.replace(":", "").lower()):
        raise UsageError(
            say(
                "%(certificate)s is no SHA-256 fingerprint: 64 hex digits, as appliance tls show tells them.",
                certificate=repr(peer.certificate),
            ),
            field="certificate",
        )
    unknown = set(peer.allows) - set(PERMISSIONS)
    if unknown:
        raise UsageError(say("A peer can't be allowed %(what)s.", what=", ".join(sorted(unknown))), field="allows")


def check_ae_title(ae_title: str, field: str = "ae_title") -> None:
    """Raise UsageError unless it is one."""
    if not is_ae_title(ae_title):
        raise UsageError(
            say("%(title)s is no AE title: 1 to 16 ASCII characters, no backslash.", title=repr(ae_title)), field=field
        )


def _settings(peer: Peer) -> dict[str, Any]:
    return {key: value for key, value in asdict(peer).items() if key not in ("name", "ae_title", "known")}
