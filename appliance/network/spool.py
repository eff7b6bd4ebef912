"""Data sets on disk: written as their P-DATA arrives, so that a film or an instance never lies in memory whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event

from appliance.errors import ApplianceError, RefusedError, ResourceError
from appliance.network.file_head import head_of_file, may_be_uid
from appliance.store import files
from appliance.words import say

if TYPE_CHECKING:
    from appliance.network.association import BoundedAssociation

STEP = 256 * 1024
"""Bytes after which the disk is given what has come: it writes while the next ones arrive."""

C_STORE_RQ, N_SET_RQ = 0x0001, 0x0120
SPOOLED = {C_STORE_RQ: "C-STORE", N_SET_RQ: "N-SET"}
"""Command Field (0000,0100) of the requests whose data sets go to files."""


@dataclass(frozen=True, kw_only=True)
class SpoolRequest:
    """A data set is about to come: where should it go?"""

    kind: str  # "C-STORE" or "N-SET"
    association: BoundedAssociation
    abstract_syntax: str  # of the presentation context
    transfer_syntax: str
    sop_class_uid: str  # as sent; not checked
    sop_instance_uid: str


Spool = Callable[[SpoolRequest], Path | None]
"""Answers with the folder the data set's file goes into, or None to keep this one in memory."""


def spool_into(folder: Path) -> Spool:
    """The spool that puts everything into one folder."""
    return lambda request: folder


@dataclass(frozen=True, kw_only=True)
class SpooledDataset:
    """A data set as received. Whoever handles it renames or removes the file; what is left after that is removed.

    Nothing was fsynced: the file is as durable as the handler makes it (files.sync_file, files.rename).
    """

    path: Path
    offset: int  # of the data set's first byte: 0, or after the file meta information of a C-STORE
    size: int  # of the data set in bytes
    transfer_syntax: str  # UID
    sha256: str | None  # of the data set (not the head before it), in hex; None for an N-SET


class MemoryBody:
    """A data set in memory, of a request that is small by nature."""

    def __init__(self, limit: int) -> None:
        self.stream = BytesIO()
        self.size = 0
        self.error: ApplianceError | None = None
        self._limit = limit

    def write(self, data: memoryview) -> None:
        self.size += len(data)
        if self.error is None and self.size > self._limit:
            self.error = ResourceError(
                say("the data set is larger than the %(limit)s bytes this request may have", limit=self._limit)
            )
            self.stream = BytesIO()
        if self.error is None:
            self.stream.write(data)

    @property
    def held(self) -> int:
        """Bytes it occupies in memory."""
        return 0 if self.error is not None else self.size

    def finish(self) -> None:
        """All of it has come."""

    def discard(self) -> None:
        self.stream = BytesIO()


