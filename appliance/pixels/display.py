"""Stored values to what a screen shows: modality LUT, VOI LUT or window, polarity, palette (PS3.3 C.11, PS3.4 N.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels import apply_color_lut
from pydicom.tag import Tag

from appliance.pixels.errors import DamagedPixelsError
from appliance.words import say

Window = tuple[float, float]
"""Center and width, in modality units."""

_PALETTE = "RedPaletteColorLookupTableDescriptor"
_PALETTES = [Tag(0x0028, start + color) for start in (0x1101, 0x1201, 0x1221) for color in range(4)]


@dataclass(frozen=True, kw_only=True)
class Tone:
    """How modality values become 0..255: a window, or a curve over `domain`."""

    kind: str  # LINEAR, LINEAR_EXACT, SIGMOID, CURVE
    window: Window  # center, width; of a curve: of its domain
    curve: tuple[float, ...] = ()  # CURVE: 0..255 at evenly spaced values of the domain
    name: str = ""  # Window Center & Width Explanation, LUT Explanation


@dataclass(frozen=True, kw_only=True)
class GreyRules:
    """All a grey frame's header says of showing it."""

    slope: float
    intercept: float
    modality_lut: tuple[int, NDArray[np.float64]] | None  # first value mapped, table
    tones: tuple[Tone, ...]  # what the image says, in its order; empty: nothing
    inverted: bool  # the lowest value is white
    padding: tuple[int, int] | None  # stored values that are no picture, from .. to
    unit: str  # Rescale Type: HU and so on


def frame_groups(header: Dataset, index: int) -> list[Dataset]:
    """Where a frame's attributes may stand: its own functional groups, the shared ones, the data set."""
    found = []
    for keyword, at in (("PerFrameFunctionalGroupsSequence", index), ("SharedFunctionalGroupsSequence", 0)):
        groups = header.get(keyword) or []
        if at < len(groups):
            found += [item[0] for item in (e.value for e in groups[at] if e.VR == "SQ") if len(item)]
    return [*found, header]


def grey_rules(header: Dataset, index: int) -> GreyRules:
    """Read the rules for frame `index` (from 0)."""
    groups = frame_groups(header, index)
    scaled = _first(groups, "RescaleSlope")
    table = _first(groups, "ModalityLUTSequence")
    voi = _first(groups, "VOILUTSequence")
    windowed = _first(groups, "WindowCenter")
    inverse = header.get("PresentationLUTShape") == "INVERSE"
    # MONOCHROME1 says it of the pixels, INVERSE of the presentation; together with each other they are the same thing
    return GreyRules(
        slope=_number(scaled, "RescaleSlope", 1.0) or 1.0,
        intercept=_number(scaled, "RescaleIntercept", 0.0),
        modality_lut=_lut(table.ModalityLUTSequence[0], _signed(header)) if table else None,
        tones=(*_curves(voi, header), *_windows(windowed)),
        inverted=header.get("PhotometricInterpretation") == "MONOCHROME1" or inverse,
        padding=_padding(header),
        unit=_unit(scaled),
    )


def _unit(scaled: Dataset | None) -> str:
    """Rescale Type where it is a unit: US means unspecified."""
    unit = str(scaled.get("RescaleType") or "") if scaled else ""
    return "" if unit == "US" else unit


def _first(groups: list[Dataset], keyword: str) -> Dataset | None:
    return next(
        (group for group in groups if group.get(keyword) not in (None, "") and group[keyword].value != []), None
    )


def _number(group: Dataset | None, keyword: str, otherwise: float) -> float:
    value = group.get(keyword) if group else None
    return float(value) if value not in (None, "") else otherwise  # type: ignore[arg-type]


def _signed(header: Dataset) -> bool:
    return int(header.get("PixelRepresentation") or 0) == 1


def _padding(header: Dataset) -> tuple[int, int] | None:
    value = header.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    limit = header.get("PixelPaddingRangeLimit")
    other = limit if isinstance(limit, int) else value
    return min(value, other), max(value, other)


def _windows(group: Dataset | None) -> tuple[Tone, ...]:
    if group is None:
        return ()
    centers, widths, names = (
        _values(group.get(keyword)) for keyword in ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation")
    )
    kind = str(group.get("VOILUTFunction") or "LINEAR")
    kind = kind if kind in ("LINEAR", "LINEAR_EXACT", "SIGMOID") else "LINEAR"
    return tuple(
        Tone(
            kind=_kind(kind, float(width)),
            window=(float(center), float(width)),
            name=str(names[k]) if k < len(names) else "",
        )
        for k, (center, width) in enumerate(zip(centers, widths, strict=False))
        if float(width) > 0
    )


