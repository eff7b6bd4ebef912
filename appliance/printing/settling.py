"""What a send's answer makes of the job and of its printer: decided here, done in one transaction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from appliance.events import process_actor
from appliance.jobs.retry import wait_after
from appliance.printing import turns
from appliance.printing.device.outcome import SendOutcome, SendResult
from appliance.printing.printers import PrinterSettings
from appliance.security.audit import record
from appliance.store import job_states as states
from appliance.store import print_jobs, printers
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import say

FOR_REVIEW = "job-held-for-review"
"""The reason of a job that we hold: a person is waited for, and did not hold it."""


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What becomes of a job after a send."""

    state: str
    reasons: tuple[str, ...] = ()
    message: str = ""
    wait: bool = False  # for the back-off before it is its turn again
    stop_printer: bool = False
    redirect: str = ""  # name of the printer that takes it over
    values: dict[str, Any] = field(default_factory=dict)


def decide(result: SendResult, settings: PrinterSettings, attempts: int, *, canceled: bool) -> Settlement:
    """The settlement of one send. Pure.

    attempts: sends tried, this one included. canceled: a person asked for it meanwhile.
    """
    if result.outcome is SendOutcome.DONE:
        reasons = tuple(result.job_state_reasons) or ("job-completed-successfully",)
        return Settlement(state=states.COMPLETED, reasons=reasons, message=result.message)
    if canceled:
        return Settlement(state=states.CANCELED, reasons=("job-canceled-by-user",), message=result.message)
    return _undone(result, settings, attempts)


def _undone(result: SendResult, settings: PrinterSettings, attempts: int) -> Settlement:
    reasons, message = tuple(result.job_state_reasons), result.message
    if result.outcome is SendOutcome.UNCERTAIN:
        doubt = say("Some of it may have come out. Look at the printer, then release it (prints again) or confirm it.")
        return Settlement(state=states.HELD, reasons=("in-doubt", *reasons), message=f"{message} {doubt}".strip())
    if result.outcome is SendOutcome.HOLD:
        return Settlement(state=states.HELD, reasons=reasons or (FOR_REVIEW,), message=message)
    if result.outcome is SendOutcome.CANCEL:
        return Settlement(state=states.ABORTED, reasons=reasons or ("aborted-by-system",), message=message)
    if result.outcome is SendOutcome.STOP_PRINTER:
        return _stopping(message)
    return _after_failure(result, settings, attempts)


def _stopping(message: str) -> Settlement:
    stopped = say("The printer is stopped: once it is mended, let it go on.")
    words = f"{message} {stopped}".strip()
    return Settlement(state=states.PENDING, reasons=("printer-stopped",), message=words, stop_printer=True)


def _after_failure(result: SendResult, settings: PrinterSettings, attempts: int) -> Settlement:
    """RETRY by the printer's error policy: its last word comes after `retry_limit` attempts (the first, when 0)."""
    policy, limit = settings.error_policy, settings.retry_limit
    reasons, message = tuple(result.job_state_reasons), result.message
    exhausted = attempts >= (limit or 1) if policy != "retry-job" else bool(limit) and attempts >= limit
    if result.blameless or not exhausted or policy.startswith("redirect:"):
        return Settlement(state=states.PENDING, reasons=reasons, message=message, wait=True)
    if policy == "abort-job":
        given_up = say("That was the last time: once the printer is mended, print the job again.")
        words = f"{message} {given_up}".strip()
        return Settlement(state=states.ABORTED, reasons=("aborted-by-system",), message=words)
    if policy == "stop-printer":
        return _stopping(message)
    held = say("That was the last time: once the printer is mended, release the job.")
    words = f"{message} {held}".strip()
    return Settlement(state=states.HELD, reasons=(FOR_REVIEW, *reasons), message=words)


def settle_send(store: Store, job_id: int, worker: str, result: SendResult) -> bool:
    """Settle the sending claim `worker` holds on a job, after a send or after asking about an interrupted one.

    Whether it is another machine's turn now, which may reach the printer.
    """
    others = turns.others_at_work(store) if turns.is_unreached(result) else set()
    with store.database.write("print", "printer") as connection:
        job = print_jobs.get(connection, job_id)
        if job is None or job.sending_by != worker:
            return False
        row = printers.get(connection, job.printer)
        settings = PrinterSettings.model_validate(row.settings) if row else PrinterSettings()
        left = not settings.node and not others <= turns.have_tried(connection, job_id)
        result = replace(result, blameless=result.blameless or left)
        canceled = "processing-to-stop-point" in job.job_state_reasons
        settlement = decide(result, settings, job.attempts, canceled=canceled)
        values: dict[str, Any] = {"sending_by": None, "send_started": False, "evidence": result.evidence}
        if result.rest_untouched:
            values["sent_documents"] = max(result.documents_done, job.sent_documents)
        # an interrupted send says nothing bad of the device: no back-off after asking about one
        waits = settlement.wait and not result.asked and not left
        values["not_before"] = now() + wait_after(job.attempts) if waits else None
        if left:
            values["attempts"] = job.attempts - 1  # of its printer's
        _settle(connection, job, settlement, worker, values)
        _tell_printer(connection, job.printer, result, settlement)
    return left


def _settle(
    connection: Connection, job: print_jobs.Job, settlement: Settlement, worker: str, values: dict[str, Any]
) -> None:
    actor = process_actor(worker)
    print_jobs.settle(
        connection,
        job.job_id,
        (job.job_state,),
        settlement.state,
        actor=str(actor),
        reasons=settlement.reasons,
        message=settlement.message,
        **values,
    )
    if settlement.state in states.FINAL:
        outcome = "success" if settlement.state == states.COMPLETED else "failure"
        detail = {"printer": job.printer, "originator": job.originator, "films": job.films, "copies": job.copies}
        record(
            connection,
            "film-printed",
            actor,
            outcome=outcome,
            object_kind="print-job",
            object_id=str(job.job_id),
            detail=detail,
        )


def _tell_printer(connection: Connection, name: str, result: SendResult, settlement: Settlement) -> None:
    """The printer's own state, as this send has shown it."""
    if settlement.stop_printer:
        printers.report_state(
            connection,
            name,
            printer_state="stopped",
            printer_state_reasons=list(result.job_state_reasons) or ["paused"],
            printer_state_message=result.message,
        )
    elif result.outcome is SendOutcome.DONE:
        printers.report_state(
            connection, name, printer_state="idle", printer_state_reasons=[], printer_state_message=""
        )
    elif settlement.wait:
        printers.report_state(
            connection,
            name,
            printer_state="idle",
            printer_state_reasons=list(result.job_state_reasons),
            printer_state_message=result.message,
        )
