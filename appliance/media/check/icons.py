"""Icon Image Sequence of a directory record (PS3.3 F.7): one small grey or palette picture, whole."""

from __future__ import annotations

from .dataset import Element, Encoding, elements, items, whole_number
from .finding import Findings

TAG = 0x00880200
LARGEST = 128
"""Pixels: cardiac profiles ask for 128; readers of the others need not take more than 64."""
_KINDS = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")


def check_icon(data: memoryview, where: str, findings: Findings, encoding: Encoding) -> None:
    """Say what is wrong with a record's icon; nothing where it has none."""
    if not data:
        return
    found = list(items(data, Element(TAG, b"SQ", 0, len(data), len(data)), encoding))
    if len(found) != 1:
        findings.error("icon", where, f"its icon has {len(found)} items, not one (PS3.3 F.7)")
        return
    values = {each.tag: bytes(data[each.start : each.end]) for each in elements(data, *found[0], encoding)}
    for text in _problems(values, encoding):
        findings.error("icon", where, f"its icon {text} (PS3.3 F.7)")


def _problems(values: dict[int, bytes], encoding: Encoding) -> list[str]:
    rows, columns, bits = (_number(values, tag, encoding) for tag in (0x00280010, 0x00280011, 0x00280100))
    kind = values.get(0x00280004, b"").decode("latin-1").strip(" \0")
    needed = -(-rows * columns * bits // 8)
    wrong = {
        "has no size": not rows or not columns,
        f"is larger than {LARGEST} pixels": max(rows, columns) > LARGEST,
        "is not of one sample a pixel": _number(values, 0x00280002, encoding) != 1,
        f"is {kind or 'of no kind'}, not grey or palette": kind not in _KINDS,
        "is not of 1 or 8 bits": bits not in (1, 8),
        "is signed": _number(values, 0x00280103, encoding) != 0,
        "is cut short": len(values.get(0x7FE00010, b"")) != needed + needed % 2,
    }
    return [text for text, is_wrong in wrong.items() if is_wrong]


def _number(values: dict[int, bytes], tag: int, encoding: Encoding) -> int:
    return whole_number(values.get(tag, b"")[:2], encoding)
