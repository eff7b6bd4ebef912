"""The film session tree by itself: whatever is set is what is printed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from appliance.config import Settings
from appliance.dicom.answering import StatusError
from appliance.dicom.capabilities import MAGNIFICATION_TYPES, MEDIUM_TYPES, capabilities_of
from appliance.dicom.film_session import FilmSessionTree
from appliance.film.annotation_format import shipped_formats
from appliance.film.boxes import PixelReference, from_json, to_json
from appliance.film.catalog import shipped_catalog
from appliance.printing.desk import PrintDesk
from appliance.printing.printers import Printer, PrinterSettings
from appliance.printing.profiles import PrintProfile
from appliance.security.peers import Peer
from tests.dicom.clients import LUT, SESSION, boxes, dataset, gray_image, reference

SESSION_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "NumberOfCopies": st.integers(1, 99),
        "PrintPriority": st.sampled_from(["HIGH", "MED", "LOW"]),
        "MediumType": st.sampled_from(MEDIUM_TYPES),
        "FilmDestination": st.sampled_from(["MAGAZINE", "PROCESSOR", "BIN_1", "BIN_12"]),
        "FilmSessionLabel": st.text("ABCDEFGH 0123456789", min_size=1, max_size=64).map(str.strip).filter(bool),
    },
)
FILM_VALUES = st.fixed_dictionaries(
    {"ImageDisplayFormat": st.sampled_from(["STANDARD\\1,1", "STANDARD\\2,3", "ROW\\1,2", "COL\\3", "CUSTOM\\2"])},
    optional={
        "FilmOrientation": st.sampled_from(["PORTRAIT", "LANDSCAPE"]),
        "FilmSizeID": st.sampled_from(sorted(shipped_catalog().film_sizes)),
        "MagnificationType": st.sampled_from(MAGNIFICATION_TYPES),
        "SmoothingType": st.integers(0, 15).map(str),
        "BorderDensity": st.one_of(st.sampled_from(["BLACK", "WHITE"]), st.integers(0, 400).map(str)),
        "EmptyImageDensity": st.one_of(st.sampled_from(["BLACK", "WHITE"]), st.integers(0, 400).map(str)),
        "MinDensity": st.integers(20, 100),
        "MaxDensity": st.integers(150, 300),
        "Trim": st.sampled_from(["YES", "NO"]),
        "Illumination": st.integers(1, 10000),
        "ReflectedAmbientLight": st.integers(0, 100),
    },
)
BOX_VALUES = st.fixed_dictionaries(
    {},
    optional={
        "Polarity": st.sampled_from(["NORMAL", "REVERSE"]),
        "MagnificationType": st.sampled_from(MAGNIFICATION_TYPES),
        "MinDensity": st.integers(20, 100),
        "MaxDensity": st.integers(150, 300),
        "RequestedImageSize": st.integers(5, 60),
        "RequestedDecimateCropBehavior": st.sampled_from(["DECIMATE", "CROP", "FAIL"]),
    },
)


def tree(strict: bool) -> FilmSessionTree:
    printer = Printer(name="film", device_uri="folder:/nowhere", ae_titles=("A",), settings=PrinterSettings())
    peer = Peer(name="p", ae_title="P", answering="strict" if strict else "tolerant")
    desk = PrintDesk(printer=printer, profile=PrintProfile(name="", printer="film"), peer=peer, called_known=True)
    can = capabilities_of(desk, Settings(), shipped_catalog(), shipped_formats())
    return FilmSessionTree(can=can, profile=desk.profile)


def pixels(number: int) -> PixelReference:
    return PixelReference(file=f"image-{number}", offset=0, length=16 * 24 * 2)


def agrees(kept: Any, sent: dict[str, Any]) -> bool:
    return all(getattr(kept, keyword) == value for keyword, value in sent.items())


@given(strict=st.booleans(), session=SESSION_VALUES, film=FILM_VALUES, box=BOX_VALUES, data=st.data())
def test_what_is_printed_is_what_was_set(
    strict: bool, session: dict[str, Any], film: dict[str, Any], box: dict[str, Any], data: st.DataObject
) -> None:
    this = tree(strict)
    made = this.create_session(dataset(**session), "", color=False)
    referenced = [reference(SESSION, made.instance)]
    filmed = this.create_film_box(
        dataset(ReferencedFilmSessionSequence=referenced, **film), "", color=False, annotated=False, icc=None
    )
    assert (made.status, filmed.status) == (0, 0)
    places = boxes(filmed)  # type: ignore[arg-type]
    position = data.draw(st.integers(1, len(places)))
    item = gray_image()
    del item["PixelData"]
    request = dataset(ImageBoxPosition=position, BasicGrayscaleImageSequence=[item], **box)
    assert this.set_image_box(places[position - 1], request, pixels(position)).status == 0
    printed = this.print_film(filmed.instance)
    assert printed.status == 0
    kept = from_json(to_json(printed.session))
    assert agrees(kept, session) and agrees(kept.film_boxes[0], film)
    assert agrees(kept.film_boxes[0].image_boxes[position - 1], box)
    assert [b.ImageBoxPosition for b in kept.film_boxes[0].image_boxes if b.image] == [position]
    assert this.print_session(made.instance).session.film_boxes == printed.session.film_boxes


def table(entries: int, value: int) -> Dataset:
    """The N-CREATE of a Presentation LUT whose values are `value`."""
    item = dataset(LUTDescriptor=[entries % 65536, 0, 16])
    item.add_new("LUTData", "OW", value.to_bytes(2, "little") * entries)
    return dataset(PresentationLUTSequence=[item])


def test_presentation_luts_do_not_fill_the_memory() -> None:
    """Also not those that were deleted, while a film box refers to them; the same one again costs nothing."""
    made = tree(strict=False)
    made.create_session(dataset(), "1.2.1", color=False)
    for number in range(2000):
        made.create_lut(table(4096, 7), f"1.2.2.{number}", big_endian=False)
    for number in range(15):
        made.create_lut(table(65536, number), f"1.2.3.{number}", big_endian=False)
        film = dataset(ImageDisplayFormat="STANDARD\\1,1", ReferencedFilmSessionSequence=[reference(SESSION, "1.2.1")])
        film.ReferencedPresentationLUTSequence = [reference(LUT, f"1.2.3.{number}")]
        made.create_film_box(film, f"1.2.4.{number}", False, annotated=False, icc=None)
        made.delete_lut(f"1.2.3.{number}")
    with pytest.raises(StatusError, match="too many Presentation LUTs") as error:
        made.create_lut(table(65536, 99), "1.2.5", big_endian=False)
    assert error.value.dimse_status == 0x0213
    made.delete_film_box("1.2.4.0")
    made.create_lut(table(65536, 99), "1.2.5", big_endian=False)


@pytest.mark.parametrize("keyword", ["ConfigurationInformation", "BorderDensity", "FilmSizeID", "SmoothingType"])
def test_a_value_of_megabytes_is_not_kept_whole_for_each_film(keyword: str) -> None:
    made = tree(strict=False)
    made.create_session(dataset(), "1.2.1", color=False)
    film = dataset(ImageDisplayFormat="STANDARD\\1,1", ReferencedFilmSessionSequence=[reference(SESSION, "1.2.1")])
    with pytest.warns(UserWarning, match="maximum length"):
        setattr(film, keyword, "A" * 3_000_000)
    made.create_film_box(film, "1.2.2", False, annotated=False, icc=None)
    [node] = made.films.values()
    assert len(repr(node.film)) < 5000


def test_a_session_has_no_more_image_boxes_than_films_have() -> None:
    made = tree(strict=False)
    made.create_session(dataset(), "1.2.1", color=False)
    film = dataset(ImageDisplayFormat="STANDARD\\31,31", ReferencedFilmSessionSequence=[reference(SESSION, "1.2.1")])
    with pytest.raises(StatusError, match="in a session") as error:
        for number in range(200):
            made.create_film_box(film, f"1.2.2.{number}", False, annotated=False, icc=None)
    assert error.value.dimse_status == 0x0213 and len(made.films) == 20
    made.delete_film_box("1.2.2.0")
    made.create_film_box(film, "1.2.3", False, annotated=False, icc=None)
