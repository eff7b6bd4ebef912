"""``ipp://host/path`` and ``ipps://``: a printer that says what became of a job (RFC 8011).

Each document is a job of its own, named after the print job and the number of its film: many printers take only one
document a job, and so each film's fate is known by itself. A document is not sent while the printer knows a job of that
name that printed or is going to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from urllib.parse import quote

from appliance import clock
from appliance.printing.device import ipp_message as ipp
from appliance.printing.device.address import ForbiddenAddressError, Route, UnreachableError, split_uri
from appliance.printing.device.delivery import CanceledError, Delivery, InterruptedTransferError, canceled, describe
from appliance.printing.device.ipp_client import ANSWER_DEADLINE, PROBLEMS, HttpRefusedError, IppClient, tls_context
from appliance.printing.device.ipp_job import (
    JOB_ATTRIBUTES,
    PRINTER_ATTRIBUTES,
    JobState,
    OperationRefusedError,
    Refusal,
    capabilities,
    covers,
    device_status,
    end_of,
    job_attributes,
    job_state,
    refusal,
    unfit,
)
from appliance.printing.device.ipp_message import Attributes, IppMessage
from appliance.printing.device.options import DeviceOptions
from appliance.printing.device.outcome import (
    DeviceStatus,
    Document,
    Finding,
    Progress,
    SendOutcome,
    SendRequest,
    SendResult,
    document_name,
)
from appliance.printing.device.socket import check_connection
from appliance.store.files import failpoint
from appliance.words import say, say_many

DEFAULT_PORT = 631
MAX_JOBS = 500  # of a list of jobs
BUSY = 0x0507
SERVER_ERROR = 0x0500  # the first of the status codes that say nothing on the document


class IppDevice:
    """An IPP printer."""

    def __init__(self, uri: str, options: DeviceOptions) -> None:
        parts, self.endpoint = split_uri(uri, DEFAULT_PORT)
        self.secure = parts.scheme == "ipps"
        self.path = quote(parts.path or "/ipp/print", safe="/%:@!$&'()*+,;=-._~")
        self.printer_uri = f"{parts.scheme}://{self.endpoint}{self.path}"
        self.options = options
        self.name = f"Printer {self.printer_uri}"
        self.context = tls_context(options) if self.secure else None

    # ------------------------------------------------------------------------------------------------- sending

    def send(self, request: SendRequest, progress: Progress) -> SendResult:
        """Print each document and wait until its job has ended; DONE means the printer calls it completed."""
        delivery = Delivery(request, progress)
        try:
            client = self._client(idle=delivery.check_canceled)
            printer = self._printer(client)
            known = self._known_jobs(client, printer, request)
            for document in delivery.documents:
                self._print(client, printer, document, delivery, known.get(document_name(request, document)))
            failpoint("device.closed")
        except CanceledError:
            return canceled(delivery, self.name)
        except Refusal as end:
            return self._ended(end, delivery.documents_done, untouched=end.outcome is not SendOutcome.UNCERTAIN)
        except PROBLEMS as error:
            return self._failure(error, delivery)
        return self._done(delivery.documents_done)

    def _client(self, idle: Callable[[], None] = lambda: None, deadline: float | None = None) -> IppClient:
        options = self.options if deadline is None else replace(self.options, stall_deadline=deadline)
        return IppClient(
            Route(self.endpoint, options, deadline),
            printer_uri=self.printer_uri,
            path=self.path,
            context=self.context,
            options=options,
            idle=idle,
            answer_deadline=deadline or min(ANSWER_DEADLINE, options.stall_deadline),
        )

    def _printer(self, client: IppClient) -> Attributes:
        wanted = ipp.keyword("requested-attributes", *PRINTER_ATTRIBUTES)
        return _taken(client.call("Get-Printer-Attributes", wanted), "Get-Printer-Attributes").first(ipp.PRINTER_GROUP)

    def _print(
        self, client: IppClient, printer: Attributes, document: Document, delivery: Delivery, earlier: JobState | None
    ) -> None:
        """One document from before its first byte to the end of its job. Raises Refusal when it didn't come out."""
        if earlier and (earlier.state == "completed" or not (earlier.ended or _incomplete(earlier))):
            job = earlier
            delivery.sent += document.path.stat().st_size
            delivery.document_begun = True
        else:
            unfit(printer, document)
            job = self._submit(client, printer, document, delivery)
        end = end_of(self._follow(client, job, delivery))
        if end is None:
            delivery.document_done()
            return
        delivery.document_begun = end.outcome is SendOutcome.UNCERTAIN
        raise end

    def _submit(self, client: IppClient, printer: Attributes, document: Document, delivery: Delivery) -> JobState:
        """Send one document as a job of its own; waits while the printer is busy with another one."""
        name = document_name(delivery.request, document)
        attributes = _operation_attributes(delivery.request, name)
        template = job_attributes(printer, document.media or delivery.request.media, document)
        size = document.path.stat().st_size
        last = ipp.text("document-format", ipp.MIME_TYPE, document.document_format, 255)
        chunks = delivery.chunks(document.path)
        if not _can(printer, "Create-Job", "Send-Document"):
            answer = client.call_with("Print-Job", attributes + last, template, chunks, size)
            return _job(_taken(answer, "Print-Job"))
        job = _job(self._when_free(client, lambda: client.call("Create-Job", attributes, template), delivery))
        last = ipp.integer("job-id", job.job_id) + _user(delivery.request) + last + ipp.boolean("last-document", True)
        return self._send_document(client, job, last, chunks, size, delivery)

    def _when_free(self, client: IppClient, create: Callable[[], IppMessage], delivery: Delivery) -> IppMessage:
        end = time.monotonic() + self.options.busy_deadline
        while (answer := create()).status_code == BUSY and time.monotonic() < end:
            delivery.check_canceled()
            time.sleep(self.options.poll_interval)
        return _taken(answer, "Create-Job")

    def _send_document(
        self,
        client: IppClient,
        job: JobState,
        attributes: bytes,
        chunks: Iterable[bytes],
        size: int,
        delivery: Delivery,
    ) -> JobState:
        """The document of a job just made. However that breaks off, the job can be asked about or cancelled."""
        try:
            answer = client.call_with("Send-Document", attributes, b"", chunks, size)
        except CanceledError:
            self._cancel(client, job)
            raise
        except PROBLEMS as error:
            return self._after_break(client, job, error, whole=delivery.document_left)
        if not answer.ok:
            self._drop(client, job, refusal(answer, "Send-Document"), sure=answer.status_code < SERVER_ERROR)
        return _job(answer, job)

    def _drop(self, client: IppClient, job: JobState, refused: OperationRefusedError, *, sure: bool) -> None:
        """Cancel a job whose document was refused. Raises `refused`, InterruptedTransferError when it may yet print."""
        self._cancel(client, job)
        if not sure and not self._job(client, job).nothing_came_out:
            raise InterruptedTransferError(refused.message)
        raise refused

    def _after_break(self, client: IppClient, job: JobState, problem: Exception, *, whole: bool) -> JobState:
        """The document went out in part or without an answer: what did the printer make of it?

        Raises the problem when the printer can't be asked, so that the job counts as in doubt.
        """
        client.idle = lambda: None
        end = time.monotonic() + self.options.stall_deadline
        while time.monotonic() < end:
            time.sleep(self.options.poll_interval)
            try:
                if _incomplete(now := self._job(client, job)):
                    self._cancel(client, job)
                    now = self._job(client, job)
            except (*PROBLEMS, Refusal):
                continue
            if now.nothing_came_out:
                message = say(
                    "%(why)s; the printer dropped its part of it. It will be tried again.", why=describe(problem)
                )
                raise Refusal(outcome=SendOutcome.RETRY, message=message, job_state_reasons=("submission-interrupted",))
            if not _incomplete(now) and now.state != "unknown":
                if whole:
                    return now
                break
        raise problem

    def _follow(self, client: IppClient, job: JobState, delivery: Delivery) -> JobState:
        """Ask after a job until it has ended. Raises InterruptedTransferError when the printer stops answering."""
        end = time.monotonic() + self.options.job_deadline
        heard = time.monotonic()
        told = False
        client.idle = lambda: None
        while not job.ended:
            time.sleep(self.options.poll_interval)
            if delivery.request.is_canceled() and not told:
                told = self._cancel(client, job)
            try:
                job = self._job(client, job)
                heard = time.monotonic()
            except OperationRefusedError as error:
                raise InterruptedTransferError(
                    say("it took job %(job_id)s, then: %(message)s", job_id=job.job_id, message=error.message)
                ) from None
            except PROBLEMS as error:
                if time.monotonic() - heard > self.options.stall_deadline:
                    raise InterruptedTransferError(
                        say("it took job %(job_id)s, then: %(why)s", job_id=job.job_id, why=describe(error))
                    ) from None
            if time.monotonic() > end:
                raise InterruptedTransferError(
                    say(
                        "job %(job_id)s is still %(state)s (%(reasons)s)",
                        job_id=job.job_id,
                        state=job.state,
                        reasons=", ".join(job.reasons),
                    )
                )
        if told and job.state != "completed":
            raise CanceledError
        client.idle = delivery.check_canceled
        return job

    def _job(self, client: IppClient, job: JobState) -> JobState:
        attributes = ipp.integer("job-id", job.job_id) + ipp.keyword("requested-attributes", *JOB_ATTRIBUTES)
        return _job(_taken(client.call("Get-Job-Attributes", attributes), "Get-Job-Attributes"), job)

    def _cancel(self, client: IppClient, job: JobState) -> bool:
        """Ask the printer to drop a job; whether it agreed."""
        client.idle = lambda: None
        try:
            return client.call("Cancel-Job", ipp.integer("job-id", job.job_id)).ok
        except PROBLEMS:
            return False

    # -------------------------------------------------------------------------------------------------- asking

    def ask(self, request: SendRequest) -> SendResult:
        """Look for the documents' jobs by name; a job on its way is followed to its end."""
        delivery = Delivery(request, lambda sent, total: None)
        try:
            client = self._client()
            printer = self._printer(client)
            jobs = self._jobs(client, printer)
            known = _by_name(jobs)
            missing = [d for d in delivery.documents if document_name(request, d) not in known]
            if missing and not covers(jobs, printer, _age(request)):
                return self._no_memory(request, missing)
            for document in delivery.documents:
                if not self._came_out(client, delivery, known.get(document_name(request, document))):
                    return self._retry(delivery)
        except CanceledError:
            return canceled(delivery, self.name)
        except (*PROBLEMS, OperationRefusedError) as error:
            delivery.document_begun = True
            return self._failure(error, delivery)
        except Refusal as end:
            return self._ended(end, delivery.documents_done, untouched=end.outcome is not SendOutcome.UNCERTAIN)
        return self._done(delivery.documents_done)

    def _came_out(self, client: IppClient, delivery: Delivery, job: JobState | None) -> bool:
        """Whether one document's job printed. Raises Refusal when that is in doubt."""
        if job is None:
            return False
        if _incomplete(job):
            self._cancel(client, job)
            job = self._job(client, job)
        job = self._follow(client, job, delivery)
        if job.nothing_came_out:
            return False
        if end := end_of(job):
            raise end
        delivery.document_done()
        return True

    def _known_jobs(self, client: IppClient, printer: Attributes, request: SendRequest) -> dict[str, JobState]:
        """The printer's jobs that bear the names of this request's documents; {} when it can't list jobs."""
        names = {document_name(request, document) for document in request.documents}
        return {name: job for name, job in _by_name(self._jobs(client, printer)).items() if name in names}

    def _jobs(self, client: IppClient, printer: Attributes) -> list[JobState]:
        """All jobs the printer still knows, its own and others'."""
        if not _can(printer, "Get-Jobs"):
            return []
        found = []
        for which in ("completed", "not-completed"):
            attributes = ipp.integer("limit", MAX_JOBS) + ipp.keyword("requested-attributes", *JOB_ATTRIBUTES)
            attributes += ipp.keyword("which-jobs", which) + ipp.boolean("my-jobs", False)
            answer = client.call("Get-Jobs", attributes)
            found += [job_state(job) for job in answer.all(ipp.JOB_GROUP)] if answer.ok else []
        return found

    # ------------------------------------------------------------------------------------------------- results

    def _done(self, count: int) -> SendResult:
        return SendResult(
            outcome=SendOutcome.DONE,
            job_state_reasons=("job-completed-successfully",),
            evidence=say_many(
                "%(number)s IPP job completed at %(uri)s",
                "%(number)s IPP jobs completed at %(uri)s",
                count,
                uri=self.printer_uri,
            ),
            documents_done=count,
        )

    def _ended(self, end: Refusal, done: int, *, untouched: bool) -> SendResult:
        return SendResult(
            outcome=end.outcome,
            job_state_reasons=end.job_state_reasons,
            message=f"{self.name}: {end.message}",
            documents_done=done,
            rest_untouched=untouched,
        )

    def _failure(self, error: Exception, delivery: Delivery) -> SendResult:
        end = Refusal(outcome=SendOutcome.RETRY, message="", job_state_reasons=("connecting-to-device",))
        advice = say("It will be tried again.")
        if delivery.document_begun:
            end.outcome, end.job_state_reasons = SendOutcome.UNCERTAIN, ("submission-interrupted",)
            advice = say("Look whether the sheet came out, then print again or call it done.")
        elif isinstance(error, ForbiddenAddressError) or (isinstance(error, HttpRefusedError) and error.status < 500):
            end.outcome, advice = SendOutcome.STOP_PRINTER, say("Correct the printer's address or its settings.")
        end.message = f"{_words(error)}. {advice}"
        return self._ended(end, delivery.documents_done, untouched=not delivery.document_begun)

    def _retry(self, delivery: Delivery) -> SendResult:
        done, count = delivery.documents_done, len(delivery.request.documents)
        message = say(
            "It printed %(done)s of %(count)s; the others surely not. They will be sent.", done=done, count=count
        )
        return self._ended(Refusal(outcome=SendOutcome.RETRY, message=message), done, untouched=True)

    def _no_memory(self, request: SendRequest, missing: list[Document]) -> SendResult:
        films = ", ".join(str(document.film) for document in missing[:20])
        message = say(
            "It knows nothing of film %(films)s, but may have forgotten it: look, then print again or call it done.",
            films=films,
        )
        end = Refusal(outcome=SendOutcome.UNCERTAIN, message=message, job_state_reasons=("submission-interrupted",))
        return self._ended(end, request.skip_documents, untouched=False)

    # ------------------------------------------------------------------------------------------ state and check

    def status(self) -> DeviceStatus:
        """State, reasons and supplies as the printer tells them."""
        try:
            return device_status(self._printer(self._client(deadline=self.options.probe_deadline / 5)))
        except (*PROBLEMS, Refusal) as error:
            return DeviceStatus(
                printer_state="unknown", printer_state_reasons=("connecting-to-device",), message=_words(error)
            )

    def check(self) -> list[Finding]:
        """Whether it is reached, answers as an IPP printer, and can do what films need."""
        findings = check_connection(
            self.endpoint, replace(self.options, probe_deadline=self.options.probe_deadline / 2)
        )
        if not all(finding.ok for finding in findings):
            return findings
        what = say("answers as a printer at %(printer_uri)s", printer_uri=self.printer_uri)
        try:
            printer = self._printer(self._client(deadline=self.options.probe_deadline / 5))
        except (*PROBLEMS, Refusal) as error:
            advice = f"{_words(error)}. {_hint(error)}"
            return [*findings, Finding(ok=False, what=what, advice=advice)]
        return [*findings, Finding(ok=True, what=what), *capabilities(printer)]


