"""Echo, query, retrieve and print against DCMTK's servers, and what is said when it fails."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pynetdicom import evt

from appliance.errors import DeviceError, UsageError
from appliance.network.following import Following, Retrieved
from appliance.network.limits import DEFAULT_LIMITS
from appliance.network.requestor import NoAssociationError, Peer
from appliance.network.scu import echo, find, get, move
from appliance.network.server import Listen
from appliance.network.spool import spool_into, spooled_dataset
from tests.network.conftest import QUICK, Bench, eventually
from tests.network.raw import RawPeer
from tests.network.test_hostile_peers import descriptors
from tests.support.black_hole import black_hole, names
from tests.support.ports import free_port

CT = get_testdata_file("CT_small.dcm")
MR = get_testdata_file("MR_small.dcm")
CT_IMAGE, MR_IMAGE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
EXPLICIT = "1.2.840.10008.1.2.1"


def dcmtk(*command: object, cwd: Path) -> subprocess.Popen:
    environment = {**os.environ, "TCP_NODELAY": "1"}
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def answering(port: int) -> bool:
    try:
        RawPeer(port, timeout=1).socket.close()
    except OSError:
        return False
    return True


class Archive:
    """dcmqrscp with two images."""

    def __init__(self, folder: Path) -> None:
        self.port, self.our_port = free_port(), free_port()
        (folder / "images").mkdir()
        configuration = f"""NetworkTCPPort = {self.port}
