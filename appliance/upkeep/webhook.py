"""Notices by webhook."""

from __future__ import annotations

import json
import socket
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from appliance.config import NoticesSettings
from appliance.store.tables.base import now
from appliance.upkeep.limited import Limit
from appliance.upkeep.notice import IN_ALL, SECONDS, Notice, lines


def post(settings: NoticesSettings, notices: list[Notice]) -> None:
    """One POST with all of them as JSON. Raises OSError for anything but a 2xx answer."""
    body = {
        "host": socket.gethostname(),
        "at": now().isoformat(timespec="seconds"),
        "text": "\n".join(lines(notices, settings.language)),  # what chat programs show
        "notices": [vars(notice) for notice in notices],
    }
    headers = {"Content-Type": "application/json", "User-Agent": "appliance"}
    if not _is_address(settings.webhook):
        raise ValueError("notices.webhook is no address like https://host/path")  # it may hold a secret
    request = urllib.request.Request(settings.webhook, json.dumps(body).encode(), headers, method="POST")
    with Limit(IN_ALL) as limit, limit.opener(_NoRedirects).open(request, timeout=SECONDS) as answer:
        answer.read(4096)
        limit.check()


def _is_address(url: str) -> bool:
    """Whether urllib takes it: what it says of others has the secret in it."""
    try:
        parts = urlsplit(url)
        sound = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and " " not in url
    return plain and sound and parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Makes a redirect an error: urllib would follow it by GET, and a log-in page's 200 pass for a notice taken."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
