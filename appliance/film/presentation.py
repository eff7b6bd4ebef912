"""From stored grey values to driving levels, as one table (PS3.4 H.2.1.2, H.4.9; PS3.14).

Photometric Interpretation XOR Polarity, Presentation LUT, P-values, GSDF, characteristic, output bits: each step is a
function on fractions in double precision; the composer sees only the finished table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.film import characteristic, gsdf
from appliance.film.boxes import FilmBox, FilmSession, ImageBox, PresentationLUT
from appliance.film.densities import viewing
from appliance.film.sheet import GreyPolicy, Sheet

Floats = NDArray[np.float64]
Levels = NDArray[Any]  # uint8 or uint16

IDENTITY = "IDENTITY"
LIN_OD = "LIN OD"
P_VALUE_BITS = 16  # of the tables of a print profile


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """What stands between an image's values and the light: a shape, or a table of P-values."""

    shape: str = IDENTITY  # IDENTITY, LIN OD; not used with a table
    table: tuple[int, ...] = ()
    table_bits: int = P_VALUE_BITS
    first_value: int = 0  # the table's first input
    note: str = ""  # what was not done as asked


def rendering(image_box: ImageBox, film_box: FilmBox, policy: GreyPolicy) -> Rendering:
    """The Presentation LUT of the image box, else of the film box, else the table that Configuration Information names,
    else the print profile's choice.

    A Presentation LUT wins over Configuration Information (PS3.4 H.4.9.1).
    """
    lut = image_box.presentation_lut or film_box.presentation_lut
    if lut is not None:
        return _of_lut(lut)
    wanted = (image_box.ConfigurationInformation or film_box.ConfigurationInformation or "").strip()
    for name in (wanted, *wanted.split("\\")):
        if name.strip() in policy.tables:
            return Rendering(table=tuple(policy.tables[name.strip()]))
    note = (
        f"Configuration Information {wanted!r} names no table of this print profile, it was ignored" if wanted else ""
    )
    return _of_policy(policy, note)


def _of_lut(lut: PresentationLUT) -> Rendering:
    if lut.data:
        bits = max(lut.bits, max(lut.data).bit_length())
        return Rendering(table=lut.data, table_bits=bits, first_value=lut.first_value)
    shape = " ".join((lut.PresentationLUTShape or IDENTITY).upper().split())
    if shape in (IDENTITY, LIN_OD):
        return Rendering(shape=shape)
    return Rendering(note=f"Presentation LUT Shape {lut.PresentationLUTShape!r} is not known, IDENTITY was used")


def _of_policy(policy: GreyPolicy, note: str) -> Rendering:
    if policy.without_lut in policy.tables:
        return Rendering(table=tuple(policy.tables[policy.without_lut]), note=note)
    if policy.without_lut == "lin-od":
        return Rendering(shape=LIN_OD, note=note)
    if policy.without_lut != "p-values":
        missing = f"the print profile's table {policy.without_lut!r} is missing, pixels were taken as P-values"
        note = f"{note}; {missing}" if note else missing
    return Rendering(note=note)


def spelled_out(session: FilmSession, policy: GreyPolicy) -> FilmSession:
    """The session with a print profile's choices as Presentation LUTs and polarities, for an imager that knows none."""
    films = tuple(
        replace(film, image_boxes=tuple(_spelled_out(box, film, policy) for box in film.image_boxes))
        for film in session.film_boxes
    )
    return replace(session, film_boxes=films)


