"""pydicom's errors stay as they are raised: imported by whatever reads what strangers sent.

It wraps an error about an element in one that quotes the whole trace, and again at each sequence around it: two and a
half times the text at each level. A value of one byte 40 levels deep would fill any memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydicom import dataset, filewriter


@contextmanager
def _as_raised(tag: object) -> Iterator[None]:
    yield


dataset.tag_in_exception = filewriter.tag_in_exception = _as_raised
