"""An entry of the audit trail as the XML message of PS3.15 A.5. Pure."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from sqlalchemy import Row

from appliance.upkeep import audit_codes as codes
from appliance.upkeep.audit_codes import Code, Kind, kind_of

MEDIA_TYPES = {"cd": codes.CD, "dvd": codes.DVD, "usb": codes.USB, "zip": codes.URI}
OUTCOMES = {"success": "0", "warning": "4", "failure": "4"}
"""Ours -> EventOutcomeIndicator; anything else is a serious failure, 8."""

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'
"""Without a line's end: collectors write control characters as #012, and what they keep is no XML then."""

RFC_3881 = "RFC-3881"
OURS = "99APPLIANCE"
# ParticipantObjectIDTypeCode, type code, role (A.5.1.2): of each kind of object
STUDY = ("110180", "DCM", "Study Instance UID", "2", "3")
PATIENT = ("2", RFC_3881, "Patient Number", "1", "1")
USER = ("11", RFC_3881, "User Identifier", "1", "6")
PEER = ("110182", "DCM", "Node ID", "2", "13")
LOG = ("12", RFC_3881, "URI", "2", "13")
SEARCH = ("10", RFC_3881, "Search Criteria", "2", "24")
SOP_CLASS = ("110181", "DCM", "SOP Class UID", "2", "3")
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
OBJECTS = {"study": STUDY, "user": USER, "peer": PEER, "audit": LOG}


@dataclass(frozen=True, kw_only=True)
class Source:
    """Who reports: this appliance."""

    ae_title: str
    host: str
    site: str = ""


def message(entry: Row[Any], source: Source) -> bytes:
    """The AuditMessage of one entry, UTF-8."""
    kind = kind_of(entry.event, entry.object_kind)
    root = ET.Element("AuditMessage")
    _event(root, entry, kind)
    _participants(root, entry, source, kind)
    site = {"AuditEnterpriseSiteID": source.site} if source.site else {}
    reporter = ET.SubElement(root, "AuditSourceIdentification", {**site, "AuditSourceID": source.host})
    ET.SubElement(reporter, "AuditSourceTypeCode", {"csd-code": "4"})
    _objects(root, entry, source, kind)
    return DECLARATION + ET.tostring(root, "utf-8")


def _event(root: ET.Element, entry: Row[Any], kind: Kind) -> None:
    attributes = {
        "EventActionCode": kind.action,
        "EventDateTime": entry.at.isoformat(timespec="milliseconds"),
        "EventOutcomeIndicator": OUTCOMES.get(entry.outcome, "8"),
    }
    event = ET.SubElement(root, "EventIdentification", attributes)
    _coded(event, "EventID", kind.event)
    if kind.type is not None:
        _coded(event, "EventTypeCode", kind.type)
    ET.SubElement(event, "EventOutcomeDescription").text = _xml(f"{entry.event}: {entry.outcome}")


def _participants(root: ET.Element, entry: Row[Any], source: Source, kind: Kind) -> None:
    """Who asked for it, this appliance, and what the data left on."""
    asker = {"UserID": _xml(entry.actor) or "unknown", "UserIsRequestor": "true"}
    if entry.address:
        asker |= {"NetworkAccessPointID": entry.address, "NetworkAccessPointTypeCode": "2"}
    asking = ET.SubElement(root, "ActiveParticipant", asker)
    us = {"UserID": source.ae_title, "UserIsRequestor": "false", "NetworkAccessPointID": source.host}
    ours = ET.SubElement(root, "ActiveParticipant", {**us, "NetworkAccessPointTypeCode": "1"})
    role, our_role = codes.ROLES.get(kind.event, (None, codes.APPLICATION))
    if kind.archive is not None:  # who asked is neither end of it
        role, our_role = None, codes.SOURCE if kind.archive == codes.DESTINATION else codes.DESTINATION
        _participant(root, str(entry.detail.get("peer") or entry.object_id), kind.archive)
    if role:
        _coded(asking, "RoleIDCode", role)
    _coded(ours, "RoleIDCode", our_role)
    if kind.media is not None:
        role = codes.SOURCE_MEDIA if kind.event == codes.IMPORT else codes.DESTINATION_MEDIA
        media = _participant(root, _target(entry), role)
        written = MEDIA_TYPES.get(str(entry.detail.get("medium")), kind.media)
        _coded(ET.SubElement(media, "MediaIdentifier"), "MediaType", written)


