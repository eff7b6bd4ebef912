"""Internet Printing Protocol messages as bytes and back (RFC 8010), and the numbers this client uses (RFC 8011).

Attributes read from a printer are plain Python values in lists (`IppMessage.groups`); attributes to be sent are made by
the functions named after their syntax. What a printer sends is foreign: sizes, depth and counts are bounded, and a
message that breaks the rules raises MalformedMessageError, never anything else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from appliance.words import say

# RFC 8011 section 5.4.15, table 19
OPERATIONS = {
    "Print-Job": 0x0002,
    "Validate-Job": 0x0004,
    "Create-Job": 0x0005,
    "Send-Document": 0x0006,
    "Cancel-Job": 0x0008,
    "Get-Job-Attributes": 0x0009,
    "Get-Jobs": 0x000A,
    "Get-Printer-Attributes": 0x000B,
}

# RFC 8010 section 3.5.1, table 2: delimiter tags
OPERATION_GROUP, JOB_GROUP, END, PRINTER_GROUP, UNSUPPORTED_GROUP = 0x01, 0x02, 0x03, 0x04, 0x05

# RFC 8010 section 3.5.2, tables 3 to 6: value tags
UNSUPPORTED, UNKNOWN, NO_VALUE = 0x10, 0x12, 0x13
INTEGER, BOOLEAN, ENUM = 0x21, 0x22, 0x23
OCTET_STRING, DATE_TIME, RESOLUTION, RANGE_OF_INTEGER = 0x30, 0x31, 0x32, 0x33
BEGIN_COLLECTION, TEXT_WITH_LANGUAGE, NAME_WITH_LANGUAGE, END_COLLECTION = 0x34, 0x35, 0x36, 0x37
TEXT, NAME, KEYWORD, URI, URI_SCHEME, CHARSET, LANGUAGE, MIME_TYPE = 0x41, 0x42, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49
MEMBER_NAME = 0x4A

DOTS_PER_INCH = 3  # units of a resolution; 4 is dots per centimetre

MAX_DEPTH = 8  # collections within collections
MAX_VALUES = 50_000  # in one message

# RFC 8011 appendix B: status codes
STATUS = {
    0x0000: "successful-ok",
    0x0001: "successful-ok-ignored-or-substituted-attributes",
    0x0002: "successful-ok-conflicting-attributes",
    0x0400: "client-error-bad-request",
    0x0401: "client-error-forbidden",
    0x0402: "client-error-not-authenticated",
    0x0403: "client-error-not-authorized",
    0x0404: "client-error-not-possible",
    0x0405: "client-error-timeout",
    0x0406: "client-error-not-found",
    0x0407: "client-error-gone",
    0x0408: "client-error-request-entity-too-large",
    0x0409: "client-error-request-value-too-long",
    0x040A: "client-error-document-format-not-supported",
    0x040B: "client-error-attributes-or-values-not-supported",
    0x040C: "client-error-uri-scheme-not-supported",
    0x040D: "client-error-charset-not-supported",
    0x040E: "client-error-conflicting-attributes",
    0x040F: "client-error-compression-not-supported",
    0x0410: "client-error-compression-error",
    0x0411: "client-error-document-format-error",
    0x0412: "client-error-document-access-error",
    0x0500: "server-error-internal-error",
    0x0501: "server-error-operation-not-supported",
    0x0502: "server-error-service-unavailable",
    0x0503: "server-error-version-not-supported",
    0x0504: "server-error-device-error",
    0x0505: "server-error-temporary-error",
    0x0506: "server-error-not-accepting-jobs",
    0x0507: "server-error-busy",
    0x0508: "server-error-job-canceled",
    0x0509: "server-error-multiple-document-jobs-not-supported",
    0x050A: "server-error-printer-is-deactivated",
    0x050B: "server-error-too-many-jobs",
    0x050C: "server-error-too-many-documents",
}

Attributes = dict[str, list[Any]]


class MalformedMessageError(ValueError):
    """The other side did not send an IPP message."""


@dataclass(frozen=True, kw_only=True)
class IppMessage:
    """An answer: its status, and its groups of attributes in order."""

    status_code: int
    request_id: int
    groups: list[tuple[int, Attributes]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return self.status_code < 0x0100

    @property
    def status(self) -> str:
        return STATUS.get(self.status_code, f"status 0x{self.status_code:04x}")

    def all(self, group: int) -> list[Attributes]:
        """Each group of one kind, e.g. one for each job of Get-Jobs."""
        return [attributes for tag, attributes in self.groups if tag == group]

    def first(self, group: int) -> Attributes:
        """The first group of one kind, empty when there is none."""
        return next(iter(self.all(group)), {})

    @property
    def message(self) -> str:
        """The printer's own words on the status, if any."""
        return str(value(self.first(OPERATION_GROUP), "status-message", ""))


def value(attributes: Attributes, name: str, default: Any = None) -> Any:
    """The first value of an attribute, or `default`. An out-of-band value counts as none."""
    values = attributes.get(name) or [default]
    return default if values[0] is None else values[0]


# ---------------------------------------------------------------------------------------------------- to bytes


def attribute(name: str, tag: int, *values: bytes) -> bytes:
    """One attribute with its values already encoded; further values have no name (RFC 8010 3.1.5)."""
    out = b""
    for index, data in enumerate(values):
        key = b"" if index else name.encode("ascii")
        out += struct.pack(">BH", tag, len(key)) + key + struct.pack(">H", len(data)) + data
    return out


