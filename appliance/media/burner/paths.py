"""Folders a burner works in, and the sums of what lies there."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

from appliance.errors import UsageError
from appliance.folders import path_of, refuse_unmounted, why_not
from appliance.media.burner.options import BurnerOptions
from appliance.store import files
from appliance.words import say

BLOCK = 1 << 20


def folder_of(uri: str, options: BurnerOptions) -> Path:
    """The folder a URI names. Raises UsageError when it isn't absolute or lies under none of the allowed roots."""
    path = path_of(uri)
    if path is None:
        raise UsageError(
            say("%(uri)s names no folder; give %(scheme)s:/absolute/path", uri=uri, scheme=uri.partition(":")[0]),
            field="burner_uri",
        )
    if not any(within(path, root) for root in options.folder_roots):
        raise UsageError(
            say("%(path)s lies under no allowed folder: %(options)s", path=path, options=_named(options)),
            field="burner_uri",
        )
    return path


def opened(path: Path, options: BurnerOptions) -> Path:
    """The folder, made when it is not there. Raises OSError when a link leads out of the roots, or it is away."""
    refuse_unmounted(options.mount_point)
    real = path.resolve()
    if not any(within(real, root.resolve()) for root in options.folder_roots):
        raise OSError(errno.ELOOP, say("it leads out of %(options)s", options=_named(options)))
    return files.make_folder(path)


def within(path: Path, root: Path) -> bool:
    """Whether `path` is `root` or below it."""
    return path == root or root in path.parents


def _named(options: BurnerOptions) -> str:
    return ", ".join(str(root) for root in options.folder_roots) or say("none is configured")


def sha256_of(path: Path, size: int | None = None, progress: Callable[[int], None] | None = None) -> tuple[str, int]:
    """SHA-256 and number of bytes of a file or device; of its first `size` bytes at most. Raises OSError."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as file:
        while size is None or done < size:
            data = file.read(BLOCK if size is None else min(BLOCK, size - done))
            if not data:
                break
            digest.update(data)
            done += len(data)
            if progress is not None:
                progress(done)
    return digest.hexdigest(), done


def folder_sha256(root: Path) -> tuple[str, int]:
    """SHA-256 of the sorted list of sums of a folder's files, and their bytes in all: the same for every copy."""
    lines, total = [], 0
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        digest, size = sha256_of(path)
        lines.append(f"{digest}  {path.relative_to(root).as_posix()}\n")
        total += size
    return hashlib.sha256("".join(lines).encode()).hexdigest(), total


def sums_of(path: Path) -> tuple[str, int]:
    """SHA-256 and bytes of an image, archive or folder."""
    return folder_sha256(path) if path.is_dir() else sha256_of(path)


def copy_tree(source: Path, target: Path, each: Callable[[int], None]) -> None:
    """Copy a folder's files, durably; `each` is called with the bytes copied so far."""
    done = 0
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        place = target / path.relative_to(source)
        files.make_folder(place.parent)
        files.write_file(place, chunks(path))
        done += path.stat().st_size
        each(done)


def chunks(path: Path) -> Iterable[bytes]:
    """A file in pieces."""
    with path.open("rb") as file:
        while data := file.read(BLOCK):
            yield data


def describe(error: OSError) -> str:
    """An error of the operating system in words."""
    return why_not(error) or error.strerror or str(error) or type(error).__name__
