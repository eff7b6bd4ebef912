"""Why an instance must not be used any more, by the code of its rejection note (PS3.16 CID 7011)."""

from __future__ import annotations

from appliance.words import say

REASONS = {
    "113001": say("rejected for quality reasons"),
    "113037": say("rejected for patient safety reasons"),
    "113038": say("filed under a wrong modality worklist entry"),
    "113039": say("its retention period has ended"),
}
