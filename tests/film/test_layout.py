from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import RefusedError
from appliance.film.catalog import Box, Catalog, CustomLayout, shipped_catalog
from appliance.film.display_format import DisplayFormat, parse
from appliance.film.layout import Place, number_of_boxes, page, place, spans
from appliance.film.sheet import Margins, Sheet

FILM = Sheet(width_mm=355.6, height_mm=431.8)
NO_GAP = replace(FILM, gap_mm=0.0)
LINE = st.integers(1, 20)
FORMATS = (
    st.builds(lambda c, r: DisplayFormat(kind="STANDARD", numbers=(c, r)), LINE, LINE)
    | st.builds(
        lambda kind, n: DisplayFormat(kind=kind, numbers=tuple(n)),
        st.sampled_from(["ROW", "COL"]),
        st.lists(LINE, min_size=1, max_size=20),
    )
    | st.builds(lambda kind: DisplayFormat(kind=kind), st.sampled_from(["SLIDE", "SUPERSLIDE"]))
    | st.builds(lambda i: DisplayFormat(kind="CUSTOM", numbers=(i,)), st.integers(1, 3))
)
SHEETS = st.builds(
    Sheet,
    width_mm=st.floats(150, 450),
    height_mm=st.floats(150, 450),
    resolution=st.sampled_from([72, 100, 300, 320, 508]),
    gap_mm=st.floats(0, 30),
    margins=st.builds(
        Margins, top=st.floats(0, 30), left=st.floats(0, 30), right=st.floats(0, 30), bottom=st.floats(0, 30)
    ),
)
ORIENTATIONS = st.sampled_from([None, "PORTRAIT", "LANDSCAPE"])


def corners(places: list[Place]) -> list[tuple[int, int]]:
    return [(place.left, place.top) for place in places]


@settings(max_examples=150, deadline=None)
@given(FORMATS, SHEETS, ORIENTATIONS, st.floats(0, 20))
def test_boxes_lie_on_the_film_and_never_overlap(
    display_format: DisplayFormat, sheet: Sheet, orientation: str | None, strip: float
) -> None:
    places = place(display_format, sheet, orientation, reserved=Margins(bottom=strip))
    held = page(sheet, orientation)
    covered = np.zeros((held.height, held.width), np.uint8)
    for box in places:
        assert box.width >= 1 and box.height >= 1
        assert box.left >= 0 and box.left + box.width <= held.width
        assert box.top >= 0 and box.top + box.height <= held.height - int(strip * held.down)
        covered[box.rows, box.columns] += 1
    assert covered.max() == 1
    assert len(places) == number_of_boxes(display_format, sheet, orientation)


@settings(max_examples=60, deadline=None)
@given(FORMATS.filter(lambda f: "SLIDE" not in f.kind), ORIENTATIONS)
def test_without_gaps_boxes_cover_every_pixel(display_format: DisplayFormat, orientation: str | None) -> None:
    held = page(NO_GAP, orientation)
    places = place(display_format, NO_GAP, orientation)
    assert sum(box.width * box.height for box in places) == held.width * held.height


@given(st.integers(1, 9000), st.integers(1, 60), st.integers(0, 200))
def test_spans_are_equal_within_a_pixel(length: int, number: int, gap: int) -> None:
    if number > length:
        return
    divided = spans(length, number, gap)
    sizes = {size for _, size in divided}
    assert max(sizes) - min(sizes) <= 1 and min(sizes) >= 1
    assert divided[0][0] == 0 and sum(divided[-1]) == length
    between = {b[0] - sum(a) for a, b in zip(divided, divided[1:], strict=False)}
    assert len(between) <= 1


