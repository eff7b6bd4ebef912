"""Responses byte for byte where it matters: UIDs, comments, attribute lists, refusals."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from appliance.errors import NotAllowedError, RefusedError
from appliance.network.commands import decode_command, encode_command
from tests.network.conftest import Bench
from tests.network.raw import IMPLICIT, RawPeer, command, p_data, presentation_context
from tests.network.test_hostile_peers import N_SET, PRINT

N_CREATE = {
    "AffectedSOPClassUID": "1.2.840.10008.5.1.1.1",
    "CommandField": 0x0140,
    "MessageID": 5,
    "CommandDataSetType": 0x0101,
}
QUERY = {"CommandField": 0x0020, "MessageID": 5, "Priority": 0, "CommandDataSetType": 1}


def answer_to(port: int, request: bytes, context: bytes = PRINT) -> tuple[dict[str, Any], bytes]:
    """The command set of the response, and the bytes of its data set."""
    with RawPeer(port) as peer:
        peer.associate(context)
        peer.send(request)
        data = peer.pdu()
        values = decode_command(data[12:])
        return values, peer.pdu()[12:] if values["CommandDataSetType"] != 0x0101 else b""


def status(code: int, **elements: Any) -> Dataset:
    made = Dataset()
    made.Status = code
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


@pytest.mark.parametrize("code", [0x0000, 0x0107, 0x0116, 0xB600, 0xB605])
def test_the_uid_we_made_goes_into_the_command_on_success_and_on_warnings(bench: Bench, code: int) -> None:
    answer = Dataset()
    answer.FilmSizeID = "A4"
    group = bench.serve((evt.EVT_N_CREATE, lambda event: (status(code, AffectedSOPInstanceUID="1.2.9"), answer)))
    values, dataset = answer_to(group.port, command(N_CREATE))
    assert values["Status"] == code
    assert values["AffectedSOPInstanceUID"] == "1.2.9"
    assert values["MessageIDBeingRespondedTo"] == 5
    assert dataset == b"\x10\x20\x50\0\2\0\0\0A4"


def test_the_uid_may_come_in_the_attribute_list_as_pynetdicom_has_it(bench: Bench) -> None:
    answer = Dataset()
    answer.AffectedSOPInstanceUID = "1.2.9"
    group = bench.serve((evt.EVT_N_CREATE, lambda event: (0xB605, answer)))
    values, dataset = answer_to(group.port, command(N_CREATE))
    assert (values["Status"], values["AffectedSOPInstanceUID"], dataset) == (0xB605, "1.2.9", b"")


def test_a_uid_the_peer_chose_is_repeated(bench: Bench) -> None:
    group = bench.serve((evt.EVT_N_CREATE, lambda event: (0, None)))
    values, _ = answer_to(group.port, command({**N_CREATE, "AffectedSOPInstanceUID": "1.2.77"}))
    assert values["AffectedSOPInstanceUID"] == "1.2.77"


def test_comment_and_attribute_list_go_out_in_any_dimse_n_response(bench: Bench) -> None:
    refusal = status(0x0107, ErrorComment="Größe\\" + "x" * 100, AttributeIdentifierList=[0x20100050, 0x20100010])
    refusal.AffectedSOPInstanceUID = "1.2.9"
    group = bench.serve(
        (evt.EVT_N_CREATE, lambda event: (refusal, None)), (evt.EVT_N_ACTION, lambda event: (refusal, None))
    )
    for request in (N_CREATE, {**N_SET, "CommandField": 0x0130, "ActionTypeID": 1, "CommandDataSetType": 0x0101}):
        values, dataset = answer_to(group.port, command(request))
        assert values["ErrorComment"].startswith("Gr??e/xxx")
        assert len(values["ErrorComment"]) == 64
        assert values["AttributeIdentifierList"] == [0x20100050, 0x20100010]
        assert dataset == b""


def test_an_empty_data_set_goes_out_as_none(bench: Bench) -> None:
    group = bench.serve((evt.EVT_N_SET, lambda event: (0, Dataset())))
    values, _ = answer_to(group.port, command(N_SET) + p_data((1, 2, b"")))
    assert values["CommandDataSetType"] == 0x0101


@pytest.mark.parametrize(
    ("error", "code", "comment"),
    [
        (RefusedError(0xC603, "image larger than its box"), 0xC603, "image larger than its box"),
        (NotAllowedError("not for you"), 0x0124, "not for you"),
        (ZeroDivisionError("Patient^Name"), 0x0110, None),
    ],
)
def test_what_a_handler_raises_becomes_a_status(bench: Bench, error: Exception, code: int, comment: str | None) -> None:
    def handle(event: evt.Event) -> Any:
        raise error

    group = bench.serve((evt.EVT_N_SET, handle))
    values, _ = answer_to(group.port, command(N_SET) + p_data((1, 2, b"")))
    assert values["Status"] == code
    assert values.get("ErrorComment") == comment


@pytest.mark.parametrize(
    ("name", "context", "request_", "code"),
    [
        ("class not negotiated", PRINT, {**N_SET, "RequestedSOPClassUID": "1.2.840.10008.5.1.4.33"}, 0x0122),
        ("a class nobody knows", PRINT, {**N_SET, "RequestedSOPClassUID": "1.2.3.4"}, 0x0122),
        ("operation without handler", PRINT, {**N_CREATE, "CommandField": 0x0150}, 0x0212),
        ("no handler", PRINT, {**N_SET, "CommandField": 0x0150, "CommandDataSetType": 0x0101}, 0x0211),
        ("instance UID missing", PRINT, {k: v for k, v in N_SET.items() if k != "RequestedSOPInstanceUID"}, 0x0212),
        (
            "query on a print context",
            PRINT,
            {**N_CREATE, "CommandField": 0x0020, "Priority": 0, "AffectedSOPClassUID": "1.2.840.10008.5.1.4.1.2.2.1"},
            0x0122,
        ),
        *(
            ("a query", presentation_context(1, uid.encode(), IMPLICIT), QUERY | {"AffectedSOPClassUID": uid}, 0x0122)
            for uid in ("1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2")
        ),
    ],
)
def test_what_cannot_be_served_is_answered_not_aborted(
    bench: Bench, name: str, context: bytes, request_: dict, code: int
) -> None:
    group = bench.serve((evt.EVT_N_SET, lambda event: (0, None)))
    data = p_data((1, 2, b"abcd")) if request_["CommandDataSetType"] == 1 else b""
    values, _ = answer_to(group.port, command(request_) + data, context)
    assert values["Status"] == code, name


def test_a_single_film_session_class_is_served_on_its_own_context(bench: Bench) -> None:
    group = bench.serve((evt.EVT_N_CREATE, lambda event: (status(0, AffectedSOPInstanceUID="1.2.9"), None)))
    own = presentation_context(1, b"1.2.840.10008.5.1.1.1", IMPLICIT)
    values, _ = answer_to(group.port, command(N_CREATE), own)
    assert (values["Status"], values["AffectedSOPInstanceUID"]) == (0, "1.2.9")


def test_a_stored_instance_under_a_foreign_context_is_refused(bench: Bench) -> None:
    group = bench.serve((evt.EVT_C_STORE, lambda event: 0))
    request = {
        "AffectedSOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
        "AffectedSOPInstanceUID": "1.2.3",
        "CommandField": 1,
        "MessageID": 1,
        "Priority": 0,
        "CommandDataSetType": 1,
    }
    context = presentation_context(1, b"1.2.840.10008.5.1.4.1.1.7", IMPLICIT)
    values, _ = answer_to(group.port, command(request) + p_data((1, 2, b"abcd")), context)
    assert values["Status"] == 0x0122


def test_pynetdicom_as_client_reads_our_answers(bench: Bench) -> None:
    answer = Dataset()
    answer.PrinterStatus = "NORMAL"
    group = bench.serve((evt.EVT_N_GET, lambda event: (0, answer)))
    ae = AE("X")
    ae.add_requested_context("1.2.840.10008.5.1.1.9")
    association = ae.associate("127.0.0.1", group.port)
    got, dataset = association.send_n_get(
        [0x21100010], "1.2.840.10008.5.1.1.16", "1.2.840.10008.5.1.1.17", meta_uid="1.2.840.10008.5.1.1.9"
    )
    assert (got.Status, dataset.PrinterStatus) == (0, "NORMAL")
    association.release()


def test_command_sets_survive_a_round_trip() -> None:
    values = {**N_CREATE, "AttributeIdentifierList": [0x20100010], "ErrorComment": "odd", "Status": 0x0107}
    decoded = decode_command(encode_command(values))
    assert decoded.pop("CommandGroupLength") == len(encode_command(values)) - 12
    assert decoded == values


@pytest.mark.parametrize(
    "data",
    [b"\0", b"\0" * 7, b"\0\0\0\1\2\0\0\0\1", b"\x08\0\0\0\0\0\0\0", b"\0\0\0\1\1\0\0\0\1", b"\0\0\0\0\2\0\0\0\1\1"],
)
def test_a_malformed_command_set_is_told_apart(data: bytes) -> None:
    with pytest.raises(ValueError, match="command set"):
        decode_command(data)
