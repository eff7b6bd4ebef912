"""Who is asking, and whether they may: every view names the permission it needs, or the page does not start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from flask import Flask, abort, current_app, g, redirect, request, url_for
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.http import parse_cookie
from werkzeug.wrappers import Response

from appliance.events import Actor
from appliance.security import roles
from appliance.security.audit_verbs import note_denied
from appliance.security.revoking import by_token
from appliance.security.sessions import Session, find_session
from appliance.security.tokens import find_token
from appliance.store.store import Store
from appliance.web import cookies

View = TypeVar("View", bound=Callable[..., Any])

PUBLIC = "public"
"""The permission nobody needs to have."""

FORM_BYTES = 512 << 10
"""Largest body of a request that is no upload."""

csrf = CSRFProtect()


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Someone the appliance knows, in a browser or with a token."""

    name: str
    role: str  # of roles.TOKEN_ROLES
    language: str = ""
    session: Session | None = None  # None: came with a token

    def may(self, permission: str) -> bool:
        return roles.may(self.role, permission)


def needs(permission: str, *, upload: bool = False, live: bool = False) -> Callable[[View], View]:
    """Mark a view: the permission it needs, whether it takes large bodies, whether a page asks it by itself."""
    if permission != PUBLIC:
        roles.PERMISSIONS[permission]  # a mistyped one fails here

    def mark(view: View) -> View:
        view.permission, view.upload, view.live = permission, upload, live  # type: ignore[attr-defined]
        return view

    return mark


def store() -> Store:
    """The store this page stands on."""
    return current_app.extensions["store"]  # type: ignore[no-any-return]


def visitor() -> Visitor:
    """Who is asking; only in views that need a permission."""
    assert g.visitor is not None
    return g.visitor  # type: ignore[no-any-return]


def actor() -> Actor:
    """Who is asking, for verbs and the audit trail."""
    return Actor(name=visitor().name, kind="user", address=address())


def address() -> str:
    """Where the request comes from; the server has put the proxy's word in place where it is trusted."""
    return request.remote_addr or ""


def install(app: Flask) -> None:
    """Ask every request who it is; refuse views nobody marked."""
    app.before_request(_identify)
    app.before_request(_guard)
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False  # _guard asks, after it knows whether there is a token
    app.config["WTF_CSRF_TIME_LIMIT"] = None
    csrf.init_app(app)


def check_views(app: Flask) -> None:
    """Raise when a view does not say who may see it: fail closed."""
    app.view_functions["static"] = needs(PUBLIC)(app.view_functions["static"])
    missing = [name for name, view in app.view_functions.items() if not hasattr(view, "permission")]
    if missing:
        raise AssertionError(f"views without @needs: {', '.join(missing)}")


def upload_paths(app: Flask) -> tuple[str, ...]:
    """What the addresses begin with that take large bodies."""
    rules = (rule for rule in app.url_map.iter_rules() if getattr(app.view_functions[rule.endpoint], "upload", False))
    return tuple(rule.rule.partition("<")[0] for rule in rules)


def may_send_much(store: Store, cookie: str, authorization: str) -> bool:
    """Whether these headers are of someone we know: asked before a large body is taken in."""
    secret = authorization.partition(" ")[2].strip()
    if secret:
        return find_token(store, secret) is not None
    kept = parse_cookie(cookie)
    session_id = kept.get("__Host-session") or kept.get("session") or ""
    return bool(session_id) and find_session(store, session_id, in_use=False) is not None


def _view() -> Any:
    return current_app.view_functions.get(request.endpoint or "")


def _identify() -> None:
    g.visitor = None
    g.by_token = False
    if request.endpoint == "static":
        return
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        g.by_token = True
        token = find_token(store(), secret.strip())
        if token is not None:
            g.visitor = Visitor(name=by_token(token.name), role=token.role)
        return
    session_id = request.cookies.get(cookies.session_id_name(), "")
    session = find_session(store(), session_id, in_use=not getattr(_view(), "live", False)) if session_id else None
    if session is not None:
        g.visitor = Visitor(name=session.user, role=session.role, language=session.language, session=session)


def _guard() -> Response | None:
    view = _view()
    if view is None:
        return None  # no such page, or not by that method: the router's own answer
    if view.permission != PUBLIC:
        if g.visitor is None:
            return _ask_to_log_in()
        if not g.visitor.may(view.permission):
            note_denied(store(), actor(), f"{request.method} {request.path}")
            abort(403)
    if not view.upload:
        request.max_content_length = FORM_BYTES
    if request.method not in ("GET", "HEAD", "OPTIONS") and not g.by_token:
        _refuse_foreign_origin()
        _check_form_token()
    return None


def _ask_to_log_in() -> Response:
    if g.by_token or request.path.startswith("/api/"):
        abort(401)
    here = request.full_path.rstrip("?") if request.method == "GET" else ""
    if request.headers.get("HX-Request"):
        answer = Response("", status=401)
        answer.headers["HX-Refresh"] = "true"  # the whole page goes to the log-in: nothing stays readable
        return answer
    return redirect(url_for("login.index", next=here or None), code=303)


def _refuse_foreign_origin() -> None:
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        abort(403)
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(403)


def _check_form_token() -> None:
    try:
        csrf.protect()
    except CSRFError:
        abort(403)


def local_path(target: str) -> str | None:
    """A path of ours to go on to; None for what could lead elsewhere."""
    if not target.startswith("/") or target.startswith(("//", "/\\")) or not target.isprintable() or "\\" in target:
        return None
    parts = urlsplit(target)
    return None if parts.scheme or parts.netloc else target