def integer(name: str, *numbers: int, tag: int = INTEGER) -> bytes:
    return attribute(name, tag, *(struct.pack(">i", number) for number in numbers))


def enum(name: str, *numbers: int) -> bytes:
    return integer(name, *numbers, tag=ENUM)


def boolean(name: str, truth: bool) -> bytes:
    return attribute(name, BOOLEAN, b"\x01" if truth else b"\x00")


def keyword(name: str, *words: str) -> bytes:
    return attribute(name, KEYWORD, *(word.encode("ascii", "replace") for word in words))


def text(name: str, tag: int, words: str, limit: int) -> bytes:
    """A string of at most `limit` bytes, cut between characters."""
    data = words.encode("utf-8")[:limit].decode("utf-8", "ignore").encode("utf-8")
    return attribute(name, tag, data)


def resolution(name: str, across: int, along: int) -> bytes:
    return attribute(name, RESOLUTION, struct.pack(">iib", across, along, DOTS_PER_INCH))


def collection(name: str, members: list[bytes]) -> bytes:
    """A collection of attributes made by the functions above (RFC 8010 3.1.6)."""
    return attribute(name, BEGIN_COLLECTION, b"") + b"".join(map(_member, members)) + attribute("", END_COLLECTION, b"")


def _member(data: bytes) -> bytes:
    """An attribute as a member: its name moves into a value of its own."""
    tag, length = struct.unpack_from(">BH", data)
    name, rest = data[3 : 3 + length], data[3 + length :]
    return attribute("", MEMBER_NAME, name) + struct.pack(">BH", tag, 0) + rest


def request(operation: str, request_id: int, operation_attributes: bytes, job_attributes: bytes, version: int) -> bytes:
    """A whole request up to the document. `version` is 0x0200 for 2.0."""
    head = struct.pack(">HHi", version, OPERATIONS[operation], request_id) + bytes([OPERATION_GROUP])
    head += attribute("attributes-charset", CHARSET, b"utf-8")
    head += attribute("attributes-natural-language", LANGUAGE, b"en") + operation_attributes
    return head + (bytes([JOB_GROUP]) + job_attributes if job_attributes else b"") + bytes([END])


# -------------------------------------------------------------------------------------------------- from bytes


def parse(data: bytes) -> IppMessage:
    """An answer. Raises MalformedMessageError."""
    return _Parser(data).message()


class _Parser:
    """Reads one message; knows how far it is and how many values it has read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.values = 0

    def message(self) -> IppMessage:
        _, status_code, request_id = struct.unpack(">HHi", self.take(8))
        groups: list[tuple[int, Attributes]] = []
        while (tag := self.byte()) != END:
            if tag < 0x10:
                groups.append((tag, {}))
            elif not groups:
                raise MalformedMessageError(say("an attribute before any group"))
            else:
                self.attribute(tag, groups[-1][1])
        return IppMessage(status_code=status_code, request_id=request_id, groups=groups)

    def attribute(self, tag: int, attributes: Attributes) -> None:
        name = self.string().decode("utf-8", "replace")
        if not name and not attributes:
            raise MalformedMessageError(say("a further value of no attribute"))
        name = name or next(reversed(attributes))
        attributes.setdefault(name, []).append(self.value(tag, self.string(), 0))

    def value(self, tag: int, data: bytes, depth: int) -> Any:
        self.values += 1
        if self.values > MAX_VALUES:
            raise MalformedMessageError(say("more than %(max_values)s values", max_values=MAX_VALUES))
        return self.collection(depth + 1) if tag == BEGIN_COLLECTION else decoded(tag, data)

    def collection(self, depth: int) -> Attributes:
        if depth > MAX_DEPTH:
            raise MalformedMessageError(say("collections nested more than %(max_depth)s deep", max_depth=MAX_DEPTH))
        members: Attributes = {}
        name = ""
        while (tag := self.byte()) != END_COLLECTION:
            self.string()  # empty: a member's name is a value
            data = self.string()
            if tag == MEMBER_NAME:
                name = data.decode("utf-8", "replace")
            else:
                members.setdefault(name, []).append(self.value(tag, data, depth))
        self.string()
        self.string()
        return members

    def take(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        if len(piece) < count:
            raise MalformedMessageError(say("the message ends too early"))
        self.at += count
        return piece

    def byte(self) -> int:
        return self.take(1)[0]

    def string(self) -> bytes:
        return self.take(int.from_bytes(self.take(2), "big"))


# tag -> struct format of its value
NUMBERS = {INTEGER: ">i", ENUM: ">i", BOOLEAN: ">?", RESOLUTION: ">iib", RANGE_OF_INTEGER: ">ii"}


def decoded(tag: int, data: bytes) -> Any:
    """One value: int, bool, str, bytes, (low, high), (across, along, units), or None for an out-of-band value."""
    if tag < 0x20:
        return None
    if tag in NUMBERS:
        try:
            numbers = struct.unpack(NUMBERS[tag], data)
        except struct.error:
            raise MalformedMessageError(
                say("a value of tag 0x%(tag)s has %(data)s bytes", tag=f"{tag:02x}", data=len(data))
            ) from None
        return numbers[0] if len(numbers) == 1 else numbers
    if tag in (TEXT_WITH_LANGUAGE, NAME_WITH_LANGUAGE):
        return _without_language(data).decode("utf-8", "replace")
    return data if tag in (OCTET_STRING, DATE_TIME) else data.decode("utf-8", "replace")


def _without_language(data: bytes) -> bytes:
    """RFC 8010 3.9: length, language, length, text."""
    length = int.from_bytes(data[:2], "big")
    return data[4 + length :]
