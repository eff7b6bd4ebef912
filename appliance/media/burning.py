"""From checked images to verified pieces of media, one burner at a time.

Each piece: submitted, asked about until it is burned, read back. What the burner answers is decided here; a disc is
done only when every piece of it is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from appliance.errors import ApplianceError, NotFoundError, ResourceError
from appliance.events import process_actor
from appliance.jobs.retry import wait_after
from appliance.media.burn_request import Group, Requests
from appliance.media.burner.outcome import Burner, BurnOutcome, BurnRequest, BurnResult, Verification
from appliance.media.burner.paths import sums_of
from appliance.media.burners import from_row, open_stored
from appliance.media.copy_types import CopyType
from appliance.media.discs import end_canceled
from appliance.media.ordering import check_medium
from appliance.media.progress import CanceledError, Watch
from appliance.media.settling import serial_of
from appliance.security.audit import record
from appliance.store import burners, discs, files
from appliance.store.files import failpoint
from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.words import row, say, say_many

POLL_SECONDS = 0.5
ASK_OPERATOR = "CHECK_MCD_OP"
INFO = {
    "media-empty": "OUT_OF_SUPPLIES",
    "marker-supply-empty": "OUT_OF_SUPPLIES",
    "offline": "MCD_FAILURE",
    "busy": "MCD_BUSY",
}
"""Reason of a burner -> Execution Status Info (PS3.4 S); any other asks for an operator."""
ENDED = ("verified", "unverified", "in-doubt", "failed", "canceled")

log = logging.getLogger(__name__)


class _StopError(Exception):
    """The disc's claim is settled, or another worker shall go on with it."""


def burn_disc(store: Store, disc_id: int, worker: str, stopped: Callable[[], bool] = lambda: False) -> None:
    """Burn a claimed disc, or go on with one whose worker died, and settle the claim.

    Raises ResourceError when the database is away: the claim stays.
    """
    try:
        _Burn(store, disc_id, worker, stopped).run()
    except _StopError:
        return
    except ResourceError:
        raise
    except Exception as error:  # a burner never raises: this is a fault of ours, in the middle of a burn
        log.exception("burning broke", extra={"disc": disc_id})
        message = say("Burning broke: %(name)s: see the log.", name=type(error).__name__)
        _settle(store, disc_id, worker, discs.PENDING, info="PROC_FAILURE", message=message, held=True)


