"""From a burner URI to the burner, by its scheme."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from appliance.errors import UsageError
from appliance.media.burner.agent import AgentBurner
from appliance.media.burner.drive import DriveBurner
from appliance.media.burner.folder import FolderBurner
from appliance.media.burner.options import BurnerOptions, burner_options
from appliance.media.burner.outcome import Burner
from appliance.media.burner.robots import EpsonBurner, PrimeraBurner, rimage
from appliance.words import say

SCHEMES: dict[str, tuple[Callable[[str, BurnerOptions], Burner], str]] = {
    "folder": (FolderBurner, "folder:/path"),
    "drive": (DriveBurner, "drive:/dev/sr0"),
    "primera": (PrimeraBurner, "primera:/job/folder"),
    "epson": (EpsonBurner, "epson:/job/folder"),
    "agent": (AgentBurner, "agent:NAME"),
    "rimage": (rimage, "rimage: (refused)"),
}


def open_burner(uri: str, *, options: Mapping[str, Any] | BurnerOptions | None = None) -> Burner:
    """The burner of `uri`; nothing is touched yet. Raises UsageError when the URI or an option makes no sense."""
    scheme = uri.partition(":")[0].lower()
    if scheme not in SCHEMES:
        forms = ", ".join(form for _, form in SCHEMES.values())
        raise UsageError(
            say("No burner is reached by %(scheme)s:; there are %(forms)s", scheme=scheme or "nothing", forms=forms),
            field="burner_uri",
        )
    return SCHEMES[scheme][0](uri, burner_options(options))
