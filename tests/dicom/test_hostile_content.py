"""Hostile content through the front door: the right status, once in the log, and the film after it is taken."""

from __future__ import annotations

import random
import struct

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian

from tests.dicom.clients import FILM, GRAY_BOX, LUT, SESSION, boxes, dataset, gray_image, print_client
from tests.faults.conftest import template, works
from tests.faults.plant import Plant
from tests.fuzz.mutations import encoded
from tests.fuzz.recording import Message
from tests.fuzz.test_findings import META, ask, status_of
from tests.network.raw import RawPeer, presentation_context

__all__ = ["template", "works"]

INVALID, MISSING_VALUE, TOO_LARGE = 0x0106, 0x0121, 0xC603


def with_pixels(count: int, **changes: object) -> Dataset:
    item = gray_image(16, 24, **changes)
    item.PixelData = b"\1\2" * count
    return item


HOSTILE = {
    "short": (lambda: with_pixels(16 * 24 - 1), {INVALID}),
    "long": (lambda: with_pixels(16 * 24 + 2), {INVALID}),
    "none": (lambda: with_pixels(0), {MISSING_VALUE}),
    "65535": (lambda: with_pixels(16 * 24, Rows=65535, Columns=65535), {INVALID, TOO_LARGE}),
    "zero": (lambda: with_pixels(16 * 24, Rows=0, Columns=0), {INVALID}),
    "stored over allocated": (lambda: with_pixels(16 * 24, BitsStored=17, HighBit=16), {INVALID}),
    "allocated 12": (lambda: with_pixels(16 * 24, BitsAllocated=12), {INVALID}),
    "samples 200": (lambda: with_pixels(16 * 24, SamplesPerPixel=200), {INVALID}),
}


@pytest.fixture
def door(works: Plant) -> Plant:
    works.start("dicom")
    return works


def test_hostile_pixels_have_their_status_and_one_line_each(door: Plant) -> None:
    with print_client(door.port, called="FOLDER", calling="FAULTS") as client:
        film = client.film(client.session(), FilmSizeID="8INX10IN")
        box = boxes(film)[0]
        for name, (item, wanted) in HOSTILE.items():
            before = len(door.logged())
            status = client.image(box, 1, item()).status
            assert status in wanted, f"{name}: {status:04X}"
            assert len(door.logged()) - before == 1, name
        assert client.image(box, 1, gray_image()).status == 0
    assert door.tracebacks() == []


TEXTS = (
    "../../../etc/passwd",
    "A\0B",
    "x" * 65,
    "n" * 65000,
    "\x1b$B\x1b(J",
    "<script>\\{{7*7}}",
    "=cmd|' /C calc'!A0",
)


def test_hostile_words_break_nothing_and_leave_no_file_elsewhere(door: Plant) -> None:
    with print_client(door.port, called="FOLDER", calling="FAULTS") as client:
        for text in TEXTS:
            made = client.create("1.2.840.10008.5.1.1.1", FilmSessionLabel=text, NumberOfCopies=1)
            assert made.status in (0, INVALID, 0x0107, 0x0116), f"{text[:20]!r}: {made.status:04X}"
            if made.status != INVALID:
                client.delete("1.2.840.10008.5.1.1.1", made.instance)
    assert door.send_film("folder") == "acknowledged"
    assert door.tracebacks() == []
    assert {path.name for path in door.root.iterdir()} == {"data", "ledger.jsonl", "log.jsonl"}


@pytest.mark.parametrize("uid", ["../../x", "1" * 65, "..", "/etc/x", "1.2.\n3", "1.2.3\0.4"])
def test_a_hostile_uid_names_no_file(door: Plant, uid: str) -> None:
    session = {"CommandField": 0x0140, "MessageID": 1, "CommandDataSetType": 0x0101}
    status = ask(door, AffectedSOPClassUID="1.2.840.10008.5.1.1.1", AffectedSOPInstanceUID=uid, **session)
    assert status in (0x0117, INVALID, 0x0110), f"{status:04X}"
    assert door.tracebacks() == []
    assert not (door.root / "x").exists()


def nested(depth: int) -> bytes:
    """A sequence in place of a number, and in it others, with a value of one byte that should have two."""
    value = struct.pack("<HH2sHB", 0x0028, 0x0010, b"US", 1, 1)
    for _ in range(depth):
        item = struct.pack("<HHL", 0xFFFE, 0xE000, len(value)) + value
        value = struct.pack("<HH2sHL", 0x2000, 0x0010, b"SQ", 0, len(item)) + item
    return value


def test_a_value_nested_deep_that_can_t_be_read_costs_nothing(door: Plant) -> None:
    session = {"CommandField": 0x0140, "MessageID": 1, "CommandDataSetType": 1}
    command = {"AffectedSOPClassUID": "1.2.840.10008.5.1.1.1", "AffectedSOPInstanceUID": "1.2.3", **session}
    with RawPeer(door.port) as peer:
        peer.associate(presentation_context(1, META, b"1.2.840.10008.1.2.1"))
        peer.send(encoded(random.Random(1), Message(1, command, nested(60)), {}))
        assert status_of(peer) in (INVALID, 0x0116), "answered, before memory is full"
    assert door.send_film("folder") == "acknowledged"
    assert door.tracebacks() == []


@pytest.mark.parametrize("vr", [b"US", b"FD", b"PN", b"IS"])
def test_a_character_set_that_is_no_text_is_refused(door: Plant, vr: bytes) -> None:
    session = {"CommandField": 0x0140, "MessageID": 1, "CommandDataSetType": 1}
    command = {"AffectedSOPClassUID": "1.2.840.10008.5.1.1.1", "AffectedSOPInstanceUID": "1.2.3", **session}
    charset = struct.pack("<HH2sH8s", 0x0008, 0x0005, vr, 8, b"12345678")
    with RawPeer(door.port) as peer:
        peer.associate(presentation_context(1, META, b"1.2.840.10008.1.2.1"))
        peer.send(encoded(random.Random(1), Message(1, command, charset), {}))
        assert status_of(peer) == 0x0110
    assert door.tracebacks() == []


def number(keyword: str) -> DataElement:
    """A number where the dictionary has a sequence."""
    return DataElement(Tag(keyword), "US", 1)


def test_a_number_in_place_of_a_sequence_is_refused_in_words(door: Plant) -> None:
    with print_client(door.port, called="FOLDER", calling="FAULTS", syntaxes=(ExplicitVRLittleEndian,)) as client:
        session = Dataset()
        session.add(number("ProposedStudySequence"))
        opened = client.create(SESSION, request=session)
        assert opened.status in (0, 0x0116)
        film = dataset(ImageDisplayFormat="STANDARD\\1,1")
        film.add(number("ReferencedFilmSessionSequence"))
        assert client.create(FILM, request=film).status in (0, 0x0117, MISSING_VALUE)
        image = dataset(ImageBoxPosition=1)
        image.add(number("BasicGrayscaleImageSequence"))
        answer = client.set(GRAY_BOX, boxes(client.film(opened.instance))[0], request=image)
        assert (answer.status, answer.comment.strip()) == (INVALID, "BasicGrayscaleImageSequence is no sequence")
        table = Dataset()
        table.add(number("PresentationLUTSequence"))
        assert client.create(LUT, request=table).status == INVALID
    assert door.tracebacks() == []
