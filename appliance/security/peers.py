"""Known peers: who may do what, and how each wants to be answered."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field

PERMISSIONS = ("print", "store", "commit", "media-creation")
"""What a peer may be allowed."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One DICOM application we talk with."""

    name: str  # ours, unique
    ae_title: str  # calling AE title; "*" any
    address: str = ""  # IP address or network (192.0.2.0/24); "" any
    host: str = ""  # where we reach it, for echo, query, retrieve
    port: int = 0  # 0: we never call it
    tls: bool = False  # we call it by TLS
    certificate: str = ""  # SHA-256 fingerprint its TLS client certificate must have; "" any
    allows: tuple[str, ...] = ("print", "store")  # of PERMISSIONS
    answering: str = "tolerant"  # tolerant, strict (Annex H to the letter)
    mask_warnings: bool = False  # warnings are answered as success
    separate_classes: bool = True  # accepts Film Session, Film Box, Image Box proposed one by one
    assumed_charset: str = ""  # Specific Character Set where it is absent or false
    printer_status: str = "queue"  # queue, device: what Printer Status describes
    events: bool = True  # sends N-EVENT-REPORT
    done_when: str = "printed"  # printed, queued: when Execution Status says DONE for devices that can't tell
    burner: str = ""  # makes the discs it orders (media creation); "" the usual one
    rule: dict[str, object] = field(default_factory=dict)  # studies that become discs by themselves
    known: bool = True  # False: stands for peers nobody configured


UNKNOWN = Peer(name="", ae_title="*", allows=("print", "store"), known=False)
"""What a peer nobody configured may do, where settings let strangers in."""


def find_peer(peers: Iterable[Peer], calling_ae_title: str, address: str) -> Peer | None:
    """The peer that calls: AE title and address must fit; a named AE title before "*", then the closest address."""
    fitting = [peer for peer in peers if _fits(peer, calling_ae_title, address)]
    return max(fitting, key=_closeness, default=None)


def calls_alike(one: Peer, other: Peer) -> bool:
    """Whether nothing tells two peers apart when they call; of two networks the smaller one goes before.

    Archives that are called at their own hosts may bear one AE title: many keep the one they were delivered with.
    """
    both_called = bool(one.host and other.host)
    return one.ae_title.strip() == other.ae_title.strip() and _network(one) == _network(other) and not both_called


def _network(peer: Peer) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    return ipaddress.ip_network(peer.address, strict=False) if peer.address else None


def _fits(peer: Peer, calling_ae_title: str, address: str) -> bool:
    if peer.ae_title.strip() not in ("*", calling_ae_title.strip()):
        return False
    return not peer.address or in_network(address, peer.address)


def in_network(address: str, network: str) -> bool:
    """Whether an IP address lies in an address or network as text; IPv4 in IPv6 counts as IPv4."""
    ip = ipaddress.ip_address(address)
    mapped = getattr(ip, "ipv4_mapped", None)
    net = ipaddress.ip_network(network, strict=False)
    ip = mapped or ip
    return ip.version == net.version and ip in net


def _closeness(peer: Peer) -> tuple[bool, int]:
    network = _network(peer)
    return peer.ae_title != "*", network.prefixlen if network else -1
