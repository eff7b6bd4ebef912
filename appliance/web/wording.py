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
    "agent": _("Burner agent"),
}

ROLE_MEANS = {
    "admin": _("sets everything up, sees the audit trail"),
    "clerk": _("makes discs, imports studies, handles print jobs"),
    "viewer": _("looks, changes nothing"),
    "agent": _("fetches what a drive at a desk has to burn, and nothing else"),
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
    "unreachable": (_("can't be reached"), "stopped", "warning"),
    # discs (PS3.4 S Execution Status)
    "IDLE": (_("kept for later"), "held", "calm"),
    "PENDING": (_("waiting"), "waiting", "calm"),
    "CREATING": (_("being made"), "working", "busy"),
    "DONE": (_("done"), "done", "good"),
    "FAILURE": (_("failed"), "failed", "error"),
    "uploading": (_("being uploaded"), "working", "busy"),
    "importing": (_("being imported"), "working", "busy"),
    "imported": (_("imported"), "done", "good"),
    "fetching": (_("being fetched"), "working", "busy"),
    # pieces of media
    "waiting": (_("waiting"), "waiting", "calm"),
    "burning": (_("being burned"), "working", "busy"),
    "burned": (_("burned"), "done", "good"),
    "verified": (_("burned and read back"), "done", "good"),
    "unverified": (_("handed over, not read back"), "done", "warning"),
    "in-doubt": (_("nobody knows whether it came out"), "held", "warning"),
    "failed": (_("failed"), "failed", "error"),
    # people and peers
    "accepted": (_("accepted"), "done", "good"),
    "rejected": (_("rejected"), "failed", "error"),
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


REJECTIONS = {  # dicom.server
    "called AE title not recognised": _("It called us by an AE title we do not have."),
    "calling AE title not recognised": _("Its AE title, address or certificate is not one we know."),
}


def call_words(message: str) -> str:
    """Why an association was rejected, in the reader's words."""
    return str(REJECTIONS.get(message, message))


IMPORT_STATES = {"completed": "imported", "processing": "importing"}
"""State of an import -> its keyword in STATES, where a film of that state has another word."""

COPY_WORDS = {
    "patient": _("patient"),
    "physician": _("physician"),
    "legal": _("court or insurer"),
    "anonymous": _("teaching and research"),
}

PHASES = {
    "retrieve": _("fetching images"),
    "plan": _("planning"),
    "build": _("building"),
    "check": _("checking"),
    "burn": _("burning"),
    "verify": _("reading back"),
}

SUPPLIES = {  # of burners
    "room": _("room"),
    "blank disc": _("blank disc"),
}

PERMISSIONS = {  # of peers, security.peers.PERMISSIONS
    "print": _("print films"),
    "store": _("store studies"),
    "commit": _("ask for storage commitment"),
    "media-creation": _("order discs"),
}

EVENTS = {
    "application-started": _("Service started"),
    "application-stopped": _("Service stopped"),
    "association-refused": _("Association refused"),
    "peer-misbehaved": _("Peer misbehaved"),
    "certificate-made": _("Certificate made"),
    "certificate-trusted": _("Certificate trusted"),
    "revocations-taken": _("Certificate revocation list taken"),
    "audit-purged": _("Old audit entries purged"),
    "backup-made": _("Backup made"),
    "backup-restored": _("Restored from a backup"),
    "data-folder-moved": _("Data folder moved"),
    "login": _("Log-in"),
    "logout": _("Log-out"),
    "access-denied": _("Access denied"),
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
    "film-printed": _("Films printed"),
    "films-purged": _("Films purged"),
    "instances-received": _("Images received"),
    "instances-imported": _("Images imported"),
    "commitment-requested": _("Storage commitment asked for"),
    "instances-committed": _("Storage commitment given"),
    "instance-kept-aside": _("Image kept aside"),
    "instance-decided": _("Image kept aside, decided on"),
    "import-requested": _("Import of files requested"),
    "import-canceled": _("Import of files cancelled"),
    "retrieve-requested": _("Study requested from an archive"),
    "retrieve-canceled": _("Request to an archive cancelled"),
    "disc-password-shown": _("Password of a disc shown"),
    "disc-burned": _("Disc burned"),
    "disc-failed": _("Disc failed"),
    "disc-outgrown": _("Disc given up: too large"),
    "disc-images-purged": _("Images of a disc purged"),
    "document-attached": _("Scanned paper added"),
    "study-exported": _("Study exported"),
    "archive-queried": _("Archive asked"),
    "print-jobs-listed": _("Print jobs looked at"),
    "print-job-viewed": _("Film looked at"),
    "film-downloaded": _("Film downloaded"),
    "print-job-hold": _("Print job held"),
    "print-job-release": _("Print job released"),
    "print-job-cancel": _("Print job cancelled"),
    "print-job-confirm": _("Film confirmed"),
    "print-job-move": _("Print job moved"),
    "print-job-reprint": _("Film printed again"),
    "printer-added": _("Printer added"),
    "printer-changed": _("Printer changed"),
    "printer-removed": _("Printer removed"),
    "printer-pause": _("Printer paused"),
    "printer-resume": _("Printer resumed"),
    "printer-accept": _("Printer takes films"),
    "printer-reject": _("Printer refuses films"),
    "profile-added": _("Print profile added"),
    "profile-changed": _("Print profile changed"),
    "profile-removed": _("Print profile removed"),
    "studies-searched": _("Patients searched"),
    "study-viewed": _("Study looked at"),
    "study-deleted": _("Study deleted"),
    "study-purged": _("Study purged"),
    "study-imported": _("Study imported"),
    "disc-ordered": _("Disc ordered"),
    "disc-cancel": _("Disc cancelled"),
    "disc-release": _("Disc released"),
    "disc-again": _("More copies of a disc ordered"),
    "disc-confirm": _("Disc looked at: it came out"),
    "disc-spoil": _("Disc looked at: it is spoilt"),
    "disc-decide": _("Disc decided"),
    "disc-move": _("Disc moved"),
    "discs-listed": _("Discs looked at"),
    "disc-viewed": _("Disc looked at"),
    "disc-downloaded": _("Disc image downloaded"),
    "burner-added": _("Burner added"),
    "burner-changed": _("Burner changed"),
    "burner-removed": _("Burner removed"),
    "burner-paused": _("Burner paused"),
    "burner-resumed": _("Burner resumed"),
    "copy-type-changed": _("Copy type changed"),
    "copy-type-removed": _("Copy type removed"),
}

OBJECTS = {
    "backup": _("backup"),
    "part": _("part of the service"),
    "certificate": _("certificate"),
    "association": _("association"),
    "user": _("user"),
    "token": _("token"),
    "peer": _("peer"),
    "printer": _("printer"),
    "print-profile": _("print profile"),
    "print-job": _("print job"),
    "study": _("study"),
    "instance": _("image"),
    "piece": _("disc"),
    "copy-type": _("kind of disc"),
    "disc": _("disc"),
    "burner": _("burner"),
    "audit": _("audit trail"),
    "import": _("import"),
    "page": _("page"),
}
