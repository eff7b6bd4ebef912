from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.film.boxes import FilmBox, FilmSession, Image, ImageBox, PixelReference, PresentationLUT
from appliance.film.presentation import Rendering, grey_table, p_values, rendering, spelled_out
from appliance.film.sheet import Characteristic, GreyPolicy, Sheet

SHEET = Sheet(width_mm=100, height_mm=100, bits=16)  # assumed film: level = (3.00 - D) / 2.80
TABLE_D_2_1 = {0: 3.000, 128: 1.122, 255: 0.200}
P_VALUE_PRINTER = replace(SHEET, characteristic=Characteristic(kind="p-values"))
LIN_OD = PresentationLUT(PresentationLUTShape="LIN OD")


def box(bits: int = 8, photometric: str = "MONOCHROME2", **attributes: Any) -> ImageBox:
    image = Image(
        SamplesPerPixel=1,
        PhotometricInterpretation=photometric,
        Rows=1,
        Columns=1,
        BitsAllocated=16,
        BitsStored=bits,
        HighBit=bits - 1,
        pixels=PixelReference(file="x", offset=0, length=2),
    )
    return ImageBox(ImageBoxPosition=1, image=image, **attributes)


def table(image_box: ImageBox, sheet: Sheet = SHEET, policy: GreyPolicy | None = None, **film: Any) -> Any:
    film_box = FilmBox(ImageDisplayFormat="STANDARD\\1,1", image_boxes=(image_box,), **film)
    return grey_table(image_box, film_box, sheet, policy or GreyPolicy())[0]


def densities(image_box: ImageBox, **other: Any) -> Any:
    return 3.0 - table(image_box, **other) / 65535 * 2.8


def test_p_values_become_the_densities_of_the_standard() -> None:
    found = densities(box())
    for p, od in TABLE_D_2_1.items():
        assert found[p] == pytest.approx(od, abs=0.0014)


@pytest.mark.parametrize(
    ("photometric", "polarity", "dark_is_low"),
    [
        ("MONOCHROME2", "NORMAL", True),
        ("MONOCHROME1", "NORMAL", False),
        ("MONOCHROME2", "REVERSE", False),
        ("MONOCHROME1", "REVERSE", True),
    ],
)
def test_photometric_and_polarity_turn_greys_once(photometric: str, polarity: str, dark_is_low: bool) -> None:
    levels = table(box(12, photometric, Polarity=polarity)).astype(int)[:4096]
    assert (levels[0] < levels[-1]) == dark_is_low
    assert (np.diff(levels) >= 0).all() if dark_is_low else (np.diff(levels) <= 0).all()


@settings(deadline=None)
@given(
    st.integers(8, 16),
    st.sampled_from(["p-values", "lin-od"]),
    st.sampled_from(["p-values", "assumed-film", "assumed-paper"]),
    st.sampled_from([8, 12, 16]),
    st.sampled_from([None, LIN_OD, PresentationLUT(PresentationLUTShape="IDENTITY")]),
)
def test_a_monochrome2_image_never_comes_out_negative(
    bits: int, without: str, kind: str, film_bits: int, lut: PresentationLUT | None
) -> None:
    sheet = replace(SHEET, bits=film_bits, characteristic=Characteristic(kind=kind))
    levels = table(box(bits, presentation_lut=lut), sheet, GreyPolicy(without_lut=without)).astype(int)
    assert (np.diff(levels) >= 0).all()
    assert levels[0] == 0 and levels[-1] == 2**film_bits - 1


def test_values_a_cubic_kernel_overshoots_get_the_last_grey() -> None:
    levels = table(box(12))
    assert levels.size == 65536 and (levels[4095:] == 65535).all()
    inverted = table(box(10, "MONOCHROME1"))
    assert (inverted[1023:] == 0).all()


def test_lin_od_is_linear_in_density_from_max_density() -> None:
    found = densities(box(presentation_lut=LIN_OD))
    assert found == pytest.approx(np.linspace(3.0, 0.2, 256), abs=1e-4)


def test_lin_od_is_reversed_only_by_the_profile() -> None:
    found = densities(box(presentation_lut=LIN_OD), policy=GreyPolicy(lin_od_zero_is_max_density=False))
    assert found == pytest.approx(np.linspace(0.2, 3.0, 256), abs=1e-4)


def test_lin_od_comes_after_polarity() -> None:
    found = densities(box(presentation_lut=LIN_OD, Polarity="REVERSE"))
    assert found == pytest.approx(np.linspace(0.2, 3.0, 256), abs=1e-4)


def test_min_and_max_density_bound_the_image() -> None:
    found = densities(box(MinDensity=50), MaxDensity=250)
    assert (found.max(), found.min()) == pytest.approx((2.5, 0.5), abs=1e-3)


def test_a_printer_of_gsdf_gets_p_values_untouched() -> None:
    assert np.array_equal(table(box(16), P_VALUE_PRINTER), np.arange(65536))
    assert np.array_equal(table(box(8), replace(P_VALUE_PRINTER, bits=8)), np.arange(256))


def test_a_printer_of_gsdf_still_keeps_max_density() -> None:
    levels = table(box(8), P_VALUE_PRINTER, MaxDensity=200)
    assert levels[0] > 6000 and levels[255] == 65535


def lut(*data: int, bits: int = 16, first: int = 0) -> PresentationLUT:
    return PresentationLUT(data=data, bits=bits, first_value=first)


