"""What has to be done now and then, by one worker at a time: purge, redirect, ask printers how they are."""

from __future__ import annotations

import datetime as dt
import logging

from appliance.errors import ApplianceError
from appliance.events import process_actor
from appliance.jobs.keeping import Aside, Chore, Keeper
from appliance.printing import jobs
from appliance.printing.printer_verbs import all_printers
from appliance.printing.printers import Printer
from appliance.printing.sending import device_of
from appliance.security.audit import record
from appliance.store import ages, files, print_jobs, printers
from appliance.store.store import Store
from appliance.store.tables.base import now

PURGE_SECONDS = 60.0
STATUS_SECONDS = 20.0
KEEPER = process_actor("housekeeping")

log = logging.getLogger(__name__)


def keepers(store: Store) -> list[Keeper]:
    """What is done now and then for films: once for all machines, and on each for the printers bound to it."""
    chores = [
        Chore(seconds=PURGE_SECONDS, do=lambda: purge(store)),
        Chore(seconds=PURGE_SECONDS, do=lambda: redirect(store)),
        _asking(store, ""),
    ]
    own = [Keeper(store, f"housekeeping-{store.node}", [_asking(store, store.node)])] if store.node else []
    return [Keeper(store, "housekeeping", chores), *own]


def _asking(store: Store, node: str) -> Chore:
    return Chore(seconds=STATUS_SECONDS, do=Aside("printers", lambda: ask_printers(store, node)))


def ask_printers(store: Store, node: str = "") -> None:
    """Read back state, reasons and supplies of every printer that is bound to `node` and not sending just now."""
    for printer in all_printers(store):
        if store.node and printer.settings.node != node:
            continue
        try:
            status = device_of(store, printer).status()
        except ApplianceError as error:
            log.warning("can't be asked: %s", error, extra={"printer": printer.name})
            continue
        except Exception:  # a fault of ours: the printers after it are asked all the same
            log.exception("asking it broke", extra={"printer": printer.name})
            continue
        supplies = [[supply.name, supply.level] for supply in status.supplies]
        _report(store, printer, list(status.printer_state_reasons), status.message, supplies)


def _report(store: Store, printer: Printer, reasons: list[str], message: str, supplies: list[list[object]]) -> None:
    """Keep what changed. Whether we send is ours to say (paused, stopped): a device's own stop shows as a reason."""
    now_said = (tuple(reasons), message, tuple((str(name), level) for name, level in supplies))
    if now_said == (printer.printer_state_reasons, printer.printer_state_message, printer.supplies):
        return
    with store.database.write("print", "printer") as connection:
        row = printers.get(connection, printer.name)
        if row is None or row.printer_state == "stopped":
            return
        printers.report_state(
            connection, printer.name, printer_state_reasons=reasons, printer_state_message=message, supplies=supplies
        )


def purge(store: Store, at: dt.datetime | None = None) -> int:
    """Remove the files of ended jobs past their days, and the oldest ones above the quota; how many jobs."""
    storage = store.settings.storage
    count = _purge_before(store, (at or ages.moment(store)) - dt.timedelta(days=storage.films_days))
    while _over_quota(store):
        with store.database.read() as connection:
            oldest = print_jobs.purgeable(connection, None, limit=20)
        gone = sum(_purge(store, job) for job in oldest)
        if not gone:
            break
        count += gone
    return count


def _purge_before(store: Store, before: dt.datetime) -> int:
    with store.database.read() as connection:
        due = print_jobs.purgeable(connection, before)
    return sum(_purge(store, job) for job in due)


def _over_quota(store: Store) -> bool:
    with store.database.read() as connection:
        kept = print_jobs.kept_bytes(connection)
    return kept > store.settings.storage.films_quota_gib << 30 or not store.has_room()


def _purge(store: Store, job: print_jobs.Job) -> int:
    """The files first: the audit trail says that they are gone when they are."""
    folder = store.folder.job(job.job_id)
    files.remove_tree(folder)
    if folder.exists():
        log.error("%s can't be removed: see whose it is; it is tried again", folder, extra={"job": job.job_id})
        return 0
    with store.database.write("print") as connection:
        print_jobs.change(connection, job.job_id, purged=True)
        record(connection, "films-purged", KEEPER, object_kind="print-job", object_id=str(job.job_id))
    return 1


def redirect(store: Store) -> None:
    """Give jobs that wait too long for a failing printer to the one its error policy names, if that one prints."""
    printers_by_name = {printer.name: printer for printer in all_printers(store)}
    for printer in printers_by_name.values():
        other = printers_by_name.get(printer.settings.redirected_to)
        if other is not None and other.is_accepting_jobs and not other.prints_nothing:
            _redirect(store, printer, other)


def _redirect(store: Store, printer: Printer, other: Printer) -> None:
    before = now() - dt.timedelta(minutes=printer.settings.redirect_minutes)
    with store.database.read() as connection:
        waiting = print_jobs.to_redirect(connection, printer.name, before)
    for job in waiting:
        try:
            jobs.move(store, job.job_id, other, KEEPER)
        except ApplianceError as error:
            log.warning("can't be redirected to %s: %s", other.name, error, extra={"job": job.job_id})
