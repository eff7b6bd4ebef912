"""A backup made while the appliance works is whole elsewhere, and prints nothing twice by itself."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select

from appliance import cli, config
from appliance.commands import common
from appliance.errors import ApplianceError, ConflictError, DamagedError, ResourceError, UsageError
from appliance.events import Actor
from appliance.media.burners import StoredBurner, add_burner, add_first_burner, all_burners
from appliance.printing import jobs, printer_verbs
from appliance.printing.first_run import add_first_printer
from appliance.printing.worker import FilmWorker
from appliance.security.audit import first_broken
from appliance.security.sessions import find_session, log_in, log_out_everywhere
from appliance.security.users import add_user
from appliance.store import files, print_jobs
from appliance.store.occupancy import alone, mark_broken_off, shared
from appliance.store.store import Store, open_store
from appliance.store.tables.ground import number
from appliance.store.uploads import change, claim
from appliance.studies import uploads
from appliance.studies.upload_worker import Importer
from appliance.upkeep import kept
from appliance.upkeep.backup import make_backup
from appliance.upkeep.restore import restore
from tests.printing.films import add_folder_printer, printed, submit_films
from tests.support.cli import run
from tests.support.dcmtk_print import secondary_capture
from tests.support.ports import free_port
from tests.support.service import command, running
from tests.support.small_disk import small_disk

PASSPHRASE = "correct horse battery staple"


@pytest.fixture
def at_work(store: Store, clerk: Actor) -> Store:
    """One job printed, one composed, one claimed by a sender, one just accepted."""
    printer = add_folder_printer(store)
    submit_films(store, printer)
    FilmWorker(store).work_off()
    printer_verbs.pause(store, "film", clerk)
    submit_films(store, printer, films=2)
    FilmWorker(store).work_off()
    submit_films(store, printer)
    FilmWorker(store).work_off()
    with store.database.write() as connection:
        assert print_jobs.claim_send(connection, 3, "films-of-another-machine")
    submit_films(store, printer, level=7)
    return store


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
def test_jobs_in_flight_come_back_held_and_then_print(
    at_work: Store, tmp_path: Path, clerk: Actor, passphrase: str
) -> None:
    file = tmp_path / "backup.tar"
    made = make_backup(at_work, file, clerk, passphrase=passphrase)
    assert (made.vanished, made.bytes) == (0, file.stat().st_size)
    assert kept.recall_moment(at_work, kept.LAST_BACKUP) is not None
    elsewhere = tmp_path / "elsewhere"
    done = restore(file, elsewhere, clerk, passphrase=passphrase)
    assert (done.jobs_held, done.discs_held) == (3, 0)
    there = open_store(elsewhere, settings=at_work.settings)
    printer_verbs.resume(there, "film", clerk)
    FilmWorker(there).work_off()
    states = {number: jobs.get_job(there, number).job_state for number in (1, 2, 3, 4)}
    assert states == {1: "completed", 2: "pending-held", 3: "pending-held", 4: "pending-held"}
    for held in (2, 4):
        jobs.release(there, held, clerk)
    FilmWorker(there).work_off()
    assert printed(at_work) == ["1-01.pdf"]
    assert printed(there) == ["2-again1-01.pdf", "2-again1-02.pdf", "4-again1-01.pdf"]
    assert jobs.get_job(there, 3).job_state_reasons == ["in-doubt", "restored"]
    with there.database.read() as connection:
        assert first_broken(connection) is None
    there.close()


def test_a_disk_too_full_for_the_copy_of_the_database_is_told_in_words(
    store: Store, tmp_path: Path, clerk: Actor
) -> None:
    with small_disk(store.folder.spool, "size=64k"):
        with pytest.raises(ResourceError, match="can't be copied"):
            make_backup(store, tmp_path / "b.tar", clerk)
        assert list(store.folder.spool.iterdir()) == []
    assert not (tmp_path / "b.tar").exists()


def test_a_damaged_database_is_no_full_disk(store: Store, tmp_path: Path, clerk: Actor) -> None:
    store.close()
    with store.folder.database.open("r+b") as file:
        file.write(b"x" * 4096)
    with pytest.raises(DamagedError, match="can't be copied"):
        make_backup(store, tmp_path / "b.tar", clerk)


def test_an_encrypted_backup_for_which_there_is_no_room_says_so(store: Store, tmp_path: Path, clerk: Actor) -> None:
    with small_disk(tmp_path / "full", "size=64k") as full:
        with pytest.raises(ApplianceError, match="No space"):
            make_backup(store, full / "b.tar", clerk, passphrase="made up")
        assert list(full.iterdir()) == []


def test_a_disk_too_small_for_a_restore_is_named_and_left_as_it_was(store: Store, tmp_path: Path, clerk: Actor) -> None:
    make_backup(store, tmp_path / "b.tar", clerk)
    with small_disk(tmp_path / "small", "size=100k") as data:
        with pytest.raises(ResourceError, match=f"{data} can't be written: No space left"):
            restore(tmp_path / "b.tar", data, clerk)
        assert not list(data.glob("restore-*")) and not (data / "appliance.db").exists()


def test_a_file_that_can_t_be_read_is_named(
    at_work: Store, tmp_path: Path, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = next(at_work.folder.jobs.rglob("*.pdf"))

    real = Path.open

    def opened(path: Path, *how: Any, **more: Any) -> Any:
        return Unreadable(path) if path == damaged else real(path, *how, **more)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(ResourceError, match=damaged.name):
        make_backup(at_work, tmp_path / "b.tar", clerk)
    assert not (tmp_path / "b.tar").exists()


class Unreadable(io.FileIO):
    """A file on a bad sector."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_an_import_half_done_says_elsewhere_that_its_files_are_gone(
    at_work: Store, tmp_path: Path, clerk: Actor
) -> None:
    import_id = uploads.begin(at_work, clerk)
    uploads.add(at_work, import_id, [("a.dcm", [b"x"]), ("b.dcm", [b"y"])], clerk)
    uploads.end(at_work, import_id, clerk)
    with at_work.database.write("import") as connection:  # its worker is at the second file
        row = claim(connection, "import-of-another-machine")
        assert row is not None
        change(connection, import_id, report={"files": 1, "studies": [], "refused": [], "missing": []})
    make_backup(at_work, tmp_path / "b.tar", clerk)
    restore(tmp_path / "b.tar", tmp_path / "there", clerk)
    there = open_store(tmp_path / "there", settings=at_work.settings)
    Importer(there).work_off()
    found = uploads.get_import(there, import_id)
    assert found["state"] == "aborted" and "upload them again" in found["message"]
    there.close()


