"""Checks of the ports: whether each is open, and whether it is we who have it."""

from __future__ import annotations

import contextlib
import errno
import http.client
import socket

from appliance.config import answers_to
from appliance.security import certificates as tls
from appliance.store.store import Store
from appliance.upkeep.finding import Finding, error, fine, warning
from appliance.words import say

CONNECT_SECONDS = 2.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def dicom_ports(store: Store) -> dict[int, Finding]:
    """Each port that modalities call."""
    dicom = store.settings.dicom
    wanted = [("DICOM", port) for port in dicom.ports]
    if tls.tls_files(store) is not None:
        wanted.append(("DICOM TLS", dicom.tls_port))
    # retrievals are the DICOM part's; whose they are among several machines on a server's database we don't ask
    at_work = not store.database.is_sqlite or bool(store.locks.living("retrieve"))
    return {port: _port(what, dicom.address, port, ours=at_work) for what, port in wanted if port}


def ports(store: Store) -> list[Finding]:
    web = store.settings.web
    found = [*dicom_ports(store).values(), *_page_name(store)]
    if web.port:
        found.append(_port(say("page"), web.address, web.port, ours=_is_our_page(store)))
    return found


def _page_name(store: Store) -> list[Finding]:
    """Where others reach the page: whether it answers to what this machine is called now."""
    web, name = store.settings.web, socket.gethostname().lower()
    if web.address in LOOPBACK and not web.trusted_proxy:
        return []
    if answers_to(name, web.hosts):
        return []
    text = say("The page does not answer to this machine's name, %(name)s.", name=name)
    advice = say("Add it to web.hosts in the settings and restart; see that the page's certificate has it, too.")
    return [warning("ports", text, advice)]


def _reached_at(address: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)


def _is_our_page(store: Store) -> bool:
    """Whether what answers on the page's port is the page."""
    web = store.settings.web
    with contextlib.closing(http.client.HTTPConnection(_reached_at(web.address), web.port, CONNECT_SECONDS)) as asked:
        try:
            asked.request("GET", "/static/favicon.svg", headers={"Host": web.hosts[0]} if web.hosts else {})
            answer = asked.getresponse()
        except TimeoutError:
            return True  # busy, or hanging: the watchdog's matter
        except (OSError, http.client.HTTPException):
            return False
        return answer.status == 200 and answer.getheader("Content-Type", "").startswith("image/svg")


def _port(what: str, address: str, port: int, *, ours: bool) -> Finding:
    where = say("The %(what)s port %(port)s on %(address)s", what=what, port=port, address=address)
    try:
        socket.create_connection((_reached_at(address), port), CONNECT_SECONDS).close()
    except OSError:
        return _why_closed(where, address, port)
    if not ours:
        return error(
            "ports", say("%(where)s answers, but it is not the appliance that does.", where=where), _named(port)
        )
    return fine("ports", say("%(where)s answers.", where=where))


def _named(port: int) -> str:
    return say("Another program has it: ss -ltnp 'sport = :%(port)s' names it.", port=port)


def _why_closed(where: str, address: str, port: int) -> Finding:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as problem:
            advice = {
                errno.EACCES: say("Ports below 1024 need the capability: start it by systemd, or use 11112."),
                errno.EADDRINUSE: _named(port),
                errno.EADDRNOTAVAIL: say("This machine has no such address: correct the address in the settings."),
            }.get(problem.errno or 0, say("See the log."))
            return error(
                "ports",
                say("%(where)s does not answer and can't be opened: %(why)s.", where=where, why=problem.strerror),
                advice,
            )
    return error(
        "ports",
        say("%(where)s is closed.", where=where),
        say("Start the service: systemctl start appliance.target; see its log."),
    )
