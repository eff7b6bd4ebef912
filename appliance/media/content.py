"""What else is on the disc (IHE PDI, RAD-47): README.TXT, INDEX.HTM, IHE_PDI/ with pages and pictures, documents, the
viewer, and the site's own files.

Patient text never becomes a name on the disc, and comes out as text only.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import jinja2
from anyascii import anyascii

from appliance import __version__
from appliance.errors import UsageError
from appliance.language import in_language
from appliance.legible import finalized
from appliance.pixels import Decoder, PixelError
from appliance.resources import shipped
from appliance.store import files
from appliance.words import say

from . import video, viewer
from .description import Item, Series, VolumeDescription, clock, day, line, person
from .profiles import profile
from .words import words

RESERVED = frozenset(
    {"DICOMDIR", "README.TXT", "INDEX.HTM", "SHA256.TXT", "IHE_PDI", "DICOM", "DOCUMENT", "VIEWER", video.FOLDER}
)
NAME_8_3 = re.compile(r"[A-Z0-9_]{1,8}(\.[A-Z0-9_]{1,3})?")
PER_FOLDER = 500
README_WIDTH = 72


@dataclass(frozen=True, kw_only=True)
class ContentOptions:
    """Choices of a disc's non-DICOM content."""

    language: str = "en"
    readme: str = "utf-8"  # utf-8 (with byte order mark), transliterated, ascii (English, names transliterated)
    web_content: bool = True  # INDEX.HTM and IHE_PDI/
    viewer: bool = True
    site_files: Path | None = None  # the drop-in folder
    long_names: bool = False  # the disc has Joliet: the site's files may have long names
    max_edge: int = 1024  # pixels of a picture's longer side
    quality: int = 80  # of JPEG
    frames: int = 6  # pictures of one multi-frame
    share: float = 1 / 3  # of the image data, at most, for the viewer


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture on a page."""

    href: str  # from the page's folder
    caption: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What came of one instance."""

    item: Item
    pictures: tuple[Picture, ...] = ()
    page: str = ""  # name below IHE_PDI/ of its own page (a report)
    document: str = ""  # name on the disc of a PDF
    video: str = ""  # name on the disc of an MP4 file
    plays: bool = False  # in browsers
    title: str = ""
    note: str = ""  # why it is not shown


def content_files(
    volume: VolumeDescription, decoder: Decoder, workdir: Path, options: ContentOptions | None = None
) -> list[tuple[str, Path]]:
    """Make everything but the DICOM files; names on the disc (with ``/``) and where each file lies now.

    `workdir` is emptied by its owner; files in it are made again after a crash. Raises UsageError when the site's files
    have names a disc can't have.
    """
    options = options or ContentOptions()
    # asked first: a wrong name must not cost a quarter of an hour of pictures
    made = list(site_files(options.site_files, options.long_names)) if options.site_files else []
    maker = _Maker(volume, decoder, workdir, options)
    made += maker.web_pages() if options.web_content else []
    if options.viewer:
        made += viewer.viewer_files(
            volume, decoder, workdir, language=options.language, share=options.share, overview=options.web_content
        )
    has = {name.split("/")[0] for name, _ in made} | ({video.FOLDER} if volume.videos else set())
    made.append(maker.write("README.TXT", readme(volume, options, has)))
    return made


# README.TXT

CATALOGS = {"zh": "zh_Hans"}
"""Language of a disc -> of the catalog of messages, where they are not called the same."""


def readme(volume: VolumeDescription, options: ContentOptions, has: Iterable[str] = ()) -> bytes:
    """README.TXT for a disc that has the folders and files `has` in its root; lines end in CR LF."""
    language = "en" if options.readme == "ascii" else options.language
    told = (in_language(one, CATALOGS.get(language, language)) for one in volume.left_out)
    volume = replace(volume, left_out=tuple(told))
    context = {**_context(volume, language), "has": set(has), "long": options.long_names}
    text = _environment().get_template("README.TXT").render(context)
    lines = [part for one in text.splitlines() for part in _wrapped(one)]
    text = "\r\n".join(lines).strip() + "\r\n"
    if options.readme == "utf-8":
        return b"\xef\xbb\xbf" + text.encode("utf-8", "replace")
    return anyascii(text).encode("ascii", "replace")


