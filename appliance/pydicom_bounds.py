"""pydicom within bounds: imported by whatever reads what strangers sent.

Its errors stay as they are raised. It wraps one about an element in one that quotes the whole trace, and again at each
sequence around it: two and a half times the text at each level. One byte 40 levels deep would fill any memory.

Of a Specific Character Set the first terms count. It looks each unknown one up among Python's codecs, which takes 20 us
and keeps the name for ever: 60 KB of them in each item of a sequence took minutes, and ever others the memory.
"""

from __future__ import annotations

import codecs
import encodings
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from encodings.aliases import aliases
from types import SimpleNamespace

from pydicom import charset, dataset, filereader, filewriter

MOST_TERMS = 64
"""More than PS3.3 C.12.1.1.2 defines."""

_CODECS = frozenset({*aliases, *aliases.values()})
_convert = charset.convert_encodings


@contextmanager
def _as_raised(tag: object) -> Iterator[None]:
    yield


def _convert_few(terms: None | str | MutableSequence[str]) -> list[str]:
    return _convert(terms if terms is None or isinstance(terms, str) else terms[:MOST_TERMS])


def _look_up(name: str) -> None:
    if encodings.normalize_encoding(name).lower() not in _CODECS:
        raise LookupError


dataset.tag_in_exception = filewriter.tag_in_exception = _as_raised
for module in (charset, dataset, filereader, filewriter):
    vars(module)["convert_encodings"] = _convert_few
vars(charset)["codecs"] = SimpleNamespace(lookup=_look_up, getincrementalencoder=codecs.getincrementalencoder)
