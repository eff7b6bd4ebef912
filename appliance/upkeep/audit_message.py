"""An entry of the audit trail as the XML message of PS3.15 A.5. Pure."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from sqlalchemy import Row

from appliance.upkeep import audit_codes as codes
from appliance.upkeep.audit_codes import Code, Kind, kind_of

OUTCOMES = {"success": "0", "warning": "4", "failure": "4"}
"""Ours -> EventOutcomeIndicator; anything else is a serious failure, 8."""

RFC_3881 = "RFC-3881"
OURS = "99APPLIANCE"
# ParticipantObjectIDTypeCode, type code, role (A.5.1.2): of each kind of object
STUDY = ("110180", "DCM", "Study Instance UID", "2", "3")
PATIENT = ("2", RFC_3881, "Patient Number", "1", "1")
USER = ("11", RFC_3881, "User Identifier", "1", "6")
PEER = ("110182", "DCM", "Node ID", "2", "13")
LOG = ("12", RFC_3881, "URI", "2", "13")
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
    _objects(root, entry)
    return ET.tostring(root, "utf-8", xml_declaration=True)


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
    roles = _roles(kind)
    asking = ET.SubElement(root, "ActiveParticipant", asker)
    if roles[0]:
        _coded(asking, "RoleIDCode", roles[0])
    us = {"UserID": source.ae_title, "UserIsRequestor": "false", "NetworkAccessPointID": source.host}
    ours = ET.SubElement(root, "ActiveParticipant", {**us, "NetworkAccessPointTypeCode": "1"})
    _coded(ours, "RoleIDCode", roles[1])
    if kind.media is not None:
        target = {"UserID": _target(entry), "UserIsRequestor": "false"}
        media = ET.SubElement(root, "ActiveParticipant", target)
        _coded(media, "RoleIDCode", codes.DESTINATION_MEDIA)
        _coded(ET.SubElement(media, "MediaIdentifier"), "MediaType", kind.media)


def _roles(kind: Kind) -> tuple[Code | None, Code]:
    """Of the one who asks, and ours (A.5.3)."""
    if kind.event in (codes.INSTANCES_TRANSFERRED, codes.IMPORT):
        return codes.SOURCE, codes.DESTINATION
    if kind.event in (codes.EXPORT, codes.QUERY, codes.BEGIN_TRANSFERRING):
        return None, codes.SOURCE
    return None, codes.APPLICATION


def _target(entry: Row[Any]) -> str:
    """The printer or burner the data went to, else where it was taken along."""
    return _xml(str(entry.detail.get("printer") or entry.detail.get("burner") or entry.address or "file"))


def _objects(root: ET.Element, entry: Row[Any]) -> None:
    detail = entry.detail
    if entry.object_kind:
        kind = OBJECTS.get(entry.object_kind) or (entry.object_kind, OURS, entry.object_kind, "2", "20")
        named = _object(root, kind, entry.object_id or entry.object_kind)
        for key, value in detail.items():
            if value not in ("", None, [], {}):
                value64 = base64.b64encode(str(value).encode()).decode()
                ET.SubElement(named, "ParticipantObjectDetail", {"type": _xml(key), "value": value64})
    for uid in detail.get("studies") or ():
        _object(root, STUDY, str(uid))
    if detail.get("patient_id"):
        _object(root, PATIENT, str(detail["patient_id"]))


def _object(root: ET.Element, kind: tuple[str, str, str, str, str], identifier: str) -> ET.Element:
    code, system, meaning, type_code, role = kind
    attributes = {
        "ParticipantObjectID": _xml(identifier),
        "ParticipantObjectTypeCode": type_code,
        "ParticipantObjectTypeCodeRole": role,
    }
    made = ET.SubElement(root, "ParticipantObjectIdentification", attributes)
    _coded(made, "ParticipantObjectIDTypeCode", (code, meaning), system)
    ET.SubElement(made, "ParticipantObjectName").text = _xml(identifier)
    return made


def _coded(parent: ET.Element, name: str, code: Code, system: str = "DCM") -> None:
    attributes = {"csd-code": code[0], "codeSystemName": system, "displayName": code[1], "originalText": code[1]}
    ET.SubElement(parent, name, attributes)


def _xml(text: str) -> str:
    """Without the control characters that XML 1.0 can't have."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
