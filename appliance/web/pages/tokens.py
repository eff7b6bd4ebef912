"""API tokens: make one and see it this once, revoke."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from flask_babel import lazy_gettext as _
from wtforms import IntegerField, RadioField, StringField

from appliance.security import tokens
from appliance.security.roles import TOKEN_ROLES, VIEWER
from appliance.store.tables.base import now
from appliance.web.forms import Form, at_most, optional, required, role_choices, say_done
from appliance.web.visitor import actor, needs, store

blueprint = Blueprint("tokens", __name__, url_prefix="/tokens")


class TokenForm(Form):
    name = StringField(_("What it is for"), [required(), at_most(64)])
    role = RadioField(_("Role"), choices=lambda: role_choices(TOKEN_ROLES), default=VIEWER)
    days = IntegerField(_("Good for how many days"), [optional()])


@blueprint.get("")
@needs("people.change")
def index() -> Any:
    return _page(TokenForm(formdata=None))


@blueprint.post("")
@needs("people.change")
def create() -> Any:
    """The token stands on this answer alone: no address shows it again."""
    form = TokenForm()
    made: list[str] = []
    if form.does(lambda: made.append(_create(form))):
        return _page(TokenForm(formdata=None), secret=made[0])
    return _page(form), 400


def _create(form: TokenForm) -> str:
    return tokens.create_token(store(), form.name.data or "", form.role.data, actor(), days=form.days.data)


@blueprint.post("/<int:token_id>/revoke")
@needs("people.change")
def revoke(token_id: int) -> Any:
    tokens.revoke_token(store(), token_id, actor())
    say_done(_("The token is revoked."))
    return redirect(url_for("tokens.index"), code=303)


def _page(form: TokenForm, *, secret: str = "") -> str:
    listed = [(token, _state(token)) for token in tokens.all_tokens(store())]
    return render_template("tokens.html", form=form, tokens=listed, secret=secret)


def _state(token: tokens.Token) -> str:
    if token.revoked is not None:
        return "revoked"
    return "active" if token.is_good(now()) else "expired"