class SpoolBody:
    """A data set on its way into a file. After an error the rest is counted and thrown away."""

    def __init__(self, folder: Path, *, head: bytes, transfer_syntax: str, limit: int, hashed: bool) -> None:
        self.stream = BytesIO()
        self.size = 0
        self.error: ApplianceError | None = None
        self.looked_at = False
        self.transfer_syntax = transfer_syntax
        self._head = len(head)
        self._limit = limit
        self._hash = hashlib.sha256() if hashed else None
        self._begun = 0
        self._part: files.PartFile | None = None
        try:
            self._part = files.PartFile(folder / os.urandom(16).hex())
            if head:
                self._part.write(head)
            files.failpoint("receive.begun")
        except OSError as error:
            self._fail(_disk_error(error))

    def refuse(self, error: ApplianceError) -> None:
        """Throw away what comes; the handler is told `error`."""
        self._fail(error)

    def write(self, data: memoryview) -> None:
        self.size += len(data)
        if self.error is not None or self._part is None:
            return
        if self.size > self._limit:
            self._fail(
                ResourceError(say("the data set is larger than the limit of %(limit)s bytes", limit=self._limit))
            )
            return
        try:
            self._part.write(data)
            files.failpoint("receive.data")
            if self._hash is not None:
                self._hash.update(data)
                self._begin_sync(STEP)
        except OSError as error:
            self._fail(_disk_error(error))

    def _begin_sync(self, step: int) -> None:
        """A C-STORE is synced before its answer: the disk may begin."""
        if self._part is not None and self.size - self._begun >= step:
            self._begun = self.size
            self._part.begin_sync()

    def finish(self) -> None:
        """All of it has come: the file is whole, though not durable."""
        if self.error is None and self._part is not None:
            try:
                if self._hash is not None:
                    self._begin_sync(1)
                self._part.file.close()
                files.failpoint("receive.whole")
            except OSError as error:
                self._fail(_disk_error(error))

    def _fail(self, error: ApplianceError) -> None:
        self.error = error
        self.discard()

    def discard(self) -> None:
        """Remove the file if it is still where it was written."""
        part, self._part = self._part, None
        if part is None:
            return
        with contextlib.suppress(OSError):
            part.file.close()
        if part.part.exists():
            files.remove(part.part)

    def dataset(self) -> SpooledDataset:
        """The file. Raises the error that kept it from being written."""
        self.looked_at = True
        if self.error is not None or self._part is None:
            raise self.error or ResourceError(say("the data set was not kept"))
        return SpooledDataset(
            path=self._part.part,
            offset=self._head,
            size=self.size,
            transfer_syntax=self.transfer_syntax,
            sha256=self._hash.hexdigest() if self._hash is not None else None,
        )


Body = MemoryBody | SpoolBody


def _disk_error(error: OSError) -> ApplianceError:
    full = error.errno in files.FULL
    what = say("the disk is full") if full else say("the disk refuses to write (%(why)s)", why=error.strerror or error)
    return ResourceError(say("%(what)s: the data set was not kept", what=what))


def spooled_dataset(event: Event) -> SpooledDataset:
    """The data set of a C-STORE or N-SET request, as a file.

    Raises ResourceError when it was too large or the disk would not take it, RefusedError when it must not be kept or
    none came.
    """
    body = getattr(event.request, "body", None)
    if not isinstance(body, SpoolBody):
        status = 0xC000 if isinstance(event.request, C_STORE) else 0x0110
        raise RefusedError(status, say("no data set came with the request"))
    return body.dataset()


def start_body(association: BoundedAssociation, context_id: int, command: dict) -> Body:
    """Where the data set of this command goes."""
    limits = association.limits
    field = command.get("CommandField")
    kind = SPOOLED.get(field) if isinstance(field, int) else None
    context = association._accepted_cx.get(context_id)
    if kind is None or association.spool is None or context is None:
        return MemoryBody(limits.memory_max)
    request = SpoolRequest(
        kind=kind,
        association=association,
        abstract_syntax=str(context.abstract_syntax),
        transfer_syntax=str(context.transfer_syntax[0]),
        sop_class_uid=str(command.get("AffectedSOPClassUID") or command.get("RequestedSOPClassUID") or ""),
        sop_instance_uid=str(command.get("AffectedSOPInstanceUID") or command.get("RequestedSOPInstanceUID") or ""),
    )
    folder = association.spool(request)
    if folder is None:
        return MemoryBody(limits.memory_max)
    return _spool_body(folder, request, limits.store_max if kind == "C-STORE" else limits.dataset_max)


def _spool_body(folder: Path, request: SpoolRequest, limit: int) -> SpoolBody:
    head, refusal = b"", None
    if request.kind == "C-STORE":
        if may_be_uid(request.sop_class_uid) and may_be_uid(request.sop_instance_uid):
            head = head_of_file(request.sop_class_uid, request.sop_instance_uid, request.transfer_syntax)
        else:
            refusal = RefusedError(0xC000, say("a UID of the instance is not a UID"))
    body = SpoolBody(
        folder, head=head, transfer_syntax=request.transfer_syntax, limit=limit, hashed=request.kind == "C-STORE"
    )
    if refusal is not None:
        body.refuse(refusal)
    return body
