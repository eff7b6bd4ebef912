"""The Host header, checked before anything else looks at it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::\d{1,5})?")


class OnlyOurHosts:
    """A WSGI application that answers to its own names alone; ".example.org" stands for every name below it."""

    def __init__(self, app: WSGIApplication, hosts: Iterable[str]) -> None:
        self.app = app
        self.hosts = frozenset(
            f"[{host}]" if ":" in host and host[0] != "[" else host for host in map(str.lower, hosts)
        )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self.is_ours(environ.get("HTTP_HOST", "")):
            return self.app(environ, start_response)
        body = b"The appliance does not answer to this name. Add it to web.hosts in appliance.toml.\n"
        headers: list[tuple[str, Any]] = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        start_response("400 Bad Request", headers)
        return [body]

    def is_ours(self, header: str) -> bool:
        match = _HOST.fullmatch(header)
        if match is None:
            return False
        name = match[1].lower()
        return name in self.hosts or any(host.startswith(".") and name.endswith(host) for host in self.hosts)
