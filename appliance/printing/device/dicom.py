"""``dicom://AE@host:port``, ``dicoms:`` over TLS: a film imager, told of the film as the modality told us.

Nothing comes out before N-ACTION is asked for, so all that breaks earlier is tried again; no answer to N-ACTION is
uncertain.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import unquote

from pydicom.dataset import Dataset

from appliance.errors import DeviceError, UsageError
from appliance.network.limits import DEFAULT_LIMITS, Limits
from appliance.network.print_scu import PRINT_JOB, Patience, PrintClient, PrintEvent, PrintRefusedError, printing
from appliance.network.requestor import NoAssociationError, Peer
from appliance.network.tls import client_context
from appliance.printing.device.address import ForbiddenAddressError, Route, UnreachableError, split_uri
from appliance.printing.device.delivery import CanceledError, Delivery, canceled, describe, failure, shown
from appliance.printing.device.film_printing import QUEUE_FULL, FilmPrinting, SheetRefusedError
from appliance.printing.device.options import DeviceOptions
from appliance.printing.device.outcome import (
    DeviceStatus,
    Finding,
    Progress,
    SendOutcome,
    SendRequest,
    SendResult,
)
from appliance.printing.device.socket import check_connection, unknown
from appliance.store.files import failpoint
from appliance.words import say

DEFAULT_PORTS = {"dicom": 104, "dicoms": 2762}

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

# PS3.4 Table H.4-17: event types of a print job
JOB_EVENTS = {1: "PENDING", 2: "PRINTING", 3: "DONE", 4: "FAILURE"}


class RejectedError(ForbiddenAddressError):
    """The imager wants no association with us, and won't by itself."""


