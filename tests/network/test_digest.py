"""The SHA-256 of a file that is still being written."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from appliance.network.digest import STEP, FileDigest


@pytest.mark.parametrize("pieces", [[], [b"x"], [b"a" * 700] * 5, [os.urandom(300_000)] * 12, [b"y" * (3 * STEP + 1)]])
def test_it_is_of_all_that_was_written_behind_the_head(tmp_path: Path, pieces: list[bytes]) -> None:
    path = tmp_path / "growing"
    with path.open("wb") as file:
        file.write(b"head")
        digest, there = FileDigest(path, 4), 4
        for piece in pieces:
            file.write(piece)  # some of it stays in the writer's buffer
            there += len(piece)
            digest.follow(there)
    digest.follow(there, whole=True)
    assert digest.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()
    digest.close()


def test_a_file_shorter_than_what_was_written_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "short"
    path.write_bytes(b"half")
    digest = FileDigest(path, 0)
    digest.follow(8, whole=True)
    with pytest.raises(OSError, match="shorter"):
        digest.hexdigest()
    digest.close()


def test_it_keeps_no_file_open_once_closed_and_tells_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "gone"
    path.write_bytes(b"z" * 5 * STEP)
    before = len(list(Path("/proc/self/fd").iterdir()))
    digest = FileDigest(path, 0)
    digest.follow(5 * STEP)
    digest.close()
    digest.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    with pytest.raises(OSError, match="shorter"):
        digest.hexdigest()
