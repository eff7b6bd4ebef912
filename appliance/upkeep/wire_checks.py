"""Checks that ask the network: names, printers, burners, peers. All at once, so that one that is mute costs little."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar
from urllib.parse import urlsplit

from appliance.errors import ApplianceError
from appliance.media.burners import StoredBurner, all_burners, open_stored
from appliance.network.calling import to_call
from appliance.network.scu import echo
from appliance.printing.printer_verbs import all_printers
from appliance.printing.printers import Printer
from appliance.printing.sending import device_of
from appliance.security.peers import Peer
from appliance.store.store import Store
from appliance.upkeep.finding import Finding, error, fine, warning
from appliance.upkeep.mailing import mail_server
from appliance.upkeep.service_checks import peer_names
from appliance.words import row, say

AT_ONCE = 16
Asked = TypeVar("Asked")


def names(store: Store) -> list[Finding]:
    """Whether each host name in use means something."""
    settings = store.settings
    hosts = {settings.smtp.host, settings.syslog.host, socket.gethostname()}
    hosts |= {peer.host for peer in peer_names(store)}
    hosts |= {urlsplit(printer.device_uri).hostname or "" for printer in all_printers(store)}
    return _all(_name, sorted(hosts - {""}))


def _name(host: str) -> list[Finding]:
    try:
        addresses = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, proto=socket.IPPROTO_TCP)}
    except (OSError, UnicodeError) as problem:
        advice = say("Correct it, or see to the name servers in /etc/resolv.conf; an address works without.")
        return [error("names", say("The name %(host)s can't be resolved: %(why)s.", host=host, why=problem), advice)]
    return (
        [fine("names", say("%(host)s is %(addresses)s.", host=host, addresses=", ".join(sorted(addresses))))]
        if host not in addresses
        else []
    )


def printers(store: Store) -> list[Finding]:
    def ask(printer: Printer) -> list[Finding]:
        return _said("printers", say("Printer %(name)s", name=printer.name), lambda: device_of(store, printer).check())

    return _all(ask, all_printers(store))


def burners(store: Store) -> list[Finding]:
    def ask(burner: StoredBurner) -> list[Finding]:
        return _said("burners", say("Burner %(name)s", name=burner.name), lambda: open_stored(store, burner).probe())

    return _all(ask, all_burners(store))


def mail(store: Store) -> list[Finding]:
    """Whether the mail server listens to us: one that does not tells nobody, and nobody notices."""
    smtp = store.settings.smtp
    if not (smtp.host and smtp.recipients):
        return []
    where = {"host": smtp.host, "port": smtp.port}
    try:
        with mail_server(smtp) as server:
            server.noop()
    except (OSError, smtplib.SMTPException, UnicodeError) as problem:
        text = say("The mail server %(host)s port %(port)s does not answer: %(why)s.", **where, why=problem)
        return [error("notices", text, say("Correct smtp or notices in the settings, or see to the server."))]
    return [fine("notices", say("The mail server %(host)s port %(port)s answers.", **where))]


class Answered(Protocol):
    """One line of a device's own check."""

    @property
    def ok(self) -> bool: ...

    @property
    def what(self) -> str: ...

    @property
    def advice(self) -> str: ...


def _said(topic: str, name: str, ask: Callable[[], Iterable[Answered]]) -> list[Finding]:
    """A device's own findings as ours."""
    try:
        found = list(ask())
    except ApplianceError as problem:
        return [error(topic, row((name, str(problem)), ": "), say("Correct its address."))]
    good = [fine(topic, say("%(name)s %(what)s.", name=name, what=each.what)) for each in found if each.ok]
    bad = [each for each in found if not each.ok]
    return good + [
        error(topic, say("%(name)s does not pass this: %(what)s.", name=name, what=each.what), each.advice)
        for each in bad
    ]


def peers(store: Store) -> list[Finding]:
    def ask(peer: Peer) -> list[Finding]:
        try:
            result = echo(to_call(store, peer))
        except ApplianceError as problem:
            return [
                warning(
                    "peers",
                    say("Peer %(peer)s can't be called: %(why)s", peer=peer.name, why=problem),
                    say("See the peer's settings."),
                )
            ]
        if result.ok:
            return [fine("peers", say("Peer %(peer)s answers.", peer=peer.name))]
        return [
            warning(
                "peers",
                say("Peer %(peer)s: %(message)s", peer=peer.name, message=result.message),
                say(
                    "See that it is on and that host, port and AE titles are right on both sides;"
                    " appliance peer echo %(peer)s tries again.",
                    peer=peer.name,
                ),
            )
        ]

    return _all(ask, peer_names(store))


def _all(ask: Callable[[Asked], list[Finding]], asked: Iterable[Asked]) -> list[Finding]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [finding for found in pool.map(ask, asked) for finding in found]
