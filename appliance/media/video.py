"""Video as MP4 files beside the file-set: the stream in the Pixel Data (PS3.5 8.2.5 to 8.2.8) in another container.

ffmpeg and ffprobe, programs of their own, move it; nothing is coded anew. They read bytes of strangers: each is told
what it reads (else it would follow a playlist), opens nothing but that file, and has limits of time, memory and output.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from appliance.errors import DamagedError
from appliance.pixels import PixelError
from appliance.pixels.encapsulated import find
from appliance.store import files
from appliance.store.files import failpoint
from appliance.studies.bounds import check_items
from appliance.studies.keys import InstanceKeys
from appliance.words import say

from .file_id import FILES_PER_FOLDER, FileID
from .source import SourceInstance

FOLDER = "VIDEO"
PROGRAM, PROBE = "ffmpeg", "ffprobe"
SECONDS = 60
"""Each program has at least so long, and a second more for each SLOWEST bytes."""
SLOWEST = 4 << 20
ADDRESS_SPACE = 4 << 30
_USUAL_RATE = 25.0
_COPY = 1 << 20
_CODECS = ("mpeg1video", "mpeg2video", "h264", "hevc")
_FOR_BROWSERS = ("yuv420p", "yuvj420p")
_MPEG2 = ("1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.101")
_HEVC = ("1.2.840.10008.1.2.4.107", "1.2.840.10008.1.2.4.108")


@dataclass(frozen=True, kw_only=True)
class Mp4:
    """A video as it lies beside the file-set."""

    path: str  # on the disc, "/" between components
    file: Path  # where it lies now
    plays: bool  # browsers play it: H.264 with 4:2:0 pixels
    note: str = ""  # what a person should know of it


@dataclass(frozen=True, kw_only=True)
class _Stream:
    """The video stream of one instance, where ffmpeg finds it."""

    url: str  # as ffmpeg takes it; "" when it is not put together yet
    format: str  # of ffmpeg
    bare: bool  # no container, so no times
    rate: float  # frames a second, where the stream does not say


def why_not() -> str:
    """Why this machine makes no MP4 files; "" when it does."""
    missing = [name for name in (PROGRAM, PROBE) if not shutil.which(name)]
    return say("this machine lacks %(missing)s (apt install ffmpeg)", missing=", ".join(missing)) if missing else ""


def most_bytes(keys: InstanceKeys, data_set_size: int) -> int:
    """The most an MP4 file of an instance may have: its stream, and the tables of a container."""
    return data_set_size + data_set_size // 32 + 128 * max(1, keys.NumberOfFrames) + (256 << 10)


def place_of(index: int) -> FileID:
    """The place of MP4 file `index` (from 0) on its volume."""
    folder, _ = divmod(index, FILES_PER_FOLDER)
    return (FOLDER, *((f"D{folder:07d}",) if folder else ()), f"V{index:07d}.MP4")


def probed(source: SourceInstance) -> str:
    """Why a video can't become an MP4 file, by a look at its beginning; "" when it can."""
    try:
        stream = _stream(source, None)
        if stream.url:
            _check(stream, _probe(stream.url, stream.format, SECONDS))
    except (DamagedError, PixelError) as error:
        return str(error)
    return ""


def as_mp4(
    source: SourceInstance, place: FileID, work: Path, *, sound: bool = True, check: Callable[[], None] = lambda: None
) -> Mp4:
    """Make the MP4 file of one instance in `work`. `check` is called now and then and may raise, to stop.

    Raises DamagedError or PixelError in words when it can't be made.
    """
    failpoint("video.data")
    target = work / "-".join(place)
    most = most_bytes(source.keys, source.data_set_size)
    seconds = SECONDS + most // SLOWEST
    stream = _stream(source, target.with_suffix(".stream"))
    found = _check(stream, _probe(stream.url, stream.format, seconds))
    notes: list[str] = []
    try:
        _mux(stream, found, target, sound, most, seconds, check)
    except DamagedError:
        if not (sound and found["sound"]):
            raise
        _mux(stream, found, target, False, most, seconds, check)
        notes.append(say("its sound has no place in an MP4 file"))
    notes += _differs(source, _video_of(_probe(str(target), "mov", seconds)))
    plays = found["codec_name"] == "h264" and found.get("pix_fmt") in _FOR_BROWSERS
    return Mp4(path="/".join(place), file=target, plays=plays, note=", ".join(notes))


