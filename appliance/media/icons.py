"""Icons in the directory by choice (PS3.3 F.7): one small grey picture for each IMAGE record, all of one size.

They are drawn into a scratch file, from which the directory is streamed: of 50,000 images they take 200 MB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from appliance.pixels import DEFAULT_LIMITS, Decoder, Limits, PixelError
from appliance.store import files

from .dicomdir import Entry
from .icon_element import icon_element
from .source import Placed

_AT_ONCE = 64


def with_icons(
    entries: Iterable[Entry],
    placed: Iterable[Placed],
    path: Path,
    made: Callable[[int], None] = lambda done: None,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[Entry, ...]:
    """Draw the icons of the entries that have room for one into the file `path`, one behind the other.

    An image that can't be shown has none, and no room for it any more. `made` is told bytes of images that are done.
    """
    entries = tuple(entries)
    by_id = {each.file_id: each for each in placed}
    images = [by_id[entry.reference.file_id] for entry in entries if entry.icon and entry.reference]
    without: set[tuple[str, ...]] = set()
    files.make_folder(path.parent)
    files.write_scratch(path, _drawn(images, without, made, limits))
    return tuple(replace(entry, icon=False) if _is_among(entry, without) else entry for entry in entries)


def _is_among(entry: Entry, without: set[tuple[str, ...]]) -> bool:
    return entry.icon and entry.reference is not None and entry.reference.file_id in without


def _drawn(
    images: Sequence[Placed], without: set[tuple[str, ...]], made: Callable[[int], None], limits: Limits
) -> Iterator[bytes]:
    """The icons; two at a time, as the decoder has two children."""
    done = 0
    with Decoder(limits=limits) as decoder, ThreadPoolExecutor(2) as threads:
        for start in range(0, len(images), _AT_ONCE):
            some = images[start : start + _AT_ONCE]
            for each, icon in zip(some, threads.map(lambda each: _icon(each, decoder), some), strict=True):
                if not icon:
                    without.add(each.file_id)
                yield icon
                done += each.size
                made(done)


def _icon(placed: Placed, decoder: Decoder) -> bytes:
    frames = max(1, placed.source.keys.NumberOfFrames)
    try:
        return icon_element(decoder.icon(Path(placed.source.path), (frames + 1) // 2))
    except PixelError:
        return b""
