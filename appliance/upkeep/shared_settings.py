"""Settings of the whole appliance that stand in each machine's own file: whichever does the work goes by its own.

Films would be kept for a week or a month, audit messages sent or not, people told or not, as locks change hands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from appliance.config import Settings

SHARED: dict[str, tuple[str, ...]] = {
    "dicom": ("unknown_peers", "strict_called_ae", "private_classes"),
    "tls": ("mutual",),
    "web": ("idle_minutes", "session_hours"),
    "storage": (
        "films_days",
        "films_quota_gib",
        "studies_days",
        "studies_quota_gib",
        "discs_days",
        "audit_days",
        "folder_roots",
    ),
    "printing": ("duplicate_minutes",),
    "discs": ("institution", "department", "address", "phone", "email", "web", "contact", "logo", "site_files"),
    "smtp": ("host", "port", "sender", "recipients", "starttls"),
    "notices": ("webhook", "language", "film_minutes"),
    "syslog": ("host", "port", "transport"),
}
"""What is a machine's own is not here: addresses and ports, workers, limits, files of its own."""
SECRET = "notices.webhook"


def shared_settings(settings: Settings) -> dict[str, str]:
    """Each of them with its value as JSON; of a secret, its hash."""
    values: dict[str, dict[str, Any]] = settings.model_dump(mode="json")
    found = {f"{section}.{key}": values[section][key] for section, keys in SHARED.items() for key in keys}
    if found[SECRET]:
        found[SECRET] = f"sha256 {hashlib.sha256(found[SECRET].encode()).hexdigest()[:12]}"
    return {name: json.dumps(value, ensure_ascii=False) for name, value in found.items()}


def differing(here: Mapping[str, str], there: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Setting, value here, value there. A machine of another version may not know some."""
    return [(name, here[name], there[name]) for name in here.keys() & there.keys() if here[name] != there[name]]
