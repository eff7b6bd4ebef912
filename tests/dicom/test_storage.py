"""C-STORE by DCMTK's storescu: kept byte for byte, acknowledged once, refused in time."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE

from appliance.config import Settings
from appliance.dicom.server import DicomServer
from appliance.dicom.storage_scp import StorageScp
from appliance.printing.first_run import add_first_printer
from appliance.security.peer_verbs import add_peer
from appliance.security.peers import Peer
from appliance.store.store import Store, open_store
from appliance.studies import part10, search
from appliance.studies.selection import selected
from tests.media import made
from tests.studies.arrivals import SCANNER, files_of
from tests.studies.pacs import ENVIRONMENT, send

STUDY = f"{made.ROOT}.1"


@contextmanager
def door_of(store: Store) -> Iterator[DicomServer]:
    add_first_printer(store)
    server = DicomServer(store, [StorageScp(store)])
    server.start()
    try:
        yield server
    finally:
        server.stop(0)


@pytest.fixture
def door(store: Store) -> Iterator[DicomServer]:
    with door_of(store) as server:
        yield server


def write(folder: Path, *datasets: made.Dataset, syntax: str = made.ExplicitVRLittleEndian) -> Path:
    folder.mkdir(exist_ok=True)
    for number, dataset in enumerate(datasets, 1):
        (folder / f"{number:04}.dcm").write_bytes(made.as_file(dataset, syntax))
    return folder


def data_of(path: Path) -> bytes:
    return path.read_bytes()[part10.read_file_meta(path).data_set_offset :]


KINDS = [
    "IMAGE",
    "SR DOCUMENT",
    "KEY OBJECT DOC",
    "PRESENTATION",
    "RT PLAN",
    "WAVEFORM",
    "ENCAP DOC",
    "HANGING PROTOCOL",
]


def test_instances_of_every_kind_are_kept_byte_for_byte(store: Store, door: DicomServer, tmp_path: Path) -> None:
    folder = write(tmp_path / "sent", *[made.of_kind(kind) for kind in KINDS])
    result = send(door.port, "APPLIANCE", folder, options=("-R",))
    assert result.returncode == 0, result.stderr
    sent = {dcmread(path).SOPInstanceUID: path for path in folder.iterdir()}
    found = {each.keys.SOPInstanceUID: each for each in selected(store, instances=sent)}
    assert set(found) == set(sent)
    for uid, path in sent.items():
        kept = Path(found[uid].path)
        assert data_of(kept) == data_of(path)
        assert subprocess.run(["dcmftest", kept], check=False, capture_output=True).returncode == 0
    assert list(store.folder.spool.iterdir()) == []


@pytest.mark.parametrize("encoder", ["dcmcjpeg", "dcmcrle", "dcmcjpls"])
def test_compressed_images_come_as_they_are_sent(store: Store, door: DicomServer, tmp_path: Path, encoder: str) -> None:
    plain = write(tmp_path / "plain", made.image(1)) / "0001.dcm"
    folder = tmp_path / "packed"
    folder.mkdir()
    subprocess.run([encoder, plain, folder / "1.dcm"], check=True)
    option = {"dcmcjpeg": "-xs", "dcmcrle": "-xr", "dcmcjpls": "-xt"}[encoder]
    assert send(door.port, "APPLIANCE", folder, options=(option,)).returncode == 0
    [path] = files_of(store)
    assert data_of(path) == data_of(folder / "1.dcm")
    assert part10.read_file_meta(path).TransferSyntaxUID == part10.read_file_meta(folder / "1.dcm").TransferSyntaxUID


def test_explicit_little_endian_is_preferred(door: DicomServer) -> None:
    ae = AE("SCANNER")
    ae.add_requested_context(made.CT, ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70"])
    ae.add_requested_context("1.2.840.10008.5.1.4.1.1.4", ["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.1"])
    association = ae.associate("127.0.0.1", door.port, ae_title="APPLIANCE")
    chosen = {str(cx.abstract_syntax): str(cx.transfer_syntax[0]) for cx in association.accepted_contexts}
    association.release()
    assert chosen == {made.CT: "1.2.840.10008.1.2.1", "1.2.840.10008.5.1.4.1.1.4": "1.2.840.10008.1.2.4.70"}


def test_sent_twice_is_acknowledged_twice_and_kept_once(store: Store, door: DicomServer, tmp_path: Path) -> None:
    folder = write(tmp_path / "sent", made.image(1), made.image(2))
    assert [send(door.port, "APPLIANCE", folder).returncode for _ in range(2)] == [0, 0]
    assert len(files_of(store)) == 2
    [study] = search.find_studies(store, search.Query(text="doe"))
    assert (study["instances"], study["source"]) == (2, "STORESCU")
    for _ in range(200):  # written when the association has ended
        with store.database.read() as connection:
            rows = connection.exec_driver_sql("SELECT detail FROM audit WHERE event = 'instances-received'")
            audit = list(rows.scalars())
        if len(audit) == 2:
            break
        time.sleep(0.05)
    assert audit == ['{"stored": 2, "patient_id": "P-1"}', '{"known": 2, "patient_id": "P-1"}']


def test_when_the_disk_is_short_the_sender_is_told_a700_and_nothing_is_kept(tmp_path: Path) -> None:
    settings = Settings.model_validate({"dicom": {"ports": [0]}, "storage": {"reserve_mib": 1 << 40}})
    store = open_store(tmp_path / "data", settings=settings)
    with door_of(store) as door:
        result = send(door.port, "APPLIANCE", write(tmp_path / "sent", made.image(1)))
    assert "A700" in result.stderr.upper() or "OUTOFRESOURCES" in result.stderr.upper(), result.stderr
    assert files_of(store) == [] and list(store.folder.spool.iterdir()) == []
    store.close()


def store_raw(port: int, dataset: made.Dataset, announced: str = "", calling: str = "SCANNER") -> int:
    """Send a data set; the status."""
    ae = AE(calling)
    ae.add_requested_context(announced or dataset.SOPClassUID, made.ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", port, ae_title="APPLIANCE")
    assert association.is_established
    if announced:
        dataset.SOPClassUID = announced
    dataset.file_meta = made.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = made.ExplicitVRLittleEndian
    status = association.send_c_store(dataset)
    association.release()
    return int(status.Status)


def test_a_study_without_a_uid_is_refused(store: Store, door: DicomServer) -> None:
    assert store_raw(door.port, made.image(1, StudyInstanceUID=None)) == 0xC001
    assert files_of(store) == []


def test_private_classes_are_taken_only_where_the_settings_say_so(tmp_path: Path) -> None:
    private = "1.3.6.1.4.1.99999.1"
    for allowed in ((), (private,)):
        settings = Settings.model_validate(
            {"dicom": {"ports": [0], "private_classes": allowed}, "storage": {"reserve_percent": 0, "reserve_mib": 1}}
        )
        store = open_store(tmp_path / f"data-{len(allowed)}", settings=settings)
        with door_of(store) as door:
            if allowed:
                assert store_raw(door.port, made.common(1), private) == 0
                assert search.find_studies(store, search.Query())[0]["instances"] == 1
            else:
                with pytest.raises(AssertionError):
                    store_raw(door.port, made.common(1), private)
        store.close()


def test_a_peer_that_may_not_store_gets_no_context(store: Store, door: DicomServer, tmp_path: Path) -> None:
    add_peer(store, Peer(name="printer only", ae_title="STORESCU", allows=("print",)), SCANNER)
    result = send(door.port, "APPLIANCE", write(tmp_path / "sent", made.image(1)))
    assert result.returncode != 0 and files_of(store) == []


def test_two_hundred_classes_in_two_syntaxes_are_negotiated(door: DicomServer) -> None:
    from appliance.studies.storage_classes import STORAGE_CLASSES

    taken = set()
    for start in range(0, len(STORAGE_CLASSES), 120):
        ae = AE("SCANNER")
        for uid in STORAGE_CLASSES[start : start + 120]:
            ae.add_requested_context(uid, ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])
        association = ae.associate("127.0.0.1", door.port, ae_title="APPLIANCE")
        taken |= {str(cx.abstract_syntax) for cx in association.accepted_contexts}
        association.release()
    assert taken == set(STORAGE_CLASSES) and len(taken) > 190


def test_a_sender_killed_in_the_middle_leaves_nothing(store: Store, door: DicomServer, tmp_path: Path) -> None:
    folder = write(tmp_path / "sent", made.image(1, rows=1024, columns=1024))
    command = ["storescu", "-aec", "APPLIANCE", "127.0.0.1", str(door.port), "+sd", str(folder)]
    for _ in range(5):
        process = subprocess.Popen(command, env=ENVIRONMENT)
        while not list(store.folder.spool.iterdir()) and process.poll() is None:
            pass
        process.kill()
        process.wait()
    for _ in range(100):  # one that came whole is known the next time: its second file goes once that is committed
        if not list(store.folder.spool.iterdir()) and len(files_of(store)) <= 1:
            break
        time.sleep(0.05)
    assert list(store.folder.spool.iterdir()) == []
    assert len(files_of(store)) <= 1


def test_the_statement_names_every_class_and_syntax_that_is_taken(store: Store) -> None:
    from appliance.dicom.storage_conformance import storage_statement
    from appliance.studies.storage_classes import STORAGE_CLASSES, TRANSFER_SYNTAXES

    text = storage_statement(store)
    assert all(f"| {uid} |" in text for uid in (*STORAGE_CLASSES, *TRANSFER_SYNTAXES))
    assert all(status in text for status in ("| A700 |", "| A900 |", "| C000 |", "| C001 |"))
