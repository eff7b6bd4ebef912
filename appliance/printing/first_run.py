"""A fresh data folder's one printer, so that a film can be sent at once."""

from __future__ import annotations

from contextlib import suppress

from appliance.errors import ConflictError
from appliance.events import process_actor
from appliance.folders import folder_uri
from appliance.printing.desk import DEFAULT_PRINTER
from appliance.printing.printer_verbs import add_printer, all_printers
from appliance.printing.printers import Printer, PrinterSettings
from appliance.store import secrets
from appliance.store.store import Store


def add_first_printer(store: Store) -> None:
    """Add the printer ``film`` (a folder) to a data folder that never had a printer."""
    with store.database.read() as connection:
        if secrets.get(connection, secrets.FIRST_PRINTER) is not None:
            return
    if not all_printers(store):
        printer = Printer(
            name=DEFAULT_PRINTER,
            device_uri=folder_uri(store.folder.printed),
            ae_titles=(store.settings.dicom.ae_title,),
            settings=PrinterSettings(),
        )
        with suppress(ConflictError):  # two machines start in one moment
            add_printer(store, printer, process_actor("first run"))
    with store.database.write() as connection:
        secrets.put(connection, secrets.FIRST_PRINTER, "added")