def _kind(kind: str, width: float) -> str:
    """LINEAR is for widths of 1 and more (PS3.3 C.11.2.1.2.1): with less, as RT images have, all would be white."""
    return "LINEAR_EXACT" if kind == "LINEAR" and width < 1 else kind


def _values(value: Any) -> list[Any]:
    if value in (None, ""):
        return []
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str) else [value]


def _lut(item: Dataset, signed: bool) -> tuple[int, NDArray[np.float64]]:
    """First value mapped and the table of a LUT item (PS3.3 C.11.1.1)."""
    descriptor = _values(item.get("LUTDescriptor"))
    if len(descriptor) != 3:
        raise DamagedPixelsError(say("A lookup table has no proper LUT Descriptor."))
    length, first, bits = (int(v) for v in descriptor)
    length = (length & 0xFFFF) or 65536
    first = first - 65536 if signed and first > 32767 else first
    data = item.get("LUTData")
    if isinstance(data, bytes):
        table = np.frombuffer(data, "<u2" if len(data) >= 2 * length else "u1")
    else:
        table = np.asarray(_values(data), np.int64) & 0xFFFF
    if table.size < length and table.size * 2 >= length and bits <= 8:
        table = table.astype("<u2").view(np.uint8)  # 8-bit entries packed two to a word
    if not table.size:
        raise DamagedPixelsError(say("A lookup table is empty."))
    return first, table[:length].astype(np.float64)


def _curves(group: Dataset | None, header: Dataset) -> tuple[Tone, ...]:
    if group is None:
        return ()
    tones = []
    for item in group.VOILUTSequence:
        first, table = _lut(item, _signed(header) or float(header.get("RescaleIntercept") or 0) < 0)
        bits = int(_values(item.LUTDescriptor)[2])
        top = float(2 ** (bits if 8 <= bits <= 16 else 16) - 1)
        curve = tuple((np.clip(table / top, 0, 1) * 255).tolist())
        # the window whose edges lie on the first and the last entry
        window = (first + len(curve) / 2.0, float(max(2, len(curve))))
        tones.append(Tone(kind="CURVE", window=window, curve=curve, name=str(item.get("LUTExplanation") or "")))
    return tuple(tones)


def modality(values: NDArray[Any], rules: GreyRules) -> NDArray[np.float64]:
    """Stored values in the modality's units."""
    if rules.modality_lut is not None:
        first, table = rules.modality_lut
        return table[np.clip(values.astype(np.int64) - first, 0, len(table) - 1)]
    return values.astype(np.float64) * rules.slope + rules.intercept


def tone_values(values: NDArray[np.float64], tone: Tone) -> NDArray[np.float64]:
    """Modality values as 0..255 (PS3.3 C.11.2.1.2, C.11.2.1.3)."""
    center, width = tone.window
    if tone.kind == "CURVE":
        first = center - width / 2
        return np.interp(values, first + np.linspace(0, width - 1, len(tone.curve)), tone.curve)
    if tone.kind == "SIGMOID":
        return 255.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700, 700)))
    if tone.kind == "LINEAR" and width > 1:
        return np.clip((values - (center - 0.5)) / (width - 1.0) + 0.5, 0, 1) * 255.0
    if tone.kind == "LINEAR":
        return np.where(values > center - 0.5, 255.0, 0.0)
    return np.clip((values - center) / width + 0.5, 0, 1) * 255.0


def full_range(values: NDArray[Any], header: Dataset, rules: GreyRules) -> Tone:
    """The tone of an image that says none: its range of values, or all 8 bits where they are screen values already."""
    if rules.slope == 1.0 and rules.modality_lut is None and int(header.get("BitsStored") or 16) <= 8:
        low, high = 0.0, float(2 ** int(header.BitsStored) - 1)
        if _signed(header):
            low, high = -(high + 1) / 2, (high - 1) / 2
    else:
        low, high = _extremes(values, rules)
    return Tone(kind="LINEAR_EXACT", window=((low + high) / 2, max(high - low, 1e-9)))


def _extremes(values: NDArray[Any], rules: GreyRules) -> tuple[float, float]:
    if rules.padding is not None:
        low, high = rules.padding
        picture = values[(values < low) | (values > high)]
        values = picture if picture.size else values
    ends = np.array([values.min(), values.max()])
    if rules.modality_lut is not None:
        mapped = modality(values, rules)
        ends = np.array([mapped.min(), mapped.max()])
    else:
        ends = modality(ends, rules)
    finite = np.nan_to_num(ends, nan=0.0, posinf=1e30, neginf=-1e30)
    return float(finite.min()), float(finite.max())


