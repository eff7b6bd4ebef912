"""The Host header, checked before anything else looks at it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from appliance.config import answers_to

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::\d{1,5})?")


class OnlyOurHosts:
    """A WSGI application that answers to its own names alone."""

    def __init__(self, app: WSGIApplication, hosts: Iterable[str]) -> None:
        self.app = app
        self.hosts = tuple(hosts)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self.is_ours(environ.get("HTTP_HOST", "")):
            return self.app(environ, start_response)
        body = b"The appliance does not answer to this name. Add it to web.hosts in appliance.toml.\n"
        headers: list[tuple[str, Any]] = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        start_response("400 Bad Request", headers)
        return [body]

    def is_ours(self, header: str) -> bool:
        match = _HOST.fullmatch(header)
        return match is not None and answers_to(match[1], self.hosts)
