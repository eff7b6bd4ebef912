import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.film.gsdf import Viewing, density, jnd_index, jnd_range, luminance, p_value

# PS3.14 annex D.2: a printer of 8 bits, 0.20 to 3.00 OD, seen at 2000 + 10 cd/m2
FILM = Viewing(min_density=0.20, max_density=3.00, illumination=2000.0, reflected_ambient_light=10.0)
PAPER = Viewing(min_density=0.05, max_density=2.00, illumination=150.0, reflected_ambient_light=0.0)
TABLE_D_2_1 = {0: 3.000, 128: 1.122, 255: 0.200}

VIEWINGS = st.builds(
    Viewing,
    min_density=st.floats(0.0, 0.4),
    max_density=st.floats(1.0, 4.0),
    illumination=st.floats(50, 6000),
    reflected_ambient_light=st.floats(0, 50),
)


@pytest.mark.parametrize(("p", "od"), TABLE_D_2_1.items())
def test_densities_are_those_of_the_standard(p: int, od: float) -> None:
    assert abs(float(density(p / 255, FILM)) - od) <= 0.0013


def test_the_range_of_the_example_is_that_of_annex_b() -> None:
    darkest, brightest = jnd_range(FILM)
    assert darkest == pytest.approx(233.32, abs=0.1)
    assert brightest == pytest.approx(847.19, abs=0.1)


def test_the_function_and_its_inverse_agree() -> None:
    indices = np.arange(1, 1024)
    assert np.abs(jnd_index(luminance(indices)) - indices).max() < 0.1
    assert luminance(1) == pytest.approx(0.05, rel=1e-3)
    assert luminance(1023) == pytest.approx(3993.4, rel=1e-3)


def test_equal_steps_of_p_are_equal_steps_of_jnd() -> None:
    seen = FILM.reflected_ambient_light + FILM.illumination * 10.0 ** -density(np.linspace(0, 1, 101), FILM)
    steps = np.diff(jnd_index(seen))
    assert steps.max() - steps.min() < 0.2


def test_paper_is_seen_without_ambient_light() -> None:
    assert density(np.array([0.0, 1.0]), PAPER) == pytest.approx([2.00, 0.05], abs=0.002)


@settings(deadline=None, max_examples=60)
@given(VIEWINGS)
def test_density_falls_with_p_within_the_range(viewing: Viewing) -> None:
    densities = density(np.linspace(0, 1, 256), viewing)
    assert (np.diff(densities) <= 0).all()
    assert densities.min() >= viewing.min_density and densities.max() <= viewing.max_density


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 1), st.floats(0.0, 0.4), st.floats(1.5, 3.5))
def test_p_values_come_back_from_densities(p: float, least: float, most: float) -> None:
    viewing = Viewing(min_density=least, max_density=most, illumination=2000.0, reflected_ambient_light=10.0)
    assert float(p_value(density(p, viewing), viewing)) == pytest.approx(p, abs=2e-3)


def test_dcmtk_turns_densities_into_the_same_p_values(tmp_path: Path) -> None:
    text = tmp_path / "lut.txt"
    options = ["+Tp", "--inverse-gsdf", "-e", "4096", "-b", "16", "+Fo", str(text)]
    subprocess.run(["dcmmklut", *options, str(tmp_path / "lut.dcm")], check=True)
    lines = [line.split() for line in text.read_text().splitlines() if line[:1].isdigit()]
    theirs = np.array([int(value) for _, value in lines])
    ours = p_value(np.linspace(0.20, 3.00, 4096), FILM) * 65535
    assert theirs.size == 4096 and np.abs(ours - theirs).max() < 8
