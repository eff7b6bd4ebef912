"""Who is let in, what happens when the disk is short, and what malformed requests are answered."""

from __future__ import annotations

import errno
import hashlib
import os
import ssl
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.dimse_primitives import N_CREATE, N_SET

from appliance.dicom.callers import COME_AGAIN
from appliance.dicom.server import DicomServer
from appliance.network.requestor import NoAssociationError
from appliance.network.tls import client_context
from appliance.printing.desk import Desks
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store import files
from appliance.store.store import Store
from tests.dicom.clients import (
    FILM,
    GRAY,
    GRAY_BOX,
    PRINTER,
    PRINTER_INSTANCE,
    SESSION,
    PrintClient,
    boxes,
    print_client,
)
from tests.dicom.conftest import ADMIN, Door, open_door


@pytest.fixture(scope="module")
def strict_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A door that only known peers calling known AE titles pass."""
    with open_door(tmp_path_factory.mktemp("strict"), unknown_peers="refuse", strict_called_ae=True) as door:
        certificate = Peer(name="sealed", ae_title="SEALED", certificate="ab" * 32)
        add_peer(door.store, certificate, ADMIN)
        yield door


def rejection(port: int, calling: str, called: str) -> tuple[int, int, int] | None:
    """(result, source, diagnostic) of an A-ASSOCIATE-RJ; None when the association is accepted."""
    ae = AE(calling)
    ae.add_requested_context(GRAY)
    association = ae.associate("127.0.0.1", port, ae_title=called)
    if association.is_established:
        association.release()
        return None
    answer = association.acceptor.primitive
    assert answer is not None
    return answer.result, answer.result_source, answer.diagnostic


def test_nobody_comes_in_through_a_fault_of_ours(strict_door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def falls(*_: object) -> None:
        raise KeyError("a row nobody expected")

    monkeypatch.setattr(Desks, "of", falls)
    assert rejection(strict_door.port, "SEALED", "APPLIANCE") == COME_AGAIN


@pytest.mark.parametrize(
    ("calling", "called", "expected"),
    [
        ("STRICT", "APPLIANCE", None),
        ("STRICT", "COLOUR", None),
        ("STRICT", "HOUSE", None),
        ("STRICT", "NOBODY", (1, 1, 7)),
        ("STRANGER", "APPLIANCE", (1, 1, 3)),
        ("SEALED", "APPLIANCE", (1, 1, 3)),
    ],
)
def test_only_known_titles_pass_a_strict_door(
    strict_door: Door, calling: str, called: str, expected: tuple[int, int, int] | None
) -> None:
    assert rejection(strict_door.port, calling, called) == expected


def test_an_unknown_called_title_gets_the_default_printer_of_an_open_door(door: Door) -> None:
    with door.client(called="NOBODY", calling="STRANGER") as client:
        printer = client.get(PRINTER, PRINTER_INSTANCE).dataset
        assert printer is not None and printer.PrinterName == "film"


@pytest.fixture
def crowded(door: Door) -> Iterator[Door]:
    """The same data folder behind a door whose disk has less room than is to be kept free."""
    storage = door.store.settings.storage.model_copy(update={"reserve_mib": 1 << 40})
    settings = door.store.settings.model_copy(update={"storage": storage})
    server = DicomServer(replace_settings(door.store, settings))
    server.start()
    yield Door(door.store, server)
    server.stop(0)


def replace_settings(store: Store, settings: Any) -> Store:
    return replace(store, settings=settings)


def test_a_short_disk_refuses_images_and_says_so(crowded: Door) -> None:
    with crowded.client() as client:
        printer = client.get(PRINTER, PRINTER_INSTANCE).dataset
        assert printer is not None
        assert (printer.PrinterStatus, printer.PrinterStatusInfo) == ("FAILURE", "PRINT BUFF FULL")
        film = client.film(client.session())
        assert client.image(boxes(film)[0]).status == 0xC605


def film_ready(client: PrintClient) -> str:
    made = client.film(client.session())
    assert client.image(boxes(made)[0]).status == 0
    return made.instance


@pytest.mark.parametrize("place", ["submit.start", "submit.numbered", "submit.renamed"])
@pytest.mark.parametrize("fault", ["ENOSPC", "EIO"])
def test_a_film_that_cannot_be_kept_is_refused_and_can_be_sent_again(door: Door, place: str, fault: str) -> None:
    before = door.jobs()
    with door.client() as client:
        film = film_ready(client)
        files.set_fault(f"{place}:{fault}")
        try:
            assert client.action(FILM, film).status == 0xC602
        finally:
            files.set_fault("")
        assert door.jobs() == before
        assert client.action(FILM, film).status == 0
    assert len(door.jobs()) == len(before) + 1


def test_an_image_the_disk_did_not_take_is_not_printed_before_it_came_anew(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel tells of a failed write once: a second sync of the same file passes, whatever was lost."""
    before, real, failed = door.jobs(), os.fsync, []

    def refuse_once(descriptor: int) -> None:
        if not failed and Path(f"/proc/self/fd/{descriptor}").readlink().suffix == ".dcm":
            failed.append(descriptor)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    with door.client() as client:
        made = client.film(client.session())
        assert client.image(boxes(made)[0]).status == 0
        monkeypatch.setattr(os, "fsync", refuse_once)
        assert [client.action(FILM, made.instance).status for _ in range(2)] == [0xC602, 0xC602]
        assert len(failed) == 1
        assert door.jobs() == before
        assert client.image(boxes(made)[0]).status == 0
        assert client.action(FILM, made.instance).status == 0
    assert len(door.jobs()) == len(before) + 1


