"""Films from association to job: what is kept is what was sent, and nothing else stays."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from appliance.film.boxes import FilmBox, FilmSession, Image
from appliance.printing import printer_verbs
from appliance.printing.jobs import cancel, get_job, hold, release
from appliance.store import files
from tests.dicom.clients import (
    ANNOTATION,
    COLOR,
    COLOR_BOX,
    CONFIGURATION,
    CONFIGURATION_INSTANCE,
    EVERYTHING,
    FILM,
    GRAY,
    GRAY_BOX,
    JOB,
    LUT,
    PRINTER,
    PRINTER_INSTANCE,
    SESSION,
    PrintClient,
    Response,
    boxes,
    color_image,
    dataset,
    gray_image,
    reference,
)
from tests.dicom.conftest import ADMIN, Door
from tests.support.zones import another_day

BY_ITSELF = (SESSION, FILM, GRAY_BOX)


def kept_pixels(folder: Path, image: Image) -> bytes:
    """The Pixel Data a job keeps of an image."""
    data = (folder / image.pixels.file).read_bytes()
    return data[image.pixels.offset : image.pixels.offset + image.pixels.length]


def one_film(client: PrintClient, **values: object) -> str:
    """A film box with its one image set; its UID."""
    made = client.film(client.session(), **values)
    assert client.image(boxes(made)[0]).status == 0
    return made.instance


def eventually(condition: Callable[[], bool], seconds: float = 10) -> None:
    """Wait for what another thread does soon."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def spooled(door: Door) -> list[Path]:
    return [path for path in door.store.folder.spool.rglob("*") if path.is_file()]


def only_film(session: FilmSession) -> FilmBox:
    assert len(session.film_boxes) == 1
    return session.film_boxes[0]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_the_film_kept_is_the_film_sent(door: Door, syntax: str) -> None:
    item = gray_image(7, 5, PixelAspectRatio=[3, 2], PhotometricInterpretation="MONOCHROME1")
    words = np.frombuffer(item.PixelData, "<u2")
    big = syntax == ExplicitVRBigEndian
    item.PixelData = words.astype(">u2" if big else "<u2").tobytes()
    with door.client(syntaxes=[syntax]) as client:
        table = client.create(LUT, PresentationLUTShape="LIN OD").instance
        session = client.session(
            NumberOfCopies=3, PrintPriority="LOW", MediumType="CLEAR FILM", FilmDestination="BIN_2",
            FilmSessionLabel="MADE UP", OwnerID="CT",
        )  # fmt: skip
        film = client.film(
            session, "STANDARD\\2,1", FilmOrientation="LANDSCAPE", FilmSizeID="11INX14IN", MagnificationType="BILINEAR",
            BorderDensity="WHITE", EmptyImageDensity="120", MinDensity=25, MaxDensity=290, Trim="YES",
            Illumination=3000, ReflectedAmbientLight=12, SmoothingType="5",
            ReferencedPresentationLUTSequence=[reference(LUT, table)],
        )  # fmt: skip
        status = client.image(
            boxes(film)[1], 2, item, Polarity="REVERSE", MagnificationType="REPLICATE", MinDensity=30, MaxDensity=280,
            RequestedImageSize="100.5", RequestedDecimateCropBehavior="CROP",
        ).status  # fmt: skip
        assert (film.status, status) == (0, 0)
        assert client.action(FILM, film.instance).status == 0
    folder, kept = door.newest()
    assert (kept.NumberOfCopies, kept.PrintPriority, kept.MediumType) == (3, "LOW", "CLEAR FILM")
    assert (kept.FilmDestination, kept.FilmSessionLabel, kept.OwnerID) == ("BIN_2", "MADE UP", "CT")
    assert (kept.color, kept.collated) == (False, False)
    film_box = only_film(kept)
    assert (film_box.ImageDisplayFormat, film_box.FilmOrientation, film_box.FilmSizeID) == (
        "STANDARD\\2,1", "LANDSCAPE", "11INX14IN",
    )  # fmt: skip
    assert (film_box.MagnificationType, film_box.SmoothingType, film_box.Trim) == ("BILINEAR", "5", "YES")
    assert (film_box.BorderDensity, film_box.EmptyImageDensity) == ("WHITE", "120")
    assert (film_box.MinDensity, film_box.MaxDensity) == (25, 290)
    assert (film_box.Illumination, film_box.ReflectedAmbientLight) == (3000, 12)
    assert film_box.presentation_lut is not None and film_box.presentation_lut.PresentationLUTShape == "LIN OD"
    empty, box = film_box.image_boxes
    assert (empty.ImageBoxPosition, empty.image) == (1, None)
    assert (box.ImageBoxPosition, box.Polarity, box.MagnificationType) == (2, "REVERSE", "REPLICATE")
    assert (box.MinDensity, box.MaxDensity, box.RequestedImageSize) == (30, 280, 100.5)
    assert box.RequestedDecimateCropBehavior == "CROP"
    image = box.image
    assert image is not None
    assert (image.Rows, image.Columns, image.PixelAspectRatio) == (7, 5, (3, 2))
    assert (image.PhotometricInterpretation, image.BitsStored, image.HighBit) == ("MONOCHROME1", 12, 11)
    assert image.pixels.big_endian is big
    assert kept_pixels(folder, image) == item.PixelData
    assert {path.name for path in folder.iterdir()} == {"film.json", image.pixels.file}


