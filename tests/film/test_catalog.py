from pathlib import Path

import pytest

from appliance import resources
from appliance.errors import NotFoundError, SettingError
from appliance.film.catalog import load, shipped_catalog

TABLE_OF_THE_STANDARD = (
    "8INX10IN 8_5INX11IN 10INX12IN 10INX14IN 11INX14IN 11INX17IN 14INX14IN 14INX17IN 24CMX24CM 24CMX30CM A4 A3"
)


def test_every_film_size_of_the_standard_is_shipped() -> None:
    assert set(TABLE_OF_THE_STANDARD.split()) | {"17INX17IN"} == set(shipped_catalog().film_sizes)


@pytest.mark.parametrize("name", ["14INX17IN", " 14inx17in ", "14IN X 17IN", "35CMX43CM"])
def test_a_film_size_is_found_however_it_is_written(name: str) -> None:
    assert shipped_catalog().film_size(name).width_mm == 355.6


def test_an_unknown_film_size_is_told_with_those_known() -> None:
    with pytest.raises(NotFoundError, match="14INX17IN"):
        shipped_catalog().film_size("12INX12IN")


def test_a_sites_own_files_win_and_add(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(
        "[film_sizes]\nA4 = { width_mm = 209.0, height_mm = 296.0 }\n"
        "12INX15IN = { width_mm = 304.8, height_mm = 381.0 }\n"
        '[custom.1]\ntitle = "ours"\nboxes = [{ left = 0.0, top = 0.0, width = 1.0, height = 1.0 }]\n'
        "[other]\nreader = 1\n"
    )
    catalog = load(tmp_path, tmp_path / "not-there")
    assert catalog.film_size("A4").width_mm == 209.0
    assert catalog.film_size("12INX15IN").height_mm == 381.0
    assert catalog.film_size("A3").width_mm == 297.0
    assert catalog.custom[1].title == "ours" and 2 in catalog.custom


TWO_BOXES = """
[[custom.9.boxes]]
left = 0
top = 0
width = 1
height = 0.6
[[custom.9.boxes]]
left = 0
top = 0.5
width = 1
height = 0.5
"""
WRONG = {
    "[film_sizes.X]\nwidth = 3\n": "width",
    "[film_sizes.X]\nwidth_mm = 3\n": "height_mm",
    "[film_sizes.X]\nwidth_mm = 0\nheight_mm = 3\n": "above 0",
    "[custom.one]\nboxes = []\n": "number",
    "[custom.9]\nboxes = []\n": "at least one box",
    "[custom.9]\n": "boxes",
    '[custom.9]\nunit = "inch"\nboxes = [{ left = 0, top = 0, width = 1, height = 1 }]\n': "unit",
    "[custom.9]\nboxes = [{ left = 0.5, top = 0, width = 0.6, height = 1 }]\n": "box 1 lies outside",
    TWO_BOXES: "1 and 2 overlap",
    "film_sizes = \n": "layout file",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_layout_file_is_named_with_what_is_wrong(text: str, tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(text)
    with pytest.raises(SettingError, match=WRONG[text]) as refusal:
        load(tmp_path)
    assert "ours.toml" in str(refusal.value)


def test_layouts_are_found_in_a_checkout_and_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (resources.shipped("layouts") / "film-sizes.toml").is_file()
    (tmp_path / "appliance" / "_shipped" / "layouts").mkdir(parents=True)
    (tmp_path / "layouts").mkdir()
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "appliance")
    assert resources.shipped("layouts") == tmp_path / "appliance" / "_shipped" / "layouts"
    with pytest.raises(NotFoundError, match="nothing"):
        resources.shipped("nothing")
