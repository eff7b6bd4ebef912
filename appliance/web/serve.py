"""The page behind waitress, with limits that keep it alive among slow and idle connections."""

from __future__ import annotations

import functools
import logging
import resource
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

import waitress.server
from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser

from appliance.security import first_admin
from appliance.store.store import Store
from appliance.web.app import create_app
from appliance.web.slow import PatientChannel, put_out_the_slow
from appliance.web.visitor import FORM_BYTES, may_send_much, upload_paths

logger = logging.getLogger(__name__)

CONNECTIONS = 500
NEVER = 10 * 366 * 24 * 3600
"""Seconds: waitress goes by a clock that can be set, and takes a drip for life. See appliance.web.slow."""
HEADER_BYTES = 32 << 10


class _Parser(HTTPRequestParser):
    """Waitress' parser, which takes large bodies only where something is uploaded, and from people we know."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if not self.adj.takes_much(self.path, self.headers):
            self.adj: Any = self.adj.for_forms


class _Channel(PatientChannel):
    parser_class = _Parser


def adjustments(store: Store) -> dict[str, Any]:
    """What waitress is told."""
    web = store.settings.web
    proxy = {
        "trusted_proxy": web.trusted_proxy,
        "trusted_proxy_count": 1,
        "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"},
    }
    return {
        "host": web.address,
        "port": web.port,
        "threads": web.threads,
        "connection_limit": _connections(),
        "channel_timeout": NEVER,
        "max_request_header_size": HEADER_BYTES,
        "max_request_body_size": web.upload_mib << 20,
        "clear_untrusted_proxy_headers": True,
        "asyncore_use_poll": True,
        "ident": None,
        **(proxy if web.trusted_proxy else {}),
    }


def _connections() -> int:
    """Fewer where descriptors are short: at their end waitress goes round and round over a caller it can't take."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(CONNECTIONS, descriptors // 2)


def make_server(store: Store) -> Any:
    """A bound server; ``run()`` serves until ``close()``. ``effective_port`` is where."""
    given = adjustments(store)
    socket.getaddrinfo(given["host"], given["port"])  # waitress does not say which name it is that nobody knows
    app = create_app(store)
    server = waitress.server.create_server(app, **given)
    server.adj.for_forms = Adjustments(**{**given, "max_request_body_size": FORM_BYTES + 1})
    server.adj.takes_much = functools.partial(_takes_much, store, upload_paths(app))
    server.channel_class = _Channel
    return server


def _takes_much(store: Store, paths: tuple[str, ...], path: str, headers: Mapping[str, str]) -> bool:
    return path.startswith(paths) and may_send_much(store, headers.get("COOKIE", ""), headers.get("AUTHORIZATION", ""))


def serve(
    store: Store,
    stop: threading.Event,
    beat: Callable[[], None] = lambda: None,
    opened: Callable[[str, int], None] = lambda host, port: None,
) -> None:
    """Serve the page until `stop`. `opened` is told once where it is, `beat` is called while it is served."""
    server = make_server(store)
    first_admin.announce(store, base_url(store, server.effective_port))
    thread = threading.Thread(target=server.run, name="page", daemon=True)
    thread.start()
    opened(server.effective_host, int(server.effective_port))
    logger.info("The page is at http://%s:%s/", server.effective_host, server.effective_port)
    while not stop.wait(1.0) and thread.is_alive():
        put_out_the_slow(server)
        beat()
    server.close()
    server.task_dispatcher.shutdown()


def base_url(store: Store, port: int) -> str:
    """Where a person reaches the page: its first host name; by TLS when a proxy stands before it."""
    web = store.settings.web
    host = web.hosts[0] if web.hosts else web.address
    return f"https://{host}" if web.trusted_proxy else f"http://{host}:{port}"
