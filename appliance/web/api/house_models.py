"""What the API takes and gives of peers, people, tokens, events and health."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field

from appliance.web.api.describe import Open, Strict
from appliance.web.api.models import Moment, Page, Text


class PeerChange(Strict):
    ae_title: Text
    address: Text = ""
    host: Text = ""
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    tls: bool = False
    certificate: Text = ""
    allows: tuple[Text, ...] = ("print", "store")
    answering: Literal["tolerant", "strict"] = "tolerant"
    mask_warnings: bool = False
    separate_classes: bool = True
    assumed_charset: Text = ""
    printer_status: Literal["queue", "device"] = "queue"
    events: bool = True
    done_when: Literal["printed", "queued"] = "printed"
    burner: Text = ""
    rule: dict[str, Any] = {}


class NewPeer(PeerChange):
    name: Text


class Peer(Open):
    name: str
    ae_title: str
    version: int | None = None


class Peers(Strict):
    items: list[Peer]


class Echo(Strict):
    ok: bool
    seconds: float
    message: str


class NewToken(Strict):
    name: Annotated[str, Field(max_length=64)]
    role: Literal["admin", "clerk", "viewer", "agent"]
    days: Annotated[int, Field(ge=1, le=3650)] | None = None


class Token(Strict):
    token_id: int
    name: str
    role: str
    created: dt.datetime
    created_by: str
    expires: dt.datetime | None
    revoked: dt.datetime | None
    seen: dt.datetime | None


class Tokens(Strict):
    items: list[Token]


class TokenMade(Strict):
    token: Token
    secret: str


class User(Strict):
    name: str
    role: str
    disabled: bool
    created: dt.datetime | None
    seen: dt.datetime | None


class Users(Strict):
    items: list[User]


class NewUser(Strict):
    name: Text
    role: Literal["admin", "clerk", "viewer"]
    password: Annotated[str, Field(max_length=1024)]


class UserChange(Strict):
    role: Literal["admin", "clerk", "viewer"] | None = None
    password: Annotated[str, Field(max_length=1024)] | None = None
    disabled: bool | None = None


class EventQuery(Page):
    actor: Text = ""
    event: Text = ""
    text: Text = ""
    since: Moment | None = None
    until: Moment | None = None


class Event(Strict):
    audit_id: int
    at: dt.datetime
    event: str
    outcome: str
    actor: str
    actor_kind: str
    address: str
    object_kind: str
    object_id: str
    detail: dict[str, Any]


class Events(Strict):
    items: list[Event]
    next: int | None


class HealthLine(Strict):
    level: Literal["error", "warning", "fine"]
    topic: str
    text: str
    advice: str


class Health(Strict):
    status: Literal["error", "warning", "fine"]
    findings: list[HealthLine]