def _spelled_out(box: ImageBox, film: FilmBox, policy: GreyPolicy) -> ImageBox:
    if box.image is None or box.image.SamplesPerPixel != 1:
        return box
    chosen, bits = rendering(box, film, policy), box.image.BitsStored
    if chosen.shape == LIN_OD and not chosen.table and not policy.lin_od_zero_is_max_density:
        box = replace(box, Polarity="NORMAL" if is_inverted("", box.Polarity) else "REVERSE")
    if box.presentation_lut or film.presentation_lut or chosen == Rendering(note=chosen.note):
        return box
    if not chosen.table:
        return replace(box, presentation_lut=PresentationLUT(PresentationLUTShape=chosen.shape))
    levels = np.rint(p_values(np.arange(1 << bits), bits, chosen) * ((1 << P_VALUE_BITS) - 1))
    return replace(box, presentation_lut=PresentationLUT(bits=P_VALUE_BITS, data=tuple(levels.astype(int).tolist())))


def is_inverted(PhotometricInterpretation: str, Polarity: str) -> bool:
    """Whether low values are bright: MONOCHROME1 XOR REVERSE."""
    return (PhotometricInterpretation.strip().upper() == "MONOCHROME1") != (Polarity.strip().upper() == "REVERSE")


def grey_table(
    image_box: ImageBox, film_box: FilmBox, sheet: Sheet, policy: GreyPolicy
) -> tuple[Levels, tuple[str, ...]]:
    """The table from one image's values to driving levels, and what was not done as asked.

    256 entries for images of up to 8 bits stored, else 65536: entries above the image's largest value repeat its last
    one, which clips what a cubic kernel overshoots. uint8 when the sheet has 8 bits, else uint16.
    """
    image = image_box.image
    assert image is not None
    chosen = rendering(image_box, film_box, policy)
    seen, notes = viewing(image_box, film_box, sheet)
    table = _table(
        image.BitsStored,
        is_inverted(image.PhotometricInterpretation, image_box.Polarity),
        chosen,
        policy.lin_od_zero_is_max_density,
        seen,
        sheet,
    )
    return table, (*notes, chosen.note) if chosen.note else notes


@lru_cache(maxsize=64)
def _table(
    bits_stored: int, inverted: bool, chosen: Rendering, zero_is_max_density: bool, seen: gsdf.Viewing, sheet: Sheet
) -> Levels:
    values = np.arange(1 << bits_stored)
    values = values[::-1] if inverted else values
    if chosen.shape == LIN_OD and not chosen.table:
        fractions = values / values.max()
        share = fractions if zero_is_max_density else 1.0 - fractions
        wanted = seen.max_density - share * (seen.max_density - seen.min_density)
    else:
        wanted = gsdf.density(p_values(values, bits_stored, chosen), seen)
    levels = quantised(characteristic.driving_levels(wanted, sheet), sheet.bits)
    size = 256 if bits_stored <= 8 else 65536
    table = np.concatenate([levels, np.full(size - levels.size, levels[-1], levels.dtype)])
    table.setflags(write=False)
    return table


def p_values(values: NDArray[np.int64], bits_stored: int, chosen: Rendering) -> Floats:
    """P-values 0 .. 1 of image values 0 .. 2**bits_stored - 1.

    A table with one entry a value is looked up; one of another length is stretched over the image's range.
    """
    top = (1 << bits_stored) - 1
    if not chosen.table:
        return np.asarray(values / top)
    entries = np.asarray(chosen.table, dtype=np.float64) / ((1 << chosen.table_bits) - 1)
    if chosen.first_value > 0 or entries.size == top + 1:
        index = np.clip(values - max(chosen.first_value, 0), 0, entries.size - 1)
        return entries[index]
    return np.interp(values * ((entries.size - 1) / top), np.arange(entries.size), entries)


def quantised(levels: Floats, bits: int) -> Levels:
    """Driving levels 0 .. 1 as whole numbers 0 .. 2**bits - 1."""
    kind = np.uint8 if bits == 8 else np.uint16
    return np.asarray(np.rint(levels * ((1 << bits) - 1))).astype(kind)


def level_of_density(density: float, sheet: Sheet) -> int:
    """The whole driving level that gives a density (OD) on this sheet."""
    return int(quantised(characteristic.driving_levels(np.array([density]), sheet), sheet.bits)[0])
