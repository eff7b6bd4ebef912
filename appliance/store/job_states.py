"""Job states (IPP, RFC 8011 5.3.7) and which may follow which. Pure: the database does the deed."""

from __future__ import annotations

PENDING = "pending"
HELD = "pending-held"
PROCESSING = "processing"
STOPPED = "processing-stopped"
CANCELED = "canceled"
ABORTED = "aborted"
COMPLETED = "completed"

JOB_STATES = (PENDING, HELD, PROCESSING, STOPPED, CANCELED, ABORTED, COMPLETED)
FINAL = (CANCELED, ABORTED, COMPLETED)

TRANSITIONS: dict[str, tuple[str, ...]] = {
    PENDING: (HELD, PROCESSING, CANCELED, ABORTED),
    HELD: (PENDING, CANCELED, ABORTED, COMPLETED),  # completed: a person saw the film come out
    PROCESSING: (PENDING, HELD, STOPPED, CANCELED, ABORTED, COMPLETED),
    STOPPED: (PENDING, HELD, PROCESSING, CANCELED, ABORTED, COMPLETED),
    CANCELED: (),
    ABORTED: (),
    COMPLETED: (),
}

VERBS: dict[str, tuple[str, ...]] = {
    "hold": (PENDING,),
    "release": (HELD,),
    "cancel": (PENDING, HELD, PROCESSING, STOPPED),
    "move": (PENDING, HELD),
    "confirm": (HELD,),  # "it came out": settles a job in doubt as completed
    "reprint": FINAL,
}
"""From which states a person's verb may be asked for."""


def may_follow(state: str, after: str) -> bool:
    """Whether a job in state `after` may go to `state`."""
    return state in TRANSITIONS[after]
