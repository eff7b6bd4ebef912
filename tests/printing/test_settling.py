"""What a send's answer makes of a job: the table of outcomes and error policies."""

from __future__ import annotations

import pytest

from appliance.printing.device.outcome import SendOutcome, SendResult
from appliance.printing.printers import PrinterSettings
from appliance.printing.settling import decide
from appliance.reasons import in_words

OUT = SendOutcome

# outcome, error policy, retry limit, attempts, canceled -> state, waits, printer stops
CASES = [
    (OUT.DONE, "retry-job", 0, 1, False, "completed", False, False),
    (OUT.DONE, "retry-job", 0, 1, True, "completed", False, False),  # it came out: cancelling came too late
    (OUT.RETRY, "retry-job", 0, 99, False, "pending", True, False),
    (OUT.RETRY, "retry-job", 3, 2, False, "pending", True, False),
    (OUT.RETRY, "retry-job", 3, 3, False, "pending-held", False, False),
    (OUT.RETRY, "hold-job", 0, 1, False, "pending-held", False, False),
    (OUT.RETRY, "hold-job", 2, 1, False, "pending", True, False),
    (OUT.RETRY, "abort-job", 0, 1, False, "aborted", False, False),
    (OUT.RETRY, "stop-printer", 0, 1, False, "pending", False, True),
    (OUT.RETRY, "redirect:other", 0, 9, False, "pending", True, False),
    (OUT.RETRY, "retry-job", 0, 1, True, "canceled", False, False),
    (OUT.HOLD, "abort-job", 0, 1, False, "pending-held", False, False),
    (OUT.STOP_PRINTER, "retry-job", 0, 1, False, "pending", False, True),
    (OUT.CANCEL, "retry-job", 0, 1, False, "aborted", False, False),
    (OUT.UNCERTAIN, "abort-job", 0, 1, False, "pending-held", False, False),
    (OUT.UNCERTAIN, "retry-job", 0, 1, True, "canceled", False, False),
]


@pytest.mark.parametrize(("outcome", "policy", "limit", "attempts", "canceled", "state", "waits", "stops"), CASES)
def test_outcomes_settle_by_table(
    outcome: SendOutcome, policy: str, limit: int, attempts: int, canceled: bool, state: str, waits: bool, stops: bool
) -> None:
    settings = PrinterSettings(error_policy=policy, retry_limit=limit)
    settlement = decide(SendResult(outcome=outcome), settings, attempts, canceled=canceled)
    assert (settlement.state, settlement.wait, settlement.stop_printer) == (state, waits, stops)


def test_what_is_uncertain_is_in_doubt_and_says_what_to_do() -> None:
    result = SendResult(outcome=OUT.UNCERTAIN, message="Stopped in sheet 1 of 1.")
    settlement = decide(result, PrinterSettings(), 1, canceled=False)
    assert settlement.reasons[0] == "in-doubt"
    assert "release it" in settlement.message and "confirm it" in settlement.message


@pytest.mark.parametrize(
    ("policy", "words"),
    [("hold-job", "release the job"), ("abort-job", "print the job again"), ("stop-printer", "let it go on")],
)
def test_the_last_attempt_says_so_and_what_to_do(policy: str, words: str) -> None:
    result = SendResult(outcome=OUT.RETRY, message="Nothing was printed; it will be tried again.")
    assert words in decide(result, PrinterSettings(error_policy=policy), 1, canceled=False).message


@pytest.mark.parametrize("outcome", [OUT.HOLD, OUT.RETRY])
def test_what_the_appliance_holds_is_not_said_to_be_held_by_a_person(outcome: SendOutcome) -> None:
    reasons = decide(SendResult(outcome=outcome), PrinterSettings(error_policy="hold-job"), 1, canceled=False).reasons
    assert str(in_words(reasons)) == "a person must decide" != str(in_words(["job-hold-until-specified"]))