class _Burn:
    """One worker's burn of one disc."""

    def __init__(self, store: Store, disc_id: int, worker: str, stopped: Callable[[], bool]) -> None:
        self.store = store
        self.worker = worker
        self.watch = Watch(store, disc_id)
        self.stopped = stopped
        with store.database.read() as connection:
            disc = discs.get(connection, disc_id)
            row = burners.get(connection, disc.burner) if disc else None
            self.volumes = {row.volume: row for row in discs.volumes(connection, [disc_id])}
        if disc is None:
            raise _StopError
        self.disc = disc
        self._begun = False
        self.folder = store.folder.disc(disc_id)
        self.choices = CopyType.model_validate(disc.choices)
        try:
            if row is None:
                raise NotFoundError(say("Burner %(burner)s is gone: move the disc to another one.", burner=disc.burner))
            self.stored = from_row(row)
            self.burner: Burner = open_stored(store, self.stored)
            self.requests = Requests(store, disc, self.burner, row.burner_uri, len(self.volumes))
        except ApplianceError as error:
            self._end(discs.PENDING, info=ASK_OPERATOR, reasons=["burner-refused"], message=str(error), held=True)

    def run(self) -> None:
        """Every piece in turn; then the disc is done."""
        try:
            while (group := self._next()) is not None:
                with suppress(_AnotherError):
                    self._try(group)
            self._done()
        except ResourceError:
            raise
        except OSError as error:  # our own disk is full, or away; a burner's is its own to tell of
            later = {
                "info": "INSUFFIC_MEMORY",
                "reasons": ["resources"],
                "not_before": now() + wait_after(self.disc.attempts),
            }
            self._end(discs.PENDING, message=say("The disk says: %(why)s.", why=error.strerror or error), **later)
        except ApplianceError as error:  # a label's layout is gone, or can't be read
            self._end(discs.PENDING, info=ASK_OPERATOR, reasons=["burner-refused"], message=str(error), held=True)
        finally:
            self.watch.ended()

    def _try(self, group: Group) -> None:
        try:
            self._piece(group)
        except CanceledError:  # a phase heard it first
            self._pause(self._request(group))

    def _next(self) -> Group | None:
        """The first piece that is not ended, with its further copies where they are made at once."""
        with self.store.database.read() as connection:
            waiting = [row for row in discs.pieces(connection, [self.disc.disc_id]) if row.state not in ENDED]
        if not waiting:
            return None
        started = [row for row in waiting if row.state != "waiting"]
        first = (started or waiting)[0]
        same = [row for row in waiting if row.volume == first.volume and row.state == first.state]
        pieces = same if self.burner.copies_at_once else [first]
        return Group(pieces=tuple(pieces), volume=self.volumes[first.volume])

    def _piece(self, group: Group) -> None:
        if group.state == "waiting":
            self._check_canceled(None)
            check_medium(self.store, self.stored, self.requests.medium)  # its address may be another by now
            self._check_image(group)
        elif not self.requests.has_facts(group.volume):
            self._decide(_lost(self.disc.disc_id), group)
        elif group.begun_at not in ("", self.stored.burner_uri):
            self._decide(_begun_elsewhere(group.begun_at), group)
        elif self.stored.is_drive and group.begun_on != self.store.node:
            self._decide(_begun_in_another(group.begun_on, self.stored.name), group)
        request = self._request(group)
        if group.state in ("waiting", "burning"):
            self._check_canceled(request if group.state == "burning" else None)
            self.watch.phase("burn", request.bytes)
            result = self._burned(request, group)
            self._change(group, state="burned", evidence=result.evidence)
            failpoint("burn.recorded")
        self._verify(request, group)

    # --- burning ---

    def _burned(self, request: BurnRequest, group: Group) -> BurnResult:
        """Submit, and ask until it is burned. Ends the work on the disc for any other end."""
        asked = self._begun = group.state == "burning"  # an earlier worker died meanwhile
        failpoint("burn.start")
        result = self._status(request) if asked else self.burner.submit(request)
        while result.outcome is not BurnOutcome.DONE:
            if result.outcome is BurnOutcome.RETRY and asked:
                self._check_image(group)
                asked, result = False, self.burner.submit(request)
                continue
            self._decide(result, group)
            self._pause(request)
            asked, result = True, self._status(request)
        self._tell(BurnResult(outcome=BurnOutcome.WORKING))
        return result

    def _status(self, request: BurnRequest) -> BurnResult:
        return self.burner.status(replace(request, begun=self._begun))

    def _decide(self, result: BurnResult, group: Group) -> None:
        """What is to be done about an answer that is not DONE. Pure but for telling the database."""
        outcome = result.outcome
        if outcome in (BurnOutcome.WORKING, BurnOutcome.WAITING):
            self._tell(result)
        elif outcome is BurnOutcome.CANCELED or self._is_canceled():
            self._cancel(None)
        elif outcome is BurnOutcome.SPOILED:
            self._spoiled(group, result.message, result.reasons)
        elif outcome is BurnOutcome.RETRY:
            values: dict[str, Any] = {"not_before": now() + wait_after(self.disc.attempts), "info": "MCD_BUSY"}
            self._put_off(group, {"state": "waiting"}, reasons=result.reasons, message=result.message, **values)
        else:
            doubt = outcome is BurnOutcome.UNCERTAIN
            piece = {"state": "in-doubt" if doubt else "waiting", "message": result.message, "ended": now()}
            reasons = ["in-doubt" if doubt else "burner-refused", *result.reasons]
            values = {"info": ASK_OPERATOR, "message": result.message, "held": True}
            self._put_off(group, piece, replaced=doubt, reasons=reasons, **values)

    def _put_off(
        self, group: Group, piece: dict[str, Any], *, reasons: Sequence[str], replaced: bool = False, **values: Any
    ) -> None:
        """Leave the disc to a later moment or to a person; raises always."""
        with self._ours() as connection:
            _change(connection, group, piece)
            if replaced:
                self._replace(connection, group)
            _settled(connection, self.disc.disc_id, self.worker, discs.PENDING, reasons=list(reasons), **values)
        raise _StopError

    def _spoiled(self, group: Group, message: str, reasons: Sequence[str]) -> None:
        """A piece is waste: another one, or a person when too many were. Raises always."""
        first = group.pieces[0]
        with self._ours() as connection:
            rows = discs.pieces(connection, [self.disc.disc_id])
            tried = sum(row.volume == first.volume and row.copy == first.copy for row in rows)
            _change(connection, group, {"state": "failed", "message": message, "ended": now()})
            self._record(connection, group, "failure", message)
            self._replace(connection, group)
            enough = tried >= self.choices.attempts
            if enough:
                self._ask_for_help(connection, tried, message, reasons)
        raise _StopError if enough else _AnotherError

    def _ask_for_help(self, connection: Connection, tried: int, message: str, reasons: Sequence[str]) -> None:
        looked = say_many(
            "%(number)s disc was tried: look at burner %(burner)s and its media.",
            "%(number)s discs were tried: look at burner %(burner)s and its media.",
            tried,
            burner=self.disc.burner,
        )
        values = {"info": "MCD_FAILURE", "reasons": ["piece-failed", *reasons], "held": True}
        text = row((message, looked), " ")
        _settled(connection, self.disc.disc_id, self.worker, discs.PENDING, message=text, **values)

    def _replace(self, connection: Connection, group: Group) -> None:
        """A new piece in the place of each that failed."""
        rows = discs.pieces(connection, [self.disc.disc_id])
        for piece in group.pieces:
            tried = sum(row.volume == piece.volume and row.copy == piece.copy for row in rows)
            serial = serial_of(self.disc.disc_id, piece.volume, piece.copy, tried + 1)
            values = {"volume": piece.volume, "copy": piece.copy, "serial": serial, "burner": self.disc.burner}
            discs.add_piece(connection, disc_id=self.disc.disc_id, state="waiting", **values)

    def _pause(self, request: BurnRequest) -> None:
        """Wait a moment; the place where a stop or a cancel is heard."""
        time.sleep(POLL_SECONDS)
        if self.stopped():
            raise _StopError  # the claim stays: who takes it over asks the burner
        self._check_canceled(request)

    def _check_canceled(self, request: BurnRequest | None) -> None:
        if self._is_canceled():
            self._cancel(request)

    def _is_canceled(self) -> bool:
        """Whether a person cancelled it. What another worker has taken over, and may have ended, nobody undoes here."""
        with self.store.database.read() as connection:
            ours = self._is_ours(connection)
        return ours and self.watch.is_canceled()

    def _cancel(self, request: BurnRequest | None) -> None:
        """Stop the burner and end the disc; returns only when the burner can't be stopped now."""
        with self.store.database.read() as connection:
            self._refuse_lost(connection)
        if request is not None:
            result = self.burner.cancel(request)
            if result.outcome in (BurnOutcome.WORKING, BurnOutcome.WAITING):
                return  # it can't be stopped: its end is waited for
        with self.store.database.read() as connection:
            self._refuse_lost(connection)
        files.remove_tree(self.folder)
        with self.store.database.write("disc") as connection:
            self._refuse_lost(connection)
            disc = discs.get(connection, self.disc.disc_id)
            if disc is not None and disc.execution_status not in discs.FINAL:
                end_canceled(connection, disc, str(process_actor(self.worker)))
        raise _StopError

    # --- verifying ---

    def _verify(self, request: BurnRequest, group: Group) -> None:
        self.watch.phase("verify", request.bytes)
        failpoint("verify.start")
        found = self.burner.verify(request)
        failpoint("verify.done")
        self._check_canceled(request)
        if found.good is False:
            self._spoiled(group, f"{request.title}: {found.message}.", ["verification-failed"])
        state = "verified" if found.good else "unverified"
        with self._ours() as connection:
            values = {"state": state, "message": found.message, "sha256": found.sha256, "ended": now()}
            _change(connection, group, values)
            self._record(connection, group, "success", _how(found), found)
        self.burner.close(request)

    def _record(
        self, connection: Connection, group: Group, outcome: str, message: str, found: Verification | None = None
    ) -> None:
        """The record of each piece of media, in the audit trail."""
        volume, disc = group.volume, self.disc
        facts = {
            "disc": disc.disc_id,
            "volume": volume.volume,
            "patient_id": disc.patient_id,
            "studies": discs.studies(connection, disc.disc_id),
            "profile": disc.profile,
            "medium": self.requests.medium.kind,
            "copy_type": disc.copy_type,
            "file_set_uid": volume.file_set_uid,
            "sha256": volume.sha256,
            "burner": disc.burner,
            "requested_by": disc.requested_by,
            "verified_by": found.by if found else "",
            "message": message,
        }
        for piece in group.pieces:
            detail = {**facts, "copy": piece.copy}
            record(
                connection, "disc-burned", process_actor(self.worker), outcome=outcome, object_kind="piece",
                object_id=piece.serial, detail=detail,
            )  # fmt: skip

    def _done(self) -> None:
        with self.store.database.read() as connection:
            rows = discs.pieces(connection, [self.disc.disc_id])
        unverified = [row for row in rows if row.state == "unverified"]
        reasons = ["not-verified"] if unverified else []
        message = unverified[0].message if unverified else (self.disc.plan or {}).get("note", "")
        total = sum(volume.bytes for volume in self.volumes.values()) * self.disc.copies
        self._end(discs.DONE, reasons=reasons, message=message, done=total, total=total)

    # --- what the burner is asked, and calls back ---

    def _request(self, group: Group) -> BurnRequest:
        return replace(
            self.requests.of(group),
            is_canceled=self._hears_a_cancel,
            begin=lambda: self._begin(group),
            progress=self._step,
        )

    def _begin(self, group: Group) -> None:
        """From now on a crash may have cost a piece of media: it says so before the first byte leaves."""
        self._begun = True
        self._change(group, state="burning", began=now(), who=self.worker, evidence=self.stored.burner_uri)
        failpoint("burn.begun")

    def _step(self, done: int, total: int) -> None:
        """A burner's own progress; a cancel is heard by is_canceled, between its pieces."""
        with suppress(CanceledError):
            self.watch.step(done, total)

    def _hears_a_cancel(self) -> bool:
        """For a burner at work. While the database is away nobody can cancel, and no disc is wasted for it."""
        try:
            return self._is_canceled()
        except ResourceError:
            return False

    def _check_image(self, group: Group) -> None:
        """An image damaged on disk is made again, not burned."""
        path = self.folder / group.volume.image
        try:
            whole = self.requests.has_facts(group.volume) and sums_of(path) == (group.volume.sha256, group.volume.bytes)
        except OSError:
            whole = False
        if not whole:
            self._remake()

    def _remake(self) -> None:
        text = say("An image was damaged on disk: it is made again.")
        with self._ours() as connection:
            for piece in discs.pieces(connection, [self.disc.disc_id]):
                if piece.state not in ENDED:
                    discs.change_piece(connection, piece.piece_id, state="canceled", ended=now())
            values = {"info": "QUEUED", "message": text, "built": False}
            _settled(connection, self.disc.disc_id, self.worker, discs.PENDING, **values)
        raise _StopError

    # --- telling the database ---

    def _is_ours(self, connection: Connection) -> bool:
        return self.store.locks.holds(self.worker) and discs.has_claim(connection, self.disc.disc_id, self.worker)

    def _refuse_lost(self, connection: Connection) -> None:
        """Another worker may go on with the disc by now: then this one stops where it is."""
        if not self._is_ours(connection):
            log.error("worker %s lost its lock: another one goes on", self.worker, extra={"disc": self.disc.disc_id})
            raise _StopError

    @contextmanager
    def _ours(self) -> Iterator[Connection]:
        """One transaction for all that must be there together: who dies between two would leave a disc half told."""
        with self.store.database.write("disc", "burner") as connection:
            self._refuse_lost(connection)
            yield connection

    def _change(self, group: Group, **values: Any) -> None:
        with self._ours() as connection:
            _change(connection, group, values)

    def _tell(self, result: BurnResult) -> None:
        """Keep what a burner says while it is at work, when it changed."""
        info = "NORMAL"
        if result.outcome is BurnOutcome.WAITING:
            info = next((INFO[reason] for reason in result.reasons if reason in INFO), ASK_OPERATOR)
        said: dict[str, Any] = {
            "execution_status_info": info,
            "reasons": list(result.reasons),
            "message": result.message,
        }
        said |= {"done": result.done} if result.done else {}
        with self.store.database.read() as connection:
            disc = discs.get(connection, self.disc.disc_id)
        if disc is not None and any(getattr(disc, name) != value for name, value in said.items()):
            with self._ours() as connection:
                discs.change(connection, self.disc.disc_id, **said)

    def _end(self, status: str, **values: Any) -> None:
        """Settle the claim; raises always."""
        _settle(self.store, self.disc.disc_id, self.worker, status, **values)
        raise _StopError


