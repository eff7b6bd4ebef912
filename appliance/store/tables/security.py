"""Known peers, people, tokens, sessions, audit."""

from sqlalchemy import JSON, Column, Index, Integer, String, Table, Text

from appliance.store.tables.base import UtcDateTime, metadata

peer = Table(
    "peer",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("ae_title", String(16), nullable=False),
    Column("settings", JSON, nullable=False),  # the rest of security.peers.Peer
    Column("version", Integer, nullable=False, default=1),
)

user = Table(
    "user",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("role", String(16), nullable=False),  # admin, clerk, viewer
    Column("password_hash", Text, nullable=False),
    Column("language", String(8), nullable=False, default=""),
    Column("disabled", Integer, nullable=False, default=0),
    Column("failures", Integer, nullable=False, default=0),
    Column("locked_until", UtcDateTime, nullable=True),
    Column("created", UtcDateTime, nullable=False),
)

web_session = Table(
    "web_session",
    metadata,
    Column("id_hash", String(64), primary_key=True),  # SHA-256 of the id in the cookie
    Column("user", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("created", UtcDateTime, nullable=False),
    Column("seen", UtcDateTime, nullable=False),
    Column("data", JSON, nullable=False),
    Index("ix_web_session_user", "user"),
)

token = Table(
    "token",
    metadata,
    Column("token_id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),  # SHA-256
    Column("created", UtcDateTime, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("revoked", UtcDateTime, nullable=True),
    Column("seen", UtcDateTime, nullable=True),
)

login_failure = Table(
    "login_failure",
    metadata,
    Column("who", String(128), primary_key=True),  # "user:NAME" or "address:IP"
    Column("failures", Integer, nullable=False),
    Column("until", UtcDateTime, nullable=True),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("event", String(64), nullable=False),  # e.g. film-printed, patient-viewed, login, setting-changed
    Column("outcome", String(16), nullable=False, default="success"),
    Column("actor", String(128), nullable=False),
    Column("actor_kind", String(16), nullable=False),
    Column("address", String(64), nullable=False),
    Column("object_kind", String(32), nullable=False, default=""),
    Column("object_id", String(128), nullable=False, default=""),
    Column("detail", JSON, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),  # SHA-256 over previous_hash and this row
    Index("ix_audit_at", "at"),
    Index("ix_audit_actor", "actor", "audit_id"),
    Index("ix_audit_event", "event", "audit_id"),
)

secret = Table(
    "secret",
    metadata,
    Column("name", String(64), primary_key=True),  # e.g. flask-secret, first-admin-link
    Column("value", Text, nullable=False),
    Column("created", UtcDateTime, nullable=False),
)
