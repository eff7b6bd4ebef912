"""Texts on a film: the format's place, a legible size at any dpi, any script, and nothing lost in silence."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from appliance.errors import SettingError
from appliance.film import fonts, lettering
from appliance.film.annotate import annotate, image_reserved_mm, reserved_mm
from appliance.film.annotation_format import load_formats
from appliance.film.boxes import AnnotationBox, FilmBox, ImageBox
from appliance.film.fonts import Fonts, default_fonts
from appliance.film.layout import Place, page
from appliance.film.lettering import directions, fit, letter
from appliance.film.sheet import Sheet
from appliance.resources import shipped

SHEET = Sheet(width_mm=203.2, height_mm=254.0, resolution=150)
BLACK, WHITE = 0, 255
NAMES = {
    "Latin": "Müller^Jürgen",
    "Portuguese": "João da Conceição",
    "Cyrillic": "Иванов^Иван",
    "Chinese": "李^小明",
    "Japanese": "山田^太郎=やまだ",
    "Korean": "김^희중",
    "Arabic": "محمد^علي",
    "Hebrew": "כהן^יוסף",
    "Thai": "สมชาย",
    "Devanagari": "राहुल",
}


def film_box(format_id: str | None, *texts: tuple[int, str], images: int = 4) -> FilmBox:
    return FilmBox(
        ImageDisplayFormat=r"STANDARD\2,2",
        image_boxes=tuple(ImageBox(ImageBoxPosition=p) for p in range(1, images + 1)),
        AnnotationDisplayFormatID=format_id,
        annotation_boxes=tuple(AnnotationBox(AnnotationPosition=p, TextString=t) for p, t in texts),
    )


def canvas_of(sheet: Sheet, level: int = BLACK, dtype: type = np.uint8) -> np.ndarray:
    held = page(sheet, None)
    return np.full((held.height, held.width), level, dtype)


def quarters(canvas: np.ndarray) -> list[Place]:
    rows, columns = canvas.shape[0] // 2, canvas.shape[1] // 2
    return [Place(left=c * columns, top=r * rows, width=columns, height=rows) for r in (0, 1) for c in (0, 1)]


def printed(box: FilmBox, sheet: Sheet = SHEET, **kwargs) -> tuple[np.ndarray, list[str]]:
    canvas = canvas_of(sheet)
    warnings = annotate(canvas, box, sheet, black=BLACK, white=WHITE, areas=quarters(canvas), **kwargs)
    return canvas, warnings


def inked(canvas: np.ndarray, ground: int = BLACK) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of what differs from the ground, as fractions of the canvas."""
    rows, columns = np.nonzero(canvas != ground)
    assert rows.size, "nothing was printed"
    height, width = canvas.shape[:2]
    return rows.min() / height, rows.max() / height, columns.min() / width, columns.max() / width


@pytest.mark.parametrize(
    ("format_id", "position", "where"),
    [
        ("LABEL", 0, "top"),
        ("LABEL", 2, "top"),
        ("label ", 1, "top"),
        ("COMBINED", 0, "top"),
        ("COMBINED", 9, "bottom"),
        ("BOTTOM", 7, "bottom"),
        ("CORNERS", 1, "top"),
        ("CORNERS", 4, "bottom"),
        (None, 2, "bottom"),
        ("", 1, "bottom"),
        ("SOME VENDOR'S", 2, "bottom"),
    ],
)
def test_a_text_stands_in_the_strip_of_its_format_and_the_layout_leaves_room(format_id, position, where):
    box = film_box(format_id, (position, "Doe^John"))
    canvas, warnings = printed(box)
    room = getattr(reserved_mm(box, SHEET), where) / SHEET.height_mm
    top, bottom, _, _ = inked(canvas)
    assert 0 < room < 0.05
    assert (bottom < room) if where == "top" else (top > 1 - room)
    other = "bottom" if where == "top" else "top"
    assert getattr(reserved_mm(box, SHEET), other) == 0
    assert bool(warnings) == (format_id == "SOME VENDOR'S")


def test_an_unknown_format_is_named_in_a_warning():
    _, warnings = printed(film_box("SOME VENDOR'S", (2, "Doe^John")))
    assert warnings == ["""Annotation Display Format ID "SOME VENDOR'S" is not known, the default one was used"""]


