"""The barcodes of a label, as rectangles in mm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reportlab.graphics.barcode import code128, qr

from appliance.errors import UsageError
from appliance.words import say

from .label_layout import Barcode, Layout

QUIET = 10
"""Modules kept free on each side of Code 128 (ISO/IEC 15417); a QR code has four."""


@dataclass(frozen=True, kw_only=True)
class Rectangle:
    """A bar or module of a barcode, black."""

    left: float
    top: float
    width: float
    height: float


def bars(one: Barcode, layout: Layout, value: str) -> Iterator[Rectangle]:
    """The bars of a value; none for none. Raises UsageError when they lie where nothing can be printed."""
    if not value:
        return
    if not layout.holds(one.left, one.top, one.left + one.width, one.top + one.height):
        raise UsageError(
            say("The %(kind)s barcode of the label lies where nothing can be printed", kind=one.kind), field="layout"
        )
    if one.kind == "qr":
        yield from _qr(one, value)
    elif one.kind == "code128":
        yield from _code128(one, value)
    else:
        raise UsageError(say("Labels have barcodes qr and code128, not %(kind)s", kind=one.kind), field="layout")


def _qr(one: Barcode, value: str) -> Iterator[Rectangle]:
    """QR code (ISO/IEC 18004), level M, runs of dark modules as one rectangle."""
    code = qr.QrCodeWidget(value, barLevel="M").qr
    code.make()
    count = code.getModuleCount()
    module = min(one.width, one.height) / (count + 8)
    for row in range(count):
        start = None
        for column in range(count + 1):
            dark = column < count and bool(code.modules[row][column])
            if dark and start is None:
                start = column
            elif not dark and start is not None:
                left, top = one.left + (start + 4) * module, one.top + (row + 4) * module
                yield Rectangle(left=left, top=top, width=(column - start) * module, height=module)
                start = None


def _code128(one: Barcode, value: str) -> Iterator[Rectangle]:
    """Code 128 (ISO/IEC 15417)."""
    code = code128.Code128(value, quiet=0)
    code.validate()
    code.encode()
    code.decompose()
    # a letter is an element: its case tells bar from space, its place in the alphabet the width in modules
    widths = [(each.isupper(), ord(each.lower()) - ord("a") + 1) for each in code.decomposed]
    module = one.width / (sum(width for _, width in widths) + 2 * QUIET)
    at = one.left + QUIET * module
    for is_bar, width in widths:
        if is_bar:
            yield Rectangle(left=at, top=one.top, width=width * module, height=one.height)
        at += width * module
