"""The process that decodes: started once as a nursery, which forks limited children on request.

What runs here reads hostile bytes with C codecs. A child has a limit of memory and of processor time, no network where
the system lets us take it, and can't write files; it gets an open file, never a path. It answers in JSON and raw bytes,
so that a child taken over can't make its parent run anything.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from appliance.pixels import encapsulated, picture, report
from appliance.pixels.errors import DamagedPixelsError, NotShownError, PixelError, TooLargeError, VideoError
from appliance.pixels.limits import Limits
from appliance.pixels.source import Source
from appliance.pixels.stored import frame_values
from appliance.words import say

HEADER = struct.Struct("!IQ")  # length of the JSON, length of the payload
PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWNET = 0x40000000
CLONE_NEWUSER = 0x10000000

Answer = tuple[dict[str, Any], bytes | memoryview]


def send(connection: socket.socket, header: dict[str, Any], payload: bytes | memoryview = b"") -> None:
    """One message: lengths, JSON, bytes."""
    data = json.dumps(header).encode()
    connection.sendall(HEADER.pack(len(data), len(payload)) + data)
    connection.sendall(payload)


def receive(connection: socket.socket, count: int) -> bytearray:
    """Exactly `count` bytes; EOFError when the other side is gone."""
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = connection.recv_into(view)
        if not got:
            raise EOFError
        view = view[got:]
    return data


def main(control: socket.socket) -> None:
    """The nursery: fork a child for each socket handed in, end one by its id, until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which may want to finish
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _without_network()
    while True:
        data, handles, _, _ = socket.recv_fds(control, 4096, 1)
        if not data:
            return
        order = json.loads(data)
        if "end" in order:
            answer = {"status": _end(order["end"])}
        else:
            answer = {"pid": _fork(control, handles[0], Limits(**order["limits"]))}
        control.sendall(json.dumps(answer).encode())


def _fork(control: socket.socket, handle: int, limits: Limits) -> int:
    pid = os.fork()
    if pid:
        os.close(handle)
        return pid
    try:
        control.close()
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _limit(limits)
        serve(socket.socket(fileno=handle), limits)
    finally:
        os._exit(0)


def _end(pid: int) -> int:
    """Kill and reap a child; the signal that ended it, 0 when it went by itself."""
    os.kill(pid, signal.SIGKILL)  # a zombie of ours still: its number can't be another's
    _, status = os.waitpid(pid, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _without_network() -> None:
    """A network name space of its own, where the system allows that."""
    libc = ctypes.CDLL(None)
    if libc.unshare(CLONE_NEWNET) != 0:
        libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)


def _limit(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits.address_space, limits.address_space))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _allow_processor(seconds: int) -> None:
    """So much processor time from now on; then SIGXCPU ends us."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


class Sources:
    """The instance opened last: reading a multi-frame's header once is enough."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.key: tuple[int, ...] = ()
        self.source: Source | None = None

    def open(self, handle: int) -> Source:
        """The source behind an open file handle; takes the handle."""
        state = os.fstat(handle)
        key = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
        if self.source is not None and key == self.key:
            os.close(handle)
            return self.source
        self.close()
        self.source = Source(os.fdopen(handle, "rb"), self.limits)
        self.key = key
        return self.source

    def close(self) -> None:
        if self.source is not None:
            self.source.file.close()
        self.source, self.key = None, ()


def serve(connection: socket.socket, limits: Limits) -> None:
    """Answer requests until the parent hangs up."""
    sources = Sources(limits)
    while True:
        data, handles, _, _ = socket.recv_fds(connection, 4096, 1)
        if not data:
            return
        _allow_processor(limits.cpu_seconds)
        header, payload = _answer(json.loads(data), handles[0], sources)
        send(connection, header, payload)