def _words(error: Exception) -> str:
    return error.message.rstrip(".") if isinstance(error, Refusal) else describe(error)


def _hint(error: Exception) -> str:
    if isinstance(error, HttpRefusedError):
        return say("Is the path right (often /ipp/print), does it want a password or ipps?")
    if isinstance(error, UnreachableError):
        return say("Does it take secure connections, and is its certificate known here?")
    return say("Is this the port of a printer?")


def _taken(answer: IppMessage, operation: str) -> IppMessage:
    if not answer.ok:
        raise refusal(answer, operation)
    return answer


def _job(answer: IppMessage, known: JobState | None = None) -> JobState:
    """The job of an answer. Raises MalformedMessageError when a new one has no number."""
    job = job_state(answer.first(ipp.JOB_GROUP))
    if known is not None:
        return replace(job, job_id=known.job_id)
    if not job.job_id:
        raise ipp.MalformedMessageError(say("the printer gave the job no number"))
    return job


def _can(printer: Attributes, *operations: str) -> bool:
    return all(ipp.OPERATIONS[operation] in printer.get("operations-supported", []) for operation in operations)


def _user(request: SendRequest) -> bytes:
    return ipp.text("requesting-user-name", ipp.NAME, request.originator or "appliance", 255)


def _operation_attributes(request: SendRequest, name: str) -> bytes:
    return _user(request) + ipp.text("job-name", ipp.NAME, name, 255) + ipp.boolean("ipp-attribute-fidelity", True)


def _incomplete(job: JobState) -> bool:
    """A job that still waits for its document: nothing more will come for it."""
    return not job.ended and (job.state == "pending-held" or "job-incoming" in job.reasons)


def _age(request: SendRequest) -> float | None:
    """Seconds since the attempt; None when nobody can say: the clock was put back, or another machine's is ahead."""
    age = None if request.attempted_at is None else clock.now().timestamp() - request.attempted_at
    return None if age is None or age < 0 else age


def _by_name(jobs: list[JobState]) -> dict[str, JobState]:
    """The most telling job of each name: one that came out or is going to, before one that came to nothing."""
    weight = {"completed": 0, "processing": 1, "processing-stopped": 1, "pending": 2, "pending-held": 3}
    found: dict[str, JobState] = {}
    for job in sorted(jobs, key=lambda job: (weight.get(job.state, 4 + job.nothing_came_out), -job.job_id)):
        found.setdefault(job.name, job)
    return found
