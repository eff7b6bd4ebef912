"""Text from elsewhere, made so that it can't pass for other text.

A name with U+202E in it reads backwards from there on, and drags along what stands after it: a page, a label or a
list would show "exe.gnp" as "png.exe". Letters of every script stay, right-to-left ones among them, and so do the
plain marks (U+200E, U+200F) that such scripts need.
"""

from __future__ import annotations

import unicodedata
from typing import Any

TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe\uffff")
"""Characters that turn the direction of what follows them: embeddings, overrides, isolates."""


TO_GB_2312 = "\x1b$)A"
"""The escape sequence of ISO 2022 IR 58: pydicom reads the text behind it rightly, and leaves it in the text."""


def legible(text: str) -> str:
    """Without control characters (no XML, no terminal likes them) and direction overrides; lines kept."""
    if text.isprintable():
        return text
    text = text.replace(TO_GB_2312, "")
    return "".join(each for each in text if each in "\n\t" or (each not in TURNS and _is_text(each)))


def _is_text(letter: str) -> bool:
    return unicodedata.category(letter) not in ("Cc", "Cs", "Cn")


def finalized(value: Any) -> Any:
    """For templates: what a plain text is shown as. Markup of our own passes as it is."""
    return legible(value) if type(value) is str else value