def test_the_answer_to_a_film_session_tells_the_attributes_in_use(door: Door) -> None:
    with door.client() as client:
        response = client.create(SESSION, OwnerID="CT")
        assert response.instance and response.dataset is not None
        assert (response.dataset.NumberOfCopies, response.dataset.PrintPriority) == (1, "MED")
        assert (response.dataset.MediumType, response.dataset.FilmDestination) == ("BLUE FILM", "PROCESSOR")


def test_a_film_box_answered_with_a_warning_carries_its_image_boxes(door: Door) -> None:
    with door.client() as client:
        response = client.film(client.session(), "STANDARD\\2,2", MaxDensity=400, AnnotationDisplayFormatID="LABEL")
        assert (response.status, response.dataset is not None) == (0xB605, True)
        assert response.dataset.MaxDensity == 300  # type: ignore[union-attr]
        assert len(boxes(response)) == 4
        assert response.dataset.ReferencedBasicAnnotationBoxSequence  # type: ignore[union-attr]


def test_a_peer_that_stops_on_warnings_gets_none(door: Door) -> None:
    with door.client(calling="MASKED") as client:
        session = client.create(SESSION, NumberOfCopies=0, MemoryAllocation=5)
        film = client.film(session.instance, MaxDensity=999)
        assert (session.status, film.status) == (0, 0)
        assert film.dataset is not None and film.dataset.MaxDensity == 300
        assert client.action(FILM, film.instance).status == 0, "masked, though the empty film is not printed"


def test_an_empty_film_makes_no_job(door: Door) -> None:
    before = door.jobs()
    with door.client() as client:
        film = client.film(client.session())
        assert client.action(FILM, film.instance).status == 0xB603
        assert client.image(boxes(film)[0]).status == 0
        erased = client.set(GRAY_BOX, boxes(film)[0], ImageBoxPosition=1, BasicGrayscaleImageSequence=[])
        assert erased.status == 0
        assert client.action(FILM, film.instance).status == 0xB603
    assert door.jobs() == before


def test_a_session_prints_its_films_as_one_collated_job(door: Door) -> None:
    before = door.jobs()
    with door.client() as client:
        session = client.session(NumberOfCopies=2)
        for level in range(3):
            film = client.film(session, "ROW\\1,2")
            if level != 1:
                client.image(boxes(film)[2], 3)
        response = client.action(SESSION, session)
    assert response.status == 0xB602, "one film is empty and is left out"
    assert response.dataset is not None
    item = response.dataset.ReferencedPrintJobSequencePullStoredPrint
    assert len(item) == 1 and item[0].ReferencedSOPClassUID == JOB and item[0].ReferencedSOPInstanceUID
    folder, kept = door.newest()
    assert len(door.jobs()) == len(before) + 1
    assert (kept.collated, kept.NumberOfCopies, len(kept.film_boxes)) == (True, 2, 2)
    assert len(list(folder.iterdir())) == 3