def test_a_limit_on_the_size_of_an_image_holds(tmp_path: Path) -> None:
    with open_door(tmp_path / "small", film_mib=1) as door, door.client() as client:
        film = client.film(client.session())
        assert client.image(boxes(film)[0], item=wide_image()).status == 0xC605
        assert client.image(boxes(film)[0]).status == 0


def wide_image() -> Any:
    from tests.dicom.clients import gray_image

    return gray_image(1024, 1024)


def test_stopping_ends_associations_and_leaves_nothing_in_the_spool(tmp_path: Path) -> None:
    with open_door(tmp_path / "stopped") as door, door.client() as client:
        film_ready(client)
        door.server.stop(0)
        assert not [path for path in door.store.folder.spool.rglob("*") if path.is_file()]


def identity(folder: Path, name: str) -> tuple[Path, Path]:
    """(certificate, key) that vouch for themselves."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", f"/CN={name}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def test_a_peer_known_by_its_certificate_prints_by_tls_and_no_other(tmp_path: Path) -> None:
    ours, modality = identity(tmp_path, "ours"), identity(tmp_path, "modality")
    shown = ssl.PEM_cert_to_DER_cert(modality[0].read_text())
    settings = {"certificate": ours[0], "key": ours[1], "authorities": modality[0]}
    with open_door(tmp_path / "tls", tls=settings, tls_port=0) as door:
        for name, seal in (("sealed", hashlib.sha256(shown).hexdigest()), ("other", "ab" * 32)):
            add_peer(door.store, Peer(name=name, ae_title=name.upper(), certificate=seal), ADMIN)
        port = door.server.group.addresses[1][1]  # type: ignore[union-attr]
        context = client_context(ours[0], *modality, check_hostname=False)
        with print_client(port, "SEALED", tls=context) as client:
            assert client.action(FILM, film_ready(client)).status == 0
        with pytest.raises(NoAssociationError, match="our AE title OTHER"), print_client(port, "OTHER", tls=context):
            pass
        with pytest.raises(NoAssociationError, match="our AE title SEALED"), print_client(door.port, "SEALED"):
            pass


# --- data sets no pydicom would write ---


def element(tag: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """An element in Explicit VR Little Endian; `length` lies about its value."""
    size = len(value) if length is None else length
    head = struct.pack("<HH2s", tag >> 16, tag & 0xFFFF, vr)
    return head + (struct.pack("<HL", 0, size) if vr in (b"SQ", b"OW", b"UN") else struct.pack("<H", size)) + value


def nested(depth: int) -> bytes:
    value = b""
    for _ in range(depth):
        item = struct.pack("<HHL", 0xFFFE, 0xE000, len(value)) + value
        value = element(0x20100500, b"SQ", item)
    return value


MALFORMED = {
    "cut off": element(0x20000010, b"IS", b"1 ", length=40),
    "garbage": bytes(range(1, 99)),
    "nested for ever": nested(200),
    "sequence longer than the message": element(0x21300400, b"SQ", b"", length=1 << 20),
    "element twice": element(0x20000010, b"IS", b"1 ") * 2,
}


def raw_status(client: PrintClient, request: Any, keyword: str, data: bytes) -> int:
    """The status of a request whose data set is these bytes."""
    association = client.association
    request.MessageID = 99
    setattr(request, keyword, BytesIO(data))
    association._reactor_checkpoint.clear()
    try:
        context = next(cx for cx in association.accepted_contexts if cx.abstract_syntax == GRAY)
        association.dimse.send_msg(request, context.context_id)
        _, response = association.dimse.get_msg(block=True)
    finally:
        association._reactor_checkpoint.set()
    return int(response.Status)


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_data_set_is_refused_and_the_association_lives(door: Door, name: str) -> None:
    with door.client(classes=(GRAY,), syntaxes=[ExplicitVRLittleEndian]) as client:
        create = N_CREATE()
        create.AffectedSOPClassUID = SESSION
        assert raw_status(client, create, "AttributeList", MALFORMED[name]) == 0x0110
        film = client.film(client.session())
        change = N_SET()
        change.RequestedSOPClassUID, change.RequestedSOPInstanceUID = GRAY_BOX, boxes(film)[0]
        assert raw_status(client, change, "ModificationList", MALFORMED[name]) == 0x0110
        assert client.image(boxes(film)[0]).status == 0


def test_a_number_that_is_none_is_told(door: Door) -> None:
    bad = element(0x20000010, b"IS", b"many")
    for calling, expected in (("TOLERANT", 0x0116), ("STRICT", 0x0106)):
        with door.client(calling=calling, classes=(GRAY,), syntaxes=[ExplicitVRLittleEndian]) as client:
            create = N_CREATE()
            create.AffectedSOPClassUID = SESSION
            assert raw_status(client, create, "AttributeList", bad) == expected


def test_no_name_of_a_patient_is_logged(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    from tests.dicom.clients import dataset

    caplog.set_level("INFO")
    with door.client() as client:
        study = dataset(PatientName="SECRETARY^MADE^UP", PatientID="PID-4711")
        session = client.session(ProposedStudySequence=[study], FilmSessionLabel="LABEL-OF-SOMEONE")
        film = client.film(session, PatientName="SECRETARY^MADE^UP", AnnotationDisplayFormatID="LABEL")
        client.image(boxes(film)[0])
        client.action(FILM, film.instance)
    ours = " ".join(record.getMessage() for record in caplog.records if record.name.startswith("appliance"))
    assert ours and not any(word in ours for word in ("SECRETARY", "PID-4711", "LABEL-OF-SOMEONE"))
