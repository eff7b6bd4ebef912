"""One frame as a picture: shown, sized, encoded. Runs in the child."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from jpeg_ls import CharLS
from numpy.typing import NDArray
from pydicom import Dataset

from appliance.pixels import display
from appliance.pixels.display import Tone, Window
from appliance.pixels.errors import DamagedPixelsError
from appliance.pixels.source import Source
from appliance.pixels.stored import frame_values
from appliance.words import say

NEAR_STEPS = (0, 1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64)
QUALITY_STEPS = (85, 75, 60, 45, 30)
SMALLEST_EDGE = 64
FEWEST = 1024
"""Pixels of a JPEG-LS image: CharLS fails for an 8 × 8 of noise."""
KNOTS = 256
"""A curve goes to the viewer as so many values at most."""

ICON_EDGE = 64
"""Pixels: the largest a reader of any profile has to take (PS3.3 F.7)."""


def is_colored(source: Source) -> bool:
    """Whether its frames are shown in color."""
    palette = source.header.get("PhotometricInterpretation") == "PALETTE COLOR"
    return source.samples > 1 or palette or display.has_supplement(source.header)


def shown_frame(
    source: Source, index: int, window: Window | None = None, max_edge: int | None = None, overlays: bool = False
) -> NDArray[np.uint8]:
    """Frame `index` (from 0) as 0..255: (rows, columns), or (rows, columns, 3) RGB."""
    values, properties = frame_values(source, index, to_rgb=True)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    kind = properties["photometric_interpretation"]
    if kind == "PALETTE COLOR":
        picture = display.show_palette(values, source.header)
    elif values.ndim == 3:
        picture = display.show_color(values, source.bits_stored)
    else:
        picture = display.show_grey(values, source.header, index, window)
        if display.has_supplement(source.header):
            picture = display.show_supplement(values, source.header, picture)
    if overlays:
        picture = display.burn_overlays(picture, source.header, index)
    return shrink(picture, max_edge)


def shrink(picture: NDArray[Any], max_edge: int | None) -> NDArray[Any]:
    """Not longer than `max_edge` on its longer side; never enlarged."""
    rows, columns = picture.shape[:2]
    if max_edge is None or max(rows, columns) <= max_edge:
        return np.ascontiguousarray(picture)
    scale = max_edge / max(rows, columns)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def square(picture: NDArray[Any], header: Dataset, index: int) -> NDArray[Any]:
    """Frame `index` with square pixels, where Pixel Aspect Ratio (vertical, horizontal) says they are not."""
    aspect = aspect_ratio(header, index)
    if abs(aspect - 1) < 0.01:
        return picture
    rows, columns = picture.shape[:2]
    size = (columns, round(rows * aspect)) if aspect > 1 else (round(columns / aspect), rows)
    return cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)


def aspect_ratio(header: Dataset, index: int) -> float:
    """Height of a pixel of frame `index` by its width; 1 where nothing (or nonsense) is said."""
    groups = display.frame_groups(header, index)
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
        value = next((group.get(keyword) for group in groups if group.get(keyword)), None)
        try:
            vertical, horizontal = (float(v) for v in value) if value else (1.0, 1.0)
        except (TypeError, ValueError):
            continue
        if value and vertical > 0 and horizontal > 0:
            return min(10.0, max(0.1, vertical / horizontal))
    return 1.0


def icon(source: Source, index: int) -> NDArray[np.uint8]:
    """A frame as grey, ICON_EDGE pixels square, with black beside a picture that is not (PS3.3 F.7)."""
    shown = shrink(square(shown_frame(source, index, None, 4 * ICON_EDGE), source.header, index), ICON_EDGE)
    grey = cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY) if shown.ndim == 3 else shown
    rows, columns = grey.shape
    made = np.zeros((ICON_EDGE, ICON_EDGE), np.uint8)
    top, left = (ICON_EDGE - rows) // 2, (ICON_EDGE - columns) // 2
    made[top : top + rows, left : left + columns] = grey
    return made


def jpeg(picture: NDArray[np.uint8], quality: int) -> bytes:
    """Baseline JPEG."""
    ordered = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR) if picture.ndim == 3 else picture
    done, data = cv2.imencode(".jpg", ordered, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise DamagedPixelsError(say("The picture can't be encoded."))
    return data.tobytes()


def preview(source: Source, index: int, max_edge: int, budget: int, near: int) -> tuple[dict[str, Any], bytes]:
    """A frame for the viewer in about `budget` bytes, and what the viewer must know to show it.

    Grey keeps its values (JPEG-LS, each value at most ``near`` off), so that window and level stay free. Color is JPEG,
    and so is grey that came compressed so far that its values don't fit.
    `near` is where to begin: what the frame before needed.
    """
    if not is_colored(source):
        about, data = _grey_preview(source, index, max_edge, budget, near)
    else:
        about, data = _color_preview(source, index, max_edge, budget)
    about["full_rows"], about["full_columns"] = source.rows, source.columns
    about["overlay"] = display.has_overlay(source.header)
    return about | place(source, index), data


def _color_preview(source: Source, index: int, max_edge: int, budget: int) -> tuple[dict[str, Any], bytes]:
    picture = square(shown_frame(source, index, max_edge=max_edge), source.header, index)
    while True:
        for quality in QUALITY_STEPS:
            data = jpeg(picture, quality)
            if len(data) <= budget:
                break
        edge = max(picture.shape[:2])
        if len(data) <= budget or edge <= SMALLEST_EDGE:
            rows, columns = picture.shape[:2]
            return {"kind": "jpeg", "rows": rows, "columns": columns, "quality": quality}, data
        picture = shrink(picture, edge * 7 // 10)


def _grey_preview(source: Source, index: int, max_edge: int, budget: int, near: int) -> tuple[dict[str, Any], bytes]:
    values, _ = frame_values(source, index, to_rgb=True)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    rules = display.grey_rules(source.header, index)
    tones = rules.tones or (display.full_range(values, source.header, rules),)
    coded, slope, intercept = _coded(values, rules)
    coded = _enlarged(shrink(coded, max_edge))
    data, near = _fit(coded, budget, near, worst=max(1.0, tones[0].window[1] / (32 * abs(slope))))
    if len(data) > budget:
        # so few bytes do not hold the values; they hold one view of them
        return _color_preview(source, index, max_edge, budget)
    about = {
        "kind": "jls",
        "rows": coded.shape[0],
        "columns": coded.shape[1],
        "slope": slope,
        "intercept": intercept,
        "inverted": rules.inverted,
        "unit": rules.unit,
        "near": near,
        "aspect": aspect_ratio(source.header, index),
        "tones": [_tone(tone) for tone in tones[:8]],
    }
    return about, data


def windows(source: Source, index: int) -> dict[str, Any]:
    """What windows a frame may be looked at through: `tones` it says itself, in its order, and its whole `range`.

    Center and width in modality units (`unit`: HU and so on; "" unknown). Color has neither.
    """
    if is_colored(source):
        return {"tones": [], "range": None, "unit": ""}
    values, _ = frame_values(source, index, to_rgb=True)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    rules = display.grey_rules(source.header, index)
    tones = [{"center": tone.window[0], "width": tone.window[1], "name": tone.name} for tone in rules.tones[:8]]
    center, width = display.full_range(values, source.header, rules).window
    return {"tones": tones, "range": {"center": center, "width": width}, "unit": rules.unit}


def _coded(values: NDArray[Any], rules: display.GreyRules) -> tuple[NDArray[Any], float, float]:
    """Values as unsigned 8 or 16 bits, with the slope and intercept that lead to modality values."""
    slope, intercept = rules.slope, rules.intercept
    padded = np.zeros(values.shape, bool)
    if rules.padding is not None:
        padded = (values >= rules.padding[0]) & (values <= rules.padding[1])
    if rules.modality_lut is not None:
        values, slope, intercept = np.rint(display.modality(values, rules)), 1.0, 0.0
    wide = values.astype(np.float64 if values.dtype.kind == "f" else np.int64)
    wide = np.nan_to_num(wide, posinf=0, neginf=0)
    picture = wide[~padded] if not padded.all() else wide
    low, high = picture.min(), picture.max()
    step = 1.0
    if high - low > 65535 or (values.dtype.kind == "f" and rules.modality_lut is None):
        step = float(high - low) / 65535 or 1.0
    # what is no picture shows black, whichever end that is
    wide[padded] = high if rules.inverted == (slope > 0) else low
    coded = np.rint((wide - low) / step).astype(np.uint16)
    return (coded.astype(np.uint8) if coded.max() < 256 else coded), slope * step, intercept + slope * float(low)


def _enlarged(coded: NDArray[Any]) -> NDArray[Any]:
    """Each pixel several times where there are so few that the encoder, which reckons with that, has no room."""
    times = math.ceil(math.sqrt(FEWEST / coded.size))
    return coded.repeat(times, axis=0).repeat(times, axis=1) if times > 1 else coded


def _fit(coded: NDArray[Any], budget: int, near: int, worst: float) -> tuple[bytes, int]:
    """The least loss that keeps to the budget, values being off by `worst` at most; what that loss was."""
    data = b""
    for step in (s for s in NEAR_STEPS if s >= near):
        data = bytes(CharLS.encode_array(np.ascontiguousarray(coded), step))
        if len(data) <= budget or step >= worst:
            break
    return data, step


def _tone(tone: Tone) -> dict[str, Any]:
    curve = tone.curve
    if len(curve) > KNOTS:
        at = np.linspace(0, len(curve) - 1, KNOTS)
        curve = tuple(np.interp(at, np.arange(len(curve)), curve).tolist())
    return {
        "kind": tone.kind,
        "center": tone.window[0],
        "width": tone.window[1],
        "curve": [round(v, 1) for v in curve],
        "name": tone.name,
    }


def place(source: Source, index: int) -> dict[str, Any]:
    """What a viewer writes beside frame `index`: position, thickness, time, and which way its edges look."""
    groups = display.frame_groups(source.header, index)

    def first(keyword: str) -> Any:
        return next((group.get(keyword) for group in groups if group.get(keyword) not in (None, "")), None)

    return {
        "location": _short_number(first("SliceLocation")),
        "position": [_short_number(v) for v in first("ImagePositionPatient") or []],
        "thickness": _short_number(first("SliceThickness")),
        "time": str(first("AcquisitionTime") or first("ContentTime") or "")[:6],
        "edges": edges(first("ImageOrientationPatient"), first("PatientOrientation")),
        "frame_time": _short_number(first("FrameTime")),
    }


def _short_number(value: Any) -> float | None:
    try:
        return round(float(value), 3)
    except (TypeError, ValueError):
        return None


def edges(orientation: Any, letters: Any = None) -> list[str]:
    """Left, right, top and bottom edge as patient directions (PS3.3 C.7.6.1.1.1); empty when not known."""
    try:
        cosines = [float(v) for v in orientation or []]
        to_right, to_bottom = (str(v) for v in letters) if letters and len(letters) == 2 else ("", "")
    except (TypeError, ValueError):
        return []
    if len(cosines) == 6:
        to_right, to_bottom = _direction(cosines[:3]), _direction(cosines[3:])
    opposite = str.maketrans("LRAPHF", "RLPAFH")
    if not to_right or not to_bottom:
        return []
    return [to_right.translate(opposite), to_right, to_bottom.translate(opposite), to_bottom]


def _direction(cosine: list[float]) -> str:
    """One or two letters for where a vector points; x grows to Left, y to Posterior, z to Head."""
    names = ("LR", "PA", "HF")
    order = sorted(range(3), key=lambda k: -abs(cosine[k]))
    return "".join(names[k][0 if cosine[k] > 0 else 1] for k in order[:2] if abs(cosine[k]) > 0.3)
