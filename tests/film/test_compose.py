"""Whole films, measured region by region."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.errors import DamagedError, RefusedError, UsageError
from appliance.film.areas import areas, set_verdict
from appliance.film.boxes import AnnotationBox, FilmBox, ImageBox, PresentationLUT
from appliance.film.compose import compose
from appliance.film.raster import FilmRaster
from appliance.film.sheet import Characteristic, GreyPolicy, Margins, Sheet
from tests.film.films import FILM_14X17, SMALL, film, keep, session

AS_SENT = replace(SMALL, characteristic=Characteristic(kind="p-values"), magnification_type="REPLICATE")
RANDOM = np.random.default_rng(3)


def composed(film_box: FilmBox, folder: Path, sheet: Sheet = AS_SENT, **other: Any) -> FilmRaster:
    return compose(session(film_box), 1, sheet, folder, **other)


def with_box(film_box: FilmBox, **attributes: Any) -> FilmBox:
    """The film with its first image box changed."""
    first, *rest = film_box.image_boxes
    return replace(film_box, image_boxes=(replace(first, **attributes), *rest))


def flat(value: int, rows: int = 10, columns: int = 10, dtype: Any = np.uint8) -> NDArray[Any]:
    return np.full((rows, columns), value, dtype)


def marked(value: int) -> NDArray[Any]:
    """An image with a white mark in its top left corner and a black one at its top right."""
    pixels = flat(value, 100, 100)
    pixels[:20, :20] = 255
    pixels[:20, 80:] = 0
    return pixels


@pytest.mark.parametrize("orientation", ["PORTRAIT", "LANDSCAPE"])
@pytest.mark.parametrize("text", [r"STANDARD\2,3", r"STANDARD\3,2", r"ROW\2,1,3", r"COL\1,3,2"])
@pytest.mark.parametrize("times", [1, 8], ids=["enlarged", "shrunk"])
def test_each_image_lies_in_its_box_the_right_way_up(text: str, orientation: str, times: int, tmp_path: Path) -> None:
    images = [
        keep(tmp_path, marked(20 * k).repeat(times, axis=0).repeat(times, axis=1), name=str(k)) for k in range(1, 7)
    ]
    film_box = film(text, *images, FilmOrientation=orientation)
    raster = composed(film_box, tmp_path)
    assert raster.pixels.shape == ((400, 500) if orientation == "LANDSCAPE" else (500, 400))
    assert raster.width_mm == (127.0 if orientation == "LANDSCAPE" else 101.6)
    for k, area in enumerate(areas(film_box, AS_SENT).images, 1):
        box = raster.pixels[area.rows, area.columns]
        side = min(box.shape)
        left, top = (box.shape[1] - side) // 2, (box.shape[0] - side) // 2
        near, far = side // 10, side - side // 10
        assert box[top + side // 2, left + side // 2] == 20 * k
        assert box[top + near, left + near] == 255
        assert box[top + near, left + far] == 0
        assert box[top + far, left + near] == box[top + far, left + far] == 20 * k


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_without_magnification_every_value_is_printed_as_it_was_sent(bits: int, tmp_path: Path) -> None:
    pixels: NDArray[Any] = RANDOM.integers(0, 1 << bits, (60, 80)).astype(np.uint8 if bits == 8 else np.uint16)
    image = keep(tmp_path, pixels, bits=bits)
    raster = composed(film(r"STANDARD\1,1", image, MagnificationType="NONE"), tmp_path, replace(AS_SENT, bits=16))
    found = raster.pixels[220:280, 160:240]
    assert raster.bits == 16 and raster.pixels.dtype == np.uint16
    assert np.array_equal(found, np.rint(pixels / ((1 << bits) - 1) * 65535))


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (12, np.uint16), (16, np.uint16)])
def test_films_have_the_bits_of_their_sheet(bits: int, dtype: Any, tmp_path: Path) -> None:
    image = keep(tmp_path, flat(4095, dtype=np.uint16), bits=12)
    raster = composed(film(r"STANDARD\1,1", image), tmp_path, replace(AS_SENT, bits=bits))
    assert raster.pixels.dtype == dtype and raster.pixels.max() == 2**bits - 1


def test_densities_on_the_film_are_those_of_the_standard(tmp_path: Path) -> None:
    image = keep(tmp_path, np.repeat(np.array([[0, 128, 255]], np.uint8), 50, 0).repeat(50, 1))
    raster = composed(film(r"STANDARD\1,1", image), tmp_path, replace(SMALL, bits=16))
    densities = 3.0 - raster.pixels[250, [60, 200, 340]] / 65535 * 2.8
    assert densities == pytest.approx([3.000, 1.122, 0.200], abs=0.0014)


@pytest.mark.parametrize("photometric", ["MONOCHROME2", "MONOCHROME1"])
def test_a_step_magnified_by_cubic_stays_within_its_bits(photometric: str, tmp_path: Path) -> None:
    pixels = np.zeros((20, 20), np.uint16)
    pixels[:, 10:] = 4095
    image = keep(tmp_path, pixels, bits=12, PhotometricInterpretation=photometric)
    film_box = film(r"STANDARD\1,1", image, MagnificationType="CUBIC")
    levels = composed(film_box, tmp_path, replace(AS_SENT, bits=16)).pixels[250]
    left, right = (0, 65535) if photometric == "MONOCHROME2" else (65535, 0)
    assert (levels[:185] == left).all() and (levels[215:] == right).all()


@pytest.mark.parametrize(
    ("photometric", "polarity", "bright"),
    [("MONOCHROME2", "NORMAL", True), ("MONOCHROME1", "NORMAL", False), ("MONOCHROME2", "REVERSE", False)],
)
def test_photometric_and_polarity(photometric: str, polarity: str, bright: bool, tmp_path: Path) -> None:
    image = keep(tmp_path, flat(255), PhotometricInterpretation=photometric)
    raster = composed(with_box(film(r"STANDARD\1,1", image), Polarity=polarity), tmp_path)
    assert raster.pixels[250, 200] == (255 if bright else 0)


@pytest.mark.parametrize("scale", [1.0, 1.013])
def test_a_true_size_image_measures_what_was_asked_within_a_pixel(scale: float, tmp_path: Path) -> None:
    pixels = flat(0, 300, 300)
    pixels[50:250, 50:250] = 255  # 100 mm of an image of 150 mm
    image = keep(tmp_path, pixels)
    sheet = replace(FILM_14X17, x_scale=scale, characteristic=AS_SENT.characteristic)
    raster = composed(with_box(film(r"STANDARD\1,1", image), RequestedImageSize=150.0), tmp_path, sheet)
    bright = raster.pixels > 127
    across, down = bright.any(0).sum(), bright.any(1).sum()
    assert abs(across - 100 * 320 / 25.4 * scale) <= 1
    assert abs(down - 100 * 320 / 25.4) <= 1
    assert raster.warnings == ()


def test_a_true_size_image_too_large_is_cropped_about_its_centre(tmp_path: Path) -> None:
    pixels = flat(50, 101, 101)
    pixels[50, 50] = 255
    image = keep(tmp_path, pixels)
    raster = composed(with_box(film(r"STANDARD\1,1", image), RequestedImageSize=254.0), tmp_path)
    rows, columns = np.nonzero(raster.pixels == 255)
    assert abs(rows.mean() - 249.5) < 6 and abs(columns.mean() - 199.5) < 6
    assert rows.max() - rows.min() + 1 in (9, 10, 11)  # the scale asked for
    assert "cropped" in raster.warnings[0] and raster.warnings[0].startswith("image 1: ")


def test_an_image_that_may_not_be_cut_is_refused(tmp_path: Path) -> None:
    image = keep(tmp_path, flat(1))
    film_box = with_box(film(r"STANDARD\1,1", image), RequestedImageSize=254.0, RequestedDecimateCropBehavior="FAIL")
    assert set_verdict(film_box.image_boxes[0], film_box, AS_SENT).status == 0xC603
    with pytest.raises(RefusedError, match="image 1") as refusal:
        composed(film_box, tmp_path)
    assert refusal.value.dimse_status == 0xC603


def test_a_position_the_film_does_not_have_is_refused_when_set_and_told_when_printed(tmp_path: Path) -> None:
    film_box = film(r"STANDARD\1,1", None, keep(tmp_path, flat(9)))
    with pytest.raises(RefusedError, match="Image Box Position 2"):
        set_verdict(film_box.image_boxes[1], film_box, AS_SENT)
    assert composed(film_box, tmp_path).warnings == ("image 2: the film has no such position, it is not printed",)


def test_same_warnings_of_many_images_are_one(tmp_path: Path) -> None:
    image = keep(tmp_path, flat(9))
    raster = composed(film(r"STANDARD\2,1", image, image, SmoothingType="odd"), tmp_path)
    assert raster.warnings == ("images 1, 2: Smoothing Type 'odd' is not known, none was used",)


def test_border_and_empty_boxes_have_their_densities(tmp_path: Path) -> None:
    image = keep(tmp_path, flat(0))
    sheet = replace(SMALL, bits=16, gap_mm=5.08)
    film_box = film(r"STANDARD\1,2", image, None, BorderDensity="150", EmptyImageDensity="WHITE")
    raster = composed(film_box, tmp_path, sheet)
    border = round(1.5 / 2.8 * 65535)
    assert raster.pixels[100, 200] == 0  # the image, square in its box
    assert abs(int(raster.pixels[100, 20]) - border) <= 1  # beside it
    assert abs(int(raster.pixels[250, 200]) - border) <= 1  # the gap
    assert raster.pixels[400, 200] == 65535  # the empty box


@pytest.mark.parametrize(("border", "line"), [("BLACK", 255), ("WHITE", 0)])
def test_trim_draws_a_line_that_hides_no_pixel(border: str, line: int, tmp_path: Path) -> None:
    sheet = replace(AS_SENT, resolution=320)
    image = keep(tmp_path, flat(100))
    film_box = film(r"STANDARD\1,1", image, Trim=" yes", BorderDensity=border)
    raster = composed(film_box, tmp_path, sheet)
    (area,) = areas(film_box, sheet).images
    found = raster.pixels[raster.pixels.shape[0] // 2]
    assert found[0] == found[2] == line and found[3] == 100  # 0.25 mm is 3 pixels
    assert area.width == (found == 100).sum() == 1280 - 6
    assert (composed(replace(film_box, Trim="NO"), tmp_path, sheet).pixels == 100).sum() == 1280**2


def test_a_film_boxes_lut_holds_for_images_without_their_own(tmp_path: Path) -> None:
    image = keep(tmp_path, flat(64))
    dark, bright = (PresentationLUT(data=(p,) * 256, bits=8) for p in (10, 200))
    film_box = with_box(film(r"STANDARD\1,2", image, image, presentation_lut=dark), presentation_lut=bright)
    raster = composed(film_box, tmp_path)
    assert (raster.pixels[100, 200], raster.pixels[400, 200]) == (200, 10)


def test_density_limits_of_an_image_hold_for_it_alone(tmp_path: Path) -> None:
    image = keep(tmp_path, flat(0))
    film_box = with_box(film(r"STANDARD\1,2", image, image), MaxDensity=160)
    raster = composed(film_box, tmp_path, SMALL)
    assert (raster.pixels[100, 200], raster.pixels[400, 200]) == (128, 0)


def test_without_a_lut_the_profile_says_what_pixels_mean(tmp_path: Path) -> None:
    film_box = film(r"STANDARD\1,1", keep(tmp_path, flat(51)))
    raster = composed(film_box, tmp_path, SMALL, policy=GreyPolicy(without_lut="lin-od"))
    assert raster.pixels[250, 200] == 51  # a fifth of the way from Max to Min Density
    assert composed(film_box, tmp_path, SMALL).pixels[250, 200] > 80


COLOR = replace(SMALL, color=True, bits=12, magnification_type="REPLICATE")


def test_colour_is_printed_as_it_is_and_grey_beside_it_is_neutral(tmp_path: Path) -> None:
    red = keep(tmp_path, np.full((10, 10, 3), (200, 30, 10), np.uint8), name="red")
    grey = keep(tmp_path, flat(2048, dtype=np.uint16), bits=12, name="grey")
    raster = composed(film(r"STANDARD\1,2", red, grey, BorderDensity="WHITE"), tmp_path, COLOR)
    assert raster.color and raster.bits == 8 and raster.pixels.dtype == np.uint8
    assert tuple(raster.pixels[125, 200]) == (200, 30, 10)
    assert len(set(raster.pixels[375, 200])) == 1 and tuple(raster.pixels[125, 10]) == (255, 255, 255)


def test_reversed_colour_is_its_opposite(tmp_path: Path) -> None:
    red = keep(tmp_path, np.full((10, 10, 3), (200, 30, 10), np.uint8))
    raster = composed(with_box(film(r"STANDARD\1,1", red), Polarity="REVERSE"), tmp_path, COLOR)
    assert tuple(raster.pixels[250, 200]) == (55, 225, 245)


def test_a_film_without_colour_images_stays_grey_at_full_depth_on_a_colour_printer(tmp_path: Path) -> None:
    raster = composed(film(r"STANDARD\1,1", keep(tmp_path, flat(9))), tmp_path, COLOR)
    assert not raster.color and raster.bits == 12


def test_colour_on_a_grey_sheet_is_its_luma_and_says_so(tmp_path: Path) -> None:
    red = keep(tmp_path, np.full((10, 10, 3), (200, 30, 10), np.uint8))
    raster = composed(film(r"STANDARD\1,1", red), tmp_path, policy=GreyPolicy(without_lut="lin-od"))
    assert raster.pixels.shape == (500, 400)
    assert abs(int(raster.pixels[250, 200]) - (0.299 * 200 + 0.587 * 30 + 0.114 * 10)) <= 1
    assert raster.warnings == ("image 1: its colours were printed as grey",)


def test_a_colour_profile_goes_with_colour_only(tmp_path: Path) -> None:
    (tmp_path / "icc").write_bytes(b"profile")
    red = keep(tmp_path, np.zeros((10, 10, 3), np.uint8))
    film_box = film(r"STANDARD\1,1", red, icc_profile="icc")
    assert composed(film_box, tmp_path, COLOR).icc_profile == b"profile"
    assert composed(film_box, tmp_path).icc_profile is None


def test_margins_make_the_raster_the_printable_part(tmp_path: Path) -> None:
    sheet = replace(AS_SENT, margins=Margins(top=2.54, right=5.08, bottom=7.62, left=10.16))
    raster = composed(film(r"STANDARD\1,1", keep(tmp_path, flat(9))), tmp_path, sheet)
    assert raster.pixels.shape == (460, 340)
    assert (raster.left_mm, raster.top_mm, raster.width_mm, raster.height_mm) == (10.16, 2.54, 101.6, 127.0)


def test_texts_take_room_from_the_images_and_are_printed(tmp_path: Path) -> None:
    image = keep(tmp_path, flat(128))
    sheet = replace(AS_SENT, resolution=320, label_session=True)
    texts = (AnnotationBox(AnnotationPosition=1, TextString="Anno Tation"),)
    plain, noted = film(r"STANDARD\1,1", image), film(r"STANDARD\1,1", image, annotation_boxes=texts)
    assert areas(noted, sheet).images[0].height < areas(plain, sheet).images[0].height
    assert len(np.unique(composed(plain, tmp_path, sheet).pixels)) == 2
    assert (composed(noted, tmp_path, sheet).pixels == 255).sum() > 100
    labelled = compose(session(plain, FilmSessionLabel="Label"), 1, sheet, tmp_path)
    assert (labelled.pixels == 255).sum() > 100
    unlabelled = compose(session(plain, FilmSessionLabel="Label"), 1, replace(sheet, label_session=False), tmp_path)
    assert (unlabelled.pixels == 255).sum() == 0


def test_a_film_can_be_composed_at_any_resolution(tmp_path: Path) -> None:
    film_box = film(r"STANDARD\1,1", keep(tmp_path, flat(9)))
    assert composed(film_box, tmp_path, replace(AS_SENT, resolution=40)).pixels.shape == (200, 160)


def test_a_film_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="film 2"):
        compose(session(film(r"STANDARD\1,1")), 2, SMALL, tmp_path)


def test_an_image_whose_pixels_are_gone_is_told(tmp_path: Path) -> None:
    image = keep(tmp_path, flat(9))
    (tmp_path / "image").unlink()
    with pytest.raises(DamagedError):
        composed(film(r"STANDARD\1,1", image), tmp_path)


def test_twenty_by_twenty_images_are_composed(tmp_path: Path) -> None:
    images = [keep(tmp_path, flat(k % 256), name=str(k)) for k in range(400)]
    film_box = FilmBox(
        ImageDisplayFormat=r"STANDARD\20,20",
        image_boxes=tuple(ImageBox(ImageBoxPosition=k + 1, image=image) for k, image in enumerate(images)),
    )
    raster = composed(film_box, tmp_path)
    assert np.array_equal(raster.pixels[12::25, 10::20].ravel(), np.arange(400) % 256)