@pytest.mark.parametrize("format_id", ["NONE", "LABEL", None])
def test_nothing_prints_and_no_room_is_taken_without_text(format_id):
    texts = [(1, "Doe^John")] if format_id == "NONE" else [(1, ""), (2, "  \t")]
    box = film_box(format_id, *texts)
    canvas, warnings = printed(box)
    assert not canvas.any()
    assert warnings == []
    assert reserved_mm(box, SHEET) == type(SHEET.margins)()


@pytest.mark.parametrize("format_id", ["BOTTOM", "COMBINED"])
def test_texts_of_images_stand_at_the_foot_of_their_image_box(format_id):
    box = film_box(format_id, (2, "second"), (3, "third"))
    canvas, _ = printed(box)
    room = image_reserved_mm(box)
    assert reserved_mm(box, SHEET).bottom == 0
    assert 0 < room.bottom < 6.1
    for position, area in enumerate(quarters(canvas), 1):
        part = canvas[area.rows, area.columns]
        assert part.any() == (position in (2, 3))
        if part.any():
            foot = 1 - room.bottom / (SHEET.height_mm / 2)
            assert inked(part)[0] > foot - 0.01


def test_corners_are_corners():
    canvas, _ = printed(film_box("CORNERS", (1, "one"), (2, "two"), (3, "three"), (4, "four")))
    halves = canvas.shape[0] // 2, canvas.shape[1] // 2
    for rows in (slice(0, halves[0]), slice(halves[0], None)):
        assert inked(canvas[rows, : halves[1]])[2] < 0.03
        assert inked(canvas[rows, halves[1] :])[3] > 0.97


def test_the_session_label_stands_beside_a_text_on_the_same_edge():
    box = film_box(None, (1, "left"))
    alone, _ = printed(box)
    both, _ = printed(box, session_label="right")
    half = both.shape[1] // 2
    np.testing.assert_array_equal(both[:, :half], alone[:, :half])
    assert not alone[:, half:].any()
    assert inked(both)[3] > 0.98
    assert reserved_mm(box, SHEET, "right") == reserved_mm(box, SHEET)


def test_many_texts_of_an_unknown_format_all_print_apart():
    texts = [(position, f"T{position}") for position in range(1, 19)]
    box = film_box("VENDOR", *texts)
    canvas, warnings = printed(box)
    assert len(warnings) == 1  # only that the format is unknown
    assert reserved_mm(box, SHEET).bottom < SHEET.height_mm / 8
    columns = np.flatnonzero(canvas.any(axis=0))
    assert (np.diff(columns) > SHEET.width_mm / 25.4 * SHEET.resolution / 20).sum() == 4  # five columns of up to four
    assert (np.diff(np.flatnonzero(canvas.any(axis=1))) > 3).sum() == 3  # four lines


@pytest.mark.parametrize("resolution", [100, 320, 600])
@pytest.mark.parametrize("x_scale", [1.0, 1.02])
def test_a_capital_is_as_high_as_the_format_says_at_any_dpi(resolution, x_scale):
    sheet = replace(SHEET, resolution=resolution, x_scale=x_scale, y_scale=x_scale)
    canvas, _ = printed(film_box("LABEL", (0, "HEH")), sheet)
    rows = np.flatnonzero((canvas > 127).any(axis=1))
    height_mm = rows.size * 25.4 / resolution / x_scale
    assert height_mm == pytest.approx(3.5, abs=1.5 * 25.4 / resolution)


def test_a_long_text_shrinks_then_ends_in_an_ellipsis_with_a_warning():
    narrow = replace(SHEET, width_mm=76.2)
    _, shrunk = printed(film_box("LABEL", (0, "M" * 24)), narrow)
    assert shrunk == []
    canvas, cut = printed(film_box("LABEL", (0, "M" * 64)), narrow)
    assert cut == ["annotation 0: too long for its place, its end is not printed"]
    assert inked(canvas)[2] > 0
    assert inked(canvas)[3] < 1
    drawn = fit("M" * 64, 200, 20, 10, default_fonts())
    kept = fit("M" * 10, 1000, 10, 10, default_fonts())
    assert drawn.is_cut
    np.testing.assert_array_equal(drawn.mask[:, :60], kept.mask[:, :60])  # the beginning stays


