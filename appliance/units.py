"""Physical units. A bare float never crosses a module: its name or type says the unit."""

from __future__ import annotations

from typing import NewType

Millimetres = NewType("Millimetres", float)
Density = NewType("Density", float)
"""Optical density (OD), 0 and up. DICOM sends hundredths: see :func:`density_from_hundredths`."""

MILLIMETRES_PER_INCH = 25.4
POINTS_PER_INCH = 72.0
DEFAULT_RESOLUTION = 320
"""Dots per inch of a composed film unless its printer says otherwise."""


def pixels(length: float, resolution: float) -> int:
    """A length in mm as whole pixels at `resolution` dpi, to the nearest."""
    return round(length * resolution / MILLIMETRES_PER_INCH)


def points(length: float) -> float:
    """A length in mm as PDF/PostScript points (1/72 inch)."""
    return length * POINTS_PER_INCH / MILLIMETRES_PER_INCH


def density_from_hundredths(hundredths: int) -> Density:
    """DICOM's 1/100 OD (e.g. Max Density, PS3.3 C.13.3) as optical density."""
    return Density(hundredths / 100.0)