def test_a_job_is_a_copy_that_later_changes_leave_alone(door: Door) -> None:
    first, second = gray_image(4, 4), gray_image(5, 5)
    with door.client() as client:
        film = client.film(client.session())
        client.image(boxes(film)[0], item=first)
        assert client.action(FILM, film.instance).status == 0
        folder, kept = door.newest()
        assert client.image(boxes(film)[0], item=second).status == 0
        assert client.action(FILM, film.instance).status == 0
        image = only_film(kept).image_boxes[0].image
        assert image is not None and kept_pixels(folder, image) == first.PixelData
        later_folder, later = door.newest()
        image = only_film(later).image_boxes[0].image
        assert image is not None and kept_pixels(later_folder, image) == second.PixelData
        assert len([path for path in spooled(door) if path.suffix == ".dcm"]) == 1, "the replaced image is gone"


def test_a_refused_image_leaves_the_one_before_in_its_place(door: Door) -> None:
    good = gray_image(4, 4)
    with door.client() as client:
        film = client.film(client.session())
        client.image(boxes(film)[0], item=good)
        assert client.image(boxes(film)[0], item=gray_image(Rows=99)).status == 0x0106
        assert client.action(FILM, film.instance).status == 0
    folder, kept = door.newest()
    image = only_film(kept).image_boxes[0].image
    assert image is not None and kept_pixels(folder, image) == good.PixelData


@pytest.mark.parametrize("ending", ["release", "abort"])
def test_an_association_that_ends_frees_what_was_not_printed(door: Door, ending: str) -> None:
    before = door.jobs()
    with door.client() as client:
        one_film(client)
        assert spooled(door)
        getattr(client.association, ending)()
    eventually(lambda: not spooled(door))
    assert door.jobs() == before


def test_what_was_accepted_prints_though_the_association_is_aborted(door: Door) -> None:
    with door.client() as client:
        film = one_film(client)
        assert client.action(FILM, film).status == 0
        client.association.abort()
    folder, kept = door.newest()
    image = only_film(kept).image_boxes[0].image
    assert image is not None
    eventually(lambda: not spooled(door))
    assert kept_pixels(folder, image) == gray_image().PixelData
    assert get_job(door.store, door.jobs()[-1]).job_state == "pending"


def test_colour_films_keep_their_planes_and_profile(door: Door) -> None:
    item, profile = color_image(5, 7), bytes(range(200))
    with door.client(called="COLOUR", classes=(COLOR, *EVERYTHING[1:])) as client:
        film = client.film(client.session(), ICCProfile=profile)
        assert film.dataset is not None
        assert film.dataset.ReferencedImageBoxSequence[0].ReferencedSOPClassUID == COLOR_BOX
        client.set(COLOR_BOX, boxes(film)[0], ImageBoxPosition=1, BasicColorImageSequence=[item])
        assert client.action(FILM, film.instance).status == 0
    folder, kept = door.newest()
    film_box = only_film(kept)
    image = film_box.image_boxes[0].image
    assert kept.color and image is not None and (image.SamplesPerPixel, image.PlanarConfiguration) == (3, 1)
    assert kept_pixels(folder, image)[:105] == item.PixelData[:105]
    assert film_box.icc_profile and (folder / film_box.icc_profile).read_bytes() == profile


def test_profiles_that_were_replaced_or_refused_do_not_fill_the_disk(door: Door) -> None:
    with door.client(called="COLOUR", classes=(COLOR, *EVERYTHING[1:])) as client:
        session = client.session()
        film = client.film(session, ICCProfile=b"first")
        for number in range(5):
            assert client.set(FILM, film.instance, ICCProfile=bytes([number]) * 100).status == 0
        assert client.film(session, ImageDisplayFormat="STANDARD\\0,0", ICCProfile=b"refused").status == 0x0106
        assert [path.read_bytes() for path in spooled(door)] == [b"\4" * 100]


