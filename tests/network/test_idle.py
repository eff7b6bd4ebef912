"""Associations nobody uses."""

from __future__ import annotations

import pytest

from appliance.network.requestor import Peer, associated, context
from tests.network.conftest import Bench, eventually


@pytest.mark.parametrize(("response", "ended"), [("A-RELEASE", "is_released"), ("A-ABORT", "is_aborted")])
def test_an_idle_limit_that_is_shortened_counts_at_once(bench: Bench, response: str, ended: str) -> None:
    group = bench.serve()
    peer = Peer(host="127.0.0.1", port=group.port, called="APPLIANCE")
    with associated(peer, [context("1.2.840.10008.1.1", "1.2.840.10008.1.2")]) as association:
        association.network_timeout_response = response
        association.network_timeout = 0.1
        assert eventually(lambda: getattr(association, ended), within=3)
    assert eventually(lambda: group.gate.associated == 0)
