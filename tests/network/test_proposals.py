"""Long A-ASSOCIATE-RQs are made short without changing what is agreed on."""

from __future__ import annotations

import pytest
from pynetdicom import evt
from pynetdicom.pdu import A_ASSOCIATE_RQ

from appliance.network.proposals import LONG, shortened
from tests.network.conftest import Bench
from tests.network.raw import ECHO_RQ, IMPLICIT, VERIFICATION, RawPeer, associate_rq, command, presentation_context

OFFERED = {IMPLICIT, b"1.2.840.10008.1.2.1"}
MANY = [b"1.2.840.10008.1.2.4.%d" % number for number in range(50, 115)]


def proposed(pdu: bytes) -> list[tuple[int | None, list[str]]]:
    decoded = A_ASSOCIATE_RQ()
    decoded.decode(pdu)
    return [(one.context_id, [str(uid) for uid in one.transfer_syntax]) for one in decoded.presentation_context]


def test_only_what_is_offered_stays_in_order_and_once() -> None:
    context = presentation_context(1, VERIFICATION, *MANY, b"1.2.840.10008.1.2.1", IMPLICIT, IMPLICIT)
    assert proposed(shortened(associate_rq(context), OFFERED)) == [(1, ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"])]


def test_a_context_of_which_nothing_is_offered_keeps_one() -> None:
    contexts = presentation_context(1, VERIFICATION, *MANY), presentation_context(3, VERIFICATION, IMPLICIT)
    assert proposed(shortened(associate_rq(*contexts), OFFERED)) == [
        (1, ["1.2.840.10008.1.2.4.50"]),
        (3, ["1.2.840.10008.1.2"]),
    ]


def test_everything_else_stays_as_it_was() -> None:
    pdu = associate_rq(presentation_context(1, VERIFICATION, IMPLICIT), called=b"FILM", calling=b"CT 1")
    assert shortened(pdu, OFFERED) == pdu


BROKEN = [
    associate_rq(*(presentation_context(1, VERIFICATION, IMPLICIT) for _ in range(129))),
    associate_rq(presentation_context(1, VERIFICATION, IMPLICIT))[:-1],
    associate_rq(presentation_context(1, VERIFICATION, IMPLICIT) + b"\x20"),
]


@pytest.mark.parametrize("pdu", BROKEN)
def test_items_that_do_not_fit_together_are_refused(pdu: bytes) -> None:
    with pytest.raises(ValueError, match=r"item|contexts"):
        shortened(pdu, OFFERED)


def test_a_long_request_is_agreed_on(bench: Bench) -> None:
    group = bench.serve((evt.EVT_C_ECHO, lambda event: 0x0000))
    contexts = [presentation_context(2 * number + 1, VERIFICATION, *MANY, IMPLICIT) for number in range(60)]
    request = associate_rq(*contexts)
    assert len(request) > LONG
    with RawPeer(group.port) as peer:
        peer.send(request)
        assert peer.pdu()[0] == 2
        peer.send(command(ECHO_RQ, 7))
        assert peer.pdu()[0] == 4
