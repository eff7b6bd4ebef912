"""Odd requests, one by one: what a tolerant and what a strict peer is answered (PS3.4 Annex H, traps 1 to 19)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydicom.dataset import Dataset

from tests.dicom.clients import (
    ANNOTATION,
    COLOR,
    COLOR_BOX,
    CONFIGURATION,
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
from tests.dicom.conftest import Door

Act = Callable[[PrintClient], Response]
NOBODY = "1.2.3.4.5"


@dataclass(frozen=True)
class Probe:
    """One request and the statuses it is answered with."""

    name: str
    act: Act
    tolerant: int
    strict: int | None = None  # None: the same

    def status(self, calling: str) -> int:
        return self.tolerant if calling == "TOLERANT" or self.strict is None else self.strict


def session(**values: Any) -> Act:
    return lambda client: client.create(SESSION, **values)


def session_set(**values: Any) -> Act:
    return lambda client: client.set(SESSION, client.session(), **values)


def film(ImageDisplayFormat: str | None = "STANDARD\\1,1", **values: Any) -> Act:
    def act(client: PrintClient) -> Response:
        referenced = [reference(SESSION, client.session())]
        given = {"ReferencedFilmSessionSequence": referenced, **values}
        if ImageDisplayFormat is not None:
            given["ImageDisplayFormat"] = ImageDisplayFormat
        return client.create(FILM, **{k: v for k, v in given.items() if v is not None})

    return act


def film_set(**values: Any) -> Act:
    def act(client: PrintClient) -> Response:
        made = client.film(client.session())
        return client.set(FILM, made.instance, **values)

    return act


def image(
    item: Dataset | None = None, position: int | None = 1, film: dict[str, Any] | None = None, **values: Any
) -> Act:
    """N-SET of the only image box; `item` "gray" by default."""

    def act(client: PrintClient) -> Response:
        made = client.film(client.session(), **(film or {}))
        given = {"BasicGrayscaleImageSequence": [gray_image() if item is None else item], **values}
        if position is not None:
            given["ImageBoxPosition"] = position
        return client.set(GRAY_BOX, boxes(made)[0], **{k: v for k, v in given.items() if v is not None})

    return act


def pixels(**changes: Any) -> Act:
    """N-SET of an image with other values in its item; None takes an element out."""
    return image(gray_image(**changes))


def lut(**values: Any) -> Act:
    return lambda client: client.create(LUT, **values)


def lut_table(entries: int = 4096, count: int | None = None, bits: int = 12, first: int = 0) -> Act:
    words = list(range(entries if count is None else count))
    item = dataset(LUTDescriptor=[entries & 0xFFFF, first, bits], LUTData=words)
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    return lut(PresentationLUTSequence=[item])


def annotation(**values: Any) -> Act:
    def act(client: PrintClient) -> Response:
        made = client.film(client.session(), AnnotationDisplayFormatID="LABEL")
        box = made.dataset.ReferencedBasicAnnotationBoxSequence[0].ReferencedSOPInstanceUID  # type: ignore[union-attr]
        return client.set(ANNOTATION, box, **values)

    return act


def two_sessions(client: PrintClient) -> Response:
    client.session()
    return client.create(SESSION, NumberOfCopies=1)


def same_uid_twice(client: PrintClient) -> Response:
    client.create(LUT, "1.2.3.4", PresentationLUTShape="IDENTITY")
    return client.create(LUT, "1.2.3.4", PresentationLUTShape="IDENTITY")


def film_without_session(client: PrintClient) -> Response:
    return client.create(FILM, ImageDisplayFormat="STANDARD\\1,1")


def earlier_film(deed: Callable[[PrintClient, str], Response]) -> Act:
    """Something done to a film box that is not the last one made."""

    def act(client: PrintClient) -> Response:
        made = client.session()
        first = client.film(made)
        client.image(boxes(first)[0])
        client.film(made)
        return deed(client, first.instance)

    return act


def earlier_image(client: PrintClient) -> Response:
    made = client.session()
    first = client.film(made)
    client.film(made)
    return client.image(boxes(first)[0])


def too_many_films(client: PrintClient) -> Response:
    made = client.session()
    for _ in range(3):
        client.film(made)
    return client.film(made)


def print_film(kind: int = 1, filled: bool = True) -> Act:
    def act(client: PrintClient) -> Response:
        made = client.film(client.session())
        if filled:
            client.image(boxes(made)[0])
        return client.action(FILM, made.instance, kind)

    return act


def print_session(films: int, filled: int, kind: int = 1) -> Act:
    def act(client: PrintClient) -> Response:
        made = client.session()
        for number in range(films):
            box = boxes(client.film(made))[0]
            if number < filled:
                client.image(box)
        return client.action(SESSION, made, kind)

    return act


def deleted_lut(client: PrintClient) -> Response:
    table = client.create(LUT, PresentationLUTShape="IDENTITY").instance
    client.delete(LUT, table)
    return client.film(client.session(), ReferencedPresentationLUTSequence=[reference(LUT, table)])


def lut_of_other_length(client: PrintClient) -> Response:
    table = lut_table(256, bits=10)(client).instance
    made = client.film(client.session(), ReferencedPresentationLUTSequence=[reference(LUT, table)])
    return client.image(boxes(made)[0])


def wrong_class(client: PrintClient) -> Response:
    """A film session addressed as a film box."""
    return client.delete(FILM, client.session())


def gone_film(client: PrintClient) -> Response:
    made = client.film(client.session())
    client.delete(FILM, made.instance)
    return client.action(FILM, made.instance)


PROBES = [
    # film session
    Probe("session with nothing in it", session(), 0),
    Probe("0 copies", session(NumberOfCopies=0), 0x0116, 0x0106),
    Probe("1000 copies", session(NumberOfCopies=1000), 0x0116, 0x0106),
    Probe("empty copies", session(NumberOfCopies=None, PrintPriority="HIGH"), 0),
    Probe("unknown priority", session(PrintPriority="URGENT"), 0x0116, 0x0106),
    Probe("priority in small letters", session(PrintPriority="high"), 0),
    Probe("unknown medium", session(MediumType="VELLUM"), 0x0116, 0x0106),
    Probe("current medium", session(MediumType="CURRENT"), 0),
    Probe("unknown destination", session(FilmDestination="BIN_0"), 0x0116, 0x0106),
    Probe("a bin", session(FilmDestination="BIN_7"), 0),
    Probe("memory allocation", session(MemoryAllocation=1000), 0xB600),
    Probe("memory allocation of nothing", session(MemoryAllocation=0), 0),
    Probe("patient ID in session", session(PatientID="X"), 0, 0x0105),
    Probe("unknown attribute in session", session(Modality="CT"), 0x0107, 0x0105),
    Probe("Presentation LUT on session", session(ReferencedPresentationLUTSequence=[]), 0, 0x0105),
    Probe("label too long", session(FilmSessionLabel="X" * 70), 0x0116, 0x0106),
    Probe("proposed study", session(ProposedStudySequence=[dataset(PatientName="MADE^UP")]), 0),
    Probe("second session", two_sessions, 0x0111),
    Probe("same UID twice", same_uid_twice, 0x0111),
    Probe("UID that is none", lambda client: client.create(SESSION, "1.02.3", NumberOfCopies=1), 0x0117),
    Probe("session changed", session_set(NumberOfCopies=3), 0),
    Probe("session changed wrongly", session_set(NumberOfCopies=-1), 0x0116, 0x0106),
    Probe("unknown session", lambda client: client.set(SESSION, NOBODY, NumberOfCopies=1), 0x0112),
    Probe("session deleted", lambda client: client.delete(SESSION, client.session()), 0),
    Probe("unknown session deleted", lambda client: client.delete(SESSION, NOBODY), 0x0112),
    # film box
    Probe("film", film(), 0),
    Probe("film without session", film_without_session, 0x0117),
    Probe("film without reference", film(ReferencedFilmSessionSequence=None), 0, 0x0120),
    Probe("film with empty reference", film(ReferencedFilmSessionSequence=[]), 0, 0x0121),
    Probe("film of another session", film(ReferencedFilmSessionSequence=[reference(SESSION, NOBODY)]), 0x0117),
    Probe("film without format", film(None), 0x0120),
    Probe("film with empty format", film(""), 0x0121),
    Probe("format with a point", film("STANDARD\\2.3"), 0x0106),
    Probe("format with spaces", film("standard\\ 2, 3 "), 0),
    Probe("format with a swallowed backslash", film("STANDARD\x01,1"), 0, 0x0106),
    Probe("unknown format", film("MOSAIC\\2"), 0x0106),
    Probe("rows", film("ROW\\1,2,3"), 0),
    Probe("columns", film("COL\\2,1"), 0),
    Probe("slides", film("SLIDE"), 0),
    Probe("superslides", film("SUPERSLIDE"), 0),
    Probe("custom", film("CUSTOM\\1"), 0),
    Probe("custom that isn't", film("CUSTOM\\77"), 0x0106),
    Probe("more boxes than may be", film("STANDARD\\9,9"), 0x0213),
    Probe("no boxes", film("STANDARD\\0,1"), 0x0106),
    Probe("alias of a size", film(FilmSizeID="35CMX43CM"), 0),
    Probe("unknown size", film(FilmSizeID="1MX1M"), 0x0116, 0x0106),
    Probe("unknown orientation", film(FilmOrientation="SIDEWAYS"), 0x0116, 0x0106),
    Probe("unknown magnification", film(MagnificationType="LANCZOS"), 0x0116, 0x0106),
    Probe("unknown smoothing", film(SmoothingType="VELVET"), 0x0116, 0x0106),
    Probe("unknown trim", film(Trim="MAYBE"), 0x0116, 0x0106),
    Probe("high resolution of a printer without", film(RequestedResolutionID="HIGH"), 0x0116, 0x0106),
    Probe("unknown resolution", film(RequestedResolutionID="ULTRA"), 0x0116, 0x0106),
    Probe("border in hundredths", film(BorderDensity="150"), 0),
    Probe("border of another colour", film(BorderDensity="PINK"), 0x0116, 0x0106),
    Probe("max density too high", film(MaxDensity=9999), 0xB605),
    Probe("min density too low", film(MinDensity=1), 0xB605),
    Probe("max density 0", film(MaxDensity=0, MinDensity=0), 0, 0x0106),
    Probe("densities turned round", film(MaxDensity=50, MinDensity=200), 0x0116, 0x0106),
    Probe("no light", film(Illumination=0), 0x0116, 0x0106),
    Probe("unknown configuration", film(ConfigurationInformation="CS042"), 0x0116, 0x0106),
    Probe("unknown annotation format", film(AnnotationDisplayFormatID="POEM"), 0x0116, 0x0106),
    Probe("unknown LUT", film(ReferencedPresentationLUTSequence=[reference(LUT, NOBODY)]), 0x0106),
    Probe("deleted LUT", deleted_lut, 0x0106),
    Probe("image boxes sent back", film(ReferencedImageBoxSequence=[reference(GRAY_BOX, NOBODY)]), 0, 0x0105),
    Probe("ICC profile on a grey film", film(ICCProfile=b"profile."), 0x0107, 0x0105),
    Probe("one film more than may be", too_many_films, 0x0213),
    Probe("film changed", film_set(Trim="YES"), 0),
    Probe("format changed", film_set(ImageDisplayFormat="STANDARD\\2,2"), 0x0107, 0x0105),
    Probe("unknown film", lambda client: client.set(FILM, NOBODY, Trim="YES"), 0x0112),
    Probe("earlier film changed", earlier_film(lambda client, uid: client.set(FILM, uid, Trim="YES")), 0, 0x0110),
    Probe("earlier film deleted", earlier_film(lambda client, uid: client.delete(FILM, uid)), 0, 0x0110),
    Probe("earlier film printed", earlier_film(lambda client, uid: client.action(FILM, uid)), 0, 0x0110),
    Probe("session as a film", wrong_class, 0x0119),
    Probe("film gone", gone_film, 0x0112),
    # image box
    Probe("image", image(), 0),
    Probe("8 bits", pixels(bits=8), 0),
    Probe("9 bits", pixels(bits=9), 0, 0x0106),
    Probe("10 bits", pixels(bits=10), 0, 0x0106),
    Probe("16 bits", pixels(bits=16), 0, 0x0106),
    Probe("8 bits in 16", pixels(BitsStored=8, HighBit=7), 0, 0x0106),
    Probe("high bit 15 of 12", pixels(HighBit=15), 0, 0x0106),
    Probe("high bit beyond", pixels(HighBit=16), 0x0106),
    Probe("high bit too low", pixels(HighBit=8), 0x0106),
    Probe("20 bits in 16", pixels(BitsStored=20), 0x0106),
    Probe("12 bits in 8", pixels(bits=8, BitsStored=12), 0x0106),
    Probe("32 allocated", pixels(BitsAllocated=32), 0x0106),
    Probe("signed", pixels(PixelRepresentation=1), 0, 0x0106),
    Probe("MONOCHROME1", pixels(PhotometricInterpretation="MONOCHROME1"), 0),
    Probe("PALETTE COLOR", pixels(PhotometricInterpretation="PALETTE COLOR"), 0x0106),
    Probe("RGB in a grey box", image(color_image()), 0x0106),
    Probe("no rows", pixels(Rows=None), 0x0120),
    Probe("0 rows", pixels(Rows=0), 0x0106),
    Probe("65535 x 65535", pixels(Rows=65535, Columns=65535), 0x0106),
    Probe("too few pixels", pixels(Rows=17), 0x0106),
    Probe("two bytes too many", pixels(PixelData=bytes(16 * 24 * 2 + 2)), 0x0106),
    Probe("odd length with pad", image(gray_image(3, 3, 8, PixelData=bytes(10))), 0),
    Probe("no pixel data", pixels(PixelData=None), 0x0120),
    Probe("empty pixel data", pixels(PixelData=b""), 0x0121),
    Probe("aspect ratio", pixels(PixelAspectRatio=[2, 1]), 0),
    Probe("aspect ratio of nothing", pixels(PixelAspectRatio=[0, 0]), 0x0116, 0x0106),
    Probe("erased", image(BasicGrayscaleImageSequence=[]), 0),
    Probe("two images", image(BasicGrayscaleImageSequence=[gray_image(), gray_image()]), 0x0106),
    Probe("no image sequence", image(BasicGrayscaleImageSequence=None), 0x0120),
    Probe("position 0", image(position=0), 0x0106),
    Probe("position 2 of 1", image(position=2), 0x0106),
    Probe("no position", image(position=None), 0x0120),
    Probe("unknown polarity", image(Polarity="SIDEWAYS"), 0x0116, 0x0106),
    Probe("reversed", image(Polarity="REVERSE"), 0),
    Probe("true size", image(RequestedImageSize=100), 0),
    Probe("true size of nothing", image(RequestedImageSize=0), 0x0116, 0x0106),
    Probe("larger than the film", image(RequestedImageSize=600), 0xB609, 0xC603),
    Probe("cropped", image(RequestedImageSize=600, RequestedDecimateCropBehavior="CROP"), 0xB609),
    Probe("decimated", image(RequestedImageSize=600, RequestedDecimateCropBehavior="DECIMATE"), 0xB60A),
    Probe("failing", image(RequestedImageSize=600, RequestedDecimateCropBehavior="FAIL"), 0xC603),
    Probe(
        "decimated without magnification",
        image(RequestedImageSize=600, RequestedDecimateCropBehavior="DECIMATE", MagnificationType="NONE"),
        0xC603,
    ),
    Probe(
        "more pixels than the box",
        image(gray_image(1, 5600, 8), film={"FilmSizeID": "14INX17IN"}),
        0xB604,
    ),
    Probe("box density too high", image(MaxDensity=400), 0xB605),
    Probe("box configuration", image(ConfigurationInformation="CS042"), 0x0116, 0x0106),
    Probe("unknown attribute in box", image(Modality="CT"), 0x0107, 0x0105),
    Probe("unknown LUT of box", image(ReferencedPresentationLUTSequence=[reference(LUT, NOBODY)]), 0x0106),
    Probe("LUT of another length", lut_of_other_length, 0, 0x0106),
    Probe("unknown image box", lambda client: client.image(NOBODY), 0x0112),
    Probe("film box as image box", lambda client: client.image(client.film(client.session()).instance), 0x0119),
    Probe("image box of an earlier film", earlier_image, 0, 0x0110),
    # annotation box
    Probe("annotation", annotation(AnnotationPosition=0, TextString="LEFT"), 0),
    Probe("annotation elsewhere", annotation(AnnotationPosition=9, TextString="LEFT"), 0, 0x0106),
    Probe("annotation without position", annotation(TextString="LEFT"), 0x0120),
    Probe("annotation erased", annotation(AnnotationPosition=0, TextString=""), 0),
    Probe("annotation too long", annotation(AnnotationPosition=1, TextString="X" * 65), 0x0116, 0x0106),
    Probe("unknown annotation", lambda client: client.set(ANNOTATION, NOBODY, AnnotationPosition=1), 0x0112),
    # Presentation LUT
    Probe("identity", lut(PresentationLUTShape="IDENTITY"), 0),
    Probe("linear OD", lut(PresentationLUTShape="LIN OD"), 0),
    Probe("unknown shape", lut(PresentationLUTShape="WAVY"), 0x0106),
    Probe("empty shape", lut(PresentationLUTShape=""), 0x0121),
    Probe("neither shape nor table", lut(PatientID="X"), 0x0120),
    Probe("both", lut(PresentationLUTShape="IDENTITY", PresentationLUTSequence=[dataset(LUTExplanation="x")]), 0x0106),
    Probe("table without data", lut(PresentationLUTSequence=[dataset(LUTExplanation="x")]), 0x0120),
    Probe("table of 4096", lut_table(4096, bits=12), 0),
    Probe("table of 1024", lut_table(1024, bits=12), 0, 0x0106),
    Probe("table of 8 bits", lut_table(256, bits=8), 0, 0x0106),
    Probe("table of 20 bits", lut_table(256, bits=20), 0x0106),
    Probe("table too short", lut_table(4096, count=100), 0x0106),
    Probe("table beyond its bits", lut_table(4096, bits=10), 0x0106),
    Probe("unknown LUT deleted", lambda client: client.delete(LUT, NOBODY), 0x0112),
    # printing
    Probe("film printed", print_film(), 0),
    Probe("empty film printed", print_film(filled=False), 0xB603),
    Probe("film, action 2", print_film(2), 0x0123),
    Probe("unknown film printed", lambda client: client.action(FILM, NOBODY), 0x0112),
    Probe("session printed", print_session(2, 2), 0),
    Probe("session without films", print_session(0, 0), 0xC600),
    Probe("session of empty films", print_session(2, 0), 0xB602),
    Probe("session with an empty film", print_session(2, 1), 0xB602),
    Probe("session, action 3", print_session(1, 1, 3), 0x0123),
    # printer, job, services
    Probe("printer", lambda client: client.get(PRINTER, PRINTER_INSTANCE), 0),
    Probe("another printer", lambda client: client.get(PRINTER, NOBODY), 0x0112),
    Probe("printer, unknown attribute", lambda client: client.get(PRINTER, PRINTER_INSTANCE, [0x00100010]), 0x0107),
    Probe("unknown job", lambda client: client.get(JOB, NOBODY), 0x0112),
    Probe("another configuration", lambda client: client.get(CONFIGURATION, NOBODY), 0x0112),
    Probe("printer made", lambda client: client.create(PRINTER, PrinterName="X"), 0x0122),
    Probe("job deleted", lambda client: client.delete(JOB, NOBODY), 0x0211),
    Probe("session got", lambda client: client.get(SESSION, client.session()), 0x0211),
    Probe("class not negotiated", lambda client: client.set(COLOR_BOX, NOBODY, context=GRAY, Trim="NO"), 0x0122),
    Probe("class under another context", lambda client: client.create(SESSION, context=LUT, OwnerID="X"), 0, 0x0122),
]  # fmt: skip


@pytest.mark.parametrize("calling", ["TOLERANT", "STRICT"])
@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_an_odd_request_is_answered_by_the_table(door: Door, probe: Probe, calling: str) -> None:
    with door.client(calling=calling) as client:
        response = probe.act(client)
        assert f"{response.status:04X}" == f"{probe.status(calling):04X}", response
        assert client.association.is_established
        if response.status:
            assert response.comment, "a status that isn't success comes with words"
    assert len({p.name for p in PROBES}) == len(PROBES)


def test_a_colour_printer_answers_colour_requests_by_the_table(door: Door) -> None:
    with door.client(called="COLOUR", classes=(COLOR, *EVERYTHING[1:])) as client:
        made = client.create(
            FILM,
            ImageDisplayFormat="STANDARD\\1,1",
            ReferencedFilmSessionSequence=[reference(SESSION, client.session())],
        )
        box = boxes(made)[0]
        cases = {
            "by plane": (color_image(), 0),
            "by pixel": (color_image(planar=0), 0),
            "grey": (gray_image(bits=8), 0x0106),
            "without planar configuration": (color_image(PlanarConfiguration=None), 0x0120),
            "16 bits": (color_image(BitsAllocated=16, BitsStored=16, HighBit=15, PixelData=bytes(16 * 24 * 6)), 0x0106),
            "YBR": (color_image(PhotometricInterpretation="YBR_FULL"), 0x0106),
        }  # fmt: skip
        for name, (item, status) in cases.items():
            response = client.set(COLOR_BOX, box, ImageBoxPosition=1, BasicColorImageSequence=[item])
            assert f"{response.status:04X}" == f"{status:04X}", name