def test_a_table_maps_each_value_to_its_p_value() -> None:
    squares = tuple(round((v / 255) ** 2 * 1023) for v in range(256))
    levels = table(box(presentation_lut=lut(*squares, bits=10)), P_VALUE_PRINTER)
    assert np.array_equal(levels, np.rint(np.array(squares) / 1023 * 65535))


def test_a_table_comes_after_photometric_and_polarity() -> None:
    rising = tuple(range(0, 65536, 257))
    levels = table(box(8, "MONOCHROME1", presentation_lut=lut(*rising)), P_VALUE_PRINTER)
    assert np.array_equal(levels, np.arange(65535, -1, -257))


def test_a_table_of_another_length_is_stretched_over_the_image() -> None:
    levels = table(box(12, presentation_lut=lut(*range(0, 65536, 257))), P_VALUE_PRINTER)[:4096]
    assert np.abs(levels.astype(int) - np.rint(np.arange(4096) / 4095 * 65535)).max() <= 1


def test_a_table_that_starts_later_holds_its_ends() -> None:
    chosen = Rendering(table=(100, 200), table_bits=8, first_value=10)
    assert p_values(np.array([0, 10, 11, 255]), 8, chosen) * 255 == pytest.approx([100, 100, 200, 200])


def test_entries_wider_than_said_are_believed() -> None:
    film_box = FilmBox(ImageDisplayFormat="STANDARD\\1,1", image_boxes=())
    found = rendering(box(presentation_lut=lut(0, 4095, bits=10)), film_box, GreyPolicy())
    assert found.table_bits == 12


TABLES = {"CS001": (0, 65535), "gamma": (0, 100, 65535)}


@pytest.mark.parametrize(
    ("image", "film", "without", "chosen"),
    [
        ({}, {}, "p-values", Rendering()),
        ({}, {}, "lin-od", Rendering(shape="LIN OD")),
        ({}, {}, "gamma", Rendering(table=TABLES["gamma"])),
        ({}, {"ConfigurationInformation": "CS001"}, "lin-od", Rendering(table=TABLES["CS001"])),
        ({"ConfigurationInformation": "x\\ CS001"}, {}, "lin-od", Rendering(table=TABLES["CS001"])),
        ({"presentation_lut": LIN_OD}, {"ConfigurationInformation": "CS001"}, "p-values", Rendering(shape="LIN OD")),
        ({}, {"presentation_lut": LIN_OD}, "p-values", Rendering(shape="LIN OD")),
        (
            {"presentation_lut": lut(0, 9, bits=8)},
            {"presentation_lut": LIN_OD},
            "p-values",
            Rendering(table=(0, 9), table_bits=8),
        ),
        (
            {"presentation_lut": PresentationLUT(PresentationLUTShape="lin  od ")},
            {},
            "p-values",
            Rendering(shape="LIN OD"),
        ),
    ],
)
def test_the_nearest_lut_wins(image: dict[str, Any], film: dict[str, Any], without: str, chosen: Rendering) -> None:
    film_box = FilmBox(ImageDisplayFormat="STANDARD\\1,1", image_boxes=(), **film)
    assert rendering(box(**image), film_box, GreyPolicy(without_lut=without, tables=TABLES)) == chosen


@pytest.mark.parametrize(
    ("image", "policy", "word"),
    [
        ({"ConfigurationInformation": "CS999"}, GreyPolicy(), "CS999"),
        ({"presentation_lut": PresentationLUT(PresentationLUTShape="INVERSE")}, GreyPolicy(), "INVERSE"),
        ({}, GreyPolicy(without_lut="gone"), "gone"),
    ],
)
def test_what_is_not_known_is_said(image: dict[str, Any], policy: GreyPolicy, word: str) -> None:
    film_box = FilmBox(ImageDisplayFormat="STANDARD\\1,1", image_boxes=())
    found = rendering(box(**image), film_box, policy)
    assert word in found.note and found.shape == "IDENTITY"


@pytest.mark.parametrize("bits", [8, 12])
@pytest.mark.parametrize("polarity", ["NORMAL", "REVERSE"])
@pytest.mark.parametrize(
    "policy",
    [
        GreyPolicy(),
        GreyPolicy(without_lut="lin-od"),
        GreyPolicy(without_lut="lin-od", lin_od_zero_is_max_density=False),
        GreyPolicy(
            without_lut="soft", tables={"soft": tuple(value * value // 65535 for value in range(0, 65536, 257))}
        ),
        GreyPolicy(tables={"hard": tuple(range(65535, -1, -257))}),
    ],
)
def test_an_imager_that_knows_no_profile_is_told_the_same_grey(policy: GreyPolicy, polarity: str, bits: int) -> None:
    image_box = box(bits, Polarity=polarity, ConfigurationInformation="hard" if "hard" in policy.tables else None)
    film = FilmBox(ImageDisplayFormat="STANDARD\\1,1", image_boxes=(image_box,))
    told = spelled_out(FilmSession(film_boxes=(film,)), policy).film_boxes[0].image_boxes[0]
    apart = table(told).astype(int) - table(image_box, policy=policy).astype(int)
    assert abs(apart).max() <= 4  # of 65535: P-values of a table are whole numbers


def test_a_presentation_lut_goes_to_an_imager_as_it_came() -> None:
    image_box = box(12, presentation_lut=LIN_OD)
    film = FilmBox(ImageDisplayFormat="STANDARD\\1,1", image_boxes=(image_box,))
    session = FilmSession(film_boxes=(film,))
    assert spelled_out(session, GreyPolicy(without_lut="t", tables={"t": (0, 65535)})) == session
