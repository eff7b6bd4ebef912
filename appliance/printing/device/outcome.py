"""What every device answers: the result of a send, its state, and the check before use.

A device turns whole documents into sheets. It knows no database; the worker acts on its answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from appliance.film.boxes import FilmSession


class SendOutcome(Enum):
    """How a send ended (CUPS back ends have the same idea)."""

    DONE = "done"  # with evidence; see SendResult.reasons for how far it goes
    RETRY = "retry"  # nothing left here beyond documents_done: safe to try again, skipping those
    HOLD = "hold"  # this job needs a person (e.g. media-needed); others may go on
    STOP_PRINTER = "stop-printer"  # the device needs a person
    CANCEL = "cancel"  # the device refuses this document for good
    UNCERTAIN = "uncertain"  # stopped while bytes were leaving: never sent again by itself


@dataclass(frozen=True, kw_only=True)
class SendResult:
    """The result of one send."""

    outcome: SendOutcome
    job_state_reasons: tuple[str, ...] = ()  # IPP keywords, e.g. queued-in-device, media-needed
    message: str = ""  # what happened and what to do next
    evidence: str = ""  # e.g. "ipp job 42 completed", "FIN after FIN"
    documents_done: int = 0  # how many of the request's documents, from the first, surely came out or are queued there
    asked: bool = False  # the worker's own mark: the answer to `ask`, not to `send`
    blameless: bool = False  # the worker's own mark: the device did not fail, so RETRY is no matter of its error policy
    rest_untouched: bool = False  # the others surely did not: a send with skip_documents=documents_done prints the rest


@dataclass(frozen=True, kw_only=True)
class MediaChoice:
    """The medium a job wants, in the printer's own terms."""

    media_type: str | None = None  # IPP media-type
    media_source: str | None = None  # IPP media-source: the tray
    media: str | None = None  # IPP media size name, when the printer must be told by name
    output_bin: str | None = None  # IPP output-bin
    x_dimension: int = 0  # hundredths of mm, portrait
    y_dimension: int = 0


def never() -> bool:
    """A job nobody cancels."""
    return False


@dataclass(frozen=True, kw_only=True)
class Document:
    """One composed film on disk."""

    path: Path
    document_format: str  # application/pdf, application/postscript
    film: int  # number of the film in its job, from 1
    copy: int = 1  # number of the copy, from 1
    width_mm: float  # of the sheet as the page is (after orientation)
    height_mm: float
    resolution: int = 0  # dpi of its raster, told to a printer that has it; 0: not told
    media: MediaChoice | None = None  # where films of one job differ; None: the request's


@dataclass(frozen=True, kw_only=True)
class SendRequest:
    """All a device needs to print one job.

    A device that can tell (``folder:``, ``ipp:``) sends no document twice under one job name, so RETRY is safe there
    even after some documents came out. Printing again what came out already needs another job name.
    """

    job_name: str  # unique and stable over attempts: a device asks for it after an interruption
    documents: Sequence[Document]  # in printing order; copies are spelled out (1 2 3 1 2 3)
    media: MediaChoice = field(default_factory=MediaChoice)
    session: FilmSession | None = None  # the film boxes themselves, for devices that want them (dicom:)
    folder: Path | None = None  # where the session's image box files lie
    originator: str = ""  # calling AE title or user
    skip_documents: int = 0  # so many of `documents` came out at an earlier attempt and are not sent again
    attempted_at: float | None = None  # the moment (clock.now) when the interrupted attempt began; for `ask`
    is_canceled: Callable[[], bool] = never  # looked at between pieces: True stops the send


def document_name(request: SendRequest, document: Document) -> str:
    """The name of one document at the device: ``<job>-NN``, further copies ``<job>-NN-cM``."""
    name = f"{request.job_name}-{document.film:02d}"
    return name if document.copy == 1 else f"{name}-c{document.copy}"


Progress = Callable[[int, int], None]
"""Called with (bytes sent, bytes in all). The first call with more than 0 bytes comes just before the first byte
leaves. What it raises goes through the device to the caller."""


@dataclass(frozen=True, kw_only=True)
class Supply:
    """One supply of a device."""

    name: str
    level: int  # percent, -1 unknown


@dataclass(frozen=True, kw_only=True)
class DeviceStatus:
    """A device's own state, in IPP keywords."""

    printer_state: str = "idle"  # idle, processing, stopped, unknown
    printer_state_reasons: tuple[str, ...] = ()  # e.g. media-empty, media-low, cover-open, offline
    message: str = ""
    supplies: tuple[Supply, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of a printer check."""

    ok: bool
    what: str  # what was tried, e.g. "connects to 192.0.2.7 port 631"
    advice: str = ""  # what to do when not ok


class Device(Protocol):
    """One way to reach a printer, made from its URI."""

    def send(self, request: SendRequest, progress: Progress) -> SendResult:
        """Print the request's documents once; never raises for what the device or network did."""

    def ask(self, request: SendRequest) -> SendResult:
        """After an interruption: did it print? UNCERTAIN where the device can't say, RETRY where it surely did not."""

    def status(self) -> DeviceStatus:
        """The device's state now; bounded in time."""

    def check(self) -> list[Finding]:
        """Why a job would fail here, step by step: for the admin who adds it."""
