"""Live parts: a page asks for a fragment every few seconds and gets nothing while nothing changed.

The address of the fragment carries what was seen last (``?seen=``), or If-None-Match does. No answer is cached.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flask import g, make_response, request
from werkzeug.wrappers import Response

from appliance.web.language import locale
from appliance.web.visitor import store


def live(*topics: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A view that is made only when a transaction wrote one of the topics since what the asker has seen.

    Goes under ``@needs(…, live=True)``: being asked by a page is no use by a person, so sessions still end by idling.
    """

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(view)
        def answer(*args: Any, **kwargs: Any) -> Response:
            see(*topics)
            if request.args.get("seen") == g.seen:
                return Response(status=204)
            if request.if_none_match.contains(g.seen):
                return Response(status=304)
            made = make_response(view(*args, **kwargs))
            made.set_etag(g.seen)
            return made

        return answer

    return decorate


def see(*topics: str) -> None:
    """Note in ``g.seen`` what is shown from here on: the topics' change counter, and the language.

    Before the rows are read: what changes in between is then shown at the next ask instead of never.
    """
    g.seen = f"{store().database.changes(*topics)}-{locale()}"
