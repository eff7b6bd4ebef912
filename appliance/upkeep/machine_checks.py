"""Checks of the machine: disk, clock, fonts, tools."""

from __future__ import annotations

import ctypes
import datetime as dt
import errno
import os
import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from appliance.film.fonts import Fonts
from appliance.store import ages, audit, files
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.upkeep.finding import Finding, error, fine, warning
from appliance.words import row, say

GIB = 1 << 30
SCRIPTS = {  # one letter stands for each
    say("Latin"): "é",
    say("Cyrillic"): "Ж",
    say("Greek"): "Ω",
    say("Chinese"): "王",
    say("Arabic"): "م",
}
TOOLS = {
    "xorriso": (("xorriso", "-version"), say("Without it no drive of this machine burns: apt install xorriso.")),
}
"""Programs used besides our own: how to ask for the version, and what is missing without."""
VERSION = re.compile(r"\d+(\.\d+)+")
TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised
TIMEX_BYTES = 512
"""Room for struct timex, which is 208 bytes on Linux."""


def versions(store: Store) -> list[Finding]:
    appliance, python = metadata.version("appliance"), platform.python_version()
    return [
        fine(
            "version",
            say(
                "Appliance %(appliance)s on Python %(python)s, %(platform)s.",
                appliance=appliance,
                python=python,
                platform=platform.platform(terse=True),
            ),
        )
    ]


def disk(store: Store) -> list[Finding]:
    root = store.folder.root
    free, total = store.folder.room()
    text = say(
        "%(free)s of %(total)s are free where %(root)s lies.",
        free=f"{free / GIB:.1f} GiB",
        total=f"{total / GIB:.1f} GiB",
        root=root,
    )
    if not store.has_room():
        advice = say(
            "New films and studies are refused. Make room: appliance purge, shorter storage.*_days, a larger disk."
        )
        return [error("disk", text, advice), *_rights(root)]
    return [fine("disk", text), *_inodes(root), *_writable(root), *_rights(root)]


def _inodes(root: Path) -> list[Finding]:
    room = os.statvfs(root)
    if room.f_files and room.f_favail < room.f_files / 100:
        text = say("Only %(count)s more files fit where %(root)s lies.", count=room.f_favail, root=root)
        return [error("disk", text, say("Remove small files there, or use a file system with more inodes."))]
    return []


def _writable(root: Path) -> list[Finding]:
    try:
        files.remove(files.write_file(root / f".check-{os.getpid()}", b"check"))
    except OSError as problem:
        advice = say("Mount it writable, and give the folder to the user the service runs as.")
        return [error("disk", say("%(root)s can't be written to: %(why)s.", root=root, why=problem.strerror), advice)]
    return []


def _rights(root: Path) -> list[Finding]:
    """Patients' data is the owner's alone."""
    open_to_others = root.stat().st_mode & 0o007
    if open_to_others:
        return [
            warning("disk", say("Other users of this machine can enter %(root)s.", root=root), f"chmod 0700 {root}")
        ]
    return []


def clock(store: Store) -> list[Finding]:
    with store.database.read() as connection:
        last = audit.last_moment(connection)
    moment = now()
    if last is not None and (last - moment).total_seconds() > 60:
        text = say(
            "It is %(moment)s here, but the audit trail goes on to %(last)s.",
            moment=f"{moment:%Y-%m-%d %H:%M} UTC",
            last=f"{last:%Y-%m-%d %H:%M} UTC",
        )
        advice = say(
            "The clock is behind now: timedatectl set-ntp true. Or it was ahead then: if it is right now, this passes."
        )
        return [error("clock", text, advice)]
    if leapt := _leapt(store):
        return [leapt]
    text = say("It is %(moment)s.", moment=f"{moment:%Y-%m-%d %H:%M:%S} UTC")
    synchronised = _is_synchronised()
    if synchronised is False:
        advice = say("Set up time: apt install systemd-timesyncd, or name the hospital's server to chrony.")
        return [warning("clock", row((text, say("The clock is not synchronised with a time server.")), " "), advice)]
    unknown = (
        say("Whether it is synchronised can't be asked here.") if synchronised is None else say("It is synchronised.")
    )
    return [fine("clock", row((text, unknown), " "))]


def _leapt(store: Store) -> Finding | None:
    """What a clock that leapt ahead means for what is kept."""
    seen = ages.seen_now(store)
    if not seen.leap:
        return None
    until = seen.clock + dt.timedelta(seconds=seen.trusted_in)
    text = say(
        "It is %(moment)s here: %(days)s days more than this machine saw pass. "
        "Until %(until)s nothing is removed for its age.",
        moment=f"{seen.clock:%Y-%m-%d %H:%M} UTC",
        days=seen.leap.days,
        until=f"{until:%Y-%m-%d %H:%M} UTC",
    )
    advice = say("If the clock is wrong: timedatectl set-ntp true. If it is right: appliance purge --trust-clock.")
    return warning("clock", text, advice)


def _is_synchronised() -> bool | None:
    """What the kernel says of its clock; None where it may not be asked (a sandbox)."""
    buffer = ctypes.create_string_buffer(TIMEX_BYTES)  # modes 0: asks only
    library = ctypes.CDLL(None, use_errno=True)
    state = library.adjtimex(buffer)
    if state < 0 and ctypes.get_errno() in (errno.EPERM, errno.ENOSYS):
        return True if Path("/run/systemd/timesync/synchronized").exists() else None
    return bool(state not in (-1, TIME_ERROR))


def fonts(store: Store) -> list[Finding]:
    wanted = Fonts((store.folder.layouts,))
    missing = [script for script, letter in SCRIPTS.items() if wanted.font_for(letter) is None]
    if missing:
        text = say(
            "No font here has %(missing)s letters: patients' names in them print as boxes.", missing=row(missing)
        )
        return [warning("fonts", text, say("apt install fonts-noto-core fonts-noto-cjk, then restart the service."))]
    return [fine("fonts", say("Fonts have %(scripts)s letters.", scripts=row(SCRIPTS)))]


def tools(store: Store) -> list[Finding]:
    return [_tool(name, command, advice) for name, (command, advice) in TOOLS.items()]


def _tool(name: str, command: tuple[str, ...], advice: str) -> Finding:
    if shutil.which(name) is None:
        return warning("tools", say("%(name)s is not installed.", name=name), advice)
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError) as problem:
        return warning("tools", say("%(name)s does not run: %(why)s", name=name, why=problem), advice)
    version = VERSION.search(result.stdout + result.stderr)
    return fine(
        "tools", say("%(program)s is installed: %(version)s", program=name, version=version[0] if version else "?")
    )
