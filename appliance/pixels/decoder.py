"""The parent's side: pixels of any instance, decoded by a limited child."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from appliance.errors import PASSING, DamagedError, ResourceError
from appliance.pixels.child import ERRORS, HEADER, receive
from appliance.pixels.display import Window
from appliance.pixels.errors import DamagedPixelsError, PixelError, TooLargeError
from appliance.pixels.limits import DEFAULT_LIMITS, Limits
from appliance.pixels.picture import ICON_EDGE
from appliance.words import say

MAX_JSON = 64 << 20
START_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class RawPixels:
    """The stored pixel values of an instance, decoded: what an uncompressed Pixel Data would hold."""

    Rows: int
    Columns: int
    SamplesPerPixel: int
    NumberOfFrames: int
    BitsAllocated: int
    BitsStored: int
    HighBit: int
    PixelRepresentation: int
    PhotometricInterpretation: str  # of the decoded values: JPEG 2000's YBR_RCT comes out as RGB
    PlanarConfiguration: int  # always 0: by pixel
    frames: Iterator[bytes]  # little endian, one after the other; not padded to even length (single bits: to a byte)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """One frame for the viewer: see :func:`appliance.pixels.picture.preview`."""

    about: dict[str, Any]  # kind (jls, jpeg), rows, columns; grey: slope, intercept, tones and so on
    data: bytes


class _Nursery:
    """The process that forks children."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # one thread: a fork of several threads is a trap, and two children keep two cores busy as it is
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "appliance.pixels.child", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # codecs talk; what matters comes back as an answer
            env={**os.environ, **single},
        )
        theirs.close()
        self.socket = ours
        self.socket.settimeout(START_SECONDS)

    def fork(self, limits: Limits) -> _Child:
        ours, theirs = socket.socketpair()
        with theirs:
            order = json.dumps({"limits": asdict(limits)}).encode()
            socket.send_fds(self.socket, [order], [theirs.fileno()])
        return _Child(ours, self._answer()["pid"])

    def end(self, child: _Child) -> int:
        """The signal that ended the child, 0 when none did."""
        child.socket.close()
        self.socket.sendall(json.dumps({"end": child.pid}).encode())
        return int(self._answer()["status"])

    def _answer(self) -> dict[str, Any]:
        data = self.socket.recv(4096)
        if not data:
            raise EOFError
        return dict(json.loads(data))

    def close(self) -> None:
        self.socket.close()
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True)
class _Child:
    socket: socket.socket
    pid: int

    def ask(
        self, request: dict[str, Any], file: BinaryIO, seconds: float, limit: int
    ) -> tuple[dict[str, Any], bytearray]:
        deadline = time.monotonic() + seconds
        self.socket.settimeout(seconds)
        socket.send_fds(self.socket, [json.dumps(request).encode()], [file.fileno()])
        json_length, length = HEADER.unpack(receive(self.socket, HEADER.size))
        if json_length > MAX_JSON or length > limit:
            raise EOFError
        self.socket.settimeout(max(0.01, deadline - time.monotonic()))
        return json.loads(receive(self.socket, json_length)), receive(self.socket, length)


