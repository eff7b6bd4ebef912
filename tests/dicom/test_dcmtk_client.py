"""DCMTK's print client sends films to the front door."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance.film.boxes import FilmSession
from tests.dicom.conftest import Door
from tests.dicom.dcmtk import PrintBench

FILM = ("--filmsize", "14INX17IN", "--magnification", "BILINEAR", "--trim", "--border", "WHITE")


@pytest.fixture
def bench(tmp_path: Path, door: Door) -> PrintBench:
    bench = PrintBench(tmp_path)
    bench.configure(door.port)
    return bench


def failures(said: str) -> list[str]:
    return [line for line in said.splitlines() if "DIMSE Status" in line and "0x0000" not in line]


def newest(door: Door) -> FilmSession:
    return door.newest()[1]


def test_a_film_of_four_images_with_copies_and_label(door: Door, bench: PrintBench) -> None:
    images = [bench.image(name) for name in "abcd"]
    films = bench.compose("--identity", "--layout", "2", "2", "--landscape", *FILM, *images)
    said = bench.send(films, "--copies", "2", "--medium-type", "CLEAR FILM", "--label", "MADE UP", "--priority", "HIGH")
    assert not failures(said)
    session = newest(door)
    assert (session.NumberOfCopies, session.MediumType, session.PrintPriority) == (2, "CLEAR FILM", "HIGH")
    assert session.FilmSessionLabel == "MADE UP" and not session.collated
    (film,) = session.film_boxes
    assert (film.ImageDisplayFormat, film.FilmOrientation) == ("STANDARD\\2,2", "LANDSCAPE")
    assert (film.MagnificationType, film.Trim, film.BorderDensity) == ("BILINEAR", "YES", "WHITE")
    assert [box.image.BitsStored for box in film.image_boxes if box.image] == [12] * 4
    assert film.presentation_lut is not None and film.presentation_lut.PresentationLUTShape == "IDENTITY"


def test_the_session_print_of_dcmtk_is_collated(door: Door, bench: PrintBench) -> None:
    films = bench.compose("--identity", "--layout", "1", "2", *FILM, bench.image("a"), bench.image("b"))
    assert not failures(bench.send(films, "--session-print"))
    assert newest(door).collated


def test_an_annotation_of_dcmtk_prints(door: Door, bench: PrintBench) -> None:
    films = bench.compose("--identity", *FILM, "-a", "LEFT KNEE", bench.image("a"))
    assert not failures(bench.send(films))
    (film,) = newest(door).film_boxes
    assert film.AnnotationDisplayFormatID == "LABEL"
    (box,) = film.annotation_boxes
    assert box.TextString.endswith("LEFT KNEE")


def test_linear_density_is_kept_as_sent(door: Door, bench: PrintBench) -> None:
    films = bench.compose("--lin-od", *FILM, bench.image("a"))
    assert not failures(bench.send(films))
    lut = newest(door).film_boxes[0].presentation_lut
    assert lut is not None and lut.PresentationLUTShape == "LIN OD"


@pytest.mark.parametrize("lut_in_session", [False, True])
def test_a_table_of_dcmtk_is_kept_value_by_value(door: Door, bench: PrintBench, lut_in_session: bool) -> None:
    bench.configure(door.port, lut_in_session=lut_in_session)
    bench.run("dcmmklut", "+Tp", "--gamma", "0.7", "-e", "4096", "-b", "12", "lut/gamma.dcm")
    films = bench.compose("--plut", "GAMMA", *FILM, bench.image("a"))
    assert not failures(bench.send(films))
    lut = newest(door).film_boxes[0].presentation_lut
    assert lut is not None and len(lut.data) == 4096 and lut.bits == 12
    expected = (np.arange(4096) / 4095) ** (1 / 0.7) * 4095
    rising = np.asarray(lut.data)
    assert min(abs(rising - expected).max(), abs(rising - (np.arange(4096) / 4095) ** 0.7 * 4095).max()) <= 1


def test_monochrome1_and_implicit_vr(door: Door, bench: PrintBench) -> None:
    bench.configure(door.port, implicit=True)
    films = bench.compose("--identity", *FILM, bench.image("a"))
    assert not failures(bench.send(films, "--monochrome1"))
    image = newest(door).film_boxes[0].image_boxes[0].image
    assert image is not None and image.PhotometricInterpretation == "MONOCHROME1"
