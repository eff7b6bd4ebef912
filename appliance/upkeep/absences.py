"""What of this machine is not at work, and since when: a film nobody can send is missed by nobody here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from appliance.store.store import Store
from appliance.store.tables.base import now
from appliance.upkeep import kept, port_checks, service_checks

SINCE = "absent:"
"""Before the machine's name, empty for one that is alone: key of what is absent -> since when, in which words."""


def note(store: Store) -> None:
    """Look, and keep what is absent; the first moment of it stays."""
    known = kept.recall(store, SINCE + store.node, {})
    present = {key: known.get(key, {"since": now().isoformat(), "text": text}) for key, text in _absent(store).items()}
    if present != known:
        kept.keep(store, SINCE + store.node, present)


def lasting(store: Store) -> dict[str, str]:
    """What has been absent for as long as people shall be told after, in words: a restart is over sooner."""
    before = now() - dt.timedelta(minutes=store.settings.notices.film_minutes)
    known = kept.recall(store, SINCE + store.node, {})
    return {key: said["text"] for key, said in known.items() if dt.datetime.fromisoformat(said["since"]) <= before}


def _absent(store: Store) -> Mapping[str, str]:
    """DICOM ports that are not open here; workers, where no other machine has some."""
    found = {f"port:{port}": finding for port, finding in port_checks.dicom_ports(store).items()}
    if not store.node:
        found |= {f"part:{kind}": finding for kind, finding in service_checks.workers(store).items()}
    return {key: finding.text for key, finding in found.items() if finding.level == "error"}