class Decoder:
    """A pool of limited children that turn instances into pixels. Safe to use from several threads.

    Errors are :class:`PixelError`; a child that dies or hangs is replaced, and only its own request fails.
    """

    def __init__(self, *, children: int = 2, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self._nursery: _Nursery | None = None
        self._idle: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(children):
            self._idle.put(None)  # forked when first needed

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the children; the decoder may be used again and starts new ones."""
        with self._lock:
            self._drop_nursery()

    def about(self, path: Path) -> dict[str, Any]:
        """What the header says of the pixels: rows, columns, samples, frames, bits_stored and so on."""
        return self._ask(path, {"do": "about"})[0]

    def windows(self, path: Path, number: int) -> dict[str, Any]:
        """The windows frame `number` may be looked at through: see :func:`appliance.pixels.picture.windows`."""
        return self._ask(path, {"do": "windows", "number": number})[0]

    def frame(
        self,
        path: Path,
        number: int,
        *,
        window: Window | None = None,
        max_edge: int | None = None,
        overlays: bool = False,
    ) -> NDArray[np.uint8]:
        """Frame `number` (from 1) as display values 0..255: (rows, columns), or (rows, columns, 3) RGB.

        window
            Center and width in modality units instead of what the image says.
        max_edge
            Shrink so that the longer side has at most so many pixels.
        overlays
            Burn the image's overlays (60xx) in white.
        """
        request = {"do": "frame", "number": number, "window": window, "max_edge": max_edge, "overlays": overlays}
        about, data = self._ask(path, request)
        try:
            return np.frombuffer(data, np.uint8).reshape(about["shape"])
        except (KeyError, TypeError, ValueError):
            raise DamagedPixelsError(say("The decoder gave something that is no picture.")) from None

    def jpeg(
        self,
        path: Path,
        number: int = 1,
        *,
        window: Window | None = None,
        max_edge: int | None = None,
        quality: int = 85,
        overlays: bool = False,
    ) -> bytes:
        """Frame `number` as baseline JPEG with square pixels; with `overlays` the image's graphics are in it."""
        request = {"do": "jpeg", "number": number, "window": window, "max_edge": max_edge}
        return bytes(self._ask(path, {**request, "quality": quality, "overlays": overlays})[1])

    def preview(self, path: Path, number: int, *, max_edge: int, budget: int, near: int = 0) -> Preview:
        """Frame `number` for the viewer in about `budget` bytes."""
        request = {"do": "preview", "number": number, "max_edge": max_edge, "budget": budget, "near": near}
        about, data = self._ask(path, request)
        return Preview(about=about, data=bytes(data))

    def icon(self, path: Path, number: int = 1) -> bytes:
        """Frame `number` as 8-bit grey, ICON_EDGE pixels square, row by row."""
        data = bytes(self._ask(path, {"do": "icon", "number": number})[1])
        if len(data) != ICON_EDGE * ICON_EDGE:
            raise DamagedPixelsError(say("The decoder gave something that is no picture."))
        return data

    def raw(self, path: Path) -> RawPixels:
        """Exact stored values of all frames, each decoded when it is asked for (for lossless transcoding)."""
        about = self.about(path)
        first, data = self._ask(path, {"do": "raw", "number": 1})

        def frames() -> Iterator[bytes]:
            yield bytes(data)
            for number in range(2, about["frames"] + 1):
                yield self.raw_frame(path, number)

        return RawPixels(
            Rows=about["rows"],
            Columns=about["columns"],
            SamplesPerPixel=about["samples"],
            NumberOfFrames=about["frames"],
            BitsAllocated=about["bits_allocated"],
            BitsStored=about["bits_stored"],
            HighBit=about["high_bit"],
            PixelRepresentation=about["pixel_representation"],
            PhotometricInterpretation=first["photometric"],
            PlanarConfiguration=0,
            frames=frames(),
        )

    def raw_frame(self, path: Path, number: int) -> bytes:
        """Exact stored values of frame `number` (from 1). Raises PixelError naming the frame."""
        try:
            return bytes(self._ask(path, {"do": "raw", "number": number})[1])
        except PixelError as error:
            if f"rame {number}" in str(error):
                raise
            raise type(error)(say("Frame %(index)s can't be decoded: %(why)s", index=number, why=str(error))) from error

    def glance(self, path: Path) -> None:
        """Look at where each compressed frame begins, without decoding any. Raises PixelError naming a damaged one."""
        self._ask(path, {"do": "glance"})

    def report(self, path: Path) -> dict[str, Any]:
        """A structured report as a tree of text: see :func:`appliance.pixels.report.structured_report`."""
        return self._ask(path, {"do": "report"})[0]

    def references(self, path: Path) -> list[str]:
        """SOP Instance UIDs of the images a presentation state is for."""
        return [str(uid) for uid in self._ask(path, {"do": "references"})[0]["instances"]]

    def document(self, path: Path) -> tuple[dict[str, Any], bytes]:
        """An encapsulated document: see :func:`appliance.pixels.report.encapsulated_document`."""
        about, data = self._ask(path, {"do": "document"})
        return about, bytes(data)

    def _ask(self, path: Path, request: dict[str, Any]) -> tuple[dict[str, Any], bytearray]:
        try:
            file = path.open("rb")
        except OSError as error:
            kind = ResourceError if error.errno in PASSING else DamagedError
            raise kind(
                say("The instance file %(path)s can't be read: %(why)s.", path=path.name, why=error.strerror)
            ) from None
        with file:
            answer, data = self._ask_any(file, request)
        if "error" in answer:
            raise ERRORS.get(answer["error"], PixelError)(answer["message"])
        return answer, data

    def _ask_any(self, file: BinaryIO, request: dict[str, Any]) -> tuple[dict[str, Any], bytearray]:
        child = self._idle.get()
        try:
            child = child or self._fork()
            return self._ask_child(child, file, request)
        except BaseException:
            child = None
            raise
        finally:
            self._idle.put(child)

    def _ask_child(self, child: _Child, file: BinaryIO, request: dict[str, Any]) -> tuple[dict[str, Any], bytearray]:
        limits = self.limits
        try:
            return child.ask(request, file, limits.seconds, 4 * limits.frame_bytes)
        except TimeoutError:
            self._end(child)
            raise TooLargeError(
                say("Decoding took more than %(seconds)s s and was ended.", seconds=f"{limits.seconds:.0f}")
            ) from None
        except (EOFError, OSError, ValueError):
            raise _words_for(self._end(child), limits) from None

    def _fork(self) -> _Child:
        """A child of the nursery there is, or of a new one when that has died. Raises ResourceError."""
        with self._lock, contextlib.suppress(EOFError, OSError):
            return self._child_of_nursery()
        with self._lock:
            try:
                return self._child_of_nursery()
            except (EOFError, OSError) as error:
                why = getattr(error, "strerror", None) or type(error).__name__
                raise ResourceError(say("The decoder of images can't be started: %(why)s.", why=why)) from error

    def _child_of_nursery(self) -> _Child:
        try:
            self._nursery = self._nursery or _Nursery()
            return self._nursery.fork(self.limits)
        except (EOFError, OSError):
            self._drop_nursery()
            raise

    def _end(self, child: _Child) -> int:
        """The signal that ended the child; 0 when none did, or nobody knows."""
        with self._lock:
            try:
                return self._nursery.end(child) if self._nursery else 0
            except (EOFError, OSError):
                self._drop_nursery()
                return 0

    def _drop_nursery(self) -> None:
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None


def _words_for(ended_by: int, limits: Limits) -> PixelError:
    if ended_by == signal.SIGXCPU:
        return TooLargeError(
            say(
                "Decoding took more than %(cpu_seconds)s s of processor time and was ended.",
                cpu_seconds=limits.cpu_seconds,
            )
        )
    return DamagedPixelsError(say("Decoding it broke the decoder. Other images are not affected."))
