"""Live parts: a page asks for a fragment every few seconds and gets nothing while nothing changed.

The address of the fragment carries what was seen last (``?seen=``), or If-None-Match does. No answer is cached by
a browser; lists that many people watch are made once for all of a role (fragments.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flask import current_app, g, make_response, request
from werkzeug.wrappers import Response

from appliance.web.fragments import Fragment
from appliance.web.language import locale
from appliance.web.visitor import store, visitor

Answering = Callable[..., Any]


def live(*topics: str) -> Callable[[Answering], Answering]:
    """A view that is made only when a transaction wrote one of the topics since what the asker has seen.

    Goes under ``@needs(…, live=True)``: being asked by a page is no use by a person, so sessions still end by idling.
    """

    def decorate(view: Answering) -> Answering:
        @functools.wraps(view)
        def answer(*args: Any, **kwargs: Any) -> Response:
            see(*topics)
            return _nothing_new() or _told(view(*args, **kwargs))

        return answer

    return decorate


def shared_live(*topics: str, looked: Callable[[], None]) -> Callable[[Answering], Answering]:
    """As ``live``, for a part that is the same for all of a role and language: made once for all who ask in a second.

    The view may depend on the address, the role and the language alone. `looked` is called for each who is shown it.
    """

    def decorate(view: Answering) -> Answering:
        @functools.wraps(view)
        def answer(*args: Any, **kwargs: Any) -> Response:
            fragment: Fragment = current_app.extensions["fragments"].of(_whose())
            with fragment.lock:
                if fragment.is_old_for(max(map(counter, _seen()), default=0)):
                    see(*topics)
                    fragment.renew(g.seen, counter(g.seen))
                g.seen = fragment.seen
                nothing = _nothing_new()
                if nothing:
                    return nothing
                looked()
                return _told(fragment.made_by(functools.partial(view, *args, **kwargs)))

        return answer

    return decorate


def see(*topics: str) -> None:
    """Note in ``g.seen`` what is shown from here on: the topics' change counter, and the language.

    Before the rows are read: what changes in between is then shown at the next ask instead of never.
    """
    g.seen = f"{store().database.changes(*topics)}-{locale()}"


def counter(seen: str) -> int:
    """The change counter in what was seen; 0 when it is none of ours."""
    number = seen.partition("-")[0]
    return int(number) if number.isdecimal() and len(number) < 20 else 0


def _seen() -> list[str]:
    """What the asker says to have seen."""
    return [request.args.get("seen", ""), *request.if_none_match.as_set()]


def _whose() -> tuple[object, ...]:
    """All that a shared part may depend on."""
    asked = sorted(pair for pair in request.args.items(multi=True) if pair[0] != "seen")
    return (request.path, *asked, visitor().role, locale())


def _nothing_new() -> Response | None:
    if request.args.get("seen") == g.seen:
        return Response(status=204)
    return Response(status=304) if request.if_none_match.contains(g.seen) else None


def _told(part: Any) -> Response:
    made = make_response(part)
    made.set_etag(g.seen)
    return made