class DicomDevice:
    """A film imager."""

    def __init__(self, uri: str, options: DeviceOptions) -> None:
        scheme = uri.partition(":")[0].lower()
        parts, self.endpoint = split_uri(uri, DEFAULT_PORTS[scheme])
        self.ae_title = unquote(parts.username or "").strip()
        if not 0 < len(self.ae_title) <= 16 or not self.ae_title.isascii() or "\\" in self.ae_title:
            raise UsageError(
                say("%(uri)s names no AE title; give %(scheme)s://AE@HOST:PORT", uri=uri, scheme=scheme),
                field="device_uri",
            )
        self.options = options
        self.tls = _tls(options) if scheme == "dicoms" else None
        self.name = say("Imager %(ae_title)s at %(endpoint)s", ae_title=self.ae_title, endpoint=self.endpoint)

    # ------------------------------------------------------------------------------------------------- sending

    def send(self, request: SendRequest, progress: Progress) -> SendResult:
        """Pass the films on; DONE means the imager took each one (and printed it, where it tells)."""
        delivery = Delivery(request, progress)
        session = request.session
        if session is None or request.folder is None:
            message = say("%(name)s prints film boxes; this job has none. Move it to another printer.", name=self.name)
            return SendResult(outcome=SendOutcome.HOLD, message=message, rest_untouched=True)
        try:
            events: dict[str, str] = {}
            with self._conversation(self.options, color=session.color, events=events) as imager:
                self._check_ready(imager)
                films = FilmPrinting(imager, delivery, session, request.folder, self.options, events)
                evidence = films.print_all()
            failpoint("device.closed")
        except (PrintRefusedError, SheetRefusedError) as error:
            return self._refused(error, delivery)
        except CanceledError:
            return canceled(delivery, self.name)
        except (OSError, DeviceError) as error:
            return failure(error, delivery, self.name)
        return self._done(delivery, imager, evidence)

    @contextmanager
    def _conversation(
        self, options: DeviceOptions, *, color: bool = False, events: dict[str, str]
    ) -> Iterator[PrintClient]:
        """An association; what it tells of print jobs goes into `events`.

        Raises UnreachableError when there is none, RejectedError when the imager wants none.
        """

        def note(event: PrintEvent) -> None:
            if event.sop_class == PRINT_JOB:
                events[event.sop_instance] = JOB_EVENTS.get(event.event_type, "")

        route = Route(self.endpoint, options)
        peer = Peer(
            host=self.endpoint.host,
            port=self.endpoint.port,
            addresses=tuple(address for _, address in route.addresses),
            called=self.ae_title,
            calling=options.calling_ae_title,
            tls=self.tls,
        )
        patience = Patience(request=options.stall_deadline, printing=options.close_deadline)
        failpoint("device.connect")
        try:
            with printing(peer, color=color, on_event=note, limits=_limits(options), patience=patience) as imager:
                yield imager
        except NoAssociationError as error:
            raise (RejectedError if error.permanent else UnreachableError)(str(error)) from None

    def _check_ready(self, imager: PrintClient) -> None:
        """Raises OSError when the imager says of itself that it can't print."""
        try:
            state = imager.printer()
        except PrintRefusedError:
            return
        if state.get("PrinterStatus") == "FAILURE":
            raise OSError(
                say(
                    "the imager reports FAILURE: %(why)s",
                    why=shown(state.get("PrinterStatusInfo", "")),
                )
            )

    def _refused(self, error: PrintRefusedError | SheetRefusedError, delivery: Delivery) -> SendResult:
        """It said no, so nothing of this film came out."""
        retry = isinstance(error, PrintRefusedError) and error.status in QUEUE_FULL
        advice = (
            say("It will be tried again.")
            if retry
            else say("Load what it needs or correct its settings, then release the job.")
        )
        return SendResult(
            outcome=SendOutcome.RETRY if retry else SendOutcome.HOLD,
            job_state_reasons=("media-needed",) if isinstance(error, SheetRefusedError) else (),
            message=f"{self.name}: {describe(error)}.{delivery.part_done()} {advice}",
            documents_done=delivery.documents_done,
            rest_untouched=True,
        )

    def _done(self, delivery: Delivery, imager: PrintClient, evidence: list[str]) -> SendResult:
        printed = all(state == "DONE" for state in evidence) and bool(evidence)
        told = (f"{warning.what}: warning {warning.status:04X}H {warning.comment}" for warning in imager.warnings)
        warnings = "; ".join(dict.fromkeys(shown(text) for text in told))
        return SendResult(
            outcome=SendOutcome.DONE,
            job_state_reasons=("job-completed-successfully" if printed else "queued-in-device",),
            message=say("The imager warned: %(warnings)s.", warnings=warnings) if warnings else "",
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
        except (OSError, DeviceError) as error:
            return DeviceStatus(
                printer_state="unknown", printer_state_reasons=("connecting-to-device",), message=describe(error)
            )
        return imager_status(state)

    def _printer_state(self) -> Dataset:
        deadline = self.options.probe_deadline / 5
        options = replace(self.options, stall_deadline=deadline, connect_deadline=deadline)
        with self._conversation(options, events={}) as imager:
            return imager.printer()

    def check(self) -> list[Finding]:
        """Whether it is reached, takes an association for print, and tells its state."""
        findings = check_connection(self.endpoint, self.options)
        if not all(finding.ok for finding in findings):
            return findings
        what = say(
            "takes films as %(ae_title)s from %(calling_ae_title)s",
            ae_title=self.ae_title,
            calling_ae_title=self.options.calling_ae_title,
        )
        try:
            state = imager_status(self._printer_state())
        except (OSError, DeviceError) as error:
            advice = say("%(why)s. Is the AE title right, and does the imager know ours?", why=describe(error))
            return [*findings, Finding(ok=False, what=what, advice=advice)]
        ready = state.printer_state != "stopped"
        told = (
            ""
            if ready
            else say("It reports: %(message)s.", message=state.message or ", ".join(state.printer_state_reasons))
        )
        return [*findings, Finding(ok=True, what=what), Finding(ok=ready, what=say("is ready to print"), advice=told)]


def _limits(options: DeviceOptions) -> Limits:
    return replace(
        DEFAULT_LIMITS,
        connect_timeout=options.connect_deadline,
        send_timeout=options.stall_deadline,
        user_timeout=options.stall_deadline,
    )


def _tls(options: DeviceOptions) -> ssl.SSLContext:
    """Raises SettingError naming the file that can't be used."""
    return client_context(
        options.tls_ca_file,
        options.tls_certificate_file,
        options.tls_key_file,
        check_hostname=options.tls_verify,
    )


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