def test_a_grey_printer_refuses_the_colour_context_alone(door: Door) -> None:
    with door.client(classes=(COLOR, GRAY)) as client:
        assert [cx.abstract_syntax for cx in client.association.accepted_contexts] == [GRAY]
        assert len(client.association.rejected_contexts) == 1
        one_film(client)


def test_contexts_we_do_not_serve_are_refused_one_by_one(door: Door) -> None:
    retired = ("1.2.840.10008.5.1.1.26", "1.2.840.10008.5.1.1.24.1", "1.2.840.10008.5.1.1.33")
    with door.client(classes=(GRAY, *retired, ANNOTATION)) as client:
        assert {cx.abstract_syntax for cx in client.association.accepted_contexts} == {GRAY, ANNOTATION}


def test_classes_proposed_one_by_one_serve_a_peer_that_needs_them(door: Door) -> None:
    with door.client(classes=BY_ITSELF) as client:
        film = one_film(client)
        assert client.action(FILM, film).status == 0
    assert only_film(door.newest()[1]).image_boxes[0].image is not None


def test_classes_proposed_one_by_one_are_refused_to_a_peer_that_must_not(door: Door) -> None:
    with door.client(calling="TOGETHER", classes=(GRAY, *BY_ITSELF)) as client:
        assert [cx.abstract_syntax for cx in client.association.accepted_contexts] == [GRAY]


def test_a_peer_that_may_not_print_gets_no_print_context(door: Door) -> None:
    with door.client(calling="STORING", classes=(*EVERYTHING, "1.2.840.10008.1.1")) as client:
        assert [cx.abstract_syntax for cx in client.association.accepted_contexts] == ["1.2.840.10008.1.1"]
        assert client.association.send_c_echo().Status == 0


def test_a_print_profile_gives_defaults_overrides_and_aliases(door: Door) -> None:
    with door.client(called="HOUSE") as client:
        session = client.create(SESSION, NumberOfCopies=7)
        film = client.film(session.instance, FilmSizeID="BIG", MagnificationType="CUBIC", BorderDensity="BLACK")
        assert session.dataset is not None and film.dataset is not None
        assert (session.dataset.NumberOfCopies, session.dataset.MediumType) == (2, "CLEAR FILM")
        assert (film.dataset.FilmSizeID, film.dataset.MagnificationType) == ("14INX17IN", "BILINEAR")
        assert (film.dataset.BorderDensity, film.dataset.FilmOrientation) == ("BLACK", "LANDSCAPE")
        client.image(boxes(film)[0])
        assert client.action(FILM, film.instance).status == 0
    kept = door.newest()[1]
    assert (kept.NumberOfCopies, kept.MediumType, kept.sent["NumberOfCopies"]) == (2, "CLEAR FILM", 7)
    assert get_job(door.store, door.jobs()[-1]).profile == "house"


def test_the_densities_of_a_medium_bound_its_films(door: Door) -> None:
    with door.client(called="SMALL") as client:
        session = client.session(MediumType="BLUE FILM")
        film = client.film(session, FilmSizeID="14INX17IN", MaxDensity=290, RequestedResolutionID="HIGH")
        assert film.status == 0xB605 and film.dataset is not None
        assert (film.dataset.MaxDensity, film.dataset.RequestedResolutionID) == (280, "HIGH")


def test_a_medium_the_printer_has_not_is_waited_for(door: Door) -> None:
    with door.client(called="SMALL") as client:
        film = client.film(client.session(MediumType="PAPER"), FilmSizeID="A3")
        assert film.status == 0 and film.dataset is not None and film.dataset.FilmSizeID == "A3"
    with door.client(called="SMALL", calling="STRICT") as client:
        assert client.film(client.session(), FilmSizeID="A3").status == 0x0106


