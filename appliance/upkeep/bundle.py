"""A zip for support: health, versions, settings without secrets, counts, the log of the units. No patient data."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from importlib import metadata
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from appliance.errors import ResourceError
from appliance.printing.printer_verbs import all_printers
from appliance.printing.printers import HIDDEN, readable
from appliance.security.peer_verbs import all_peers
from appliance.store import files, print_jobs
from appliance.store.store import Store
from appliance.upkeep.finding import Finding
from appliance.words import say

LOG_LINES = 5000
NAMES = re.compile(r"[^\s\"'=,]*\^[^\s\"',]*")
"""Names as DICOM writes them. The log has none on purpose; what a library may have written is blotted out."""
FIRST_LINK = re.compile(r"/first-run/[\w-]+")
"""Until somebody has followed it, it makes an admin."""


def write_bundle(store: Store, path: Path, findings: list[Finding], log: str | None = None) -> Path:
    """Write the zip, with the journal or what of it was read before. Raises ResourceError."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _contents(store, findings, journal() if log is None else log).items():
            text = content if isinstance(content, str) else json.dumps(content, indent=2, default=str)
            archive.writestr(name, text)
    try:
        return files.write_file(path.absolute(), buffer.getvalue())
    except OSError as error:
        raise ResourceError(say("%(path)s can't be written: %(why)s.", path=path, why=error.strerror)) from error


def _contents(store: Store, findings: list[Finding], log: str) -> dict[str, Any]:
    return {
        "health.json": [finding.to_json() for finding in findings],
        "packages.json": {each.metadata["Name"]: each.version for each in metadata.distributions()},
        "settings.json": _settings(store),
        "printers.json": [
            {
                "name": printer.name,
                "device_uri": without_password(printer.device_uri),
                "state": printer.printer_state,
                "reasons": printer.printer_state_reasons,
                "settings": {key: value for key, value in readable(printer.settings).items() if key != "measurements"},
            }
            for printer in all_printers(store)
        ],
        "peers.json": [
            {"name": peer.name, "ae_title": peer.ae_title, "allows": peer.allows} for peer in all_peers(store)
        ],
        "jobs.json": _jobs(store),
        "log.txt": log,
    }


def _settings(store: Store) -> dict[str, Any]:
    values = store.settings.model_dump(mode="json")
    for section, key in (("database", "url"), ("notices", "webhook")):  # both may carry a password or a token
        values[section][key] = HIDDEN if values[section][key] else ""
    return values


def without_password(uri: str) -> str:
    """An address without who logs in there."""
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else uri


def _jobs(store: Store) -> dict[str, int]:
    with store.database.read() as connection:
        counts = print_jobs.count_by_state(connection)
    return {f"{printer} {state}": count for (printer, state), count in counts.items()}


def journal() -> str:
    """The journal of our units, where there is one."""
    if shutil.which("journalctl") is None:
        return "There is no journal here."
    command = ["journalctl", "--unit=appliance*", f"--lines={LOG_LINES}", "--no-pager", "--output=short-iso"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return blotted(result.stdout) or result.stderr


def blotted(log: str) -> str:
    return FIRST_LINK.sub("/first-run/(secret)", NAMES.sub("(name)", log))
