import pytest

from appliance.film.boxes import FilmBox, ImageBox
from appliance.film.densities import background_density, density_range, viewing
from appliance.film.sheet import Sheet

SHEET = Sheet(width_mm=100, height_mm=100, min_density=0.2, max_density=3.0)
NONE = {"MinDensity": None, "MaxDensity": None}


def range_of(image: dict[str, int | None], film: dict[str, int | None]) -> tuple[float, float, bool]:
    box = ImageBox(ImageBoxPosition=1, **image)  # type: ignore[arg-type]
    film_box = FilmBox(ImageDisplayFormat="STANDARD\\1,1", image_boxes=(box,), **film)  # type: ignore[arg-type]
    chosen = density_range(box, film_box, SHEET)
    assert bool(chosen.notes) or not chosen.clamped
    return chosen.min_density, chosen.max_density, chosen.clamped


CASES = [  # image box, film box, what holds, whether the printer's limit was used (B605)
    (NONE, NONE, (0.2, 3.0), False),
    (NONE, {"MinDensity": 30, "MaxDensity": 250}, (0.3, 2.5), False),
    ({"MinDensity": 40}, {"MinDensity": 30, "MaxDensity": 250}, (0.4, 2.5), False),
    ({"MinDensity": 40, "MaxDensity": 200}, {"MaxDensity": 250}, (0.4, 2.0), False),
    (NONE, {"MaxDensity": 400}, (0.2, 3.0), True),
    (NONE, {"MinDensity": 10}, (0.2, 3.0), True),
    (NONE, {"MinDensity": 0, "MaxDensity": 0}, (0.2, 3.0), False),
    ({"MinDensity": 0, "MaxDensity": 0}, {"MaxDensity": 250}, (0.2, 2.5), False),
    (NONE, {"MinDensity": 200, "MaxDensity": 200}, (0.2, 3.0), False),
    (NONE, {"MinDensity": 250, "MaxDensity": 100}, (0.2, 3.0), False),
    (NONE, {"MinDensity": 350, "MaxDensity": 400}, (0.2, 3.0), False),
]


@pytest.mark.parametrize(("image", "film", "holds", "clamped"), CASES)
def test_the_image_box_speaks_before_the_film_box_within_the_printers_range(
    image: dict[str, int | None], film: dict[str, int | None], holds: tuple[float, float], clamped: bool
) -> None:
    assert range_of(image, film) == (*holds, clamped)


def film_box(**attributes: int) -> FilmBox:
    return FilmBox(ImageDisplayFormat="STANDARD\\1,1", image_boxes=(), **attributes)  # type: ignore[arg-type]


def test_the_films_light_is_used() -> None:
    seen, notes = viewing(None, film_box(Illumination=3000, ReflectedAmbientLight=0), SHEET)
    assert (seen.illumination, seen.reflected_ambient_light, notes) == (3000.0, 0.0, ())


@pytest.mark.parametrize("light", [{"Illumination": 10, "ReflectedAmbientLight": 2000}, {"Illumination": 0}])
def test_light_that_shows_nothing_is_not_used(light: dict[str, int]) -> None:
    seen, notes = viewing(None, film_box(**light), SHEET)
    assert (seen.illumination, seen.reflected_ambient_light) == (2000.0, 10.0)
    assert bool(notes) == (light["Illumination"] != 0)


BACKGROUNDS = [
    ("BLACK", 3.0, False),
    ("white ", 0.2, False),
    ("150", 1.5, False),
    (None, 3.0, False),
    ("", 3.0, False),
    ("400", 3.0, True),
    ("5", 0.2, True),
    ("GREY", 3.0, True),
    ("-5", 3.0, True),
]


@pytest.mark.parametrize(("word", "density", "told"), BACKGROUNDS)
def test_backgrounds_are_black_white_or_hundredths(word: str | None, density: float, told: bool) -> None:
    found, note = background_density(word, "BLACK", SHEET)
    assert (found, bool(note)) == (density, told)
