"""How far the bytes of one request have gone, and what a failure at that point means."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from appliance.errors import DamagedError
from appliance.folders import why_not
from appliance.printing.device.address import ForbiddenAddressError
from appliance.printing.device.outcome import Document, Progress, SendOutcome, SendRequest, SendResult
from appliance.store.files import failpoint
from appliance.words import say

CHUNK = 64 * 1024


class CanceledError(Exception):
    """The job was cancelled while it was being sent."""


class InterruptedTransferError(OSError):
    """The connection lived, but what should have followed did not come."""


class Delivery:
    """The documents of one request on their way: tells progress, meets the failpoints, notices a cancel."""

    def __init__(self, request: SendRequest, progress: Progress) -> None:
        self.request = request
        self.documents = tuple(request.documents[request.skip_documents :])
        self.documents_done = request.skip_documents
        self.document_begun = False  # bytes of the document after documents_done have left
        self.document_left = False  # all of them have
        self.total = sum(_size(document) for document in self.documents)
        self.sent = 0
        self._progress = progress
        self._begun = False
        self._ask_again = 0.0

    def check_canceled(self) -> None:
        """Raises CanceledError once a person cancelled the job; asks at most every tenth of a second."""
        now = time.monotonic()
        if now < self._ask_again:
            return
        self._ask_again = now + 0.1
        if self.request.is_canceled():
            raise CanceledError

    def chunks(self, path: Path) -> Iterator[bytes]:
        """The bytes of one document; each piece is counted as sent when the next one is asked for."""
        self.document_left = False
        left, size = 0, path.stat().st_size
        with path.open("rb") as file:
            while data := file.read(CHUNK):
                self.leaving(len(data))
                yield data
                left += len(data)
                self.document_left = left >= size
                self.left(len(data))

    def leaving(self, count: int) -> None:
        """Just before `count` more bytes of a document leave."""
        self.check_canceled()
        self._progress(min(self.sent + count, self.total), self.total)
        self.document_begun = True
        if not self._begun:
            self._begun = True
            failpoint("device.first-byte")

    def left(self, count: int) -> None:
        """`count` bytes were taken by the other side (or by this side's network buffers)."""
        before, self.sent = self.sent, self.sent + count
        if before < self.total / 2 <= self.sent:
            failpoint("device.half")
        if self.sent == self.total:
            failpoint("device.last-byte")

    def skip(self, document: Document) -> None:
        """One document came out at an earlier attempt."""
        self.sent += _size(document)
        self.document_done()

    def document_done(self) -> None:
        """There is evidence that the document came out, or is queued in the device."""
        self.documents_done += 1
        self.document_begun = False

    def part_done(self) -> str:
        """In words how much came out, to go behind a message."""
        count = len(self.request.documents)
        if self.documents_done and count > 1:
            return " " + say(
                "Films 1 to %(documents_done)s of %(count)s had come out before.",
                documents_done=self.documents_done,
                count=count,
            )
        return ""


def _size(document: Document) -> int:
    """Raises DamagedError when a document is gone: that is no fault of the device."""
    try:
        size = document.path.stat().st_size
    except OSError as error:
        raise DamagedError(
            say(
                "Film %(film)s: %(path)s can't be read: %(why)s",
                film=document.film,
                path=document.path.name,
                why=error.strerror,
            )
        ) from error
    if not size:
        raise DamagedError(
            say("Film %(film)s: %(path)s is empty; compose it again", film=document.film, path=document.path.name)
        )
    return size


def failure(error: Exception, delivery: Delivery, printer: str) -> SendResult:
    """What it means that a send without any way of asking back ended with `error`.

    Once bytes of a document have left, nobody can tell whether it came out.
    """
    if isinstance(error, CanceledError):
        return canceled(delivery, printer)
    outcome, reason, advice = _verdict(error, delivery)
    return SendResult(
        outcome=outcome,
        job_state_reasons=(reason,),
        message=f"{printer}: {describe(error)}. {advice}",
        documents_done=delivery.documents_done,
        rest_untouched=not delivery.document_begun,
    )


def _verdict(error: Exception, delivery: Delivery) -> tuple[SendOutcome, str, str]:
    done, count = delivery.documents_done, len(delivery.request.documents)
    if isinstance(error, ForbiddenAddressError):
        advice = say("Correct the printer's address, or allow it in the settings.")
        return SendOutcome.STOP_PRINTER, "connecting-to-device", advice
    if delivery.document_begun:
        advice = say(
            "It stopped in sheet %(done)s of %(count)s: look whether it came out, then print again or call it done.",
            done=done + 1,
            count=count,
        )
        return SendOutcome.UNCERTAIN, "submission-interrupted", advice
    if done > delivery.request.skip_documents:
        advice = say(
            "Sheets 1 to %(done)s of %(count)s were sent; the others will be tried again.", done=done, count=count
        )
        return SendOutcome.RETRY, "connecting-to-device", advice
    return SendOutcome.RETRY, "connecting-to-device", say("Nothing was printed; it will be tried again.")


def canceled(delivery: Delivery, printer: str) -> SendResult:
    """A person cancelled it."""
    words = say("%(printer)s: cancelled.", printer=printer)
    begun = " " + say("Part of a film had been sent and may come out.") if delivery.document_begun else ""
    return SendResult(
        outcome=SendOutcome.CANCEL,
        job_state_reasons=("job-canceled-by-user",),
        message=f"{words}{delivery.part_done()}{begun}",
        documents_done=delivery.documents_done,
        rest_untouched=not delivery.document_begun,
    )


def describe(error: BaseException) -> str:
    """One line on an error of the network, without the number of it."""
    if isinstance(error, OSError) and error.strerror:
        return why_not(error) or shown(error.strerror)
    return shown(error) or type(error).__name__


def shown(text: object, length: int = 300) -> str:
    """Foreign text as one printable line, cut short."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)[: 4 * length]).split())[:length]
