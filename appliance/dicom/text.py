"""Texts of film attributes as people wrote them: Specific Character Set, and a peer's assumed set (PS3.5 6.1)."""

from __future__ import annotations

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from appliance.dicom.domains import joined
from appliance.studies.charset import character_set, code_page, is_special


def raw_bytes(dataset: Dataset, keyword: str) -> bytes | None:
    """The bytes of an element as they arrived; None when absent or already read."""
    element = dataset.get_item(Tag(keyword))
    return element.value or b"" if isinstance(element, RawDataElement) else None


def text_of(dataset: Dataset, keyword: str, declared: str, assumed: str) -> str | None:
    """A text of `dataset`, decoded; None when absent.

    `declared` is the Specific Character Set in force (the film session's, or the data set's own), `assumed` the peer's:
    a DICOM term or the name of a code page (cp1251, gb18030), used where `declared` is absent or can't be true.
    """
    if keyword not in dataset:
        return None
    raw = raw_bytes(dataset, keyword)
    if raw is None:
        element = dataset[keyword]
        return "" if element.VR == "SQ" else joined(element.value or "").strip(" \0")
    return decode(raw, declared, assumed).strip(" \0")


def decode(raw: bytes, declared: str, assumed: str) -> str:
    """Bytes as text, by the declared set when that can be true, else by the assumed one."""
    declared_set = character_set(declared.encode("ascii", "replace"), raw, "" if code_page(assumed) else assumed)
    if not is_special(raw) or declared_set.source != "guessed":
        return declared_set.text(raw)
    name = code_page(assumed)
    if name:
        try:
            return raw.decode(name)
        except UnicodeDecodeError:
            pass
    return declared_set.text(raw)
