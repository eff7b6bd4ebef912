"""Roles, and what each may do."""

from __future__ import annotations

from appliance.errors import UsageError
from appliance.words import say

ADMIN = "admin"
CLERK = "clerk"
VIEWER = "viewer"
ROLES = (ADMIN, CLERK, VIEWER)
"""Of people."""
AGENT = "agent"
TOKEN_ROLES = (*ROLES, AGENT)
"""Of programs: the agent of a desk's drive sees its discs, and nothing else."""

_ALL = frozenset(ROLES)
_CLERKS = frozenset((ADMIN, CLERK))
_ADMINS = frozenset((ADMIN,))

PERMISSIONS: dict[str, frozenset[str]] = {
    "own-account": _ALL,  # password, language, sessions of one's own
    "overview.see": _ALL,
    "about.see": _ALL,
    "jobs.see": _ALL,
    "jobs.act": _CLERKS,  # hold, release, cancel, reprint, move
    "printers.see": _ALL,
    "printers.change": _ADMINS,
    "calibration.see": _ALL,
    "calibration.change": _ADMINS,
    "patients.see": _ALL,
    "patients.add": _CLERKS,  # import, query, retrieve
    "patients.delete": _ADMINS,
    "discs.see": _ALL,
    "discs.make": _CLERKS,  # create, cancel, burn again, put in media
    "discs.burn": _CLERKS | {AGENT},  # fetch images for a desk's drive, report what came of them
    "burners.see": _ALL,
    "burners.change": _ADMINS,
    "peers.see": _ALL,
    "peers.echo": _CLERKS,
    "peers.change": _ADMINS,
    "profiles.see": _ALL,
    "profiles.change": _ADMINS,
    "people.change": _ADMINS,  # users and tokens
    "settings.see": _ADMINS,
    "audit.see": _ADMINS,
}
"""Permission -> the roles that have it."""


def may(role: str, permission: str) -> bool:
    """Whether a role has a permission. Raises KeyError for a permission there is not."""
    return role in PERMISSIONS[permission]


def check_role(role: str, among: tuple[str, ...] = ROLES) -> None:
    """Raise UsageError unless there is such a role."""
    if role not in among:
        raise UsageError(
            say("There is no role %(role)s; there are: %(roles)s.", role=role, roles=", ".join(among)), field="role"
        )
