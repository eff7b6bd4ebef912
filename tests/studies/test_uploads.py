"""Uploaded files become studies by a worker, and a restart loses none of them."""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import io
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from appliance.errors import ConflictError, ResourceError, UsageError
from appliance.events import Actor
from appliance.store import files
from appliance.store import uploads as rows
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.studies import search, upload_worker, uploads
from appliance.studies.upload_worker import Importer
from tests.media import made
from tests.support.away import away_once
from tests.support.limited import limited


def content(name: str) -> bytes:
    return Path(str(get_testdata_file(name))).read_bytes()


def zipped(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(name, content(name))
    return made.getvalue()


def uploaded(store: Store, clerk: Actor, **named: bytes) -> int:
    number = uploads.begin(store, clerk)
    uploads.add(store, number, ((name, [data]) for name, data in named.items()), clerk)
    uploads.end(store, number, clerk)
    return number


def test_files_and_archives_come_in_and_each_is_told_of(store: Store, clerk: Actor) -> None:
    number = uploaded(
        store, clerk, a=content("CT_small.dcm"), b=b"no DICOM", c=zipped("MR_small.dcm", "CT_small.dcm"), d=b"PK\3\4"
    )
    Importer(store).work_off()
    told = uploads.get_import(store, number)
    assert (told["state"], told["stored"], told["known"], told["not_dicom"]) == ("completed", 2, 1, 1)
    assert [each["file"] for each in told["refused"]] == ["d"] and "cut short" in told["refused"][0]["reason"]
    assert told["done"] == told["total"] == told["files"] == 5
    assert len(search.find_studies(store, search.Query())) == len(told["studies"]) == 2
    assert not list(store.folder.uploads.iterdir())


@pytest.mark.parametrize(
    ("folder", "sent", "missing"),
    [
        ("CD/", ["A/IMG1", "A/IMG2.dcm"], []),
        ("CD/", ["A/IMG1"], ["CD/A/IMG2"]),
        ("C:\\CD\\", ["a\\img1", "a\\img2"], []),
        ("", ["IMG1", "IMG2"], []),  # curl sends last names alone
        ("", ["IMG1"], ["A/IMG2"]),
    ],
)
def test_what_an_uploaded_dicomdir_names_and_nobody_uploaded_is_told(
    store: Store, clerk: Actor, tmp_path: Path, folder: str, sent: list[str], missing: list[str]
) -> None:
    """The page reads a whole disc so; one it could not read to its end looked whole."""
    (tmp_path / "A").mkdir()
    for number in (1, 2):
        (tmp_path / f"A/IMG{number}").write_bytes(made.as_file(made.image(number)))
    subprocess.run(["dcmmkdir", "+r", "-Pgp", "+id", tmp_path, "+D", tmp_path / "DICOMDIR"], check=True)
    disc = {f"{folder}DICOMDIR": (tmp_path / "DICOMDIR").read_bytes()}
    disc |= {folder + name: made.as_file(made.image(number)) for number, name in enumerate(sent, 1)}
    number = uploaded(store, clerk, **disc)
    Importer(store).work_off()
    told = uploads.get_import(store, number)
    assert (told["stored"], told["missing"]) == (len(sent), missing)


@pytest.mark.parametrize("folder", ["CD/", ""])
def test_what_an_uploaded_dicomdir_names_and_is_no_image_any_more_is_told(
    store: Store, clerk: Actor, tmp_path: Path, folder: str
) -> None:
    (tmp_path / "IMG1").write_bytes(made.as_file(made.image(1)))
    subprocess.run(["dcmmkdir", "+r", "-Pgp", "+id", tmp_path, "+D", tmp_path / "DICOMDIR"], check=True)
    directory = (tmp_path / "DICOMDIR").read_bytes()
    disc = {f"{folder}DICOMDIR": directory, f"{folder}IMG1": bytes(5000), f"{folder}README": b"x"}
    number = uploaded(store, clerk, **disc)
    Importer(store).work_off()
    told = uploads.get_import(store, number)
    assert (told["stored"], told["not_dicom"]) == (0, 1)
    assert [each["file"] for each in told["refused"]] == [f"{folder}IMG1"]


def test_requests_that_add_to_one_import_at_once_lose_no_file(store: Store, clerk: Actor) -> None:
    number = uploads.begin(store, clerk)

    def while_another_comes() -> Iterator[bytes]:
        uploads.add(store, number, [("b", [content("MR_small.dcm")])], clerk)
        yield content("CT_small.dcm")

    uploads.add(store, number, [("a", while_another_comes())], clerk)
    uploads.end(store, number, clerk)
    Importer(store).work_off()
    told = uploads.get_import(store, number)
    assert (told["state"], told["stored"], told["uploaded"]) == ("completed", 2, 2)


def test_a_file_that_comes_while_its_import_is_ended_is_durable_or_refused(
    store: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = uploads.begin(store, clerk)
    uploads.add(store, number, [("a", [b"a"])], clerk)
    synced: list[str] = []

    def sync_file(path: Path) -> None:
        synced.append(path.name)
        if len(synced) == 1:
            uploads.add(store, number, [("b", [b"b"])], clerk)

    monkeypatch.setattr(uploads.files, "sync_file", sync_file)
    uploads.end(store, number, clerk)
    with store.database.read() as connection:
        row = rows.get(connection, number)
    assert row is not None and len(row.names) == 2
    assert {kept for kept, _ in row.names} <= set(synced)

    def late() -> Iterator[bytes]:
        uploads.end(store, other, clerk)
        yield b"late"

    other = uploads.begin(store, clerk)
    uploads.add(store, other, [("a", [b"a"])], clerk)
    with pytest.raises(ConflictError, match="has begun"):
        uploads.add(store, other, [("b", late())], clerk)


def test_a_worker_killed_in_the_middle_is_gone_on_from(
    store: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = uploaded(
        store, clerk, a=content("CT_small.dcm"), b=content("MR_small.dcm"), c=content("SC_rgb_small_odd.dcm")
    )
    first, whole = Importer(store), upload_worker._Work._import
    counted = iter(range(9))

    def dies(work: upload_worker._Work, kept: str, name: str, left: int) -> None:
        if next(counted) == 1:
            raise KeyboardInterrupt
        whole(work, kept, name, left)

    monkeypatch.setattr(upload_worker._Work, "_import", dies)
    with pytest.raises(KeyboardInterrupt):
        first.work_off()
    first.lock.release()  # as the kernel does for a dead process
    assert uploads.get_import(store, number)["state"] == "processing"
    Importer(store).work_off()
    told = uploads.get_import(store, number)
    assert (told["state"], told["stored"], told["files"]) == ("completed", 3, 3)


def test_a_file_that_kills_each_worker_is_left_alone_and_the_others_come_in(
    store: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = uploaded(store, clerk, a=content("CT_small.dcm"), b=b"kills", c=content("MR_small.dcm"))
    whole, deaths = upload_worker._Work._import, []

    def dies(work: upload_worker._Work, kept: str, name: str, left: int) -> None:
        if name == "b":
            deaths.append(name)
            raise KeyboardInterrupt
        whole(work, kept, name, left)

    monkeypatch.setattr(upload_worker._Work, "_import", dies)
    for _ in range(3):
        one = Importer(store)
        with pytest.raises(KeyboardInterrupt):
            one.work_off()
        one.lock.release()  # as the kernel does for a dead process
    Importer(store).work_off()
    told = uploads.get_import(store, number)
    assert (told["state"], told["stored"], told["files"], len(deaths)) == ("completed", 2, 3, 3)
    assert [(each["file"], "broken off 3 times" in each["reason"]) for each in told["refused"]] == [("b", True)]


def test_an_import_whose_end_could_not_be_written_down_is_gone_on_with(
    store: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, worker = uploaded(store, clerk, a=content("CT_small.dcm")), Importer(store)
    away_once(monkeypatch, "import", "study")
    with pytest.raises(ResourceError):
        worker.work_off()
    assert uploads.get_import(store, number)["state"] == "processing"
    worker.work_off()
    told = uploads.get_import(store, number)
    assert (told["state"], told["stored"]) == ("completed", 1)


def test_an_upload_is_not_given_up_for_a_database_that_was_away_in_the_middle(
    store: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken (202), and its files are nowhere else."""
    monkeypatch.setattr(upload_worker, "LOOK_SECONDS", 0.01)
    number, worker = uploaded(store, clerk, a=content("CT_small.dcm"), b=content("MR_small.dcm")), Importer(store)
    away_once(monkeypatch, "import", skip=2)  # the first claims it, the others tell how far it is
    worker.work_off()
    told = uploads.get_import(store, number)
    assert (told["state"], told["stored"] + told["known"]) == ("completed", 2), told["message"]


@pytest.mark.parametrize("number_of_files", [1, 9])
def test_a_file_is_not_refused_for_a_database_that_was_away_while_it_was_taken(
    store: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch, number_of_files: int
) -> None:
    monkeypatch.setattr(upload_worker, "LOOK_SECONDS", 0.01)
    names = ["CT_small.dcm", "MR_small.dcm", "SC_rgb_small_odd.dcm"] * 3
    number, worker = uploaded(store, clerk, a=zipped(*names[:number_of_files])), Importer(store)
    away_once(monkeypatch, "study")
    worker.work_off()
    told = uploads.get_import(store, number)
    assert (told["state"], told["refused"], told["files"]) == ("completed", [], number_of_files)
    assert len(search.find_studies(store, search.Query())) == min(3, number_of_files)


def test_an_import_waits_for_room_and_says_so(store: Store, clerk: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    number, worker = uploaded(store, clerk, a=content("CT_small.dcm")), Importer(store)
    monkeypatch.setattr(upload_worker, "LOOK_SECONDS", 0.01)

    def short_of_room(*_: object) -> bool:
        worker._stop.set()  # one try is enough
        return False

    monkeypatch.setattr(Store, "has_room", short_of_room)
    worker.work_off()
    told = uploads.get_import(store, number)
    assert told["state"] == "pending" and "disk is short" in told["message"]
    monkeypatch.undo()
    Importer(store).work_off()
    told = uploads.get_import(store, number)
    assert (told["state"], told["stored"], told["message"]) == ("completed", 1, "")


def test_an_import_whose_files_are_gone_says_so(store: Store, clerk: Actor) -> None:
    number = uploaded(store, clerk, a=content("CT_small.dcm"))
    for path in store.folder.uploads.glob("*/*"):
        path.unlink()
    Importer(store).work_off()
    told = uploads.get_import(store, number)
    assert told["state"] == "aborted" and "upload them again" in told["message"]


def test_a_cancelled_import_keeps_what_came_in_and_takes_no_more(store: Store, clerk: Actor) -> None:
    waiting = uploaded(store, clerk, a=content("CT_small.dcm"))
    uploads.cancel(store, waiting, clerk)
    running = uploaded(store, clerk, a=content("CT_small.dcm"), b=content("MR_small.dcm"))
    with store.database.write() as connection:
        rows.change(connection, running, cancel=True)
    Importer(store).work_off()
    assert [each["state"] for each in uploads.list_imports(store)] == ["canceled", "canceled"]
    assert uploads.get_import(store, running)["stored"] <= 1
    with pytest.raises(ConflictError):
        uploads.cancel(store, waiting, clerk)
    assert not list(store.folder.uploads.iterdir())


def test_an_upload_nobody_finishes_is_forgotten_after_an_hour(store: Store, clerk: Actor) -> None:
    number = uploads.begin(store, clerk)
    uploads.add(store, number, [("a", [b"x"])], clerk)
    Importer(store).work_off()
    assert uploads.get_import(store, number)["state"] == "uploading"
    with store.database.write() as connection:
        late = rows.left_behind(connection, now() + dt.timedelta(seconds=1))
    assert [row.import_id for row in late] == [number]


def test_an_upload_the_disk_did_not_take_is_not_begun_by_asking_again(store: Store, clerk: Actor) -> None:
    """The kernel tells of a failed write once: a second sync would pass, whatever was lost."""
    number = uploads.begin(store, clerk)
    uploads.add(store, number, [("a", [content("CT_small.dcm")])], clerk)
    with failing("sync"), pytest.raises(ResourceError, match="upload them again"):
        uploads.end(store, number, clerk)
    with pytest.raises(ConflictError):
        uploads.end(store, number, clerk)
    assert uploads.get_import(store, number)["state"] == "aborted"
    assert list(store.folder.uploads.iterdir()) == []


def test_a_disk_that_is_full_in_the_middle_of_an_upload_keeps_no_half_file(store: Store, clerk: Actor) -> None:
    def cut() -> Iterator[bytes]:
        yield b"x" * 10_000
        raise OSError(errno.ENOSPC, "No space left on device")

    number = uploads.begin(store, clerk)
    with pytest.raises(ResourceError, match="No space left on device"):
        uploads.add(store, number, [("a", cut())], clerk)
    assert [path for path in store.folder.uploads.rglob("*") if path.is_file()] == []


@contextlib.contextmanager
def failing(wanted: str) -> Iterator[None]:
    """The next operation of that kind fails."""

    def fail(kind: str, path: str, other: str) -> None:
        if kind == wanted:
            files.record_with(None)
            raise OSError(errno.EIO, "Input/output error", path)

    files.record_with(fail)
    try:
        yield
    finally:
        files.record_with(None)


def test_the_disk_is_not_filled_by_an_upload(store: Store, clerk: Actor) -> None:
    number = uploads.begin(store, clerk)

    def three() -> Iterator[tuple[str, list[bytes]]]:
        yield from ((name, [b"x"]) for name in "abc")

    with pytest.raises(UsageError, match="at most 2 files"):
        uploads.add(limited(store, upload_files=2), number, three(), clerk)
    with pytest.raises(UsageError, match="Send DICOM files"):
        uploads.end(store, uploads.begin(store, clerk), clerk)
