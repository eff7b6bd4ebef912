"""File IDs: names of instances on a disc (PS3.10 8.2, 8.5). They carry no meaning and never collide."""

from __future__ import annotations

import re
from collections.abc import Iterable

COMPONENT = re.compile(r"[A-Z0-9_]{1,8}")
MAXIMUM_COMPONENTS = 7  # PS3.10 allows 8; ISO 9660 counts the root as a level
FILES_PER_FOLDER = 1000

FileID = tuple[str, ...]


def file_id(index: int, count: int) -> FileID:
    """The name of instance `index` (from 0) of `count`, at most 1,000 names a folder."""
    levels = 1
    while FILES_PER_FOLDER**levels < count:
        levels += 1
    numbers = []
    for _ in range(levels):
        index, number = divmod(index, FILES_PER_FOLDER)
        numbers.append(number)
    *folders, last = reversed(numbers) if levels > 1 else (0, numbers[0])
    return ("DICOM", *(f"D{number:07d}" for number in folders), f"I{last:07d}")


def is_file_id(components: FileID) -> bool:
    """Whether these may stand in Referenced File ID, and on a level 1 disc."""
    return 1 <= len(components) <= MAXIMUM_COMPONENTS and all(COMPONENT.fullmatch(each) for each in components)


def is_file_set_id(text: str) -> bool:
    """Whether this may be a File-set ID that is a volume identifier as well."""
    return re.fullmatch(r"[A-Z0-9_]{1,16}", text) is not None


def level_1_names(paths: Iterable[str]) -> dict[str, str]:
    """ISO 9660 level 1 paths (8.3, A-Z 0-9 _) for files with any names, no two alike; ``/`` between components."""
    given: dict[str, str] = {"": ""}
    taken: set[str] = {"DICOMDIR", "DICOM"}
    for path in paths:
        parent = ""
        parts = path.split("/")
        for depth, part in enumerate(parts, 1):
            whole = "/".join(parts[:depth])
            if whole not in given:
                given[whole] = _level_1(given[parent], part, taken, folder=depth < len(parts))
                taken.add(given[whole])
            parent = whole
    return given


def _level_1(parent: str, name: str, taken: set[str], folder: bool) -> str:
    stem, dot, extension = (name, "", "") if folder or "." not in name.strip(".") else name.rpartition(".")
    stem, extension = _cleaned(stem)[:8] or "_", _cleaned(extension)[:3]
    prefix = parent + "/" if parent else ""
    for number in range(len(taken) + 2):
        tail = str(number) if number else ""
        found = prefix + stem[: 8 - len(tail)] + tail + ("." + extension if dot and extension else "")
        if found not in taken:
            return found
    raise AssertionError("there are more names than taken ones")


def _cleaned(text: str) -> str:
    return re.sub("[^A-Z0-9_]", "_", text.upper())
