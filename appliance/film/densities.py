"""Densities and light in force for an image and for the film around it (PS3.3 C.13.3, C.13.5, PS3.4 H.4.9.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from appliance.film import gsdf
from appliance.film.boxes import FilmBox, ImageBox
from appliance.film.characteristic import own_viewing
from appliance.film.sheet import Sheet
from appliance.units import density_from_hundredths
from appliance.words import say

LEAST_JND = 20.0  # a film seen in fewer steps than this is blank to the eye: such light is an error of the sender


@dataclass(frozen=True, kw_only=True)
class DensityRange:
    """Min and Max Density in force for one image, in OD."""

    min_density: float
    max_density: float
    clamped: bool = False  # the printer's limit was used: status B605
    notes: tuple[str, ...] = ()  # what was not done as asked, in words


def density_range(image_box: ImageBox | None, film_box: FilmBox, sheet: Sheet) -> DensityRange:
    """Min and Max Density of the image box over the film box over the sheet, kept within the sheet's.

    Max Density 0, and pairs that leave no range, count as not sent: some senders fill them in unasked.
    """
    boxes: list[ImageBox | FilmBox] = [film_box] if image_box is None else [image_box, film_box]
    spoken = [box for box in boxes if box.MaxDensity != 0]
    asked_min = next((box.MinDensity for box in spoken if box.MinDensity is not None), None)
    asked_max = next((box.MaxDensity for box in spoken if box.MaxDensity is not None), None)
    least, clamped_min = _within(asked_min, sheet.min_density, sheet)
    most, clamped_max = _within(asked_max, sheet.max_density, sheet)
    if least >= most:
        note = say(
            "densities %(asked_min)s to %(asked_max)s leave no range, the printer's are used",
            asked_min=asked_min,
            asked_max=asked_max,
        )
        return DensityRange(min_density=sheet.min_density, max_density=sheet.max_density, notes=(note,))
    limits = say(
        "%(min_density)s to %(max_density)s OD",
        min_density=f"{sheet.min_density:.2f}",
        max_density=f"{sheet.max_density:.2f}",
    )
    notes = [
        say(
            "%(name)s Density %(asked)s is beyond the printer's %(limits)s, its limit is used",
            name=name,
            asked=asked,
            limits=limits,
        )
        for name, asked, clamped in (("Min", asked_min, clamped_min), ("Max", asked_max, clamped_max))
        if clamped
    ]
    return DensityRange(min_density=least, max_density=most, clamped=bool(notes), notes=tuple(notes))


def _within(hundredths: int | None, default: float, sheet: Sheet) -> tuple[float, bool]:
    if hundredths is None:
        return default, False
    asked = density_from_hundredths(hundredths)
    kept = min(max(asked, sheet.min_density), sheet.max_density)
    return kept, kept != asked


def viewing(image_box: ImageBox | None, film_box: FilmBox, sheet: Sheet) -> tuple[gsdf.Viewing, tuple[str, ...]]:
    """The viewing the GSDF is computed for, and what was not done as asked.

    Light that would leave fewer than LEAST_JND steps (0, or swapped values) is not used.
    """
    chosen = density_range(image_box, film_box, sheet)
    usual = replace(own_viewing(sheet), min_density=chosen.min_density, max_density=chosen.max_density)
    asked = replace(usual, illumination=float(film_box.Illumination or usual.illumination))
    if film_box.ReflectedAmbientLight is not None and not sheet.reflective:
        asked = replace(asked, reflected_ambient_light=float(film_box.ReflectedAmbientLight))
    if asked == usual or _steps(asked) >= min(LEAST_JND, _steps(usual)):
        return asked, chosen.notes
    note = say(
        "Illumination %(illumination)s and Reflected Ambient Light %(reflectedambientlight)s "
        "cd/m2 would show nothing, the printer's own light is used",
        illumination=film_box.Illumination,
        reflectedambientlight=film_box.ReflectedAmbientLight,
    )
    return usual, (*chosen.notes, note)


def _steps(asked: gsdf.Viewing) -> float:
    darkest, brightest = gsdf.jnd_range(asked)
    return brightest - darkest


def background_density(word: str | None, default: str, sheet: Sheet) -> tuple[float, str]:
    """The density of Border Density or Empty Image Density: BLACK, WHITE, or hundredths of OD, within the sheet's.

    None or empty is `default`. Also what was not done as asked, "" when nothing.
    """
    text = (word or "").strip(" \0").upper() or default.strip().upper()
    named = {"BLACK": sheet.max_density, "WHITE": sheet.min_density}
    if text in named:
        return named[text], ""
    if not (text.isascii() and text.isdigit()):
        usual = named.get(default.strip().upper(), sheet.max_density)
        return usual, say(
            "density %(word)s is not BLACK, WHITE or hundredths of OD, %(default)s is used",
            word=repr(word),
            default=default,
        )
    kept, clamped = _within(int(text), sheet.max_density, sheet)
    return kept, say("density %(text)s is beyond the printer's, its limit is used", text=text) if clamped else ""
