"""N-EVENT-REPORT: what changed in the database is told to the associations that may hear of it.

A thread of its own polls the change counter. Events leave fire-and-forget, after the response that is being prepared; a
lost or refused one changes nothing (reliability 1.2).
"""

from __future__ import annotations

import logging
import threading

from pydicom.dataset import Dataset

from appliance.dicom.print_classes import (
    EVENTS,
    PRINT_JOB_CLASS,
    PRINTER_CLASS,
    PRINTER_INSTANCE,
    covered,
)
from appliance.dicom.print_scp import PrintAssociation, PrintScp
from appliance.dicom.printer_scp import status_of_job, status_of_printer
from appliance.jobs.keeping import Rounds
from appliance.network.events import send_event
from appliance.store import print_jobs
from appliance.store.store import Store

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
ENDED = ("DONE", "FAILURE")


class Notifier:
    """Turns stored state changes into events."""

    def __init__(self, store: Store, scp: PrintScp) -> None:
        self._store = store
        self._scp = scp
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._store.settings.dicom.events:
            self._thread = threading.Thread(target=self._run, name="event-reports", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self) -> None:
        seen, rounds = -1, Rounds("telling of events", log)  # a courtesy: the thread must live on whatever happens
        while not self._stop.wait(POLL_SECONDS):
            with rounds.one():
                changes = self._store.database.changes("print", "printer")
                if changes != seen:
                    self.tell_all()
                    seen = changes

    def tell_all(self) -> None:
        """Compare what each association was told with how things are, and tell the difference."""
        for here in self._scp.associations():
            if here.desk.peer.events and here.caller.association.is_established:
                self._tell_printer(here)
                self._tell_jobs(here)

    def _tell_printer(self, here: PrintAssociation) -> None:
        if PRINTER_CLASS not in covered(here.accepted()):
            return
        status = status_of_printer(self._store, here.desk.printer.name, here.desk.peer)
        if here.printer_told == status:
            return
        here.printer_told = status
        information = None
        if status[0] != "NORMAL":
            information = Dataset()
            information.PrinterStatusInfo = status[1]
            information.PrinterName = here.desk.printer.name
        kind = EVENTS[PRINTER_CLASS][status[0]]
        send_event(here.caller.association, kind, PRINTER_CLASS, PRINTER_INSTANCE, information)

    def _tell_jobs(self, here: PrintAssociation) -> None:
        for uid in list(here.jobs):
            with self._store.database.read() as connection:
                job = print_jobs.by_print_job_uid(connection, uid)
            if job is None:
                continue
            status, info = status_of_job(job, here.desk.peer)
            if here.jobs.get(uid) == status:
                continue
            here.jobs[uid] = status
            information = Dataset()
            information.ExecutionStatusInfo = info
            information.PrinterName = job.printer
            send_event(here.caller.association, EVENTS[PRINT_JOB_CLASS][status], PRINT_JOB_CLASS, uid, information)
            if status in ENDED:
                del here.jobs[uid]
                here.ended_jobs.add(uid)