@pytest.mark.parametrize("script", NAMES)
def test_a_name_in_any_script_has_its_glyphs(script):
    drawn = letter(NAMES[script], 30, default_fonts())
    assert drawn.missing == ()
    assert drawn.mask.max() == 255
    assert 0.02 < (drawn.mask > 127).mean() < 0.5


def test_a_glyph_no_font_has_is_a_box_and_its_code_point_a_warning():
    canvas, warnings = printed(film_box("LABEL", (0, "Doe\U000f0000^\u0378")))
    assert warnings == ["annotation 0: no font has U+0378, U+F0000, printed as a box"]
    assert letter("\u0378", 30, default_fonts()).mask.shape[1] > 15
    assert canvas.any()


def test_a_font_that_could_not_be_opened_once_still_has_its_glyphs_later(monkeypatch):
    """Else a moment without descriptors would cost every film to come its words."""
    real = Path.open

    def refuse(path, *arguments, **named):
        if path.suffix in fonts.SUFFIXES:
            raise OSError(errno.EMFILE, "Too many open files")
        return real(path, *arguments, **named)

    fonts._code_points.cache_clear()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OSError, match="Too many"):
        Fonts().font_for("A")
    monkeypatch.setattr(Path, "open", real)
    assert Fonts().font_for("A") is not None


def test_without_the_machines_fonts_latin_and_cyrillic_still_print():
    shipped_only = Fonts(system_folders=())
    assert letter("João Иванов Ưng", 30, shipped_only).missing == ()
    assert letter("李", 30, shipped_only).missing == ("U+674E",)


def test_han_characters_take_the_face_of_the_language_around_them():
    faces = {fonts_index: letter(text, 60, default_fonts()).mask for fonts_index, text in enumerate(("骨", "骨あ"))}
    width = min(mask.shape[1] for mask in faces.values())
    assert (faces[0][:, : width // 2] != faces[1][:, : width // 2]).any()


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("abc 12", "000000"),
        ("אב 12", "11122"),
        ("ab אב cd", "00011000"),
        ("אב cd אב", "11122111"),
        ("עم 1/2", "111222"),
        ("م 1-2", "11212"),  # a hyphen does not join numbers in Arabic
        ("م 2026-02-01", "112222222222"),  # but a date is kept together
        ("א 1-2", "11222"),
        ("a א, ב b", "00111100"),
    ],
)
def test_right_to_left_text_has_the_levels_of_uax9(text, levels):
    assert "".join(map(str, directions(text))) == levels


def test_letters_join_and_stand_in_visual_order():
    joined, apart = letter("سلام", 40, default_fonts()).mask, letter("س ل ا م", 40, default_fonts()).mask
    assert joined.shape[1] < apart.shape[1]
    name, mixed = letter("محمد", 40, default_fonts()).mask, letter("محمد 1", 40, default_fonts()).mask
    width = name.shape[1] - 8
    differences = [np.abs(mixed[:, -width - d :][:, :width] - name[:, -width:].astype(int)).mean() for d in (0, 1)]
    assert min(differences) < 4  # the name stands at the right, to a pixel
    assert np.abs(mixed[:, 8:][:, :width] - name[:, -width:].astype(int)).mean() > 20


def test_without_raqm_right_to_left_text_still_stands_in_order(monkeypatch):
    """Pillow has Raqm only where the machine has FriBidi."""
    with_raqm = letter("שלום 12 ab", 40, default_fonts()).mask
    monkeypatch.setattr(lettering, "_HAS_RAQM", False)
    monkeypatch.setattr(
        fonts,
        "_loaded",
        lambda path, index, size: ImageFont.truetype(str(path), size, index, "", ImageFont.Layout.BASIC),
    )
    without = letter("שלום 12 ab", 40, default_fonts()).mask
    assert abs(with_raqm.shape[1] - without.shape[1]) < 12
    width = min(with_raqm.shape[1], without.shape[1])
    profiles = [np.cumsum((mask[:, :width] > 127).sum(axis=0)) for mask in (with_raqm, without)]
    mirrored = np.cumsum((with_raqm[:, ::-1][:, :width] > 127).sum(axis=0))
    assert np.abs(profiles[0] - profiles[1]).max() < np.abs(mirrored - profiles[1]).max() / 2