@pytest.mark.parametrize("settings_only", [False, True])
def test_settings_that_lie_elsewhere_come_along_and_are_laid_beside(
    store: Store, tmp_path: Path, clerk: Actor, monkeypatch: pytest.MonkeyPatch, settings_only: bool
) -> None:
    """As the package has them, in /etc: who is told, where audit goes. They hold names of the machine that is gone."""
    ours = tmp_path / "etc" / "appliance.toml"
    ours.parent.mkdir()
    ours.write_text('[smtp]\nrecipients = ["it@hospital.example"]\n')
    monkeypatch.setattr(config, "SYSTEM_FILE", ours)
    make_backup(store, tmp_path / "b.tar", clerk, settings_only=settings_only)
    there = tmp_path / "there"
    done = restore(tmp_path / "b.tar", there, clerk)
    assert done.settings == there / "appliance.toml.restored"
    assert done.settings.read_text() == ours.read_text()
    assert config.find_config(there) == ours, "another machine's names and addresses count here"


def test_a_settings_file_that_was_named_comes_along(store: Store, tmp_path: Path, clerk: Actor) -> None:
    named = tmp_path / "named.toml"
    named.write_text("[log]\n")
    make_backup(replace(store, config=named), tmp_path / "b.tar", clerk)
    assert restore(tmp_path / "b.tar", tmp_path / "there", clerk).settings is not None
    make_backup(replace(store, config=tmp_path / "gone"), tmp_path / "c.tar", clerk)
    assert restore(tmp_path / "c.tar", tmp_path / "other", clerk).settings is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_what_root_restores_belongs_to_who_owns_the_folder(store: Store, tmp_path: Path, clerk: Actor) -> None:
    """From a file that root alone may read; else no part could open its database."""
    make_backup(store, tmp_path / "b.tar", clerk)
    with tempfile.TemporaryDirectory() as place:  # pytest's own folders are root's alone
        Path(place).chmod(0o755)
        there = Path(place) / "data"
        there.mkdir(mode=0o700)
        os.chown(there, 65534, 65534)
        command(there, "restore", str(tmp_path / "b.tar"))
        assert {path.stat().st_uid for path in (there, *there.rglob("*"))} == {65534}


