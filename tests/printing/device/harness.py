"""What the common suite needs of each device: its URI, a job for it, and what came out."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from appliance.film.boxes import FilmBox, FilmSession, Image, ImageBox, PixelReference
from appliance.printing.device.options import DeviceOptions
from appliance.printing.device.outcome import Device, Document, SendRequest
from appliance.printing.device.registry import open_device
from tests.support.fault_imager import FaultImager
from tests.support.fault_printers import Babbler, IppPrinter, LpdPrinter, SocketPrinter

NETWORK = ("socket", "lpd", "ipp", "dicom")
SCHEMES = ("folder", *NETWORK)

QUICK = DeviceOptions(
    connect_deadline=2,
    stall_deadline=1,
    close_deadline=1,
    busy_deadline=1,
    job_deadline=3,
    probe_deadline=2.5,
    poll_interval=0.02,
)
MEDIA_FAULTS = {"media-missing": "medium", "wrong-size": "size"}


def no_progress(sent: int, total: int) -> None:
    """For sends whose progress is of no interest."""


def document(folder: Path, film: int, *, copy: int = 1, size: int = 100_000) -> Document:
    """A document of one film; its bytes tell which film it is."""
    path = folder / f"film-{film:02d}.pdf"
    if not path.exists():
        path.write_bytes(b"%%PDF-1.5 film %d\n" % film + bytes([film]) * size)
    return Document(path=path, document_format="application/pdf", film=film, copy=copy, width_mm=355.6, height_mm=431.8)


def film_session(folder: Path, films: int, *, copies: int = 1) -> FilmSession:
    """As many films of one 8-bit image each; its pixels tell which film it is."""
    boxes = []
    for film in range(1, films + 1):
        (folder / f"image-{film}").write_bytes(bytes([film]) * 64 * 64)
        image = Image(
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            Rows=64,
            Columns=64,
            BitsAllocated=8,
            BitsStored=8,
            HighBit=7,
            pixels=PixelReference(file=f"image-{film}", offset=0, length=64 * 64),
        )
        box = ImageBox(ImageBoxPosition=1, image=image)
        boxes.append(FilmBox(ImageDisplayFormat="STANDARD\\1,1", image_boxes=(box,), FilmSizeID="14INX17IN"))
    return FilmSession(film_boxes=tuple(boxes), NumberOfCopies=copies, collated=copies > 1, MediumType="BLUE FILM")


@dataclass
class Harness:
    """One device of one scheme with a printer behind it that has `fault`."""

    scheme: str
    folder: Path
    fault: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    printer: Any = None
    target: str = ""

    def __post_init__(self) -> None:
        self.work = self.folder / "work"
        self.work.mkdir(exist_ok=True)
        self.printer = self._printer()
        self.target = self.target or self._uri("127.0.0.1", self.printer.port if self.printer else 0)
        self.device = self.open(self.target)

    def _printer(self) -> Any:
        if self.scheme == "ipp" and self.fault in MEDIA_FAULTS:
            return IppPrinter(loaded=[(20320, 25400)] if self.fault == "wrong-size" else [])
        if self.scheme == "dicom" and self.fault in ("garbage", "flood", "mute"):
            return Babbler(self.fault)
        fault = MEDIA_FAULTS.get(self.fault, self.fault) if self.scheme == "dicom" else self.fault
        kinds = {"socket": SocketPrinter, "lpd": LpdPrinter, "ipp": IppPrinter, "dicom": FaultImager}
        return kinds[self.scheme](fault) if self.scheme in kinds else None

    def _uri(self, host: str, port: int) -> str:
        return {
            "folder": f"folder:{self.folder}/printed",
            "socket": f"socket://{host}:{port}",
            "lpd": f"lpd://{host}:{port}/film",
            "ipp": f"ipp://{host}:{port}/ipp/print",
            "dicom": f"dicom://IMAGER@{host}:{port}",
        }[self.scheme]

    def elsewhere(self, host: str, port: int) -> Device:
        """The same kind of device at another address."""
        return self.open(self._uri(host, port))

    def open(self, uri: str) -> Device:
        return open_device(uri, options=replace(QUICK, folder_roots=(self.folder,), **self.options))

    def request(self, films: int = 1, *, copies: int = 1, **more: Any) -> SendRequest:
        documents = [
            document(self.work, film, copy=copy) for copy in range(1, copies + 1) for film in range(1, films + 1)
        ]
        session = film_session(self.work, films, copies=copies)
        values: dict[str, Any] = {"job_name": "job-7", "originator": "CT1", **more}
        return SendRequest(documents=documents, session=session, folder=self.work, **values)

    def printed(self) -> list[int]:
        """The numbers of the films that came out, in order (for a folder: of its names)."""
        if self.scheme == "folder":
            files = sorted((self.folder / "printed").glob("*.pdf"), key=lambda path: path.stat().st_mtime_ns)
            return [_film_of(path.read_bytes()) for path in files]
        if self.scheme == "dicom":
            return [images[0].BasicGrayscaleImageSequence[0].PixelData[0] for images in self.printer.printed]
        return [_film_of(data) for data in self.printer.printed]

    def eventually_printed(self, films: list[int]) -> list[int]:
        """As `printed`, after time for the printer to read what it has in its buffers."""
        end = time.monotonic() + 2
        while self.printed() != films and time.monotonic() < end:
            time.sleep(0.01)
        return self.printed()

    def stop(self) -> None:
        if self.printer is not None:
            with suppress(OSError):
                self.printer.stop()


def _film_of(data: bytes) -> int:
    """The film a whole document is of; a piece of one is none."""
    head, body = data.split(b"\n", 1)
    assert body == body[:1] * 100_000, "a document came out that is not whole"
    return int(head.split()[-1])


MakeHarness = Callable[..., Harness]
