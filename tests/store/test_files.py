"""Durable files: whole or not at all, in the right order."""

from __future__ import annotations

import errno
import io
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from appliance.store import files


@pytest.fixture(autouse=True)
def no_fault() -> Iterator[None]:
    yield
    files.set_fault("")
    files.record_with(None)


def test_a_file_is_synced_before_it_gets_its_name_and_the_folder_after(tmp_path: Path) -> None:
    seen: list[str] = []
    files.record_with(lambda kind, path, other: seen.append(kind))
    files.write_file(tmp_path / "name", [b"one", b"two"])
    assert seen == ["create", "write", "write", "sync", "rename", "sync-folder"]
    assert (tmp_path / "name").read_bytes() == b"onetwo"


@pytest.mark.parametrize("number", range(1, 6))
def test_a_fault_at_any_operation_leaves_no_half_file(tmp_path: Path, number: int) -> None:
    files.set_fault(f"{number}:ENOSPC")
    with pytest.raises(OSError, match="No space"):
        files.write_file(tmp_path / "name", [b"one", b"two"])
    files.set_fault("")
    assert list(tmp_path.iterdir()) == []


class FullDisk(io.RawIOBase):
    """Takes nothing, as the kernel does when the disk is full: what was written stays in the buffer above it."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_is_full_when_the_last_bytes_leave_the_buffer_keeps_no_half_file(tmp_path: Path) -> None:
    part = files.PartFile(tmp_path / "name")
    part.file.close()
    part.file = io.BufferedWriter(FullDisk())
    with pytest.raises(OSError, match="No space"), part:
        part.write(b"few")
        part.commit()
    assert list(tmp_path.iterdir()) == []


def test_a_failpoint_can_be_let_pass_first(tmp_path: Path) -> None:
    files.set_fault("here:EIO:1")
    files.failpoint("here")
    files.failpoint("elsewhere")
    with pytest.raises(OSError, match="fault at here"):
        files.failpoint("here")


def test_a_folder_another_thread_is_making_is_waited_for_until_it_is_durable(tmp_path: Path) -> None:
    syncing, go_on = threading.Event(), threading.Event()

    def halt(kind: str, path: str, _: str) -> None:
        if kind == "sync-folder" and path == str(tmp_path):
            syncing.set()
            assert go_on.wait(20)

    files.record_with(halt)
    try:
        with ThreadPoolExecutor(2) as threads:
            maker = threads.submit(files.make_folder, tmp_path / "study")
            assert syncing.wait(20)
            assert (tmp_path / "study").is_dir()
            other = threads.submit(files.make_folder, tmp_path / "study")
            assert wait([other], 0.2).not_done, "its name was not on the disk yet"
            go_on.set()
            assert maker.result(20) == other.result(20)
    finally:
        go_on.set()
        files.record_with(None)


def test_what_is_written_is_for_the_owner_alone(tmp_path: Path) -> None:
    folder = files.make_folder(tmp_path / "private")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert files.write_file(folder / "file", b"x").stat().st_mode & 0o777 == 0o600


def test_a_folder_is_tried_without_anything_to_be_seen_in_it(tmp_path: Path) -> None:
    before = tmp_path.stat().st_mtime_ns
    files.try_folder(tmp_path)
    assert tmp_path.stat().st_mtime_ns == before
    with pytest.raises(FileNotFoundError):
        files.try_folder(tmp_path / "away")


def test_a_share_without_nameless_files_is_tried_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported", str(folder))

    monkeypatch.setattr(files, "try_disk", refuse)
    files.try_folder(tmp_path)
    assert list(tmp_path.iterdir()) == []
    files.set_fault("1:EROFS")
    with pytest.raises(OSError, match="Read-only"):
        files.try_folder(tmp_path)
