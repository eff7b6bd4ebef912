from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian

from appliance.errors import DamagedError
from appliance.film.boxes import (
    AnnotationBox,
    FilmBox,
    FilmSession,
    Image,
    ImageBox,
    PixelReference,
    PresentationLUT,
)
from appliance.film.raster import FilmRaster
from appliance.network.tls import server_context
from appliance.printing.device.dicom import imager_status
from appliance.printing.device.outcome import Document, SendOutcome, SendRequest, SendResult
from appliance.printing.device.registry import open_device
from tests.printing.device.harness import QUICK, no_progress
from tests.support.black_hole import black_hole, names
from tests.support.certificates import identity
from tests.support.fault_imager import ANNOTATION, LUT, FaultImager, Judge

DONE, HOLD, RETRY, STOP = SendOutcome.DONE, SendOutcome.HOLD, SendOutcome.RETRY, SendOutcome.STOP_PRINTER
UNCERTAIN = SendOutcome.UNCERTAIN
TABLE = PresentationLUT(first_value=0, bits=12, data=tuple(range(4095, -1, -1)))
IDENTITY = PresentationLUT(PresentationLUTShape="IDENTITY")


@pytest.fixture
def imager() -> Iterator[Any]:
    made: list[FaultImager] = []

    def make(fault: str = "", **more: Any) -> FaultImager:
        made.append(FaultImager(fault, **more))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def pixels(bits: int = 12) -> np.ndarray:
    return (np.arange(48 * 64).reshape(48, 64) % 2**bits).astype("<u2" if bits > 8 else "u1")


def image(folder: Path, bits: int = 12, **more: Any) -> Image:
    """One image on disk, behind 5 bytes of something else."""
    (folder / f"image-{bits}").write_bytes(b"other" + pixels(bits).tobytes())
    values = {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME1",
        "Rows": 48,
        "Columns": 64,
        "BitsAllocated": 16 if bits > 8 else 8,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "pixels": PixelReference(file=f"image-{bits}", offset=5, length=pixels(bits).nbytes),
    }
    return Image(**{**values, **more})


def film(folder: Path, layout: str = "STANDARD\\2,1", bits: int = 12, **more: Any) -> FilmBox:
    boxes = (
        ImageBox(ImageBoxPosition=1, image=image(folder, bits), Polarity="REVERSE", MaxDensity=250),
        ImageBox(ImageBoxPosition=2, image=image(folder, bits), RequestedImageSize=120.0),
    )
    values: dict[str, Any] = {
        "FilmSizeID": "14INX17IN",
        "FilmOrientation": "LANDSCAPE",
        "MagnificationType": "CUBIC",
        "BorderDensity": "BLACK",
        "MinDensity": 20,
        "MaxDensity": 300,
        "Illumination": 2000,
        "ReflectedAmbientLight": 10,
        "presentation_lut": TABLE,
    }
    return FilmBox(ImageDisplayFormat=layout, image_boxes=boxes, **{**values, **more})


def send(folder: Path, uri: str, *films: FilmBox, copies: int = 1, options: Any = None, **more: Any) -> SendResult:
    path = folder / "film.pdf"
    path.write_bytes(b"%PDF-1.5" * 10)
    documents = [
        Document(path=path, document_format="application/pdf", film=n, copy=c, width_mm=355.6, height_mm=431.8)
        for c in range(1, copies + 1)
        for n in range(1, len(films) + 1)
    ]
    session = FilmSession(film_boxes=films, MediumType="BLUE FILM", PrintPriority="HIGH", **more)
    request = SendRequest(job_name="job-7", documents=documents, session=session, folder=folder)
    return open_device(uri, options=replace(QUICK, **(options or {}))).send(request, no_progress)


def uri_of(imager: FaultImager) -> str:
    return f"dicom://IMAGER@127.0.0.1:{imager.port}"


def gray(request: Dataset) -> Dataset:
    return request.BasicGrayscaleImageSequence[0]


