"""``dicom://AE@host:port``: a film imager, told of the film as the modality told us.

Nothing comes out before N-ACTION is asked for, so all that breaks earlier is tried again; no answer to N-ACTION is
uncertain. A film the imager can't take in parts (its layout, its pixels' depth, its texts) goes as one composed raster
of P-values on STANDARD\\1,1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydicom.dataset import Dataset
from pydicom.uid import UID

from appliance.errors import UsageError
from appliance.film.boxes import FilmBox, FilmSession, PresentationLUT
from appliance.printing.device import imager_data as data
from appliance.printing.device.address import Route, split_uri
from appliance.printing.device.delivery import (
    CanceledError,
    Delivery,
    InterruptedTransferError,
    canceled,
    describe,
    failure,
    shown,
)
from appliance.printing.device.imager import Imager, ImagerRefusedError, conversation
from appliance.printing.device.options import DeviceOptions
from appliance.printing.device.outcome import (
    DeviceStatus,
    Document,
    Finding,
    Progress,
    SendOutcome,
    SendRequest,
    SendResult,
)
from appliance.printing.device.socket import check_connection, unknown
from appliance.store.files import failpoint

DEFAULT_PORT = 104

# PS3.3 C.13.9.1: Printer Status Info -> IPP printer-state-reasons; EMPTY and LOW of a size go by their first word
REASONS = {
    "SUPPLY EMPTY": "media-empty",
    "EMPTY": "media-empty",
    "SUPPLY LOW": "media-low",
    "LOW": "media-low",
    "NO SUPPLY MGZ": "input-tray-missing",
    "BAD SUPPLY MGZ": "input-tray-missing",
    "REQ MED NOT INST": "media-needed",
    "REQ MED NOT AVAI": "media-needed",
    "FILM JAM": "media-jam",
    "FILM TRANSP ERR": "media-jam",
    "COVER OPEN": "cover-open",
    "RECEIVER FULL": "output-area-full",
    "NO RECEIVE MGZ": "output-tray-missing",
    "PRINT BUFF FULL": "spool-area-full",
    "PRINTER OFFLINE": "offline",
    "PRINTER DOWN": "shutdown",
    "CHEMICALS LOW": "developer-low",
    "CHEMICALS EMPTY": "developer-empty",
}
STATES = {"NORMAL": "idle", "WARNING": "idle", "FAILURE": "stopped"}

QUEUE_FULL = (0xC601, 0xC602, 0x0213, 0xC605)
ANOTHER_WAY = (0x0105, 0x0106, 0x0115, 0x0120, 0x0121, 0xC603, 0xC613, 0xC605)  # a composed raster may be taken
NOTHING_PRINTED = 0xB603


class SizeRefusedError(Exception):
    """The imager would print on another sheet than asked for."""


class DicomDevice:
    """A film imager."""

    def __init__(self, uri: str, options: DeviceOptions) -> None:
        parts, self.endpoint = split_uri(uri, DEFAULT_PORT)
        self.ae_title = unquote(parts.username or "").strip()
        if not 0 < len(self.ae_title) <= 16 or not self.ae_title.isascii() or "\\" in self.ae_title:
            raise UsageError(f"{uri} names no AE title; give dicom://AE@HOST:PORT", field="device_uri")
        self.options = options
        self.name = f"Imager {self.ae_title} at {self.endpoint}"

    # ------------------------------------------------------------------------------------------------- sending

    def send(self, request: SendRequest, progress: Progress) -> SendResult:
        """Pass the films on; DONE means the imager took each one (and printed it, where it tells)."""
        delivery = Delivery(request, progress)
        session = request.session
        if session is None or request.folder is None:
            message = f"{self.name} prints film boxes; this job has none. Move it to another printer."
            return SendResult(outcome=SendOutcome.HOLD, message=message, rest_untouched=True)
        try:
            with conversation(self._route(), self.ae_title, meta_of(session), self.options) as imager:
                self._check_ready(imager)
                evidence = FilmPrinting(imager, delivery, session, request.folder, self.options).print_all()
            failpoint("device.closed")
        except (ImagerRefusedError, SizeRefusedError) as error:
            return self._refused(error, delivery)
        except CanceledError:
            return canceled(delivery, self.name)
        except OSError as error:
            return failure(error, delivery, self.name)
        return self._done(delivery, imager, evidence)

    def _route(self, deadline: float | None = None) -> Route:
        return Route(self.endpoint, self.options, deadline)

    def _check_ready(self, imager: Imager) -> None:
        """Raises OSError when the imager says of itself that it can't print."""
        try:
            state = imager.get(data.PRINTER, data.PRINTER_INSTANCE)
        except ImagerRefusedError:
            return
        if state.get("PrinterStatus") == "FAILURE":
            raise OSError(f"the imager reports FAILURE: {shown(state.get('PrinterStatusInfo', ''))}")

    def _refused(self, error: ImagerRefusedError | SizeRefusedError, delivery: Delivery) -> SendResult:
        """It said no, so nothing of this film came out."""
        retry = isinstance(error, ImagerRefusedError) and error.status in QUEUE_FULL
        advice = (
            "It will be tried again." if retry else "Load what it needs or correct its settings, then release the job."
        )
        return SendResult(
            outcome=SendOutcome.RETRY if retry else SendOutcome.HOLD,
            job_state_reasons=() if retry else ("media-needed",) if _of_media(error) else (),
            message=f"{self.name}: {describe(error)}.{delivery.part_done()} {advice}",
            documents_done=delivery.documents_done,
            rest_untouched=True,
        )

    def _done(self, delivery: Delivery, imager: Imager, evidence: list[str]) -> SendResult:
        printed = all(state == "DONE" for state in evidence) and bool(evidence)
        warnings = "; ".join(dict.fromkeys(imager.warnings))
        return SendResult(
            outcome=SendOutcome.DONE,
            job_state_reasons=("job-completed-successfully" if printed else "queued-in-device",),
            message=f"The imager warned: {warnings}." if warnings else "",
            evidence=f"N-ACTION answered{', print job DONE' if printed else ''} by {self.ae_title}",
            documents_done=delivery.documents_done,
        )

    def ask(self, request: SendRequest) -> SendResult:
        """An imager can't be asked about films of another association."""
        return unknown(request, self.name)

    # ------------------------------------------------------------------------------------------ state and check

    def status(self) -> DeviceStatus:
        """Printer Status and Printer Status Info as IPP keywords."""
        try:
            state = self._printer_state()
        except (OSError, ImagerRefusedError) as error:
            return DeviceStatus(
                printer_state="unknown", printer_state_reasons=("connecting-to-device",), message=describe(error)
            )
        return imager_status(state)

    def _printer_state(self) -> Dataset:
        deadline = self.options.probe_deadline / 5
        options = replace(self.options, stall_deadline=deadline)
        meta = data.BASIC_GRAYSCALE_META
        with conversation(self._route(deadline), self.ae_title, meta, options, deadline=deadline) as imager:
            return imager.get(data.PRINTER, data.PRINTER_INSTANCE)

    def check(self) -> list[Finding]:
        """Whether it is reached, takes an association for print, and tells its state."""
        findings = check_connection(self.endpoint, self.options)
        if not all(finding.ok for finding in findings):
            return findings
        what = f"takes films as {self.ae_title} from {self.options.calling_ae_title}"
        try:
            state = imager_status(self._printer_state())
        except (OSError, ImagerRefusedError) as error:
            advice = f"{describe(error)}. Is the AE title right, and does the imager know ours?"
            return [*findings, Finding(ok=False, what=what, advice=advice)]
        ready = state.printer_state != "stopped"
        advice = "" if ready else f"It reports: {state.message or ', '.join(state.printer_state_reasons)}."
        return [*findings, Finding(ok=True, what=what), Finding(ok=ready, what="is ready to print", advice=advice)]


