"""Addresses that the systemd units let nothing through to, and what to say of one that does not answer."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from appliance.words import Words, say

LET_THROUGH = (
    *("127.0.0.0/8", "::1/128"),  # localhost
    *("169.254.0.0/16", "fe80::/64"),  # link-local
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
)
"""As IPAddressAllow= of the units."""
_NETWORKS = tuple(ipaddress.ip_network(text) for text in LET_THROUGH)


def is_outside(addresses: Iterable[str]) -> bool:
    """Whether none of these is let through."""
    return not any(ipaddress.ip_address(address) in network for address in addresses for network in _NETWORKS)


def why_mute(why: str, addresses: Iterable[str]) -> str:
    """Why nobody answered, and the reason nobody thinks of: systemd drops what goes there, and says nothing."""
    return _with_hint(why) if is_outside(addresses) else why


def _with_hint(why: str) -> Words:
    return say(
        "%(why)s. It lies outside private networks: the services reach it once IPAddressAllow= lets them"
        " (docs/install.md)",
        why=why,
    )
