"""Two cookies: the session's random id, and a signed one with the form token, the language and messages to show."""

from __future__ import annotations

import secrets as random

from flask import Flask, has_request_context, request, session
from flask.sessions import SecureCookieSessionInterface
from werkzeug.wrappers import Response

from appliance.store import secrets
from appliance.store.store import Store

KEY = "web-key"


class PageCookies(SecureCookieSessionInterface):
    """Flask's signed cookie, bound to the host when it came by TLS."""

    def get_cookie_name(self, app: Flask) -> str:
        return _bound("page")

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure

    def get_cookie_samesite(self, app: Flask) -> str:
        return "Lax"


def _bound(name: str) -> str:
    return f"__Host-{name}" if has_request_context() and request.is_secure else name


def session_id_name() -> str:
    """The name of the cookie with the session's id."""
    return _bound("session")


def give_session(answer: Response, session_id: str) -> Response:
    """Hand the browser a new session's id; what the old signed cookie held is forgotten with it."""
    _forget()
    answer.set_cookie(session_id_name(), session_id, path="/", secure=request.is_secure, httponly=True, samesite="Lax")
    return answer


def take_session(answer: Response) -> Response:
    """Take both cookies away, and what the browser kept of the pages."""
    _forget()
    answer.delete_cookie(session_id_name(), path="/", secure=request.is_secure, httponly=True, samesite="Lax")
    answer.headers["Clear-Site-Data"] = '"cache"'
    return answer


def _forget() -> None:
    """Empty the signed cookie but for the language: it belongs to the browser, not to who is logged in."""
    for key in set(session) - {"language"}:
        del session[key]


def signing_key(store: Store) -> str:
    """The key of the signed cookie, made on first use."""
    with store.database.write() as connection:
        key = secrets.get(connection, KEY)
        if key is None:
            key = random.token_urlsafe(32)
            secrets.put(connection, KEY, key)
    return key
