"""The Grayscale Standard Display Function for hard copy (PS3.14 section 7).

P-values are fractions here, 0 (densest) to 1 (clearest), so that no bit depth leaks in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# PS3.14 equation 7-1: log10 of luminance from ln of the JND index, numerator and denominator, powers rising
NUMERATOR = (-1.3011877, 8.0242636e-2, 1.3646699e-1, -2.5468404e-2, 1.3635334e-3)
DENOMINATOR = (1.0, -2.5840191e-2, -1.0320229e-1, 2.8745620e-2, -3.1978977e-3, 1.2992634e-4)
# PS3.14 section 7.1: JND index from log10 of luminance, powers rising
INDEX = (
    71.498068,
    94.593053,
    41.912053,
    9.8247004,
    0.28175407,
    -1.1878455,
    -0.18014349,
    0.14710899,
    -0.017046845,
)
MOST_JND = 1023.0
LEAST_LUMINANCE, MOST_LUMINANCE = 0.05, 3993.4  # cd/m2, the range of the function
STEPS = 65536  # of the table that is read backwards


@dataclass(frozen=True, kw_only=True)
class Viewing:
    """How a piece of film or paper is looked at, and the densities it spans."""

    min_density: float  # OD
    max_density: float  # OD
    illumination: float  # L0, cd/m2
    reflected_ambient_light: float  # La, cd/m2; 0 is the reflective model (7.3)


def luminance(jnd: ArrayLike) -> Floats:
    """Luminance in cd/m2 of JND indices 1 .. 1023 (equation 7-1)."""
    x = np.log(np.asarray(jnd, dtype=np.float64))
    polynomial = np.polynomial.polynomial.polyval
    return np.asarray(10.0 ** (polynomial(x, NUMERATOR) / polynomial(x, DENOMINATOR)))


def jnd_index(cd_m2: ArrayLike) -> Floats:
    """JND index of luminances in cd/m2; those outside the function's range get its ends."""
    y = np.log10(np.clip(np.asarray(cd_m2, dtype=np.float64), LEAST_LUMINANCE, MOST_LUMINANCE))
    return np.clip(np.polynomial.polynomial.polyval(y, INDEX), 1.0, MOST_JND)


@lru_cache(maxsize=64)
def jnd_range(viewing: Viewing) -> tuple[float, float]:
    """JND indices of the darkest and the brightest this viewing can show."""
    densities = np.array([viewing.max_density, viewing.min_density])
    darkest, brightest = _exact_index(viewing.reflected_ambient_light + viewing.illumination * 10.0**-densities)
    return float(darkest), float(brightest)


def _exact_index(cd_m2: Floats) -> Floats:
    """The index equation 7-1 itself gives this luminance, by Newton's steps: the fit back is off by up to 0.09 JND,
    which 16 bits would show as a black that isn't quite black."""
    wanted = np.log(np.clip(cd_m2, LEAST_LUMINANCE, MOST_LUMINANCE))
    jnd = jnd_index(cd_m2)
    for _ in range(3):
        slope = (np.log(luminance(jnd * 1.0001)) - np.log(luminance(jnd))) / (jnd * 0.0001)
        jnd = np.clip(jnd - (np.log(luminance(jnd)) - wanted) / slope, 1.0, MOST_JND)
    return jnd


def density(p_values: ArrayLike, viewing: Viewing) -> Floats:
    """Optical density of P-values 0 .. 1 (7.2, 7.3), never outside the viewing's densities."""
    darkest, brightest = jnd_range(viewing)
    jnd = darkest + np.asarray(p_values, dtype=np.float64) * (brightest - darkest)
    least = viewing.illumination * 10.0**-viewing.max_density
    transmitted = np.maximum(luminance(jnd) - viewing.reflected_ambient_light, least)
    return np.clip(-np.log10(transmitted / viewing.illumination), viewing.min_density, viewing.max_density)


def p_value(densities: ArrayLike, viewing: Viewing) -> Floats:
    """P-values 0 .. 1 of densities: :func:`density` backwards; densities outside the viewing's get its ends."""
    falling, p_values = _table(viewing)
    return np.interp(-np.asarray(densities, dtype=np.float64), falling, p_values)


@lru_cache(maxsize=16)
def _table(viewing: Viewing) -> tuple[Floats, Floats]:
    p_values = np.linspace(0.0, 1.0, STEPS)
    return -density(p_values, viewing), p_values