def test_a_full_queue_refuses_films_and_sessions_each_in_its_words(door: Door) -> None:
    with door.client(called="SMALL") as client:
        session = client.session()
        film = client.film(session, FilmSizeID="14INX17IN")
        client.image(boxes(film)[0])
        statuses = [client.action(FILM, film.instance).status for _ in range(3)]
        assert statuses == [0, 0, 0xC602]
        assert client.action(SESSION, session).status == 0xC601


def test_a_printer_that_rejects_jobs_refuses_films_until_it_accepts_again(door: Door) -> None:
    with door.client() as client:
        film = one_film(client)
        printer_verbs.reject(door.store, "film", ADMIN)
        try:
            assert client.action(FILM, film).status == 0xC602
        finally:
            printer_verbs.accept(door.store, "film", ADMIN)
        assert client.action(FILM, film).status == 0


def test_a_table_of_a_big_endian_client_is_read_as_sent(door: Door) -> None:
    words = list(range(0, 4096 * 16, 16))
    for syntax in (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian):
        with door.client(syntaxes=[syntax]) as client:
            item = dataset(LUTDescriptor=[4096, 0, 16], LUTExplanation="ramp", LUTData=words)
            item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
            table = client.create(LUT, PresentationLUTSequence=[item])
            assert table.status == 0
            film = client.film(client.session(), ReferencedPresentationLUTSequence=[reference(LUT, table.instance)])
            client.image(boxes(film)[0])
            assert client.delete(LUT, table.instance).status == 0, "films keep the content"
            assert client.action(FILM, film.instance).status == 0
        lut = only_film(door.newest()[1]).presentation_lut
        assert lut is not None and (lut.first_value, lut.bits, lut.LUTExplanation) == (0, 16, "ramp")
        assert list(lut.data) == words


def test_a_table_on_the_film_session_serves_its_films(door: Door) -> None:
    with door.client() as client:
        table = client.create(LUT, PresentationLUTShape="LIN OD").instance
        session = client.session(ReferencedPresentationLUTSequence=[reference(LUT, table)], Illumination=1500)
        film = client.film(session)
        assert film.dataset is not None and film.dataset.Illumination == 1500
        client.image(boxes(film)[0])
        assert client.action(FILM, film.instance).status == 0
    film_box = only_film(door.newest()[1])
    assert film_box.presentation_lut is not None and film_box.presentation_lut.PresentationLUTShape == "LIN OD"
    assert film_box.Illumination == 1500


NAMES = {
    "ISO_IR 144": ("\u0418\u0432\u0430\u043d\u043e\u0432", "iso8859_5"),
    "ISO_IR 192": ("\u738b\u5c0f\u6771", "utf-8"),
    "GB18030": ("\u738b\u5c0f\u4e1c", "gb18030"),
    "ISO_IR 100": ("Jo\u00e3o Gon\u00e7alves", "latin-1"),
}


@pytest.mark.parametrize("charset", NAMES)
def test_texts_are_read_in_the_session_character_set(door: Door, charset: str) -> None:
    text, _ = NAMES[charset]
    with door.client() as client:
        request = dataset(SpecificCharacterSet=charset, FilmSessionLabel=text)
        session = client.create(SESSION, request=request).instance
        film = client.film(session, AnnotationDisplayFormatID="LABEL")
        client.image(boxes(film)[0])
        annotate(client, film, text.encode(NAMES[charset][1]))
        assert client.action(FILM, film.instance).status == 0
    kept = door.newest()[1]
    assert kept.FilmSessionLabel == text
    assert only_film(kept).annotation_boxes[0].TextString == text


@pytest.mark.parametrize("declared", [None, "ISO_IR 192", "ISO_IR 6"])
def test_the_character_set_assumed_of_a_peer_serves_where_none_or_a_false_one_is_named(
    door: Door, declared: str | None
) -> None:
    text = "\u0418\u0432\u0430\u043d\u043e\u0432"
    with door.client(calling="RUSSIAN") as client:
        session = client.session(**({"SpecificCharacterSet": declared} if declared else {}))
        film = client.film(session, AnnotationDisplayFormatID="LABEL")
        client.image(boxes(film)[0])
        annotate(client, film, text.encode("cp1251"))
        assert client.action(FILM, film.instance).status == 0
    assert only_film(door.newest()[1]).annotation_boxes[0].TextString == text