class _AnotherError(Exception):
    """The next piece's turn."""


def _lost(disc_id: int) -> BurnResult:
    """Without its files a burner can't be asked about a piece that was begun."""
    text = say(
        "The files of disc %(disc_id)s are gone from the disk: look at its burner whether it came out.", disc_id=disc_id
    )
    return BurnResult(outcome=BurnOutcome.UNCERTAIN, message=text)


def _begun_elsewhere(uri: str) -> BurnResult:
    """The burner it has now knows nothing of a piece that another one, or its own old address, was given."""
    text = say(
        "It was begun at %(uri)s, which is not its burner's address any more: look there whether it came out.", uri=uri
    )
    return BurnResult(outcome=BurnOutcome.UNCERTAIN, message=text)


def _begun_in_another(machine: str, burner: str) -> BurnResult:
    """Machines have drives of one address: what is in ours says nothing of what another one's worker began."""
    text = say(
        "It was begun in the drive of machine %(machine)s, and burner %(burner)s is bound to another one now: look "
        "there whether it came out.",
        machine=machine,
        burner=burner,
    )
    return BurnResult(outcome=BurnOutcome.UNCERTAIN, message=text)


def _change(connection: Connection, group: Group, values: dict[str, Any]) -> None:
    for piece in group.pieces:
        discs.change_piece(connection, piece.piece_id, **values)


def _settle(store: Store, disc_id: int, worker: str, status: str, **values: Any) -> None:
    with store.database.write("disc", "burner") as connection:
        _settled(connection, disc_id, worker, status, **values)


def _settled(connection: Connection, disc_id: int, worker: str, status: str, **values: Any) -> None:
    """Settle the burning claim `worker` holds."""
    disc = discs.get(connection, disc_id)
    if disc is None or disc.burning_by != worker:
        return
    actor = str(process_actor(worker))
    if disc.cancel and status not in discs.FINAL:
        end_canceled(connection, disc, actor)
        return
    discs.settle(connection, disc_id, (disc.execution_status,), status, actor=actor, burning_by=None, **values)


def _how(found: Verification) -> str:
    """How far a piece is known to be right, in words."""
    if found.by == "robot":
        return say("by the robot's own verdict, not read back here: %(message)s", message=found.message)
    return found.message
