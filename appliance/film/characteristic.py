"""From density to driving level: what a printer makes of the numbers it is sent.

Driving levels are fractions here, 0 (black, densest) to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from appliance.errors import SettingError
from appliance.film import gsdf
from appliance.film.sheet import Characteristic, Sheet
from appliance.words import say

Floats = NDArray[np.float64]

KINDS = ("p-values", "measured", "assumed-film", "assumed-paper")
SRGB_TOE, SRGB_SLOPE, SRGB_OFFSET, SRGB_POWER = 0.0031308, 12.92, 0.055, 2.4  # IEC 61966-2-1


def own_viewing(sheet: Sheet) -> gsdf.Viewing:
    """The sheet's densities and the light it is made for."""
    return gsdf.Viewing(
        min_density=sheet.min_density,
        max_density=sheet.max_density,
        illumination=sheet.illumination,
        reflected_ambient_light=0.0 if sheet.reflective else sheet.reflected_ambient_light,
    )


def driving_levels(densities: ArrayLike, sheet: Sheet) -> Floats:
    """Driving levels 0 .. 1 that give these densities (OD) on this sheet; out of reach gives the nearest.

    Raises SettingError when the characteristic is of no known kind or a measured one has no usable table.
    """
    wanted = np.asarray(densities, dtype=np.float64)
    kind = sheet.characteristic.kind
    if kind == "p-values":
        return gsdf.p_value(wanted, own_viewing(sheet))
    if kind == "measured":
        levels, measured = _measured(sheet.characteristic)
        rising, first = np.unique(measured[::-1], return_index=True)
        return np.interp(wanted, rising, levels[::-1][first])
    if kind == "assumed-film":
        return np.clip((sheet.max_density - wanted) / (sheet.max_density - sheet.min_density), 0.0, 1.0)
    if kind == "assumed-paper":
        darkest, clearest = 10.0**-sheet.max_density, 10.0**-sheet.min_density
        return _srgb(np.clip((10.0**-wanted - darkest) / (clearest - darkest), 0.0, 1.0))
    raise SettingError(
        say("characteristic %(kind)s is not known; known are %(kinds)s", kind=repr(kind), kinds=", ".join(KINDS))
    )


def densities(levels: ArrayLike, sheet: Sheet) -> Floats:
    """Densities (OD) these driving levels 0 .. 1 give on this sheet: :func:`driving_levels` backwards."""
    sent = np.clip(np.asarray(levels, dtype=np.float64), 0.0, 1.0)
    if sheet.characteristic.kind == "p-values":
        return gsdf.density(sent, own_viewing(sheet))
    if sheet.characteristic.kind == "measured":
        return np.interp(sent, *_measured(sheet.characteristic))
    grid = np.linspace(sheet.min_density, sheet.max_density, 4096)
    falling = driving_levels(grid, sheet)
    return np.interp(sent, falling[::-1], grid[::-1])


def _measured(characteristic: Characteristic) -> tuple[Floats, Floats]:
    """Levels rising and the densities read, made to fall: readings that rise by noise are levelled out together."""
    levels = np.asarray(characteristic.driving_levels, dtype=np.float64)
    read = np.asarray(characteristic.densities, dtype=np.float64)
    if levels.size != read.size or levels.size < 2 or read.max() == read.min():
        raise SettingError(
            say(
                "the measured characteristic %(name)s needs two or more levels and their densities",
                name=repr(characteristic.name),
            )
        )
    order = np.argsort(levels, kind="stable")
    return levels[order], _falling(read[order])


def _falling(values: Floats) -> Floats:
    """The nearest sequence that never rises (pool adjacent violators)."""
    pools: list[tuple[float, int]] = []
    for value in values:
        mean, count = float(value), 1
        while pools and pools[-1][0] < mean:
            last_mean, last_count = pools.pop()
            mean = (mean * count + last_mean * last_count) / (count + last_count)
            count += last_count
        pools.append((mean, count))
    return np.repeat([mean for mean, _ in pools], [count for _, count in pools])


def _srgb(linear: Floats) -> Floats:
    curve = (1 + SRGB_OFFSET) * linear ** (1 / SRGB_POWER) - SRGB_OFFSET
    return np.where(linear <= SRGB_TOE, linear * SRGB_SLOPE, curve)
