"""Job states (IPP, RFC 8011 5.3.7). Pure: the database does the deed."""

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

VERBS: dict[str, tuple[str, ...]] = {
    "hold": (PENDING,),
    "release": (HELD,),
    "cancel": (PENDING, HELD, PROCESSING, STOPPED),
    "move": (PENDING, HELD),
    "confirm": (HELD,),  # "it came out": settles a job in doubt as completed
    "reprint": FINAL,
}
"""From which states a person's verb may be asked for."""
