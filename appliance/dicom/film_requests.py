"""What data sets of the film session tree say besides the tables: references, character set, study."""

from __future__ import annotations

import logging
from typing import Any

from pydicom.dataset import Dataset

from appliance.dicom.answering import INVALID_VALUE, MISSING_ATTRIBUTE, MISSING_VALUE, StatusError
from appliance.dicom.film_attributes import Reading, sent_value

log = logging.getLogger(__name__)


def referenced(dataset: Dataset, keyword: str) -> str | None:
    """The instance UID a reference sequence names; None when absent, "" when it names none."""
    items = sent_value(dataset, keyword)
    if items is None or items == "" or isinstance(items, str):
        return None if items is None else ""
    return str(sent_value(items[0], "ReferencedSOPInstanceUID") or "").strip(" \0")


def charset_of(dataset: Dataset) -> str:
    """Specific Character Set as sent; "" without."""
    value = sent_value(dataset, "SpecificCharacterSet")
    return (
        "" if value is None else "\\".join([value] if isinstance(value, str) else [str(part or "") for part in value])
    )


def sent_session(dataset: Dataset, reading: Reading) -> dict[str, Any]:
    """What the modality sent, the study it proposed included: the only standard place for a patient in print."""
    sent = dict(reading.sent)
    studies = sent_value(dataset, "ProposedStudySequence")
    if studies and not isinstance(studies, str):
        sent["ProposedStudySequence"] = studies[0].to_json_dict(suppress_invalid_tags=True)
        log.debug("proposed study: %s", sent["ProposedStudySequence"])
    return sent


def check_position(dataset: Dataset, own: int) -> None:
    """Image Box Position must be the addressed box's own. Raises StatusError (0106, 0120, 0121)."""
    position = sent_value(dataset, "ImageBoxPosition")
    if position in (None, ""):
        status = MISSING_ATTRIBUTE if position is None else MISSING_VALUE
        raise StatusError(status, "ImageBoxPosition is missing", ("ImageBoxPosition",))
    if position != own:
        words = f"Image Box Position {str(position)[:8]} is not the box's, {own}"
        raise StatusError(INVALID_VALUE, words, ("ImageBoxPosition",))
