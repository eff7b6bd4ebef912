"""What a machine runs out of: disk, inodes, descriptors, memory, a sound database, a steady clock.

The disk is a real small file system (tmpfs in a mount namespace of its own, or mounted as root).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dicom.clients import boxes, gray_image, print_client
from tests.faults.instances import missing, send_instances
from tests.faults.plant import Plant, Zygote, plant
from tests.faults.test_kill import assert_balanced
from tests.fuzz.driver import echo
from tests.network.raw import IMPLICIT, VERIFICATION, RawPeer, associate_rq, presentation_context
from tests.support.small_disk import small_disk


@pytest.fixture(params=["size=5m", "size=16m,nr_inodes=60"], ids=["bytes", "inodes"])
def narrow(request: pytest.FixtureRequest, tmp_path: Path, zygote: Zygote, template: Path) -> Iterator[Plant]:
    """An appliance whose disk is nearly full."""
    with (
        small_disk(tmp_path / "disk", request.param) as disk,
        plant(disk / "works", zygote, template, tmp_path / "outside") as works,
    ):
        yield works


def test_a_disk_that_fills_up_refuses_and_goes_on_when_there_is_room(narrow: Plant) -> None:
    ballast = fill(narrow, leave=1400 << 10)
    narrow.start("dicom")
    narrow.start("films")
    answers = [narrow.send_film("folder") for _ in range(30)]
    told = send_instances(narrow, list(range(1, 20)))
    assert "refused" in answers, answers
    assert "nothing" not in answers, "a full disk is no reason to break an association"
    assert missing(narrow, told) == []
    assert echo(narrow.port) > 0
    for path in ballast:
        path.unlink()
    make_room(narrow)
    narrow.drain()
    assert_balanced(narrow)
    assert narrow.send_film("folder") == "acknowledged"


def fill(works: Plant, leave: int) -> list[Path]:
    """Put ballast on the disk until only so much is free."""
    room = os.statvfs(works.root)
    ballast = works.root / "ballast"
    if room.f_bavail * room.f_frsize > leave:
        ballast.write_bytes(bytes(room.f_bavail * room.f_frsize - leave))
    else:
        ballast.touch()
    return [ballast]


def make_room(works: Plant) -> None:
    """As an administrator would: a larger disk."""
    mount = works.root.parent
    subprocess.run(["mount", "-o", "remount,size=64m,nr_inodes=10000", str(mount)], check=True)


def test_a_read_only_disk_is_said_at_start_and_forgotten_when_it_is_writable(
    tmp_path: Path, zygote: Zygote, template: Path
) -> None:
    outside = tmp_path / "outside"
    with small_disk(tmp_path / "disk", "size=64m") as disk, plant(disk / "works", zygote, template, outside) as works:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=False)
        if os.access(works.data, os.W_OK):
            pytest.skip("this disk can't be made read-only while it is in use")
        door = works.start("dicom")
        assert door.wait(20)
        assert door.code == 1, "started again by itself"
        assert "read-only" in works.log.read_text("utf-8").lower() or "readonly" in works.log.read_text("utf-8")
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        works.start("dicom")
        works.start("films")
        assert works.send_film("folder") == "acknowledged"
        works.drain()
        assert_balanced(works)


def test_a_disk_full_at_start_is_no_damaged_database_and_is_forgotten_when_there_is_room(
    tmp_path: Path, zygote: Zygote, template: Path
) -> None:
    """Exit 3 is never started again, and its words would have a good database set aside for an older one."""
    outside = tmp_path / "outside"
    with small_disk(tmp_path / "disk", "size=8m") as disk, plant(disk / "works", zygote, template, outside) as works:
        ballast = fill(works, leave=0)
        door = works.start("dicom")
        assert door.wait(20)
        assert door.code == 1
        told = works.log.read_text("utf-8")
        assert "can't be opened" in told and "damaged" not in told and "Traceback" not in told
        for path in ballast:
            path.unlink()
        works.start("dicom")
        works.start("films")
        assert works.send_film("folder") == "acknowledged"
        works.drain()
        assert_balanced(works)


def test_out_of_descriptors_associations_are_turned_away_and_taken_again_later(works: Plant) -> None:
    works.limits = {"RLIMIT_NOFILE": 60}
    door = works.start("dicom")
    held = [RawPeer(works.port) for _ in range(120)]
    for peer in held:
        with contextlib.suppress(OSError):
            peer.send(associate_rq(presentation_context(1, VERIFICATION, IMPLICIT)))
    assert not door.wait(1)
    for peer in held:
        peer.socket.close()
    works.limits = {}
    works.start("films")
    assert works.send_film("folder") == "acknowledged"
    works.drain()
    assert_balanced(works)


def test_a_film_too_large_for_the_worker_fails_alone(works: Plant) -> None:
    """8 × 10 inches at 1200 dpi are 115 million pixels: more than a worker with 100 MB to spare can hold."""
    settings = """json_set(settings, '$.resolution', 1200)"""
    works.query(f"update printer set settings = {settings}, version = version + 1 where name = 'socket'")
    works.start("dicom")
    works.limits = {"RLIMIT_AS": works.zygote.address_space() + (100 << 20)}
    worker = works.start("films")
    assert works.send_film("socket") == "acknowledged"
    assert works.send_film("folder") == "acknowledged"
    works.drain(30)
    states = dict(works.query("select printer, job_state from print_job"))
    assert states == {"folder": "completed", "socket": "aborted"}
    assert not worker.ended()
    assert "allocate" in str(works.query("select job_state_message from print_job where printer = 'socket'"))


def test_a_locked_database_gives_no_success_and_work_goes_on_when_it_is_free(works: Plant) -> None:
    works.start("dicom")
    blocker = sqlite3.connect(works.data / "appliance.db", isolation_level=None)
    blocker.execute("begin immediate")
    assert send_instances(works, [1]) == {1: "refused"}
    blocker.execute("rollback")
    blocker.close()
    assert works.send_film("folder") == "acknowledged"
    assert send_instances(works, [1]) == {1: "acknowledged"}
    works.start("films")
    works.drain()
    assert_balanced(works)


def test_a_write_ahead_log_cut_short_keeps_what_was_settled_before(works: Plant) -> None:
    works.start("dicom")
    works.start("films")
    assert works.send_film("folder") == "acknowledged"
    works.drain()
    for running in works.parts:
        running.stop(signal.SIGKILL)
    log = works.data / "appliance.db-wal"
    if log.exists() and log.stat().st_size > 8192:
        os.truncate(log, log.stat().st_size - 3000)
    works.recover()
    verdict = works.verdict()
    assert (verdict.lost, verdict.doubled, verdict.stuck) == ([], [], [])


@pytest.mark.parametrize("place", [0, 20480])
def test_a_damaged_database_is_said_and_no_work_is_taken(works: Plant, place: int) -> None:
    works.start("dicom").stop()
    with (works.data / "appliance.db").open("r+b") as file:
        file.seek(place)
        file.write(os.urandom(60_000))
    door = works.start("dicom")
    assert door.wait(10)
    assert door.code == 3
    assert "restore" in works.log.read_text("utf-8")
    assert works.tracebacks() == []
    assert works.send_film("folder") == "nothing"


@pytest.mark.parametrize("shift", [-3600.0, 3600.0, 10 * 365 * 86400.0], ids=["back", "ahead", "ten-years"])
def test_a_clock_that_jumps_ends_no_association_and_purges_no_fresh_film(works: Plant, shift: float) -> None:
    works.clock = [[1.5, shift]]
    works.start("dicom")
    works.start("films")
    with print_client(works.port, called="FOLDER", calling="FAULTS") as client:
        session = client.session(FilmSessionLabel="1")
        film = client.film(session, FilmSizeID="8INX10IN")
        time.sleep(1.6)
        assert client.image(boxes(film)[0], item=gray_image()).status == 0
        assert client.action("1.2.840.10008.5.1.1.2", film.instance).status == 0
    assert works.send_film("ipp") == "acknowledged"
    works.drain()
    assert set(works.jobs().values()) == {"completed"}
    assert len(list((works.data / "jobs").iterdir())) == 2
