"""What the fuzzer found, each as a case of its own."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from pathlib import Path

import pytest

from appliance.errors import UsageError
from appliance.events import process_actor
from appliance.media.check import examine
from appliance.media.label_layout import layouts
from appliance.network.commands import decode_command
from appliance.store.store import Store
from appliance.studies.importing import import_path
from tests.dicom.clients import GRAY_BOX, print_client
from tests.faults.plant import Plant
from tests.fuzz.driver import GIVEN, echo
from tests.fuzz.mutations import Names, encoded
from tests.fuzz.recording import Message, record_all
from tests.media import made
from tests.network.raw import IMPLICIT, RawPeer, item, presentation_context

META = b"1.2.840.10008.5.1.1.9"
N_CREATE = 0x0140
N_SET = {"CommandField": 0x0120, "MessageID": 7, "CommandDataSetType": 0x0101}


def status_of(peer: RawPeer) -> int:
    """The status of the next response that has one."""
    answer = peer.pdu()
    while answer and not answer[11] & 1:  # a data set
        answer = peer.pdu()
    length = struct.unpack(">L", answer[6:10])[0]
    return int(decode_command(answer[12 : 10 + length])["Status"])


def ask(works: Plant, **command: object) -> int:
    """The status a raw request under the print class is answered with."""
    with RawPeer(works.port) as peer:
        assert peer.associate(presentation_context(1, META, IMPLICIT))[:1] == b"\x02"
        peer.send(encoded(random.Random(1), Message(1, dict(command), b""), {}))
        return status_of(peer)


def test_a_c_store_under_a_print_class_is_refused_without_a_traceback(works: Plant) -> None:
    works.start("dicom")
    store = {"CommandField": 0x0001, "MessageID": 1, "Priority": 0, "CommandDataSetType": 0x0101}
    uid = META.decode()
    status = ask(works, AffectedSOPClassUID=uid, AffectedSOPInstanceUID="1.2.3", **store)
    assert status == 0x0211
    assert works.tracebacks() == []


def test_an_image_box_set_without_a_data_set_is_refused_without_a_traceback(works: Plant) -> None:
    works.start("dicom")
    status = ask(works, RequestedSOPClassUID=GRAY_BOX, RequestedSOPInstanceUID="1.2.3", **N_SET)
    assert status in (0x0110, 0x0112)
    assert works.tracebacks() == []


def test_a_context_without_a_transfer_syntax_ends_the_association_without_a_traceback(works: Plant) -> None:
    works.start("dicom")
    for abstract in (META, b"1.2.3.4"):
        with RawPeer(works.port) as peer:
            assert peer.associate(presentation_context(1, abstract))[:1] in (b"\x07", b"")
    assert echo(works.port) > 0
    assert works.tracebacks() == []


def test_a_context_without_an_abstract_syntax_ends_the_association_without_a_traceback(works: Plant) -> None:
    works.start("dicom")
    nameless = item(0x20, bytes([1, 0, 0, 0]) + item(0x40, IMPLICIT))
    with RawPeer(works.port) as peer:
        assert peer.associate(nameless)[:1] in (b"\x07", b"")
    assert echo(works.port) > 0
    assert works.tracebacks() == []


def test_images_sent_before_their_forerunner_is_answered_all_arrive(works: Plant) -> None:
    """The first one's tidying up removed the second one's file while it came."""
    works.start("dicom")
    film = next(one for one in record_all(works.port, works.root) if one.name == "film")
    chance = random.Random(1)
    with RawPeer(works.port) as peer:
        peer.send(film.request)
        assert peer.pdu()[:1] == b"\x02"
        names: Names = {}
        for message in film.messages[:3]:
            peer.send(encoded(chance, message, {}))
            while len(names) < len(film.given) and message.command["CommandField"] == N_CREATE:
                found = dict.fromkeys(GIVEN.findall(peer.pdu()))
                names = dict(zip([uid.encode() for uid in film.given], found, strict=False))
                if message is not film.messages[2]:
                    break
        image = [message for message in film.messages if message.command.get("RequestedSOPClassUID") == GRAY_BOX][0]
        peer.send(b"".join(encoded(chance, image, names) for _ in range(40)))
        statuses = [status_of(peer) for _ in range(40)]
    assert set(statuses) == {0}, statuses


def test_nothing_a_peer_sends_is_quoted_by_a_warning_of_a_library(works: Plant) -> None:
    works.start("dicom")
    with print_client(works.port, called="FOLDER", calling="FUZZ") as client:
        client.session(FilmSessionLabel="X" * 900)
    works.stop()
    assert works.tracebacks() == []


def test_an_image_cut_in_its_first_descriptor_is_called_none(tmp_path: Path) -> None:
    path = tmp_path / "cut.iso"
    path.write_bytes(bytes(16 * 2048) + b"\1CD001\1" + bytes(100))
    assert [finding.code for finding in examine(path).findings][:1] == ["no-iso9660"]


@pytest.mark.parametrize(
    "spoil", [(6, b"\x88"), (8, b"\0\x08"), (42, b"\xff\xff\xff\xff")], ids=["version", "name", "place"]
)
def test_a_zip_from_the_future_or_with_an_impossible_name_is_refused_in_words(
    store: Store, tmp_path: Path, spoil: tuple[int, bytes]
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("\xe9.dcm", b"x" * 200)
    data = bytearray(packed.getvalue())
    entry, (place, value) = data.index(b"PK\1\2"), spoil
    data[entry + place : entry + place + len(value)] = value
    if place == 8:
        data[entry + 46 : entry + 47] = b"\xff"
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    try:
        assert not import_path(store, path, process_actor("tests")).studies
    except UsageError as error:
        assert "damaged zip archive" in str(error)
    assert not examine(path).good


def test_a_label_layout_that_is_no_toml_is_refused_by_its_name(tmp_path: Path) -> None:
    for text in (b"[disc", b"\xff", b"disc = 1"):
        (tmp_path / "labels.toml").write_bytes(text)
        with pytest.raises(UsageError, match=r"labels\.toml|disc"):
            layouts(tmp_path)


def test_a_directory_whose_report_lost_a_value_representation_is_called_damaged(tmp_path: Path) -> None:
    image = made.built([made.kept(tmp_path / "in", made.report())], tmp_path / "out")
    data = image.read_bytes()
    assert data.count(b"\x40\x00\x60\xa1UT") >= 1
    image.chmod(0o600)
    image.write_bytes(data.replace(b"\x40\x00\x60\xa1UT", b"\x40\x00\x60\xa1\0\0"))
    assert "dicomdir-damaged" in [finding.code for finding in examine(image).findings]
