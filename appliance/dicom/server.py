"""The DICOM front door: ports, who is let in, what is negotiated with whom, and which part answers.

A plug board: parts (print, storage ...) say which abstract syntaxes a caller may have and answer the requests that come
under them. Draining and stopping are the network's.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext, build_context

from appliance.dicom.answering import CLASS_NOT_SUPPORTED, Answer
from appliance.dicom.callers import CALLED_NOT_RECOGNISED, COME_AGAIN, Caller, caller_of, rejection
from appliance.dicom.last_calls import LastCalls
from appliance.dicom.notify import Notifier
from appliance.dicom.own_call import door_answers
from appliance.dicom.print_classes import TRANSFER_SYNTAXES, VERIFICATION
from appliance.dicom.print_scp import PrintScp
from appliance.errors import ResourceError, SettingError
from appliance.network.association import BoundedAssociation
from appliance.network.incidents import OnIncident
from appliance.network.limits import Limits
from appliance.network.server import Listen, ServerAE, ServerGroup, start_server
from appliance.network.spool import SpoolRequest
from appliance.network.tls import RenewedContext, server_context
from appliance.printing.desk import Desks
from appliance.security.certificates import revoked_file, tls_files
from appliance.store.store import Store

log = logging.getLogger(__name__)

N_SERVICES = {
    "N-CREATE": evt.EVT_N_CREATE,
    "N-SET": evt.EVT_N_SET,
    "N-GET": evt.EVT_N_GET,
    "N-ACTION": evt.EVT_N_ACTION,
    "N-DELETE": evt.EVT_N_DELETE,
}


Elements = dict[str, Any]
"""Command elements by keyword."""


class Part(Protocol):
    """One plug of the board."""

    def supported(self, caller: Caller) -> Mapping[str, Sequence[str]]:
        """Abstract syntax -> transfer syntaxes this caller may have, in our order of preference."""

    def opened(self, caller: Caller) -> None:
        """An association with contexts of this part's is about to be accepted."""

    def closed(self, caller: Caller) -> None:
        """It ended, by rejection, release, abort or loss. Called once for each that was opened."""

    def spool_folder(self, caller: Caller, request: SpoolRequest) -> Path | None:
        """The folder for the data set of a C-STORE or N-SET; None: it stays in memory."""

    def serve(self, caller: Caller, event: Event, service: str) -> Answer:
        """Answer a request. Raises nothing."""


@dataclass(kw_only=True)
class Line:
    """One association on the board."""

    caller: Caller
    routes: dict[str, Part]  # abstract syntax -> the part that answers
    opened: list[Part] = field(default_factory=list)


