"""The viewer on the disc: its shipped files (templates/viewer/) and the data it shows, as classic scripts.

A page opened from file:// may load neither modules nor data by fetch, but any classic script. So pixels travel as
string literals in scripts read in the encoding x-user-defined, where each byte is one character: 2 % more than the
bytes, where base64 costs 33 %. Grey keeps its values by JPEG-LS (near-lossless as far as the share of the image data
asks for), which JPEGLS.JS decodes; color is JPEG.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from appliance.pixels import Decoder, PixelError, Preview
from appliance.resources import shipped
from appliance.store import files

from .description import Item, Patient, Study, VolumeDescription, clock, day, line, person
from .video import Mp4
from .words import words

DOCUMENTS = frozenset({"SR", "DOC", "KO"})
"""Modalities that are read, not looked at."""
ENCAPSULATED = "1.2.840.10008.5.1.4.1.1.104."
PRESENTATION = "1.2.840.10008.5.1.4.1.1.11."

# SOP classes (PS3.4 B.5) whose pixels are no picture for people: segmentations, maps, dose grids, tiles of slides
NO_PICTURES = frozenset(
    "1.2.840.10008.5.1.4.1.1." + tail
    for tail in ("66.4", "66.7", "66", "30", "481.2", "77.1.5.3", "77.1.6", "81.1", "82.1")
)

SHIPPED = ("VIEWER.HTM", "VIEWER.JS", "JPEGLS.JS", "VIEWER.CSS")
ESCAPES = 0.965
"""What of a script's bytes is pixel data, the rest being escapes."""
ABOUT = 420
"""Bytes of a frame's description."""
MAX_EDGE = 2560
THUMBNAIL = 96
THUMBNAIL_BYTES = 4096
"""Of one thumbnail in the index, with what is said of its stack."""
CHUNK = 1_500_000
MOST_IN_CHUNK = 24
MOST_FRAMES = 10_000
"""Of one multi-frame; of more, so many are shown, spread evenly, and the viewer says so."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What is scrolled through: the single images of a series, or one multi-frame."""

    number: int  # on this disc, from 1
    frames: tuple[tuple[Item, int], ...]  # instance, frame number
    budget: int  # bytes of one frame

    @property
    def folder(self) -> str:
        return f"S{self.number:04d}"

    @property
    def per_chunk(self) -> int:
        return max(1, min(MOST_IN_CHUNK, CHUNK // max(1, self.budget)))


def spread(total: int, most: int) -> list[int]:
    """At most `most` of the numbers 1..total, evenly spread, the ends among them."""
    if total <= most:
        return list(range(1, total + 1))
    return [1 + round(k * (total - 1) / (most - 1)) for k in range(most)] if most > 1 else [(total + 1) // 2]


def viewer_files(
    volume: VolumeDescription,
    decoder: Decoder,
    workdir: Path,
    *,
    language: str = "en",
    share: float = 1 / 3,
    overview: bool = True,
) -> list[tuple[str, Path]]:
    """The viewer's files: names on the disc and where they lie. They take about `share` of the images' bytes."""
    made = [(f"VIEWER/{name}", shipped("templates") / "viewer" / name) for name in SHIPPED]
    files.make_folder(workdir / "VIEWER" / "DATA")
    numbers = count(1)
    with ThreadPoolExecutor(2) as pool:
        writer = _Writer(decoder, workdir, pool, made)
        patients = [_patient(patient, share, numbers, writer, overview) for patient in volume.patients]
    said = words(language)
    index = {
        "language": language,
        "words": said,
        "overview": overview,
        "disc": said["disc"].format(number=volume.number, count=volume.count) if volume.count > 1 else "",
        "institution": line(volume.site.institution),
        "incomplete": line(volume.incomplete),
        "patients": patients,
    }
    path = workdir / "VIEWER" / "DATA" / "INDEX.JS"
    made.append(("VIEWER/DATA/INDEX.JS", files.write_scratch(path, b"viewerIndex(" + _json(index) + b");\n")))
    return made


def _patient(patient: Patient, share: float, numbers: Iterator[int], writer: _Writer, overview: bool) -> dict[str, Any]:
    """Write a patient's stacks; what the index says of the patient."""
    keys = patient.keys
    presented = _presented(patient, writer.decoder)
    return {
        "name": person(keys.PatientName),
        "id": line(keys.PatientID),
        "birth_date": day(keys.PatientBirthDate),
        "sex": line(keys.PatientSex),
        "studies": [
            {
                "date": day(study.keys.StudyDate),
                "time": clock(study.keys.StudyTime),
                "description": line(study.keys.StudyDescription),
                "accession": line(study.keys.AccessionNumber),
                "stacks": [
                    *(writer.write(stack, presented) for stack in _stacks(study, share, numbers)),
                    *(_video(item, item.video) for series in study.series for item in series.items if item.video),
                ],
                "others": _others(study, overview),
            }
            for study in patient.studies
        ],
    }


def _video(item: Item, video: Mp4) -> dict[str, Any]:
    """What the index says of a video that lies beside the file-set: the browser plays it, or says that it can't."""
    keys = item.keys
    return {
        "video": f"../{video.path}",
        "count": 1,
        "of": 1,
        "modality": line(keys.Modality),
        "number": line(keys.SeriesNumber),
        "description": line(keys.SeriesDescription),
        "clip": f"{line(keys.InstanceNumber)} MP4",
        "thumbnail": "",
    }


def _others(study: Study, overview: bool) -> str:
    """What lies on the disc and is not in its viewer, by modality: who sees nothing of it takes the rest for all."""
    found = Counter(
        line(item.keys.Modality) or "OT"
        for series in study.series
        for item in series.items
        if not (item.video or _is_picture(item) or item.keys.SOPClassUID.startswith(PRESENTATION))
        and not (overview and _is_document(item))
    )
    return ", ".join(f"{modality} ({count})" for modality, count in found.items())


def _is_document(item: Item) -> bool:
    return item.keys.Modality in DOCUMENTS or item.keys.SOPClassUID.startswith(ENCAPSULATED)


def _is_picture(item: Item) -> bool:
    keys = item.keys
    kept_out = _is_document(item) or keys.SOPClassUID.startswith(PRESENTATION) or keys.SOPClassUID in NO_PICTURES
    return bool(keys.Rows) and not kept_out


def _stacks(study: Study, share: float, numbers: Iterator[int]) -> Iterator[Stack]:
    """The study's stacks."""
    groups: list[list[tuple[Item, int]]] = []
    for series in study.series:
        shown = [item for item in series.items if _is_picture(item) and not item.video]
        if singles := [(item, 1) for item in shown if item.keys.NumberOfFrames <= 1]:
            groups.append(singles)
        groups += [
            [(item, frame) for frame in spread(item.keys.NumberOfFrames, MOST_FRAMES)]
            for item in shown
            if item.keys.NumberOfFrames > 1
        ]
    for frames in groups:
        size = sum(item.path.stat().st_size for item in {id(item): item for item, _ in frames}.values())
        budget = int(((share * size - THUMBNAIL_BYTES) / len(frames) - ABOUT) * ESCAPES)
        yield Stack(number=next(numbers), frames=tuple(frames), budget=max(600, budget))


def _presented(patient: Patient, decoder: Decoder) -> set[str]:
    """SOP Instance UIDs a presentation state on this disc is for."""
    found: set[str] = set()
    for study in patient.studies:
        for series in study.series:
            for item in series.items:
                if item.keys.SOPClassUID.startswith(PRESENTATION):
                    try:
                        found.update(decoder.references(item.path))
                    except PixelError:
                        continue
    return found


@dataclass(frozen=True)
class _Writer:
    """Writes stacks as chunks."""

    decoder: Decoder
    workdir: Path
    pool: ThreadPoolExecutor
    made: list[tuple[str, Path]]  # grows

    def write(self, stack: Stack, presented: set[str]) -> dict[str, Any]:
        """Write the stack's chunks; what the index says of it."""
        thumbnail, near = _first_look(stack, self.decoder)
        size = stack.per_chunk
        parts = [stack.frames[at : at + size] for at in range(0, len(stack.frames), size)]
        files.make_folder(self.workdir / "VIEWER" / stack.folder)
        chunks = self.pool.map(lambda part: _chunk(part, stack, self.decoder, near, presented), parts)
        for number, chunk in enumerate(chunks, 1):
            name = f"VIEWER/{stack.folder}/C{number:05d}.JS"
            data = f"viewerChunk({json.dumps(stack.folder)},{number},".encode() + chunk + b");\n"
            self.made.append((name, files.write_scratch(self.workdir / name, data)))
        first = stack.frames[0][0].keys
        return {
            "folder": stack.folder,
            "count": len(stack.frames),
            "of": max(len(stack.frames), first.NumberOfFrames),
            "per_chunk": size,
            "modality": line(first.Modality),
            "number": line(first.SeriesNumber),
            "description": line(first.SeriesDescription),
            "clip": line(first.InstanceNumber) if first.NumberOfFrames > 1 else "",
            "thumbnail": thumbnail,
        }


def _first_look(stack: Stack, decoder: Decoder) -> tuple[str, int]:
    """Thumbnail of the middle frame as base64, and the loss it takes to fit: where the others begin."""
    item, frame = stack.frames[len(stack.frames) // 2]
    try:
        picture = decoder.jpeg(item.path, frame, max_edge=THUMBNAIL, quality=70)
        preview = decoder.preview(item.path, frame, max_edge=MAX_EDGE, budget=stack.budget)
    except PixelError:
        return "", 0
    return base64.b64encode(picture).decode("ascii"), int(preview.about.get("near", 0))


def _chunk(part: tuple[tuple[Item, int], ...], stack: Stack, decoder: Decoder, near: int, presented: set[str]) -> bytes:
    """Two arrays: what is known of each frame, and its bytes."""
    abouts, data = [], []
    for item, frame in part:
        keys = item.keys
        about = {"instance": line(keys.InstanceNumber), "frame": frame if keys.NumberOfFrames > 1 else 0}
        about["presented"] = keys.SOPInstanceUID in presented
        try:
            preview = decoder.preview(item.path, frame, max_edge=MAX_EDGE, budget=stack.budget, near=near)
        except PixelError as error:
            preview = Preview(about={"kind": "note", "word": error.word}, data=b"")
        abouts.append({**about, **preview.about, "bytes": len(preview.data)})
        data.append(preview.data)
    return _json(abouts) + b",[" + b",".join(map(literal, data)) + b"]"


def literal(data: bytes) -> bytes:
    """Bytes as a JavaScript string literal in the encoding x-user-defined."""
    data = data.replace(b"\\", b"\\\\").replace(b"'", b"\\'").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    # NUL is better not met raw; \0 before a digit would be an octal escape
    for digit in b"0123456789":
        data = data.replace(bytes((0, digit)), b"\\x00" + bytes((digit,)))
    return b"'" + data.replace(b"\0", b"\\0") + b"'"


def _json(value: Any) -> bytes:
    """JSON that is ASCII, so that the script's encoding does not matter."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")