def test_root_is_told_as_whom_it_was_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was advised to be root."""

    def refuse(**_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/root/b.tar")

    monkeypatch.setattr(cli, "cli", refuse)
    monkeypatch.setattr(common, "owner_of", [tmp_path])
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr().err
    assert f"as who owns {tmp_path}" in said and "Run it as root" not in said


def test_printers_and_burners_of_the_data_folder_follow_to_the_new_one(
    store: Store, tmp_path: Path, clerk: Actor
) -> None:
    add_first_printer(store)
    add_first_burner(store)
    add_burner(store, StoredBurner(name="robot", burner_uri=f"primera:{store.folder.root}/robot"), clerk)
    make_backup(store, tmp_path / "b.tar", clerk)
    restore(tmp_path / "b.tar", tmp_path / "there", clerk)
    there = open_store(tmp_path / "there", settings=store.settings)
    uris = {printer.name: printer.device_uri for printer in printer_verbs.all_printers(there)}
    assert uris == {"film": f"folder:{tmp_path}/there/printed"}
    burners = {burner.name: burner.burner_uri for burner in all_burners(there)}
    assert burners == {"folder": f"folder:{tmp_path}/there/burned", "robot": f"primera:{tmp_path}/there/robot"}
    there.close()


def test_they_follow_also_where_the_folders_are_named_by_way_of_another(
    store: Store, tmp_path: Path, clerk: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_first_printer(store)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    run("backup", "--data", "../data", "../b.tar")
    restore(tmp_path / "b.tar", Path("../there"), clerk)
    there = open_store(tmp_path / "there", settings=store.settings)
    assert printer_verbs.get_printer(there, "film").device_uri == f"folder:{tmp_path}/there/printed"
    there.close()


def test_new_numbers_are_far_above_those_the_lost_machine_may_have_given_out(
    at_work: Store, tmp_path: Path, clerk: Actor
) -> None:
    make_backup(at_work, tmp_path / "b.tar", clerk)
    restore(tmp_path / "b.tar", tmp_path / "there", clerk)
    there = open_store(tmp_path / "there", settings=at_work.settings)
    with there.database.read() as connection:
        assert connection.scalar(select(number.c.last).where(number.c.name == "print-job")) == 100_000
    assert submit_films(there, printer_verbs.get_printer(there, "film")) == 100_001
    there.close()


def test_a_session_of_the_page_that_ended_since_is_not_open_again(at_work: Store, tmp_path: Path, clerk: Actor) -> None:
    add_user(at_work, "anna", "admin", "a long word for Tests 26", clerk)
    session_id = log_in(at_work, "anna", "a long word for Tests 26", address="192.0.2.9")
    make_backup(at_work, tmp_path / "backup.tar", clerk)
    log_out_everywhere(at_work, "anna", clerk)
    restore(tmp_path / "backup.tar", tmp_path / "elsewhere", clerk)
    elsewhere = open_store(tmp_path / "elsewhere")
    assert find_session(elsewhere, session_id) is None
    assert log_in(elsewhere, "anna", "a long word for Tests 26", address="192.0.2.9")
    elsewhere.close()


def test_a_backup_of_settings_alone_has_no_patient_in_it(at_work: Store, tmp_path: Path, clerk: Actor) -> None:
    make_backup(at_work, tmp_path / "s.tar", clerk, settings_only=True)
    with tarfile.open(tmp_path / "s.tar") as tar:
        assert sorted(tar.getnames()) == ["SHA256SUMS", "appliance.db", "backup.json"]
        content = tar.extractfile("appliance.db")
        assert content is not None
        assert b"film.json" not in content.read()
    restore(tmp_path / "s.tar", tmp_path / "there", clerk)
    there = open_store(tmp_path / "there", settings=at_work.settings)
    assert [printer.name for printer in printer_verbs.all_printers(there)] == ["film"]
    with there.database.read() as connection:
        assert print_jobs.page(connection) == []
    there.close()


def test_it_is_no_backup_without_the_passphrase(at_work: Store, tmp_path: Path, clerk: Actor) -> None:
    file = tmp_path / "b.tar.gpg"
    make_backup(at_work, file, clerk, passphrase=PASSPHRASE)
    assert b"appliance.db" not in file.read_bytes()
    with pytest.raises(UsageError, match="passphrase"):
        restore(file, tmp_path / "there", clerk)
    with pytest.raises(DamagedError, match="decrypt"):
        restore(file, tmp_path / "there", clerk, passphrase="wrong")
    assert not list((tmp_path / "there").glob("*"))


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
@pytest.mark.parametrize("damage", ["cut short", "a bit turned"])
def test_a_damaged_backup_leaves_the_data_there_is_alone(
    at_work: Store, tmp_path: Path, clerk: Actor, passphrase: str, damage: str
) -> None:
    file = tmp_path / "b.tar"
    make_backup(at_work, file, clerk, passphrase=passphrase)
    data = bytearray(file.read_bytes())
    if damage == "cut short":
        del data[len(data) // 2 :]
    else:
        data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(DamagedError):
        restore(file, at_work.folder.root, clerk, passphrase=passphrase, replace=True)
    assert jobs.get_job(at_work, 1).job_state == "completed"


@pytest.mark.parametrize("name", ["../escape", "/etc/escape", "spool/x", "jobs/../../escape", "jobs"])
def test_a_hostile_archive_writes_nowhere_else(tmp_path: Path, clerk: Actor, name: str) -> None:
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 3
        tar.addfile(member, io.BytesIO(b"bad"))
    with pytest.raises(DamagedError, match="nothing of ours"):
        restore(tmp_path / "b.tar", tmp_path / "there", clerk)
    assert not (tmp_path / "escape").exists()


def test_data_that_is_there_is_moved_aside_and_kept(at_work: Store, tmp_path: Path, clerk: Actor) -> None:
    make_backup(at_work, tmp_path / "b.tar", clerk)
    root = at_work.folder.root
    with pytest.raises(ConflictError, match="--replace"):
        restore(tmp_path / "b.tar", root, clerk)
    at_work.close()
    done = restore(tmp_path / "b.tar", root, clerk, replace=True)
    assert done.moved_to is not None
    assert (done.moved_to / "appliance.db").is_file()
    assert (done.moved_to / "jobs" / "1" / "film.json").is_file()


def test_nothing_is_restored_under_a_running_service(at_work: Store, tmp_path: Path, clerk: Actor) -> None:
    make_backup(at_work, tmp_path / "b.tar", clerk)
    worker = FilmWorker(at_work)
    with pytest.raises(ConflictError, match="stop it first"):
        restore(tmp_path / "b.tar", at_work.folder.root, clerk, replace=True)
    worker.lock.release()


def test_nothing_is_restored_under_a_part_that_claims_no_jobs_and_none_starts_meanwhile(
    at_work: Store, tmp_path: Path, clerk: Actor
) -> None:
    make_backup(at_work, tmp_path / "b.tar", clerk)
    root = at_work.folder.root
    with shared(root), shared(root), pytest.raises(ConflictError, match="stop it first"):
        restore(tmp_path / "b.tar", root, clerk, replace=True)
    with alone(root), pytest.raises(ConflictError, match="restore is at work"), shared(root):
        pass
    assert jobs.get_job(at_work, 1).job_state == "completed"


def test_a_service_does_not_start_where_a_restore_was_broken_off(tmp_path: Path) -> None:
    mark_broken_off(tmp_path, tmp_path / "before-restore-1")
    line = [sys.executable, "-m", "appliance", "serve", "--only", "web", "--data", str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3, "nobody starts it again and again"
    assert "broken off" in done.stderr
    assert "before-restore-1" in done.stderr
    assert not (tmp_path / "appliance.db").exists()


@pytest.mark.parametrize("point", ["restore.unpacked", "restore.aside", "restore.moved", "restore.moved:kill:1"])
def test_a_restore_that_is_killed_can_be_done_again(at_work: Store, tmp_path: Path, clerk: Actor, point: str) -> None:
    make_backup(at_work, tmp_path / "b.tar", clerk)
    root = at_work.folder.root
    at_work.close()
    line = [sys.executable, "-m", "appliance", "restore", str(tmp_path / "b.tar"), "--data", str(root), "--replace"]
    fault = point if ":" in point else f"{point}:kill"
    killed = subprocess.run(line, env={"APPLIANCE_FAULT": fault, "PATH": "/usr/bin"}, capture_output=True, check=False)
    assert killed.returncode == -9
    restore(tmp_path / "b.tar", root, clerk, replace=True)
    store = open_store(root, settings=at_work.settings)
    assert jobs.get_job(store, 2).job_state == "pending-held"
    assert (store.folder.job(2) / "film.json").is_file()
    store.close()


@pytest.mark.parametrize("point", ["backup.snapshot", "backup.file"])
def test_a_backup_that_breaks_off_leaves_no_file_under_its_name(
    at_work: Store, tmp_path: Path, clerk: Actor, point: str
) -> None:
    files.set_fault(f"{point}:ENOSPC")
    try:
        with pytest.raises(Exception, match="can't be written"):
            make_backup(at_work, tmp_path / "b.tar", clerk)
    finally:
        files.set_fault("")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert not list(at_work.folder.spool.glob("backup-*"))


def test_old_backups_go_and_what_others_keep_beside_them_stays(tmp_path: Path) -> None:
    """Two machines may back up onto one share."""
    theirs = ["appliance-b-20250101-023000.tar", "appliance-a.tar", "appliance-a-notes.tar"]
    for name in ["appliance-a-20250101-023000.tar", "appliance-a-20250102-023000.tar", *theirs]:
        (tmp_path / name).write_bytes(b"an older one")
    open_store(tmp_path / "data").close()
    line = ["backup", "--data", str(tmp_path / "data"), "--settings-only"]
    run(*line, "--keep", "1", str(tmp_path / "appliance-a-{date}.tar"))
    left = {path.name for path in tmp_path.glob("*.tar")}
    assert left >= set(theirs) and len(left) == len(theirs) + 1
    with pytest.raises(UsageError, match="{date}"):
        run(*line, "--keep", "1", str(tmp_path / "other.tar"))
    assert not (tmp_path / "other.tar").exists()


def test_what_backups_that_were_killed_have_left_goes_before_the_next_one(tmp_path: Path) -> None:
    """Each has another name: they took the whole disk, and the next one found no room."""
    data = tmp_path / "data"
    open_store(data).close()
    left, writing, others = (
        tmp_path / f"appliance-{name}.tar.part" for name in ("20260101-023000", "20260102-023000", "b-20260101-023000")
    )
    for part in (left, writing, others):
        part.write_bytes(b"half of one")
    os.utime(left, (1, 1))
    os.utime(others, (1, 1))
    run("backup", "--data", str(data), "--settings-only", "--keep", "3", str(tmp_path / "appliance-{date}.tar"))
    assert not left.exists()
    assert writing.exists() and others.exists()


@pytest.mark.slow
def test_a_running_service_is_backed_up_and_goes_on(tmp_path: Path) -> None:
    data, port = tmp_path / "data", free_port()
    image = secondary_capture(tmp_path / "image.dcm", np.arange(64 * 64, dtype="<u2").reshape(64, 64), 12)
    send = [
        sys.executable,
        "-m",
        "appliance",
        "send-film",
        str(image),
        "--to",
        f"127.0.0.1:{port}",
        "--ae",
        "APPLIANCE",
    ]
    with running(data, port, ["dicom", "films"]):
        subprocess.run(send, check=True, capture_output=True)
        made = command(data, "backup", str(tmp_path / "b.tar"))
        assert made["vanished"] == 0
        subprocess.run(send, check=True, capture_output=True)
    restored = command(tmp_path / "there", "restore", str(tmp_path / "b.tar"))
    assert restored["files"] >= 4
    assert len(command(tmp_path / "there", "job", "list")) == 1
