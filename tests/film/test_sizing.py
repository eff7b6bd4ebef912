from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.film.boxes import FilmBox, Image, ImageBox, PixelReference
from appliance.film.layout import Place, page
from appliance.film.sheet import Sheet
from appliance.film.sizing import CROPPED, DECIMATED, DEMAGNIFIED, PRINTED, TOO_LARGE, SizeVerdict, size_verdict
from appliance.language import in_language

SHEET = Sheet(width_mm=254.0, height_mm=254.0, resolution=100)  # 1000 x 1000 pixels, 100 of them 25.4 mm
FILM = FilmBox(ImageDisplayFormat="STANDARD\\1,1", image_boxes=())
AREA = Place(left=0, top=0, width=400, height=300)


def image(columns: int, rows: int, aspect: tuple[int, int] = (1, 1)) -> Image:
    return Image(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=rows,
        Columns=columns,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelAspectRatio=aspect,
        pixels=PixelReference(file="x", offset=0, length=rows * columns),
    )


def verdict(
    columns: int, rows: int, *, aspect: tuple[int, int] = (1, 1), strict: bool = False, sheet: Sheet = SHEET, **box: Any
) -> SizeVerdict:
    image_box = ImageBox(ImageBoxPosition=1, image=image(columns, rows, aspect), **box)
    return size_verdict(image_box, FILM, AREA, page(sheet, None), sheet, strict=strict)


NONE: dict[str, Any] = {"MagnificationType": "NONE"}
MM_150: dict[str, Any] = {"RequestedImageSize": 152.4}  # 600 pixels
MM_50: dict[str, Any] = {"RequestedImageSize": 50.8}  # 200 pixels


def asked(behaviour: str, **other: Any) -> dict[str, Any]:
    return {"RequestedDecimateCropBehavior": behaviour, **other}


CASES: list[tuple[tuple[int, int], dict[str, Any], int, int, tuple[int, int]]] = [
    # image, image box, verdict when tolerant, when strict, size on the film
    ((100, 100), {}, PRINTED, PRINTED, (300, 300)),
    ((200, 50), {}, PRINTED, PRINTED, (400, 100)),
    ((400, 300), {}, PRINTED, PRINTED, (400, 300)),
    ((400, 301), {}, DEMAGNIFIED, DEMAGNIFIED, (399, 300)),
    ((800, 300), {}, DEMAGNIFIED, DEMAGNIFIED, (400, 150)),
    ((800, 300), asked("DECIMATE"), DECIMATED, DECIMATED, (400, 150)),
    ((800, 300), asked("CROP"), CROPPED, CROPPED, (400, 300)),
    ((800, 300), asked("FAIL"), TOO_LARGE, TOO_LARGE, (0, 0)),
    ((800, 300), asked("nonsense"), DEMAGNIFIED, DEMAGNIFIED, (400, 150)),
    ((100, 50), NONE, PRINTED, PRINTED, (100, 50)),
    ((800, 300), NONE, DEMAGNIFIED, TOO_LARGE, (400, 150)),
    ((800, 300), asked("DECIMATE", **NONE), TOO_LARGE, TOO_LARGE, (0, 0)),
    ((800, 300), asked("CROP", **NONE), CROPPED, CROPPED, (400, 300)),
    ((100, 50), asked("DECIMATE", **NONE), PRINTED, PRINTED, (100, 50)),
    ((100, 100), MM_50, PRINTED, PRINTED, (200, 200)),
    ((1000, 1000), MM_50, PRINTED, PRINTED, (200, 200)),
    ((100, 100), asked("FAIL", **MM_50), PRINTED, PRINTED, (200, 200)),
    ((100, 100), MM_50 | NONE, PRINTED, PRINTED, (200, 200)),
    ((600, 100), MM_150, CROPPED, TOO_LARGE, (400, 100)),
    ((300, 300), MM_150, CROPPED, TOO_LARGE, (400, 300)),
    ((300, 300), asked("CROP", **MM_150), CROPPED, CROPPED, (400, 300)),
    ((300, 300), asked("DECIMATE", **MM_150), DECIMATED, DECIMATED, (300, 300)),
    ((300, 300), asked("FAIL", **MM_150), TOO_LARGE, TOO_LARGE, (0, 0)),
    ((300, 300), asked("DECIMATE", **MM_150, **NONE), TOO_LARGE, TOO_LARGE, (0, 0)),
    ((100, 100), {"RequestedImageSize": 0.0}, PRINTED, PRINTED, (300, 300)),
]


