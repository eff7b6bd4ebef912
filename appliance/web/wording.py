"""Keywords of the database in words a person reads: states, reasons, roles, permissions, audit events.

A keyword without words is shown as it is: a device may say what nobody foresaw.
"""

from __future__ import annotations

from flask_babel import LazyString
from flask_babel import lazy_gettext as _

ROLES = {
    "admin": _("Administrator"),
    "clerk": _("Clerk"),
    "viewer": _("Viewer"),
}

ROLE_MEANS = {
    "admin": _("sets everything up, sees the audit trail"),
    "clerk": _("makes discs, imports studies, handles print jobs"),
    "viewer": _("looks, changes nothing"),
}

# keyword -> (words, shape: a symbol of static/icons.svg, tone: a colour of app.css)
STATES: dict[str, tuple[LazyString, str, str]] = {
    # print jobs (RFC 8011 job-state)
    "pending": (_("waiting"), "waiting", "calm"),
    "pending-held": (_("held"), "held", "warning"),
    "processing": (_("printing"), "working", "busy"),
    "processing-stopped": (_("stopped"), "stopped", "warning"),
    "canceled": (_("cancelled"), "canceled", "quiet"),
    "aborted": (_("failed"), "failed", "error"),
    "completed": (_("printed"), "done", "good"),
    # printers (RFC 8011 printer-state)
    "idle": (_("ready"), "done", "good"),
    "stopped": (_("stopped"), "stopped", "error"),
    # discs (PS3.4 S Execution Status)
    "IDLE": (_("kept for later"), "held", "calm"),
    "PENDING": (_("waiting"), "waiting", "calm"),
    "CREATING": (_("being made"), "working", "busy"),
    "DONE": (_("done"), "done", "good"),
    "FAILURE": (_("failed"), "failed", "error"),
    # people and peers
    "active": (_("active"), "done", "good"),
    "disabled": (_("disabled"), "stopped", "quiet"),
    "expired": (_("expired"), "stopped", "quiet"),
    "revoked": (_("revoked"), "canceled", "quiet"),
    # outcomes in the audit trail
    "success": (_("done"), "done", "good"),
    "failure": (_("failed"), "failed", "error"),
    "denied": (_("denied"), "stopped", "warning"),
}


def state_words(keyword: str) -> tuple[LazyString | str, str, str]:
    """(words, shape, tone) of a state."""
    return STATES.get(keyword, (keyword, "waiting", "calm"))


PERMISSIONS = {  # of peers, security.peers.PERMISSIONS
    "print": _("print films"),
    "store": _("store studies"),
    "commit": _("ask for storage commitment"),
    "media-creation": _("order discs"),
}

EVENTS = {
    "login": _("Log-in"),
    "logout": _("Log-out"),
    "logout-everywhere": _("Logged out everywhere"),
    "user-added": _("User added"),
    "user-changed": _("User changed"),
    "user-removed": _("User removed"),
    "password-changed": _("Password changed"),
    "token-created": _("Token created"),
    "token-revoked": _("Token revoked"),
    "audit-viewed": _("Audit trail viewed"),
    "audit-exported": _("Audit trail exported"),
    "peer-added": _("Peer added"),
    "peer-changed": _("Peer changed"),
    "peer-removed": _("Peer removed"),
    "peer-echoed": _("Peer called (echo)"),
}

OBJECTS = {
    "user": _("user"),
    "token": _("token"),
    "peer": _("peer"),
    "printer": _("printer"),
    "print-profile": _("print profile"),
    "print-job": _("print job"),
    "study": _("study"),
    "disc": _("disc"),
    "burner": _("burner"),
    "audit": _("audit trail"),
}
