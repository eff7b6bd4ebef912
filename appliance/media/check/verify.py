"""The whole check of a disc."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from appliance.words import say

from .dataset import is_dicom
from .directory import Directory, read_directory
from .finding import ERROR, Finding, Findings
from .instances import Demands, InstanceChecker
from .medium import DiscFile, Medium, open_medium
from .signature import check_signature

_LISTS = ("SHA256.TXT", "SHA256SUMS", "SHA256SUM.TXT")
_BLOCK = 1 << 24


@dataclass(kw_only=True)
class Report:
    """What was found on a disc."""

    findings: list[Finding] = field(default_factory=list)
    kind: str = ""  # iso, folder, zip
    file_set_id: str = ""
    file_set_uid: str = ""
    instances: int = 0
    files: int = 0
    bytes: int = 0  # of the volume, or of all files
    sha256: str = ""  # of the image; "" for a folder or archive

    @property
    def good(self) -> bool:
        """No error among the findings."""
        return not any(finding.severity == ERROR for finding in self.findings)


def verify(path: Path | str) -> list[Finding]:
    """Check an image, folder, zip or device; what is wrong with it, errors first. Raises OSError."""
    return examine(path).findings


def examine(
    path: Path | str,
    *,
    expected: Mapping[str, str] | None = None,
    demands: Demands | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Check a disc and tell what is on it. Raises OSError if it can't be opened at all.

    `progress` is told bytes read of an image and in all.
    `expected` are SHA-256 sums by path of every file that must be there, if known; else a list on the disc is used.
    """
    findings = Findings()
    report = Report()
    with ExitStack() as stack:
        medium = open_medium(Path(path), findings, stack)
        threads = stack.enter_context(ThreadPoolExecutor(2))
        whole = threads.submit(_sha256, medium.image, progress) if medium.image is not None else None
        sums = _Sums(medium, expected, findings)
        comparing = threads.submit(sums.compare)
        _check(medium, demands or Demands(), findings, report)
        comparing.result()
        _finish(medium, whole, report)
    report.findings = findings.all()
    return report


def _finish(medium: Medium, whole: Future[str] | None, report: Report) -> None:
    report.kind = medium.kind
    report.files = len(medium.files)
    report.bytes = len(medium.image) if medium.image is not None else sum(file.size for file in medium.files.values())
    report.sha256 = whole.result() if whole is not None else ""


def _sha256(data: memoryview, progress: Callable[[int, int], None] | None = None) -> str:
    digest = hashlib.sha256()
    for start in range(0, len(data), _BLOCK):
        if progress is not None:
            progress(start, len(data))
        digest.update(data[start : start + _BLOCK])
    return digest.hexdigest()


def _check(medium: Medium, demands: Demands, findings: Findings, report: Report) -> None:
    if medium.locked:
        return
    found = medium.files.get("DICOMDIR")
    if found is None:
        findings.error("no-dicomdir", "", _no_directory(medium))
        return
    content = found.content()
    directory = read_directory(content, findings)
    report.file_set_id, report.file_set_uid = directory.file_set_id, directory.file_set_uid
    report.instances = len(directory.instances)
    if medium.volume_id is not None and medium.volume_id != directory.file_set_id:
        text = say(
            "the volume is called %(volume_id)s, the file-set %(file_set_id)s (PS3.12 F.2.1)",
            volume_id=repr(medium.volume_id),
            file_set_id=repr(directory.file_set_id),
        )
        findings.warning("volume-identifier", "", text)
    _check_files(medium, directory, InstanceChecker(directory, demands, findings), findings)


def _no_directory(medium: Medium) -> str:
    """That there is none, and what went wrong when the disc was made, where that can be seen."""
    for path in sorted(medium.files, key=len):
        folder, _, name = path.upper().rpartition("/")
        if name == "DICOMDIR":
            return say(
                "there is no DICOMDIR in the root, but one in %(folder)s: all that lies there belongs in the root",
                folder=path[: len(folder)],
            )
        if name.endswith(".ISO"):
            return say(
                "there is no DICOMDIR in the root, but an image of a disc as a file: %(name)s. Burn the image, not a "
                "disc with the file on it",
                name=path,
            )
    return say("there is no DICOMDIR in the root: no system will import this disc by itself")


def _check_files(medium: Medium, directory: Directory, checker: InstanceChecker, findings: Findings) -> None:
    by_upper = {path.upper(): path for path in medium.files}
    referenced = {"DICOMDIR"}
    for record in directory.instances:
        path = record.file_id
        if path not in medium.files:
            other = by_upper.get(path.upper())
            if other is None:
                findings.error("missing-file", path, say("the directory references it, but it is not on the disc"))
                continue
            findings.error(
                "file-id",
                path,
                say("the directory references it, but on the disc it is called %(other)s", other=other),
            )
            path = other
        referenced.add(path)
        checker.check(medium.files[path], record)
    places = {medium.files[path].place for path in referenced} - {None}
    others = [path for path, file in medium.files.items() if path not in referenced and file.place not in places]
    _say_unreferenced([path for path in others if _looks_like_dicom(medium.files[path])], directory, findings)
    for path, file in medium.files.items():
        if file.long_path and path in referenced and file.long_path != path:
            findings.warning(
                "joliet-name", path, say("its Joliet name %(long_path)s is another one", long_path=file.long_path)
            )


def _say_unreferenced(paths: list[str], directory: Directory, findings: Findings) -> None:
    """File by file, unless it is the directory that is wrong: then a line for each would hide what is."""
    if paths and (directory.broken or not directory.instances):
        text = say(
            "DICOM files the damaged directory does not lead to: %(count)s. They can be imported as files, without it",
            count=len(paths),
        )
        findings.error("unreferenced", "", text)
        return
    for path in paths:
        findings.error("unreferenced", path, say("it is a DICOM file, but the directory does not reference it"))


def _looks_like_dicom(file: DiscFile) -> bool:
    return file.size > 132 and is_dicom(file.content()[:133])


class _Sums:
    """SHA-256 sums of the files against those known or listed."""

    def __init__(self, medium: Medium, expected: Mapping[str, str] | None, findings: Findings) -> None:
        self.medium = medium
        self.expected = expected
        self.findings = findings

    def compare(self) -> None:
        if self.expected is not None:
            self._compare(self.expected, say("it is not what was written"))
            for path in self.medium.files.keys() - self.expected.keys():
                self.findings.error("unexpected-file", path, say("nobody meant it to be on the disc"))
        listed = self._listed()
        if listed and self.expected is None:
            self._compare(listed, say("its SHA-256 is not the one in the list on the disc"))
        check_signature(self.medium, listed, self.findings)

    def _compare(self, sums: Mapping[str, str], text: str) -> None:
        by_long = {file.long_path: file for file in self.medium.files.values() if file.long_path}
        for path, wanted in sums.items():
            file = self.medium.files.get(path) or by_long.get(path)
            if file is None:
                self.findings.error("missing-file", path, say("it is listed, but not on the disc"))
            elif _sha256(file.content()) != wanted:
                self.findings.error("checksum", path, text)

    def _listed(self) -> dict[str, str]:
        for name in _LISTS:
            file = self.medium.files.get(name)
            if file is not None:
                return dict(_lines(file.content().tobytes().decode("utf-8", "replace")))
        return {}


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """(path, sum) of the lines sha256sum writes."""
    for line in text.splitlines():
        digest, _, path = line.partition(" ")
        if len(digest) == 64 and path:
            yield path.lstrip(" *").removeprefix("./"), digest.lower()


__all__ = ["Demands", "Report", "examine", "verify"]