class Composer:
    """Stands for the film composer: a raster whose values can be told again."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, tuple[int, int] | None]] = []

    def __call__(
        self, session: FilmSession, number: int, folder: Path | None, matrix: tuple[int, int] | None
    ) -> FilmRaster:
        self.asked.append((number, matrix))
        rows, columns = matrix or (50, 40)
        values = (np.arange(rows * columns).reshape(rows, columns) % 4096).astype(np.uint16)
        return FilmRaster(pixels=values, bits=12, resolution=320, width_mm=355.6, height_mm=431.8)


def test_a_film_goes_on_as_it_came(imager: Any, tmp_path: Path) -> None:
    printer = imager()
    result = send(tmp_path, uri_of(printer), film(tmp_path))
    assert result.outcome is DONE, result.message
    told, (first, second) = printer.printed_films[0], printer.printed[0]
    assert told.ImageDisplayFormat == "STANDARD\\2,1"
    assert (told.MinDensity, told.MaxDensity, told.Illumination, told.ReflectedAmbientLight) == (20, 300, 2000, 10)
    assert (told.FilmSizeID, told.FilmOrientation, told.BorderDensity) == ("14INX17IN", "LANDSCAPE", "BLACK")
    assert (printer.session.MediumType, printer.session.PrintPriority) == ("BLUE FILM", "HIGH")
    assert (first.Polarity, first.MaxDensity, second.RequestedImageSize) == ("REVERSE", 250, 120)
    assert gray(first).PhotometricInterpretation == "MONOCHROME1"
    assert gray(first).PixelData == pixels().tobytes()
    assert (gray(first).BitsStored, gray(first).Rows, gray(first).Columns) == (12, 48, 64)


def test_a_film_reaches_an_imager_whose_first_address_is_mute(
    imager: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printer = imager()
    with black_hole(printer.port) as mute:
        names(monkeypatch, "imager.example", mute, ("127.0.0.1", printer.port))
        result = send(tmp_path, f"dicom://IMAGER@imager.example:{printer.port}", film(tmp_path))
    assert result.outcome is DONE, result.message


def test_a_presentation_lut_goes_on_as_it_came(imager: Any, tmp_path: Path) -> None:
    printer = imager()
    send(tmp_path, uri_of(printer), film(tmp_path))
    (lut,) = printer.luts
    item = lut.PresentationLUTSequence[0]
    assert list(item.LUTDescriptor) == [4096, 0, 12]
    assert np.frombuffer(item.LUTData, "<u2").tolist() == list(TABLE.data)
    assert "ReferencedPresentationLUTSequence" in printer.printed_films[0]


def test_implicit_little_endian_is_proposed_first(imager: Any, tmp_path: Path) -> None:
    printer = imager()
    send(tmp_path, uri_of(printer), film(tmp_path))
    assert printer.proposed[0] == ImplicitVRLittleEndian


def test_big_endian_pixels_are_turned(imager: Any, tmp_path: Path) -> None:
    printer = imager()
    (tmp_path / "big").write_bytes(pixels().astype(">u2").tobytes())
    where = PixelReference(file="big", offset=0, length=pixels().nbytes, big_endian=True)
    box = ImageBox(ImageBoxPosition=1, image=image(tmp_path, pixels=where))
    send(tmp_path, uri_of(printer), replace(film(tmp_path, "STANDARD\\1,1"), image_boxes=(box,)))
    assert gray(printer.printed[0][0]).PixelData == pixels().tobytes()


def test_colour_goes_by_plane_on_the_colour_class(imager: Any, tmp_path: Path) -> None:
    printer = imager()
    by_pixel = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
    (tmp_path / "rgb").write_bytes(by_pixel.tobytes())
    picture = image(
        tmp_path,
        8,
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        pixels=PixelReference(file="rgb", offset=0, length=by_pixel.nbytes),
    )
    whole = FilmBox(ImageDisplayFormat="STANDARD\\1,1", image_boxes=(ImageBox(ImageBoxPosition=1, image=picture),))
    assert send(tmp_path, uri_of(printer), whole, color=True).outcome is DONE
    item = printer.printed[0][0].BasicColorImageSequence[0]
    assert item.PlanarConfiguration == 1
    assert item.PixelData == by_pixel.transpose(2, 0, 1).tobytes()


def test_samples_of_8_bits_in_big_endian_words_are_turned(imager: Any, tmp_path: Path) -> None:
    printer = imager()
    (tmp_path / "big").write_bytes(pixels(8).ravel().view(">u2").astype("<u2").tobytes())
    where = PixelReference(file="big", offset=0, length=pixels(8).nbytes, big_endian=True)
    box = ImageBox(ImageBoxPosition=1, image=image(tmp_path, 8, pixels=where))
    send(tmp_path, uri_of(printer), replace(film(tmp_path, "STANDARD\\1,1"), image_boxes=(box,)))
    assert gray(printer.printed[0][0]).PixelData == pixels(8).tobytes()


def test_colour_larger_than_a_piece_goes_by_plane(imager: Any, tmp_path: Path) -> None:
    printer = imager()
    by_pixel = np.random.default_rng(1).integers(0, 256, (601, 467, 3), dtype=np.uint8)
    (tmp_path / "rgb").write_bytes(by_pixel.tobytes())
    where = PixelReference(file="rgb", offset=0, length=by_pixel.nbytes)
    size = {"Rows": 601, "Columns": 467}
    picture = image(tmp_path, 8, SamplesPerPixel=3, PhotometricInterpretation="RGB", pixels=where, **size)
    whole = FilmBox(ImageDisplayFormat="STANDARD\\1,1", image_boxes=(ImageBox(ImageBoxPosition=1, image=picture),))
    assert send(tmp_path, uri_of(printer), whole, color=True).outcome is DONE
    item = printer.printed[0][0].BasicColorImageSequence[0]
    assert item.PixelData == by_pixel.transpose(2, 0, 1).tobytes() + b"\0"


def test_an_image_cut_short_on_disk_is_not_sent(imager: Any, tmp_path: Path) -> None:
    printer, whole = imager(), film(tmp_path)
    (tmp_path / "image-12").write_bytes(b"other" + pixels().tobytes()[:-1])
    with pytest.raises(DamagedError, match="image-12"):
        send(tmp_path, uri_of(printer), whole)
    assert printer.printed == []


def test_a_film_goes_over_tls_to_an_imager_we_trust(imager: Any, tmp_path: Path) -> None:
    us, imagers = identity(tmp_path, "appliance"), identity(tmp_path, "imager")
    printer = imager(tls=server_context(imagers.certificate, imagers.key, us.certificate))
    uri = uri_of(printer).replace("dicom:", "dicoms:")
    ours = {"tls_certificate_file": us.certificate, "tls_key_file": us.key}
    result = send(tmp_path, uri, film(tmp_path), options={"tls_ca_file": imagers.certificate, **ours})
    assert result.outcome is DONE, result.message
    assert len(printer.printed) == 1
    refused = send(tmp_path, uri, film(tmp_path), options={"tls_ca_file": us.certificate, **ours})
    assert refused.outcome is RETRY
    assert "not trusted" in refused.message


def test_copies_of_one_film_are_asked_for_once(imager: Any, tmp_path: Path) -> None:
    printer = imager()
    result = send(tmp_path, uri_of(printer), film(tmp_path), film(tmp_path, MaxDensity=280), copies=2)
    assert (result.outcome, result.documents_done) == (DONE, 4)
    assert [told.MaxDensity for told in printer.printed_films] == [300, 300, 280, 280]


def test_a_collated_session_is_printed_as_one(imager: Any, tmp_path: Path) -> None:
    printer = imager()
    films = film(tmp_path), film(tmp_path, MaxDensity=280)
    result = send(tmp_path, uri_of(printer), *films, copies=2, collated=True)
    assert (result.outcome, result.documents_done) == (DONE, 4)
    assert [told.MaxDensity for told in printer.printed_films] == [300, 280, 300, 280]


def test_annotations_go_on(imager: Any, tmp_path: Path) -> None:
    printer = imager()
    text = AnnotationBox(AnnotationPosition=1, TextString="Грудь")
    whole = film(tmp_path, AnnotationDisplayFormatID="LABEL", annotation_boxes=(text,))
    send(tmp_path, uri_of(printer), whole)
    assert printer.texts == ["Грудь"]


def test_the_imager_is_told_in_its_own_terms(imager: Any, tmp_path: Path) -> None:
    printer = imager()
    options = {
        "terms": {"FilmSizeID": {"14INX17IN": "35CMX43CM"}, "MaxDensity": {"300": 310}},
        "drop": ("BorderDensity",),
    }
    send(tmp_path, uri_of(printer), film(tmp_path), options=options)
    told = printer.printed_films[0]
    assert (told.FilmSizeID, told.MaxDensity) == ("35CMX43CM", 310)
    assert "BorderDensity" not in told


# ------------------------------------------------------------------------------------- what can't go box by box


def test_a_layout_it_refuses_goes_as_one_raster(imager: Any, tmp_path: Path) -> None:
    printer, composer = imager("layout"), Composer()
    options = {"compose_raster": composer, "printable_matrix": {"14INX17IN": (60, 50)}}
    result = send(tmp_path, uri_of(printer), film(tmp_path), options=options)
    assert result.outcome is DONE, result.message
    assert composer.asked == [(1, (50, 60))]  # LANDSCAPE
    told, (only,) = printer.printed_films[0], printer.printed[0]
    assert (told.ImageDisplayFormat, told.MagnificationType) == ("STANDARD\\1,1", "NONE")
    assert (told.Illumination, told.MaxDensity) == (2000, 300)
    assert (gray(only).Rows, gray(only).Columns, gray(only).BitsStored) == (50, 60, 12)
    assert np.frombuffer(gray(only).PixelData, "<u2").tolist() == [n % 4096 for n in range(3000)]


def test_the_grey_of_a_raster_is_p_values_for_the_imager_to_map(imager: Any, tmp_path: Path) -> None:
    """The table of the modality is in the raster already; the imager gets IDENTITY and applies the GSDF, once."""
    printer = imager("layout")
    send(tmp_path, uri_of(printer), film(tmp_path), options={"compose_raster": Composer()})
    assert [lut.get("PresentationLUTShape") for lut in printer.luts][-1] == "IDENTITY"


def test_an_imager_of_8_bits_gets_8_bits(imager: Any, tmp_path: Path) -> None:
    printer = imager("depth")
    result = send(tmp_path, uri_of(printer), film(tmp_path), options={"compose_raster": Composer()})
    assert result.outcome is DONE, result.message
    item = gray(printer.printed[0][0])
    assert (item.BitsAllocated, item.BitsStored, item.HighBit) == (8, 8, 7)
    assert item.PixelData[:2000] == bytes(n % 4096 >> 4 for n in range(2000))


ODD = [
    {"bits": 10},
    {"BitsAllocated": 16, "BitsStored": 8, "HighBit": 7},
    {"HighBit": 15},
    {"PixelRepresentation": 1},
]


@pytest.mark.parametrize("odd", ODD)
def test_pixels_of_an_odd_depth_go_as_a_raster(imager: Any, tmp_path: Path, odd: dict[str, Any]) -> None:
    printer, composer = imager(), Composer()
    box = ImageBox(ImageBoxPosition=1, image=image(tmp_path, **odd))
    whole = replace(film(tmp_path, "STANDARD\\1,1"), image_boxes=(box,))
    assert send(tmp_path, uri_of(printer), whole, options={"compose_raster": composer}).outcome is DONE
    assert composer.asked == [(1, None)]


# (what the imager doesn't know, what the film has) -> goes as a raster
LACKS = [
    ((LUT,), {}, True),
    ((LUT,), {"presentation_lut": IDENTITY}, False),
    ((LUT,), {"presentation_lut": None}, False),
    ((ANNOTATION,), {"annotation_boxes": (AnnotationBox(AnnotationPosition=1, TextString="NAME"),)}, True),
    ((ANNOTATION,), {}, False),
]


@pytest.mark.parametrize(("without", "has", "raster"), LACKS)
def test_what_the_imager_does_not_know_is_composed(
    imager: Any, tmp_path: Path, without: tuple[str, ...], has: dict[str, Any], raster: bool
) -> None:
    printer, composer = imager(without=without), Composer()
    result = send(tmp_path, uri_of(printer), film(tmp_path, **has), options={"compose_raster": composer})
    assert result.outcome is DONE, result.message
    assert bool(composer.asked) is raster


def test_without_a_composer_a_refused_layout_holds_the_job(imager: Any, tmp_path: Path) -> None:
    printer = imager("layout")
    result = send(tmp_path, uri_of(printer), film(tmp_path))
    assert (result.outcome, result.rest_untouched) == (HOLD, True)
    assert "0106H" in result.message
    assert printer.printed == []


# ------------------------------------------------------------------------------------------------ what it answers

ENDS = [
    ("full", RETRY, 0),
    ("failure", RETRY, 0),
    ("rejects", STOP, 0),
    ("job", DONE, 1),
    ("job-fails", UNCERTAIN, 1),
]


@pytest.mark.parametrize(("fault", "outcome", "printed"), ENDS)
def test_what_the_imager_answers_means(
    imager: Any, tmp_path: Path, fault: str, outcome: SendOutcome, printed: int
) -> None:
    printer = imager(fault)
    result = send(tmp_path, uri_of(printer), film(tmp_path))
    assert result.outcome is outcome, result.message
    assert len(printer.printed) == printed
    if fault == "job":
        assert result.job_state_reasons == ("job-completed-successfully",)
        assert printer.asked_for_job == 2


def test_an_imager_that_told_the_end_of_a_job_is_not_asked_after_it_any_more(imager: Any, tmp_path: Path) -> None:
    printer = imager("job-event")
    result = send(tmp_path, uri_of(printer), film(tmp_path), options={"poll_interval": 0.3})
    assert (result.outcome, result.job_state_reasons) == (DONE, ("job-completed-successfully",))
    assert (printer.asked_for_job, printer.asked_in_vain) == (1, 0)


# (Printer Status, Info) -> state, reasons
STATES = [
    ("NORMAL", "NORMAL", "idle", ()),
    ("WARNING", "SUPPLY LOW", "idle", ("media-low",)),
    ("WARNING", "LOW 14X17 BLUE", "idle", ("media-low",)),
    ("FAILURE", "EMPTY 8X10", "stopped", ("media-empty",)),
    ("FAILURE", "FILM JAM", "stopped", ("media-jam",)),
    ("WARNING", "VENDOR TERM", "idle", ("other",)),
    ("", "", "unknown", ()),
]


@pytest.mark.parametrize(("status", "info", "state", "reasons"), STATES)
def test_the_imager_s_terms_become_ours(status: str, info: str, state: str, reasons: tuple[str, ...]) -> None:
    told = Dataset()
    told.PrinterStatus, told.PrinterStatusInfo = status, info
    assert (imager_status(told).printer_state, imager_status(told).printer_state_reasons) == (state, reasons)


# -------------------------------------------------------------------------------------------------- a real imager


def test_dcmtk_takes_a_film_with_its_table(judge: Judge, tmp_path: Path) -> None:
    device = f"dicom://JUDGE@127.0.0.1:{judge.port}"
    before = len(judge.files("SP"))
    whole = film(tmp_path, "STANDARD\\2,2", FilmOrientation="PORTRAIT")
    boxes = tuple(replace(box, MaxDensity=None) for box in whole.image_boxes)  # dcmprscp knows it on the film only
    result = send(tmp_path, device, replace(whole, image_boxes=boxes))
    assert result.outcome is DONE, result.message
    printed = dcmread(judge.files("SP")[before:][0])
    assert printed.FilmBoxContentSequence[0].ImageDisplayFormat == "STANDARD\\2,2"
    assert printed.FilmBoxContentSequence[0].Illumination == 2000
    kept = printed.PresentationLUTContentSequence[0].PresentationLUTSequence[0]
    assert np.frombuffer(kept.LUTData, "<u2").tolist() == list(TABLE.data)
    images = [dcmread(path) for path in judge.files("HG")[-2:]]
    assert all(np.array_equal(one.pixel_array, pixels()) for one in images)


def test_dcmtk_takes_a_raster_for_a_layout_it_refuses(judge: Judge, tmp_path: Path) -> None:
    device, composer = f"dicom://JUDGE@127.0.0.1:{judge.port}", Composer()
    whole = film(tmp_path, "ROW\\1,1", FilmOrientation="PORTRAIT")
    result = send(tmp_path, device, whole, options={"compose_raster": composer})
    assert result.outcome is DONE, result.message
    assert composer.asked == [(1, None)]
    kept = dcmread(judge.files("HG")[-1]).pixel_array
    assert kept.ravel().tolist() == [n % 4096 for n in range(2000)]


def test_dcmtk_refuses_a_film_size_it_does_not_have(judge: Judge, tmp_path: Path) -> None:
    device = f"dicom://JUDGE@127.0.0.1:{judge.port}"
    before = len(judge.files("SP"))
    whole = film(tmp_path, "STANDARD\\2,1", FilmSizeID="24CMX30CM")
    result = send(tmp_path, device, whole, options={"compose_raster": Composer()})
    assert (result.outcome, result.job_state_reasons) == (HOLD, ("media-needed",))
    assert len(judge.files("SP")) == before


def test_dcmtk_passes_the_check(judge: Judge) -> None:
    device = open_device(f"dicom://JUDGE@127.0.0.1:{judge.port}", options=QUICK)
    assert all(finding.ok for finding in device.check())
    assert device.status().printer_state == "idle"