def _wrapped(text: str) -> list[str]:
    indent = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(text, README_WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]


# the site's own files


def site_files(folder: Path, long_names: bool) -> Iterator[tuple[str, Path]]:
    """The files of the drop-in folder with their names on the disc; links and start-by-itself files are left out."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_symlink() or any((folder / parent).is_symlink() for parent in relative.parents):
            continue
        if path.is_file() and relative.name.lower() != "autorun.inf":
            yield _fenced(relative, long_names), path


def _fenced(relative: Path, long_names: bool) -> str:
    parts = relative.parts if long_names else tuple(part.upper() for part in relative.parts)
    name = "/".join(parts)
    if parts[0].upper() in RESERVED:
        raise UsageError(
            say("The site's file %(relative)s has a name the disc needs for itself: rename it", relative=relative),
            field="site_files",
        )
    fits = _joliet if long_names else NAME_8_3.fullmatch
    if len(parts) > 7 or not all(fits(part) for part in parts):
        hint = (
            say("rename it")
            if long_names
            else say("rename it (8 characters, a dot, 3 characters), or allow long names (Joliet)")
        )
        raise UsageError(
            say(
                "The site's file %(relative)s has a name that can't stand on the disc: %(hint)s",
                relative=relative,
                hint=hint,
            ),
            field="site_files",
        )
    return name


def _joliet(name: str) -> bool:
    """ISO 9660 with Joliet: 64 characters of the basic plane, without those it forbids."""
    plain = all(each.isprintable() and ord(each) < 0x10000 and each not in '*/:;?\\"<>|' for each in name)
    return plain and len(name) <= 64 and not name.endswith((".", " "))


# pages


class _Maker:
    """Makes the pages and pictures of one volume."""

    def __init__(self, volume: VolumeDescription, decoder: Decoder, workdir: Path, options: ContentOptions) -> None:
        self.volume = volume
        self.decoder = decoder
        self.workdir = workdir
        self.options = options
        self.words = words(options.language)
        self.made: list[tuple[str, Path]] = []
        self.patients = volume.patients

    def write(self, name: str, data: bytes) -> tuple[str, Path]:
        path = self.workdir.joinpath(*PurePosixPath(name).parts)
        files.make_folder(path.parent)
        return name, files.write_scratch(path, data)

    def add(self, name: str, data: bytes) -> None:
        self.made.append(self.write(name, data))

    def web_pages(self) -> list[tuple[str, Path]]:
        """INDEX.HTM, IHE_PDI/ and DOCUMENT/."""
        shown = self._show_all()
        where = {one.item.keys.SOPInstanceUID: one for series in shown.values() for one in series}
        for patient in self.patients:
            for study in patient.studies:
                for series in study.series:
                    context = {"patient": patient, "study": study, "series": series, "shown": shown[series.number]}
                    self._page(f"IHE_PDI/{series_page(series)}", "SERIES.HTM", context)
        for one in where.values():
            if one.page:
                self._report_page(one, where)
        context = {"patients": self.patients, "shown": shown, "has_viewer": self.options.viewer}
        self._page("INDEX.HTM", "INDEX.HTM", context)
        return self.made

    def _show_all(self) -> dict[int, list[Shown]]:
        """Decode everything, two at a time: the decoder has two children."""
        jobs = [
            (series.number, series, item, number)
            for patient in self.patients
            for study in patient.studies
            for series in study.series
            for number, item in enumerate(series.items, 1)
        ]
        shown: dict[int, list[Shown]] = {}
        with ThreadPoolExecutor(2) as pool:
            for job, one in zip(jobs, pool.map(lambda job: self._show(*job[1:]), jobs), strict=True):
                shown.setdefault(job[0], []).append(one)
        return shown

    def _show(self, series: Series, item: Item, number: int) -> Shown:
        keys = item.keys
        if item.video:
            title = f"MP4 {line(keys.InstanceNumber)}"
            return Shown(item=item, video=item.video.path, plays=item.video.plays, title=title)
        try:
            if keys.Modality in viewer.DOCUMENTS or keys.SOPClassUID.startswith(viewer.ENCAPSULATED):
                return self._document(series, item, number)
            if keys.SOPClassUID in viewer.NO_PICTURES or not keys.Rows:
                return Shown(item=item, note=self.words["not_shown"])
            return self._pictures(series, item, number)
        except PixelError as error:
            return Shown(item=item, note=self.words[error.word])

    def _pictures(self, series: Series, item: Item, number: int) -> Shown:
        frames = max(1, item.keys.NumberOfFrames)
        wanted = viewer.spread(frames, self.options.frames)
        pictures = []
        for frame in wanted:
            data = self.decoder.jpeg(
                item.path, frame, max_edge=self.options.max_edge, quality=self.options.quality, overlays=True
            )
            folder = f"S{series.number:04d}/F{number // PER_FOLDER:03d}"
            suffix = f"{chr(65 + wanted.index(frame))}" if frames > 1 else ""
            href = f"{folder}/I{number:05d}{suffix}.JPG"
            self.add(f"IHE_PDI/{href}", data)
            caption = line(item.keys.InstanceNumber) or str(number)
            if frames > 1:
                caption += ", " + self.words["frame"].format(number=frame, count=frames)
            pictures.append(Picture(href=href, caption=caption))
        return Shown(item=item, pictures=tuple(pictures))

    def _document(self, series: Series, item: Item, number: int) -> Shown:
        page = f"S{series.number:04d}/R{number:05d}.HTM"
        if not item.keys.SOPClassUID.startswith(viewer.ENCAPSULATED):
            title = self.decoder.report(item.path)["title"]
            return Shown(item=item, page=page, title=line(title) or self.words["report"])
        about, data = self.decoder.document(item.path)
        title = line(about["title"]) or self.words["report"]
        if about["kind"] == "cda":
            return Shown(item=item, page=page, title=title)
        name = f"DOCUMENT/D{series.number:03d}{number:04d}.PDF"
        self.add(name, data)
        return Shown(item=item, document=name, title=title)

    def _report_page(self, one: Shown, where: dict[str, Shown]) -> None:
        if one.item.keys.SOPClassUID.startswith(viewer.ENCAPSULATED):
            report: dict[str, Any] = {"narrative": self.decoder.document(one.item.path)[0]["narrative"]}
        else:
            report = self.decoder.report(one.item.path)
        pictures = {uid: shown.pictures[0] for uid, shown in where.items() if shown.pictures}
        context = {"one": one, "report": report, "pictures": pictures, "here": set(where), "keys": one.item.keys}
        self._page(f"IHE_PDI/{one.page}", "REPORT.HTM", context)

    def _page(self, name: str, template: str, context: dict[str, Any]) -> None:
        root = "../" * name.count("/")
        shared = {**_context(self.volume, self.options.language), "root": root, "series_page": series_page}
        text = _environment().get_template(template).render({**shared, **context})
        self.add(name, text.encode("utf-8", "replace"))


def series_page(series: Series) -> str:
    """Name of a series' page below IHE_PDI/."""
    return f"S{series.number:04d}.HTM"


def _context(volume: VolumeDescription, language: str) -> dict[str, Any]:
    site = replace(volume.site, address="\n".join(line(part) for part in volume.site.address.splitlines()))
    said = words(language)["conformance" if profile(volume.profile).pdi else "conformance_dicom"]
    return {
        "words": words(language),
        "conformance": said.format(profile=volume.profile, version=__version__),
        "language": language,
        "volume": volume,
        "site": site,
        "version": __version__,
        "patients": volume.patients,
    }


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(shipped("templates") / "disc"),
        autoescape=lambda name: bool(name and name.endswith(".HTM")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalized,
    )
    environment.filters.update(line=line, person=person, day=day, clock=clock)
    return environment
