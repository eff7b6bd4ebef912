"""DICOM files as images for a film: each windowed as it says, to P-values of 12 bits or RGB of 8."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from appliance.errors import UsageError
from appliance.pixels import Limits, PixelError
from appliance.pixels.display import frame_groups, full_range, grey_rules, modality, tone_values
from appliance.pixels.picture import is_colored, shown_frame
from appliance.pixels.source import Source
from appliance.pixels.stored import frame_values
from appliance.words import say

P_VALUES = 4095
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True)
class ClientImage:
    """One image ready to be set into an image box."""

    pixels: NDArray[Any]  # (rows, columns) uint16 of 12 bits, or (rows, columns, 3) uint8
    PixelAspectRatio: tuple[int, int] = (1, 1)  # vertical, horizontal

    @property
    def color(self) -> bool:
        return self.pixels.ndim == 3


def client_image(path: Path, *, color: bool = False, frame: int = 1) -> ClientImage:
    """One frame of a DICOM file; grey unless `color`, P-values 0 .. 4095 or RGB 0 .. 255.

    Raises UsageError for what is no image.
    """
    try:
        with path.open("rb") as file:
            source = Source(file, Limits())
            source.enter_pixels()
            pixels = _rgb(source, frame - 1) if color else _p_values(source, frame - 1)
            return ClientImage(pixels=pixels, PixelAspectRatio=_aspect(source.header, frame - 1))
    except (PixelError, ValueError, KeyError, AttributeError, OSError, EOFError) as error:
        raise UsageError(say("%(path)s can't be printed: %(why)s", path=path, why=error)) from error


def _p_values(source: Source, index: int) -> NDArray[np.uint16]:
    """Modality LUT, then window or VOI LUT, at full depth; polarity applied: 0 is black."""
    if is_colored(source):
        grey = _rgb(source, index).astype(np.float32) @ np.array(LUMA, np.float32)
        return np.rint(grey * (P_VALUES / 255)).astype(np.uint16)
    values, _ = frame_values(source, index, to_rgb=True)
    rules = grey_rules(source.header, index)
    tone = rules.tones[0] if rules.tones else full_range(values, source.header, rules)
    shown = tone_values(modality(values, rules), tone)
    if rules.inverted:
        shown = 255.0 - shown
    return np.rint(np.nan_to_num(shown) * (P_VALUES / 255)).astype(np.uint16)


def _rgb(source: Source, index: int) -> NDArray[np.uint8]:
    picture = shown_frame(source, index)
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)


def _aspect(header: Dataset, index: int) -> tuple[int, int]:
    """Vertical, horizontal, from Pixel Aspect Ratio or Pixel Spacing."""
    ratio = header.get("PixelAspectRatio")
    if ratio and len(ratio) == 2:
        return int(ratio[0]), int(ratio[1])
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        spacing = next((group.get(keyword) for group in frame_groups(header, index) if group.get(keyword)), None)
        if spacing and len(spacing) == 2 and float(spacing[0]) != float(spacing[1]):
            return round(float(spacing[0]) * 1000), round(float(spacing[1]) * 1000)
    return 1, 1