def annotate(client: PrintClient, film: Response, text: bytes) -> None:
    """Set the first annotation box to bytes as a modality would send them."""
    assert film.dataset is not None
    box = film.dataset.ReferencedBasicAnnotationBoxSequence[0].ReferencedSOPInstanceUID
    request = dataset(AnnotationPosition=1)
    request[Tag("TextString")] = RawDataElement(Tag("TextString"), "LO", len(text), text, 0, False, True, True)
    assert client.set(ANNOTATION, box, request=request).status == 0


def test_the_study_a_modality_proposes_is_kept_with_the_job(door: Door) -> None:
    with door.client() as client:
        session = client.session(ProposedStudySequence=[dataset(PatientName="MADE^UP", PatientID="4711")])
        film = client.film(session)
        client.image(boxes(film)[0])
        client.action(FILM, film.instance)
    study = door.newest()[1].sent["ProposedStudySequence"]
    assert study["00100020"]["Value"] == ["4711"]


def test_a_printer_tells_all_or_what_is_asked_for(door: Door) -> None:
    with door.client() as client:
        everything = client.get(PRINTER, PRINTER_INSTANCE).dataset
        assert everything is not None
        assert (everything.PrinterStatus, everything.PrinterStatusInfo, everything.PrinterName) == (
            "NORMAL", "NORMAL", "film",
        )  # fmt: skip
        some = client.get(PRINTER, PRINTER_INSTANCE, [0x21100010, 0x00081090, 0x00091001])
        assert (some.status, some.tags) == (0x0107, (0x00091001,))
        assert some.dataset is not None and {e.keyword for e in some.dataset} == {
            "PrinterStatus",
            "ManufacturerModelName",
        }


def test_a_printer_tells_its_configuration(door: Door) -> None:
    with door.client(called="SMALL") as client:
        response = client.get(CONFIGURATION, CONFIGURATION_INSTANCE)
        assert response.status == 0 and response.dataset is not None
        (item,) = response.dataset.PrinterConfigurationSequence
        assert item.SOPClassesSupported[0] == GRAY
        (installed,), (other,) = item.MediaInstalledSequence, item.OtherMediaAvailableSequence
        assert (installed.ItemNumber, installed.MediumType, installed.FilmSizeID) == (1, "BLUE FILM", "14INX17IN")
        assert (installed.MaxDensity, other.FilmSizeID) == (280, "A4")
        one, *_ = item.SupportedImageDisplayFormatsSequence
        assert (one.ImageDisplayFormat, one.Rows, one.Columns) == ("STANDARD\\1,1", 5440, 4480)
        assert item.MaximumCollatedFilms == 3
    with door.client(called="COLOUR") as client:
        dataset_ = client.get(CONFIGURATION, CONFIGURATION_INSTANCE).dataset
        assert dataset_ is not None
        assert [i.SOPClassesSupported[0] for i in dataset_.PrinterConfigurationSequence] == [GRAY, COLOR]


def test_a_print_job_can_be_asked_for_from_another_association(door: Door) -> None:
    with door.client() as client:
        reply = client.action(FILM, one_film(client)).dataset
    assert reply is not None
    uid = reply.ReferencedPrintJobSequencePullStoredPrint[0].ReferencedSOPInstanceUID
    with door.client(classes=(JOB,)) as other:
        job = other.get(JOB, uid)
        assert job.status == 0 and job.dataset is not None
        assert (job.dataset.ExecutionStatus, job.dataset.ExecutionStatusInfo) == ("PENDING", "QUEUED")
        assert (job.dataset.Originator, job.dataset.PrinterName, job.dataset.PrintPriority) == (
            "TOLERANT",
            "film",
            "MED",
        )


def test_a_print_job_tells_the_day_people_here_have(door: Door) -> None:
    """A DA without an offset is local (PS3.3 C.12.1: Timezone Offset From UTC)."""
    with another_day() as today, door.client() as client:
        reply = client.action(FILM, one_film(client)).dataset
        assert reply is not None
        job = client.get(JOB, reply.ReferencedPrintJobSequencePullStoredPrint[0].ReferencedSOPInstanceUID)
        assert job.dataset is not None and job.dataset.CreationDate == today.strftime("%Y%m%d")


