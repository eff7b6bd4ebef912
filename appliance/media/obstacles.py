"""Why a disc is not made, or not yet: what can't be, what waits for a person, what waits for its turn."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.errors import ApplianceError, DamagedError
from appliance.media.plan import Plan
from appliance.words import say

REFUSALS = {
    "size": ("INST_OVERSIZED", 0x0205),
    "splitting": ("SET_OVERSIZED", 0x0110),
    "class": ("INST_AP_CONFLICT", 0x0202),
    "syntax": ("INST_AP_CONFLICT", 0x0203),
    "key": ("DIR_PROC_ERR", 0x0120),
    "": ("PROC_FAILURE", 0x0110),
}
"""What stands in a plan's way -> Execution Status Info, Failure Reason (PS3.4 S)."""

LEAVE_OUT = say(
    "Leave out what can't go on the disc (a choice on its page; --leave-out-refused), or order it in another way."
)


class RefusedPlanError(ApplianceError):
    """A disc that can't be made as it was ordered."""

    def __init__(self, info: str, message: str, plan: Plan | None = None) -> None:
        super().__init__(message)
        self.info = info
        self.plan = plan


class LaterError(ApplianceError):
    """A disc whose turn has not come."""


class HeldError(ApplianceError):
    """A disc that waits for a person."""

    def __init__(self, reason: str, message: str, plan: Plan | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.plan = plan


class UndecodableError(DamagedError):
    """Images that had to be decompressed and can't be."""

    def __init__(self, instances: Mapping[str, str]) -> None:
        super().__init__(
            say(
                "%(instances)s instances can't be decompressed: %(values)s",
                instances=len(instances),
                values=next(iter(instances.values())),
            )
        )
        self.instances = instances  # SOP Instance UID -> why


def can_be_left_out(plan: Plan) -> bool:
    """Whether something is left to make a disc of without what is refused."""
    return bool(plan.volumes) and all(note.SOPInstanceUID for note in plan.refused)


def refusals_of(plan: Plan) -> str:
    """What is refused, in words, and what to do next."""
    first = plan.refused[0]
    more = f" (and {len(plan.refused) - 1} more)" if len(plan.refused) > 1 else ""
    hint = say("; %(proposal)s would do", proposal=first.proposal) if first.proposal else ""
    hint += say(", or video as MP4 files (--video mp4)") if first.choice == "mp4" else ""
    which = f"Instance {first.SOPInstanceUID}: " if first.SOPInstanceUID else ""
    what = f"{which}{first.reason}{hint}{more}"
    return f"{what}. {LEAVE_OUT}" if can_be_left_out(plan) else what
