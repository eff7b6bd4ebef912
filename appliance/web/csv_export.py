"""Tables as CSV that a spreadsheet shows and never runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from appliance.legible import legible

DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell that a spreadsheet takes for a formula begins with."""


def safe_cell(value: object) -> str:
    """A value as text; an apostrophe before what would be a formula."""
    text = "" if value is None else legible(str(value))
    return f"'{text}" if text.lstrip(" ").startswith(DANGEROUS) else text


def lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """CSV, a row at a time, with a byte order mark so that spreadsheets read every script."""
    yield "\ufeff"
    for row in rows:
        buffer = io.StringIO()
        csv.writer(buffer).writerow([safe_cell(value) for value in row])
        yield buffer.getvalue()