def _participant(root: ET.Element, user: str, role: Code) -> ET.Element:
    made = ET.SubElement(root, "ActiveParticipant", {"UserID": _xml(user), "UserIsRequestor": "false"})
    _coded(made, "RoleIDCode", role)
    return made


def _target(entry: Row[Any]) -> str:
    """The printer or burner the data went to, else where it was taken along."""
    return str(entry.detail.get("printer") or entry.detail.get("burner") or entry.address or "file")


def _objects(root: ET.Element, entry: Row[Any], source: Source, kind: Kind) -> None:
    detail = entry.detail
    if kind.event == codes.QUERY:
        _queried(root, entry, kind)
    elif entry.object_kind:
        _about(root, entry, source, kind)
    for uid in detail.get("studies") or ():
        _object(root, STUDY, str(uid))
    if detail.get("patient_id"):
        _object(root, PATIENT, str(detail["patient_id"]))


def _about(root: ET.Element, entry: Row[Any], source: Source, kind: Kind) -> None:
    """What the entry is about, and all its details."""
    identified = OBJECTS.get(entry.object_kind) or (entry.object_kind, OURS, entry.object_kind, "2", "20")
    if kind.event == codes.AUDIT_LOG_USED:
        named = _object(root, identified, f"https://{source.host}/audit", "Security Audit Log")
    else:
        named = _object(root, identified, entry.object_id or entry.object_kind)
    if kind.event == codes.SECURITY_ALERT:
        _detail(named, "Alert Description", f"{entry.event}: {entry.outcome}")
    for key, value in entry.detail.items():
        if value not in ("", None, [], {}):
            _detail(named, _xml(key), str(value))


def _queried(root: ET.Element, entry: Row[Any], kind: Kind) -> None:
    """What was asked, of an archive by C-FIND or of our own index."""
    identified, identifier = (SOP_CLASS, STUDY_ROOT_FIND) if kind.archive else (SEARCH, entry.object_kind)
    made = _object(root, identified, identifier)
    made.remove(made[-1])
    query = json.dumps(entry.detail, ensure_ascii=False).encode()
    ET.SubElement(made, "ParticipantObjectQuery").text = base64.b64encode(query).decode()


def _detail(named: ET.Element, key: str, value: str) -> None:
    value64 = base64.b64encode(value.encode()).decode()
    ET.SubElement(named, "ParticipantObjectDetail", {"type": key, "value": value64})


def _object(root: ET.Element, kind: tuple[str, str, str, str, str], identifier: str, name: str = "") -> ET.Element:
    code, system, meaning, type_code, role = kind
    attributes = {
        "ParticipantObjectID": _xml(identifier),
        "ParticipantObjectTypeCode": type_code,
        "ParticipantObjectTypeCodeRole": role,
    }
    made = ET.SubElement(root, "ParticipantObjectIdentification", attributes)
    _coded(made, "ParticipantObjectIDTypeCode", (code, meaning), system)
    ET.SubElement(made, "ParticipantObjectName").text = _xml(name or identifier)
    return made


def _coded(parent: ET.Element, name: str, code: Code, system: str = "DCM") -> None:
    attributes = {"csd-code": code[0], "codeSystemName": system, "displayName": code[1], "originalText": code[1]}
    ET.SubElement(parent, name, attributes)


def _xml(text: str) -> str:
    """Without the control characters that XML 1.0 can't have."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