def test_standard_is_columns_then_rows_numbered_row_by_row() -> None:
    places = place(parse(r"STANDARD\2,3"), NO_GAP, "PORTRAIT")
    assert [(box.left // 2240, box.top // 1813) for box in places] == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]
    assert {box.width for box in places} == {2240}


def test_rows_have_their_own_numbers_of_boxes() -> None:
    places = place(parse(r"ROW\2,1"), NO_GAP, None)
    assert [(box.left, box.top, box.width, box.height) for box in places] == [
        (0, 0, 2240, 2720),
        (2240, 0, 2240, 2720),
        (0, 2720, 4480, 2720),
    ]


def test_columns_are_numbered_column_by_column() -> None:
    places = place(parse(r"COL\1,2"), NO_GAP, None)
    assert [(box.left, box.top, box.width, box.height) for box in places] == [
        (0, 0, 2240, 5440),
        (2240, 0, 2240, 2720),
        (2240, 2720, 2240, 2720),
    ]


def test_landscape_holds_the_film_with_its_long_side_level() -> None:
    sheet = replace(FILM, margins=Margins(top=1, right=2, bottom=3, left=4), x_scale=1.01, y_scale=0.99)
    held = page(sheet, " landscape ")
    assert (held.sheet_width_mm, held.sheet_height_mm) == (431.8, 355.6)
    assert (held.top_mm, held.left_mm) == (4, 3)  # the portrait's top lies along the left edge
    assert (held.width, held.height) == (round(427.8 * 320 / 25.4), round(349.6 * 320 / 25.4))
    assert held.across == pytest.approx(320 / 25.4 * 0.99)
    places = place(parse(r"STANDARD\3,2"), NO_GAP, "LANDSCAPE")
    assert corners(places)[:4] == [(0, 0), (1813, 0), (3626, 0), (0, 2240)]


@pytest.mark.parametrize("name", ["8INX10IN", "14INX17IN", "17INX17IN", "24CMX30CM", "A4"])
def test_a_film_has_the_pixels_of_the_table(name: str) -> None:
    size = shipped_catalog().film_size(name)
    matrix = {
        "8INX10IN": (2560, 3200),
        "14INX17IN": (4480, 5440),
        "17INX17IN": (5440, 5440),
        "24CMX30CM": (3024, 3780),
        "A4": (2646, 3742),
    }
    held = page(Sheet(width_mm=size.width_mm, height_mm=size.height_mm), None)
    assert (held.width, held.height) == matrix[name]


def test_gaps_are_as_wide_as_asked() -> None:
    one, two, *_ = place(parse(r"STANDARD\2,2"), replace(FILM, gap_mm=2.0), None)
    assert two.left - one.left - one.width == round(2.0 * 320 / 25.4)


def test_slides_have_their_size_and_as_many_fit_as_mounts() -> None:
    places = place(parse("SLIDE"), FILM, None)
    assert len(places) == 7 * 8
    assert {(box.width, box.height) for box in places} == {(round(36 * 320 / 25.4), round(24 * 320 / 25.4))}
    assert number_of_boxes(parse("SUPERSLIDE"), FILM, "LANDSCAPE") == 8 * 7
    assert number_of_boxes(parse("SLIDE"), replace(FILM, margins=Margins(top=40)), None) == 7 * 8


def test_a_site_fixes_the_grid_of_slides() -> None:
    shipped = shipped_catalog()
    slides = replace(shipped.slides["SLIDE"], grids={"14INX17IN": (6, 8)})
    catalog = replace(shipped, slides={"SLIDE": slides})
    assert number_of_boxes(parse("SLIDE"), FILM, None, catalog) == 48
    places = place(parse("SLIDE"), FILM, "LANDSCAPE", catalog)
    assert len({box.left for box in places}) == 8


def in_mm(*boxes: tuple[float, float, float, float]) -> Catalog:
    made = tuple(Box(left=a, top=b, width=c, height=d) for a, b, c, d in boxes)
    return replace(shipped_catalog(), custom={7: CustomLayout(boxes=made, unit="mm")})


def test_a_custom_box_in_mm_measures_them() -> None:
    (box,) = place(parse(r"CUSTOM\7"), replace(FILM, x_scale=1.02), None, in_mm((10, 20, 100, 150)))
    assert abs(box.width - 100 * 320 / 25.4 * 1.02) <= 1
    assert abs(box.height - 150 * 320 / 25.4) <= 1
    assert (box.left, box.top) == (round(10 * 320 / 25.4 * 1.02), round(20 * 320 / 25.4))


def test_a_custom_box_larger_than_the_film_is_refused() -> None:
    with pytest.raises(RefusedError, match="outside the film"):
        number_of_boxes(parse(r"CUSTOM\7"), FILM, None, in_mm((10, 20, 350, 150)))


def test_an_unknown_custom_layout_is_refused_with_those_known() -> None:
    with pytest.raises(RefusedError, match=r"CUSTOM\\1"):
        number_of_boxes(parse(r"CUSTOM\99"), FILM, None)


def test_fractions_leave_gaps_inside_only() -> None:
    left, right, below = place(parse(r"CUSTOM\2"), replace(FILM, gap_mm=1.0), None)
    assert left.left == 0 and right.left + right.width == 4480 and below.top + below.height == 5440
    assert right.left - left.left - left.width == 13
    assert all(a.left != b.left or a.top != b.top for a, b in combinations([left, right, below], 2))


@pytest.mark.parametrize("word", ["UPSIDE DOWN", "landscapes"])
def test_an_unknown_orientation_is_refused(word: str) -> None:
    with pytest.raises(RefusedError, match="orientation|Orientation"):
        page(FILM, word)


def test_margins_that_leave_nothing_are_refused() -> None:
    with pytest.raises(RefusedError, match="margins"):
        page(replace(FILM, margins=Margins(left=200, right=200)), None)