def test_a_text_of_a_megabyte_is_cut_at_once():
    assert fit("x" * 1_000_000, 300, 10, 5, default_fonts()).is_cut


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 4095), (np.uint16, 65535)])
def test_letters_contrast_with_their_ground_and_have_smooth_edges(dtype, top):
    box = film_box("LABEL", (0, "Doe^John"))
    for ground, ink in ((0, top), (top, 0)):
        canvas = canvas_of(SHEET, ground, dtype)
        annotate(canvas, box, SHEET, black=0, white=top)
        assert (canvas == ink).sum() > 100
        assert len(np.unique(canvas)) > 10


def test_letters_on_a_mixed_ground_have_a_rim():
    canvas = canvas_of(SHEET)
    canvas[:, ::2] = WHITE
    annotate(canvas, film_box("LABEL", (0, "I")), SHEET, black=BLACK, white=WHITE)
    strip = canvas[: canvas.shape[0] // 20]
    changed = strip != np.where(np.arange(canvas.shape[1]) % 2 == 0, WHITE, BLACK)
    assert (strip[changed] == BLACK).any()
    assert (strip[changed] == WHITE).any()


def test_colour_canvases_stay_neutral():
    canvas = np.zeros((*canvas_of(SHEET).shape, 3), np.uint8)
    annotate(canvas, film_box("LABEL", (0, "Doe^John")), SHEET, black=0, white=255)
    assert canvas.any()
    assert (canvas[..., 0] == canvas[..., 1]).all()
    assert (canvas[..., 0] == canvas[..., 2]).all()


def test_letters_at_a_tiny_canvas_s_edge_do_no_harm():
    canvas = np.zeros((5, 9), np.uint8)
    warnings = annotate(canvas, film_box("COMBINED", (0, "Doe"), (3, "John"), (4, "x")), SHEET, black=0, white=255)
    assert any("no such image box" in warning for warning in warnings)


def test_no_warning_holds_the_text():
    texts = [(0, "Secretname \u0378" * 9), (1, "Secretname" * 20), (77, "Secretname" * 20)]
    for format_id in ("LABEL", "COMBINED", "XYZ"):
        _, warnings = printed(film_box(format_id, *texts), replace(SHEET, width_mm=60.0))
        assert warnings
        assert "Secret" not in " ".join(warnings)


def test_a_site_adds_and_overrides_formats(tmp_path):
    (tmp_path / "mine.toml").write_text(
        '[annotations.LABEL]\nplaces = [{ where = "bottom" }]\n'
        '[annotations."MY FORMAT"]\nplaces = [{ where = "top" }]\n'
    )
    formats = load_formats(tmp_path, tmp_path / "absent")
    assert formats.chosen("LABEL").places[0].where == "bottom"
    assert formats.chosen("my format").places[0].where == "top"
    assert formats.chosen("COMBINED") == load_formats().chosen("COMBINED")
    canvas, _ = printed(film_box("MY FORMAT", (3, "x")), formats=formats)
    assert inked(canvas)[1] < 0.1


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ('[{ where = "middle" }]', "where is one of top, bottom, image-top, image-bottom"),
        ('[{ where = "top", size = 3 }]', "size not known; known are where"),
        ('[{ where = "top", text_mm = 1.0, smallest_mm = 2.0 }]', "smallest_mm is the smaller"),
        ('[{ where = "image-top" }]', 'takes positions = "images"'),
        ('[{ where = "top", positions = "some" }]', "positions is a list"),
    ],
)
def test_a_wrong_format_names_file_and_table(places, said, tmp_path):
    (tmp_path / "mine.toml").write_text(f"[annotations.MINE]\nplaces = {places}\n")
    with pytest.raises(SettingError, match=r"mine\.toml: \[annotations\.MINE\].*") as raised:
        load_formats(tmp_path)
    assert said in str(raised.value)


def test_every_shipped_format_takes_any_position_or_is_none():
    for name, format_ in load_formats().by_id.items():
        assert format_.title
        assert (name == "NONE") != any(place.positions == "any" for place in format_.places)


def test_the_shipped_font_travels_with_its_licence():
    folder = shipped("layouts") / "fonts"
    assert "SIL OPEN FONT LICENSE" in (folder / "OFL.txt").read_text(encoding="utf-8").upper()
    assert [path.name for path in folder.glob("*.ttf")] == ["NotoSans-Regular.ttf"]
