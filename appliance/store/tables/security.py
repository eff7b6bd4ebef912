"""Known peers, people, tokens, sessions, audit."""

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from appliance.store.tables.base import Number, UtcDateTime, metadata

peer = Table(
    "peer",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("ae_title", String(16), nullable=False),
    Column("settings", JSON, nullable=False),  # the rest of security.peers.Peer
    Column("version", Integer, nullable=False, default=1),
)

caller = Table(  # the latest association of each application that called, let in or not
    "caller",
    metadata,
    Column("ae_title", String(16), primary_key=True),  # calling AE title
    Column("address", String(64), primary_key=True),  # where from
    Column("called_ae_title", String(16), nullable=False),  # what it called us
    Column("peer", String(64), nullable=False, default=""),  # the known peer it was; "" a stranger
    Column("asked", String(16), nullable=False),  # association, C-ECHO, C-STORE, …: the latest request
    Column("outcome", String(16), nullable=False),  # accepted, rejected
    Column("message", Text, nullable=False, default=""),  # why it was rejected
    Column("at", UtcDateTime, nullable=False),
    Column("echoed", UtcDateTime, nullable=True),  # its latest C-ECHO
    Index("ix_caller_at", "at"),
)

user = Table(
    "user",
    metadata,
    Column("name", String(64), primary_key=True),  # lower case
    Column("role", String(16), nullable=False),  # of security.roles.ROLES
    Column("password_hash", Text, nullable=False),  # argon2id
    Column("language", String(8), nullable=False, default=""),  # "" as the browser wants
    Column("disabled", Boolean, nullable=False, default=False),
    Column("created", UtcDateTime, nullable=False),
    Column("password_changed", UtcDateTime, nullable=False),
    Column("seen", UtcDateTime, nullable=True),  # last log-in
)

web_session = Table(
    "web_session",
    metadata,
    Column("id_hash", String(64), primary_key=True),  # SHA-256 of the id in the cookie
    Column("user", String(64), ForeignKey("user.name", ondelete="CASCADE"), nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", String(200), nullable=False, default=""),  # what the browser calls itself
    Column("created", UtcDateTime, nullable=False),
    Column("seen", UtcDateTime, nullable=False),
    Index("ix_web_session_user", "user"),
)

token = Table(
    "token",
    metadata,
    Column("token_id", Number, primary_key=True, autoincrement=True),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("token_hash", String(64), nullable=False, unique=True),  # SHA-256
    Column("created", UtcDateTime, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("expires", UtcDateTime, nullable=True),
    Column("revoked", UtcDateTime, nullable=True),
    Column("seen", UtcDateTime, nullable=True),
)

login_failure = Table(
    "login_failure",
    metadata,
    Column("who", String(160), primary_key=True),  # see security.throttle.keys
    Column("failures", Integer, nullable=False),
    Column("at", UtcDateTime, nullable=False),  # of the last one
    Index("ix_login_failure_at", "at"),
)

login_place = Table(  # where a user logged in from before: strangers' failures don't slow these
    "login_place",
    metadata,
    Column("user", String(64), ForeignKey("user.name", ondelete="CASCADE"), primary_key=True),
    Column("address", String(64), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("audit_id", Number, primary_key=True, autoincrement=True),
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
