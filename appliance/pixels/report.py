"""Documents as plain trees a page can show: structured reports, encapsulated PDF and CDA. Runs in the child.

What comes out is JSON of known shape, text only: nothing of a hostile document reaches a page as markup.
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from pydicom import Dataset

from appliance.pixels.errors import DamagedPixelsError, NotShownError, TooLargeError
from appliance.words import say

MAX_NODES = 20_000
MAX_DEPTH = 40

# CDA narrative block (HL7 CDA R2 4.3.5): element -> the HTML element it is shown as
NARRATIVE = {
    "section": "section",
    "title": "h3",
    "text": "div",
    "paragraph": "p",
    "content": "span",
    "list": "ul",
    "item": "li",
    "table": "table",
    "thead": "thead",
    "tbody": "tbody",
    "tr": "tr",
    "th": "th",
    "td": "td",
    "caption": "p",
    "br": "br",
}


def structured_report(header: Dataset) -> dict[str, Any]:
    """An SR document (PS3.3 C.17.3) as {title, completed, verified, date, children: [node]}.

    A node is {relation, type, name, value, reference, children}; `reference` is the SOP Instance UID of an IMAGE,
    COMPOSITE or WAVEFORM item.
    """
    if not header.get("ValueType") and not header.get("ContentSequence"):
        raise NotShownError(say("This object is no document."))
    left = [MAX_NODES]
    return {
        "title": _meaning(header.get("ConceptNameCodeSequence")),
        "completed": str(header.get("CompletionFlag") or ""),
        "verified": str(header.get("VerificationFlag") or ""),
        "date": str(header.get("ContentDate") or ""),
        "children": [_node(item, left, 0) for item in header.get("ContentSequence") or []],
    }


def references(header: Dataset) -> list[str]:
    """SOP Instance UIDs of the images a presentation state is for, wherever its kind names them (PS3.3 C.11)."""
    found = [
        str(image.get("ReferencedSOPInstanceUID") or "")
        for element in header.iterall()
        if element.keyword == "ReferencedImageSequence"
        for image in element.value
    ]
    return list(dict.fromkeys(found))[:MAX_NODES]


def _node(item: Dataset, left: list[int], depth: int) -> dict[str, Any]:
    left[0] -= 1
    if left[0] < 0 or depth > MAX_DEPTH:
        raise TooLargeError(say("The report has more parts than are shown here."))
    referenced = (item.get("ReferencedSOPSequence") or [Dataset()])[0]
    return {
        "relation": str(item.get("RelationshipType") or ""),
        "type": str(item.get("ValueType") or ""),
        "name": _meaning(item.get("ConceptNameCodeSequence")),
        "value": _value(item),
        "reference": str(referenced.get("ReferencedSOPInstanceUID") or ""),
        "children": [_node(child, left, depth + 1) for child in item.get("ContentSequence") or []],
    }


def _value(item: Dataset) -> str:
    kind = item.get("ValueType")
    if kind == "NUM":
        return _measured(item)
    if kind == "CODE":
        return _meaning(item.get("ConceptCodeSequence"))
    if kind == "SCOORD":
        return str(item.get("GraphicType") or "")
    keywords = {"TEXT": "TextValue", "PNAME": "PersonName", "UIDREF": "UID"}
    keywords |= {"DATE": "Date", "TIME": "Time", "DATETIME": "DateTime"}
    return str(item.get(keywords.get(str(kind), "")) or "") if kind in keywords else ""


def _measured(item: Dataset) -> str:
    measured = (item.get("MeasuredValueSequence") or [None])[0]
    if measured is None:
        return _meaning(item.get("NumericValueQualifierCodeSequence"))
    unit = (measured.get("MeasurementUnitsCodeSequence") or [Dataset()])[0]
    # UCUM's "1" means no unit
    sign = str(unit.get("CodeValue") or unit.get("CodeMeaning") or "").replace("[", "").replace("]", "")
    return f"{measured.get('NumericValue', '')} {'' if sign == '1' else sign}".strip()


def _meaning(sequence: Any) -> str:
    return str(sequence[0].get("CodeMeaning") or sequence[0].get("CodeValue") or "") if sequence else ""


def encapsulated_document(header: Dataset) -> tuple[dict[str, Any], bytes]:
    """An encapsulated document: PDF as its bytes, CDA as {narrative: [node]} where a node is text or [tag, *nodes]."""
    data = header.get("EncapsulatedDocument")
    if not data:
        raise NotShownError(say("This object is no document."))
    length = int(header.get("EncapsulatedDocumentLength") or len(data))
    data = bytes(data[:length])
    about = {"title": str(header.get("DocumentTitle") or "") or _meaning(header.get("ConceptNameCodeSequence"))}
    # the standard itself writes text/XML (PS3.3 A.45.2); types are the same in any case (RFC 2045 5.1)
    kind = str(header.get("MIMETypeOfEncapsulatedDocument") or "").partition(";")[0].strip().lower()
    if kind == "application/pdf":
        if b"%PDF-" not in data[:1024]:
            raise DamagedPixelsError(say("The document says it is PDF and is not."))
        return {**about, "kind": "pdf"}, data
    if kind in ("text/xml", "application/xml", "application/hl7-cda+xml"):
        return {**about, "kind": "cda", "narrative": _Narrative().read(data)}, b""
    raise NotShownError(say("Documents of the kind %(kind)s are not shown here.", kind=kind or "that is not said"))


class _Narrative:
    """Picks the narrative text out of a CDA document."""

    def __init__(self) -> None:
        self.root: list[Any] = ["div"]
        self.open: list[list[Any] | None] = [self.root]  # None: an element that is not shown itself
        self.left = MAX_NODES
        self.texts = 0  # how many text or title elements we are in

    def read(self, data: bytes) -> list[Any]:
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            raise DamagedPixelsError(say("The document is no proper XML (line %(line)s).", line=error.lineno)) from None
        return self.root[1:]

    def _refuse(self, *declaration: object) -> None:
        raise NotShownError(say("The document declares types of its own; such are not shown here."))

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.left -= 1
        if self.left < 0 or len(self.open) > MAX_DEPTH:
            raise TooLargeError(say("The document has more parts than are shown here."))
        local = name.rsplit(":", 1)[-1]
        self.texts += local in ("text", "title")
        shown = local in NARRATIVE and (self.texts or local == "section")
        node: list[Any] | None = [NARRATIVE[local]] if shown else None
        if node is not None:
            self._parent().append(node)
        self.open.append(node)

    def _end(self, name: str) -> None:
        self.texts -= name.rsplit(":", 1)[-1] in ("text", "title")
        self.open.pop()

    def _text(self, text: str) -> None:
        if self.texts and text.strip():
            self._parent().append(text)

    def _parent(self) -> list[Any]:
        return next(node for node in reversed(self.open) if node is not None)
