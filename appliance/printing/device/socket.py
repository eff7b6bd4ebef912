"""``socket://host:9100``: bytes into a TCP port, one connection a document.

There is no answer, so the most that can be known is that the printer's side took every byte and closed in good order
after we did: the document is queued in the device.
"""

from __future__ import annotations

import time
from contextlib import closing

from appliance.printing.device.address import Endpoint, Route, UnreachableError, split_uri
from appliance.printing.device.delivery import CanceledError, Delivery, describe, failure
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
from appliance.printing.device.wire import TICK, Wire
from appliance.store.files import failpoint
from appliance.words import say

DEFAULT_PORT = 9100


class SocketDevice:
    """A printer behind a raw port."""

    def __init__(self, uri: str, options: DeviceOptions) -> None:
        _, self.endpoint = split_uri(uri, DEFAULT_PORT)
        self.options = options
        self.name = say("Printer at %(endpoint)s", endpoint=self.endpoint)

    def send(self, request: SendRequest, progress: Progress) -> SendResult:
        """Send each document over a connection of its own; DONE means queued in the device."""
        delivery = Delivery(request, progress)
        try:
            route = Route(self.endpoint, self.options)
            for number, document in enumerate(delivery.documents):
                wire = connect(route, delivery, self.options, patient=number > 0)
                self._send_document(wire, document, delivery)
        except (OSError, CanceledError) as error:
            return failure(error, delivery, self.name)
        return queued(delivery, f"FIN after FIN from {self.endpoint}")

    def _send_document(self, wire: Wire, document: Document, delivery: Delivery) -> None:
        try:
            for chunk in delivery.chunks(document.path):
                wire.send(chunk)
            wire.finish(self.options.close_deadline)
            failpoint("device.closed")
        finally:
            wire.close(clean=delivery.document_left)
        delivery.document_done()

    def ask(self, request: SendRequest) -> SendResult:
        """A raw port can't say what came out of it."""
        return unknown(request, self.name)

    def status(self) -> DeviceStatus:
        """Whether it takes a connection; it says no more."""
        return reachable(self.endpoint, self.options)

    def check(self) -> list[Finding]:
        """Whether its name resolves, its address is allowed, and it takes a connection."""
        return check_connection(self.endpoint, self.options)


def connect(route: Route, delivery: Delivery, options: DeviceOptions, *, patient: bool, drain: bool = True) -> Wire:
    """A connection for the next document.

    Many printers take one connection at a time and refuse while they print: `patient` waits for the busy deadline.
    """
    end = time.monotonic() + (options.busy_deadline if patient else 0)
    while True:
        delivery.check_canceled()
        try:
            connection = route.connect()
            return Wire(connection, stall_deadline=options.stall_deadline, idle=delivery.check_canceled, drain=drain)
        except UnreachableError:
            if time.monotonic() >= end:
                raise
            time.sleep(TICK)


def queued(delivery: Delivery, evidence: str) -> SendResult:
    """All was taken by a device that can't tell when it came out."""
    return SendResult(
        outcome=SendOutcome.DONE,
        job_state_reasons=("queued-in-device",),
        message=say("The printer took all of it."),
        evidence=evidence,
        documents_done=delivery.documents_done,
    )


def unknown(request: SendRequest, printer: str) -> SendResult:
    """The answer to `ask` of a device that can't be asked."""
    return SendResult(
        outcome=SendOutcome.UNCERTAIN,
        job_state_reasons=("submission-interrupted",),
        message=say(
            "%(printer)s can't be asked what came out: look at it, then print again or call it done.", printer=printer
        ),
        documents_done=request.skip_documents,
    )


def reachable(endpoint: Endpoint, options: DeviceOptions) -> DeviceStatus:
    """The state of a device of which only its port can be seen."""
    try:
        with closing(Route(endpoint, options, options.probe_deadline / 5).connect()):
            return DeviceStatus(printer_state="idle")
    except OSError as error:
        return DeviceStatus(
            printer_state="unknown", printer_state_reasons=("connecting-to-device",), message=describe(error)
        )


def check_connection(endpoint: Endpoint, options: DeviceOptions) -> list[Finding]:
    """The first two steps of each network device's check."""
    what = say("finds %(host)s", host=endpoint.host)
    try:
        route = Route(endpoint, options, options.probe_deadline / 5)
    except OSError as error:
        return [
            Finding(ok=False, what=what, advice=say("%(why)s. Correct the printer's address.", why=describe(error)))
        ]
    addresses = ", ".join(str(address[0]) for _, address in route.addresses)
    found = Finding(ok=True, what=say("finds %(host)s (%(addresses)s)", host=endpoint.host, addresses=addresses))
    what = say("connects to %(host)s port %(port)s", host=endpoint.host, port=endpoint.port)
    try:
        route.connect().close()
    except OSError as error:
        advice = say(
            "%(why)s. Is it switched on, is the port right, does a firewall stand between?", why=describe(error)
        )
        return [found, Finding(ok=False, what=what, advice=advice)]
    return [found, Finding(ok=True, what=what)]