# the stream ----------------------------------------------------------------------------------------------------------


def _stream(source: SourceInstance, scratch: Path | None) -> _Stream:
    """The stream where it lies in the instance's file; one in several fragments is put together in `scratch`."""
    path = Path(source.path)
    header, places = _places(source)
    with path.open("rb") as file:
        start = b"".join(_parts(file, places, 1 << 10))
        format_, bare = _format(start, source.keys.TransferSyntaxUID)
        if len(places) == 1:
            offset, length = places[0]
            url = f"subfile,,start,{offset},end,{offset + length},,:{path}"
        else:
            url = str(files.write_scratch(scratch, _parts(file, places, None))) if scratch else ""
    return _Stream(url=url, format=format_, bare=bare, rate=_rate(header))


def _places(source: SourceInstance) -> tuple[Dataset, tuple[tuple[int, int], ...]]:
    """The header, and (offset in the file, length) of each fragment."""
    path = Path(source.path)
    check_items(path, source.data_set_offset, source.keys.NumberOfFrames)
    try:
        with path.open("rb") as file:
            file.seek(source.data_set_offset)
            header = read_dataset(file, False, True, stop_when=_at_pixels)
            head = file.read(12)
            if head[:4] != b"\xe0\x7f\x10\x00" or head[8:] != b"\xff\xff\xff\xff":
                raise DamagedError(say("its video can't be found"))
            places = tuple(place for place in find(file, 1).places if place[1])
    except (DamagedError, PixelError):
        raise
    except Exception as error:  # readers of damaged files raise whatever they like
        raise DamagedError(say("it can't be read (%(name)s)", name=type(error).__name__)) from error
    if not places or sum(places[-1]) > path.stat().st_size:
        raise DamagedError(say("its file ends within its video"))
    return header, places


