"""The appliance's health: all an admin would ask when it does not work, in words with the next step.

One list for ``appliance check``, the health page and ``/api/v1/health``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from appliance.store.store import Store
from appliance.upkeep import certificate_checks, machine_checks, node_checks, port_checks, service_checks, wire_checks
from appliance.upkeep.finding import LEVELS, Finding, error
from appliance.words import say

Check = Callable[[Store], list[Finding]]

QUICK: tuple[Check, ...] = (
    machine_checks.versions,
    service_checks.access,
    port_checks.ports,
    service_checks.parts,
    node_checks.machines,
    machine_checks.disk,
    machine_checks.clock,
    service_checks.database,
    certificate_checks.certificates,
    service_checks.printers,
    service_checks.burners,
    service_checks.rules,
    service_checks.films,
    service_checks.audit_collector,
    service_checks.notices,
    service_checks.backups,
    machine_checks.fonts,
    machine_checks.tools,
)
"""Read what is known: quick enough for a page."""

THOROUGH: tuple[Check, ...] = (
    service_checks.whole_database,
    service_checks.audit_trail,
    wire_checks.names,
    wire_checks.printers,
    wire_checks.burners,
    wire_checks.peers,
    wire_checks.mail,
)
"""Read everything, and ask the network."""

log = logging.getLogger(__name__)


def look(store: Store, *, thorough: bool = False) -> list[Finding]:
    """Every finding, the worst first. `thorough` reads the whole database and calls printers and peers."""
    checks = QUICK + (THOROUGH if thorough else ())
    found = [finding for check in checks for finding in _try(check, store)]
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def _try(check: Check, store: Store) -> list[Finding]:
    """A check that breaks is a finding: the others are wanted all the more then."""
    try:
        return check(store)
    except Exception as problem:
        log.debug("check %s broke off", check.__name__, exc_info=True)
        topic = check.__name__.replace("_", " ")
        return [
            error(
                topic,
                say("This could not be checked: %(why)s", why=problem),
                say("See the other findings, then the log."),
            )
        ]


def worst(findings: Sequence[Finding]) -> str:
    """error, warning or fine."""
    return next((level for level in LEVELS if any(finding.level == level for finding in findings)), "fine")
