"""Where a printer typed on the page may lie: nothing this machine alone can reach, no scheme but a printer's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from appliance.errors import UsageError
from appliance.folders import folder_uri
from appliance.printing import printer_verbs, sending
from appliance.printing.device.address import ForbiddenAddressError, UnreachableError, resolve, split_uri
from appliance.printing.device.options import device_options
from appliance.printing.printers import Printer
from appliance.store.store import Store
from appliance.words import say

PORTS = {"ipp": 631, "ipps": 631, "socket": 9100, "lpd": 515, "dicom": 104, "dicoms": 2762}
LOOK_UP_SECONDS = 3.0


def uri_of(form: Any) -> str:
    """The device URI of what was typed by kind. Raises UsageError naming the field."""
    kind, host, path = form.kind.data, form.host.data or "", form.path.data or ""
    if kind == "folder":
        return folder_uri(path)
    if not host:
        raise UsageError(say("Type the printer's address: a name or an IP address."), field="host")
    if any(mark in host for mark in "/@?# "):
        raise UsageError(say("Type the address alone, such as 192.0.2.7 or printer.example."), field="host")
    place = f"[{host}]" if ":" in host and not host.startswith("[") else host
    where = f"{place}:{form.port.data or PORTS[kind]}"
    if kind == "dicom":
        return f"dicom://{quote(form.ae_title.data or '')}@{where}"
    if kind == "ipp":
        scheme = "ipps" if form.tls.data else "ipp"
        return f"{scheme}://{where}/{quote(path.strip('/') or 'ipp/print')}"
    return f"lpd://{where}/{quote(path.strip('/'))}" if kind == "lpd" else f"socket://{where}"


def checked(store: Store, printer: Printer) -> Printer:
    """The printer as the page may store it. Raises UsageError when it lies where the page may not reach.

    A name that does not resolve now is no fault: the printer may be off. What it resolves to later is looked at again
    on every connection, for the printer is stored with loopback forbidden.
    """
    printer_verbs.check_printer(printer)
    scheme = printer.device_uri.partition(":")[0].lower()
    if scheme != "folder" and not store.settings.web.loopback_devices:
        options = {**printer.settings.device_options, "allow_loopback": False}
        settings = printer.settings.model_copy(update={"device_options": options})
        printer = replace(printer, settings=settings)
        _refuse_forbidden(printer.device_uri, scheme)
    sending.device_of(store, printer)
    return printer


def _refuse_forbidden(device_uri: str, scheme: str) -> None:
    _, endpoint = split_uri(device_uri, PORTS.get(scheme, 1))
    try:
        resolve(endpoint, device_options({"allow_loopback": False}), LOOK_UP_SECONDS)
    except ForbiddenAddressError as error:
        why = say("%(why)s. See the setting web.loopback_devices.", why=str(error))
        raise UsageError(why, field="device_uri") from None
    except UnreachableError:
        pass
