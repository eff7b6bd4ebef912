"""From a plan to media: images, folders or archives, each checked by reading it back before it gets its name."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from appliance.errors import ApplianceError, ConflictError, DamagedError
from appliance.jobs.keeping import begin
from appliance.pixels import DEFAULT_LIMITS, Decoder, Limits
from appliance.store import files
from appliance.store.files import PartFile
from appliance.words import say

from . import check, targets
from .check import Demands, Finding, Report
from .dicomdir import DicomDir
from .disc_file import DiscFile, content_file, instance_file, streamed_file
from .file_id import level_1_names
from .icons import with_icons
from .iso import Progress, checked_names, write_iso
from .obstacles import UndecodableError
from .plan import CHECKSUMS, UID_LENGTH, Plan, Volume, size_of
from .profiles import EXPLICIT_LE
from .transcode import decompressed

SIGNATURE = "SHA256.SIG"
SIGNER = "SIGNER.PEM"

Content = Iterable[tuple[str, bytes | Path]]
"""Files that are not DICOM: path on the disc and bytes, or where to read them."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """One volume, made and checked."""

    volume: int  # from 1
    path: Path
    file_set_id: str
    file_set_uid: str
    sha256: str  # of the image; of an archive; "" for a folder
    bytes: int
    instances: int
    findings: tuple[Finding, ...]  # warnings and notes; an error raises
    lost_icons: tuple[str, ...] = ()  # SOP Instance UIDs whose compressed icon went as they were decompressed

    def to_json(self) -> dict[str, Any]:
        """As command line and API show it."""
        return {
            "volume": self.volume,
            "image": str(self.path),
            "file_set_id": self.file_set_id,
            "file_set_uid": self.file_set_uid,
            "sha256": self.sha256,
            "bytes": self.bytes,
            "instances": self.instances,
            "findings": [finding.to_json() for finding in self.findings],
        }


def new_file_set_uid() -> str:
    """A UID of a fixed length, for the size of the directory is part of the plan."""
    while True:
        found = f"2.25.{uuid.uuid4().int}"
        if len(found) == UID_LENGTH:
            return found


def build(
    plan: Plan,
    folder: Path,
    content: Callable[[Volume], Content] | None = None,
    progress: Progress | None = None,
) -> list[Built]:
    """Make every volume of a plan in `folder` as ``volume-N.iso`` (or folder, or ``.zip``).

    `content` gives the other files of a volume. Raises ConflictError if the plan is not ready or something outgrew its
    medium, DamagedError if a source is not what was received or a finished volume fails its check; nothing is left of
    that volume.
    """
    if not plan.ready:
        raise ConflictError(say("The plan still has conflicts or refusals; decide them first"))
    files.make_folder(folder)
    return [build_volume(plan, volume, folder, content(volume) if content else (), progress) for volume in plan.volumes]


class Signer(Protocol):
    """Signs the list of sums."""

    @property
    def length(self) -> int:
        """Bytes of a signature."""

    def sign(self, data: bytes) -> bytes: ...
    def public(self) -> bytes: ...


def build_volume(
    plan: Plan,
    volume: Volume,
    folder: Path,
    content: Content = (),
    progress: Progress | None = None,
    signer: Signer | None = None,
    decompressing: Callable[[int], None] = lambda done: None,
    drawing: Callable[[int], None] = lambda done: None,
    checking: Progress | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Built:
    """Make one volume; see :func:`build`. With a `signer` the list of sums is signed beside it.

    `progress` is told bytes written, `decompressing` bytes decompressed, `drawing` bytes of images
    that have an icon, `checking` bytes of the image read again. `limits` hold for what is decoded.
    """
    work = folder / f"work-{volume.number}"
    try:
        volume = _decompressed(volume, work, decompressing, limits)
        icons = work / "icons" if plan.options.icons else None
        if icons is not None:
            volume = replace(volume, entries=with_icons(volume.entries, volume.placed, icons, drawing, limits))
        assembled = Assembly(plan, volume, content, signer, icons)
        path = folder / f"volume-{volume.number}{targets.SUFFIX[plan.medium.form]}"
        report = _write(plan, assembled, path, progress, checking)
    finally:
        files.remove_tree(work)
    return Built(
        volume=volume.number,
        path=path,
        file_set_id=volume.file_set_id,
        file_set_uid=assembled.file_set_uid,
        sha256=report.sha256,
        bytes=report.bytes,
        instances=report.instances,
        findings=tuple(report.findings),
        lost_icons=tuple(placed.source.keys.SOPInstanceUID for placed in volume.placed if placed.lost_icon),
    )


def _decompressed(volume: Volume, work: Path, decompressing: Callable[[int], None], limits: Limits) -> Volume:
    """The volume with its instances as they will lie on it. Raises UndecodableError with all that can't be."""
    if not any(placed.decompress for placed in volume.placed):
        return volume
    files.make_folder(work)
    made = []
    spoiled: dict[str, str] = {}
    done = 0
    with Decoder(limits=limits) as decoder, ThreadPoolExecutor(2) as threads:
        orders = [
            threads.submit(decompressed, placed, work, decoder) if placed.decompress else placed
            for placed in volume.placed
        ]
        try:
            for order in orders:
                try:
                    made.append(order.result() if isinstance(order, Future) else order)
                except UndecodableError as error:
                    spoiled |= error.instances
                done += made[-1].size if isinstance(order, Future) and made else 0
                decompressing(done)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    if spoiled:
        raise UndecodableError(spoiled)
    return replace(volume, placed=tuple(made))