def _at_pixels(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag >= 0x7FE00008


def _parts(file: Any, places: Sequence[tuple[int, int]], most: int | None) -> Iterator[bytes]:
    """The bytes of the stream, `most` of them."""
    for offset, length in places:
        file.seek(offset)
        left = length if most is None else min(length, most)
        while left and (data := file.read(min(left, _COPY))):
            left -= len(data)
            if most is not None:
                most -= len(data)
            yield data


def _format(start: bytes, TransferSyntaxUID: str) -> tuple[str, bool]:
    """ffmpeg's name of what a stream begins like, and whether it is bare. Raises DamagedError."""
    code = start[1:] if start[:4] == b"\0\0\0\1" else start
    if any(start[at : at + 377 : step] == b"\x47" * (376 // step + 1) for at, step in ((0, 188), (4, 192))):
        return "mpegts", False
    if code[:4] == b"\0\0\1\xba":
        return "mpeg", False
    if start[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"):
        return "mov", False
    if code[:3] == b"\0\0\1":
        syntax = TransferSyntaxUID.removesuffix(".1")
        return "mpegvideo" if syntax in _MPEG2 else "hevc" if syntax in _HEVC else "h264", True
    raise DamagedError(say("its video is in no form that is known here"))


def _rate(header: Dataset) -> float:
    """Frames a second, as the header says (PS3.3 C.7.6.5)."""
    for keyword, factor in (("CineRate", 1.0), ("RecommendedDisplayFrameRate", 1.0), ("FrameTime", 1000.0)):
        try:
            value = float(header.get(keyword) or 0)
        except (TypeError, ValueError):
            continue
        rate = factor / value if factor > 1 and value else value
        if 0.1 <= rate <= 1000:
            return rate
    return _USUAL_RATE


# the programs --------------------------------------------------------------------------------------------------------


def _check(stream: _Stream, told: dict[str, Any]) -> dict[str, Any]:
    """What ffprobe says of the video stream. Raises DamagedError when that is nothing to be moved."""
    found = _video_of(told)
    codec = found.get("codec_name", "")
    if codec not in _CODECS:
        raise DamagedError(say("its video is coded as %(codec)s, which is not expected", codec=codec or "?"))
    if stream.bare and stream.format in ("h264", "hevc") and found.get("has_b_frames"):
        raise DamagedError(
            say("its video is a bare stream without times, whose pictures are stored in another order than shown")
        )
    return found | {"sound": any(each.get("codec_type") == "audio" for each in told["streams"])}


def _video_of(told: dict[str, Any]) -> dict[str, Any]:
    return next((each for each in told["streams"] if each.get("codec_type") == "video"), {})


def _differs(source: SourceInstance, made: dict[str, Any]) -> list[str]:
    """Where the MP4 file is not what the instance says of itself. Raises DamagedError when there is nothing in it."""
    frames = int(made.get("nb_frames") or 0)
    if not frames:
        raise DamagedError(say("no picture of its video could be moved into an MP4 file"))
    told = source.keys.NumberOfFrames
    if frames == told:
        return []
    return [say("it has %(frames)s pictures, its header says %(told)s", frames=frames, told=told)]


def _probe(url: str, format_: str, seconds: int) -> dict[str, Any]:
    entries = "stream=codec_type,codec_name,has_b_frames,pix_fmt,nb_frames"
    command = [PROBE, "-v", "error", *_reading(url, format_), "-show_entries", entries, "-of", "json"]
    said = _run(command, 0, seconds, lambda: None)
    try:
        found: dict[str, Any] = json.loads(said)
    except ValueError:
        found = {}
    return {"streams": found.get("streams") or []}


def _reading(url: str, format_: str) -> list[str]:
    return ["-protocol_whitelist", "file,subfile", "-f", format_, "-i", url]


def _mux(
    stream: _Stream,
    found: dict[str, Any],
    target: Path,
    sound: bool,
    most: int,
    seconds: int,
    check: Callable[[], None],
) -> None:
    files.write_scratch(target, b"")
    command = [PROGRAM, "-nostdin", "-y", "-v", "error", "-fflags", "+genpts+bitexact"]
    command += ["-framerate", f"{stream.rate:.5f}"] if stream.bare and stream.format != "mpegvideo" else []
    command += [*_reading(stream.url, stream.format), "-map", "0:v:0", *(["-map", "0:a?"] if sound else [])]
    # nothing of what a container may say of a patient goes along
    command += ["-c", "copy", "-map_metadata", "-1", "-map_chapters", "-1", "-fflags", "+bitexact"]
    command += ["-tag:v", "hvc1"] if found["codec_name"] == "hevc" else []  # what players of Apple look for
    _run([*command, "-f", "mp4", str(target)], most, seconds, check)


def _run(command: list[str], most: int, seconds: int, check: Callable[[], None]) -> bytes:
    """Run one of the programs within limits; what it printed. Raises DamagedError with what it complained of."""
    limits = [f"--cpu={seconds}", f"--as={ADDRESS_SPACE}", f"--fsize={most}", "--core=0"]
    fenced = [*_dying_with_us(), "prlimit", *limits, "--", *command]
    with subprocess.Popen(
        fenced, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        end = time.monotonic() + seconds
        try:
            while True:
                try:
                    said, complained = process.communicate(timeout=0.5)
                    break
                except subprocess.TimeoutExpired:
                    check()
                    if time.monotonic() > end:
                        raise DamagedError(
                            say("%(program)s needs more than %(seconds)s s for it", program=command[0], seconds=seconds)
                        ) from None
        finally:
            process.kill()
    if process.returncode == -signal.SIGXFSZ:
        raise DamagedError(say("%(program)s makes more of it than a container takes", program=command[0]))
    if process.returncode:
        lines = complained.decode("utf-8", "replace").split("\n")
        why = next((line.rsplit("] ", 1)[-1] for line in lines if line), "") or f"{process.returncode}"
        raise DamagedError(say("%(program)s says: %(why)s", program=command[0], why=why.replace(command[-1], "it")))
    return said


@cache
def _dying_with_us() -> tuple[str, ...]:
    return ("setpriv", "--pdeathsig", "KILL", "--no-new-privs", "--") if shutil.which("setpriv") else ()
