"""Which DICOM audit message each event of the trail becomes: codes of PS3.16 CID 400, 401, 402 and 405."""

from __future__ import annotations

from dataclasses import dataclass

Code = tuple[str, str]
"""csd-code, original text."""

# CID 400 Audit Event ID
APPLICATION_ACTIVITY = ("110100", "Application Activity")
AUDIT_LOG_USED = ("110101", "Audit Log Used")
BEGIN_TRANSFERRING = ("110102", "Begin Transferring DICOM Instances")
INSTANCES_ACCESSED = ("110103", "DICOM Instances Accessed")
INSTANCES_TRANSFERRED = ("110104", "DICOM Instances Transferred")
STUDY_DELETED = ("110105", "DICOM Study Deleted")
EXPORT = ("110106", "Export")
IMPORT = ("110107", "Import")
PATIENT_RECORD = ("110110", "Patient Record")
QUERY = ("110112", "Query")
SECURITY_ALERT = ("110113", "Security Alert")
USER_AUTHENTICATION = ("110114", "User Authentication")

# CID 401 Audit Event Type Code
APPLICATION_START = ("110120", "Application Start")
APPLICATION_STOP = ("110121", "Application Stop")
LOGIN = ("110122", "Login")
LOGOUT = ("110123", "Logout")
NODE_AUTHENTICATION = ("110126", "Node Authentication")
NETWORK_CONFIGURATION = ("110128", "Network Configuration")
SECURITY_CONFIGURATION = ("110129", "Security Configuration")
RESTRICTED_FUNCTION = ("110132", "Use of Restricted Function")
SOFTWARE_CONFIGURATION = ("110131", "Software Configuration")
USER_ATTRIBUTES_CHANGED = ("110137", "User security Attributes Changed")

# CID 402 Audit Active Participant Role ID Code
APPLICATION = ("110150", "Application")
APPLICATION_LAUNCHER = ("110151", "Application Launcher")
DESTINATION = ("110152", "Destination Role ID")
SOURCE = ("110153", "Source Role ID")
DESTINATION_MEDIA = ("110154", "Destination Media")
SOURCE_MEDIA = ("110155", "Source Media")

# CID 405 Media Type Code
FILM = ("110010", "Film")
USB = ("110030", "USB Disk Emulation")
CD = ("110032", "CD")
DVD = ("110033", "DVD")
URI = ("110037", "URI")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What an event is, in DICOM's words."""

    event: Code
    action: str  # C R U D E
    type: Code | None = None
    media: Code | None = None  # what the data left or came on
    archive: Code | None = None  # the role of the peer we call


ROLES: dict[Code, tuple[Code | None, Code]] = {
    APPLICATION_ACTIVITY: (APPLICATION_LAUNCHER, APPLICATION),
    BEGIN_TRANSFERRING: (SOURCE, DESTINATION),
    EXPORT: (SOURCE, SOURCE),
    IMPORT: (DESTINATION, DESTINATION),
    INSTANCES_TRANSFERRED: (SOURCE, DESTINATION),
    QUERY: (SOURCE, DESTINATION),
}
"""Of the one who asks, and ours, where the tables of A.5.3 demand them."""


_LOOKED = Kind(event=PATIENT_RECORD, action="R")
_CHANGED_RECORD = Kind(event=PATIENT_RECORD, action="U")
_SETTING = Kind(event=SECURITY_ALERT, action="E", type=SOFTWARE_CONFIGURATION)
_PEOPLE = Kind(event=SECURITY_ALERT, action="E", type=USER_ATTRIBUTES_CHANGED)
_NETWORK = Kind(event=SECURITY_ALERT, action="E", type=NETWORK_CONFIGURATION)
_ALERT = Kind(event=SECURITY_ALERT, action="E", type=NODE_AUTHENTICATION)
_LOG_USED = Kind(event=AUDIT_LOG_USED, action="R")

KINDS: dict[str, Kind] = {
    "application-started": Kind(event=APPLICATION_ACTIVITY, action="E", type=APPLICATION_START),
    "application-stopped": Kind(event=APPLICATION_ACTIVITY, action="E", type=APPLICATION_STOP),
    "login": Kind(event=USER_AUTHENTICATION, action="E", type=LOGIN),
    "logout": Kind(event=USER_AUTHENTICATION, action="E", type=LOGOUT),
    "logout-everywhere": Kind(event=USER_AUTHENTICATION, action="E", type=LOGOUT),
    "access-denied": Kind(event=SECURITY_ALERT, action="E", type=RESTRICTED_FUNCTION),
    "association-refused": _ALERT,
    "peer-misbehaved": _ALERT,
    "certificate-made": Kind(event=SECURITY_ALERT, action="E", type=SECURITY_CONFIGURATION),
    "certificate-trusted": Kind(event=SECURITY_ALERT, action="E", type=SECURITY_CONFIGURATION),
    "revocations-taken": Kind(event=SECURITY_ALERT, action="E", type=SECURITY_CONFIGURATION),
    "instances-received": Kind(event=INSTANCES_TRANSFERRED, action="C"),
    "instances-imported": Kind(event=IMPORT, action="C", media=URI),
    "study-imported": Kind(event=IMPORT, action="C", media=URI),
    "import-requested": Kind(event=BEGIN_TRANSFERRING, action="E"),
    "import-canceled": Kind(event=BEGIN_TRANSFERRING, action="E"),
    "retrieve-requested": Kind(event=BEGIN_TRANSFERRING, action="E", archive=SOURCE),
    "studies-searched": Kind(event=QUERY, action="E"),
    "archive-queried": Kind(event=QUERY, action="E", archive=DESTINATION),
    "study-viewed": Kind(event=INSTANCES_ACCESSED, action="R"),
    "study-deleted": Kind(event=STUDY_DELETED, action="D"),
    "study-purged": Kind(event=STUDY_DELETED, action="D"),
    "film-printed": Kind(event=EXPORT, action="R", media=FILM),
    "film-downloaded": Kind(event=EXPORT, action="R", media=URI),
    "disc-burned": Kind(event=EXPORT, action="R", media=CD),
    "disc-downloaded": Kind(event=EXPORT, action="R", media=URI),
    "backup-made": Kind(event=EXPORT, action="R", media=URI),
    "backup-restored": Kind(event=IMPORT, action="C", media=URI),
    "films-purged": Kind(event=PATIENT_RECORD, action="D"),
    "disc-images-purged": Kind(event=PATIENT_RECORD, action="D"),
    "audit-viewed": _LOG_USED,
    "audit-exported": _LOG_USED,
    "audit-purged": Kind(event=SECURITY_ALERT, action="E", type=SECURITY_CONFIGURATION),
}

OF_OBJECTS: dict[str, Kind] = {
    "print-job": _CHANGED_RECORD,
    "disc": _CHANGED_RECORD,
    "study": _CHANGED_RECORD,
    "instance": _CHANGED_RECORD,
    "peer": _NETWORK,
    "user": _PEOPLE,
    "token": _PEOPLE,
}
"""For events that are not named above, by what they are about."""

LOOKS = ("-viewed", "-listed", "-shown")


def kind_of(event: str, object_kind: str) -> Kind:
    """The kind of an event; one nobody named is told by its object, and a change of settings when nothing is known."""
    if event in KINDS:
        return KINDS[event]
    if event.endswith(LOOKS):
        return _LOOKED
    return OF_OBJECTS.get(object_kind, _SETTING)
