"""``scheme:/absolute/path``: printers and burners that are folders, and the mounts these lie on."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from appliance.words import say

SCHEMES = ("folder", "primera", "epson")
MOUNT_POINT = "mount_point"
"""Option of a device: where the file system of its folder is mounted."""


def folder_uri(path: Path | str, scheme: str = "folder") -> str:
    """The URI of an absolute path. Of all signs only the percent sign is written otherwise."""
    return f"{scheme}:{str(path).replace('%', '%25')}"


def path_of(uri: str) -> Path | None:
    """The path that ``scheme:/path`` or ``scheme:///path`` names; None when it isn't absolute, or leads up by "..".

    Such a URI has neither query nor fragment: "?" and "#" are letters of names.
    """
    path = Path(unquote(uri.partition(":")[2].removeprefix("//")))
    return path if path.is_absolute() and ".." not in path.parts and "\0" not in str(path) else None


def noting_mount(
    uri: str, options: Mapping[str, Any], data: Path, before: tuple[str, Mapping[str, Any]] | None = None
) -> dict[str, Any]:
    """Options of a device, with the mount point of its folder where that lies on another file system than ``/``.

    What somebody set stays, and so does what was noted as long as the URI does (`before`: URI and options until now).
    Nothing is noted of folders in the data folder, which goes from machine to machine.
    """
    noted = before is not None and before[0] != uri and before[1].get(MOUNT_POINT) == options.get(MOUNT_POINT)
    if MOUNT_POINT in options and not noted:
        return dict(options)
    others = {name: value for name, value in options.items() if name != MOUNT_POINT}
    path = path_of(uri) if uri.partition(":")[0].lower() in SCHEMES else None
    mount = "" if path is None or path.is_relative_to(data) else _mount_of(path)
    return {**others, MOUNT_POINT: mount} if mount else others


def refuse_unmounted(mount_point: str) -> None:
    """Raise OSError when nothing is mounted where a folder's files belong: what is written there would be hidden."""
    if mount_point and not os.path.ismount(mount_point):
        raise OSError(errno.ENODEV, say("nothing is mounted at %(mount_point)s", mount_point=mount_point))


def _mount_of(path: Path) -> str:
    mount = next(each for each in (path, *path.parents) if os.path.ismount(each))
    return "" if mount == Path("/") else str(mount)


READ_ONLY = say("It is read-only, or not among ReadWritePaths= of the service's unit: see docs/install.md")


def why_not(error: OSError) -> str:
    """Why a folder could not be used, in words; "" where the system's own say it."""
    return READ_ONLY if error.errno == errno.EROFS else ""
