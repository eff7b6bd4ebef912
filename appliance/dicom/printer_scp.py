"""N-GET of Printer, Print Job and Printer Configuration (PS3.4 H.4.5, H.4.6, H.4.11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset

from appliance.dicom.answering import ATTRIBUTE_LIST_WARNING, NO_SUCH_INSTANCE, Answer, StatusError
from appliance.dicom.capabilities import Capabilities
from appliance.dicom.print_classes import CONFIGURATION_INSTANCE, PRINTER_INSTANCE
from appliance.dicom.printer_configuration import printer_configuration
from appliance.dicom.requests import Request
from appliance.errors import NotFoundError
from appliance.jobs.priorities import NAMES
from appliance.printing.desk import PrintDesk
from appliance.printing.printer_verbs import get_printer as find_printer
from appliance.printing.printers import Printer
from appliance.printing.status import execution_status, printer_status
from appliance.security.peers import Peer
from appliance.store import print_jobs
from appliance.store.store import Store

MANUFACTURER = "Appliance"
MODEL = "Print and disc appliance"

# Section H.4.6.1.1
PRINTER_ATTRIBUTES: dict[str, Callable[[Printer, tuple[str, str]], str]] = {
    "PrinterStatus": lambda printer, status: status[0],
    "PrinterStatusInfo": lambda printer, status: status[1],
    "PrinterName": lambda printer, status: printer.name,
    "Manufacturer": lambda printer, status: MANUFACTURER,
    "ManufacturerModelName": lambda printer, status: MODEL,
    "SoftwareVersions": lambda printer, status: software_version(),
}


def software_version() -> str:
    from appliance import __version__

    return __version__


def status_of_printer(store: Store, name: str, peer: Peer) -> tuple[str, str]:
    """(Printer Status, Printer Status Info) as `peer` is told; a printer that was removed has failed."""
    try:
        printer = find_printer(store, name)
    except NotFoundError:
        return "FAILURE", "PRINTER DOWN"
    return printer_status(printer, peer.printer_status, refusing=not store.has_room())


def get_printer(store: Store, desk: PrintDesk, request: Request) -> Answer:
    """All attributes, or those asked for; unknown ones are named in a warning beside the rest."""
    if request.instance != PRINTER_INSTANCE:
        raise StatusError(NO_SUCH_INSTANCE, "the printer's instance is 1.2.840.10008.5.1.1.17")
    status = status_of_printer(store, desk.printer.name, desk.peer)
    return _chosen({k: value(desk.printer, status) for k, value in PRINTER_ATTRIBUTES.items()}, request)


def status_of_job(job: print_jobs.Job, peer: Peer) -> tuple[str, str]:
    """(Execution Status, Execution Status Info) of a print job as `peer` is told."""
    return execution_status(job.job_state, job.job_state_reasons, peer.done_when)


def get_print_job(store: Store, peer: Peer, request: Request) -> Answer:
    """A print job's state, also from another association than the one that made it."""
    with store.database.read() as connection:
        job = print_jobs.by_print_job_uid(connection, request.instance) if request.instance else None
    if job is None:
        raise StatusError(NO_SUCH_INSTANCE, "there is no such print job")
    status, info = status_of_job(job, peer)
    created = job.created.astimezone()  # a DA and a TM without an offset are local
    values = {
        "ExecutionStatus": status,
        "ExecutionStatusInfo": info,
        "PrintPriority": NAMES.get(job.priority, "MED"),
        "CreationDate": created.strftime("%Y%m%d"),
        "CreationTime": created.strftime("%H%M%S"),
        "PrinterName": job.printer,
        "Originator": job.originator,
    }
    return _chosen(values, request)


def get_configuration(desk: PrintDesk, can: Capabilities, request: Request) -> Answer:
    """What the printer offers (PS3.4 H.4.11)."""
    if request.instance != CONFIGURATION_INSTANCE:
        raise StatusError(NO_SUCH_INSTANCE, "the configuration's instance is 1.2.840.10008.5.1.1.17.376")
    return _chosen({"PrinterConfigurationSequence": printer_configuration(desk, can)}, request)


def _chosen(values: Mapping[str, Any], request: Request) -> Answer:
    asked = [keyword_for_tag(tag) or str(tag) for tag in request.attributes]
    known = [keyword for keyword in asked if keyword in values] if asked else list(values)
    reply = Dataset()
    for keyword in known:
        setattr(reply, keyword, values[keyword])
    unknown = [tag for tag in request.attributes if keyword_for_tag(tag) not in values]
    if not unknown:
        return Answer(dataset=reply)
    return Answer(
        status=ATTRIBUTE_LIST_WARNING,
        dataset=reply,
        comment="attributes not known here",
        tags=tuple(unknown),
    )