@pytest.mark.parametrize(("pixels", "box", "tolerant", "strict", "size"), CASES)
def test_the_verdict_on_sizes(
    pixels: tuple[int, int], box: dict[str, Any], tolerant: int, strict: int, size: tuple[int, int]
) -> None:
    found = verdict(*pixels, **box)
    assert (found.status, (found.width, found.height)) == (tolerant, size)
    assert verdict(*pixels, strict=True, **box).status == strict
    assert bool(found.reason) == (tolerant != PRINTED)


def test_what_is_said_fits_an_error_comment_and_is_told_in_the_reader_s_language() -> None:
    sheet = Sheet(width_mm=355.6, height_mm=431.8, resolution=320)
    area = Place(left=0, top=0, width=2234, height=2713)
    box = ImageBox(ImageBoxPosition=1, image=image(2048, 2048), **asked("CROP", RequestedImageSize=300.0))
    reason = size_verdict(box, FILM, area, page(sheet, None), sheet).reason
    assert reason == "cropped about its centre: 3780 x 3780 pixels, box 2234 x 2713" and len(reason) <= 64
    assert in_language(f"images 1, 2: {reason}", "ru").startswith("снимки 1, 2: обрезан")
    assert "cropped" not in in_language(reason, "zh_Hans")


def test_a_crop_keeps_the_scale_and_the_middle() -> None:
    found = verdict(300, 300, **MM_150)  # two film pixels for each of the image
    assert (found.columns, found.rows) == (200, 150)


def test_pixels_that_are_not_square_keep_their_shape() -> None:
    assert (verdict(100, 100, aspect=(2, 1)).width, verdict(100, 100, aspect=(2, 1)).height) == (150, 300)
    one_to_one = verdict(100, 100, aspect=(1, 2), MagnificationType="NONE")
    assert (one_to_one.width, one_to_one.height) == (200, 100)
    true_size = verdict(100, 100, aspect=(1, 2), RequestedImageSize=50.8)
    assert (true_size.width, true_size.height) == (200, 100)


def test_the_measured_scale_of_the_printer_makes_true_sizes_true() -> None:
    sheet = Sheet(width_mm=254.0, height_mm=254.0, resolution=100, x_scale=1.02, y_scale=0.97)
    found = verdict(100, 100, sheet=sheet, **MM_50)
    assert (found.width, found.height) == (204, 194)


@given(
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.sampled_from([None, "REPLICATE", "NONE", "CUBIC"]),
    st.sampled_from([None, "DECIMATE", "CROP", "FAIL"]),
    st.none() | st.floats(0.1, 2000),
)
def test_no_image_is_larger_than_its_box_or_itself(
    columns: int, rows: int, aspect: tuple[int, int], kind: str | None, behaviour: str | None, size: float | None
) -> None:
    found = verdict(
        columns,
        rows,
        aspect=aspect,
        MagnificationType=kind,
        RequestedDecimateCropBehavior=behaviour,
        RequestedImageSize=size,
    )
    if found.status == TOO_LARGE:
        assert (found.width, found.height) == (0, 0)
        return
    assert 1 <= found.width <= AREA.width and 1 <= found.height <= AREA.height
    assert 1 <= found.columns <= columns and 1 <= found.rows <= rows
    if found.status == PRINTED and size:
        assert abs(found.width - size * 100 / 25.4) <= 1