def show_grey(values: NDArray[Any], header: Dataset, index: int, window: Window | None = None) -> NDArray[np.uint8]:
    """A grey frame (rows, columns) as 0..255, white at 255."""
    rules = grey_rules(header, index)
    tone = Tone(kind="LINEAR", window=window) if window else (rules.tones or (full_range(values, header, rules),))[0]

    def shown(some: NDArray[Any]) -> NDArray[np.uint8]:
        toned = tone_values(modality(some, rules), tone)
        grey = np.floor((255.0 - toned if rules.inverted else toned) + 0.5)
        if rules.padding is not None:
            grey[(some >= rules.padding[0]) & (some <= rules.padding[1])] = 0
        return np.nan_to_num(grey).astype(np.uint8)

    if values.dtype.kind not in "ui" or values.dtype.itemsize > 2:
        return np.concatenate([shown(rows) for rows in np.array_split(values, max(1, values.shape[0] // 256))])
    # every value there can be, in the order its bits index a table
    unsigned = np.dtype(f"u{values.dtype.itemsize}")
    inputs = np.arange(2 ** (8 * values.dtype.itemsize), dtype=np.uint32).astype(unsigned).view(values.dtype)
    return shown(inputs)[values.view(unsigned)]


def show_color(values: NDArray[Any], bits_stored: int) -> NDArray[np.uint8]:
    """An RGB frame (rows, columns, 3) as 0..255 a sample."""
    values = values[..., :3]
    if values.dtype == np.uint8 and bits_stored == 8:
        return np.ascontiguousarray(values)
    top = float(2**bits_stored - 1)
    return (np.clip(values / top, 0, 1) * 255.0 + 0.5).astype(np.uint8)


def show_palette(values: NDArray[Any], header: Dataset) -> NDArray[np.uint8]:
    """A PALETTE COLOR frame through its tables (PS3.3 C.7.6.3.1.5), as RGB 0..255."""
    try:
        colored = apply_color_lut(values, header)
    except (ValueError, AttributeError, KeyError, IndexError) as error:
        raise DamagedPixelsError(say("The color palette can't be used: %(why)s", why=error)) from error
    return show_color(colored, 8 * colored.dtype.itemsize)


def has_supplement(header: Dataset) -> bool:
    """Whether a palette colors a grey image's upper values, as of PET laid over CT (PS3.3 C.7.6.19)."""
    mixed = str(header.get("PixelPresentation") or "") in ("COLOR", "MIXED")
    return mixed and header.get("PhotometricInterpretation") == "MONOCHROME2" and _PALETTE in header


def show_supplement(values: NDArray[Any], header: Dataset, grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A grey frame as RGB 0..255 whose values from the first one mapped on are in the palette's colors."""
    first = int(_values(header[_PALETTE].value)[1])
    first = first - 65536 if _signed(header) and first > 32767 else first
    tables = Dataset()
    tables.update({tag: header[tag] for tag in _PALETTES if tag in header})
    return np.where((values >= first)[..., None], show_palette(values, tables), grey[..., None])


def _value(header: Dataset, tag: tuple[int, int]) -> Any:
    return header[tag].value if tag in header else None


def has_overlay(header: Dataset) -> bool:
    """Whether there are graphics besides the pixels, or in bits of theirs that are not used (retired)."""
    groups = range(0x6000, 0x6020, 2)
    return any((group, 0x3000) in header or _value(header, (group, 0x0100)) not in (None, 1) for group in groups)


def burn_overlays(picture: NDArray[np.uint8], header: Dataset, index: int) -> NDArray[np.uint8]:
    """White over the picture where the image's graphics (60xx) say so (PS3.3 C.9.2); regions of interest stay away."""
    for group in range(0x6000, 0x6020, 2):
        if (group, 0x3000) not in header or _value(header, (group, 0x0040)) == "R":
            continue
        try:
            overlay = header.overlay_array(group)
            top, left = (int(v) - 1 for v in header[group, 0x0050].value)
        except (ValueError, AttributeError, KeyError, TypeError, NotImplementedError):
            continue
        overlay = overlay[min(index, len(overlay) - 1)] if overlay.ndim == 3 else overlay
        _burn(picture, overlay.astype(bool), top, left)
    return picture


def _burn(picture: NDArray[np.uint8], overlay: NDArray[np.bool_], top: int, left: int) -> None:
    rows, columns = picture.shape[:2]
    overlay = overlay[max(0, -top) :, max(0, -left) :]
    top, left = max(0, top), max(0, left)
    overlay = overlay[: max(0, rows - top), : max(0, columns - left)]
    picture[top : top + overlay.shape[0], left : left + overlay.shape[1]][overlay] = 255