def _answer(request: dict[str, Any], handle: int, sources: Sources) -> Answer:
    try:
        do = request.pop("do")
        source = sources.open(handle)
        if do not in WITHOUT_PIXELS:
            source.enter_pixels()
        return DEEDS[do](source, **request)
    except PixelError as error:
        problem: PixelError = error
    except (MemoryError, cv2.error):
        problem = TooLargeError(say("Decoding it takes more memory than is given."))
    except RecursionError:
        problem = DamagedPixelsError(say("Its sequences are nested too deep."))
    except Exception as error:
        # reading hostile bytes raises anything; the words of such errors may hold a patient's data
        problem = DamagedPixelsError(say("It can't be read as DICOM (%(name)s).", name=type(error).__name__))
    sources.close()
    return {"error": type(problem).__name__, "message": str(problem)}, b""


def _array(values: np.ndarray) -> Answer:
    return {"shape": list(values.shape)}, np.ascontiguousarray(values).tobytes()


def _frame(source: Source, number: int, window: list[float] | None, max_edge: int | None, overlays: bool) -> Answer:
    chosen = (window[0], window[1]) if window else None
    return _array(picture.shown_frame(source, number - 1, chosen, max_edge, overlays))


def _jpeg(
    source: Source,
    number: int,
    window: list[float] | None,
    max_edge: int | None,
    quality: int,
    overlays: bool,
) -> Answer:
    chosen = (window[0], window[1]) if window else None
    shown = picture.shown_frame(source, number - 1, chosen, max_edge, overlays)
    shown = picture.square(shown, source.header, number - 1)
    shown = picture.shrink(shown, max_edge)
    return {"shape": list(shown.shape)}, picture.jpeg(shown, quality)


def _icon(source: Source, number: int) -> Answer:
    return _array(picture.icon(source, number - 1))


def _raw(source: Source, number: int) -> Answer:
    values, properties = frame_values(source, number - 1, to_rgb=False)
    if source.bits_allocated == 1:
        values = np.packbits(values, bitorder="little")
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    kind = str(properties["photometric_interpretation"])
    # decoders have filled in the chroma that 4:2:2 leaves out
    kind = "YBR_FULL" if kind == "YBR_FULL_422" else kind
    return {"photometric": kind}, np.ascontiguousarray(little).tobytes()


def _preview(source: Source, number: int, max_edge: int, budget: int, near: int) -> Answer:
    return picture.preview(source, number - 1, max_edge, budget, near)


def _windows(source: Source, number: int) -> Answer:
    return picture.windows(source, number - 1), b""


def _about(source: Source) -> Answer:
    options = source.pixel_options()
    about = {key: options[key] for key in ("photometric_interpretation", "pixel_representation", "pixel_keyword")}
    about |= {"rows": source.rows, "columns": source.columns, "samples": source.samples, "frames": source.frames}
    about |= {"bits_allocated": source.bits_allocated, "bits_stored": source.bits_stored}
    about["high_bit"] = int(source.header.get("HighBit") or source.bits_stored - 1)
    about["transfer_syntax"] = str(source.transfer_syntax)
    return about, b""


def _glance(source: Source) -> Answer:
    if source.encapsulated:
        encapsulated.glance(source.file, source.fragments, str(source.transfer_syntax))
    return {}, b""


def _report(source: Source) -> Answer:
    return report.structured_report(source.header), b""


def _document(source: Source) -> Answer:
    return report.encapsulated_document(source.header)


def _references(source: Source) -> Answer:
    return {"instances": report.references(source.header)}, b""


WITHOUT_PIXELS = ("report", "document", "references")
DEEDS: dict[str, Callable[..., Answer]] = {
    "about": _about,
    "windows": _windows,
    "frame": _frame,
    "jpeg": _jpeg,
    "icon": _icon,
    "raw": _raw,
    "glance": _glance,
    "preview": _preview,
    "report": _report,
    "document": _document,
    "references": _references,
}

ERRORS: dict[str, type[PixelError]] = {
    kind.__name__: kind for kind in (PixelError, NotShownError, VideoError, TooLargeError, DamagedPixelsError)
}

if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