class Assembly:
    """All the files of one volume, in the order they are written."""

    def __init__(
        self, plan: Plan, volume: Volume, content: Content, signer: Signer | None = None, icons: Path | None = None
    ) -> None:
        self.plan = plan
        self.volume = volume
        self.file_set_uid = volume.file_set_uid or new_file_set_uid()
        given = [*content, *([(SIGNER, signer.public())] if signer else [])]
        others = [content_file(path, what) for path, what in self._named(given)]
        options = replace(plan.options, content=tuple((file.path, file.size) for file in others))
        self.directory = DicomDir(volume.file_set_id, self.file_set_uid, volume.entries, icons)
        dicomdir = streamed_file("DICOMDIR", self.directory.size, self.directory.chunks)
        self.files: list[DiscFile] = [dicomdir, *others, *map(instance_file, volume.placed)]
        if plan.options.checksums:
            self.files += self._checksums(list(self.files), signer)
        signature = ((SIGNATURE, signer.length),) if signer else ()
        kept = replace(options, content=options.content + signature, content_per_instance=0, content_ratio=0.0)
        # MP4 files are among the content, as large as they became
        self.size = size_of(replace(volume, videos=()), plan.profile, plan.medium, kept)
        self._check_size()

    def _named(self, content: list[tuple[str, bytes | Path]]) -> Content:
        """Content under the names people will see: short ones where the image has no view with long ones."""
        shape = self.plan.shape()
        if shape.form != "iso" or shape.joliet or shape.udf:
            return content
        names = level_1_names(path for path, _ in content)
        return [(names[path], what) for path, what in content]

    def _checksums(self, listed: Sequence[DiscFile], signer: Signer | None) -> list[DiscFile]:
        """The list of sums and its signature: written last, when all others have been read."""

        def lines() -> Iterator[bytes]:
            for file in listed:
                yield f"{file.sha256}  {file.path}\n".encode()

        size = sum(64 + 2 + len(file.path.encode()) + 1 for file in listed)
        made = [streamed_file(CHECKSUMS, size, lines)]
        if signer is not None:
            made.append(streamed_file(SIGNATURE, signer.length, lambda: iter((signer.sign(b"".join(lines())),))))
        return made

    def _check_size(self) -> None:
        capacity = self.plan.medium.capacity
        if capacity is not None and self.size > capacity:
            raise ConflictError(
                say(
                    "Volume %(number)s takes %(size)s bytes with its content, %(title)s holds %(capacity)s; "
                    "leave the viewer out or plan with more room",
                    number=self.volume.number,
                    size=f"{self.size:,}",
                    title=self.plan.medium.title,
                    capacity=f"{capacity:,}",
                )
            )

    def sums(self) -> dict[str, str]:
        """SHA-256 of every file as it was written, by path."""
        return {file.path: file.sha256 for file in self.files}


def _write(plan: Plan, assembly: Assembly, path: Path, progress: Progress | None, checking: Progress | None) -> Report:
    form = plan.medium.form
    if form == "folder":
        with targets.PartFolder(path) as folder:
            targets.write_folder(folder, assembly.files, progress)
            report = _checked(folder.part, plan, assembly, checking)
            folder.commit()
        return report
    with PartFile(path) as part:
        if form == "zip":
            targets.write_zip(part, assembly.files, progress)
        else:
            shape = plan.shape()
            write_iso(
                part,
                assembly.volume.file_set_id,
                assembly.files,
                joliet=shape.joliet,
                udf=shape.udf,
                progress=progress,
            )
        syncing = threading.Thread(target=_sync, args=(part.part,))
        begin(syncing)
        try:
            report = _checked(part.part, plan, assembly, checking)
        finally:
            syncing.join()
        part.commit()
    return report


def _sync(path: Path) -> None:
    """Let the disk begin; the commit's own sync tells of failure."""
    try:
        files.sync_file(path)
    except OSError:
        return


def _checked(path: Path, plan: Plan, assembly: Assembly, checking: Progress | None) -> Report:
    """Read the finished volume with the checker. Raises DamagedError if it finds an error."""
    profile = plan.profile
    syntaxes = None if profile.any_syntax else frozenset(profile.transfer_syntaxes | {EXPLICIT_LE})
    demands = Demands(keys=profile.keys, transfer_syntaxes=syntaxes)
    report = check.examine(path, expected=_as_on_disc(assembly, plan), demands=demands, progress=checking)
    if not report.good:
        raise DamagedError(
            say(
                "Volume %(number)s failed its check and was not kept: %(report)s",
                number=assembly.volume.number,
                report=_worst(report, assembly),
            )
        )
    if report.instances != len(assembly.volume.placed):
        raise ApplianceError(
            say(
                "Volume %(number)s holds %(instances)s instances of %(placed)s",
                number=assembly.volume.number,
                instances=report.instances,
                placed=len(assembly.volume.placed),
            )
        )
    return report


def _worst(report: Report, assembly: Assembly) -> str:
    """The first error, with the instance it speaks of."""
    worst = report.findings[0]
    for placed in assembly.volume.placed:
        if "/".join(placed.file_id) == worst.where:
            return say(
                "instance %(sopinstanceuid)s: %(text)s; fetch it again, or leave it out",
                sopinstanceuid=placed.source.keys.SOPInstanceUID,
                text=worst.text,
            )
    return str(worst)


def _as_on_disc(assembly: Assembly, plan: Plan) -> dict[str, str]:
    """Sums by the names the checker sees: level 1 ones on an image."""
    if plan.medium.form != "iso":
        return assembly.sums()
    names = checked_names(assembly.volume.file_set_id, assembly.files)
    return {names[path]: digest for path, digest in assembly.sums().items()}
