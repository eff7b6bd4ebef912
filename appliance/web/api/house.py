"""Peers, events, health, and what describes the API itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, jsonify

from appliance.media.ruled import check_rule
from appliance.network import scu
from appliance.network.calling import to_call
from appliance.security import audit_verbs, peer_verbs
from appliance.security.audit_verbs import Wanted
from appliance.security.peers import Peer
from appliance.upkeep import health
from appliance.web.api import house_models as models
from appliance.web.api.describe import check_version, endpoint, etag
from appliance.web.api.openapi import document
from appliance.web.calls import calling_out
from appliance.web.visitor import PUBLIC, actor, needs, store

blueprint = Blueprint("openapi", __name__)


@blueprint.get("/openapi.json")
@needs(PUBLIC)
def openapi() -> Any:
    return jsonify(document())


def _peer(name: str) -> Any:
    peer, version = peer_verbs.read_peer(store(), name)
    return asdict(peer) | {"version": version}, etag(version)


@endpoint("GET", "/peers", "Every known peer", permission="peers.see", gives=models.Peers)
def list_peers() -> Any:
    return {"items": [asdict(peer) for peer in peer_verbs.all_peers(store())]}


@endpoint("POST", "/peers", "Add a peer", permission="peers.change", body=models.NewPeer, gives=models.Peer, status=201)
def add_peer(body: models.NewPeer) -> Any:
    peer = Peer(**body.model_dump())
    check_rule(store(), peer)
    peer_verbs.add_peer(store(), peer, actor())
    return _peer(body.name)


@endpoint("GET", "/peers/<name>", "A peer", permission="peers.see", gives=models.Peer, versioned=True)
def get_peer(name: str) -> Any:
    return _peer(name)


@endpoint(
    "PUT",
    "/peers/<name>",
    "Change a peer",
    permission="peers.change",
    body=models.PeerChange,
    gives=models.Peer,
    versioned=True,
)
def set_peer(name: str, body: models.PeerChange) -> Any:
    _before, version = peer_verbs.read_peer(store(), name)
    check_version(version)
    peer = Peer(name=name, **body.model_dump())
    check_rule(store(), peer)
    peer_verbs.set_peer(store(), peer, actor(), version=version)
    return _peer(name)


@endpoint("DELETE", "/peers/<name>", "Forget a peer", permission="peers.change")
def remove_peer(name: str) -> Any:
    peer_verbs.remove_peer(store(), name, actor())


@endpoint("POST", "/peers/<name>/echo", "Ask a peer for an echo", permission="peers.echo", gives=models.Echo)
def echo_peer(name: str) -> Any:
    peer = peer_verbs.get_peer(store(), name)
    with calling_out():
        result = scu.echo(to_call(store(), peer))
    peer_verbs.note_echo(store(), peer, actor(), ok=result.ok)
    return {"ok": result.ok, "seconds": result.seconds, "message": result.message}


@endpoint(
    "GET",
    "/events",
    "The audit trail, the newest first",
    permission="audit.see",
    query=models.EventQuery,
    gives=models.Events,
)
def list_events(query: models.EventQuery) -> Any:
    values = query.model_dump(exclude={"before", "limit"})
    rows = audit_verbs.read_entries(store(), Wanted(**values), actor(), before=query.before, limit=query.limit + 1)
    shown = [{key: getattr(row, key) for key in models.Event.model_fields} for row in rows[: query.limit]]
    return {"items": shown, "next": rows[query.limit - 1].audit_id if len(rows) > query.limit else None}


@endpoint(
    "GET",
    "/health",
    "How the appliance is, in words with the next step",
    permission="settings.see",
    gives=models.Health,
)
def get_health() -> Any:
    found = health.look(store())
    return {"status": health.worst(found), "findings": [each.to_json() for each in found]}
