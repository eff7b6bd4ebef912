"""A machine that gives no more threads: who comes then is put out, and keeps neither a place nor a descriptor."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import evt
from pynetdicom.dimse_primitives import C_ECHO

from appliance.network.association import BoundedAssociation
from appliance.network.events import send_event
from appliance.network.print_scu import GRAYSCALE
from appliance.network.requestor import Peer, associated, context, exchange
from appliance.network.server import ServerGroup
from appliance.network.upper_layer import UpperLayer
from tests.network.conftest import QUICK, Bench, eventually
from tests.network.raw import IMPLICIT, VERIFICATION, RawPeer, associate_rq, presentation_context
from tests.network.test_events import PRINTER, PRINTER_INSTANCE

REQUEST = associate_rq(presentation_context(1, VERIFICATION, IMPLICIT))
TOO_MUCH = 1 << 46  # bytes of a stack that no system has


@contextmanager
def no_threads() -> Iterator[None]:
    before = threading.stack_size(TOO_MUCH)
    try:
        yield
    finally:
        threading.stack_size(before)


def starved(kind: type[threading.Thread], monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads of this kind can't be started, and say so as Python does."""
    start = kind.start

    def starving(thread: threading.Thread) -> None:
        with no_threads():
            start(thread)

    monkeypatch.setattr(kind, "start", starving)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def is_empty(group: ServerGroup) -> bool:
    return not group.associations and group.gate.pending == 0 and group.gate.associated == 0


@pytest.mark.parametrize("kind", [BoundedAssociation, UpperLayer])
def test_a_peer_for_whom_there_is_no_thread_is_put_out_and_keeps_no_place(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], kind: type[threading.Thread]
) -> None:
    group = bench.serve()
    with RawPeer(group.port) as good:
        assert good.associate()[0] == 2
    assert eventually(lambda: is_empty(group))
    files = open_files()
    with monkeypatch.context() as patch:
        starved(kind, patch)
        for _ in range(3):
            with RawPeer(group.port) as peer:
                peer.send(REQUEST)
                assert peer.closed()
    assert eventually(lambda: is_empty(group))
    assert bench.kinds == {"no-thread"}
    assert eventually(lambda: open_files() <= files)
    assert "Traceback" not in capfd.readouterr().err
    with RawPeer(group.port) as good:
        assert good.associate()[0] == 2


def test_an_event_there_is_no_thread_for_goes_unanswered_and_costs_no_association(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As SCU: a film may be on its way to the imager that tells how it is."""
    start, starving = threading.Thread.start, threading.Event()

    def start_none_for_events(thread: threading.Thread) -> None:
        if thread.name != "event-report":
            return start(thread)
        with no_threads():
            try:
                return start(thread)
            finally:
                starving.set()

    monkeypatch.setattr(threading.Thread, "start", start_none_for_events)
    group = bench.serve((evt.EVT_ESTABLISHED, lambda event: send_event(event.assoc, 1, PRINTER, PRINTER_INSTANCE)))
    peer = Peer(host="127.0.0.1", port=group.port, called="APPLIANCE")
    proposed = [context(GRAYSCALE, ImplicitVRLittleEndian), context(VERIFICATION.decode(), ImplicitVRLittleEndian)]
    with associated(peer, proposed, limits=replace(QUICK, response_timeout=5.0)) as association:
        assert starving.wait(10)
        request = C_ECHO()
        request.AffectedSOPClassUID = VERIFICATION.decode()
        assert exchange(association, association.accepted_contexts[1], request)[0] == 0
