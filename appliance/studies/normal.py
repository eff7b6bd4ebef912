"""Text as people search it: any script, without case, accents or the order of a name's parts."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

LONGEST = 64
_WITHOUT_SPACES = (  # kana, Han, Hangul
    ("\u3040", "\u30ff"),
    ("\u3400", "\u9fff"),
    ("\uac00", "\ud7af"),
    ("\uf900", "\ufaff"),
    ("\U00020000", "\U0003ffff"),
)
"""Scripts whose words follow each other without spaces: a word is found by any of its ends."""


def words(text: str) -> list[str]:
    """The words of a text, folded; what is neither letter nor digit parts them."""
    folded = fold(text)
    return "".join(letter if letter.isalnum() else " " for letter in folded).split()


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Compatibility forms, case and accents taken away: MÜLLER and muller are one."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    bare = "".join(letter for letter in decomposed if unicodedata.category(letter) != "Mn")
    return unicodedata.normalize("NFC", bare)


def indexed(text: str) -> set[str]:
    """The words a text is found by: each word, and each end of a word in a script without spaces."""
    found = set()
    for word in words(text):
        found.add(word[:LONGEST])
        if any(_is_without_spaces(letter) for letter in word):
            found.update(word[start : start + LONGEST] for start in range(1, len(word)))
    return found


def identifiers(text: str) -> set[str]:
    """The words an identifier is found by: whole without its punctuation, and its parts."""
    parts = words(text)
    return {"".join(parts)[:LONGEST], *(part[:LONGEST] for part in parts)} - {""}


def _is_without_spaces(letter: str) -> bool:
    return any(first <= letter <= last for first, last in _WITHOUT_SPACES)


def after(prefix: str) -> str:
    """The first text above all that begin with `prefix`."""
    return prefix + "\U0010ffff"