MaxPDUSize = 16384
MaxAssociations = 16
HostTable BEGIN
us = (APPLIANCE, localhost, {self.our_port})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
ARCHIVE {folder / "images"} RW (10, 100mb) ANY
AETable END
"""
        (folder / "archive.cfg").write_text(configuration, encoding="ascii")
        self.process = dcmtk("dcmqrscp", "-c", folder / "archive.cfg", cwd=folder)
        assert eventually(lambda: answering(self.port), 10)
        send = ["storescu", "-aec", "ARCHIVE", "127.0.0.1", str(self.port), CT, MR]
        subprocess.run(send, env={**os.environ, "TCP_NODELAY": "1"}, check=True, timeout=20)

    @property
    def peer(self) -> Peer:
        return Peer(host="127.0.0.1", port=self.port, called="ARCHIVE")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    archive = Archive(tmp_path_factory.mktemp("archive"))
    yield archive
    archive.process.terminate()
    archive.process.wait(10)


def study_of(path: str) -> Dataset:
    wanted = Dataset()
    wanted.QueryRetrieveLevel = "STUDY"
    wanted.StudyInstanceUID = dcmread(path).StudyInstanceUID
    return wanted


def test_an_echo_succeeds(archive: Archive) -> None:
    result = echo(archive.peer)
    assert result.ok, result.message


@pytest.mark.parametrize(
    ("what", "words"),
    [("refused", "nothing listens"), ("unknown name", "is not known"), ("mute", "does not answer")],
)
def test_an_echo_that_fails_says_why(what: str, words: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1] if what == "mute" else free_port()
    host = "no.such.host.invalid" if what == "unknown name" else "127.0.0.1"
    import dataclasses

    limits = dataclasses.replace(QUICK, connect_timeout=1, response_timeout=1)
    result = echo(Peer(host=host, port=port, called="X"), limits=limits)
    listener.close()
    assert not result.ok
    assert words in result.message


def test_a_rejection_says_what_to_change(bench: Bench) -> None:
    group = bench.serve()
    group.ae.require_calling_aet = ["KNOWN"]
    result = echo(Peer(host="127.0.0.1", port=group.port, called="APPLIANCE", calling="STRANGER"))
    assert not result.ok
    assert "does not know our AE title STRANGER" in result.message


def test_a_query_finds_studies(archive: Archive) -> None:
    wanted = Dataset()
    wanted.QueryRetrieveLevel = "STUDY"
    wanted.StudyInstanceUID = ""
    wanted.PatientName = "*"
    found = {str(match.StudyInstanceUID) for match in find(archive.peer, wanted)}
    assert found == {str(dcmread(CT).StudyInstanceUID), str(dcmread(MR).StudyInstanceUID)}


def test_a_query_that_is_not_wanted_to_the_end_ends_cleanly(archive: Archive) -> None:
    wanted = Dataset()
    wanted.QueryRetrieveLevel = "STUDY"
    wanted.StudyInstanceUID = ""
    matches = find(archive.peer, wanted)
    next(matches)
    matches.close()
    assert echo(archive.peer).ok


def test_a_query_without_a_level_is_a_mistake_of_ours(archive: Archive) -> None:
    with pytest.raises(UsageError, match="Level"):
        next(find(archive.peer, Dataset()))


def test_a_study_is_got_over_the_same_association(archive: Archive, tmp_path: Path) -> None:
    got = []

    def store(event: evt.Event) -> int:
        spooled = spooled_dataset(event)
        got.append(spooled.path.read_bytes()[spooled.offset :])
        return 0x0000

    storage = {CT_IMAGE: (EXPLICIT,), MR_IMAGE: (EXPLICIT,)}
    seen: list[Retrieved] = []
    result = get(
        archive.peer,
        study_of(CT),
        storage,
        store,
        spool=spool_into(tmp_path),
        following=Following(progress=seen.append),
    )
    assert (result.ok, result.completed, result.failed) == (True, 1, 0)
    assert seen[-1] == result
    assert dcmread(CT).PixelData in got[0]
    assert not list(tmp_path.iterdir())


def test_a_store_that_fails_is_counted(archive: Archive) -> None:
    result = get(archive.peer, study_of(CT), {CT_IMAGE: (EXPLICIT,)}, lambda event: 0xA700)
    assert not result.ok
    assert result.failed == 1


def test_a_study_is_moved_to_us(archive: Archive, bench: Bench) -> None:
    stored = []
    group = bench.serve(
        (evt.EVT_C_STORE, lambda event: stored.append(event.request.MoveOriginatorApplicationEntityTitle) or 0),
        listen=[Listen(port=archive.our_port)],
        limits=DEFAULT_LIMITS,  # a busy archive is no slow peer
    )
    result = move(archive.peer, study_of(CT), "APPLIANCE")
    assert (result.ok, result.completed) == (True, 1)
    assert stored == ["APPLIANCE"]
    assert group.report.counts.total() == 0


def test_a_move_to_a_stranger_says_what_to_do(archive: Archive) -> None:
    result = move(archive.peer, study_of(CT), "NOBODY")
    assert not result.ok
    assert "does not know the destination" in result.message


def test_a_peer_that_dies_in_mid_query_is_an_error_not_an_end(bench: Bench) -> None:
    def handle(event: evt.Event):
        yield 0xFF00, study_of(CT)
        event.assoc.abort()
        yield 0xFF00, study_of(CT)

    uid = "1.2.840.10008.5.1.4.1.2.2.1"
    from pynetdicom import AE

    ae = AE("ARCHIVE")
    ae.add_supported_context(uid)
    from appliance.network.server import start_server

    with start_server(ae, [Listen()], [(evt.EVT_C_FIND, handle)], limits=QUICK) as group:
        matches = find(Peer(host="127.0.0.1", port=group.port, called="ARCHIVE"), study_of(CT))
        with pytest.raises((DeviceError, NoAssociationError)):
            list(matches)


def test_calling_leaves_no_threads_and_descriptors(archive: Archive) -> None:
    import threading

    echo(archive.peer)
    time.sleep(0.1)
    files, threads = descriptors(), threading.active_count()
    for _ in range(20):
        echo(archive.peer)
        echo(Peer(host="127.0.0.1", port=1, called="X"))
    assert eventually(lambda: descriptors() <= files)
    assert eventually(lambda: threading.active_count() <= threads)


def test_matches_may_come_faster_than_they_are_taken(bench: Bench) -> None:
    """Images of a series, named in a burst: more than a client of ours may have under way."""

    def handle(event: evt.Event):
        for _ in range(300):
            yield 0xFF00, study_of(CT)

    from pynetdicom import AE

    from appliance.network.server import start_server

    ae = AE("ARCHIVE")
    ae.add_supported_context("1.2.840.10008.5.1.4.1.2.2.1")
    with start_server(ae, [Listen()], [(evt.EVT_C_FIND, handle)], limits=QUICK) as group:
        matches = find(Peer(host="127.0.0.1", port=group.port, called="ARCHIVE"), study_of(CT))
        next(matches)
        time.sleep(0.5)  # all the others wait meanwhile
        assert len(list(matches)) == 299


def test_a_peer_of_two_addresses_is_reached_though_one_of_them_is_mute(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = bench.serve().port
    with black_hole(port) as mute:
        names(monkeypatch, "archive.example", mute, ("127.0.0.1", port))
        limits = replace(QUICK, connect_timeout=2.0)
        result = echo(Peer(host="archive.example", port=port, called="APPLIANCE"), limits=limits)
    assert result.ok, result.message
