"""N-EVENT-REPORT by the SCP: never ahead of a response, never waiting, never in the way."""

from __future__ import annotations

import threading
import time
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import evt

from appliance.network.commands import decode_command
from appliance.network.events import send_event
from appliance.network.print_scu import GRAYSCALE, printing
from appliance.network.requestor import Peer, associated, context
from tests.network.conftest import Bench, eventually
from tests.network.raw import IMPLICIT, RawPeer, command, p_data, presentation_context
from tests.network.test_hostile_peers import N_SET, PRINT

PRINTER, PRINTER_INSTANCE = "1.2.840.10008.5.1.1.16", "1.2.840.10008.5.1.1.17"
PRINT_JOB = "1.2.840.10008.5.1.1.14"
ACTION = {**N_SET, "CommandField": 0x0130, "ActionTypeID": 1, "CommandDataSetType": 0x0101}


def fields(pdus: list[bytes]) -> list[int]:
    return [decode_command(pdu[12:])["CommandField"] for pdu in pdus]


def test_an_event_sent_inside_a_handler_follows_the_response(bench: Bench) -> None:
    def handle(event: evt.Event) -> tuple[int, None]:
        assert send_event(event.assoc, 3, PRINT_JOB, "1.2.3")
        return 0, None

    group = bench.serve((evt.EVT_N_ACTION, handle))
    with RawPeer(group.port) as peer:
        peer.associate(PRINT, presentation_context(3, PRINT_JOB.encode(), IMPLICIT))
        peer.send(command(ACTION))
        pdus = [peer.pdu(), peer.pdu()]
        assert fields(pdus) == [0x8130, 0x0100]
        assert pdus[1][10] == 3  # the print job's own presentation context
        values = decode_command(pdus[1][12:])
        assert (values["EventTypeID"], values["AffectedSOPInstanceUID"]) == (3, "1.2.3")
        assert values["CommandDataSetType"] == 0x0101


def test_a_printer_event_goes_under_the_meta_context(bench: Bench) -> None:
    group = bench.serve()
    information = Dataset()
    information.PrinterStatusInfo = "SUPPLY LOW"
    with RawPeer(group.port) as peer:
        peer.associate(PRINT)
        assert eventually(lambda: group.gate.associated == 1)
        association = group.associations[0]
        assert eventually(lambda: association.is_established)
        assert send_event(association, 2, PRINTER, PRINTER_INSTANCE, information)
        assert fields([peer.pdu()]) == [0x0100]
        assert b"SUPPLY LOW" in peer.pdu()


def test_no_event_without_a_context_or_an_association(bench: Bench) -> None:
    group = bench.serve()
    with RawPeer(group.port) as peer:
        peer.associate(PRINT)
        assert eventually(lambda: group.associations and group.associations[0].is_established)
        association = group.associations[0]
        assert not send_event(association, 3, PRINT_JOB, "1.2.3")
    assert eventually(lambda: not association.is_established)
    assert not send_event(association, 1, PRINTER, PRINTER_INSTANCE)


def test_events_that_come_with_the_acceptance_are_taken_in_order(bench: Bench) -> None:
    """Some imagers tell their state at once; our thread may not yet have read what they accepted."""
    sent, taken = threading.Event(), []
    told = [1, 2, 3, 1] * 10

    def tell(event: evt.Event) -> None:
        assert all(send_event(event.assoc, kind, PRINTER, PRINTER_INSTANCE) for kind in told)
        sent.set()

    def be_slow(event: evt.Event) -> None:
        assert sent.wait(10)
        time.sleep(0.3)

    def take(event: evt.Event) -> tuple[int, None]:
        taken.append(event.event_type)
        return 0, None

    group = bench.serve((evt.EVT_ESTABLISHED, tell))
    peer = Peer(host="127.0.0.1", port=group.port, called="APPLIANCE")
    handlers = [(evt.EVT_REQUESTED, be_slow), (evt.EVT_N_EVENT_REPORT, take)]
    with associated(peer, [context(GRAYSCALE, ImplicitVRLittleEndian)], handlers=handlers) as association:
        assert eventually(lambda: len(taken) == len(told))
        assert association.is_established
    assert taken == told


def test_events_while_films_come_in_disturb_neither(bench: Bench) -> None:
    """Ten associations with forty N-SETs each, twenty events meanwhile; the SCU answers or ignores events."""
    group = bench.serve((evt.EVT_N_SET, lambda event: (0, None)))
    taken: list[int] = []
    statuses: list[Any] = []
    sent: list[bool] = []
    stopped = threading.Event()

    def films() -> None:
        # pynetdicom's own client locks up here: its event thread and its request share a flag without a lock.
        box, image = Dataset(), Dataset()
        box.ImageBoxPosition = 1
        image.Rows = 100
        peer = Peer(host="127.0.0.1", port=group.port, called="APPLIANCE")
        with printing(peer, on_event=lambda event: taken.append(event.event_type)) as client:
            for _ in range(40):
                client.set_image("1.2.3", box, image, bytes(20_000))
                statuses.append(0)
            assert stopped.wait(60)
            eventually(lambda: len(taken) == len(sent), 20)  # who leaves earlier leaves some on their way

    threads = [threading.Thread(target=films) for _ in range(10)]
    for thread in threads:
        thread.start()
    assert eventually(lambda: group.gate.associated == 10)
    assert eventually(lambda: all(association.is_established for association in group.associations))
    for _ in range(20):
        sent.extend(send_event(association, 1, PRINTER, PRINTER_INSTANCE) for association in group.associations)
        time.sleep(0.005)
    stopped.set()
    for thread in threads:
        thread.join(60)
    assert statuses == [0] * 400
    assert eventually(lambda: len(taken) == sum(sent))
    assert sum(sent) == 200


def test_a_peer_that_never_answers_an_event_still_gets_its_responses(bench: Bench) -> None:
    def handle(event: evt.Event) -> tuple[int, None]:
        send_event(event.assoc, 1, PRINTER, PRINTER_INSTANCE)
        return 0, None

    group = bench.serve((evt.EVT_N_SET, handle))
    with RawPeer(group.port) as peer:
        peer.associate(PRINT)
        for _ in range(5):
            peer.send(command(N_SET) + p_data((1, 2, b"abcd")))
            assert fields([peer.pdu(), peer.pdu()]) == [0x8120, 0x0100]
