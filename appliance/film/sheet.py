"""What a film is printed on: the sheet, its printable part, and the grey the printer makes of driving levels.

A printer's settings and the film session's Medium Type and Film Size ID are turned into one of these before a film is
composed; the composer knows nothing of printers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.units import DEFAULT_RESOLUTION


@dataclass(frozen=True, kw_only=True)
class Margins:
    """Unprintable edges of the sheet as it lies in its orientation's portrait, mm."""

    top: float = 0.0
    right: float = 0.0
    bottom: float = 0.0
    left: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Characteristic:
    """How a printer turns driving levels into density, for one medium and quality mode.

    kind is one of ``p-values`` (the printer applies the GSDF itself: P-values go out as they are), ``measured``
    (the table below), ``assumed-film``, ``assumed-paper`` (a default curve, never called measured).
    """

    kind: str = "assumed-film"
    driving_levels: tuple[float, ...] = ()  # 0..1 of full scale, ascending; measured only
    densities: tuple[float, ...] = ()  # OD read at each driving level; measured only
    name: str = ""  # e.g. the date and name of the measurement


WITHOUT_LUT = ("p-values", "lin-od")
"""What pixels can be taken as without a table."""


@dataclass(frozen=True, kw_only=True)
class GreyPolicy:
    """What pixels mean where the film says nothing: the print profile's choices."""

    without_lut: str = WITHOUT_LUT[0]  # p-values, lin-od, or the name of a table under `tables`
    lin_od_zero_is_max_density: bool = True  # LIN OD: 0 is Max Density; False reverses it
    tables: dict[str, tuple[int, ...]] = field(default_factory=dict)  # by name or Configuration Information: P-values


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One kind of sheet in one printer."""

    width_mm: float  # in portrait
    height_mm: float  # in portrait
    margins: Margins = field(default_factory=Margins)
    resolution: float = DEFAULT_RESOLUTION  # dpi
    bits: int = 8  # of the raster: 8, 12 or 16
    color: bool = False  # RGB raster; grey films stay neutral
    reflective: bool = False  # PAPER: La = 0 model of PS3.14 7.3
    min_density: float = 0.20  # OD
    max_density: float = 3.00  # OD
    illumination: float = 2000.0  # L0, cd/m2, when the film names none (reflective: 150)
    reflected_ambient_light: float = 10.0  # La, cd/m2, when the film names none
    characteristic: Characteristic = field(default_factory=Characteristic)
    gap_mm: float = 1.0  # between image boxes
    x_scale: float = 1.0  # measured correction, 100 mm / what a 100 mm ruler measured, along the portrait's width
    y_scale: float = 1.0  # the same along the portrait's height
    magnification_type: str = "CUBIC"  # default when neither image box nor film box names one
    border_density: str = "BLACK"
    empty_image_density: str = "BLACK"
    label_session: bool = False  # print Film Session Label
