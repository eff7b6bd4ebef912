"""Which font has the glyphs of a text: the shipped one, then those of the machine.

Only a font's character map is read here (OpenType ``cmap``); drawing is Pillow's.
"""

from __future__ import annotations

import mmap
import struct
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from appliance.errors import PASSING
from appliance.resources import shipped

SYSTEM_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
SUFFIXES = (".ttf", ".otf", ".ttc")
_PREFERRED = ("NotoSansCJK", "NotoSans", "NotoNaskh", "NotoSerif", "Noto", "DejaVuSans", "")
_STYLED = ("Bold", "Italic", "Oblique", "Light", "Thin", "Black", "Medium", "Condensed", "Mono")
_CJK_FACES = {"japanese": 0, "korean": 1, "chinese": 2}  # of NotoSansCJK-Regular.ttc


@dataclass(frozen=True)
class Font:
    """One face of a font file."""

    path: Path
    index: int = 0

    def at(self, size: float) -> ImageFont.FreeTypeFont:
        """The font at `size` pixels an em."""
        return _loaded(self.path, self.index, round(size, 2))

    def has(self, character: str) -> bool:
        ranges = _code_points(self.path, self.index)
        at = bisect_right(ranges, (ord(character), sys.maxunicode)) - 1
        return at >= 0 and ranges[at][0] <= ord(character) <= ranges[at][1]


@dataclass(frozen=True)
class Fonts:
    """Fonts in the order they are asked for a glyph: a site's own folders, the shipped font, the machine's."""

    folders: tuple[Path, ...] = ()  # a site's own
    system_folders: tuple[Path, ...] = SYSTEM_FOLDERS
    _found: dict[tuple[str, str], Font | None] = field(default_factory=dict, repr=False, compare=False)

    def font_for(self, character: str, text: str = "") -> Font | None:
        """The first font that has `character`, or None. `text` around it tells Japanese and Korean from Chinese."""
        key = character, _language(text)
        if key not in self._found:
            fonts = (_face(path, key[1]) for path in _paths(self.folders, self.system_folders))
            self._found[key] = next((font for font in fonts if font.has(character)), None)
        return self._found[key]


@lru_cache(maxsize=1)
def default_fonts() -> Fonts:
    """The shipped font and the machine's."""
    return Fonts()


def _language(text: str) -> str:
    if any("\u3040" <= character <= "\u30ff" for character in text):
        return "japanese"
    if any("\uac00" <= character <= "\ud7af" or "\u1100" <= character <= "\u11ff" for character in text):
        return "korean"
    return "chinese"


@lru_cache(maxsize=8)
def _paths(folders: Sequence[Path], system_folders: Sequence[Path]) -> tuple[Path, ...]:
    own = [path for folder in (*folders, shipped("layouts") / "fonts") for path in _font_files(folder)]
    system = [path for folder in system_folders for path in _font_files(folder) if not _is_styled(path)]
    return (*own, *sorted(system, key=_preference))


def _font_files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES)


def _is_styled(path: Path) -> bool:
    return any(style in path.stem for style in _STYLED)


def _preference(path: Path) -> tuple[int, str]:
    return next(rank for rank, start in enumerate(_PREFERRED) if path.stem.startswith(start)), path.stem


def _face(path: Path, language: str) -> Font:
    return Font(path, _CJK_FACES[language] if path.stem.startswith("NotoSansCJK") else 0)


@lru_cache(maxsize=64)
def _loaded(path: Path, index: int, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size, index=index)


@lru_cache(maxsize=512)
def _code_points(path: Path, index: int) -> tuple[tuple[int, int], ...]:
    """Ranges (first, last) of the code points a face has glyphs for; none when the file can't be read as a font.

    Raises OSError for want of descriptors or memory: remembered as a font without glyphs it would cost every film to
    come its words.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return tuple(sorted(_read_font(data, index)))
    except OSError as error:
        if error.errno in PASSING:
            raise
        return ()
    except (ValueError, struct.error):
        return ()


def _read_font(data: mmap.mmap, index: int) -> Iterator[tuple[int, int]]:
    start = struct.unpack_from(">I", data, 12 + 4 * index)[0] if data[:4] == b"ttcf" else 0
    (tables,) = struct.unpack_from(">H", data, start + 4)
    for number in range(tables):
        tag, _, offset, _ = struct.unpack_from(">4sIII", data, start + 12 + 16 * number)
        if tag == b"cmap":
            yield from _read_cmap(data, offset)


def _read_cmap(data: mmap.mmap, cmap: int) -> Iterator[tuple[int, int]]:
    """Subtables of format 12, else 4 (OpenType, cmap)."""
    (subtables,) = struct.unpack_from(">H", data, cmap + 2)
    offsets = {cmap + struct.unpack_from(">I", data, cmap + 8 + 8 * number)[0] for number in range(subtables)}
    formats = {struct.unpack_from(">H", data, offset)[0]: offset for offset in sorted(offsets)}
    if 12 in formats:
        yield from _format_12(data, formats[12])
    elif 4 in formats:
        yield from _format_4(data, formats[4])


def _format_12(data: mmap.mmap, offset: int) -> Iterator[tuple[int, int]]:
    (groups,) = struct.unpack_from(">I", data, offset + 12)
    for first, last, _ in struct.iter_unpack(">III", data[offset + 16 : offset + 16 + 12 * groups]):
        yield first, last


def _format_4(data: mmap.mmap, offset: int) -> Iterator[tuple[int, int]]:
    segments = struct.unpack_from(">H", data, offset + 6)[0] // 2
    column = f">{segments}H"
    ends = struct.unpack_from(column, data, offset + 14)
    starts = struct.unpack_from(column, data, offset + 16 + 2 * segments)
    table = offset + 16 + 6 * segments
    for number, range_offset in enumerate(struct.unpack_from(column, data, table)):
        first, last = starts[number], min(ends[number], 0xFFFE)  # the last segment ends the table with FFFF
        if range_offset == 0:
            yield first, last
            continue
        glyphs = struct.unpack_from(f">{last - first + 1}H", data, table + 2 * number + range_offset)
        yield from ((code, code) for code, glyph in enumerate(glyphs, first) if glyph)
