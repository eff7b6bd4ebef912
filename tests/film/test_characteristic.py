from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import SettingError
from appliance.film.characteristic import densities, driving_levels, own_viewing
from appliance.film.gsdf import density
from appliance.film.sheet import Characteristic, Sheet

FILM = Sheet(width_mm=100, height_mm=100)
# the levels and densities DCMTK ships as an example of a film printer
LEVELS = (0, 16, 33, 51, 67, 84, 102, 119, 135, 153, 170, 187, 204, 221, 238, 255)
READ = (3.00, 2.40, 2.09, 1.86, 1.68, 1.52, 1.37, 1.24, 1.10, 0.97, 0.85, 0.72, 0.59, 0.46, 0.33, 0.19)


def measured(levels: tuple[float, ...], read: tuple[float, ...]) -> Sheet:
    return replace(
        FILM, characteristic=Characteristic(kind="measured", driving_levels=levels, densities=read, name="here")
    )


MEASURED = measured(tuple(level / 255 for level in LEVELS), READ)
PAPER = replace(
    FILM,
    reflective=True,
    min_density=0.05,
    max_density=1.8,
    illumination=150,
    characteristic=Characteristic(kind="assumed-paper"),
)


def test_a_measured_printer_is_driven_to_each_density_it_showed() -> None:
    assert driving_levels(READ, MEASURED) * 255 == pytest.approx(LEVELS, abs=1e-9)
    assert float(driving_levels(2.7, MEASURED)) * 255 == pytest.approx(8)


def test_densities_out_of_reach_get_the_nearest() -> None:
    assert driving_levels([4.0, 0.0], MEASURED) == pytest.approx([0.0, 1.0])


def test_noisy_readings_still_give_a_falling_curve() -> None:
    noisy = measured((0.0, 0.25, 0.5, 0.75, 1.0), (3.0, 2.0, 2.1, 1.0, 0.2))
    asked = np.linspace(3.0, 0.2, 200)
    assert (np.diff(driving_levels(asked, noisy)) >= 0).all()


@pytest.mark.parametrize(
    ("levels", "read"), [((), ()), ((0.5,), (1.0,)), ((0.0, 1.0), (3.0,)), ((0.0, 1.0), (1.0, 1.0))]
)
def test_a_table_that_tells_nothing_is_refused(levels: tuple[float, ...], read: tuple[float, ...]) -> None:
    with pytest.raises(SettingError, match="here"):
        driving_levels(1.0, measured(levels, read))


def test_an_unknown_kind_is_refused_with_those_known() -> None:
    with pytest.raises(SettingError, match="assumed-film"):
        driving_levels(1.0, replace(FILM, characteristic=Characteristic(kind="guessed")))


def test_film_is_assumed_linear_in_density() -> None:
    assert driving_levels([3.0, 1.6, 0.2], FILM) == pytest.approx([0.0, 0.5, 1.0])


def test_paper_is_assumed_to_reflect_like_a_screen_shines() -> None:
    assert driving_levels([1.8, 0.05], PAPER) == pytest.approx([0.0, 1.0])
    middle = 10.0 ** -float(densities(128 / 255, PAPER))
    share = (middle - 10**-1.8) / (10**-0.05 - 10**-1.8)
    assert share == pytest.approx(0.2158, abs=0.002)  # linear light of sRGB 128


def test_a_printer_that_does_gsdf_itself_gets_p_values_as_they_are() -> None:
    sheet = replace(FILM, characteristic=Characteristic(kind="p-values"))
    p_values = np.linspace(0, 1, 4096)
    sent = driving_levels(density(p_values, own_viewing(sheet)), sheet)
    assert np.array_equal(np.rint(sent * 65535), np.rint(p_values * 65535))


@given(
    st.floats(0, 1),
    st.sampled_from([FILM, MEASURED, PAPER, replace(FILM, characteristic=Characteristic(kind="p-values"))]),
)
def test_levels_come_back_from_densities(level: float, sheet: Sheet) -> None:
    assert float(driving_levels(densities(level, sheet), sheet)) == pytest.approx(level, abs=0.004)
