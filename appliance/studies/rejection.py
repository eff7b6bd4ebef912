"""Rejection notes: key object documents that say which instances must not be used (IHE RAD TF-3 4.66, CP 1152)."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from appliance.studies import elements
from appliance.studies.header import CONCEPT_NAME, REFERENCED_EVIDENCE
from appliance.studies.rejection_reasons import REASONS

KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """What a rejection note says."""

    code: str  # of REASONS
    instances: tuple[tuple[str, str], ...]  # (Study Instance UID, SOP Instance UID)


def named_by(sop_class_uid: str, header: Dataset) -> Rejected | None:
    """What an instance rejects; None when it is no rejection note."""
    if sop_class_uid != KEY_OBJECT_SELECTION:
        return None
    code = next(iter(_texts(elements.items(header, CONCEPT_NAME), 0x00080100)), "")
    scheme = next(iter(_texts(elements.items(header, CONCEPT_NAME), 0x00080102)), "")
    if code not in REASONS or scheme != "DCM":
        return None
    named = (
        (_text(study, 0x0020000D), uid)
        for study in elements.items(header, REFERENCED_EVIDENCE)
        for series in elements.items(study, 0x00081115)
        for uid in _texts(elements.items(series, 0x00081199), 0x00081155)
    )
    return Rejected(code=code, instances=tuple(named))


def _texts(items: list[Dataset], tag: int) -> list[str]:
    return [_text(item, tag) for item in items]


def _text(item: Dataset, tag: int) -> str:
    return elements.value_bytes(item, tag, "UI").decode("ascii", "replace").strip()[:64]
