"""Min and Max Density kept within the printer's range (PS3.3 C.13.3: B605 and the printer's limit)."""

from __future__ import annotations

import logging
from typing import Any

from appliance.dicom.answering import INVALID_VALUE, VALUE_OUT_OF_RANGE, StatusError
from appliance.dicom.film_attributes import DENSITY_OUT_OF_RANGE, Reading
from appliance.film.sheet import Sheet

log = logging.getLogger(__name__)


def keep_densities(reading: Reading, values: dict[str, Any], sheet: Sheet, *, strict: bool) -> None:
    """Bring `MinDensity` and `MaxDensity` of `values` into the sheet's range, with a warning of the reading for each.

    Max Density 0 and a range turned round mean nothing set (trap 19), except to a strict peer: 0106.
    """
    low, high = values.get("MinDensity"), values.get("MaxDensity")
    if high == 0 and not strict:
        log.info("Max Density 0 is taken as not set")
        low, high = low or None, None
    if low is not None and high is not None and low >= high:
        low, high = _turned_round(reading, strict)
    lowest, highest = round(sheet.min_density * 100), round(sheet.max_density * 100)
    if high is not None and not lowest < high <= highest:
        high = _limited(reading, "MaxDensity", high, highest)
    if low is not None and not lowest <= low < highest:
        low = _limited(reading, "MinDensity", low, lowest)
    values["MinDensity"], values["MaxDensity"] = low, high


def _turned_round(reading: Reading, strict: bool) -> tuple[None, None]:
    words = "Min Density is not below Max Density"
    if strict:
        raise StatusError(INVALID_VALUE, words, ("MinDensity", "MaxDensity"))
    reading.warn(VALUE_OUT_OF_RANGE, "MinDensity", words + ", the printer's range is used")
    return None, None


def _limited(reading: Reading, keyword: str, asked: int, limit: int) -> int:
    reading.warn(DENSITY_OUT_OF_RANGE, keyword, f"{keyword} {asked} is out of range, {limit} used")
    return limit