class DicomServer:
    """All DICOM ports of one appliance."""

    def __init__(self, store: Store, parts: Sequence[Part] = (), on_incident: OnIncident | None = None) -> None:
        """`parts` besides print, in order; `on_incident` hears of refused and hostile peers."""
        self.store = store
        self.print_scp = PrintScp(store)
        self.parts: list[Part] = [self.print_scp, *parts]
        self.notifier = Notifier(store, self.print_scp)
        self._desks = Desks(store)
        self.calls = LastCalls(store)
        self._on_incident = on_incident
        self.group: ServerGroup | None = None
        self._open: dict[int, Line] = {}
        self._own_name = f"OWN{secrets.token_hex(6)}".upper()  # we call ourselves by it; nobody can guess it

    def start(self) -> None:
        """Open the ports. Raises OSError when one is taken."""
        settings = self.store.settings.dicom
        listen = [Listen(address=settings.address, port=port) for port in settings.ports] + self._tls()
        self.group = start_server(
            ServerAE(settings.ae_title),
            listen,
            self._handlers(),
            limits=self._limits(),
            spool=self._spool,
            on_incident=self._on_incident,
            on_end=self._ended,
        )
        self.notifier.start()
        self.calls.start()

    def _tls(self) -> list[Listen]:
        """The TLS port, once there is a certificate; where peers must show one, once somebody is trusted."""
        tls, dicom = self.store.settings.tls, self.store.settings.dicom
        files = tls_files(self.store)
        if files is None:
            return []
        if tls.mutual and files.authorities is None:
            log.error("the TLS port stays closed: peers must show a certificate, and none is trusted (appliance tls)")
            return []
        try:
            revoked = revoked_file(self.store)
            needed = (files.certificate, files.key, files.authorities)
            context = RenewedContext(
                partial(server_context, *needed, required=tls.mutual, revoked=revoked), filter(None, (*needed, revoked))
            )
        except SettingError as error:
            log.error("the TLS port stays closed: %s", error)  # who calls without TLS goes on printing
            return []
        return [Listen(address=dicom.address, port=dicom.tls_port, ssl_context=context)]

    @property
    def port(self) -> int:
        """The first port, as the system gave it."""
        assert self.group is not None
        return self.group.port

    def answers_itself(self, seconds: float = 10.0) -> bool:
        """Whether every port looks for connections, and a C-ECHO over the first is answered: feeds the watchdog."""
        if self.group is None or not self.group.is_accepting():
            return False
        dicom = self.store.settings.dicom
        title = dicom.ae_title
        return door_answers(dicom.address, self.port, called=title, calling=self._own_name, seconds=seconds)

    def stop(self, grace: float | None = None) -> None:
        """Accept nothing more, let running messages end, abort the rest."""
        self.notifier.stop()
        if self.group is not None:
            self.group.drain(self.store.settings.dicom.drain_seconds if grace is None else grace)
        self.calls.stop()

    def _limits(self) -> Limits:
        settings = self.store.settings.dicom
        return Limits(
            associations=settings.associations,
            associations_per_address=settings.associations_per_address,
            pending=settings.unassociated,
            request_deadline=settings.request_seconds,
            pdu_deadline=settings.pdu_seconds,
            send_timeout=settings.send_seconds,
            idle=settings.idle_seconds,
            pdu_max=settings.maximum_pdu,
            dataset_max=settings.film_mib << 20,
            store_max=settings.instance_mib << 20,
            sequence_depth=self.store.settings.limits.sequence_depth,
        )

    def _handlers(self) -> list[tuple[Any, ...]]:
        services = [(event, partial(self._n_request, service)) for service, event in N_SERVICES.items()]
        return [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_ACCEPTED, self._accepted),
            (evt.EVT_C_ECHO, self._echo),
            (evt.EVT_C_STORE, self._store),
            *services,
        ]

    # --- association ---

    def _requested(self, event: Event) -> None:
        association: Any = event.assoc
        try:
            self._let_in(association)
        except Exception as error:  # nobody comes in, with or without contexts, through a fault of ours
            why = error if isinstance(error, ResourceError) else type(error).__name__
            log.warning("an association from %s is told to come again: %s", association.address, why)
            association.acse.send_reject(*COME_AGAIN)
            association.kill()

    def _let_in(self, association: Any) -> None:
        """Find out who calls, and what it may have. Raises ResourceError when the database is away."""
        caller = caller_of(self._desks, association)
        association.about["peer"] = str(caller)
        if self._is_own(caller):
            self._open[id(association)] = Line(caller=caller, routes={})
            association.acceptor.supported_contexts = [_context(VERIFICATION, TRANSFER_SYNTAXES)]
            return
        association.is_known = caller.peer.known
        reason = rejection(self.store, caller)
        if reason is not None:
            association.requestor.ae_title = caller.calling_ae_title  # negotiation, which sets it, does not come
            who = "called" if reason == CALLED_NOT_RECOGNISED else "calling"
            association.incident("rejected", f"{who} AE title not recognised (called {caller.called_ae_title})")
            self.calls.rejected(caller, f"{who} AE title not recognised")
            association.acse.send_reject(*reason)
            association.kill()
            return
        association.acceptor.supported_contexts = self._plug_in(association, caller)

    def _is_own(self, caller: Caller) -> bool:
        return caller.calling_ae_title == self._own_name

    def _plug_in(self, association: Any, caller: Caller) -> list[PresentationContext]:
        """Ask each part what this caller may have, and remember who answers what. Of that, what it proposes."""
        wanted: dict[str, Sequence[str]] = {VERIFICATION: TRANSFER_SYNTAXES}
        line = Line(caller=caller, routes={})
        for part in self.parts:
            supported = part.supported(caller)
            wanted.update(supported)
            line.routes.update(dict.fromkeys(supported, part))
        self._open[id(association)] = line
        contexts = association.requestor.primitive.presentation_context_definition_list
        proposed = dict.fromkeys(str(context.abstract_syntax) for context in contexts)
        self._open_parts(line, proposed)
        return [_context(uid, tuple(wanted[uid])) for uid in proposed if uid in wanted]

    def _open_parts(self, line: Line, proposed: Iterable[str]) -> None:
        """Ready before the A-ASSOCIATE-AC leaves: the first data set may overtake EVT_ACCEPTED."""
        asked = {line.routes.get(uid) for uid in proposed}
        for part in self.parts:
            if part in asked:
                part.opened(line.caller)
                line.opened.append(part)

    def _accepted(self, event: Event) -> None:
        caller = self._open[id(event.assoc)].caller
        if self._is_own(caller):
            return
        log.info("%s calling %s is accepted", caller, caller.called_ae_title)
        self.calls.accepted(caller)
        self.calls.are_open(len(self._open))

    def _ended(self, association: BoundedAssociation) -> None:
        line = self._open.pop(id(association), None)
        self.calls.are_open(len(self._open))
        for part in line.opened if line else ():
            part.closed(line.caller)  # type: ignore[union-attr]

    # --- requests ---

    def _spool(self, request: SpoolRequest) -> Path | None:
        line = self._open.get(id(request.association))
        part = line.routes.get(request.abstract_syntax) if line else None
        return part.spool_folder(line.caller, request) if part and line else None

    def _echo(self, event: Event) -> int:
        caller = self._open[id(event.assoc)].caller
        if not self._is_own(caller):
            self.calls.asked(caller, "C-ECHO")
        return 0x0000

    def _serve(self, service: str, event: Event) -> Answer:
        line = self._open[id(event.assoc)]
        self.calls.asked(line.caller, service)
        part = line.routes.get(str(event.context.abstract_syntax))
        if part is None:
            return Answer(status=CLASS_NOT_SUPPORTED, comment="not served here")
        return part.serve(line.caller, event, service)

    def _n_request(self, service: str, event: Event) -> tuple[Elements, Dataset | None] | Elements:
        answer = self._serve(service, event)
        status = answer.elements()
        return status if service == "N-DELETE" else (status, answer.dataset)

    def _store(self, event: Event) -> Elements:
        return self._serve("C-STORE", event).elements()


@lru_cache(maxsize=4096)
def _context(abstract_syntax: str, transfer_syntaxes: tuple[str, ...]) -> PresentationContext:
    """Shared between associations: negotiation only reads it."""
    return build_context(abstract_syntax, list(transfer_syntaxes))