def test_no_print_job_is_told_of_where_it_was_not_negotiated(door: Door) -> None:
    with door.client(classes=(GRAY,)) as client:
        response = client.action(FILM, one_film(client))
        assert response.status == 0 and not response.dataset


def test_events_of_a_job_go_to_the_association_that_made_it(door: Door) -> None:
    with door.client() as client, door.client() as other:
        film = one_film(client)
        assert client.action(FILM, film).status == 0
        assert client.wait_for_event(JOB, 1).ExecutionStatusInfo == "QUEUED"
        job_id = door.jobs()[-1]
        uid = get_job(door.store, job_id).print_job_uid
        cancel(door.store, job_id, ADMIN)
        assert client.wait_for_event(JOB, 4).ExecutionStatusInfo == "JOB CANCELED"
        assert client.get(JOB, uid).status == 0x0112, "its end was told: the instance is gone"
        assert not [event for event in other.events if event[0] == JOB]
        assert client.get(PRINTER, PRINTER_INSTANCE).status == 0


def test_a_film_the_disk_had_no_names_for_leaves_none_of_it(door: Door) -> None:
    with door.client() as client:
        film = one_film(client)
        files.set_fault("print.linked:ENOSPC")
        try:
            assert client.action(FILM, film).status == 0xC602
        finally:
            files.set_fault("")
        assert not list(door.store.folder.spool.glob("submit-*"))
        assert client.action(FILM, film).status == 0


def test_the_first_event_of_a_job_is_told_though_it_was_looked_for_before_the_answer(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is in the database a moment before its association can say so; nothing may change after that."""
    kept, looked, real = threading.Event(), threading.Event(), door.server.notifier.tell_all

    def tell_all() -> None:
        for_good = kept.is_set()
        real()
        if for_good:
            looked.set()

    def be_slow(kind: str, name: str, other: str) -> None:
        if name == "submit.committed":
            kept.set()
            assert looked.wait(10)

    monkeypatch.setattr(door.server.notifier, "tell_all", tell_all)
    with door.client() as client:
        film = one_film(client)
        files.record_with(be_slow)
        try:
            assert client.action(FILM, film).status == 0
        finally:
            files.record_with(None)
        assert client.wait_for_event(JOB, 1, seconds=5).ExecutionStatusInfo == "QUEUED"


def test_events_of_a_printer_go_to_every_association_that_uses_it(door: Door) -> None:
    with (
        door.client(classes=(GRAY,)) as printing,
        door.client(classes=(PRINTER,)) as watching,
        door.client(calling="QUIET", classes=(GRAY,)) as quiet,
        door.client(called="COLOUR") as elsewhere,
    ):
        printer_verbs.reject(door.store, "film", ADMIN)
        try:
            assert printing.wait_for_event(PRINTER, 3).PrinterStatusInfo == "PRINTER OFFLINE"
            assert watching.wait_for_event(PRINTER, 3).PrinterName == "film"
            status = quiet.get(PRINTER, PRINTER_INSTANCE).dataset
            assert status is not None and status.PrinterStatus == "FAILURE"
        finally:
            printer_verbs.accept(door.store, "film", ADMIN)
        printing.wait_for_event(PRINTER, 1)
        assert not quiet.events and not elsewhere.events


def test_events_never_disturb_a_client_in_the_middle_of_its_requests(door: Door) -> None:
    with door.client() as client:
        film = client.film(client.session(), "STANDARD\\5,6")
        client.image(boxes(film)[0])
        client.action(FILM, film.instance)
        job_id = door.jobs()[-1]
        for position, box in enumerate(boxes(film), start=1):
            assert client.image(box, position).status == 0
            (hold if position % 2 else release)(door.store, job_id, ADMIN)
            door.server.notifier.tell_all()
        assert client.association.is_established
