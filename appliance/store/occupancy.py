"""Who has a data folder: parts of the service side by side, or one restore alone; and a restore that was broken off."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.errors import ConflictError, DamagedError
from appliance.store import files
from appliance.words import say

BROKEN_OFF = "restoring"
"""There from the first change of a restore to the folder until its last: in between the folder is nobody's."""


@contextmanager
def shared(root: Path) -> Iterator[None]:
    """A part of the service is at work in the folder. Raises ConflictError during a restore."""
    with _locked(
        root, fcntl.LOCK_SH, say("A restore is at work in %(root)s: start the service when it is done.", root=root)
    ):
        yield


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Nobody else is at work in the folder. Raises ConflictError."""
    words = say("The service runs on %(data)s: stop it first (systemctl stop appliance.target).", data=root)
    with _locked(root, fcntl.LOCK_EX, words):
        yield


@contextmanager
def _locked(root: Path, kind: int, words: str) -> Iterator[None]:
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ConflictError(words) from error
    finally:
        os.close(descriptor)


def mark_broken_off(root: Path, aside: Path) -> None:
    """Until :func:`clear_broken_off` nobody opens the folder. `aside` is where a person finds what was there before.

    A mark that is there stays: an earlier restore knew better what was there before.
    """
    if broken_off(root) is None:
        files.write_file(root / BROKEN_OFF, str(aside).encode())


def broken_off(root: Path) -> Path | None:
    """Where a restore that was broken off here was laying what was there before; None when there was none."""
    try:
        return Path((root / BROKEN_OFF).read_text("utf-8"))
    except FileNotFoundError:
        return None


def clear_broken_off(root: Path) -> None:
    files.remove(root / BROKEN_OFF)
    files.sync_folder(root)


def refuse_broken_off(root: Path) -> None:
    """Raise DamagedError when a restore was broken off here."""
    aside = broken_off(root)
    if aside is None:
        return
    raise DamagedError(
        say(
            "A restore of %(root)s was broken off, and the data there is not whole: run appliance restore FILE "
            "--replace again. What was there before lies in %(aside)s.",
            root=root,
            aside=aside,
        )
    )