def meta_of(session: FilmSession) -> UID:
    """The Meta class a session is printed through."""
    return data.BASIC_COLOR_META if session.color else data.BASIC_GRAYSCALE_META


def imager_status(state: Dataset) -> DeviceStatus:
    """Printer N-GET as a device's state."""
    info = shown(state.get("PrinterStatusInfo", ""), 16)
    reason = REASONS.get(info) or REASONS.get(info.split(" ")[0] if info else "")
    normal = info in ("", "NORMAL")
    return DeviceStatus(
        printer_state=STATES.get(str(state.get("PrinterStatus", "")), "unknown"),
        printer_state_reasons=() if normal else (reason or "other",),
        message="" if normal else info,
    )


def _of_media(error: Exception) -> bool:
    return isinstance(error, SizeRefusedError) or (isinstance(error, ImagerRefusedError) and error.of_media)


class FilmPrinting:
    """One session printed over one association."""

    def __init__(
        self, imager: Imager, delivery: Delivery, session: FilmSession, folder: Path, options: DeviceOptions
    ) -> None:
        self.imager = imager
        self.delivery = delivery
        self.session = session
        self.folder = folder
        self.options = options
        self.copies = max((document.copy for document in delivery.request.documents), default=session.NumberOfCopies)
        self.box_class = data.BASIC_COLOR_IMAGE_BOX if session.color else data.BASIC_GRAYSCALE_IMAGE_BOX

    def print_all(self) -> list[str]:
        """Print what is still to be printed; what became of each print job, as far as the imager tells."""
        self.session_uid = self._create_session()
        films = range(1, len(self.session.film_boxes) + 1)
        if self.session.collated and self.copies > 1 and len(films) > 1:
            for number in films:
                self._build(number)
            return [self._action(data.BASIC_FILM_SESSION, self.session_uid, self.delivery.documents)]
        states = []
        for number in films:
            documents = [document for document in self.delivery.documents if document.film == number]
            if documents:
                box = self._build(number)
                states.append(self._action(data.BASIC_FILM_BOX, box, documents))
                self.imager.delete(data.BASIC_FILM_BOX, box)
        return states

    def _create_session(self) -> UID:
        request = data.session_data(self.session, self.copies, self.options)
        try:
            uid, answer = self.imager.create(data.BASIC_FILM_SESSION, request)
        except ImagerRefusedError as error:
            error.of_media = "MediumType" in request
            raise
        same_medium(request, answer, "MediumType")
        return uid

    def _build(self, number: int) -> UID:
        """A film box with everything on it: in parts if the imager takes it so, else as a raster of 12 or 8 bits."""
        film = self.session.film_boxes[number - 1]
        ways: list[Callable[[], UID]] = []
        if self._takes_parts(film):
            ways.append(lambda: self._build_parts(film))
        if self.options.compose_raster is not None and not self.session.color:
            ways += [lambda: self._build_raster(number, film, 12), lambda: self._build_raster(number, film, 8)]
        problem: ImagerRefusedError | None = None
        for way in ways:
            self.delivery.check_canceled()
            try:
                return way()
            except ImagerRefusedError as error:
                if error.status not in ANOTHER_WAY:
                    raise
                problem = problem or error
        if problem is None:
            raise SizeRefusedError(f"film {number} can't go as film boxes, and no raster of it can be made")
        problem.of_media = bool(film.FilmSizeID) and "Film Box" in str(problem)
        raise problem

    def _takes_parts(self, film: FilmBox) -> bool:
        """Whether the film can go box by box without losing its pixels, its greys or its texts."""
        plain = (None, data.IDENTITY)
        needs_lut = any(lut not in plain for lut in data.luts_of(film))
        texts = any(box.TextString for box in film.annotation_boxes)
        return (
            all(box.image is None or data.passes(box.image) for box in film.image_boxes)
            and (not needs_lut or data.PRESENTATION_LUT in self.imager.accepted)
            and (not texts or data.BASIC_ANNOTATION_BOX in self.imager.accepted)
        )

    def _create_film(self, film: FilmBox, luts: Mapping[PresentationLUT, UID]) -> tuple[UID, Dataset]:
        request = data.film_data(film, self.session_uid, luts, self.options)
        box, answer = self.imager.create(data.BASIC_FILM_BOX, request)
        try:
            same_medium(request, answer, "FilmSizeID")
            if "ReferencedImageBoxSequence" not in answer:
                raise OSError("the imager named no image boxes")
        except (SizeRefusedError, OSError):
            self.imager.delete(data.BASIC_FILM_BOX, box)
            raise
        return box, answer

    def _create_luts(self, film: FilmBox) -> dict[PresentationLUT, UID]:
        if data.PRESENTATION_LUT not in self.imager.accepted:
            return {}
        return {lut: self.imager.create(data.PRESENTATION_LUT, data.lut_data(lut))[0] for lut in data.luts_of(film)}

    def _build_parts(self, film: FilmBox) -> UID:
        """Film box and image boxes as they came."""
        luts = self._create_luts(film)
        box, answer = self._create_film(film, luts)
        try:
            places = answer.ReferencedImageBoxSequence
            for image_box in film.image_boxes:
                if image_box.image is not None:
                    self._set_image(places, image_box.ImageBoxPosition, self._part(image_box, luts))
            self._set_texts(film, answer)
        except ImagerRefusedError:
            self.imager.delete(data.BASIC_FILM_BOX, box)
            raise
        return box

    def _part(self, image_box: Any, luts: Mapping[PresentationLUT, UID]) -> Dataset:
        return data.image_data(image_box, self.folder, luts, self.options, color=self.session.color)

    def _set_image(self, places: Any, position: int, request: Dataset) -> None:
        if position > len(places):
            raise OSError(f"the imager has {len(places)} image boxes, the film needs {position}")
        self.delivery.check_canceled()
        self.imager.set(self.box_class, places[position - 1].ReferencedSOPInstanceUID, request, pixel_bytes(request))

    def _set_texts(self, film: FilmBox, answer: Dataset) -> None:
        boxes = answer.get("ReferencedBasicAnnotationBoxSequence") or []
        for index, annotation in enumerate(film.annotation_boxes):
            if annotation.TextString and index < len(boxes):
                uid = boxes[index].ReferencedSOPInstanceUID
                self.imager.set(data.BASIC_ANNOTATION_BOX, uid, data.annotation_data(annotation))

    def _build_raster(self, number: int, film: FilmBox, bits: int) -> UID:
        """The whole film as one image of P-values at the imager's printable matrix."""
        assert self.options.compose_raster is not None
        matrix = data.matrix_for(film, self.options)
        raster = self.options.compose_raster(self.session, number, self.folder, matrix)
        whole = data.raster_film(film, magnify=matrix is None)
        box, answer = self._create_film(whole, self._create_luts(whole))
        try:
            self._set_image(answer.ReferencedImageBoxSequence, 1, data.raster_data(raster, bits))
        except ImagerRefusedError:
            self.imager.delete(data.BASIC_FILM_BOX, box)
            raise
        return box

    def _action(self, sop_class: UID, instance: UID, documents: Sequence[Document]) -> str:
        """Ask for the print: from here on it is in doubt until the imager answers. What became of it, if it tells."""
        sizes = [document.path.stat().st_size for document in documents]
        self.delivery.leaving(sum(sizes))
        try:
            job = self.imager.print(sop_class, instance)
        except ImagerRefusedError:
            self.delivery.document_begun = False
            raise
        self.delivery.left(sum(sizes))
        state = self._follow(job)
        if state == "FAILURE":
            raise InterruptedTransferError("it took the film, then reported that printing it failed")
        for _ in documents:
            self.delivery.document_done()
        return state

    def _follow(self, job: UID | None) -> str:
        """The Execution Status a print job ends with; "" when the imager doesn't tell."""
        if job is None or data.PRINT_JOB not in self.imager.accepted:
            return ""
        end = time.monotonic() + self.options.job_deadline
        state = ""
        while state not in ("DONE", "FAILURE") and time.monotonic() < end:
            try:
                state = str(self.imager.get(data.PRINT_JOB, job).get("ExecutionStatus", ""))
            except (ImagerRefusedError, OSError):
                return self.imager.events.get(job, "")
            time.sleep(self.options.poll_interval)
        return state


def same_medium(request: Dataset, answer: Dataset, keyword: str) -> None:
    """Raises SizeRefusedError when the imager put another medium or size in the place of the one asked for."""
    asked, given = request.get(keyword), answer.get(keyword)
    if asked and given and asked != given:
        raise SizeRefusedError(f"it has no {keyword} {shown(asked, 16)} and would take {shown(given, 16)}")


def pixel_bytes(request: Dataset) -> int:
    """How many bytes of pixels an Image Box N-SET carries."""
    items = request.get("BasicGrayscaleImageSequence") or request.get("BasicColorImageSequence") or []
    return sum(len(item.PixelData) for item in items)
